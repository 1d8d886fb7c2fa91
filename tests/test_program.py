"""The program of torch.export says what the model says, for any number of rows and contents of any size."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from made_once import finished_run
from seesay.cli import main
from seesay.errors import InputError, OutputError
from seesay.learn.run import Run
from seesay.serve.answer import answer
from seesay.serve.graph import GraphPredictor
from seesay.serve.predict import Predictor
from seesay.serve.program import Program, write_program
from tiny import tiny_data

DATA = tiny_data(missing=True)


@pytest.fixture(scope="module")
def run() -> Run:
    return finished_run()


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "model.pt2"
    write_program(run, path)
    return path


def test_every_subset_of_a_row_gets_the_answer_of_the_model(run: Run, file: Path):
    predictor, program = Predictor.open(run), GraphPredictor(Program(file))
    for row in range(6):
        pointers = {m: int(DATA.pointers(m)[row]) for m in DATA.modalities}
        given = {m: np.asarray(DATA.contents[m][i]) for m, i in pointers.items() if i >= 0}
        for subset in (given, *({m: given[m]} for m in given)):
            found = program.predict_contents(subset).to_dict()
            inputs = {m: torch.from_numpy(each)[None] for m, each in subset.items()}
            probabilities, known, _ = predictor._answers(inputs)
            expected = answer(run.spec, probabilities, known, []).to_dict()
            assert found["used"] == expected["used"]
            ours, theirs = ({s["label"]: s["score"] for s in each["scores"]} for each in (expected, found))
            assert theirs == pytest.approx(ours, abs=1e-5)
            assert found["known"] == pytest.approx(expected["known"], abs=1e-5)


def test_torch_alone_runs_it_as_its_description_says(run: Run, file: Path):
    described = {"seesay.json": ""}
    program = torch.export.load(file, extra_files=described).module(check_guards=False)
    names = json.loads(described["seesay.json"])
    types = Program(file).types
    for rows in (1, 2, 5):
        given = {name: torch.ones(rows, dtype=torch.bool) for name in names["inputs"]}
        given |= {m: torch.from_numpy(each.blank(rows)) for m, each in types.items()}
        outputs = dict(zip(names["outputs"], program(*given.values()), strict=True))
        assert outputs["probabilities_image+audio"].shape == (rows, len(run.spec.classes))


def test_the_packaged_model_takes_contents_of_any_size(tmp_path: Path):
    write_program(None, tmp_path / "digits.pt2")  # compares the two for several sizes
    program = Program(tmp_path / "digits.pt2")
    random = np.random.default_rng(0)
    recordings = random.integers(-9_000, 9_000, (2, 11_000)).astype(np.int16)
    pictures = random.integers(0, 255, (2, 1, 40, 31)).astype(np.uint8)
    found = program({"image": pictures, "audio": recordings})
    assert {name: each.shape for name, each in found.items()} == dict.fromkeys(
        ("image", "audio", "image+audio"), (2, 10)
    )


@pytest.fixture
def made(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is that of `file`, as it takes seconds to make; it is compared with the model again."""
    monkeypatch.setattr("seesay.serve.program.to_program", lambda *_: file.read_bytes())


@pytest.mark.usefixtures("made")
def test_the_command_writes_it_once(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["export", str(run.folder), "--out", str(tmp_path / "model.pt2")]
    assert main(words) == 0
    assert "torch.export.load" in capsys.readouterr().out
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]


def test_what_is_no_program_of_ours_is_refused(tmp_path: Path):
    (tmp_path / "text.pt2").write_text("no program")
    with pytest.raises(InputError, match="was not written by seesay export"):
        Program(tmp_path / "text.pt2")


@pytest.mark.usefixtures("made")
def test_a_program_that_differs_is_not_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seesay.serve.export.TOLERANCE", -1.0)
    with pytest.raises(OutputError, match="differ by"):
        write_program(run, tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []
