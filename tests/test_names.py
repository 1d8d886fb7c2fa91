"""What names of files say: made layouts are read as they were made, or refused; never read otherwise."""

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.errors import ConfigError, InputError
from seesay.formats.names import Names, read_names

DIGITS = tuple("0123456789")
WORDS = ("happy", "sad", "angry", "calm", "good_bye", "yes", "no", "stop")
PEOPLE = ("ann", "bob", "cleo", "dan", "eve-marie", "finn", "gus")
LABELS = (DIGITS, ("zero", "one", "two", "seven"), WORDS, ("class1", "class2", "class3"), ("0", "3", "7"))
SPEAKERS = (
    PEOPLE,
    tuple(f"{i:02}" for i in range(1, 31)),
    tuple(map(str, range(1, 7))),
    ("p225", "p226", "p228", "p330"),
    ("Actor_01", "Actor_02", "Actor_03"),
    ("0c40e715", "18f8afd5", "2d82a556", "4fd1443e"),
    ("1001", "1017", "1091", "1044"),
)
LAYOUTS = (
    "{label}_{speaker}_{take}",
    "{speaker}_{label}_{take}",
    "{label}-{speaker}-{take}",
    "{label}_{speaker}",
    "{speaker}_{label}",
    "{take}_{label}_{speaker}",
    "{label}/{speaker}_{take}",
    "{label}/{speaker}_nohash_{take}",
    "{label}/{take}_{speaker}",
    "{label}/{speaker}",
    "{label}/{speaker}/{take}",
    "{label}/{speaker}/rec{take}",
    "{speaker}/{label}_{take}",
    "{speaker}/{label}",
    "{speaker}/{label}{take}",
    "{speaker}/{label}_{speaker}_{take}",
    "{speaker}/{take}_{label}",
    "{speaker}/{label}/{take}",
    "all/{speaker}/{label}_{take}",
)
ALONE = (
    "{label}/{take}",
    "{label}/{label}_{take}",
    "{label}/IMG_{take}",
    "{label}_{take}",
    "{label}.{take}",
    "{label}{take}",
    "{label}/{label}{take}",
    "{label}/2024-05-{take}",
    "data/{label}/{take}",
)


