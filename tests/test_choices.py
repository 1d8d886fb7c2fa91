"""Names that a config may choose by lead to as many different things as there are names."""

import dataclasses
from typing import Any, get_args, get_type_hints

import pytest

from seesay.config import EncoderConfig, FeaturesConfig, ModelConfig, usual_encoders
from seesay.model.classifier import build
from seesay.model.encoders import encoder
from seesay.model.fusion import FUSIONS
from seesay.signal.features import MAKERS, front_end
from seesay.spec import CONTENT_SPECS, ContentSpec, Kind, MatrixSpec, VectorSpec
from tiny import AUDIO, FEATURES, IMAGE, tiny_model, tiny_spec

CONTENTS: list[ContentSpec] = [IMAGE, AUDIO, MatrixSpec(9, 7), VectorSpec(5)]
"""One of every kind."""


def choices(kind: type, field: str) -> tuple[Any, ...]:
    return get_args(get_type_hints(kind)[field])


def test_the_fusions_of_the_config_are_those_that_there_are():
    assert sorted(choices(ModelConfig, "fusion")) == sorted(FUSIONS)
    for name in FUSIONS:
        assert type(build(tiny_model(fusion=name), tiny_spec()).fusion) is FUSIONS[name]


def test_there_is_a_spec_and_a_usual_network_of_every_kind_of_content():
    assert {spec.kind for spec in CONTENTS} == set(get_args(Kind)) == set(CONTENT_SPECS)
    assert set(usual_encoders()) == set(get_args(Kind))


@pytest.mark.parametrize("spec", CONTENTS, ids=lambda spec: spec.kind)
def test_every_kind_of_encoder_is_another(spec: ContentSpec):
    """Vectors have one of their own, which is for nothing else."""
    features = FEATURES if spec is AUDIO else FeaturesConfig()
    kinds = [k for k in choices(EncoderConfig, "kind") if (k == "mlp") == (spec.kind == "vector")]
    made = {k: encoder(EncoderConfig(kind=k, width=4, features=features), 8, spec) for k in kinds}
    assert len({repr(module) for module in made.values()}) == len(kinds), made


def test_every_kind_of_features_is_made_in_another_way():
    [kinds] = [get_args(each) for each in choices(FeaturesConfig, "kind") if get_args(each)]
    assert set(kinds) == set(MAKERS)
    made = [type(front_end(_of_kind(k), AUDIO).get_submodule("features")) for k in kinds]
    made += [
        type(front_end(FeaturesConfig(), spec).get_submodule("features")) for spec in (IMAGE, CONTENTS[2])
    ]
    assert len(set(made)) == len(kinds) + 2


def _of_kind(kind: Any) -> FeaturesConfig:
    return dataclasses.replace(FEATURES, kind=kind)
