"""The model that comes with seesay: it is there, small, and right about pictures and voices it never met."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seesay
from seesay.cli import main
from seesay.data.digits import digits_dataset
from seesay.learn.run import PACKAGED
from seesay.serve.predict import Predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return seesay.load()


def test_it_is_at_most_two_megabytes_and_says_what_it_was_made_of():
    assert (PACKAGED / "model.safetensors").stat().st_size <= 2e6
    card = (PACKAGED / "MODEL_CARD.md").read_text()
    for source in ("MNIST", "Free Spoken Digit Dataset", "Speech Commands", "CC BY-SA 4.0"):
        assert source in card


def test_it_reads_other_hands_and_hears_synthetic_voices(predictor: Predictor):
    data = digits_dataset()
    rows = np.linspace(0, len(data) - 1, 60).astype(int)
    right = {"image": 0, "audio": 0, "image+audio": 0}
    for row in rows:
        picture, clip = (data.contents[m][data.pointers(m)[row]] for m in ("image", "audio"))
        given = {"image": picture[0], "audio": (clip / 32_768, data.spec["audio"].rate)}
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
