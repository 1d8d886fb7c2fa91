"""Export of models with encoders from files: one graph, which says what torch and ONNX Runtime say."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from onnx_files import picture_file, same_file, sound_file
from seesay.cli import main
from seesay.config import EncoderConfig, ModelConfig
from seesay.errors import OutputError
from seesay.learn.run import Run
from seesay.model.classifier import build
from seesay.serve.export import check_same, to_onnx
from seesay.serve.graph import Graph
from seesay.serve.joined_graphs import divided
from seesay.spec import Spec, WaveformSpec
from tiny import tiny_config, tiny_data, tiny_model, tiny_run

pytest.importorskip("onnxscript", reason="needs the extra onnx")


def run_of(folder: Path, **kinds: str) -> Run:
    model = tiny_model()
    encoders = {
        m: EncoderConfig(kind=f"onnx:{kinds[m]}") if m in kinds else e for m, e in model.named.items()
    }
    return tiny_run(folder / "run", config=tiny_config(2, dataclasses.replace(model, named=encoders)))


def test_one_graph_holds_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """An older operator set, two windows a clip, and another modality with an encoder of its own."""
    run = run_of(tmp_path, audio=str(sound_file(tmp_path, samples=1_200, sequence=False, opset=15)))
    target = tmp_path / "model.onnx"
    assert main(["export", str(run.folder), "--out", str(target)]) == 0, capsys.readouterr().err
    onnx.checker.check_model(onnx.load(target), full_check=True)
    graph = Graph(target)
    assert [each.name for each in graph.session.get_inputs()] == ["image", "audio", "has_image", "has_audio"]
    data = tiny_data()
    contents = {m: data.contents[m][:5] for m in data.modalities}
    present = {"image": np.array([1, 1, 0, 1, 0], bool), "audio": np.array([1, 0, 1, 1, 0], bool)}
    singly = [
        graph({m: x[i : i + 1] for m, x in contents.items()}, {m: x[i : i + 1] for m, x in present.items()})
        for i in range(5)
    ]
    for condition, probabilities in graph(contents, present).items():
        np.testing.assert_allclose(
            probabilities, np.concatenate([one[condition] for one in singly]), atol=1e-5
        )


@pytest.mark.long
@pytest.mark.parametrize("opset", [15, 18, 21])
def test_both_modalities_may_be_files(opset: int, tmp_path: Path):
    picture = picture_file(tmp_path, opset=max(opset, 18))
    run = run_of(tmp_path, image=str(picture), audio=str(sound_file(tmp_path, opset=opset)))
    model = run.model()
    for kind in ("contents", "features"):
        check_same(model, Graph(to_onnx(model, run.spec, kind)), "model.onnx")


def test_a_network_of_one_content_at_a_time_is_refused_in_a_line(tmp_path: Path):
    card = {"layout": "T", "rate": 8_000, "seconds": 0.25}
    encoder = EncoderConfig(kind=f"onnx:{same_file(tmp_path, (2_000,), card)}")
    spec = Spec(("a", "b"), {"audio": WaveformSpec(8_000, 0.25)})
    model = build(ModelConfig(named={"audio": encoder}), spec)
    with pytest.raises(OutputError, match=r"same.onnx takes one content at a time, so it has no place"):
        to_onnx(model, spec)
    assert not divided(build(ModelConfig(), spec))
