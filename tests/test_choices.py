"""Names that a config may choose by lead to as many different things as there are names."""

from dataclasses import replace

import pytest

from seesay.config import EncoderConfig, FeaturesConfig, default_encoders
from seesay.errors import ConfigError
from seesay.model.classifier import build
from seesay.model.encoders import encoder
from seesay.registry import find, names
from seesay.signal.front_ends import features_shape, front_end
from seesay.spec import ContentSpec, MatrixSpec, VectorSpec, spec_type
from tiny import AUDIO, FEATURES, FUSIONS, IMAGE, tiny_model, tiny_spec

CONTENTS: list[ContentSpec] = [IMAGE, AUDIO, MatrixSpec(9, 7), VectorSpec(5)]
"""One of every kind."""


def test_every_fusion_of_a_config_is_another():
    made = {name: type(build(tiny_model(fusion=name), tiny_spec()).fusion) for name in names("fusion")}
    assert made == FUSIONS
    assert len(set(made.values())) == len(made)


def test_there_is_a_spec_and_a_usual_network_of_every_kind_of_content():
    assert {spec.kind for spec in CONTENTS} == set(names("kind")) == set(default_encoders())
    assert all(spec_type(spec.kind) is type(spec) for spec in CONTENTS)


@pytest.mark.parametrize("spec", CONTENTS, ids=lambda spec: spec.kind)
def test_every_kind_of_encoder_is_another(spec: ContentSpec):
    """Vectors have one of their own, which is for nothing else. Those that are told apart by the weights in
    their front ends come to the same projection."""
    features = FEATURES if spec is AUDIO else FeaturesConfig()
    shape, kinds = features_shape(front_end(features, spec), spec), names("encoder", spec.kind)
    pretrained = [find("encoder", k).frozen for k in kinds if find("encoder", k).frozen]
    assert len(set(pretrained)) == len(pretrained)
    kinds = [k for k in kinds if k != "auto" and not find("encoder", k).frozen]
    made = {k: encoder(EncoderConfig(kind=k, width=4), 8, shape, spec.kind) for k in kinds}
    assert len({repr(module) for module in made.values()}) == len(kinds) > 0, made
    for other in set(names("encoder")) - set(names("encoder", spec.kind)):
        with pytest.raises(ConfigError, match=f"the encoder {other} is not for the kind {spec.kind}"):
            encoder(EncoderConfig(kind=other, width=4), 8, shape, spec.kind)


def test_every_kind_of_features_is_made_in_another_way():
    kinds = [kind for kind in names("front-end", "waveform") if kind != "onnx:FILE"]  # needs a file
    settings = [
        replace(FEATURES, kind=k) if k in ("mfcc", "log-mel") else FeaturesConfig(kind=k) for k in kinds
    ]
    made = [repr(front_end(each, AUDIO).get_submodule("features")) for each in settings]
    made += [
        repr(front_end(FeaturesConfig(), spec).get_submodule("features")) for spec in (IMAGE, CONTENTS[2])
    ]
    assert len(set(made)) == len(kinds) + 2
