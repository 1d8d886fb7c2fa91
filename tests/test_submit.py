"""A submission: arrays as the competition hands them out go in, a numbered label for each test row comes
out."""

import csv
from pathlib import Path

import numpy as np
import pytest

from seesay.cli import main
from seesay.config import EncoderConfig, ModelConfig
from seesay.errors import InputError
from seesay.formats.open import open_data
from seesay.serve.batch import unlabelled
from tiny import STILL, tiny_config, tiny_data, tiny_run

CLASSES = ("0", "1", "2")
TRAIN, TEST = 90, 31


def pictures(label: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(n, 28, 28) float64: a bright stripe whose height says the class."""
    grey = random.integers(0, 60, (len(label), 28, 28))
    for i, k in enumerate(label):
        grey[i, 4 + 8 * k : 8 + 8 * k] += 180
    return grey / 255


def features(label: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(n, 507) float64: frame after frame of 13 columns, one of which is high."""
    frames = random.normal(size=(len(label), 39, 13))
    frames[np.arange(len(label)), :, 2 + 3 * label] += 3
    return frames.reshape(len(label), -1)


def kaggle(folder: Path, flat: bool = False) -> tuple[Path, np.ndarray]:
    """A folder in the competition's layout, and what only the competition knows."""
    random = np.random.default_rng(0)
    folder.mkdir()
    train, test = (random.permutation(np.arange(n) % len(CLASSES)) for n in (TRAIN, TEST))
    np.save(folder / "x_train_wr.npy", pictures(train, random).reshape(TRAIN, 784))
    np.save(folder / "x_train_sp.npy", features(train, random))
    np.save(folder / "x_test_wr.npy", pictures(test, random).reshape((TEST, 784) if flat else (TEST, 28, 28)))
    np.save(folder / "x_test_sp.npy", features(test, random))
    lines = "".join(f"{i},{k}\n" for i, k in enumerate(train))
    (folder / "y_train.csv").write_text(f"row_id,label\n{lines}")
    return folder, test


def submitted(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`kaggle` as it is handed out, `data` imported from it, and `run`, which has learned that."""
    folder = tmp_path_factory.mktemp("course")
    kaggle(folder / "kaggle")
    assert main(["data", "import", str(folder / "kaggle"), "--out", str(folder / "data")]) == 0
    small = EncoderConfig(width=4, layers=2, dropout=0.1)  # for features that came ready-made
    config = tiny_config(
        8, ModelConfig(dim=8, hidden=8, named={"image": small, "audio": small}), augment=STILL
    )
    tiny_run(folder / "run", open_data(folder / "data"), config, str(folder / "data"))
    return folder


@pytest.mark.parametrize("flat", [False, True], ids=["square", "flat"])
def test_every_test_row_gets_its_label_in_order(course: Path, tmp_path: Path, capsys, flat: bool):
    data, truth = kaggle(tmp_path / "kaggle", flat)
    out = tmp_path / "submission.csv"
    assert main(["submit", str(course / "run"), "--data", str(data), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"Saved {TEST} labels to {out}\n"
    assert out.read_text().startswith("row_id,label\n0,")
    lines = submitted(out)
    assert [line["row_id"] for line in lines] == [str(i) for i in range(TEST)]
    assert [line["label"] for line in lines] == [CLASSES[k] for k in truth]


def test_what_import_made_of_the_folder_gives_the_same(course: Path, tmp_path: Path):
    for name in ("kaggle", "data"):
        words = ["submit", str(course / "run"), "--data", str(course / name), "--out", str(tmp_path / name)]
        assert main(words) == 0
    assert (tmp_path / "kaggle").read_bytes() == (tmp_path / "data").read_bytes()


def test_labels_are_those_that_the_model_predicts(course: Path, tmp_path: Path):
    """Also where it is unsure: a submission says what `predict` says."""
    words = [str(course / "run"), "--data", str(course / "data"), "--out"]
    assert main(["submit", *words, str(tmp_path / "s.csv")]) == 0
    assert main(["predict", *words, str(tmp_path / "p.csv"), "--split", "test"]) == 0
    predicted = [line["label"] for line in submitted(tmp_path / "p.csv")]
    assert [line["label"] for line in submitted(tmp_path / "s.csv")] == predicted


def refused(capsys, *words: str | Path) -> str:
    assert main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.mark.parametrize("labels", ["all", "some"])
def test_labelled_test_rows_are_no_competition(course: Path, tmp_path: Path, capsys, labels: str):
    data = open_data(course / "data")
    label, test = data.label.copy(), data.rows_of("test")
    label[test[: None if labels == "all" else 3]] = 0
    data.replace(label=label).save(tmp_path / "data")
    said = refused(capsys, "submit", course / "run", "--data", tmp_path / "data", "--out", tmp_path / "s.csv")
    assert f"test rows without labels, {TEST if labels == 'all' else 3} of {TEST} have one" in said
    assert "x_test_wr.npy" in said
    assert not (tmp_path / "s.csv").exists()


def test_a_folder_without_test_arrays_is_refused(course: Path, tmp_path: Path, capsys):
    data, _ = kaggle(tmp_path / "kaggle")
    for name in ("x_test_wr.npy", "x_test_sp.npy"):
        (data / name).unlink()
    said = refused(capsys, "submit", course / "run", "--data", data, "--out", tmp_path / "s.csv")
    assert "expected test rows without labels, there are none" in said


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: (d / "y_train.csv").unlink(), "y_train.csv does not exist"),
        (lambda d: (d / "x_test_sp.npy").unlink(), "x_test_sp.npy does not exist"),
        (lambda d: np.save(d / "x_test_wr.npy", np.zeros((TEST, 14, 14))), "14"),
        (lambda d: np.save(d / "x_test_sp.npy", np.zeros((TEST, 40, 13))), "40"),
        (lambda d: np.save(d / "x_test_sp.npy", np.zeros((TEST - 1, 507))), "number of rows"),
    ],
    ids=["no labels", "no test recordings", "other pictures", "other features", "other number"],
)
def test_a_damaged_folder_is_refused(course: Path, tmp_path: Path, capsys, spoil, words: str):
    data, _ = kaggle(tmp_path / "kaggle")
    spoil(data)
    said = refused(capsys, "submit", course / "run", "--data", data, "--out", tmp_path / "s.csv")
    assert words in said
    assert not (tmp_path / "s.csv").exists()


def test_a_model_of_other_contents_is_refused(course: Path, tmp_path: Path, capsys):
    tiny_run(tmp_path / "run", tiny_data(), tiny_config(epochs=1))
    said = refused(
        capsys, "submit", tmp_path / "run", "--data", course / "kaggle", "--out", tmp_path / "s.csv"
    )
    assert "the model differ in audio: kind waveform and matrix" in said
    assert not (tmp_path / "s.csv").exists()


def test_a_file_that_exists_is_replaced_only_when_asked(course: Path, tmp_path: Path, capsys):
    out = tmp_path / "s.csv"
    out.write_text("mine")
    words = ["submit", course / "run", "--data", course / "data", "--out", out]
    assert "exists already" in refused(capsys, *words)
    assert out.read_text() == "mine"
    assert main([*map(str, words), "--overwrite"]) == 0
    assert len(submitted(out)) == TEST


def test_only_test_rows_are_asked_for(course: Path):
    data = open_data(course / "data")
    assert unlabelled(data).tolist() == list(range(TRAIN, TRAIN + TEST))
    with pytest.raises(InputError):
        unlabelled(data.select(data.split == 0))
