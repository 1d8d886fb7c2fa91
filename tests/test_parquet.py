"""Parquet as Hugging Face has it: files and samples inside, classes named in the schema, a split a file."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile
from PIL import Image

from seesay.errors import InputError
from seesay.formats.media import Reading
from seesay.formats.open import open_data
from seesay.spec import WaveformSpec
from test_manifest import picture, refused
from test_open import array_of

ROWS = 6


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def tone(i: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * (300 + 50 * i) * np.arange(4_000) / 8_000)).astype(np.float32)


def wav(i: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(i), 8_000, format="WAV")
    return file.getvalue()


def parquet(path: Path, features: dict[str, Any] | None = None, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, path)
    return path


LABELS = [i % 2 for i in range(ROWS)]
CLASSES = {"label": {"names": ["zebra", "ape"], "_type": "ClassLabel"}}
PICTURES = [{"bytes": png(i), "path": f"{i}.png"} for i in range(ROWS)]


# ------------------------------------------------------------------------------------------------------ cells


@pytest.mark.parametrize("cells", [PICTURES, [cell["bytes"] for cell in PICTURES]], ids=["struct", "bytes"])
def test_pictures_in_the_table_are_read(tmp_path: Path, cells: list[Any]):
    data = open_data(parquet(tmp_path / "a.parquet", image=cells, label=LABELS))
    assert data.modalities == ("image",)
    assert array_of(data.contents["image"]).shape == (ROWS, 3, 40, 40)


@pytest.mark.parametrize(
    ("cells", "columns", "features"),
    [
        ([{"bytes": wav(i), "path": None} for i in range(ROWS)], {}, {}),
        ([{"array": tone(i), "sampling_rate": 8_000} for i in range(ROWS)], {}, {}),
        ([tone(i) for i in range(ROWS)], {"sampling_rate": [8_000] * ROWS}, {}),
        ([tone(i) for i in range(ROWS)], {}, {"audio": {"sampling_rate": 8_000, "_type": "Audio"}}),
    ],
    ids=["file", "struct", "column", "schema"],
)
def test_recordings_in_the_table_are_read(
    tmp_path: Path, cells: list[Any], columns: dict[str, Any], features: dict[str, Any]
):
    data = open_data(parquet(tmp_path / "a.parquet", features, audio=cells, label=LABELS, **columns))
    assert data.spec["audio"] == WaveformSpec(8_000, 1.0, high=4_000)
    spectra = np.abs(np.fft.rfft(array_of(data.contents["audio"])))
    assert (2 * spectra.argmax(axis=1)).tolist() == [300 + 50 * i for i in range(ROWS)]
    assert not any("column" in note for note in data.notes)


def test_a_file_whose_bytes_are_elsewhere_is_found_by_its_path(tmp_path: Path):
    cells = [{"bytes": None, "path": picture(tmp_path / f"{i}.png", i)} for i in range(ROWS - 1)]
    path = parquet(
        tmp_path / "a.parquet", image=[*cells, None], audio=[None] * (ROWS - 1) + [wav(0)], label=LABELS
    )
    assert open_data(path).pointers("image").tolist() == [0, 1, 2, 3, 4, -1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [b"cat", b"dog"]}, "column 'label' holds binary, expected text or numbers"),
        ({"label": [["cat"], ["dog"]]}, "column 'label' holds list<"),
        ({"label": [{"a": 1}, {"a": 2}]}, "column 'label' holds struct<"),
        ({"audio": [[0.1, 0.2], [0.3]]}, "row 1 has no rate for them. Add a column 'sampling_rate'"),
        ({"image": [[["a", "b"]]] * 2}, "column 'image' holds list<"),
        ({"image": [1, 2]}, "column 'image' holds int64"),
        ({"image": [b"\x89PNG", b""]}, "2 of 2 files cannot be read: row 1"),
        ({"label": [float("nan"), 1.0]}, "label of row 1 is 'nan'"),
    ],
)
def test_other_cells_are_refused_in_a_short_line(tmp_path: Path, columns: dict[str, Any], message: str):
    table = {"image": [png(0), png(1)], "label": ["cat", "dog"]} | columns
    said = refused(parquet(tmp_path / "a.parquet", **table))
    assert message in said
    assert len(said) <= 1_000


def test_bytes_never_reach_a_message(tmp_path: Path):
    cells = [np.random.default_rng(i).bytes(100_000) for i in range(20)]
    said = refused(parquet(tmp_path / "a.parquet", image=cells, label=[str(i % 2) for i in range(20)]))
    assert "20 of 20 files cannot be read" in said
    assert len(said) <= 1_000


# ---------------------------------------------------------------------------------------------------- classes


def test_classes_have_the_names_and_order_of_the_schema(tmp_path: Path):
    data = open_data(parquet(tmp_path / "a.parquet", CLASSES, image=PICTURES, label=LABELS))
    assert data.spec.classes == ("zebra", "ape")
    assert data.label.tolist() == LABELS


def test_labels_that_are_names_stay_names(tmp_path: Path):
    names = [("zebra", "ape")[i] for i in LABELS]
    assert open_data(parquet(tmp_path / "a.parquet", CLASSES, image=PICTURES, label=names)).spec.classes == (
        "ape",
        "zebra",
    )


@pytest.mark.parametrize("metadata", [b"no json", b"[]", b'{"info": {"features": []}}', b'{"info": 3}'])
def test_an_odd_schema_is_no_schema(tmp_path: Path, metadata: bytes):
    table = pyarrow.table({"image": PICTURES, "label": LABELS}).replace_schema_metadata(
        {"huggingface": metadata}
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert open_data(tmp_path / "a.parquet").spec.classes == ("0", "1")


# ----------------------------------------------------------------------------------------------------- shards


def shard(folder: Path, name: str, seed: int = 0, **columns: Any) -> Path:
    cells = [{"bytes": png(100 * seed + i), "path": None} for i in range(ROWS)]
    return parquet(folder / f"{name}.parquet", CLASSES, **{"image": cells, "label": LABELS} | columns)


@pytest.mark.parametrize("inner", ["", "data"])
def test_a_folder_of_parts_has_the_split_of_their_names(tmp_path: Path, inner: str):
    shard(tmp_path / inner, "train-00000-of-00002", 1)
    shard(tmp_path / inner, "train-00001-of-00002", 2)
    shard(tmp_path / inner, "validation-00000-of-00001", 3)
    shard(tmp_path / inner, "test-00000-of-00001-0123abcd", 4, label=[-1] * ROWS)
    data = open_data(tmp_path)
    assert {name: len(data.rows_of(name)) for name in ("train", "valid", "test")} == {
        "train": 2 * ROWS,
        "valid": ROWS,
        "test": ROWS,
    }
    assert set(data.label[data.rows_of("test")]) == {-1}
    assert len(data.contents["image"]) == 4 * ROWS


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train-00000-of-00003"], "has 1 of the 3 Parquet files of train. Download the others"),
        (["train", "pictures"], "1 of 2 Parquet files give no split: pictures.parquet"),
    ],
)
def test_parts_that_are_missing_or_odd_are_named(tmp_path: Path, names: list[str], message: str):
    for i, name in enumerate(names):
        shard(tmp_path, name, i)
    assert message in refused(tmp_path)


def test_parts_without_splits_are_one_table(tmp_path: Path):
    shard(tmp_path, "0000", 1)
    shard(tmp_path, "0001", 2)
    data = open_data(tmp_path)
    assert (len(data), set(data.split)) == (2 * ROWS, {-1})


def test_parts_with_other_classes_are_refused(tmp_path: Path):
    shard(tmp_path, "train")
    parquet(tmp_path / "test.parquet", {"label": {"names": ["ape"]}}, image=PICTURES, label=[0] * ROWS)
    assert "has other classes than" in refused(tmp_path)


def test_the_case_of_hugging_face_is_read(shared_data: Path):
    folder = shared_data.parent / "cases" / "parquet"
    assert len(open_data(folder / "train-00000-of-00001.parquet", Reading(reader="photo"))) == 12
    with pytest.raises(InputError, match="'label' holds binary"):
        open_data(folder / "binary.parquet")