def made(layout: str, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    return [layout.format(label=k, speaker=s, take=t) + ".wav" for k, s, t in rows]


def grid(labels: Sequence[str], speakers: Sequence[str], takes: int) -> list[tuple[str, str, str]]:
    return list(itertools.product(labels, speakers, map(str, range(takes))))


def same_parts(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two columns put rows together in the same way, whatever the parts are called."""
    return len({*zip(one, other, strict=True)}) == len({*one}) == len({*other})


def check(names: Names, rows: Sequence[tuple[str, str, str]]) -> None:
    """Labels are those that were made; groups are the speakers or said not to be known."""
    labels, speakers, _ = zip(*rows, strict=True)
    assert same_parts(names.labels, labels), names.summary
    assert "not known" in names.summary or all(same_parts(g, speakers) for g in names.groups.values()), (
        names.summary
    )


@st.composite
def corpora(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """Labels of speakers in takes; some are lacking, but every label has several speakers and the reverse."""
    labels, speakers = draw(st.sampled_from(LABELS)), draw(st.sampled_from(SPEAKERS))
    if labels != DIGITS:
        labels = labels[: draw(st.integers(2, len(labels)))]
    rows = grid(labels, speakers[: draw(st.integers(2, len(speakers)))], draw(st.integers(1, 5)))
    if draw(st.booleans()):
        random = np.random.default_rng(draw(st.integers(0, 99)))
        rows = [row for row in rows if random.random() < 0.9]
    return rows


@settings(max_examples=400)
@given(corpora(), st.sampled_from(LAYOUTS))
def test_what_was_made_is_read_or_refused(rows: list[tuple[str, str, str]], layout: str):
    if "{label}{take}" in layout and rows[0][0][-1].isdigit():
        return  # nobody can read that
    paths = made(layout, rows)
    distinct = dict(zip(paths, rows, strict=True))
    crossing = all(
        len({row[1 - i] for row in distinct.values() if row[i] == value}) > 1
        for i in (0, 1)
        for value in {row[i] for row in distinct.values()}
    )
    if not crossing:
        return
    with contextlib.suppress(InputError):
        check(read_names(list(distinct)), list(distinct.values()))


@settings(max_examples=100)
@given(st.sampled_from(LABELS), st.sampled_from(ALONE), st.integers(4, 14), st.booleans())
def test_without_speakers_they_are_not_known(labels: Sequence[str], layout: str, takes: int, pictures: bool):
    if "{label}" in layout.split("/")[-1] and labels[0][-1].isdigit():
        return  # two numbers
    rows = [(label, "", f"{take:02}") for label, take in itertools.product(labels, range(10, 10 + takes))]
    names = read_names(made(layout, rows), pictures=pictures)
    assert same_parts(names.labels, [row[0] for row in rows])
    assert names.groups == {}


@pytest.mark.parametrize(
    ("layout", "labels", "speakers"),
    [
        ("{label}_{speaker}_{take}", DIGITS, PEOPLE),
        ("{speaker}/{label}_{speaker}_{take}", DIGITS, SPEAKERS[1]),
        ("{speaker}/{label}_{speaker}_{take}", ("0", "1", "2"), SPEAKERS[1]),
        ("{speaker}/{label}_{speaker}_{take}", DIGITS, PEOPLE),
        ("{label}/{speaker}_nohash_{take}", WORDS[:4], SPEAKERS[5]),
        ("{label}/{speaker}_{take}", WORDS, SPEAKERS[3]),
        ("{speaker}/{label}_{take}", WORDS[:4], SPEAKERS[4]),
        ("{speaker}_{label}_{take}", WORDS[:4], SPEAKERS[6]),
        ("{label}/{speaker}_{take}", LABELS[1], PEOPLE),
        ("{speaker}/{label}_{take}", LABELS[3], SPEAKERS[2]),
        ("{speaker}/{label}/{take}", LABELS[1], PEOPLE),
    ],
)
def test_layouts_that_say_enough_are_read(layout: str, labels: Sequence[str], speakers: Sequence[str]):
    rows = grid(labels, speakers, 3)
    names = read_names(made(layout, rows))
    assert names.labels == tuple(row[0] for row in rows)
    assert [*names.groups] == ["speaker"]
    assert same_parts(names.groups["speaker"], [row[1] for row in rows])
    assert f"{len(speakers)} speakers x {len(labels)} labels" in names.summary


def test_the_decision_is_said_in_a_line():
    assert read_names(made("{speaker}/{label}_{speaker}_{take}", grid(DIGITS, SPEAKERS[1], 2))).summary == (
        "label: first part of the name; speaker: first folder; 30 speakers x 10 labels"
    )
    assert read_names(made("{label}/{take}", grid(WORDS, [""], 12))).summary == (
        "label: first folder; speakers: not known; 8 labels"
    )


@pytest.mark.parametrize(
    ("layout", "patterns"),
    [
        ("{label}_{speaker}_{take}", ("{label}_{speaker}_{take}", "{speaker}_{label}_{take}")),
        ("{label}-{speaker} {take}", ("{label}-{speaker} {take}", "{speaker}-{label} {take}")),
        (
            "{label}/{speaker} shot{take}",
            ("{label}/{speaker} {_}{take}", "{speaker}/{label} {_}{take}"),
        ),
        ("{label}/{speaker}_{take}", ("{label}/{speaker}_{take}", "{speaker}/{label}_{take}")),
        ("{label}/{speaker}/{take}", ("{label}/{speaker}/{take}", "{speaker}/{label}/{take}")),
        ("all/{label}/{speaker}", ("{_}/{label}/{speaker}", "{_}/{speaker}/{label}")),
    ],
)
def test_two_readings_that_are_equally_good_are_refused_and_either_pattern_reads_them(
    layout: str, patterns: tuple[str, str]
):
    rows = grid(("yes", "no", "stop"), ("ann", "bob", "cleo", "dan"), 3 if "take" in layout else 1)
    paths = made(layout, rows)
    with pytest.raises(InputError, match=r"could each be the label.*Choose") as caught:
        read_names(paths)
    one, other = patterns
    assert f"--name-pattern {one!r} or --name-pattern {other!r}" in str(caught.value)
    assert read_names(paths, pattern=one).labels == tuple(row[0] for row in rows)
    assert read_names(paths, pattern=one).groups == {"speaker": tuple(row[1] for row in rows)}
    assert read_names(paths, pattern=other).labels == tuple(row[1] for row in rows)


def test_of_two_numbers_either_may_be_the_speaker():
    with pytest.raises(InputError, match="could each be the speaker") as caught:
        read_names(made("{speaker}_{label}_{take}", grid(("zero", "one"), ("1", "2", "3"), 3)))
    assert "'{speaker}_{label}_{take}' or --name-pattern '{take}_{label}_{speaker}'" in str(caught.value)


def test_ten_files_a_folder_named_by_digits_may_be_takes_or_what_is_said():
    paths = [f"{folder}/{digit}.wav" for folder in ("ann", "dog", "bob") for digit in range(10)]
    with pytest.raises(InputError, match=r"'\{label\}/\{take\}' or --name-pattern '\{speaker\}/\{label\}'"):
        read_names(paths)
    assert read_names(paths, pictures=True).labels == tuple(path.split("/")[0] for path in paths)


def test_a_label_that_is_known_is_found_wherever_it_stands():
    rows = grid(("yes", "no"), ("ann", "bob"), 2)
    assert read_names(made("{speaker}/{label}_{take}", rows), known=("yes", "no", "stop")).labels == tuple(
        row[0] for row in rows
    )


def test_emotions_of_actors_need_a_pattern_that_the_message_gives():
    """As RAVDESS names them: seven numbers, of which four might be the label."""
    ranges = (range(1, 25), range(1, 9), (1, 2), (1, 2), (1, 2))
    paths = [
        f"Actor_{a:02}/03-01-{e:02}-{i:02}-{s:02}-{r:02}-{a:02}.wav"
        for a, e, i, s, r in itertools.product(*ranges)
    ]
    with pytest.raises(InputError) as caught:
        read_names(paths)
    pattern = "{speaker}/{_}-{_}-{label}-{_}-{_}-{_}-{take}"
    assert repr(pattern) in str(caught.value)
    names = read_names(paths, pattern=pattern)
    assert len(set(names.labels)) == 8
    assert len(set(names.groups["speaker"])) == 24


def test_takes_of_a_source_recording_stay_together():
    """As ESC-10: class, then fold, source and take."""
    random = np.random.default_rng(0)
    sources = random.choice(200_000, 60, replace=False) + 20_000
    paths = [
        f"{label}/{i % 5 + 1}-{source}-{take}.ogg"
        for k, label in enumerate(("dog_bark", "rain", "rooster"))
        for i, source in enumerate(sources[20 * k : 20 * k + 20])
        for take in "ABC"[: 1 + i % 3]
    ]
    names = read_names(paths)
    assert names.labels == tuple(path.split("/")[0] for path in paths)
    assert names.groups == {"source": tuple(path.split("-")[1] for path in paths)}
    assert "source: second part of the name; 60 sources x 3 labels" in names.summary


def test_individuals_of_a_class_are_sources_where_each_class_has_several():
    animals = {"dog": ("rex", "fido", "spot"), "cat": ("tom", "kit", "sam", "leo")}
    paths = [f"{kind}/{name}_{i}.wav" for kind, names in animals.items() for name in names for i in range(4)]
    assert read_names(paths).groups == {"source": tuple(path.split("/")[1].split("_")[0] for path in paths)}
    some = [path for path in paths if "fido" not in path and "spot" not in path]
    assert read_names(some).groups == {}


def test_words_that_describe_recordings_of_a_class_are_no_labels():
    names = (
        "big_bark_1",
        "bark_2",
        "growl_at_night_3",
        "big_growl_4",
        "bark_5",
        "growl_6",
        "bark_7",
        "wood_8",
    )
    others = ("meow_1", "meow_2", "night_meow_3", "purr_4", "purr_5", "big_purr_6", "hiss_7", "hiss_8")
    paths = [*(f"dog/{name}.wav" for name in names), *(f"cat/{name}.wav" for name in others)]
    assert read_names(paths).labels == ("dog",) * 8 + ("cat",) * 8
    assert read_names(paths).groups == {}


def test_a_class_that_is_repeated_in_the_name_is_no_speaker():
    for layout in ("{label}/{label}_{take}", "{label}/{label}{take}", "{label}/{take}_{label}"):
        names = read_names(made(layout, grid(("dog", "big cat", "great_owl"), [""], 12)))
        assert names.labels == tuple(row[0] for row in grid(("dog", "big cat", "great_owl"), [""], 12))
        assert names.groups == {}


@pytest.mark.parametrize(
    "name",
    [
        "{i}",
        "IMG_{i:04}",
        "dog ({i})",
        "2024-05-{i:02} 10.1{j}.00",
        "REC_20240501_1012{i:02}",
    ],
)
def test_names_of_devices_say_nothing(name: str):
    paths = [f"{k}/{name.format(i=i, j=i % 6)}.wav" for k in ("dog", "cat") for i in range(10, 24)]
    assert read_names(paths).labels == ("dog",) * 14 + ("cat",) * 14
    assert read_names(paths).groups == {}


# --------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("name", ["IMG_{i}", "{i:05}", "DSC0{i}", "PXL_2024_{i}"])
def test_a_camera_that_counts_from_anywhere_is_no_writer(name: str):
    """Each folder was filled by a camera that began at the same number; some pictures were deleted."""
    paths = [f"{k}/{name.format(i=i)}.jpg" for k in ("cat", "dog") for i in range(1_000, 1_030) if i % 7]
    assert read_names(paths, pictures=True).groups == {}


def test_writers_with_numbers_of_persons_are_writers():
    """Several pictures each, or numbers with wide gaps."""
    several = [f"{k}/{w}_{i}.png" for k in "37" for w in range(1_001, 1_009) for i in range(3)]
    sparse = [f"{k}/{w}.png" for k in "37" for w in (100_032, 101_874, 104_511, 107_200)]
    for paths in (several, sparse):
        assert list(read_names(paths, pictures=True).groups) == ["writer"]


def test_pictures_are_labelled_by_their_folder_and_what_is_not_used_is_said():
    names = read_names(
        [f"{k}/{w}_{i}.png" for k in "37" for w in ("ann", "bob") for i in range(4)], pictures=True
    )
    assert names.labels == ("3",) * 8 + ("7",) * 8
    assert names.groups == {}
    assert "groups: not known; 2 labels; not used: first part of the name (ann, bob)" in names.summary


def test_writers_with_ids_are_groups():
    paths = [f"{k}/writer{w}_{i}.png" for k in "37" for w in range(4) for i in range(3)]
    assert read_names(paths, pictures=True).groups == {"writer": tuple(p[2:].split("_")[0] for p in paths)}


def test_pictures_in_two_levels_of_folders_that_cross_are_refused():
    paths = [f"{k}/{w}/{i}.png" for k in "37" for w in ("ann", "bob") for i in range(4)]
    with pytest.raises(InputError, match=r"'\{label\}/\{writer\}/\{take\}'"):
        read_names(paths, pictures=True)


def test_deeper_folders_of_some_classes_are_not_used_and_that_is_said():
    paths = [f"{k}/{i}.png" for k in ("dog", "cat", "owl/2024") for i in range(8)]
    names = read_names(paths, pictures=True)
    assert set(names.labels) == {"dog", "cat", "owl"}
    assert "first folder (folders below it are not used)" in names.summary


def test_pictures_in_one_folder_are_labelled_by_their_names():
    assert read_names([f"{k}.{i}.jpg" for k in ("cat", "dog") for i in range(9)], pictures=True).labels == (
        ("cat",) * 9 + ("dog",) * 9
    )


# ----------------------------------------------------------------------------------------------------- splits


def test_folders_of_splits_are_kept():
    paths = [
        f"{s}/{k}/{i}.png" for s in ("train", "Validation", "test") for k in ("a", "b") for i in range(3)
    ]
    names = read_names(paths, pictures=True)
    assert names.splits == ("train",) * 6 + ("valid",) * 6 + ("test",) * 6
    assert names.labels == tuple(path.split("/")[1] for path in paths)
    assert (names.level, names.summary.split(";")[0]) == (1, "split: first folder (6 train, 6 valid, 6 test)")


def test_folders_of_splits_may_be_called_sets():
    paths = [
        f"{s}/{k}/{k}.{i}.jpg"
        for s in ("training_set", "test_set")
        for k in ("cats", "dogs")
        for i in range(3)
    ]
    assert read_names(paths, pictures=True).splits == ("train",) * 6 + ("test",) * 6


def test_test_files_without_classes_have_no_label():
    paths = [f"train/{k}/{i}.png" for k in ("a", "b") for i in range(3)] + ["test/1.png", "test/2.png"]
    assert read_names(paths, pictures=True).labels == ("a",) * 3 + ("b",) * 3 + ("", "")


def test_a_class_that_is_called_like_a_split_is_a_class():
    paths = [f"{k}/{i}.png" for k in ("train", "bus", "car") for i in range(3)]
    assert read_names(paths, pictures=True).splits is None


def test_folders_beside_splits_are_refused():
    paths = [f"{k}/a/{i}.png" for k in ("train", "test", "more") for i in range(3)]
    with pytest.raises(InputError, match=r"folders of splits \(test, train\), and others: more"):
        read_names(paths, pictures=True)


# --------------------------------------------------------------------------------------------------- patterns


def test_a_pattern_reads_labels_with_separators_and_ignores_what_it_is_told_to():
    paths = ["x1_good_bye_ann_3.wav", "x2_yes_ann_1.wav"]
    names = read_names(paths, pattern="{_}_{label}_{speaker}_{take}")
    assert names.labels == ("good_bye", "yes")
    assert names.groups == {"speaker": ("ann", "ann")}


def test_other_fields_of_a_pattern_are_groups_and_a_split_is_a_split():
    names = read_names(
        ["train/monday/yes_1.wav", "test/friday/no_2.wav"], pattern="{split}/{session}/{label}_{take}"
    )
    assert names.groups == {"session": ("monday", "friday")}
    assert names.splits == ("train", "test")
    assert "2 labels; 2 sessions" in names.summary


def test_a_pattern_without_folders_is_for_names_alone():
    assert read_names(["a/x/yes_1.wav", "b/no_2.wav"], pattern="{label}_{take}").labels == ("yes", "no")


def test_a_field_that_comes_twice_has_one_value():
    assert read_names(["01/7_01_0.wav"], pattern="{speaker}/{label}_{speaker}_{take}").labels == ("7",)
    with pytest.raises(InputError, match="1 of 1 files do not match"):
        read_names(["01/7_02_0.wav"], pattern="{speaker}/{label}_{speaker}_{take}")


def test_numbers_may_follow_directly_on_a_field():
    assert read_names(["dog12.wav", "cat3.wav"], pattern="{label}{take}").labels == ("dog", "cat")


def test_files_that_do_not_fit_the_pattern_are_listed():
    with pytest.raises(InputError, match=r"2 of 3 files do not match \{label\}_\{take\}: readme, x"):
        read_names(["yes_1.wav", "readme.wav", "x.wav"], pattern="{label}_{take}")


@pytest.mark.parametrize("pattern", ["", "{speaker}_{take}", "{label", "{}_{label}", "{label}_{0}"])
def test_what_is_no_pattern_is_refused(pattern: str):
    with pytest.raises(ConfigError, match="--name-pattern"):
        read_names(["yes_1.wav"], pattern=pattern)


def test_names_that_say_nothing_are_refused():
    with pytest.raises(InputError, match="the names of 3 files do not show their class: a, b, c"):
        read_names(["a.wav", "b.wav", "c.wav"])


# -------------------------------------------------------------------------------------------------- real data


@pytest.mark.parametrize(
    ("folder", "summary"),
    [
        ("fsdd", "label: first part of the name; speaker: second part of the name; 6 speakers x 10 labels"),
        ("speech_commands", "label: first folder; speaker: first part of the name; 137 speakers x 10 labels"),
        ("esc10", "label: first folder; source: second part of the name; 302 sources x 10 labels"),
        ("photos/flowers", "label: first folder; groups: not known; 5 labels"),
        ("photos/caltech", "label: first folder; groups: not known; 3 labels"),
    ],
)
def test_real_corpora_are_read(shared_data: Path, folder: str, summary: str):
    root = shared_data / folder
    paths = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.suffix in (".wav", ".ogg", ".jpg"))
    assert read_names(paths, pictures=folder.startswith("photos")).summary == summary
