"""Names that a config may choose by lead to as many different things as there are names."""

from typing import Any, get_args, get_type_hints

import pytest

from seesay.config import MODALITIES, AudioSpec, EncoderConfig, ModelConfig, Spec
from seesay.model.classifier import build, front_end
from seesay.model.encoders import encoder
from seesay.model.fusion import FUSIONS
from tiny import AUDIO, tiny_model, tiny_spec


def choices(kind: type, field: str) -> tuple[Any, ...]:
    return get_args(get_type_hints(kind)[field])


def test_the_fusions_of_the_config_are_those_that_there_are():
    assert sorted(choices(ModelConfig, "fusion")) == sorted(FUSIONS)
    for name in FUSIONS:
        assert type(build(tiny_model(fusion=name), tiny_spec()).fusion) is FUSIONS[name]


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_kind_of_encoder_is_another(modality: str):
    kinds = choices(EncoderConfig, "kind")
    made = {
        k: encoder(tiny_model(**{modality: EncoderConfig(kind=k, width=4)}), tiny_spec(), modality)
        for k in kinds
    }
    assert len({repr(module) for module in made.values()}) == len(kinds), made


def test_every_kind_of_features_is_made_in_another_way():
    kinds = choices(AudioSpec, "features")
    specs = [AudioSpec("unknown", frames=9, columns=7) if k == "unknown" else _of_kind(k) for k in kinds]
    made = [type(next(front_end(Spec(("a", "b"), audio=spec), "audio").children())) for spec in specs]
    assert len(set(made)) == len(kinds)


def _of_kind(kind: Any) -> AudioSpec:
    return AudioSpec(kind, rate=AUDIO.rate, seconds=AUDIO.seconds, filters=12, high=2_000.0, coefficients=6)
