"""Export: one graph that says in ONNX Runtime what the model says in torch, whatever is missing, and what it
takes."""

import io
import json
import logging
import sys
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from made_once import exported_run, finished_run
from seesay.cli import main
from seesay.condition import Condition
from seesay.config import ModelConfig
from seesay.errors import InputError, OutputError
from seesay.learn.run import Run
from seesay.model.classifier import build
from seesay.plain import from_dict
from seesay.serve import export as exporting
from seesay.serve.export import check_same, export, to_onnx
from seesay.serve.graph import Graph
from seesay.serve.predict import Predictor
from seesay.signal.front_ends import Normaliser
from seesay.spec import MatrixSpec, Spec
from tiny import AUDIO, CLASSES, tiny_config, tiny_data, tiny_run

DATA = tiny_data(missing=True)
BOTH = Condition("image+audio")
PRESENT = {m: DATA.pointers(m) >= 0 for m in DATA.modalities}
CONTENTS = {m: DATA.contents[m][np.maximum(DATA.pointers(m), 0)] for m in DATA.modalities}


@pytest.fixture(scope="module")
def run() -> Run:
    return finished_run()


@pytest.fixture(scope="module")
def file() -> Path:
    return exported_run()


@pytest.fixture(scope="module")
def graph(file: Path) -> Graph:
    return Graph(file)


def said(run: Run, contents: dict, present: dict | None = None) -> dict[Condition, np.ndarray]:
    """What the model says in torch, not folded."""
    tensors = {m: torch.from_numpy(x) for m, x in contents.items()}
    masks = present and {m: torch.from_numpy(x) for m, x in present.items()}
    with torch.no_grad():
        return {name: x.softmax(1).numpy() for name, x in run.model()(tensors, masks).items()}


# ---------------------------------------------------------------------------------------- what the graph says


def test_rows_that_lack_something_get_what_the_model_says(run: Run, graph: Graph):
    assert not all(mask.all() for mask in PRESENT.values())
    found, expected = graph(CONTENTS, PRESENT), said(run, CONTENTS, PRESENT)
    assert list(found) == list(expected) == ["image", "audio", "image+audio"]
    for name, probabilities in expected.items():
        np.testing.assert_allclose(found[name], probabilities, rtol=0, atol=1e-5)


@pytest.mark.parametrize("given", [["image"], ["audio"], ["image", "audio"]], ids="+".join)
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_any_subset_and_any_number_of_rows(run: Run, graph: Graph, given: list[str], rows: int):
    contents = {m: CONTENTS[m][:rows] for m in given}
    found, expected = graph(contents), said(run, contents)
    for name, probabilities in expected.items():
        np.testing.assert_allclose(found[name], probabilities, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[BOTH], expected[Condition.of(given)], rtol=0, atol=1e-5)


