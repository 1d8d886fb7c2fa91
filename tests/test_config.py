"""Specs and configs: to JSON and back unchanged, wrong values refused by name, every field explained."""

import ast
import dataclasses
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesay import config
from seesay import spec as spec_module
from seesay.config import Config, EncoderConfig, FeaturesConfig, ModelConfig, OptimConfig
from seesay.errors import ConfigError
from seesay.plain import from_dict, to_dict, to_json
from seesay.signal.feature_settings import analysis_of, settled_features
from seesay.signal.front_ends import features_shape, front_end
from seesay.spec import (
    TAKEN,
    ContentSpec,
    MatrixSpec,
    PictureSpec,
    Spec,
    VectorSpec,
    WaveformSpec,
    content_to_dict,
    in_order,
    spec_type,
)

FULL = Spec(
    ("zero", "one"),
    {
        "image": PictureSpec(reader="photo", channels=3),
        "audio": WaveformSpec(rate=8_000, high=3_400.0),
        "lips": MatrixSpec(50, 20),
        "words": VectorSpec(300),
    },
)
AS_GIVEN = FeaturesConfig()


def undocumented_fields() -> Iterator[str]:
    """Fields of the dataclasses of config.py and spec.py that no string follows."""
    sources = [Path(str(module.__file__)).read_text() for module in (config, spec_module)]
    for node in [node for source in sources for node in ast.parse(source).body]:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            explained = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and not explained and not _inherited(node, field):
                yield f"{node.name}.{ast.unparse(field.target)}"


def _inherited(owner: ast.ClassDef, field: ast.AnnAssign) -> bool:
    """Whether it only gives a value to what the class above explains."""
    return bool(owner.bases) and "ClassVar" in ast.unparse(field.annotation)


def test_a_sentence_stands_under_every_field():
    assert list(undocumented_fields()) == []


# ------------------------------------------------------------------------------------------ specs


def test_a_second_of_speech_is_39_frames_of_12_coefficients_and_the_energy():
    assert feature_shape(AS_GIVEN, WaveformSpec()) == (39, 13)
    assert feature_shape(AS_GIVEN, WaveformSpec(rate=8_000)) == (39, 13)


def test_a_log_mel_spectrum_is_as_wide_as_its_filters():
    features = FeaturesConfig(kind="log-mel", filters=64, shift=0.010, window=0.025)
    assert feature_shape(features, WaveformSpec()) == (98, 64)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [(PictureSpec(channels=3, height=5), (3, 5, 28)), (MatrixSpec(50, 20), (50, 20)), (VectorSpec(7), (7,))],
    ids=str,
)
def test_other_contents_keep_the_shape_they_came_with(spec: ContentSpec, shape: tuple[int, ...]):
    assert spec.shape == shape
    assert feature_shape(AS_GIVEN, spec) == shape


def test_a_recording_is_samples():
    assert WaveformSpec(rate=8_000, seconds=0.25).shape == (2_000,)


@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 44_100]),
    seconds=st.floats(0.2, 3),
    window=st.floats(0.01, 0.1),
    shift=st.floats(0.005, 0.1),
)
def test_the_frames_are_all_that_fit_and_none_that_does_not(
    rate: int, seconds: float, window: float, shift: float
):
    spec = WaveformSpec(rate=rate, seconds=seconds)
    frames = analysis_of(FeaturesConfig(window=window, shift=shift), spec).frames
    long, step = round(rate * window), round(rate * shift)
    assert (frames - 1) * step + long <= spec.samples < frames * step + long


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"high": 9_000.0}, "between 0 Hz and half the rate .8000 Hz.*high=9000"),
        ({"low": 5_000.0}, "low below high; got low=5000, high=4000"),
        ({"low": -1.0}, "low must be 0 or more, got -1"),
        ({"high": math.nan}, "high must be 0 or more, got nan"),
        ({"window": 2.0}, "a window of 2 s is longer than a clip of 1 s"),
        ({"window": 0.0}, "at least one sample at 16000 Hz, got window=0, "),
        ({"shift": 1e-5}, "at least one sample at 16000 Hz, .*shift=1e-05"),
        ({"coefficients": 40}, "40 filters allow 1 to 39 coefficients, got 40"),
        ({"coefficients": 0}, "coefficients must be 1 or more, got 0"),
    ],
)
def test_a_front_end_that_cannot_be_is_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        analysis_of(FeaturesConfig(**fields), WaveformSpec(high=4_000.0))


