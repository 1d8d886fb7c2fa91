"""Comparing models: numbers worked out by hand, files from outside, and one sentence to read."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from seesay.cli import main
from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.errors import ConfigError, InputError
from seesay.measure.compare import Side, compare, groups_of, lower, sentences, table_of, tables_of
from seesay.measure.outside import read_side
from seesay.metrics.scores import METRICS
from seesay.metrics.statistics import holm
from tiny import tiny_config, tiny_data, tiny_run

ROWS = 60
PICTURE = Condition("image")


def data_of(rows: int = ROWS) -> Dataset:
    """The tiny data with a picture, a recording and a speaker for each row: no two rows share anything."""
    data = tiny_data(each=rows // 3)
    group = data.groups["audio"]["speaker"]
    return data.replace(
        contents={**data.contents, "audio": data.contents["audio"][data.pointers("audio")]},
        rows=np.stack([np.arange(rows)] * 2, 1).astype(np.int32),
        groups={
            "audio": {
                "speaker": dataclasses.replace(
                    group, ids=np.arange(rows, dtype=np.int32), names=tuple(f"s{i}" for i in range(rows))
                )
            }
        },
    )


def side_of(name: str, probabilities: Mapping[str, np.ndarray]) -> Side:
    """A model that says these, by condition."""
    return Side(name, {Condition(condition): said for condition, said in probabilities.items()})


def saying(label: np.ndarray, wrong: list[int], name: str, condition: str = "image") -> Side:
    """A model that is right but for these rows, where it says the next class."""
    said = label.copy()
    said[wrong] = (said[wrong] + 1) % 3
    return side_of(name, {condition: np.eye(3)[said]})


def test_numbers_worked_out_by_hand():
    """a has rows 0 to 5 alone, b row 6 alone, both err at row 7: binomial(7, 1/2) gives 2 (1 + 7) / 128."""
    data = data_of()
    a = saying(data.label, [6, 7], "a")
    b = saying(data.label, [0, 1, 2, 3, 4, 5, 7], "b")
    [pair], notes = compare([a, b], data, np.arange(ROWS))
    assert (pair.only_a, pair.only_b, pair.rows, pair.groups) == (6, 1, 60, 60)
    assert pair.scores["accuracy"].p == pytest.approx(0.125)
    assert (pair.scores["accuracy"].a, pair.scores["accuracy"].b) == pytest.approx((58 / 60, 53 / 60))
    assert pair.scores["accuracy"].difference == pytest.approx(5 / 60)
    assert pair.scores["accuracy"].ci[0] < 5 / 60 < pair.scores["accuracy"].ci[1]
    # class 0: a is right 18 of 20, b 13 of 20; class 1 has those that were called so beside its own 20
    assert pair.macro_f1.a == pytest.approx((36 / 38 + 40 / 42 + 1) / 3)
    assert pair.macro_f1.b == pytest.approx((26 / 33 + 40 / 47 + 1) / 3)
    assert notes == []


def test_the_correction_is_holms():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_every_pair_and_condition_is_corrected_together():
    data = data_of()
    sides = [
        side_of(name, {c: saying(data.label, wrong, name).probabilities[PICTURE] for c in ("image", "audio")})
        for name, wrong in (("a", []), ("b", list(range(15))), ("c", list(range(16))))
    ]
    pairs, _ = compare(sides, data, np.arange(ROWS))
    assert [(p.a, p.b, p.condition) for p in pairs] == [
        (a, b, c) for a, b in (("a", "b"), ("a", "c"), ("b", "c")) for c in ("image", "audio")
    ]
    for measure in ("macro_f1", "accuracy"):
        found = [pair.scores[measure] for pair in pairs]
        assert [m.p_holm for m in found] == holm([m.p for m in found])
    assert pairs[0].scores["accuracy"].p_holm == pytest.approx(
        6 * min(pair.scores["accuracy"].p for pair in pairs[:2]), rel=3
    )


def test_a_pair_is_one_plain_sentence():
    data = data_of()
    good, bad = saying(data.label, [], "good"), saying(data.label, list(range(0, 60, 3)), "bad")
    pairs, _ = compare([bad, good], data, np.arange(ROWS))
    [sentence] = sentences(pairs)
    assert sentence.startswith(
        "good is better than bad on image: macro-F1 1.0000 against 0.6665, difference 0.3335 (95 % interval"
    )
    assert sentence.endswith("p = 0.001.")
    same, _ = compare([good, dataclasses.replace(good, name="twin")], data, np.arange(ROWS))
    assert sentences(same)[0].startswith(
        "No difference between good and twin is shown on image: macro-F1 1.0"
    )
    assert same[0].macro_f1.p == same[0].scores["accuracy"].p == 1


def test_no_difference_is_shown_by_a_row_or_two():
    data = data_of()
    pairs, _ = compare([saying(data.label, [1], "a"), saying(data.label, [2, 3], "b")], data, np.arange(ROWS))
    assert "No difference" in sentences(pairs)[0]


def test_speakers_are_drawn_and_not_their_rows():
    """20 speakers of 30 rows each: all of a speaker is right or wrong, and the interval knows that."""
    data = data_of(600)
    by_speaker = dataclasses.replace(
        data.groups["audio"]["speaker"], ids=(np.arange(600) % 20).astype(np.int32)
    )
    tied = data.replace(groups={"audio": {"speaker": by_speaker}})
    wrong = np.flatnonzero(np.arange(600) % 20 < 4).tolist()
    sides = [saying(data.label, [], "a", "audio"), saying(data.label, wrong, "b", "audio")]
    widths = []
    for each, groups in ((data, 600), (tied, 20)):
        [pair], _ = compare(sides, each, np.arange(600))
        assert pair.groups == groups
        widths.append(pair.macro_f1.ci[1] - pair.macro_f1.ci[0])
    assert widths[1] > 3 * widths[0]


def test_where_speakers_are_too_few_contents_are_drawn_and_it_is_said():
    data = tiny_data(each=60)
    units, [note] = groups_of(data, np.arange(len(data)), Condition("audio"))
    assert len(np.unique(units)) == 24
    assert "form 4 groups, too few to draw" in note
    _, notes = groups_of(data_of(), np.arange(ROWS), Condition("audio"))
    assert notes == []


def test_sides_without_a_common_condition_are_refused():
    data = data_of()
    sides = [saying(data.label, [], "a", "image"), saying(data.label, [], "b", "audio")]
    with pytest.raises(InputError, match="no condition in common"):
        compare(sides, data, np.arange(ROWS))
    with pytest.raises(ConfigError, match="seed must be 0 or more"):
        compare(sides, data, np.arange(ROWS), seed=-1)


def test_rows_that_lack_a_modality_are_left_out_on_both_sides():
    data = data_of()
    a, b = saying(data.label, [0], "a"), saying(data.label, [1], "b")
    a.probabilities[PICTURE][:10] = np.nan
    b.probabilities[PICTURE][10:15] = np.nan
    [pair], _ = compare([a, b], data, np.arange(ROWS))
    assert (pair.rows, pair.only_a, pair.only_b) == (45, 0, 0)


def test_the_table_has_a_row_for_each_score():
    data = data_of()
    pairs, _ = compare([saying(data.label, [6], "a"), saying(data.label, [], "b")], data, np.arange(ROWS))
    heads, accuracy, *others = table_of(pairs)
    assert dict(zip(heads, accuracy, strict=True)) | {"95 % interval": ""} == {
        "a": "a", "b": "b", "condition": "image", "rows": "60", "groups": "60", "score": "accuracy",
        "of a": "0.9833", "of b": "1.0000", "difference": "-0.0167", "95 % interval": "", "p": "1",
        "p (Holm)": "1",
    }  # fmt: skip
    assert [row[5] for row in others] == ["macro-F1", "NLL", "ECE", "Brier", "balanced accuracy"]
    ece = dict(zip(heads, others[2], strict=True))
    assert (ece["95 % interval"], ece["p"], ece["p (Holm)"]) == ("", "", ""), "it has no bootstrap"
    [(title, [_, *rows])] = tables_of(pairs)
    assert title == "a (a), b (b) on image: 60 rows, 60 groups"
    assert rows == [[*row[5:10], row[11]] for row in (accuracy, *others)]


def test_every_metric_that_is_a_function_of_sums_has_an_interval_and_its_own_correction():
    data = data_of()
    random = np.random.default_rng(0)
    good, bad = (side_of(n, {"image": random.dirichlet(np.ones(3), ROWS)}) for n in "ab")
    good.probabilities[PICTURE][:] = 0.1 * good.probabilities[PICTURE] + 0.9 * np.eye(3)[data.label]
    [pair], _ = compare([good, bad], data, np.arange(ROWS))
    for name in ("nll", "brier"):
        found = pair.scores[name]
        assert found.difference == found.a - found.b < 0, "lower is better"
        assert found.ci is not None
        assert found.ci[0] < found.difference < found.ci[1] < 0
        assert found.p_holm == found.p == pytest.approx(0.001, rel=0.01)
    assert lower([pair]) == ["Lower is better: NLL, ECE, Brier."]


def test_plain_values_have_the_metrics_beside_the_counts():
    data = data_of()
    [pair], _ = compare([saying(data.label, [6], "a"), saying(data.label, [], "b")], data, np.arange(ROWS))
    values = json.loads(json.dumps(pair.to_dict(), allow_nan=False))
    about = ["a", "b", "condition", "rows", "groups", "only_a", "only_b"]
    assert list(values) == [*about, *(name for name in METRICS if name != "top_3")]
    assert list(values["accuracy"]) == ["a", "b", "difference", "ci", "p", "p_holm"]


# ----------------------------------------------------------------------------------------------- from outside

SCORED = np.array([3, 10, 40])


def test_a_file_has_the_scored_rows_or_all_rows(tmp_path: Path):
    data, whole = data_of(), np.random.default_rng(0).dirichlet(np.ones(3), ROWS)
    np.save(tmp_path / "all.npy", whole.astype(np.float32))
    np.save(tmp_path / "scored.npy", whole[SCORED])
    for name in ("all", "scored"):
        side = read_side(tmp_path / f"{name}.npy", data, SCORED, Condition("image"), name)
        assert side.probabilities[PICTURE] == pytest.approx(whole[SCORED], abs=1e-6)


def test_a_csv_has_a_column_per_class_in_any_order_and_may_name_its_rows(tmp_path: Path):
    data = data_of()
    lines = ["high,row_id,low,middle", *(f"0.1,{row},0.2,0.7" for row in (40, 3, 10, 50))]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    side = read_side(tmp_path / "a.csv", data, SCORED, Condition("image"), "a")
    assert side.probabilities[PICTURE] == pytest.approx(np.tile([0.2, 0.7, 0.1], (3, 1)))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.full((3, 3), np.nan), r"3 of 3 rows are not probabilities: row 1: one is not finite"),
        (np.full((3, 3), 0.5), r"row 1: sum 1\.5\. .* softmax"),
        (np.array([[1, 0, 0], [1.2, -0.2, 0], [1, 0, 0]]), r"1 of 3 rows .* row 2: one is -0\.2"),
        (np.full((3, 4), 0.25), r"expected probabilities \(rows, 3 classes\), got float64 \(3, 4\)"),
        (np.full(3, 1.0), r"expected probabilities"),
        (np.full((7, 3), 1 / 3), r"has 7 rows, expected 3 \(those scored\) or 60 \(all of tiny\)"),
    ],
    ids=["NaN", "sum", "negative", "classes", "shape", "rows"],
)
def test_what_are_no_probabilities_is_one_line(tmp_path: Path, table: np.ndarray, says: str):
    np.save(tmp_path / "a.npy", table)
    with pytest.raises(InputError, match=says):
        read_side(tmp_path / "a.npy", data_of(), SCORED, Condition("image"), "a")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("low,middle\n1,0\n", "no column 'high'"),
        ("low,middle,high,top\n1,0,0,0\n", "columns that are not classes of tiny: top"),
        ("low,middle,high\n1,0,x\n", "expected numbers in every cell"),
        ("row_id,low,middle,high\n3,1,0,0\n10,1,0,0\n", "lacks 1 of the 3 rows"),
        ("row_id,low,middle,high\n3,1,0,0\n3,1,0,0\n", "row_id must be a row of tiny, 0 to 59, each once"),
    ],
)
def test_a_csv_of_something_else_is_one_line(tmp_path: Path, text: str, says: str):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_side(tmp_path / "a.csv", data_of(), SCORED, Condition("image"), "a")


# ----------------------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, and runs on it: `short`, `long`, and `apart`, which validates and tests on other rows."""
    folder = tmp_path_factory.mktemp("compare")
    data = tiny_data()
    data = data.replace(split=np.full_like(data.split, -1))
    data.save(folder / "data")
    source = str(folder / "data")
    tiny_run(folder / "short", data, tiny_config(epochs=1), source)
    tiny_run(folder / "long", data, tiny_config(epochs=6), source)
    split = dataclasses.replace(tiny_config().split, seed=5)
    tiny_run(folder / "apart", data, tiny_config(epochs=1, split=split), source)
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str | Path, status: int = 0) -> tuple[str, str]:
    assert main([str(word) for word in words]) == status
    return capsys.readouterr()


