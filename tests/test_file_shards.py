"""Predictions for rows of files: what is repeated is read once, what was finished stays as it is, what cannot
be read is left out, and every row gets what a single prediction says."""

import csv
import dataclasses
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from seesay.config import ModelConfig
from seesay.errors import InputError, OutputError
from seesay.formats import table_rows
from seesay.formats.cells import Embedded
from seesay.formats.file_rows import FileRows, folder_rows, manifest_rows
from seesay.formats.media import Reading
from seesay.model.classifier import build
from seesay.serve import batch, contents, file_batches
from seesay.serve.batch import write_file_predictions
from seesay.serve.predict import Predictor, reading_of
from seesay.serve.shards import Shards
from seesay.spec import PictureSpec, Spec, VectorSpec
from test_manifest import manifest
from tiny import AUDIO, CLASSES, STILL, tiny_config, tiny_data, tiny_model, tiny_run, tiny_spec

DATA = tiny_data(missing=True)

Lines = list[dict[str, str]]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return Predictor.open(tiny_run(folder, config=tiny_config(epochs=8, augment=STILL)))


def files(folder: Path) -> list[dict[str, str]]:
    """The tiny data as files, and the rows of their manifest; recordings repeat, and some rows lack one."""
    folder.mkdir(exist_ok=True)
    for i, picture in enumerate(DATA.contents["image"]):
        Image.fromarray(picture[0]).save(folder / f"{i}.png")
    for i, recording in enumerate(DATA.contents["audio"]):
        soundfile.write(folder / f"{i}.wav", recording, AUDIO.rate)
    return [
        {"image": "" if i < 0 else f"{i}.png", "audio": "" if j < 0 else f"{j}.wav"} for i, j in DATA.rows
    ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of ten rows, batches of four files."""
    monkeypatch.setattr(batch, "SHARD_ROWS", 10)
    monkeypatch.setattr(file_batches, "ENCODER_BATCH", 4)


def source(path: Path, predictor: Predictor) -> FileRows:
    reading = reading_of(predictor.spec)
    return folder_rows(path, reading) if path.is_dir() else manifest_rows(path, reading)


def lines(out: Path) -> Lines:
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def predicted(predictor: Predictor, path: Path, out: Path, **options: Any) -> Lines:
    write_file_predictions(predictor, source(path, predictor), out, **options)
    return lines(out)


def test_every_row_is_what_a_single_prediction_says(predictor: Predictor, tmp_path: Path, small: None):
    rows = files(tmp_path)
    found = predicted(predictor, manifest(tmp_path / "a.csv", rows), tmp_path / "out.csv")
    assert [int(line["row_id"]) for line in found] == list(range(len(rows)))
    for line, row in zip(found, rows, strict=True):
        single = predictor.predict(**{m: tmp_path / name for m, name in row.items() if name})
        assert line["label"] == single.label
        assert float(line["score"]) == pytest.approx(single.scores[0]["score"], abs=1e-4)
        assert line["used"] == "+".join(single.used)
        assert line["agree"] == ("yes" if single.agree else "no")


def test_shards_and_threads_change_nothing(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = manifest(tmp_path / "a.csv", files(tmp_path))
    expected = predicted(predictor, path, tmp_path / "whole.csv")
    monkeypatch.setattr(batch, "SHARD_ROWS", 7)
    one = predicted(predictor, path, tmp_path / "one.csv")
    assert [line["label"] for line in one] == [line["label"] for line in expected]
    predicted(predictor, path, tmp_path / "two.csv", threads=2)
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on."""
    read, original = list[str](), contents.source_of

    def noted(file: Any) -> Any:
        read.append(Path(str(file)).name)
        return original(file)

    monkeypatch.setattr(contents, "source_of", noted)
    return read


def test_a_file_is_read_once_however_often_it_is_named(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    rows = [row for row in files(tmp_path) for _ in range(2)]
    read = counted(monkeypatch)
    predicted(predictor, manifest(tmp_path / "a.csv", rows), tmp_path / "out.csv")
    assert len(read) == len(set(read)) == len({name for row in rows for name in row.values() if name})


def test_beyond_those_remembered_it_is_read_once_in_a_shard(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(file_batches, "REMEMBERED", 0)
    rows = [{"image": name} for name in ["0.png"] * 12 + ["1.png"] * 6 + ["0.png"] * 5]
    files(tmp_path)
    read = counted(monkeypatch)
    found = predicted(predictor, manifest(tmp_path / "a.csv", rows), tmp_path / "out.csv")
    assert read == ["0.png", "0.png", "1.png", "0.png"]
    assert len({line["score"] for line in found}) <= 3


# ----------------------------------------------------------------------------------------------------- resume


class Killed(Exception):
    """Stands for a kill, in the middle of a shard."""


def killed_after(shards: int, monkeypatch: pytest.MonkeyPatch, how: type[BaseException] = Killed) -> None:
    """The next command dies when it has written so many shards."""
    write, count = Shards.write, [0]

    def writes(self: Shards, shard: Any) -> None:
        if count[0] == shards:
            monkeypatch.setattr(Shards, "write", write)
            raise how
        count[0] += 1
        write(self, shard)

    monkeypatch.setattr(Shards, "write", writes)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_killed_command_continues_to_the_same_bytes(
    predictor: Predictor,
    tmp_path: Path,
    small: None,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    threads: int,
):
    """With bad rows before and after the kill, and recordings that earlier shards had."""
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    rows = files(tmp_path)
    (tmp_path / rows[4]["image"]).write_text("no picture")
    (tmp_path / "5.wav").write_text("no recording")
    path, options = manifest(tmp_path / "a.csv", rows), {"threads": threads, "probabilities": True}
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    written = write_file_predictions(predictor, source(path, predictor), whole, **options)
    killed_after(3, monkeypatch)
    with pytest.raises(Killed):
        write_file_predictions(predictor, source(path, predictor), out, **options)
    assert not out.exists()
    read, done = counted(monkeypatch), list[int]()
    again = write_file_predictions(predictor, source(path, predictor), out, advance=done.append, **options)
    assert again.rows == written.rows < len(rows)
    assert sum(done) == len(rows)
    assert len(read) < len({name for row in rows for name in row.values()}) / 2 + 10
    assert out.read_bytes() == whole.read_bytes()
    bad = [Path(f"{each}.bad.csv").read_text() for each in (whole, out)]
    assert bad[0] == bad[1]
    assert not Path(f"{out}.parts").exists()


def test_other_options_are_refused_or_begin_anew(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    predictor = Predictor.open(tiny_run(tmp_path / "run", tiny_data(96), tiny_config(epochs=1)))
    files(tmp_path)
    path, out = manifest(tmp_path / "a.csv", [{"image": f"{i}.png"} for i in range(25)]), tmp_path / "out.csv"
    killed_after(1, monkeypatch)
    with pytest.raises(Killed):
        predicted(predictor, path, out)
    with pytest.raises(OutputError, match=r"out\.csv\.parts holds .*: reject was None, now 0\.5\. Give the"):
        predicted(predictor, path, out, reject=0.5)
    with pytest.raises(OutputError, match="columns was"):
        predicted(predictor, path, out, probabilities=True)
    assert not out.exists()
    found = predicted(predictor, path, out, reject=0.5, overwrite=True)
    assert found == predicted(predictor, path, tmp_path / "new.csv", reject=0.5)


def test_weights_may_lie_in_memory_in_any_way(tmp_path: Path):
    """As those of pointwise convolutions do, channels last."""
    model = build(tiny_model(), tiny_spec())
    odd = torch.zeros(3, 32, 1, 1, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    model.register_buffer("odd", odd)
    path = manifest(tmp_path / "a.csv", files(tmp_path))
    assert len(predicted(Predictor(model, tiny_spec()), path, tmp_path / "out.csv")) == len(DATA)


def test_another_manifest_or_model_is_refused(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    rows, out = files(tmp_path), tmp_path / "out.csv"
    path = manifest(tmp_path / "a.csv", rows)
    killed_after(1, monkeypatch)
    with pytest.raises(Killed):
        predicted(predictor, path, out)
    other = Predictor.open(tiny_run(tmp_path / "other", config=tiny_config(epochs=1)))
    with pytest.raises(OutputError, match="model was"):
        predicted(other, path, out)
    manifest(path, rows[:-1])
    with pytest.raises(OutputError, match=r"source\.rows was 72, now 71"):
        predicted(predictor, path, out)
    assert Path(f"{out}.parts", "000000.json").exists()


def test_a_shard_whose_files_changed_is_made_again(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    """And no other: its files are counted."""
    path, out = manifest(tmp_path / "a.csv", [{"image": f"{i}.png"} for i in range(30)]), tmp_path / "out.csv"
    files(tmp_path)
    killed_after(2, monkeypatch)
    with pytest.raises(Killed):
        predicted(predictor, path, out)
    Image.fromarray(DATA.contents["image"][-1][0]).save(tmp_path / "3.png")
    os.utime(tmp_path / "3.png", ns=(1, 1))
    read = counted(monkeypatch)
    found = predicted(predictor, path, out)
    assert read == [f"{i}.png" for i in (*range(10), *range(20, 30))]
    assert found[3]["label"] == CLASSES[2]
    assert found == predicted(predictor, path, tmp_path / "whole.csv")


def test_a_file_added_to_a_folder_is_another_source(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(25):
        Image.fromarray(DATA.contents["image"][i][0]).save(folder / f"{i:02}.png")
    killed_after(1, monkeypatch)
    with pytest.raises(Killed):
        predicted(predictor, folder, tmp_path / "out.csv")
    (folder / "07.png").rename(folder / "077.png")
    with pytest.raises(OutputError, match=r"source\.names was"):
        predicted(predictor, folder, tmp_path / "out.csv")


# --------------------------------------------------------------------------------------------------- bad rows


def test_bad_rows_are_listed_with_the_reason(predictor: Predictor, tmp_path: Path, small: None):
    rows = files(tmp_path)
    (tmp_path / "0.png").write_bytes(b"")
    soundfile.write(tmp_path / "silent.wav", np.zeros(2_000, np.float32), 4_000)
    rows[1]["audio"] = "silent.wav"
    rows[30] = {"image": "0.png", "audio": "gone.wav"}
    rows[31] = {"image": "", "audio": ""}
    path, out = manifest(tmp_path / "a.csv", rows), tmp_path / "out.csv"
    written = write_file_predictions(predictor, source(path, predictor), out)
    assert written == (68, f"4 rows were skipped; {out}.bad.csv says which and why")
    bad = lines(Path(f"{out}.bad.csv"))
    assert [(line["row"], Path(line["file"]).name) for line in bad] == [
        ("1", "0.png"),
        ("2", "silent.wav"),
        ("31", "0.png"),
        ("32", ""),
    ]
    for line, says in zip(bad, ["is empty", "is silent", "is empty", "neither picture nor"], strict=True):
        assert says in line["reason"]
    assert {line["row_id"] for line in lines(out)}.isdisjoint({"0", "1", "30", "31"})


def test_a_shard_without_a_readable_row_is_no_obstacle(predictor: Predictor, tmp_path: Path, small: None):
    rows = files(tmp_path)
    for i in range(10, 20):
        rows[i] = {"image": f"gone{i}.png", "audio": ""}
    found = predicted(predictor, manifest(tmp_path / "a.csv", rows), tmp_path / "out.csv")
    assert [int(line["row_id"]) for line in found] == [*range(10), *range(20, 72)]


def test_nothing_readable_is_an_error_and_leaves_nothing(predictor: Predictor, tmp_path: Path):
    (tmp_path / "in").mkdir()
    path = manifest(tmp_path / "in" / "a.csv", [{"image": "gone.png"}, {"image": "away.png"}])
    with pytest.raises(InputError, match=r"none of the 2 rows can be read: row 1: .*gone\.png does"):
        predicted(predictor, path, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_strict_stops_before_anything_is_predicted_where_files_are_missing(
    predictor: Predictor, tmp_path: Path, small: None
):
    rows = files(tmp_path)
    rows[60]["image"], rows[70]["image"] = "gone.png", "away.png"
    path, out = manifest(tmp_path / "a.csv", rows), tmp_path / "out.csv"
    with pytest.raises(InputError, match=r"2 of \d+ files do not exist: gone.png \(row 61\), away"):
        predicted(predictor, path, out, strict=True)
    rows[60] = {"image": "", "audio": ""}
    with pytest.raises(InputError, match="1 rows have neither picture nor recording: row 61"):
        predicted(predictor, manifest(tmp_path / "a.csv", rows), out, strict=True)
    assert not Path(f"{out}.parts").exists()


def test_strict_stops_at_the_first_damaged_file_and_continues_when_it_is_mended(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    path, out = manifest(tmp_path / "a.csv", files(tmp_path)), tmp_path / "out.csv"
    good = (tmp_path / "33.png").read_bytes()
    (tmp_path / "33.png").write_text("no picture")
    with pytest.raises(InputError, match=r"a\.csv: 1 of \d files cannot be read: row 34: .*33\.png is not a"):
        predicted(predictor, path, out, strict=True)
    (tmp_path / "33.png").write_bytes(good)
    read = counted(monkeypatch)
    assert len(predicted(predictor, path, out, strict=True)) == len(DATA)
    assert "3.png" not in read


def test_strict_does_not_continue_what_has_left_rows_out(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    path, out = manifest(tmp_path / "a.csv", files(tmp_path)), tmp_path / "out.csv"
    (tmp_path / "3.png").write_text("no picture")
    killed_after(2, monkeypatch)
    with pytest.raises(Killed):
        predicted(predictor, path, out)
    with pytest.raises(InputError, match=r"row 4 cannot be read: .*is not a picture"):
        predicted(predictor, path, out, strict=True)


def test_a_blank_page_is_a_bad_row_where_ink_is_expected(tmp_path: Path):
    """As it is for a single prediction."""
    spec = Spec(CLASSES, {"image": PictureSpec("ink", height=8, width=8)})
    files(tmp_path)
    Image.new("L", (40, 30), 255).save(tmp_path / "blank.png")
    path = manifest(tmp_path / "a.csv", [{"image": name} for name in ("0.png", "blank.png", "1.png")])
    found = predicted(Predictor(build(tiny_model(), spec), spec), path, tmp_path / "out.csv")
    assert [line["row_id"] for line in found] == ["0", "2"]
    assert "blank.png is blank: it shows no ink" in Path(f"{tmp_path / 'out.csv'}.bad.csv").read_text()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(7), "expected a vector of shape (6,)"),
        (np.full(6, np.nan), "NaN"),
        (np.array(["a"] * 6), "expected numbers"),
        (np.zeros((6, 1)), "got float64 of shape (6, 1)"),
    ],
)
def test_arrays_that_the_model_cannot_take_are_bad_rows(tmp_path: Path, array: np.ndarray, says: str):
    spec = Spec(CLASSES, {"touch": VectorSpec(6)})
    np.save(tmp_path / "bad.npy", array)
    np.savez(tmp_path / "a.npz", one=np.arange(6), two=np.ones(6, bool))
    np.save(tmp_path / "0.npy", np.arange(6.0))
    cells = ["0.npy", "bad.npy", "a.npz:one", "a.npz:two", "a.npz:three"]
    path = manifest(tmp_path / "a.csv", [{"touch": cell} for cell in cells])
    found = predicted(Predictor(build(ModelConfig(), spec), spec), path, tmp_path / "out.csv")
    assert [line["row_id"] for line in found] == ["0", "2", "3"]
    assert found[0]["score"] == found[1]["score"]
    bad = lines(Path(f"{tmp_path / 'out.csv'}.bad.csv"))
    assert [line["row"] for line in bad] == ["2", "5"]
    assert says in bad[0]["reason"]


def test_pictures_as_arrays_are_read_as_an_import_does(predictor: Predictor, tmp_path: Path):
    """Bytes, fractions and whole numbers, together; another shape is a bad row."""
    spec = Spec(CLASSES, {"image": PictureSpec(None, 1, 8, 8)})
    table = DATA.contents["image"][:12]
    for i, picture in enumerate(table):
        array = (picture, picture / np.float32(255), picture.astype(np.int64), picture[0])[i % 4]
        np.save(tmp_path / f"{i}.npy", array)
    np.save(tmp_path / "12.npy", np.zeros((1, 9, 8), np.uint8))
    np.save(tmp_path / "13.npy", np.zeros(64, np.uint8))
    path = manifest(tmp_path / "a.csv", [{"image": f"{i}.npy"} for i in range(14)])
    model = Predictor(build(tiny_model(), spec, seed=1), spec)
    found = predicted(model, path, tmp_path / "out.csv")
    assert [line["row"] for line in lines(Path(f"{tmp_path / 'out.csv'}.bad.csv"))] == ["13", "14"]
    for line, picture in zip(found, table, strict=True):
        score = model.predict(image=picture).scores[0]["score"]
        assert float(line["score"]) == pytest.approx(score, abs=1e-5)


# ------------------------------------------------------------------------------------------------- other rows


def test_contents_in_the_table_are_predicted_and_not_kept(
    predictor: Predictor, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet

    monkeypatch.setattr(table_rows, "AT_ONCE", 4)
    rows = files(tmp_path)
    columns = {
        m: [(tmp_path / row[m]).read_bytes() if row[m] else None for row in rows] for m in ("image", "audio")
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    made, most, original = list[weakref.ref[Embedded]](), [0], file_batches.Numbers.__call__

    def numbered(self: file_batches.Numbers, file: Any) -> tuple[int, bool]:
        made.append(weakref.ref(file))
        most[0] = max(most[0], sum(each() is not None for each in made))
        return original(self, file)

    with monkeypatch.context() as patch:
        patch.setattr(file_batches.Numbers, "__call__", numbered)
        found = predicted(predictor, tmp_path / "a.parquet", tmp_path / "table.csv")
    expected = predicted(predictor, manifest(tmp_path / "a.csv", rows), tmp_path / "files.csv")
    assert [line["label"] for line in found] == [line["label"] for line in expected]
    assert [float(x["score"]) for x in found] == pytest.approx(
        [float(x["score"]) for x in expected], abs=1e-5
    )
    assert len(made) > 100
    assert most[0] < 25


def test_a_column_that_the_model_does_not_know_is_not_read(predictor: Predictor, tmp_path: Path):
    rows = [row | {"touch": "gone.npy"} for row in files(tmp_path)]
    path = manifest(tmp_path / "a.csv", rows)
    reading = dataclasses.replace(reading_of(predictor.spec), columns={"touch": "touch"})
    named = manifest_rows(path, reading)
    assert named.modalities == ("image", "audio", "touch")
    write_file_predictions(predictor, named, tmp_path / "out.csv")
    assert len(lines(tmp_path / "out.csv")) == len(rows)
    other = Reading(labelled=False, columns={"force": "force"})
    only = manifest_rows(manifest(tmp_path / "b.csv", [{"force": "a.npy"}]), other)
    with pytest.raises(InputError, match="has force, the model was trained on image and audio only"):
        write_file_predictions(predictor, only, tmp_path / "b.out.csv")


def test_names_that_are_no_utf_8_are_shown_nearly(predictor: Predictor, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    try:
        Image.fromarray(DATA.contents["image"][0][0]).save(folder / name)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    Image.fromarray(DATA.contents["image"][0][0]).save(folder / "plain.png")
    found = predicted(predictor, folder, tmp_path / "out.csv")
    assert [line["file"] for line in found] == ["caf\ufffd.png", "plain.png"]