@pytest.mark.parametrize(
    ("spec", "kind", "coefficients", "high"),
    [
        (WaveformSpec(seconds=1.5), "mfcc", 12, 8_000),
        (WaveformSpec(seconds=1.6), "log-mel", None, 8_000),
        (WaveformSpec(high=3_400.0), "mfcc", 12, 3_400),
    ],
    ids=["words", "longer clips", "telephone"],
)
def test_open_fields_of_a_front_end_follow_from_the_clips(
    spec: WaveformSpec, kind: Any, coefficients: int | None, high: float
):
    expected = FeaturesConfig(
        kind=kind,
        seconds=spec.seconds,
        window=0.05,
        shift=0.025,
        filters=40,
        low=20.0,
        high=high,
        coefficients=coefficients,
    )
    assert settled_features(AS_GIVEN, spec) == expected
    assert settled_features(expected, spec) == expected
    assert analysis_of(expected, spec) == analysis_of(AS_GIVEN, spec)


def test_what_is_said_of_a_front_end_stays():
    assert settled_features(FeaturesConfig(kind="log-mel", filters=64), WaveformSpec()).filters == 64
    longer = settled_features(FeaturesConfig(seconds=2.0), WaveformSpec(seconds=1.0))
    assert (longer.seconds, longer.kind) == (2.0, "log-mel")
    assert feature_shape(longer, WaveformSpec(seconds=1.0)) == (79, 40)


def test_pictures_keep_their_sides_and_are_cropped_unless_told_otherwise():
    spec = PictureSpec(reader="photo", channels=3, height=30, width=40)
    assert settled_features(AS_GIVEN, spec) == FeaturesConfig(height=30, width=40, fit="crop")
    narrow = settled_features(FeaturesConfig(width=20, fit="pad"), spec)
    assert narrow == FeaturesConfig(height=30, width=20, fit="pad")
    assert feature_shape(narrow, spec) == feature_shape(FeaturesConfig(width=20), spec) == (3, 30, 20)


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (PictureSpec(), {"filters": 64}),
        (PictureSpec(), {"seconds": 1.0}),
        (WaveformSpec(), {"height": 8}),
        (WaveformSpec(), {"fit": "pad"}),
        (MatrixSpec(50, 20), {"filters": 64}),
        (MatrixSpec(50, 20), {"width": 20}),
        (VectorSpec(7), {"window": 0.1}),
    ],
)
def test_a_field_of_a_front_end_that_would_change_nothing_is_refused(
    spec: ContentSpec, fields: dict[str, Any]
):
    message = re.escape(f"features.{next(iter(fields))} has no effect on {spec}. Remove it.")
    with pytest.raises(ConfigError, match=f"^{message}$"):
        settled_features(FeaturesConfig(**fields), spec)


