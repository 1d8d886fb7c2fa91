"""The exported folder: complete, and used by a process that has neither seesay nor torch."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageDraw

from made_once import exported_run, finished_run
from seesay.cli import main
from seesay.learn.run import Run
from seesay.serve.export_folder import config_of, export_folder, untyped
from seesay.serve.graph import GraphPredictor
from seesay.serve.predict import Predictor
from seesay.signal import ink
from tiny import AUDIO, recording
from tiny import picture as tiny_picture

pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

FILES = {"README.md", "config.json", "example.py", "model.onnx", "reading.py"}

WITHOUT = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("seesay", "torch", "scipy", "soxr", "jaxtyping", "onnx"):
            raise ImportError(f"{name} is not for the example")
sys.meta_path.insert(0, Refused())
sys.path.insert(0, sys.argv[1])
sys.argv = ["example.py", *sys.argv[2:]]
import runpy
runpy.run_path(sys.path[0] + "/example.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def run() -> Run:
    return finished_run()


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the graph that is there already, which is compared with the model again."""
    folder, graph = tmp_path_factory.mktemp("exported") / "export", exported_run().read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seesay.serve.export.to_onnx", lambda *_: graph)
        export_folder(run, folder)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A photo that is larger than the model's, and a recording longer than its clip."""
    random = np.random.default_rng(3)
    large = np.kron(tiny_picture(1, random)[0], np.ones((3, 4), np.uint8))
    Image.fromarray(large).save(tmp_path / "photo.png")
    samples = np.concatenate([recording(1, random), recording(1, random)[:100]])
    soundfile.write(tmp_path / "sound.wav", samples, AUDIO.rate)
    return {"image": str(tmp_path / "photo.png"), "audio": str(tmp_path / "sound.wav")}


def said(folder: Path, files: dict[str, str]) -> dict[str, float]:
    """What example.py prints, without seesay and torch."""
    words = [f"{name}={path}" for name, path in files.items()]
    done = subprocess.run(
        [sys.executable, "-B", "-c", WITHOUT, str(folder), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    return {label: float(probability) for label, probability in lines}


def test_the_folder_is_complete_and_describes_its_graph(folder: Path):
    assert {file.name for file in folder.iterdir()} == FILES
    config = json.loads((folder / "config.json").read_text())
    assert config["sha256"] == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    predictor = GraphPredictor.open(folder)
    assert config == config_of(predictor.graph, config["sha256"])
    assert set(config["outputs"]) == set(predictor.graph.names)
    assert config["inputs"]["audio"]["rate"] == AUDIO.rate
    assert len((folder / "example.py").read_text().splitlines()) <= 25


@pytest.mark.parametrize("given", [("image",), ("audio",), ("image", "audio")])
def test_the_example_agrees_with_seesay_and_needs_neither_it_nor_torch(
    run: Run, folder: Path, files: dict[str, str], given: tuple[str, ...]
):
    some = {name: files[name] for name in given}
    found = said(folder, some)
    for predict in (Predictor.open(run).predict, GraphPredictor.open(folder).predict):
        for score in predict(**some).scores:
            assert found[score["label"]] == pytest.approx(score["score"], abs=1e-5)


def test_the_graph_answers_as_torch_does_long_recordings_too(run: Run, folder: Path, files: dict[str, str]):
    random = np.random.default_rng(5)
    parts = [np.concatenate([recording(k, random), np.zeros(2_000, np.int16)]) for k in (0, 2, 1)]
    sources = {"image": files["image"], "audio": (np.concatenate(parts), AUDIO.rate)}
    torch_says = Predictor.open(run).predict(**sources).to_dict()
    graph_says = GraphPredictor.open(folder).predict(**sources).to_dict()
    assert len(torch_says["segments"]) > 1
    assert [s["label"] for s in graph_says["segments"]] == [s["label"] for s in torch_says["segments"]]
    assert graph_says["scores"][0]["score"] == pytest.approx(torch_says["scores"][0]["score"], abs=1e-5)
    assert graph_says["agreement"] == pytest.approx(torch_says["agreement"], abs=1e-5)


def test_answers_do_not_depend_on_the_batch(folder: Path):
    """Bit for bit: a server may put requests together."""
    predictor, random = GraphPredictor.open(folder), np.random.default_rng(0)
    rows = {
        "image": np.stack([tiny_picture(k % 3, random) for k in range(9)]),
        "audio": np.stack([recording(k % 3, random) for k in range(9)]),
    }
    whole = predictor.graph.run(rows)
    for count in (1, 2, 5):
        part = predictor.graph.run({m: x[:count] for m, x in rows.items()})
        for condition, probabilities in part.probabilities.items():
            np.testing.assert_array_equal(probabilities, whole.probabilities[condition][:count])


def test_the_reader_of_drawings_runs_without_seesay(tmp_path: Path):
    page = Image.new("L", (300, 200), 230)
    ImageDraw.Draw(page).line([(60, 40), (140, 40), (90, 160)], fill=20, width=14)
    grey = np.asarray(page, np.float32) / 255
    (tmp_path / "ink.py").write_text(untyped(Path(ink.__file__).read_text()))
    np.save(tmp_path / "page.npy", grey)
    code = "import numpy as np, ink; np.save('ink.npy', ink.lay_out(np.load('page.npy'), 28, 28))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "ink.npy"), ink.lay_out(grey, 28, 28))


def test_an_old_folder_stays_unless_it_is_to_be_replaced(
    run: Run, folder: Path, capsys: pytest.CaptureFixture
):
    assert main(["export", str(run.folder), "--out", str(folder)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["export", str(run.folder), "--out", str(folder / "x"), "--inputs", "features"]) == 2
    assert "a folder takes contents" in capsys.readouterr().err
    assert not (folder / "x").exists()


def test_an_exported_folder_is_no_run(folder: Path, capsys: pytest.CaptureFixture):
    assert main(["evaluate", str(folder), "--data", "digits"]) == 2
    assert "exported" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["img=x.png"], ["x.png"], ["--help"]], ids=str)
def test_the_example_says_how_it_is_called(folder: Path, words: list[str]) -> None:
    command = [sys.executable, "-B", str(folder / "example.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "usage: python example.py image=FILE audio=FILE\n"