def test_two_runs_are_compared_in_words(capsys: pytest.CaptureFixture[str], folder: Path):
    out, err = said(capsys, "compare", folder / "short", folder / "long")
    assert out.splitlines()[0].endswith("rows of test of tiny")
    assert any(
        word in out for word in ("long is better than short on ", "No difference between short and long")
    )
    assert "Note: p comes from a paired bootstrap" in err
    out, err = said(capsys, "compare", folder / "short", folder / "long", "--quiet", "--format", "csv")
    assert (out.splitlines()[0][:14], err) == ("a,b,condition,", "")
    assert len(out.splitlines()) == 1 + 6 * 3


def test_a_run_is_compared_with_what_another_program_says(capsys: pytest.CaptureFixture[str], folder: Path):
    data = Dataset.open(folder / "data")
    np.save(folder / "oracle.npy", np.eye(3)[data.label])
    words = ["compare", folder / "short", folder / "oracle.npy", "--condition", "image", "--json"]
    found = json.loads(said(capsys, *words)[0])
    assert [(p["a"], p["b"], p["condition"]) for p in found["pairs"]] == [("short", "oracle.npy", "image")]
    assert found["pairs"][0]["accuracy"]["b"] == 1
    assert len(found["sentences"]) == 1
    assert set(found) == {"data", "split", "notes", "sentences", "pairs"}
    words = ["compare", folder / "oracle.npy", folder / "short", "--json"]
    assert json.loads(said(capsys, *words)[0])["pairs"][0]["condition"] == "image+audio"


@pytest.mark.parametrize(
    ("names", "flags", "says"),
    [
        (["short"], [], "expected two or more different runs"),
        (["short", "short"], [], "expected two or more different runs"),
        (["short", "apart"], [], "they were trained on different splits"),
        (["short", "nowhere"], [], "nowhere is not a run"),
        (["short", "long"], ["--condition", "imge"], "has no predictions for 'imge'. Did you mean 'image'?"),
        (["short", "long"], ["--seed", "-1"], "seed must be 0 or more"),
        (["a.npy", "b.npy"], [], "Say which data set with --data"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    capsys: pytest.CaptureFixture[str], folder: Path, names: list[str], flags: list[str], says: str
):
    out, err = said(capsys, "compare", *(folder / name for name in names), *flags, status=2)
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


def test_a_run_of_other_classes_is_one_line(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path):
    data = tiny_data()
    data = data.replace(spec=dataclasses.replace(data.spec, classes=("x", "y", "z")))
    tiny_run(tmp_path / "other", data, tiny_config(epochs=1), str(folder / "data"))
    err = said(capsys, "compare", folder / "short", tmp_path / "other", status=2)[1]
    assert "has the classes low, middle, high, the model x, y, z" in err
