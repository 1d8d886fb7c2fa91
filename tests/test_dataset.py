"""A data set: its parts fit each other, its folder is whole or not there, its pointers say what is shared."""

import dataclasses
import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesay.data.dataset import Dataset, Group, subset_with_contents
from seesay.data.ragged import Ragged, as_table, distinct
from seesay.errors import ConfigError, InputError, OutputError, SeesayError
from seesay.spec import ContentSpec, MatrixSpec, PictureSpec, Spec, VectorSpec, WaveformSpec

IMAGE = PictureSpec(height=4, width=5)
AUDIO = WaveformSpec(rate=1_000, seconds=0.2)
PHOTO = PictureSpec(reader="photo", channels=3)
BOTH = {"image": IMAGE, "audio": AUDIO}


def tiny(**changes: Any) -> Dataset:
    """Four rows of three pictures and two recordings; the third row has no recording, the last no picture."""
    random = np.random.default_rng(0)
    parts: dict[str, Any] = {
        "spec": Spec(("no", "yes"), BOTH),
        "contents": {
            "image": random.integers(0, 256, (3, 1, 4, 5), np.uint8),
            "audio": random.integers(-9, 9, (2, 200), np.int16),
        },
        "rows": np.array([[0, 1], [1, 1], [2, -1], [-1, 0]], np.int32),
        "label": np.array([0, 1, 0, -1]),
        "split": np.array([0, 0, 1, 2], np.int8),
        "groups": {"audio": {"speaker": Group(np.array([1, -1], np.int32), ("ann", "bob"))}},
        "pairing": "drawn within class",
        "name": "tiny",
        "sources": ("made up",),
    }
    return Dataset(**parts | changes)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(one: Dataset, other: Dataset) -> None:
    assert (one.spec, one.pairing, one.name, one.sources) == (
        other.spec,
        other.pairing,
        other.name,
        other.sources,
    )
    for name in ("rows", "label", "split"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    for modality in one.modalities:
        np.testing.assert_array_equal(one.contents[modality], other.contents[modality], strict=True)
        ours, theirs = one.groups.get(modality, {}), other.groups.get(modality, {})
        assert ours.keys() == theirs.keys()
        for group in ours:
            assert ours[group].names == theirs[group].names
            np.testing.assert_array_equal(ours[group].ids, theirs[group].ids, strict=True)


# -------------------------------------------------------------------------------------------------- in memory


def test_pointers_say_which_content_each_row_has():
    assert tiny().pointers("image").tolist() == [0, 1, 2, -1]
    assert tiny().pointers("audio").tolist() == [1, 1, -1, 0]


def test_rows_of_a_split_are_in_order():
    assert [tiny().rows_of(split).tolist() for split in ("train", "valid", "test")] == [[0, 1], [2], [3]]


@pytest.mark.parametrize("rows", [np.array([3, 0]), np.array([True, False, False, True])])
def test_selected_rows_point_at_the_same_contents(rows: np.ndarray):
    data = tiny()
    few = data.select(rows)
    assert len(few) == 2
    assert few.contents is data.contents
    assert (few.rows == data.rows[rows]).all()
    assert (few.label == data.label[rows]).all()
    assert (few.split == data.split[rows]).all()


def test_a_data_set_may_have_no_rows():
    assert len(tiny().select(np.array([], int))) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": np.zeros((4, 1), np.int32)}, r"rows must be \(rows, 2\)"),
        ({"rows": np.zeros(4, np.int32)}, r"rows must be \(rows, 2\)"),
        ({"rows": np.full((4, 2), 3, np.int32)}, "a pointer into image must be -1 to 2, got 3 to 3"),
        ({"rows": np.full((4, 2), -2, np.int32)}, "a pointer into image must be -1 to 2"),
        ({"rows": np.zeros((4, 2))}, "a pointer into image must be a whole number, got float64"),
        ({"label": np.zeros(3, int)}, "4 rows need 4 entries in label"),
        ({"label": np.zeros((4, 1), int)}, "4 rows need 4 entries in label"),
        ({"label": np.array([0, 1, 2, 0])}, "a label must be -2 to 1, got 0 to 2"),
        ({"label": np.zeros(4)}, "a label must be a whole number"),
        ({"split": np.zeros(5, np.int8)}, "4 rows need 4 entries in split"),
        ({"split": np.full(4, 3, np.int8)}, "a split must be -1 to 2"),
        ({"pairing": "drawn"}, "pairing is 'drawn'"),
        ({"spec": Spec(("no", "no"), BOTH)}, "named once"),
        (
            {"spec": Spec(("no", "yes"), {**BOTH, "image": PictureSpec(height=5, width=4)})},
            "a content of image must be",
        ),
        ({"contents": dict(tiny().contents) | {"image": np.zeros((3, 1, 4, 5), int)}}, "must be uint8 or"),
        ({"contents": dict(tiny().contents) | {"audio": np.zeros((2, 200), np.uint8)}}, "must be int16 or"),
        (
            {"groups": {"audio": {"speaker": Group(np.zeros(4, int), ("ann",))}}},
            "speaker of audio needs one id for each",
        ),
        ({"groups": {"audio": {"speaker": Group(np.ones(2, int), ("ann",))}}}, "must be -1 to 0, got 1 to 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        tiny(**changes)


def test_a_data_set_has_a_modality():
    with pytest.raises(ConfigError, match=r"needs at least one modality"):
        tiny(spec=Spec(("no", "yes")), contents={}, rows=np.zeros((4, 0), np.int32), groups={})


def test_ready_made_features_are_matrices():
    data = of_one(MatrixSpec(3, 2), np.zeros((2, 3, 2), np.float32))
    assert data.modalities == ("audio",)


def of_one(spec: ContentSpec, table: Any) -> Dataset:
    """Two rows of one modality, `audio`."""
    rows = np.array([[0], [1]], np.int32)
    whole = Spec(("no", "yes"), {"audio": spec})
    return Dataset(whole, {"audio": table}, rows, np.array([0, 1]), np.zeros(2, np.int8))


@pytest.mark.parametrize(
    ("spec", "table", "message"),
    [
        (AUDIO, np.zeros((2, 3, 200), np.int16), r"must be \(samples,\), got \(3, 200\)"),
        (AUDIO, Ragged.of([np.zeros((1, 9)), np.zeros((1, 7))]), r"must be \(samples,\), got \(None, None\)"),
        (PHOTO, np.zeros((2, 1, 9, 9), np.uint8), r"must be \(3, height, width\), got \(1, 9, 9\)"),
        (PHOTO, Ragged.of([np.zeros((3, 9, 9)), np.zeros((1, 9, 9))]), r"must be \(3, height, width\)"),
        (IMAGE, Ragged.of([np.zeros((1, 4, 5)), np.zeros((1, 4, 6))]), r"must be \(1, 4, 5\)"),
        (MatrixSpec(3, 2), np.zeros((2, 2, 3), np.float32), r"must be \(3, 2\), got \(2, 3\)"),
        (MatrixSpec(3, 2), np.zeros((2, 3, 2), np.int16), "audio must be floats, got int16"),
        (VectorSpec(4), np.zeros((2, 3), np.float32), r"must be \(4,\), got \(3,\)"),
    ],
)
def test_contents_of_another_kind_are_refused(spec: ContentSpec, table: Any, message: str):
    with pytest.raises(InputError, match=message):
        of_one(spec, table)


def test_recordings_and_photos_may_have_any_size():
    assert len(of_one(AUDIO, np.zeros((2, 999), np.int16))) == 2
    assert len(of_one(AUDIO, Ragged.of([np.zeros(3, np.int16), np.zeros(5, np.int16)]))) == 2
    assert len(of_one(PHOTO, np.zeros((2, 3, 9, 7), np.uint8))) == 2
    assert len(of_one(PHOTO, Ragged.of([np.zeros((3, 2, 9), np.uint8), np.zeros((3, 8, 1), np.uint8)]))) == 2


def test_these_rows_and_what_they_point_at_and_nothing_else():
    few = subset_with_contents(tiny(), np.array([2, 1]))
    assert few.rows.tolist() == [[1, -1], [0, 0]]
    np.testing.assert_array_equal(few.contents["image"], tiny().contents["image"][[1, 2]])
    np.testing.assert_array_equal(few.contents["audio"], tiny().contents["audio"][[1]])
    assert few.groups["audio"]["speaker"].ids.tolist() == [-1]


# ------------------------------------------------------------------------------------------ distinct contents


@given(st.lists(st.integers(0, 3), max_size=20))
def test_distinct_contents_rebuild_the_table_and_repeat_nothing(values: list[int]):
    table = np.array(values, np.float32).reshape(-1, 1).repeat(3, axis=1)
    kept, pointers = distinct(table)
    assert (kept[pointers] == table).all()
    assert kept[:, 0].tolist() == list(dict.fromkeys(values))
    assert pointers.dtype == np.int32
    assert kept.dtype == table.dtype


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=3), min_size=1, max_size=20))
def test_contents_of_different_lengths_are_different(values: list[list[int]]):
    contents = [np.array(each, np.int16) for each in values]
    for table in (contents, as_table(contents), Ragged.of(contents)):
        kept, pointers = distinct(table)
        assert [kept[int(i)].tolist() for i in pointers] == values
        assert [each.tolist() for each in kept] == [list(each) for each in dict.fromkeys(map(tuple, values))]


