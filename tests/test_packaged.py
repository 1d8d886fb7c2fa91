"""The model that comes with seesay: it is there, small, and right about pictures and voices it never met."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from benchmarks.canvas import printed
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

import seesay
from seesay.cli import main
from seesay.errors import OutputError
from seesay.formats.digits import digits_dataset
from seesay.formats.idx import read_idx_folder
from seesay.learn.run import PACKAGED, Run
from seesay.model.classifier import Classifier
from seesay.serve.predict import Predictor
from seesay.spec import Spec

RATE = 16_000
"""Of the embedded recordings."""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return seesay.load()


def test_it_is_at_most_two_megabytes_and_says_what_it_was_made_of():
    assert (PACKAGED / "model.safetensors").stat().st_size <= 2.0e6
    card = (PACKAGED / "MODEL_CARD.md").read_text()
    for source in ("MNIST", "Free Spoken Digit Dataset", "Speech Commands", "espeak-ng", "CC BY-SA 4.0"):
        assert source in card
    for corpus in ("fsdd", "speech_commands"):
        ((score, seeds),) = re.findall(rf"^\| {corpus} \| (0\.\d+).* \| (\d) \|$", card, re.MULTILINE)
        assert float(score) >= 0.955
        assert int(seeds) >= 2
    assert not re.search(r"\b0 (clips|pictures|voices)", card)
    speaker = r"(george|jackson|lucas|nicolas|theo|yweweler) \([A-Za-z ]+\) [01]\.\d+"
    assert len(re.findall(speaker, card)) == 6


def test_it_reads_other_hands_and_hears_synthetic_voices(predictor: Predictor):
    data = digits_dataset()
    rows = np.linspace(0, len(data) - 1, 60).astype(int)
    right = {"image": 0, "audio": 0, "image+audio": 0}
    for row in rows:
        picture, clip = (data.contents[m][data.pointers(m)[row]] for m in ("image", "audio"))
        given = {"image": picture[0], "audio": (clip / 32_768, RATE)}
        for name in right:
            said = predictor.predict(**{m: given[m] for m in name.split("+")})
            right[name] += said.label == data.spec.classes[data.label[row]]
    assert right["image"] >= 55
    assert right["audio"] >= 54
    assert right["image+audio"] >= 58


def test_the_command_takes_it_where_no_run_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    canvas = np.full((120, 100), 255, np.uint8)
    canvas[20:100, 46:54] = 0
    Image.fromarray(canvas).save(tmp_path / "one.png")
    assert main(["predict", "--image", str(tmp_path / "one.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["label"] == "1"


def test_rows_of_files_are_predicted_with_its_own_rate(tmp_path: Path):
    """Files are read as the model knows contents, whatever a data set of them would have been."""
    for name in ("a", "b"):
        time = np.arange(16_000) / 16_000
        tone = (0.3 * np.sin(2 * np.pi * 300 * time) * np.hanning(16_000)).astype(np.float32)
        soundfile.write(tmp_path / f"{name}.wav", tone, 16_000)
    rows = "audio,label\n" + "".join(f"{n}.wav,{k}\n" for n, k in (("a", 0), ("b", 1), ("a", 0), ("b", 1)))
    (tmp_path / "pairs.csv").write_text(rows)
    out = tmp_path / "predictions.csv"
    assert main(["predict", "--data", str(tmp_path / "pairs.csv"), "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    "sheet", ["image\none.png\n", "image,label\none.png,\n", "image,label\none.png,cat\n"]
)
def test_rows_without_labels_are_predicted(tmp_path: Path, sheet: str):
    """Nor need a label be one that the model knows, nor be there twice: nobody learns from it."""
    canvas = np.full((120, 100), 255, np.uint8)
    canvas[20:100, 46:54] = 0
    Image.fromarray(canvas).save(tmp_path / "one.png")
    (tmp_path / "new.csv").write_text(sheet)
    out = tmp_path / "predictions.csv"
    assert main(["predict", "--data", str(tmp_path / "new.csv"), "--out", str(out)]) == 0
    assert [line.split(",")[:2] for line in out.read_text().splitlines()[1:]] == [["0", "1"]]


def test_rows_to_learn_from_need_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "new.csv").write_text("image\none.png\n")
    assert main(["data", "info", str(tmp_path / "new.csv")]) == 2
    assert "no column 'label'" in capsys.readouterr().err


def test_what_a_program_draws_under_a_digit_does_not_matter(predictor: Predictor):
    """Frames, rules and squares; taken for ink, half of them are misread."""
    lined = list(printed(60, seed=3))
    right = [predictor.predict(image=d.picture).label == str(d.digit) for d in lined]
    assert np.mean(right) > 0.93


@pytest.mark.parametrize("side", [64, 224])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("light", [True, False], ids=["light", "dark"])
def test_small_digits_that_were_enlarged_are_read(predictor: Predictor, side: int, kind: str, light: bool):
    """They touch the border, and their edges are as soft as their strokes are wide."""
    digits: Any = load_digits()
    rows, right = np.linspace(0, len(digits.target) - 1, 40).astype(int), 0
    for row in rows:
        ink = Image.fromarray(np.rint(digits.images[row] * (255 / 16)).astype(np.uint8))
        ink = ink.resize((side, side), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        (ink if light else ImageOps.invert(ink)).save(file, kind)
        right += predictor.predict(image=file.getvalue()).label == str(digits.target[row])
    assert right >= 37


def test_digits_cropped_to_their_ink_are_read(predictor: Predictor, shared_data: Path):
    """Light or dark, as they are, and enlarged so that they touch the border."""
    pictures, labels = mnist_test(shared_data)
    right = []
    for row in range(5_000, 5_040):
        rows, columns = (np.flatnonzero(pictures[row].any(axis)) for axis in (1, 0))
        ink = Image.fromarray(pictures[row][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        large = ink.resize([round(224 * n / max(ink.size)) for n in ink.size], Image.Resampling.BICUBIC)
        drawn = (ink, ImageOps.invert(ink), large, ImageOps.invert(large))
        right += [predictor.predict(image=picture).label == str(labels[row]) for picture in drawn]
    assert np.mean(right) > 0.95


def mnist_test(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    read = read_idx_folder(folder / "mnist")["test"]
    return np.asarray(read[0]).reshape(-1, 28, 28), np.asarray(read[1])


def test_it_is_exported_where_no_run_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    specs = []

    def to_onnx(model: Classifier, spec: Spec, inputs: str) -> bytes:
        specs.append(spec)
        raise OutputError("that is enough")

    monkeypatch.setattr("seesay.serve.export.to_onnx", to_onnx)
    assert main(["export", "--out", str(tmp_path / "model.onnx")]) == 2
    assert specs == [Run.open(PACKAGED).spec]


def test_a_far_away_microphone_is_heard(predictor: Predictor):
    """The same word at -55 dB as at its own level."""
    data = digits_dataset()
    rate, right = RATE, 0
    rows = np.linspace(0, len(data) - 1, 20).astype(int)
    for row in rows:
        clip = data.contents["audio"][data.pointers("audio")[row]].astype(np.float32)
        quiet = clip / np.abs(clip).max() * 10 ** (-55 / 20)
        right += predictor.predict(audio=(quiet, rate)).label == data.spec.classes[data.label[row]]
    assert right >= 17
