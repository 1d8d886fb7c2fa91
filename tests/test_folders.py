"""Folders of files: all that can be read is read, what is left out is counted, no class vanishes."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from seesay.data.dataset import SPLITS, Dataset
from seesay.data.info import describe
from seesay.errors import ConfigError, InputError
from seesay.formats.folders import Recording, recordings_of
from seesay.formats.media import Reading
from seesay.formats.name_parts import WORDS
from seesay.formats.open import import_data, open_data
from seesay.spec import WaveformSpec
from test_open import array_of
from tiny import tiny_data


def picture(path: Path, seed: int = 0) -> Path:
    """A small photo, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    return path


def recording(path: Path, seed: int = 0) -> Path:
    """A quarter of a second of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, 1_000), 4_000)
    return path


def fill(folder: Path, names: Sequence[str]) -> Path:
    """A folder of these files, no two alike."""
    for i, name in enumerate(names):
        (picture if name.endswith((".png", ".jpg", ".ppm", ".ico")) else recording)(folder / name, i)
    return folder


def classes(*kinds: str, suffix: str = ".png", each: int = 3) -> list[str]:
    return [f"{kind}/{i}{suffix}" for kind in kinds for i in range(each)]


def rows_of(data: Dataset) -> list[str]:
    """The class of each row, "" where it is not known."""
    return [data.spec.classes[i] if i >= 0 else "" for i in data.label]


def group_of(data: Dataset, modality: str, name: str) -> list[str]:
    group = data.groups[modality][name]
    return [group.names[group.ids[pointer]] for pointer in data.pointers(modality)]


def refused(source: Path, reading: Reading | None = None) -> str:
    with pytest.raises(InputError) as caught:
        open_data(source, reading or Reading())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------- recordings


def test_recordings_that_carry_their_label_in_their_name(tmp_path: Path):
    fill(tmp_path, [f"{d}_{who}_{i}.wav" for d in range(10) for who in ("ann", "bob") for i in range(2)])
    fill(tmp_path, [".0_hidden_0.wav"])
    (tmp_path / "README.md").write_text("not a recording")
    found, _ = recordings_of(tmp_path)
    assert found[:3] == [
        Recording(tmp_path / "0_ann_0.wav", "0", "ann"),
        Recording(tmp_path / "0_ann_1.wav", "0", "ann"),
        Recording(tmp_path / "0_bob_0.wav", "0", "bob"),
    ]
    assert len(found) == 40


def test_the_speaker_may_stand_in_the_name_and_the_label_in_the_folder(tmp_path: Path):
    fill(tmp_path, [f"{w}/{who}_nohash_0.wav" for w in ("seven", "two") for who in ("0c40e715", "18f8afd5")])
    found, _ = recordings_of(tmp_path)
    assert [(f.label, f.speaker) for f in found] == [
        ("seven", "0c40e715"),
        ("seven", "18f8afd5"),
        ("two", "0c40e715"),
        ("two", "18f8afd5"),
    ]


def test_background_noise_is_left_out_and_counted(tmp_path: Path):
    fill(tmp_path, classes("yes", "no", suffix=".wav"))
    fill(tmp_path, ["_background_noise_/dishes.wav", "_background_noise_/README.wav"])
    data = open_data(tmp_path)
    assert len(data) == 6
    assert data.left_out == {"_background_noise_ of Speech Commands": 2}


def test_a_folder_of_recordings_is_a_data_set_grouped_by_speaker(tmp_path: Path):
    data = open_data(
        fill(tmp_path, [f"{w}/p{who}_{i}.wav" for w in ("yes", "no") for who in (1, 2) for i in (0, 1)])
    )
    assert data.modalities == ("audio",)
    assert rows_of(data) == ["no"] * 4 + ["yes"] * 4
    assert group_of(data, "audio", "speaker") == ["p1", "p1", "p2", "p2"] * 2
    assert data.notes[0] == "label: first folder; speaker: first part of the name; 2 speakers x 2 labels"
    assert set(data.split) == {-1}


def test_sources_are_groups_of_that_name(tmp_path: Path):
    names = [
        f"{k}/{i % 2 + 1}-{1000 * n + 7919 * i}-{t}.wav"
        for n, k in enumerate(("rain", "dog"), 1)
        for i in range(1, 5)
        for t in "AB"
    ]
    data = open_data(fill(tmp_path, names))
    assert [*data.groups["audio"]] == ["source"]
    assert len(data.groups["audio"]["source"].names) == 8
    assert describe(data).modalities["audio"].groups == {"source": 8}


def test_a_pattern_decides_and_its_other_fields_are_groups(tmp_path: Path):
    fill(
        tmp_path,
        [
            f"{s}/{w}_{who}_{i}.wav"
            for s in "AB"
            for w in ("yes", "no")
            for who in ("ann", "bob")
            for i in "12"
        ],
    )
    assert "could each be the label" in refused(tmp_path)
    data = import_data(
        tmp_path, tmp_path / "out", reading=Reading(name_pattern="{session}/{label}_{speaker}_{take}")
    )
    assert data.spec.classes == ("no", "yes")
    assert {name: group.names for name, group in data.groups["audio"].items()} == {
        "session": ("A", "B"),
        "speaker": ("ann", "bob"),
    }


def test_a_pattern_is_for_folders_of_files(tmp_path: Path):
    tiny_data().save(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"--name-pattern is for folders of files, which .*data is not"):
        open_data(tmp_path / "data", Reading(name_pattern="{label}_{take}"))


def test_real_recordings_are_found(shared_data: Path):
    spoken, _ = recordings_of(shared_data / "fsdd")
    assert (len(spoken), len({file.speaker for file in spoken})) == (3_000, 6)
    assert {file.label for file in spoken} == set(WORDS.values())
    commands, _ = recordings_of(shared_data / "speech_commands")
    assert (len(commands), len({file.speaker for file in commands})) == (338, 137)
    assert {file.label for file in commands} == set(WORDS)


def test_real_commands_are_a_data_set(shared_data: Path):
    """Of its 338 files two are one recording: takes 0 and 1 of a speaker's `three`."""
    data = open_data(shared_data / "speech_commands")
    assert len(data) == 338
    assert array_of(data.contents["audio"]).shape == (337, 16_000)
    assert data.spec["audio"] == WaveformSpec(16_000, 1.0, high=8_000)
    assert len(data.groups["audio"]["speaker"].names) == 137


