"""Words of a command line become a call, or one line that says what is wrong with them and what was meant."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from seesay.cli.arguments import Settings, Words
from seesay.cli.options import COMMON, field_docs, parse
from seesay.config import (
    Config,
    EncoderConfig,
    FeaturesConfig,
    ModelConfig,
    OptimConfig,
    PretrainConfig,
    SplitConfig,
)
from seesay.errors import ConfigError
from seesay.plain import flat, to_dict
from seesay.recipes import RECIPES, USUAL_KINDS, recipe
from tiny import tiny_data

FIELDS = flat(to_dict(recipe("small").naming(USUAL_KINDS)))
"""Every option that a config has."""

calls: list[dict[str, Any]] = []


def fetch(what: Words[str], size: int = 3, kind: Literal["red", "green"] = "red", all: bool = False) -> None:
    """Fetch something.

    Args:
        what: Its name.
        size: How large, in metres.
        kind: Its colour.
        all: Everything.
    """
    calls.append({"what": what, "size": size, "kind": kind, "all": all})


def learn(out: Path, config: Settings, recipe: str = "small") -> None:
    """Learn something. And remember it.

    Args:
        out: Where it goes.
        config: How.
        recipe: Where the config starts from.
    """
    calls.append({"out": out, "config": config, "recipe": recipe})


def teach(data: str, out: Path, config: Settings, recipe: str = "small") -> None:
    """Learn from something."""
    calls.append({"data": data, "out": out, "config": config, "recipe": recipe})


COMMANDS: dict[str, Callable[..., None]] = {
    "fetch": fetch,
    "learn": learn,
    "teach": teach,
    "data build": fetch,
    "data info": fetch,
}


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


def called(*words: str) -> dict[str, Any]:
    """What the command is called with."""
    call = parse(COMMANDS, list(words))
    assert call is not None
    assert calls == [], "parsing does not call"
    call()
    [arguments] = calls
    return arguments


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(COMMANDS, list(words))
    assert calls == []
    message = str(caught.value)
    assert "\n" not in message
    assert not set(message) & set("│╭╮╰╯─")
    return message


def test_the_signature_says_the_options():
    assert called("fetch", "it") == {"what": "it", "size": 3, "kind": "red", "all": False}


def test_options_are_of_their_type():
    asked = called("fetch", "it", "--size", "5", "--kind=green", "--all")
    assert asked == {"what": "it", "size": 5, "kind": "green", "all": True}


def test_a_command_may_have_two_words():
    assert called("data", "build", "it")["what"] == "it"


def test_a_config_starts_from_the_recipe():
    asked = called("learn", "--out", "run", "--optim.epochs", "2", "--model.image.width", "8")
    start = recipe("small").naming(USUAL_KINDS)
    assert asked["config"].optim.epochs == 2
    assert asked["config"].model.named["image"].width == 8
    assert asked["config"].optim.lr == start.optim.lr
    assert asked["config"].model.named["audio"] == start.model.named["audio"]
    assert asked["out"] == Path("run")


def test_fields_that_nobody_names_stay_as_the_recipe_says():
    assert called("learn", "--out", "run")["config"] == named(recipe("small"))


def named(config: Config) -> Config:
    """The config with the modalities that options are named after; other kinds of contents stay possible."""
    return config.naming(USUAL_KINDS, others=True)


def test_the_front_end_of_a_modality_has_options():
    words = ("--model.audio.features.kind", "log-mel", "--model.audio.features.filters", "64")
    model = called("learn", "--out", "run", *words)["config"].model
    assert model.named["audio"].features == FeaturesConfig(kind="log-mel", filters=64)
    assert model.named["image"].features == FeaturesConfig()


def test_modalities_are_called_as_the_data_call_them(tmp_path: Path):
    tiny_data(modalities=["image"]).save(tmp_path / "data")
    card = json.loads((tmp_path / "data" / "dataset.json").read_text())
    card["modalities"] = {"face": card["modalities"]["image"]}
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(card))
    words = ["--data", str(tmp_path / "data"), "--out", "run", "--model.face.width", "9"]
    model = called("teach", *words)["config"].model
    assert list(model.named) == ["face"]
    assert model.named["face"] == dataclasses.replace(recipe("small").model.kinds["picture"], width=9)
    calls.clear()
    assert "no option --model.image.width" in refused("teach", *words, "--model.image.width", "9")
    usual = called("teach", "--data", "elsewhere", "--out", "run")["config"]
    assert usual == named(recipe("small"))


@pytest.mark.parametrize("words", [["--recipe", "slow"], ["--recipe=slow"]])
def test_another_recipe_is_another_start(words: list[str], monkeypatch: pytest.MonkeyPatch):
    slow = Config(seed=42)
    monkeypatch.setitem(RECIPES, "slow", lambda: slow)
    assert called("learn", "--out", "run", *words) == {
        "out": Path("run"),
        "config": named(slow),
        "recipe": "slow",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fetsh"], "there is no command 'fetsh'. Did you mean 'fetch'?"),
        (["data", "biuld"], "there is no command 'data biuld'. Did you mean 'data build'?"),
        (
            ["xyzzy"],
            "there is no command 'xyzzy'. Choose one of: fetch, learn, teach, data build, data info.",
        ),
        (["data", "xyzzy"], "there is no command 'data xyzzy'. Did you mean 'data "),
        (["fetch", "it", "--sise", "3"], "seesay fetch has no option --sise. Did you mean '--size'?"),
        (
            ["learn", "--out", "a", "--optim.epoch", "3"],
            "no option --optim.epoch. Did you mean '--optim.epochs'?",
        ),
        (["learn", "--out", "a", "--epochs", "3"], "no option --epochs. Did you mean '--optim.epochs'?"),
        (["learn", "--out", "a", "--recipe", "smal"], "there is no recipe 'smal'. Did you mean 'small'?"),
    ],
)
def test_what_does_not_exist_is_named_with_the_nearest_that_does(words: list[str], says: str):
    assert says in refused(*words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fetch", "it", "--size", "big"], ["big", "size"]),
        (["fetch", "it", "--kind", "blue"], ["blue", "red", "green"]),
        (["fetch", "it", "--size"], ["size"]),
        (["fetch"], ["needs its name."]),
        (["learn"], ["--out"]),
        (["learn", "--out", "a", "--optim.epochs", "1.5"], ["1.5", "epochs"]),
        (["learn", "--out", "a", "--recipe"], ["recipe"]),
        (["fetch", "it", "more"], ["more"]),
    ],
)
def test_a_value_that_is_wrong_or_absent_is_named(words: list[str], says: list[str]):
    message = refused(*words)
    assert all(part.lower() in message.lower() for part in says), message
    assert f"See seesay {words[0]} --help" in message


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_is_a_list_of_commands_with_a_sentence_each(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    assert parse(COMMANDS, words) is None
    said = capsys.readouterr().out
    assert "seesay learn" in said
    assert "Learn something." in said
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize("words", [["data"], ["data", "--help"], ["data", "-h"]])
def test_a_family_lists_its_own(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert parse(COMMANDS, words) is None
    said = capsys.readouterr().out
    assert "seesay data build" in said
    assert "seesay learn" not in said


@pytest.mark.parametrize("words", [["fetch", "--help"], ["fetch", "it", "--help"], ["data", "build", "-h"]])
def test_the_help_of_a_command_explains_every_option(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert parse(COMMANDS, words) is None
    said = capsys.readouterr().out
    for part in ("Fetch something.", "--size", "How large, in metres.", "{red,green}"):
        assert part in said
    assert "no-all" not in said


def test_the_help_of_a_config_shows_the_recipes_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(RECIPES, "slow", lambda: Config(seed=4321))
    assert parse(COMMANDS, ["learn", "--recipe", "slow", "--help"]) is None
    said = capsys.readouterr().out
    assert "4321" in said
    assert "--optim.lr" in said


def test_a_short_help_shows_the_common_fields_and_a_long_one_all_of_them(capsys: pytest.CaptureFixture[str]):
    assert parse(COMMANDS, ["learn", "--help"]) is None
    short = capsys.readouterr().out
    assert parse(COMMANDS, ["learn", "--help-all"]) is None
    long = capsys.readouterr().out
    flags = [f"--{name.replace('_', '-')} " for name in FIELDS]
    assert {flag for flag in flags if flag in short} == {f"--{name.replace('_', '-')} " for name in COMMON}
    assert set(COMMON) <= set(FIELDS)
    assert [flag for flag in flags if flag not in long.replace(".no-", ".")] == []
    assert long.index("--optim.epochs") < long.index("--model.image.kind"), "the common ones come first"
    assert "--help-all lists all options" in short
    assert "--help-all" not in long


def test_a_field_that_a_short_help_hides_is_an_option_all_the_same():
    said = refused("learn", "--out", "a", "--augment.nois", "1")
    assert "no option --augment.nois. Did you mean '--augment.noise'?" in said
    assert called("learn", "--out", "run", "--augment.noise", "0.5")["config"].augment.noise == 0.5


def test_what_is_on_is_turned_off_as_the_help_says(capsys: pytest.CaptureFixture[str]):
    assert parse(COMMANDS, ["learn", "--help-all"]) is None
    assert "--augment.no-repair " in capsys.readouterr().out
    assert "Did you mean '--augment.no-repair'?" in refused("learn", "--out", "a", "--augment.repair")
    assert called("learn", "--out", "run", "--augment.no-repair")["config"].augment.repair is False


def test_a_text_of_several_lines_is_one_paragraph(capsys: pytest.CaptureFixture[str]):
    def long(size: int = 3) -> None:
        """Do something that takes
        two lines.

        Args:
            size: How large it
                is, in metres.
        """

    assert parse({"long": long}, ["long", "--help"]) is None
    said = capsys.readouterr().out
    assert "Do something that takes two lines." in said
    assert "How large it is, in metres." in said
    assert "Args:" not in said


def test_every_field_of_the_config_has_its_sentence():
    assert field_docs(OptimConfig)["epochs"].startswith("Passes over the training rows.")
    for kind in (Config, SplitConfig, ModelConfig, EncoderConfig, OptimConfig, PretrainConfig):
        assert list(field_docs(kind)) == [field.name for field in dataclasses.fields(kind)]


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]):
    from importlib.metadata import version

    assert parse(COMMANDS, ["--version"]) is None
    assert capsys.readouterr().out.strip() == version("seesay")


def test_a_negative_number_is_a_value():
    assert called("fetch", "it", "--size", "-2")["size"] == -2
