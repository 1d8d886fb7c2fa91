"""Specs and configs: to JSON and back unchanged, wrong values refused by name, every field explained."""

import ast
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesay import config
from seesay.config import (
    AudioSpec,
    Config,
    ImageSpec,
    ModelConfig,
    OptimConfig,
    Spec,
    from_dict,
    to_json,
)
from seesay.errors import ConfigError

UNKNOWN = AudioSpec(features="unknown", frames=50, columns=20)
FULL = Spec(
    ("zero", "one"), ImageSpec(reader="photo", channels=3), AudioSpec(mean=(0.5,) * 13, scale=(2.0,) * 13)
)


def undocumented_fields() -> Iterator[str]:
    """Fields of config.py's dataclasses that no string follows."""
    for node in ast.parse(Path(config.__file__).read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            explained = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and not explained:
                yield f"{node.name}.{ast.unparse(field.target)}"


def test_a_sentence_stands_under_every_field():
    assert list(undocumented_fields()) == []


# ------------------------------------------------------------------------------------------ specs


def test_a_second_of_speech_is_39_frames_of_12_coefficients_and_the_energy():
    assert AudioSpec().shape == (39, 13)
    assert AudioSpec(rate=8_000).shape == (39, 13)


def test_a_log_mel_spectrum_is_as_wide_as_its_filters():
    assert AudioSpec(features="log-mel", filters=64, shift=0.010, window=0.025).shape == (98, 64)


def test_features_of_unknown_making_keep_the_shape_they_came_with():
    assert UNKNOWN.shape == (50, 20)


@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 44_100]),
    seconds=st.floats(0.2, 3),
    window=st.floats(0.01, 0.1),
    shift=st.floats(0.005, 0.1),
)
def test_the_frames_are_all_that_fit_and_none_that_does_not(
    rate: int, seconds: float, window: float, shift: float
):
    spec = AudioSpec(rate=rate, seconds=seconds, window=window, shift=shift)
    long, step = round(rate * window), round(rate * shift)
    assert (spec.frames - 1) * step + long <= spec.samples < spec.frames * step + long


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"high": 9_000.0}, "between 0 Hz and half the rate .8000 Hz.*high=9000"),
        ({"low": 5_000.0}, "low below high; got low=5000, high=4000"),
        ({"low": -1.0}, "low=-1"),
        ({"high": math.nan}, "high=nan"),
        ({"window": 2.0}, "a window of 2 s does not fit into a clip of 1 s"),
        ({"coefficients": 40}, "40 filters give 1 to 39 coefficients, got 40"),
        ({"coefficients": 0}, "got 0"),
    ],
)
def test_a_front_end_that_cannot_be_is_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        AudioSpec(**fields)


def test_modalities_stand_in_the_fixed_order_and_only_where_there_are_any():
    assert FULL.modalities == ("image", "audio")
    assert Spec(("a", "b"), audio=AudioSpec()).modalities == ("audio",)
    assert Spec(("a", "b")).modalities == ()


def test_a_spec_is_read_by_the_name_of_the_modality():
    assert FULL["image"] is FULL.image
    assert Spec(("a", "b"))["audio"] is None


@pytest.mark.parametrize("value", [FULL, ImageSpec(), AudioSpec(), Config()], ids=lambda v: type(v).__name__)
def test_nobody_changes_one_in_place(value: Any):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, None)


# ----------------------------------------------------------------------------- to and from JSON


@pytest.mark.parametrize(
    "value",
    [
        FULL,
        Spec(("zero", "one"), audio=UNKNOWN),
        Config(),
        Config(seed=3, model=ModelConfig(fusion="concat"), optim=OptimConfig(lr=1e-3)),
    ],
    ids=["spec", "unknown features", "config", "changed config"],
)
def test_json_and_back_is_the_same(value: Any):
    assert from_dict(type(value), json.loads(to_json(value))) == value


def test_what_is_not_said_has_its_default():
    assert from_dict(Config, {"optim": {"epochs": 2}}) == Config(optim=OptimConfig(epochs=2))


def test_a_whole_number_will_do_where_a_fraction_is_expected():
    found = from_dict(OptimConfig, {"lr": 1})
    assert (found.lr, type(found.lr)) == (1.0, float)


def test_a_modality_may_be_none():
    assert from_dict(Spec, {"classes": ["a", "b"], "image": None}) == Spec(("a", "b"))


def test_an_unknown_field_is_refused_with_its_path_and_the_nearest():
    with pytest.raises(ConfigError, match=r"^model\.image\.widht is not a field\. Did you mean 'width'\?$"):
        from_dict(Config, {"model": {"image": {"widht": 3}}})


def test_an_unknown_choice_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"^model\.fusion is 'concta'\. Did you mean 'concat'\?$"):
        from_dict(Config, {"model": {"fusion": "concta"}})


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Config, {"seed": "0"}, "seed must be int, got '0'"),
        (Config, {"seed": 0.5}, "seed must be int, got 0.5"),
        (Config, {"seed": True}, "seed must be int, got True"),
        (Config, {"seed": None}, "seed must be int, got None"),
        (Config, {"optim": {"lr": "fast"}}, r"optim\.lr must be float, got 'fast'"),
        (Config, {"optim": {"lr": False}}, r"optim\.lr must be float, got False"),
        (Config, {"augment": {"repair": 1}}, r"augment\.repair must be bool, got 1"),
        (Config, {"optim": 3}, "optim must be an object with fields, got 3"),
        (Config, [], "Config must be an object with fields"),
        (Spec, {"classes": "ab"}, "classes must be a list, got 'ab'"),
        (Spec, {"classes": ["a", 1]}, "classes must be str, got 1"),
        (Spec, {"classes": ["a"], "audio": {"rate": 4_000}}, "half the rate"),
        (Spec, {}, "Spec: .*classes"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(kind: type, values: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        from_dict(kind, values)