@pytest.mark.parametrize("spec", [MatrixSpec(50, 20), VectorSpec(7)], ids=str)
def test_of_what_came_ready_made_nothing_is_open(spec: ContentSpec):
    assert settled_features(AS_GIVEN, spec) == AS_GIVEN


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (WaveformSpec, {"rate": 0}, "rate must be 1 or more, got 0"),
        (WaveformSpec, {"seconds": math.inf}, "seconds must be 0 or more, got inf"),
        (WaveformSpec, {"high": -1.0}, "high must be 0 or more, got -1"),
        (MatrixSpec, {"frames": 0, "columns": 2}, "frames must be 1 or more, got 0"),
        (MatrixSpec, {"frames": 2, "columns": 0}, "columns must be 1 or more, got 0"),
        (VectorSpec, {"size": 0}, "size must be 1 or more, got 0"),
        (PictureSpec, {"white": 0.0}, "white must be 1 or more, got 0"),
    ],
)
def test_contents_that_cannot_be_are_refused(kind: type, fields: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        kind(**fields)


def test_modalities_stand_in_the_order_of_the_spec_and_only_where_there_are_any():
    assert FULL.modalities == ("image", "audio", "lips", "words")
    assert Spec(("a", "b"), {"audio": WaveformSpec()}).modalities == ("audio",)
    assert Spec(("a", "b")).modalities == ()


def test_pictures_and_recordings_stand_before_others():
    assert in_order(["lips", "audio", "a", "image"]) == ["image", "audio", "lips", "a"]


def test_a_spec_is_read_by_the_name_of_the_modality():
    assert FULL["image"] is FULL.contents["image"]
    assert "image" not in Spec(("a", "b")).contents


def test_what_a_modality_is_follows_from_its_kind():
    assert FULL.kinds == {"image": "picture", "audio": "waveform", "lips": "matrix", "words": "vector"}
    assert FULL.of_kind("waveform") == ("audio",)
    assert FULL.of_kind("vector", "picture") == ("image", "words")


def test_a_spec_can_lose_modalities():
    some = FULL.only(("words", "image"))
    assert (some.modalities, some.classes) == (("image", "words"), FULL.classes)
    assert some["words"] is FULL["words"]


@pytest.mark.parametrize("name", ["", "1st", "a+b", "a.b", "a b", "é", *TAKEN])
def test_a_name_that_would_be_another_thing_is_refused(name: str):
    with pytest.raises(ConfigError, match=r"^a modality cannot be called"):
        Spec(("a", "b"), {name: PictureSpec()})


@pytest.mark.parametrize(
    "value",
    [FULL, PictureSpec(), WaveformSpec(), MatrixSpec(50, 20), VectorSpec(7), Config()],
    ids=lambda v: type(v).__name__,
)
def test_nobody_changes_one_in_place(value: Any):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, None)


# ----------------------------------------------------------------------------- to and from JSON


@pytest.mark.parametrize(
    "value",
    [
        FULL,
        Spec(("zero", "one"), {"audio": MatrixSpec(50, 20)}),
        Config(),
        Config().naming(FULL.kinds),
        Config(model=ModelConfig(named={"lips": EncoderConfig(features=FeaturesConfig(filters=20))})),
        Config(seed=3, model=ModelConfig(fusion="concat"), optim=OptimConfig(lr=1e-3)),
    ],
    ids=["spec", "ready-made features", "config", "named", "named beside kinds", "changed config"],
)
def test_json_and_back_is_the_same(value: Any):
    assert from_dict(type(value), json.loads(to_json(value))) == value


def test_what_is_not_said_has_its_default():
    assert from_dict(Config, {"optim": {"epochs": 2}}) == Config(optim=OptimConfig(epochs=2))


def test_a_whole_number_will_do_where_a_fraction_is_expected():
    found = from_dict(OptimConfig, {"lr": 1})
    assert (found.lr, type(found.lr)) == (1.0, float)


def test_there_may_be_no_modality():
    assert from_dict(Spec, {"classes": ["a", "b"], "contents": {}}) == Spec(("a", "b"))


@pytest.mark.parametrize("modality", FULL.modalities)
def test_contents_say_their_kind_first(modality: str):
    plain = content_to_dict(FULL[modality])
    assert next(iter(plain.items())) == ("kind", FULL.kinds[modality])
    assert spec_type(plain["kind"]) is type(FULL[modality])


def test_what_is_absent_may_be_said_or_not():
    fields = {"kind": "picture", "reader": None, "white": None}
    [found] = from_dict(Spec, {"classes": ["a"], "contents": {"image": fields}}).contents.values()
    assert found == PictureSpec(reader=None)


