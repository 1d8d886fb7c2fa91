"""Manifests: rows as listed, files read once, all that is wrong named at once."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import rich.progress
import soundfile
from PIL import Image

from seesay.config import FeaturesConfig
from seesay.data.dataset import Dataset
from seesay.data.ragged import Ragged
from seesay.errors import ConfigError, InputError
from seesay.formats.media import Reading
from seesay.formats.open import import_data, open_data
from seesay.signal.feature_settings import analysis_of
from seesay.spec import PictureSpec, WaveformSpec
from test_open import array_of


def digit(seed: int) -> np.ndarray:
    """(28, 28) uint8, laid out as MNIST: a box of 20x20, its mass in the centre."""
    picture = np.zeros((28, 28), np.uint8)
    inside = np.random.default_rng(seed).random((20, 20)) < 0.05
    inside[0] = inside[:, 0] = True
    picture[4:24, 4:24] = 255 * (inside | inside[::-1, ::-1])
    return picture


def picture(path: Path, seed: int = 0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(digit(seed)).save(path)
    return path.name


def photo(path: Path, seed: int = 0, grey: bool = False) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).convert("L" if grey else "RGB").save(path)
    return path.name


def recording(path: Path, pitch: float = 300, rate: int = 8_000, seconds: float = 0.5) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(rate * seconds)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * pitch * time), rate)
    return path.name


def manifest(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def pairs(folder: Path) -> list[dict[str, str]]:
    """Six rows: the second has no recording, the third no picture, the last two are the first again."""
    for i in range(4):
        picture(folder / "pictures" / f"{i}.png", i)
        recording(folder / "sounds" / f"{i}.wav", 300 + 100 * i)
    files = [(0, 0), (1, None), (None, 2), (3, 3), (0, 0), (0, 0)]
    return [
        {
            "image": "" if i is None else f"pictures/{i}.png",
            "audio": "" if j is None else f"sounds/{j}.wav",
            "label": "dog" if row % 2 else "cat",
            "split": "test" if row > 3 else "train",
            "speaker": "ann" if row < 3 else "bob",
        }
        for row, (i, j) in enumerate(files)
    ]


def speaker_of(data: Dataset) -> list[str | None]:
    """Per row the speaker of its recording."""
    group = data.groups["audio"]["speaker"]
    ids = [group.ids[pointer] if pointer >= 0 else -1 for pointer in data.pointers("audio")]
    return [group.names[i] if i >= 0 else None for i in ids]


# --------------------------------------------------------------------------------------------------- manifest


def test_a_manifest_is_read_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = manifest(tmp_path / "pairs.csv", pairs(tmp_path))
    monkeypatch.chdir("/")  # paths are relative to the manifest
    data = open_data(path)
    assert data.modalities == ("image", "audio")
    assert data.pointers("image").tolist() == [0, 1, -1, 2, 0, 0]
    assert data.pointers("audio").tolist() == [0, -1, 1, 2, 0, 0]
    assert data.spec.classes == ("cat", "dog")
    assert data.label.tolist() == [0, 1, 0, 1, 0, 1]
    assert data.split.tolist() == [0, 0, 0, 0, 2, 2]
    assert speaker_of(data) == ["ann", None, "ann", "bob", "ann", "ann"]
    assert (data.name, data.pairing) == ("pairs", "given")


def test_contents_are_those_of_the_files(tmp_path: Path):
    data = open_data(manifest(tmp_path / "pairs.csv", pairs(tmp_path)))
    assert data.contents["image"].dtype == np.uint8
    assert (data.contents["image"][:, 0] == np.stack([digit(0), digit(1), digit(3)])).all()
    assert data.contents["audio"].dtype == np.int16
    heard = array_of(data.contents["audio"])
    assert heard.shape == (3, 4_000)
    spectra = np.abs(np.fft.rfft(heard))
    assert (2 * spectra.argmax(axis=1)).tolist() == [300, 500, 600]


def test_parquet_says_the_same_as_csv(tmp_path: Path):
    rows = pairs(tmp_path)
    columns = {name: [row[name] or None for row in rows] for name in rows[0]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "pairs.parquet")
    one, other = open_data(tmp_path / "pairs.parquet"), open_data(manifest(tmp_path / "pairs.csv", rows))
    assert (one.rows == other.rows).all()
    assert (one.label == other.label).all()
    assert one.card()["modalities"] == other.card()["modalities"]


@pytest.mark.parametrize("label", [pyarrow.int64(), pyarrow.float64(), pyarrow.string()])
def test_numbers_in_parquet_are_labels(tmp_path: Path, label: pyarrow.DataType):
    picture(tmp_path / "0.png")
    values = pyarrow.array([3, 3, 12, 12]).cast(label)
    table = pyarrow.table({"image": ["0.png"] * 4, "label": values})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert open_data(tmp_path / "a.parquet").spec.classes == ("3", "12")


def test_a_spreadsheet_s_csv_is_read(tmp_path: Path):
    """A byte order mark, Windows line ends, quotes, spaces, blank lines, other columns."""
    for name in ("a, b.png", "c.png"):
        picture(tmp_path / name)
    text = (
        '\ufefflabel,note, image \r\n yes ,"x, ""y""","a, b.png"\r\nyes,,c.png\r\n\r\nno,,c.png\r\nno,,c.png'
    )
    (tmp_path / "a.csv").write_bytes(text.encode())
    data = open_data(tmp_path / "a.csv")
    assert data.spec.classes == ("no", "yes")
    assert len(data) == 4