# --------------------------------------------------------------------------------------------------- pictures


def test_a_folder_of_folders_of_pictures_is_a_data_set(tmp_path: Path):
    data = open_data(fill(tmp_path, classes("10", "9")))
    assert data.modalities == ("image",)
    assert data.spec.classes == ("9", "10")
    assert rows_of(data) == ["10"] * 3 + ["9"] * 3
    assert data.groups == {}


def test_folders_with_an_underscore_are_classes(tmp_path: Path):
    assert open_data(fill(tmp_path, classes("_other", "dog"))).spec.classes == ("_other", "dog")


def test_files_of_any_suffix_are_read_if_they_can_be_and_counted_if_not(tmp_path: Path):
    fill(tmp_path, [*classes("cat", "dog"), "dog/4.ppm", "cat/5.ico"])
    (tmp_path / "dog" / "0.png").rename(tmp_path / "dog" / "picture")
    (tmp_path / "dog" / "notes.txt").write_text("a dog")
    (tmp_path / "dog" / "data.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    fill(tmp_path, ["cat/._0.png", ".git/1.png"])
    data = import_data(tmp_path, tmp_path.parent / "out")
    assert rows_of(data) == ["cat"] * 4 + ["dog"] * 4
    assert data.left_out == {"hidden": 4, "not a picture or recording": 2}
    assert describe(data).warnings[0].startswith("Left out: 6 files")


def test_recordings_of_any_suffix_are_read(tmp_path: Path):
    fill(tmp_path, classes("yes", "no", suffix=".wav"))
    samples = np.random.default_rng(9).normal(0, 0.1, 1_000)
    soundfile.write(tmp_path / "yes" / "take.sound", samples, 4_000, format="FLAC")
    assert len(open_data(tmp_path)) == 7


def test_classes_may_lie_deeper(tmp_path: Path):
    data = open_data(fill(tmp_path, classes("cat", "owl/2024")))
    assert rows_of(data) == ["cat"] * 3 + ["owl"] * 3
    assert "folders below it are not used" in data.notes[0]
    data = open_data(fill(tmp_path / "x", classes("pictures/all/cat", "pictures/all/owl")))
    assert data.spec.classes == ("cat", "owl")


def test_files_beside_the_folders_of_classes_are_counted(tmp_path: Path):
    data = open_data(fill(tmp_path, [*classes("cat", "dog"), "logo.png", "jingle.wav"]))
    assert len(data) == 6
    assert data.left_out == {"not pictures": 1, "not in a class folder": 1}


@pytest.mark.parametrize("content", [None, b"", b"not a picture"])
def test_a_class_that_would_vanish_is_an_error(tmp_path: Path, content: bytes | None):
    fill(tmp_path, classes("cat", "dog"))
    (tmp_path / "owl").mkdir()
    if content is not None:
        (tmp_path / "owl" / "0.xyz").write_bytes(content)
    assert "1 of 3 class folders hold no pictures: owl" in refused(tmp_path)


def test_a_class_of_damaged_files_is_an_error(tmp_path: Path):
    fill(tmp_path, classes("cat", "dog"))
    for path in (tmp_path / "dog").iterdir():
        path.write_bytes(b"not a picture")
    assert "3 of 6 files cannot be read" in refused(tmp_path)


def test_a_link_in_circles_ends(tmp_path: Path):
    fill(tmp_path, classes("cat", "dog"))
    (tmp_path / "dog" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(open_data(tmp_path)) == 6


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(fill(tmp_path, classes("cat", "dog")) / "cat" / "pipe")
    assert open_data(tmp_path).left_out == {"not a picture or recording": 1}


def test_real_cases_are_whole(shared_data: Path):
    folder = shared_data.parent / "cases" / "folders"
    counts = {name: np.bincount(open_data(folder / name).label).tolist() for name in ("half_ppm", "nested")}
    assert counts == {"half_ppm": [10, 10], "nested": [8, 8, 8]}
    data = open_data(folder / "class_prefix")
    assert data.groups == {}
    assert data.notes[0] == "label: first folder; speakers: not known; 3 labels"


# ----------------------------------------------------------------------------------------------------- splits


@pytest.mark.parametrize("suffix", [".png", ".wav"])
def test_folders_of_splits_are_kept(tmp_path: Path, suffix: str):
    names = [
        f"{split}/{name}" for split in ("train", "val", "test") for name in classes("a", "b", suffix=suffix)
    ]
    data = open_data(fill(tmp_path, names))
    assert [SPLITS[i] for i in data.split] == ["test"] * 6 + ["train"] * 6 + ["valid"] * 6
    assert rows_of(data) == (["a"] * 3 + ["b"] * 3) * 3


def test_test_files_without_folders_are_not_labelled(tmp_path: Path):
    data = open_data(
        fill(tmp_path, [*(f"train/{name}" for name in classes("a", "b")), "test/1.png", "test/2.png"])
    )
    assert rows_of(data) == ["", ""] + ["a"] * 3 + ["b"] * 3


def test_a_class_that_vanishes_from_a_split_is_an_error(tmp_path: Path):
    fill(
        tmp_path,
        [*(f"train/{name}" for name in classes("a", "b")), *(f"test/{name}" for name in classes("a"))],
    )
    (tmp_path / "test" / "b").mkdir()
    assert "1 of 4 class folders hold no pictures: test/b" in refused(tmp_path)


# ------------------------------------------------------------------------------------------------------ pairs


@pytest.mark.parametrize(
    ("image", "audio"),
    [
        ("{k}/{i}.png", "{k}/{i}.wav"),
        ("image/{k}/{i}.jpg", "audio/{k}/{i}.wav"),
        ("x/{k}_{i}.png", "y/{k}_{i}.wav"),
    ],
)
def test_files_that_pair_by_name_are_pairs(tmp_path: Path, image: str, audio: str):
    every = [(kind, i) for kind in ("cat", "dog") for i in range(11)]
    data = open_data(fill(tmp_path, [name.format(k=k, i=i) for k, i in every for name in (image, audio)]))
    assert data.modalities == ("image", "audio")
    assert rows_of(data) == ["cat"] * 11 + ["dog"] * 11
    assert (data.rows >= 0).all()
    assert data.notes[0].startswith("22 pairs: each picture with the recording of its name; label: first")


def test_pairs_of_splits(tmp_path: Path):
    names = [
        f"{split}/{m}"
        for split in ("train", "test")
        for kind in ("a", "b")
        for i in range(3)
        for m in (f"image/{kind}/{i}.png", f"audio/{kind}/{i}.wav")
    ]
    data = open_data(fill(tmp_path, names))
    assert [SPLITS[i] for i in data.split] == ["test"] * 6 + ["train"] * 6


def test_a_class_without_pairs_is_an_error(tmp_path: Path):
    fill(tmp_path, [f"{m}" for k in "ab" for i in range(11) for m in (f"i/{k}/{i}.png", f"a/{k}/{i}.wav")])
    (tmp_path / "i" / "c").mkdir()
    assert "1 of 5 class folders hold no pairs: i/c" in refused(tmp_path)


@pytest.mark.parametrize("extra", ["cat/9.png", "cat/0.jpg", "owl/1.wav"])
def test_pictures_and_recordings_that_do_not_pair_need_a_manifest(tmp_path: Path, extra: str):
    fill(tmp_path, [*classes("cat", "dog"), *classes("cat", "dog", suffix=".wav"), extra])
    said = refused(tmp_path)
    assert "their names do not pair them one to one" in said
    assert "List the pairs in a manifest, or pair by class with seesay data build" in said


# ------------------------------------------------------------------------------------------------ predictions


@pytest.mark.parametrize("names", [["a.png", "b.png", "c.png"], ["x/a.png", "b.png"], ["a.png"]])
def test_files_that_are_only_predicted_need_no_labels(tmp_path: Path, names: list[str]):
    data = open_data(fill(tmp_path, names), Reading(labelled=False))
    assert len(data) == len(names)
    assert set(rows_of(data)) == {""}


def test_an_empty_folder_is_no_class_where_files_are_only_predicted(tmp_path: Path):
    fill(tmp_path, classes("cat", "dog"))
    (tmp_path / "owl").mkdir()
    assert len(open_data(tmp_path, Reading(labelled=False))) == 6


def test_a_folder_without_files_is_refused(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x")
    assert "no picture and no recording (1 not a picture or recording)" in refused(tmp_path)
    with pytest.raises(InputError, match="holds no recordings"):
        recordings_of(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        recordings_of(tmp_path / "nowhere")


def test_one_folder_of_pictures_is_one_class_whatever_its_names_say(tmp_path: Path):
    """`daisy/cam_front_0.jpg`, `daisy/cam_back_1.jpg`: front and back are no classes."""
    fill(tmp_path, [f"daisy/cam_{side}_{i}.png" for side in ("front", "back") for i in range(5)])
    with pytest.raises(InputError, match="one folder of pictures, 'daisy', expected one for each"):
        open_data(tmp_path)
