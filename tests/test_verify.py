"""Verification: what counts as a row, what counts as the same, and a door that is wrong or missing."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from seesay.cli import main
from seesay.errors import InputError
from seesay.learn.run import Run
from seesay.serve import verify
from seesay.serve.verify import cases, compare, rows_from, rows_of, tried
from tiny import AUDIO, picture, recording, tiny_config, tiny_data, tiny_run, tiny_spec


def files(folder: Path, *names: str) -> list[Path]:
    """Pictures and recordings of these names."""
    random = np.random.default_rng(0)
    for name in names:
        if name.endswith(".png"):
            Image.fromarray(picture(1, random)[0]).save(folder / name)
        else:
            soundfile.write(folder / name, recording(1, random), AUDIO.rate)
    return [folder / name for name in names]


def answer(*scores: float, known: float | None = 0.9, agreement: float | None = 0.8) -> dict[str, Any]:
    ranked = sorted(zip(scores, "abc", strict=True), reverse=True)
    listed = [{"label": label, "score": score} for score, label in ranked]
    return {"scores": listed, "known": known, "agreement": agreement, "segments": []}


def test_files_of_one_name_are_a_row_and_two_alone_are_one_too(tmp_path: Path):
    spec = tiny_spec()
    rows = rows_of(spec, files(tmp_path, "1.png", "2.png", "1.wav", "3.wav"))
    assert [sorted(row) for row in rows] == [["audio", "image"], ["image"], ["audio"]]
    (row,) = rows_of(spec, files(tmp_path, "seven.png", "spoken.wav"))
    assert sorted(row) == ["audio", "image"]
    assert [sorted(case) for case in cases([row])] == [["image"], ["audio"], ["audio", "image"]]


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("seven")
    with pytest.raises(InputError, match="takes image and audio"):
        rows_of(tiny_spec(), [tmp_path / "notes.txt"])
    with pytest.raises(InputError, match="takes image, this is none"):
        rows_of(tiny_spec(("image",)), files(tmp_path, "1.wav"))


def test_rows_of_a_data_set_become_files_that_read_back_the_same(tmp_path: Path):
    data = tiny_data(missing=True)
    rows = rows_from(data, data.spec, range(6), tmp_path)
    assert any(len(row) == 1 for row in rows)
    pointer = int(data.pointers("audio")[0])
    samples, rate = soundfile.read(rows[0]["audio"], dtype="int16")
    assert rate == AUDIO.rate
    np.testing.assert_array_equal(samples, data.contents["audio"][pointer])


def test_differences_are_found_wherever_they_are():
    one = answer(0.7, 0.2, 0.1)
    assert compare("x", [one], [copy.deepcopy(one)]).same
    assert not compare("x", [one], [answer(0.6998, 0.2002, 0.1)]).same
    assert not compare("x", [one], [answer(0.7, 0.2, 0.1, known=0.8)]).same
    assert not compare("x", [one], [answer(0.7, 0.2, 0.1, agreement=None)]).same
    close = answer(0.40001, 0.4, 0.19999)
    found = compare("x", [close], [answer(0.39999, 0.40002, 0.19999)])
    assert (found.labels, found.same) == (1, False)


def test_a_door_that_cannot_be_tried_is_skipped_with_the_reason():
    def closed() -> list[dict[str, Any]]:
        raise InputError("serve needs the package fastapi", "Install it.")

    found = tried("server", [answer(1, 0, 0)], closed)
    assert found.same
    assert "fastapi" in found.skipped


@pytest.mark.long
def test_all_doors_say_the_same_and_a_wrong_one_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    run: Run = tiny_run(tmp_path / "run", config=tiny_config(epochs=2))
    given = [str(path) for path in files(tmp_path, "1.png", "1.wav", "2.wav")]
    assert main(["verify", str(run.folder), "--files", *given]) == 0
    lines = capsys.readouterr().out
    assert all(door in lines for door in ("Python", "command line", "torch.export", "ONNX", "example"))
    assert "DIFFERENT" not in lines
    monkeypatch.setattr(verify, "from_example", lambda export, some: [answer_of_tiny() for _ in some])
    assert main(["verify", str(run.folder), "--files", *given]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def answer_of_tiny() -> dict[str, Any]:
    return {"scores": [{"label": "low", "score": 0.5}, {"label": "high", "score": 0.5}]}


def test_wrong_words_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture):
    (given,) = files(tmp_path, "1.wav")
    assert main(["verify", "--files", str(given), "--data", "digits"]) == 2
    assert "exclude each other" in capsys.readouterr().err
    assert main(["verify", "--rows", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
