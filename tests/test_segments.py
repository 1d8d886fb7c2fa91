"""A long recording: one segment per word, where it is; a short one is predicted as before."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile
import torch

from seesay.cli import main
from seesay.condition import Condition
from seesay.errors import InputError, OutputError
from seesay.figures import segments as drawing
from seesay.learn.run import Run
from seesay.serve.answer import answer
from seesay.serve.draw import check_drawable, draw_segments
from seesay.serve.long_recordings import scored
from seesay.serve.predict import Predictor
from seesay.serve.segments import Scored, Segment, segments_of
from seesay.signal.sounding import Window
from tiny import AUDIO, CLASSES, STILL, picture, recording, tiny_config, tiny_run

SECONDS = AUDIO.samples / AUDIO.rate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run(tmp_path_factory.mktemp("runs") / "run", config=tiny_config(epochs=8, augment=STILL))


@pytest.fixture(scope="module")
def predictor(run: Run) -> Predictor:
    return Predictor.open(run)


def spoken(*labels: int, pause: float = 0.5, lead: float = 0.5) -> np.ndarray:
    """Tones of these classes, each a clip long, with pauses between them."""
    random = np.random.default_rng(0)
    quiet = lambda seconds: random.normal(0, 10, round(seconds * AUDIO.rate)).astype(np.int16)  # noqa: E731
    parts = [quiet(lead)]
    for label in labels:
        parts += [recording(label, random), quiet(pause)]
    return np.concatenate(parts)


def test_each_word_is_a_segment_where_it_is(predictor: Predictor) -> None:
    labels = [0, 2, 2, 1]
    found = predictor.predict(audio=(spoken(*labels), AUDIO.rate)).segments
    assert [segment.label for segment in found] == [CLASSES[label] for label in labels]
    for i, segment in enumerate(found):
        start = 0.5 + i * (SECONDS + 0.5)
        assert segment.start == pytest.approx(start, abs=0.03)
        assert segment.end == pytest.approx(start + SECONDS, abs=0.03)
        assert 0.5 < segment.score <= 1


def test_adjacent_windows_of_one_label_are_one_segment(predictor: Predictor) -> None:
    """Six clips of one tone without a pause, and then three of another."""
    long = spoken(0, 0, 0, 0, 0, 0, 2, 2, 2, pause=0)
    found = predictor.predict(audio=(long, AUDIO.rate)).segments
    assert (found[0].label, found[-1].label) == ("low", "high")
    assert found[0].end == pytest.approx(0.5 + 6 * SECONDS, abs=SECONDS)
    assert all(one.end == after.start for one, after in pairwise(found))
    assert all(one.label != after.label for one, after in pairwise(found))


def test_the_prediction_is_that_of_the_voiced_window(predictor: Predictor) -> None:
    random = np.random.default_rng(1)
    noise = random.normal(0, 8_000, AUDIO.samples) * np.hanning(AUDIO.samples)
    waveform = np.concatenate([spoken(1), noise.astype(np.int16), spoken()])
    prediction = predictor.predict(audio=(waveform, AUDIO.rate))
    assert len(prediction.segments) == 2
    assert prediction.label == "middle"
    assert sum(score["score"] for score in prediction.scores) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("clips", [0.3, 1.0, 1.5])
def test_a_short_recording_is_predicted_as_the_model_does_bit_for_bit(
    predictor: Predictor, clips: float
) -> None:
    waveform = spoken(1, 1, lead=0)[: round(clips * AUDIO.samples)]
    prediction = predictor.predict(audio=(waveform, AUDIO.rate))
    content = torch.from_numpy(predictor.read("audio", (waveform, AUDIO.rate)))[None]
    with torch.inference_mode():
        wanted = predictor.model({"audio": content})[Condition("audio")][0].softmax(0)
    scores = {score["label"]: score["score"] for score in prediction.scores}
    assert [scores[name] for name in CLASSES] == [round(float(p), 6) for p in wanted]
    assert prediction.segments == []


def test_a_picture_is_fused_with_every_window(predictor: Predictor) -> None:
    random = np.random.default_rng(0)
    pixels, waveform = picture(0, random), spoken(0, 0)
    both = predictor.predict(pixels[0], (waveform, AUDIO.rate))
    assert both.used == ["image", "audio"]
    assert both.opinions["image"] == predictor.predict(pixels[0]).scores
    assert both.opinions["audio"] == predictor.predict(audio=(waveform, AUDIO.rate)).scores
    assert both.segments == predictor.predict(audio=(waveform, AUDIO.rate)).segments
    assert both.label == "low"


def test_windows_do_not_see_each_other(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {"audio": torch.from_numpy(spoken(*([0, 1, 2] * 7)))[None]}
    whole = scored(predictor.model, "audio", AUDIO.rate, contents)
    monkeypatch.setattr("seesay.serve.long_recordings.BATCH", 4)
    parts = scored(predictor.model, "audio", AUDIO.rate, contents)
    assert len(whole.windows) == 21
    assert whole.weight.sum() == pytest.approx(1)
    for name, probabilities in whole.probabilities.items():
        np.testing.assert_allclose(parts.probabilities[name], probabilities, atol=1e-5)


def test_the_limit_of_known_holds_for_each_segment(predictor: Predictor) -> None:
    found = predictor.predict(audio=(spoken(0, 2), AUDIO.rate)).segments
    known = [0.9, 0.3]
    parts = [replace(segment, known=k) for segment, k in zip(found, known, strict=True)]
    tiny = np.full(3, 1 / 3)
    answered = answer(predictor.spec, {Condition("audio"): tiny}, {Condition("audio"): 0.6}, parts, 0.5)
    assert [segment.rejected for segment in answered.segments] == [False, True]
    assert not answered.rejected
    free = answer(predictor.spec, {Condition("audio"): tiny}, {Condition("audio"): 0.6}, parts)
    assert not any(segment.rejected for segment in free.segments)


def test_a_pause_ends_a_segment_of_the_same_label() -> None:
    found = [Window(0, 0, 10), Window(5, 10, 20), Window(30, 30, 40), Window(35, 40, 50)]
    likely = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])
    audio, known = Condition("audio"), np.array([0.8, 0.6, np.nan, 0.2])
    heard = Scored(found, np.full(4, 0.25), {audio: likely}, {audio: known})
    assert segments_of(heard, audio, ("a", "b"), 10) == [
        Segment(0, 2, "a", 0.8, 0.7), Segment(3, 4, "a", 0.6, None), Segment(4, 5, "b", 0.8, 0.2)
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------- command and figure


def test_the_command_says_where_and_draws_it(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, figure = tmp_path / "dictation.wav", tmp_path / "drawn.png"
    soundfile.write(path, spoken(0, 2), AUDIO.rate)
    words = ["predict", str(run.folder), "--audio", str(path)]
    assert main([*words, "--figure", str(figure)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.endswith("from audio")
    assert [line.split(":")[1].split()[0] for line in rest] == ["low", "high"]
    assert float(rest[0].split()[0]) == pytest.approx(0.5, abs=0.03)
    assert matplotlib.image.imread(figure).shape[1] == 1_500
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [segment["label"] for segment in printed["segments"]] == ["low", "high"]
    assert set(printed["segments"][0]) == {"start", "end", "label", "score", "known", "rejected"}
    assert main([*words, "--figure", str(figure)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--figure", str(figure), "--overwrite"]) == 0


def test_a_figure_needs_a_recording(predictor: Predictor, run: Run, tmp_path: Path) -> None:
    pixels = picture(0, np.random.default_rng(0))
    with pytest.raises(InputError, match="the figure shows a recording, and none is given"):
        check_drawable(predictor, {"image": pixels}, tmp_path / "drawn.png")
    (tmp_path / "drawn.png").touch()
    with pytest.raises(OutputError, match="exists already"):
        check_drawable(predictor, {"audio": (spoken(0), AUDIO.rate)}, tmp_path / "drawn.png")
    assert main(["predict", str(run.folder), "--data", "digits", "--figure", "a.png", "--out", "b.csv"]) == 2


def test_a_short_recording_is_drawn_with_its_prediction(predictor: Predictor, tmp_path: Path) -> None:
    sources = {"audio": (spoken(1, lead=0)[: AUDIO.samples], AUDIO.rate)}
    draw_segments(predictor, predictor.predict(**sources), sources, tmp_path / "drawn.png")
    assert matplotlib.image.imread(tmp_path / "drawn.png").std() > 0.05


@pytest.mark.parametrize("count", [1, 20, 400])
def test_labels_have_a_lane_each_and_many_share_one(count: int) -> None:
    bars = [drawing.Bar(i, i + 0.5, f"class {i % 50}", i / count) for i in range(count)]
    waveform = np.random.default_rng(0).integers(-9, 9, count * 1_000).astype(np.int16)
    figure = drawing.segments(waveform, 1_000, bars, "many")
    figure.draw_without_rendering()
    _, below = figure.axes
    assert len(below.get_yticklabels()) == min(count, drawing.LANES + (count > drawing.LANES))
    assert len(below.patches) == count
    assert len(below.texts) == (count if count <= drawing.LANES else 0)