# ------------------------------------------------------------------------- networks by modality


def test_a_network_is_found_by_name_and_else_by_kind():
    own = EncoderConfig(width=7)
    model = ModelConfig(named={"face": own})
    assert model.of("face", "picture") is own
    assert model.of("image", "picture") is model.kinds["picture"]
    with pytest.raises(ConfigError, match="there is no kind 'gas'"):
        model.of("smell", "gas")
    with pytest.raises(ConfigError, match="no network for smell, a vector"):
        ModelConfig(kinds={}).of("smell", "vector")


def test_a_config_can_name_the_modalities_that_it_uses():
    own = EncoderConfig(width=7)
    whole = Config(model=ModelConfig(named={"audio": own, "old": own}))
    named = whole.naming(FULL.kinds)
    assert list(named.model.named) == list(FULL.modalities)
    assert named.model.named["audio"] is own
    assert named.model.kinds == {}, "nothing is left open"
    assert named.naming(FULL.kinds) == named
    pictures = dataclasses.replace(whole, modalities=("image",)).naming(FULL.kinds)
    assert list(pictures.model.named) == ["image"]


def test_others_can_stay_possible():
    own = EncoderConfig(width=7)
    whole = Config(modalities=("image",), model=ModelConfig(named={"old": own}))
    named = whole.naming(FULL.kinds, others=True)
    assert set(named.model.named) == {*FULL.modalities, "old"}
    assert named.model.kinds == whole.model.kinds


def test_in_json_named_modalities_are_fields_of_the_model():
    plain = to_dict(Config().naming({"face": "picture"}))
    assert plain["model"]["face"]["width"] == EncoderConfig().width
    assert "named" not in plain["model"]


def holding(**fields: Any) -> dict[str, Any]:
    """A spec of recordings with these fields."""
    return {"classes": ["a"], "contents": {"audio": fields}}


def feature_shape(features: FeaturesConfig, spec: ContentSpec) -> tuple[int, ...]:
    return features_shape(front_end(features, spec), spec)


def test_an_unknown_field_is_refused_with_its_path_and_the_nearest():
    with pytest.raises(ConfigError, match=r"^model\.image\.widht is not a field\. Did you mean 'width'\?$"):
        from_dict(Config, {"model": {"image": {"widht": 3}}})


def test_an_unknown_choice_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"^there is no fusion 'concta'\. Did you mean 'concat'\?"):
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
        (Config, {"model": 3}, "model must be an object with fields, got 3"),
        (Config, {"model": {"image": {"width": "4"}}}, r"model\.image\.width must be int, got '4'"),
        (Config, {"model": {"image": 3}}, r"model\.image is not a field"),
        (Config, {"model": {"kinds": {"picture": 3}}}, r"model\.kinds\.picture must be an object"),
        (Config, {"model": {"audio": {"features": {"filters": 0}}}}, "filters must be 1 or more, got 0"),
        (Spec, {"classes": "ab", "contents": {}}, "classes must be a list, got 'ab'"),
        (Spec, {"classes": ["a", 1], "contents": {}}, "classes must be str, got 1"),
        (Spec, holding(kind="waveform", rate=0), "rate must be 1 or more"),
        (Spec, holding(kind="waveform", rat=1), r"contents\.audio\.rat is not a field\. .*'rate'"),
        (Spec, holding(kind="wave"), r"contents\.audio: there is no kind 'wave'\. .*'waveform'"),
        (Spec, holding(rate=1), r"contents\.audio: there is no kind 'None'"),
        (Spec, holding(kind="matrix", frames=3), r"contents\.audio: .*columns"),
        (Spec, {"classes": ["a"], "contents": [3]}, "contents must be an object with fields"),
        (Spec, {"classes": ["a"]}, "contents must be an object with fields, got None"),
        (Spec, {"contents": {}}, "classes must be a list, got None"),
        (Spec, {}, "must be an object with fields, got None"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(kind: type, values: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        from_dict(kind, values)
