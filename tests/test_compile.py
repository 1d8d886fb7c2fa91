"""torch.compile follows the whole classifier in one graph and changes nothing. Runs without the shape
checker."""

import dataclasses

import pytest
import torch

from seesay.model.classifier import build
from seesay.recipes import recipe
from tiny import FEATURES, tiny_data

pytestmark = pytest.mark.compile


@pytest.mark.parametrize("name", ["small", "report"])
@pytest.mark.parametrize("modalities", [("image", "audio"), ("audio",)])
def test_one_graph_says_what_the_module_says(name, modalities):
    data = tiny_data()
    config = recipe(name).model
    sound = dataclasses.replace(config.kinds["waveform"], features=FEATURES)
    config = dataclasses.replace(config, kinds={**config.kinds, "waveform": sound})
    model = build(config, data.spec).eval()
    inputs = {m: torch.from_numpy(data.contents[m][:3]) for m in modalities}
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        said, expected = compiled(inputs), model(inputs)
    assert said.keys() == expected.keys()
    for condition, logits in expected.items():
        torch.testing.assert_close(said[condition], logits)