# --------------------------------------------------------------------------------------- contents of any size


def ragged(**changes: Any) -> Dataset:
    """The same rows, of photos and recordings each of which has its own size."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (1, *sides), np.uint8) for sides in ((4, 5), (2, 10), (7, 1))]
    recordings = [random.integers(-9, 9, n, np.int16) for n in (200, 3)]
    photo = PictureSpec(reader="photo", height=4, width=5)
    parts = {
        "spec": Spec(("no", "yes"), {**BOTH, "image": photo}),
        "contents": {"image": Ragged.of(pictures), "audio": Ragged.of(recordings)},
    }
    return tiny(**parts | changes)


def test_a_ragged_table_is_read_as_an_array_is():
    recordings = [np.arange(n, dtype=np.int16) for n in (5, 1, 3)]
    table = Ragged.of(recordings)
    assert (len(table), table.dtype, table.dimensions) == (3, np.int16, 1)
    assert [each.tolist() for each in table] == [each.tolist() for each in recordings]
    assert table[-1].tolist() == table[np.int32(2)].tolist() == [0, 1, 2]
    for index in ([2, 0], np.array([2, 0]), slice(1, None), np.array([True, False, True])):
        expected = [recordings[i].tolist() for i in np.arange(3)[index]]
        assert [each.tolist() for each in table[index]] == expected
    assert len(table[np.array([], int)]) == len(table[3:]) == 0
    with pytest.raises(IndexError):
        table[3]


def test_pictures_keep_their_shape_and_one_shape_needs_no_ragged_table():
    pictures = [np.arange(6).reshape(1, 2, 3), np.arange(6).reshape(1, 3, 2)]
    table = as_table(pictures)
    assert isinstance(table, Ragged)
    for one, other in zip(table, pictures, strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(as_table(pictures[:1]), np.ndarray)


def test_contents_of_any_size_are_saved_and_opened(tmp_path: Path):
    ragged().save(tmp_path / "ragged")
    opened = Dataset.open(tmp_path / "ragged")
    for modality, table in ragged().contents.items():
        found = opened.contents[modality]
        assert isinstance(found, Ragged)
        assert isinstance(found.values, np.memmap)
        for one, other in zip(found, table, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)
    card = json.loads((tmp_path / "ragged" / "dataset.json").read_text())
    assert card["modalities"]["image"]["shape"] == [None, None, None]
    assert card["modalities"]["audio"]["shape"] == [None]
    assert opened.card() == card


def test_rows_can_be_picked_out_of_contents_of_any_size():
    few = subset_with_contents(ragged(), np.array([2, 3]))
    assert [each.shape for each in few.contents["image"]] == [(1, 7, 1)]
    assert [each.shape for each in few.contents["audio"]] == [(200,)]


@pytest.mark.parametrize("modality", ["image", "audio"])
@pytest.mark.parametrize("damage", [[0, 1], [0, 200, 202], [1, 200, 203], [0, 0, 203], [0, 203, 200]])
def test_offsets_that_do_not_fit_are_refused(tmp_path: Path, modality: str, damage: list[int]):
    ragged().save(tmp_path / "ragged")
    np.save(tmp_path / "ragged" / f"{modality}.offsets.npy", np.array(damage))
    with pytest.raises(InputError, match="offsets do not fit each other"):
        Dataset.open(tmp_path / "ragged")


@pytest.mark.parametrize("shapes", [[[1, 4, 5]], [[1, 4, 5], [1, 2, 10], [7, 1, 2]], [4, 5, 1], [[20], [20]]])
def test_shapes_that_do_not_fit_are_refused(tmp_path: Path, shapes: list[Any]):
    ragged().save(tmp_path / "ragged")
    np.save(tmp_path / "ragged" / "image.shapes.npy", np.array(shapes, np.int32))
    with pytest.raises(InputError, match="offsets do not fit each other"):
        Dataset.open(tmp_path / "ragged")


# ---------------------------------------------------------------------------------------------------- on disk


def test_what_is_saved_is_opened(tmp_path: Path):
    tiny().save(tmp_path / "tiny")
    opened = Dataset.open(tmp_path / "tiny")
    assert_same(opened, tiny())
    assert isinstance(opened.contents["image"], np.memmap)


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_one_modality_alone_is_saved_and_opened(tmp_path: Path, modality: str):
    both = tiny()
    alone = both.replace(
        spec=Spec(both.spec.classes, {modality: both.spec[modality]}),
        contents={modality: both.contents[modality]},
        rows=both.pointers(modality)[:, None],
        groups={m: g for m, g in both.groups.items() if m == modality},
    )
    alone.save(tmp_path / "alone")
    assert_same(Dataset.open(str(tmp_path / "alone")), alone)


def test_a_table_without_contents_is_saved_and_opened(tmp_path: Path):
    """All recordings are missing."""
    empty = tiny(
        contents=dict(tiny().contents) | {"audio": np.zeros((0, 200), np.int16)},
        rows=np.array([[0, -1], [1, -1], [2, -1], [0, -1]], np.int32),
        groups={},
    )
    empty.save(tmp_path / "empty")
    assert_same(Dataset.open(tmp_path / "empty"), empty)


def test_the_card_says_what_there_is(tmp_path: Path):
    tiny().save(tmp_path / "tiny")
    card = json.loads((tmp_path / "tiny" / "dataset.json").read_text())
    assert card["rows"] == 4
    assert card["classes"] == ["no", "yes"]
    assert card["pairing"] == "drawn within class"
    assert card["sources"] == ["made up"]
    part = card["modalities"]["image"]
    assert (part["contents"], part["shape"], part["dtype"]) == (3, [1, 4, 5], "uint8")
    assert part["sha256"] == hashlib.sha256(np.asarray(tiny().contents["image"]).tobytes()).hexdigest()
    assert card["modalities"]["audio"]["groups"] == {"speaker": ["ann", "bob"]}


def test_a_folder_of_the_first_format_is_read(tmp_path: Path):
    """There specs had no kind, and that of recordings held the settings of the front end."""
    tiny().save(tmp_path / "tiny")
    path = tmp_path / "tiny" / "dataset.json"
    card = json.loads(path.read_text())
    assert card["format"] == 2
    old_audio = {"features": "mfcc", "rate": 1_000, "seconds": 0.2, "high": 500.0, "mean": [], "scale": []}
    old_image = {"reader": "ink", "channels": 1, "height": 4, "width": 5}
    for modality, spec in (("image", old_image), ("audio", old_audio)):
        card["modalities"][modality]["spec"] = spec
    path.write_text(json.dumps(card | {"format": 1}))
    audio = dataclasses.replace(AUDIO, high=500.0)
    assert_same(Dataset.open(tmp_path / "tiny"), tiny(spec=Spec(("no", "yes"), {**BOTH, "audio": audio})))


def test_the_hash_is_of_the_values_in_their_order(tmp_path: Path):
    """A transposed view holds the same numbers elsewhere in memory."""
    table = np.asfortranarray(tiny().contents["image"])
    assert tiny(contents=dict(tiny().contents) | {"image": table}).card() == tiny().card()


def test_the_same_data_set_is_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        tiny().save(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_names_in_any_script_survive(tmp_path: Path):
    data = tiny(spec=Spec(("нет", "да"), BOTH))
    data.save(tmp_path / "données")
    assert Dataset.open(tmp_path / "données").spec.classes == ("нет", "да")


# -------------------------------------------------------------------------------------------- damaged on disk


def change(field: str, value: Any) -> Callable[[Path], object]:
    """Sets a field of the card, `modalities.audio.dtype` as a path into it."""

    def damage(folder: Path) -> None:
        card = json.loads((folder / "dataset.json").read_text())
        *outer, last = field.split(".")
        inner = card
        for key in outer:
            inner = inner[key]
        inner[last] = value
        (folder / "dataset.json").write_text(json.dumps(card))

    return damage


def rename(modality: str, name: str) -> Callable[[Path], object]:
    """Calls a modality otherwise in the card."""

    def damage(folder: Path) -> None:
        card = json.loads((folder / "dataset.json").read_text())
        card["modalities"] = {name if m == modality else m: part for m, part in card["modalities"].items()}
        (folder / "dataset.json").write_text(json.dumps(card))

    return damage


def drop(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-3])


def put(name: str, array: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / name, array)


def write(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "dataset.json").write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, r"dataset\.json does not exist.*seesay data import"),
        (drop("dataset.json"), "does not exist"),
        (drop("image.npy"), r"image\.npy does not exist"),
        (drop("audio.speaker.npy"), r"audio\.speaker\.npy does not exist"),
        (cut("audio.npy"), r"audio\.npy cannot be read as an array, it may be truncated"),
        (cut("dataset.json"), r"dataset\.json is not JSON"),
        (write(""), "is not JSON"),
        (write("[1]"), "expected an object with fields"),
        (write("{}"), "lacks format"),
        (change("format", 99), "has format 99, this seesay reads 1 and 2"),
        (change("format", "1"), "format must be of type int"),
        (change("modalities", []), "modalities must be of type dict"),
        (change("modalities.smell", {}), "lacks contents"),
        (rename("image", "a b"), "cannot be called 'a b'"),
        (rename("image", "smell"), r"smell\.npy does not exist"),
        (change("modalities.image.spec.kind", "smell"), "there is no kind 'smell'"),
        (change("modalities.image", 3), "expected an object with fields, got 3"),
        (change("modalities.image.spec", {"reader": "inc"}), r"dataset\.json.*'inc'"),
        (change("modalities.audio.spec.rate", "16k"), "rate must be int"),
        (change("modalities.audio.contents", 3), "declares .* the files hold"),
        (change("modalities.audio.dtype", "float32"), "float32.* the files hold .*int16"),
        (change("rows", 5), "declares 5 rows .* the files hold 4 rows"),
        (change("classes", ["no"]), "a label must be -2 to 0"),
        (change("classes", [0, 1]), "classes must be str"),
        (change("pairing", "free"), "pairing is 'free'"),
        (put("rows.npy", np.full((4, 2), 7, np.int32)), "a pointer into image must be"),
        (put("label.npy", np.array([0.5, 0, 0, 0])), "a label must be a whole number"),
        (put("label.npy", np.zeros(3, int)), "4 rows need 4 entries in label"),
        (put("image.npy", np.zeros((3, 4, 5), np.uint8)), "a content of image must be"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(tmp_path: Path, damage: Callable[[Path], object], message: str):
    folder = tmp_path / "tiny"
    tiny().save(folder)
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        Dataset.open(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(at=st.integers(0, 2_000), byte=st.integers(32, 126))
def test_a_card_with_a_wrong_byte_opens_or_is_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int
):
    folder = tmp_path_factory.getbasetemp() / "wrong byte"
    tiny().save(folder, overwrite=True)
    card = bytearray((folder / "dataset.json").read_bytes())
    card[at % len(card)] = byte
    (folder / "dataset.json").write_bytes(card)
    try:
        opened = Dataset.open(folder)
    except SeesayError:
        return
    assert len(opened) == 4


# ------------------------------------------------------------------------------------------------ overwriting


def test_a_folder_that_exists_is_refused(tmp_path: Path):
    tiny().save(tmp_path / "tiny")
    with pytest.raises(OutputError, match="exists already"):
        tiny(name="new").save(tmp_path / "tiny")
    assert Dataset.open(tmp_path / "tiny").name == "tiny"


def test_overwriting_leaves_nothing_of_the_old(tmp_path: Path):
    tiny().save(tmp_path / "tiny")
    tiny(groups={}, name="new").save(tmp_path / "tiny", overwrite=True)
    assert_same(Dataset.open(tmp_path / "tiny"), tiny(groups={}, name="new"))
    assert not (tmp_path / "tiny" / "audio.speaker.npy").exists()
    assert names(tmp_path) == ["tiny"]


def test_a_data_set_may_overwrite_the_folder_that_it_is_mapped_from(tmp_path: Path):
    tiny().save(tmp_path / "tiny")
    Dataset.open(tmp_path / "tiny").replace(name="new").save(tmp_path / "tiny", overwrite=True)
    assert_same(Dataset.open(tmp_path / "tiny"), tiny(name="new"))


@pytest.mark.parametrize("fails_at", range(7))
def test_a_disk_that_fills_up_leaves_the_old_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
):
    """Whichever file it is that does not fit: one of six arrays or the card."""
    tiny().save(tmp_path / "tiny")
    writes, save, write_text = iter(range(7)), np.save, Path.write_text

    def full(*_: Any, **__: Any) -> None:
        if next(writes) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    def np_save(file: Path, array: np.ndarray, **options: Any) -> None:
        file.write_bytes(b"half")
        full()
        save(file, array, **options)

    def path_write_text(path: Path, text: str) -> int:
        full()
        return write_text(path, text)

    monkeypatch.setattr(np, "save", np_save)
    monkeypatch.setattr(Path, "write_text", path_write_text)
    with pytest.raises(
        OutputError, match=r"cannot write .*tiny: No space left on device\. Nothing was changed"
    ):
        tiny(name="new").save(tmp_path / "tiny", overwrite=True)
    assert names(tmp_path) == ["tiny"]
    assert_same(Dataset.open(tmp_path / "tiny"), tiny())
    assert fails_at == 6 or next(writes) == fails_at + 1


def test_a_disk_that_fills_up_leaves_no_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError("8000 requested and 0 written")  # as numpy says it, without a number

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match="8000 requested and 0 written"):
        tiny().save(tmp_path / "tiny")
    assert names(tmp_path) == []


def test_a_card_with_plugins_that_are_no_list_is_one_line(tmp_path: Path):
    tiny().save(tmp_path / "data")
    path = tmp_path / "data" / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"plugins": 5}))
    with pytest.raises(InputError, match="plugins must be of type list, got 5"):
        Dataset.open(tmp_path / "data")


def test_weights_follow_their_rows_and_count_in_classes():
    data = tiny(weight=np.array([0.5, 2.0, 1.0, 0.5]))
    assert data.select(np.array([1, 0])).weight.tolist() == [2.0, 0.5]
    assert data.class_counts(np.array([0, 1, 2, 3])).tolist() == [1.5, 2.0]
    assert tiny().class_counts(np.array([0, 1, 2, 3])).dtype == np.int64


@pytest.mark.parametrize("weight", [np.ones(3), np.array([1.0, 1.0, 0.0, 1.0]), np.full(4, np.nan)])
def test_impossible_weights_are_refused(weight: np.ndarray):
    with pytest.raises(InputError, match="4 rows need as many weights above 0"):
        tiny(weight=weight)
