"""The contact sheet: which rows it shows, and that what they are can be seen on it."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seesay.data.dataset import Dataset, Group
from seesay.data.ragged import Ragged
from seesay.errors import ConfigError, InputError, OutputError
from seesay.figures.contact_sheet import RESOLUTION, choose, draw_sheet
from seesay.spec import ContentSpec, MatrixSpec, PictureSpec, Spec, VectorSpec, WaveformSpec

GREY, COLOUR = PictureSpec(height=8, width=8), PictureSpec("photo", channels=3, height=8, width=12)
WORD, SENTENCE = WaveformSpec(rate=8_000), WaveformSpec(rate=8_000, seconds=2)
READY, VECTOR = MatrixSpec(frames=20, columns=6), VectorSpec(12)


def some_data(image: PictureSpec | None = GREY, audio: ContentSpec | None = WORD, rows: int = 30) -> Dataset:
    random = np.random.default_rng(0)
    specs: dict[str, ContentSpec | None] = {"image": image, "audio": audio}
    spec = {modality: each for modality, each in specs.items() if each is not None}
    contents = {}
    if image:
        contents["image"] = random.integers(0, 256, (rows, *image.shape), np.uint8)
    if isinstance(audio, WaveformSpec):
        contents["audio"] = random.normal(0, 1_000, (rows, audio.samples)).astype(np.int16)
    elif audio:
        contents["audio"] = random.normal(size=(rows, *audio.shape)).astype(np.float16)
    return Dataset(
        spec=Spec(("zero", "$one$", "a class with a very long name"), spec),
        contents=contents,
        rows=np.stack([np.arange(rows, dtype=np.int32)] * len(contents), 1),
        label=np.arange(rows) % 3,
        split=(np.arange(rows) % 4 - 1).astype(np.int8),
        groups={"audio": {"speaker": Group(np.arange(rows) % 3 - 1, ("ann", "_{b}$"))}} if audio else {},
    )


def drawn(dataset: Dataset, path: Path, rows: int = 6) -> np.ndarray:
    """The sheet's pixels, (height, width, 3)."""
    draw_sheet(dataset, path, rows=rows)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("image", "audio"),
    [
        (GREY, WORD),
        (GREY, SENTENCE),
        (COLOUR, READY),
        (GREY, VECTOR),
        (GREY, None),
        (None, WORD),
        (None, READY),
    ],
)
def test_any_kind_of_content_can_be_drawn(image, audio, tmp_path):
    pixels = drawn(some_data(image, audio), tmp_path / "sheet.png")
    assert min(pixels.shape[:2]) > RESOLUTION
    assert pixels.std() > 20


def test_contents_of_different_sizes_can_be_drawn(tmp_path):
    random = np.random.default_rng(0)
    sizes = range(5, 35)
    photos = [random.integers(0, 256, (3, size, 40 - size), np.uint8) for size in sizes]
    sounds = [random.normal(0, 1_000, 500 * size).astype(np.int16) for size in sizes]
    tables = {"image": Ragged.of(photos), "audio": Ragged.of(sounds)}
    pixels = drawn(some_data(COLOUR, WORD).replace(contents=tables), tmp_path / "sheet.png")
    assert min(pixels.shape[:2]) > RESOLUTION
    assert pixels.std() > 20


def test_the_picture_is_on_the_sheet(tmp_path):
    """A pure red picture makes red pixels: about a square inch of each row that has one."""
    dataset = some_data(COLOUR, None, rows=4)
    red = np.zeros_like(dataset.contents["image"])
    red[:, 0] = 255
    pixels = drawn(dataset.replace(contents={"image": red}), tmp_path / "sheet.png", rows=4)
    area = (pixels == [255, 0, 0]).all(-1).sum() / RESOLUTION**2
    assert area == pytest.approx(4 * 8 / 12, rel=0.05)


def test_a_missing_recording_is_an_empty_cell_and_not_a_silent_one(tmp_path):
    dataset = some_data()
    silent = dataset.replace(contents={**dataset.contents, "audio": np.zeros_like(dataset.contents["audio"])})
    rows = dataset.rows.copy()
    rows[:, 1] = -1
    black = drawn(silent, tmp_path / "silent.png")
    pale = drawn(dataset.replace(rows=rows), tmp_path / "missing.png")
    assert black.shape == pale.shape
    differ = (black != pale).any(-1)
    assert pale[differ].mean() > 200 > 150 > black[differ].mean()


def test_a_sheet_without_any_content_can_be_drawn(tmp_path):
    dataset = some_data()
    drawn(dataset.replace(rows=np.full_like(dataset.rows, -1)), tmp_path / "sheet.png")


def test_the_same_seed_draws_the_same_sheet_and_another_seed_another(tmp_path):
    files = [tmp_path / name for name in ("one.png", "again.png", "other.png")]
    for path, seed in zip(files, (0, 0, 1), strict=True):
        draw_sheet(some_data(), path, rows=4, seed=seed)
    one, again, other = (path.read_bytes() for path in files)
    assert one == again != other


def test_rows_are_drawn_evenly_from_the_classes_and_shown_in_their_order():
    dataset = some_data(rows=300)
    label = np.where(np.arange(300) < 280, 0, np.arange(300) % 3)
    label[-4:] = -1
    for seed in range(5):
        rows = choose(dataset.replace(label=label), 12, seed)
        assert label[rows].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [-1] * 3
        assert len(set(rows)) == 12


def test_all_rows_are_shown_where_there_are_fewer_than_asked_for():
    assert sorted(choose(some_data(rows=5), 24, seed=0)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("rows", [0, 401])
def test_an_impossible_number_of_rows_is_refused(rows, tmp_path):
    with pytest.raises(ConfigError, match=f"1 to 400 rows, got {rows}"):
        draw_sheet(some_data(), tmp_path / "sheet.png", rows=rows)
    assert not list(tmp_path.iterdir())


def test_a_data_set_without_rows_is_refused(tmp_path):
    with pytest.raises(InputError, match="data has no rows"):
        draw_sheet(some_data(rows=0), tmp_path / "sheet.png")


def test_a_full_disk_leaves_the_old_sheet(tmp_path, monkeypatch):
    path = tmp_path / "sheet.png"
    path.write_bytes(b"old")

    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(OutputError, match="No space left"):
        draw_sheet(some_data(), path, rows=2)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