def test_copies_of_a_file_are_one_content(tmp_path: Path):
    rows = [{"audio": recording(tmp_path / f"{i}.wav"), "label": str(i // 2)} for i in range(4)]
    data = open_data(manifest(tmp_path / "a.csv", rows))
    assert data.pointers("audio").tolist() == [0, 0, 0, 0]
    assert len(data.contents["audio"]) == 1


def test_a_column_without_cells_is_no_modality(tmp_path: Path):
    picture(tmp_path / "0.png")
    rows = [{"image": "0.png", "audio": "", "label": str(i // 2)} for i in range(4)]
    assert open_data(manifest(tmp_path / "a.csv", rows)).modalities == ("image",)


def test_test_rows_may_have_no_label(tmp_path: Path):
    rows = pairs(tmp_path)
    data = open_data(manifest(tmp_path / "a.csv", [*rows, rows[-1] | {"label": ""}]))
    assert data.label.tolist() == [0, 1, 0, 1, 0, 1, -1]


def test_each_file_is_read_once_and_progress_is_shown(tmp_path: Path):
    shown: dict[str, list[Path]] = {}

    def track(items: Iterable[Any], description: str) -> Iterator[Any]:
        for item in items:
            shown.setdefault(description, []).append(item)
            yield item

    open_data(manifest(tmp_path / "pairs.csv", pairs(tmp_path)), track=track)
    assert {what: [path.name for path in paths] for what, paths in shown.items()} == {
        "Reading pictures": ["0.png", "1.png", "3.png"],
        "Reading recordings": ["0.wav", "2.wav", "3.wav"],
    }


def test_the_progress_bar_of_rich_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    open_data(manifest(tmp_path / "pairs.csv", pairs(tmp_path)), track=rich.progress.track)
    assert "Reading pictures" in capsys.readouterr().out


def test_an_imported_manifest_needs_its_files_no_more(tmp_path: Path):
    (tmp_path / "in").mkdir()
    path = manifest(tmp_path / "in" / "pairs.csv", pairs(tmp_path / "in"))
    data = import_data(path, tmp_path / "out", reading=Reading(rate=4_000))
    (tmp_path / "in").rename(tmp_path / "gone")
    again = Dataset.open(tmp_path / "out")
    assert again.spec == data.spec
    assert array_of(again.contents["audio"]).shape == (3, 2_000)


# ----------------------------------------------------------------------------------------- how files are read


def audio_spec(folder: Path, rates: list[int], reading: Reading) -> WaveformSpec:
    rows = [
        {"audio": recording(folder / f"{i}.wav", 300 + i, rate), "label": str(i % 2)}
        for i, rate in enumerate(rates * 4)
    ]
    spec = open_data(manifest(folder / "a.csv", rows), reading).spec["audio"]
    assert isinstance(spec, WaveformSpec)
    return spec


@pytest.mark.parametrize(
    ("rates", "reading", "rate", "high"),
    [
        ([8_000], Reading(), 8_000, 4_000),
        ([16_000, 8_000], Reading(), 8_000, 4_000),
        ([48_000, 44_100], Reading(), 16_000, 8_000),
        ([16_000, 8_000], Reading(rate=16_000), 16_000, 4_000),
        ([48_000], Reading(rate=8_000), 8_000, 4_000),
    ],
)
def test_bandwidth_tells_nothing(tmp_path: Path, rates: list[int], reading: Reading, rate: int, high: float):
    """The lowest rate is kept, 16,000 at most; filters end at half the lowest of all that took part."""
    spec = audio_spec(tmp_path, rates, reading)
    assert (spec.rate, spec.high) == (rate, high)


def test_length_and_features_are_as_asked_for(tmp_path: Path):
    """Of a model: recordings are kept whole."""
    spec = audio_spec(tmp_path, [8_000], Reading())
    found = analysis_of(FeaturesConfig(seconds=0.5, kind="log-mel", filters=20), spec)
    assert (found.samples, found.kind, found.columns) == (4_000, "log-mel", 20)


def test_recordings_are_kept_whole_and_those_of_several_lengths_as_a_ragged_table(tmp_path: Path):
    rows = [
        {"audio": recording(tmp_path / f"{i}.wav", 300 + 100 * i, 8_000, 0.5 + i), "label": str(i % 2)}
        for i in range(4)
    ]
    data = open_data(manifest(tmp_path / "a.csv", rows))
    table = data.contents["audio"]
    assert isinstance(table, Ragged)
    assert [len(each) for each in table] == [4_000, 12_000, 20_000, 28_000]
    assert [np.abs(np.fft.rfft(each)).argmax() * 8_000 / len(each) for each in table] == [300, 400, 500, 600]


@pytest.mark.parametrize(
    ("draw", "reading", "spec", "shape"),
    [
        (picture, Reading(), PictureSpec("ink", 1, 28, 28), (1, 28, 28)),
        (picture, Reading(size=32), PictureSpec("ink", 1, 32, 32), (1, 32, 32)),
        (picture, Reading(reader="photo"), PictureSpec("photo", 1, 28, 28), (1, 28, 28)),
        (photo, Reading(), PictureSpec("photo", 3, 40, 50), (3, 40, 50)),
        (photo, Reading(max_side=50), PictureSpec("photo", 3, 40, 50, max_side=50), (3, 40, 50)),
    ],
)
def test_ink_and_photos_are_told_apart(
    tmp_path: Path,
    draw: Callable[[Path, int], str],
    reading: Reading,
    spec: PictureSpec,
    shape: tuple[int, int, int],
):
    rows = [{"image": draw(tmp_path / f"{i}.png", i), "label": str(i % 2)} for i in range(6)]
    data = open_data(manifest(tmp_path / "a.csv", rows), reading)
    assert data.spec["image"] == spec
    assert array_of(data.contents["image"]).shape == (6, *shape)


def test_photos_are_kept_in_their_own_shapes_and_made_smaller_where_they_are_too_large(tmp_path: Path):
    sizes = [(40, 50), (50, 40), (20, 10), (100, 90), (30, 30), (8, 80)]
    rows = []
    for i, size in enumerate(sizes):
        pixels = np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        rows.append({"image": f"{i}.png", "label": str(i % 2)})
    table = open_data(manifest(tmp_path / "a.csv", rows), Reading(reader="photo", max_side=50)).contents[
        "image"
    ]
    assert isinstance(table, Ragged)
    assert [each.shape[1:] for each in table] == [*sizes[:3], (50, 45), (30, 30), (5, 50)]


def test_grey_photos_have_one_channel(tmp_path: Path):
    rows = [{"image": photo(tmp_path / f"{i}.jpg", i, grey=True), "label": str(i % 2)} for i in range(6)]
    data = open_data(manifest(tmp_path / "a.csv", rows))
    assert data.spec["image"] == PictureSpec("photo", 1, 40, 50)


def test_how_files_were_read_is_said(tmp_path: Path):
    said = " | ".join(open_data(manifest(tmp_path / "pairs.csv", pairs(tmp_path))).sources)
    assert "the manifest pairs.csv" in said
    assert "image: 3 pictures, read as ink, since 3 of 3 examined are strokes on an even ground" in said
    assert "audio: 3 recordings, the lowest rate 8000 Hz, kept at 8000 Hz; 3 distinct" in said


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", 0), ("size", 100_000), ("rate", 0), ("rate", -5), ("max_side", 0), ("max_side", 1_025)],
)
def test_how_files_are_read_has_limits(field: str, value: Any):
    with pytest.raises(ConfigError, match=f"{field} must be .* to .*, got"):
        Reading(**{field: value})


# -------------------------------------------------------------------------------------------------- bad input


def refused(source: Path) -> str:
    """What is said when `source` is read."""
    with pytest.raises(InputError) as caught:
        open_data(source)
    assert "\n" not in str(caught.value)
    assert str(source) in str(caught.value)
    return str(caught.value)


def test_all_files_that_are_not_there_are_counted_and_ten_are_shown(tmp_path: Path):
    rows = pairs(tmp_path) + [{"image": f"{i}.png", "audio": "", "label": "cat"} for i in range(12)]
    said = refused(manifest(tmp_path / "a.csv", rows))
    assert "12 of 18 files do not exist" in said
    assert "0.png (row 7)" in said
    assert "9.png (row 16)" in said
    assert "10.png" not in said
    assert "and 2 more" in said


def test_pictures_and_recordings_that_are_not_there_are_counted_together(tmp_path: Path):
    rows = [*pairs(tmp_path), {"image": "no.png", "audio": "no.wav", "label": "cat"}]
    said = refused(manifest(tmp_path / "a.csv", rows))
    assert "2 of 8 files do not exist" in said
    assert "no.png (row 7)" in said
    assert "no.wav (row 7)" in said


def test_a_quote_that_is_never_closed_makes_a_name_that_is_not_there(tmp_path: Path):
    lines = "".join(f"{i}.png,cat\n" for i in range(999))
    (tmp_path / "a.csv").write_text(f'image,label\n"0.png,cat\n{lines}",cat\n')
    assert "1 of 1 files do not exist" in refused(tmp_path / "a.csv")


def test_a_folder_is_no_file(tmp_path: Path):
    rows = pairs(tmp_path)
    assert "1 of 7 files do not exist" in refused(
        manifest(tmp_path / "a.csv", [*rows, rows[0] | {"image": "pictures"}])
    )


def test_all_files_that_cannot_be_read_are_named(tmp_path: Path):
    rows = pairs(tmp_path)
    (tmp_path / "sounds" / "2.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    (tmp_path / "sounds" / "3.wav").write_text("hello")
    said = refused(manifest(tmp_path / "a.csv", rows))
    assert "2 of 3 files cannot be read: row 3: " in said
    assert "row 4: " in said
    assert "2.wav" in said
    assert "3.wav" in said


def test_a_broken_picture_is_named(tmp_path: Path):
    rows = pairs(tmp_path)
    whole = (tmp_path / "pictures" / "1.png").read_bytes()
    (tmp_path / "pictures" / "1.png").write_bytes(whole[:60])
    said = refused(manifest(tmp_path / "a.csv", rows))
    assert "1 of 3 files cannot be read: row 2: " in said
    assert "1.png" in said


def test_a_lying_rate_is_the_file_s_fault_and_not_the_recipe_s(tmp_path: Path):
    rows = pairs(tmp_path)
    content = bytearray((tmp_path / "sounds" / "2.wav").read_bytes())
    content[24:28] = (7).to_bytes(4, "little")
    (tmp_path / "sounds" / "2.wav").write_bytes(content)
    assert "2.wav" in refused(manifest(tmp_path / "a.csv", rows))


def row(**cells: str) -> Callable[[list[dict[str, str]]], list[dict[str, str]]]:
    """Changes cells of the fourth row."""
    return lambda rows: [*rows[:3], rows[3] | cells, *rows[4:]]


def without(*columns: str) -> Callable[[list[dict[str, str]]], list[dict[str, str]]]:
    return lambda rows: [{name: cell for name, cell in row.items() if name not in columns} for row in rows]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("label"), "has no column 'label', only image, audio, split, speaker"),
        (without("image", "audio"), "names no picture and no recording, it has only label, split, speaker"),
        (row(image="", audio=""), "1 rows have neither picture nor recording: row 4"),
        (row(label=""), "1 rows have no label: row 4"),
        (row(label="2.5"), "these have one: '2.5' (row 4)"),
        (row(label="NaN"), "the label of row 4 is 'NaN', which programs write for a missing value"),
        (row(label="bird"), "these have one: 'bird' (row 4)"),
        (row(split="trian"), "the split of row 4 is 'trian'. Did you mean 'train'?"),
    ],
)
def test_a_bad_manifest_is_refused(
    tmp_path: Path, change: Callable[[list[dict[str, str]]], list[dict[str, str]]], message: str
):
    assert message in refused(manifest(tmp_path / "a.csv", change(pairs(tmp_path))))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"image,label\n", "has a heading and no rows"),
        (
            "a.csv",
            b"image,lable\n0.png,1\n",
            "has no column 'label', only image, lable. Did you mean 'lable'?",
        ),
        ("a.csv", b"image,label,label\n0.png,1,1\n", "two columns of one name"),
        ("a.csv", b"image,label\n0.png\n", "row 1 has 1 cells, expected 2"),
        ("a.csv", "image,label\nä.png,1\n".encode("latin-1"), "is not a CSV file in UTF-8"),
        ("a.csv", bytes(range(256)), "is not a CSV file in UTF-8"),
        ("a.parquet", b"", "is empty"),
        ("a.parquet", b"PAR1 not really PAR1", "is not a Parquet file"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    assert message in refused(tmp_path / name)


def test_parquet_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pyarrow.parquet.write_table(pyarrow.table({"label": [1]}), tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "Install seesay[parquet]" in refused(tmp_path / "a.parquet")