def test_what_stands_in_an_absent_place_does_not_matter(graph: Graph):
    other = {m: np.where(PRESENT[m].reshape(-1, *[1] * (x.ndim - 1)), x, 77) for m, x in CONTENTS.items()}
    other = {m: x.astype(CONTENTS[m].dtype) for m, x in other.items()}
    for one, same in zip(graph(CONTENTS, PRESENT).values(), graph(other, PRESENT).values(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_nothing_at_all_gets_the_shares_of_training(graph: Graph):
    nobody = {m: np.zeros(2, bool) for m in CONTENTS}
    found = graph({m: x[:2] for m, x in CONTENTS.items()}, nobody)
    for probabilities in found.values():
        np.testing.assert_allclose(probabilities, 1 / 3, atol=0.05)


def test_bytes_in_probabilities_out(run: Run, graph: Graph):
    """A file's bytes through the reader and the graph, and through `predict`."""
    png, wav = io.BytesIO(), io.BytesIO()
    Image.fromarray(DATA.contents["image"][0, 0]).save(png, "PNG")
    soundfile.write(wav, DATA.contents["audio"][0], AUDIO.rate, format="WAV")
    files, predictor = {"image": png.getvalue(), "audio": wav.getvalue()}, Predictor.open(run)
    for count in (1, 2):
        for given in combinations(files, count):
            prediction = predictor.predict(**{m: files[m] for m in given})
            found = graph({m: predictor.read(m, files[m])[None] for m in given})[BOTH][0]
            for score in prediction.scores:
                assert found[CLASSES.index(score["label"])] == pytest.approx(score["score"], abs=1e-5)


@pytest.mark.long
def test_a_model_of_features_takes_features(run: Run):
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    model = run.model()
    graph = Graph(to_onnx(model, run.spec, "features"))
    check_same(model, graph, "model.onnx")
    features = model.features({m: torch.from_numpy(x) for m, x in CONTENTS.items()})
    found = graph({m: x.numpy() for m, x in features.items()}, PRESENT)
    for name, probabilities in said(run, CONTENTS, PRESENT).items():
        np.testing.assert_allclose(found[name], probabilities, rtol=0, atol=1e-5)


def test_recordings_that_came_as_features_are_taken_as_such():
    """And a model of one modality has one condition."""
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    spec = Spec(CLASSES, {"audio": MatrixSpec(frames=9, columns=5)})
    model = build(ModelConfig(), spec, seed=1).eval()
    normaliser = model.front_ends["audio"].get_submodule("normaliser")
    assert isinstance(normaliser, Normaliser)
    normaliser.mean.fill_(1)
    normaliser.scale.fill_(2)
    graph = Graph(to_onnx(model, spec))
    check_same(model, graph, "model.onnx")
    features = np.random.default_rng(0).normal(1, 2, (4, 9, 5)).astype(np.float32)
    with torch.no_grad():
        expected = model({"audio": torch.from_numpy(features)})["audio"].softmax(1).numpy()
    found = graph({"audio": features})
    assert list(found) == ["audio"]
    np.testing.assert_allclose(found[Condition("audio")], expected, rtol=0, atol=1e-5)


# ---------------------------------------------------------------------------------- what the graph is made of


def test_it_says_what_it_takes(run: Run, file: Path, graph: Graph):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(file)
    onnx.checker.check_model(model)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["seesay"] == version("seesay")
    assert about["inputs"] == graph.inputs == "contents"
    assert tuple(json.loads(about["classes"])) == CLASSES
    assert from_dict(Spec, json.loads(about["spec"])) == graph.spec == run.spec
    names = ["image", "audio", "has_image", "has_audio"]
    assert [given.name for given in model.graph.input] == names
    assert all(not given.type.tensor_type.shape.dim[0].dim_value for given in model.graph.input)


@pytest.mark.long
def test_exporting_leaves_warnings_of_others_as_they_were(run: Run):
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        to_onnx(run.model(), run.spec, "features")
        assert logger.level == logging.INFO
    finally:
        logger.setLevel(before)


def test_normalisations_are_folded_and_no_path_of_this_machine_is_in_it(file: Path):
    onnx = pytest.importorskip("onnx")
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(file).graph.node}
    assert str(Path(exporting.__file__).parent).encode() not in file.read_bytes()
    assert b".py" not in file.read_bytes()


# -------------------------------------------------------------------------------------------- what is refused


def test_a_graph_that_says_something_else_is_not_written(
    run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Here: one of a model with other weights."""
    other = tiny_run(tmp_path / "run", config=tiny_config(epochs=1, seed=5))
    monkeypatch.setattr(exporting, "to_onnx", lambda *_: file.read_bytes())
    with pytest.raises(OutputError, match="was not written: the graph and torch differ by"):
        export(other, tmp_path / "out" / "model.onnx")
    assert not (tmp_path / "out").exists()
    export(run, tmp_path / "out" / "model.onnx")
    assert (tmp_path / "out" / "model.onnx").read_bytes() == file.read_bytes()


def test_an_existing_file_is_refused_unless_it_may_be_replaced(
    run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "model.onnx"
    path.write_text("mine")
    assert main(["export", str(run.folder), "--out", str(path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert path.read_text() == "mine"
    monkeypatch.setattr(exporting, "to_onnx", lambda *_: file.read_bytes())
    assert main(["export", str(run.folder), "--out", str(path), "--overwrite"]) == 0
    assert "takes contents" in capsys.readouterr().out
    assert path.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("package", exporting.PACKAGES)
def test_a_package_that_is_not_there_is_named(
    run: Run, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"needs the package {package}, .* .pip install 'seesay\[onnx\]'"):
        export(run, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [{}, {"video": np.zeros((1, 3))}])
def test_what_the_graph_does_not_take_is_said(graph: Graph, given: dict):
    with pytest.raises(InputError, match=r"takes image and audio, got (nothing|video)"):
        graph(given)


def test_other_files_are_no_graphs_of_ours(tmp_path: Path):
    helper = pytest.importorskip("onnx").helper
    path = tmp_path / "model.onnx"
    with pytest.raises(InputError, match=r"model\.onnx does not exist"):
        Graph(path)
    path.write_text("nonsense")
    with pytest.raises(InputError, match=r"model\.onnx was not written by seesay export"):
        Graph(path)
    value = helper.make_tensor_value_info("x", 1, [1])
    copied = helper.make_tensor_value_info("y", 1, [1])
    stranger = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [copied])
    made = helper.make_model(stranger, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    path.write_bytes(made.SerializeToString())
    with pytest.raises(InputError, match="was not written by seesay export"):
        Graph(path)
