"""A line of text becomes a search space, or one line that says what is wrong with it."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.cli.arguments import Settings
from seesay.cli.options import parse
from seesay.config import Config
from seesay.errors import ConfigError
from seesay.recipes import USUAL_KINDS
from seesay.search.space import Choices, Range, apply, flags, parse_space

USUAL = Config().naming(USUAL_KINDS)
"""A config whose modalities have names, as options have them."""

ISSUE = "model.dim=32..256:log,optim.lr=1e-4..1e-2:log,model.fusion=concat|gated|attention"


def refused(text: str, modality: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_space(text, modality)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_ranges_and_choices_are_read():
    assert parse_space(ISSUE).fields == {
        "model.dim": Range(32, 256, log=True),
        "optim.lr": Range(1e-4, 1e-2, log=True),
        "model.fusion": Choices(("concat", "gated", "attention")),
    }


def test_values_have_the_type_of_their_field():
    fields = parse_space(
        "model.dim=2..4,optim.average=0..0.9,augment.repair=true|false,optim.lr=1|1e-1"
    ).fields
    assert fields == {
        "model.dim": Range(2, 4),
        "optim.average": Range(0.0, 0.9),
        "augment.repair": Choices((True, False)),
        "optim.lr": Choices((1.0, 0.1)),
    }
    assert list(map(str, fields.values())) == ["2..4", "0.0..0.9", "true|false", "1.0|0.1"]


def test_blanks_and_dashes_do_not_matter():
    assert parse_space(" model.fusion-layers = 1 | 2 , model.dim = 8 .. 16 ").fields == {
        "model.fusion_layers": Choices((1, 2)),
        "model.dim": Range(8, 16),
    }


def test_the_text_of_a_space_reads_as_the_same_space():
    space = parse_space(ISSUE + ",augment.repair=true|false,optim.weight_decay=0.0..1e-05")
    text = ",".join(f"{name}={field}" for name, field in space.fields.items())
    assert parse_space(text) == space


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_the_reports_grid_has_sixteen_cells_of_one_modality(modality):
    space = parse_space("report", modality)
    cells = space.cells()
    assert len(cells) == len({tuple(cell.values()) for cell in cells}) == 16
    assert space.fixed == {
        f"model.{modality}.kind": "report",
        f"model.{modality}.stride": 1,
        "pretrain.epochs": 0,
    }
    encoders = [apply(USUAL, cell).model.named[modality] for cell in cells]
    assert {e.layers for e in encoders} == {2, 3}
    assert {e.activation for e in encoders} == {"relu", "sigmoid"}
    assert {e.dropout for e in encoders} == {0.2, 0.5}
    assert {e.kernel for e in encoders} == {3, 5}
    assert {e.stride for e in encoders} == {1}


def test_a_range_is_no_grid():
    with pytest.raises(ConfigError, match=r"model\.dim is a range.*number of trials"):
        parse_space(ISSUE).cells()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model.dims=1..2", "'model.dims', which is not a field. Did you mean 'model.dim'?"),
        ("model=1..2", "'model', which is not a field"),
        ("model.dim=256..32", "empty range: 256 is not below 32"),
        ("model.dim=32..32", "empty range"),
        ("model.dim=", "empty choice"),
        ("model.fusion=concat|", "empty choice"),
        ("model.fusion=concat|concat", "same choice twice"),
        ("model.dim=8..16,model.dim=32|64", "names model.dim twice"),
        ("model.dim=a|b", "model.dim must be a whole number, got 'a'"),
        ("model.dim=1.5..8", "model.dim must be a whole number, got '1.5'"),
        ("optim.lr=fast", "optim.lr must be a number, got 'fast'"),
        ("optim.lr=1e-4..nan", "optim.lr must be a number, got 'nan'"),
        ("augment.repair=maybe", "must be true or false"),
        ("model.fusion=concat|gatd", "Did you mean 'gated'?"),
        ("model.fusion=concat..gated", "model.fusion is not a number"),
        ("optim.weight_decay=0..0.1:log", "no logarithm at 0.0"),
        ("optim.lr=1e-4..1e-2:lin", "low..high:log"),
        ("optim.lr=1e-4..x", "optim.lr must be a number, got 'x'"),
        ("model.image.dropout=0.5..2", "has model.image.dropout=2.0, but dropout must be 0 to 0.95"),
        ("model.dim=1|0", "has model.dim=0, but dim must be 1 or more"),
        (
            "model.dim=1..2,optim.lr",
            "expected field=low..high or field=a|b in the search space, got 'optim.lr'",
        ),
        ("model.dim=1..2,", "got ''"),
        ("reprot", "there is no search space 'reprot'. Did you mean 'report'?"),
        ("", "there is no search space ''"),
        ("report", "--modality image or --modality audio"),
    ],
)
def test_what_is_wrong_with_a_space_is_said_in_one_line(text, says):
    assert says in refused(text)


def test_a_field_that_needs_another_is_left_to_the_trial():
    """Alone, `pretrain.epochs` fits no default config; with the encoder's kind beside it, it does."""
    assert parse_space("pretrain.epochs=1|2,model.image.kind=report").varied == ("pretrain.epochs",)


def test_values_go_into_a_config_and_nothing_else_changes():
    start = dataclasses.replace(USUAL, seed=3)
    config = apply(start, {"model.dim": 8, "model.image.dropout": 0.5, "model.audio.features.filters": 20})
    assert (config.seed, config.model.dim, config.model.named["image"].dropout) == (3, 8, 0.5)
    assert config.model.named["audio"].features.filters == 20
    before = {"model.dim": 64, "model.image.dropout": 0.1, "model.audio.features.filters": None}
    assert apply(config, before) == start


def test_fields_are_those_of_the_modalities_that_the_config_names():
    config = Config().naming({"left": "picture", "right": "picture"})
    space = parse_space("model.left.width=2|4,model.right.features.height=8..16", None, config)
    assert list(space.fields) == ["model.left.width", "model.right.features.height"]
    with pytest.raises(ConfigError, match=r"'model\.image\.width', which is not a field"):
        parse_space("model.image.width=2|4", None, config)
    with pytest.raises(ConfigError, match=r"has model\.left\.width=0, but width must be 1 or more"):
        parse_space("model.left.width=0|4", None, config)


def test_a_front_end_is_searched_by_its_fields():
    space = parse_space("model.audio.features.kind=mfcc|log-mel,model.audio.features.filters=20..80")
    assert space.fields == {
        "model.audio.features.kind": Choices(("mfcc", "log-mel")),
        "model.audio.features.filters": Range(20, 80),
    }


@given(
    dim=st.integers(1, 500),
    lr=st.floats(1e-8, 10),
    repair=st.booleans(),
    fusion=st.sampled_from(["gated", "low-rank"]),
)
@settings(max_examples=10)
def test_flags_bring_a_config_back_through_the_command_line(dim, lr, repair, fusion):
    values = {"model.dim": dim, "optim.lr": lr, "augment.repair": repair, "model.fusion": fusion, "seed": 4}
    config = dataclasses.replace(apply(USUAL, values), modalities=("image", "audio"))
    got = []

    def learn(config: Settings, recipe: str = "small") -> None:
        """Learn."""
        got.append(config)

    call = parse({"learn": learn}, ["learn", *flags(config, Config(), USUAL_KINDS)])
    assert call is not None
    call()
    assert [each.naming(USUAL_KINDS) for each in got] == [config]


def test_a_config_needs_no_flags_to_be_itself():
    assert flags(Config(), Config(), USUAL_KINDS) == []
    assert flags(USUAL, Config(), USUAL_KINDS) == []
