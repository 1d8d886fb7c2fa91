"""Tables as people save them: separators and encodings are read or named, no text makes a traceback."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seesay.errors import ConfigError, InputError
from seesay.formats.media import Reading
from seesay.formats.open import open_data
from seesay.formats.tables import Wanted, parse_columns, read_columns, read_sheet
from test_manifest import picture, refused

LINES = ["image,label", "a.png,cat", "b.png,cat", "a.png,dog", "b.png,dog"]


def table(folder: Path, text: str, encoding: str = "utf-8", name: str = "a.csv") -> Path:
    """A table beside two pictures, a.png and b.png."""
    for i, each in enumerate(("a.png", "b.png")):
        picture(folder / each, i)
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def lines(separator: str = ",", end: str = "") -> str:
    return "".join(line.replace(",", separator) + end + "\n" for line in LINES)


# ------------------------------------------------------------------------------------------------- separators


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_what_separates_cells_is_found_in_the_heading_and_said(tmp_path: Path, separator: str, name: str):
    data = open_data(table(tmp_path, lines(separator)))
    assert (data.spec.classes, len(data)) == (("cat", "dog"), 4)
    assert f"Columns of a.csv are separated by {name}." in data.notes


def test_commas_are_not_worth_a_note(tmp_path: Path):
    assert not any("comma" in note for note in open_data(table(tmp_path, lines())).notes)


def test_cells_may_hold_what_separates_other_tables(tmp_path: Path):
    text = lines().replace("cat", "cat;big|fat").replace("dog", '"dog,\tsmall"')
    assert open_data(table(tmp_path, text)).spec.classes == ("cat;big|fat", "dog,\tsmall")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_that_says_the_separator_is_obeyed(tmp_path: Path, end: str):
    assert len(open_data(table(tmp_path, f"sep=;{end}{lines(';')}"))) == 4


@pytest.mark.parametrize("end", [",", ",,,", ", ,"])
def test_commas_too_many_on_every_line_are_dropped_and_said(tmp_path: Path, end: str):
    data = open_data(table(tmp_path, lines(end=end)))
    assert data.spec.classes == ("cat", "dog")
    assert "Empty cells at the ends of lines of a.csv are dropped: extra commas." in data.notes


def test_commas_too_many_below_the_heading_are_dropped_too(tmp_path: Path):
    data = open_data(table(tmp_path, lines().replace("cat\n", "cat,\n") + ",,\n,\n"))
    assert (len(data), sum("extra commas" in note for note in data.notes)) == (4, 1)


@pytest.mark.parametrize("line", ["a.png,cat,more", "a.png"])
def test_cells_too_many_or_few_are_refused_with_their_row(tmp_path: Path, line: str):
    cells = line.count(",") + 1
    assert f"row 5 has {cells} cells, expected 2" in refused(table(tmp_path, lines() + line))


# -------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_text_that_says_its_encoding_is_read(tmp_path: Path, encoding: str):
    assert (
        open_data(table(tmp_path, lines("\t").replace("dog", "größe"), encoding)).spec.classes[1] == "größe"
    )


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (
            "cp1252",
            r"line 4 has the byte 0xe4, 'ä' if it is Windows-1252 \(Latin-1\). Save it as CSV in UTF-8",
        ),
        ("utf-16-le", "not a CSV file in UTF-8"),
        ("utf-32", "zero bytes|not a CSV file in UTF-8|no whole UTF-16"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, encoding: str, message: str):
    path = table(tmp_path, lines().replace("dog", "wählt"), encoding)
    with pytest.raises(InputError, match=message):
        open_data(path)


def test_half_a_utf_16_text_is_refused(tmp_path: Path):
    path = table(tmp_path, lines(), "utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    assert "not complete UTF-16 text" in refused(path)


# ------------------------------------------------------------------------------------------------ their names


def test_columns_go_by_the_names_that_the_table_has(tmp_path: Path):
    text = lines().replace("image,label", "photo,class")
    reading = Reading(columns=parse_columns(["image=photo", "label=class"]))
    assert open_data(table(tmp_path, text), reading).spec.classes == ("cat", "dog")


def test_a_column_that_is_named_for_another_is_only_that(tmp_path: Path):
    text = "image,group,label\n" + "".join(f"a.png,cat,{i % 2}\nb.png,dog,{i % 2}\n" for i in range(4))
    sheet = read_sheet(table(tmp_path, text), Wanted(("label",), {"label": "group"}))
    assert sheet.texts("label") == ["cat", "dog"] * 4
    assert sheet.texts("group") is None
    assert sheet.notes == ("Columns that are not used: label.",)


def test_capital_letters_in_a_heading_do_not_hide_a_column(tmp_path: Path):
    text = "Image,LABEL,Split\n" + "".join(f"a.png,{k},{s}\n" for s in ("train", "Test") for k in "xyxy")
    data = open_data(table(tmp_path, text))
    assert (len(data.rows_of("train")), len(data.rows_of("test"))) == (4, 4)


def test_columns_that_are_not_used_are_named(tmp_path: Path):
    text = "\n".join(f"{line},x" for line in LINES).replace("label,x", "label,speakers")
    assert "Columns that are not used: speakers." in open_data(table(tmp_path, text)).notes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photo"], "takes pairs such as image=photo, got 'photo'"),
        (["image="], "takes pairs"),
        (["imgae=photo"], "Did you mean 'image'"),
        (["image=a", "image=b"], "names image twice"),
    ],
)
def test_odd_names_of_columns_are_refused(words: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        parse_columns(words)


def test_every_column_is_read_where_all_are_wanted(tmp_path: Path):
    text = "file_name;kind\na.png;x\nb.png;y\n"
    assert read_columns(table(tmp_path, text), ("file_name",)) == {
        "file_name": ["a.png", "b.png"],
        "kind": ["x", "y"],
    }
    with pytest.raises(InputError, match="two columns of one name"):
        read_columns(table(tmp_path, "x,x\n1,2\n"))


def test_a_name_that_the_table_has_not_is_refused_with_the_nearest(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no column 'lable', only image, label. Did you mean 'label'"):
        open_data(table(tmp_path, lines()), Reading(columns={"label": "lable"}))


def test_two_columns_of_one_name_matter_only_where_they_are_used(tmp_path: Path):
    assert len(open_data(table(tmp_path, lines(end=",x").replace("label,x", "label,")))) == 4
    text = "\n".join(f"{line},1,2" for line in LINES).replace("label,1,2", "label,note,note")
    assert len(open_data(table(tmp_path, text))) == 4
    text = text.replace("note,note", "label,note")
    assert "two columns of one name, 'label': column 2, column 3" in refused(table(tmp_path, text))


# -------------------------------------------------------------------------------------------------------- any


def outcome(path: Path) -> str:
    """ "" for a data set, else the line with which it is refused; anything else that is raised goes on."""
    try:
        open_data(path)
    except InputError as error:
        return str(error)
    return ""


CELL = st.text(st.sampled_from('a.,;|\t"\n\r é\u0301\ufeff\u200b٣-1e\\/'), max_size=6) | st.sampled_from(
    ["image", "label", "split", "group", "a.png", "b.png", "train", "test", "nan", "1", "01"]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELL, max_size=4), max_size=6), heading=st.sampled_from(["", "image,label\n"]))
@example(rows=[["a.png", "1"], ["b.png", "\u0661"]] * 2, heading="image,label\n")
@example(rows=[["a.png", "1" * 5_000], ["b.png", "2"]] * 2, heading="image,label\n")
def test_any_text_is_a_data_set_or_one_line(tmp_path: Path, rows: list[list[str]], heading: str):
    path = table(tmp_path, heading + "\n".join(",".join(row) for row in rows))
    said = outcome(path)
    assert "\n" not in said
    assert len(said) <= 1_000


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_data_set_or_one_line(tmp_path: Path, content: bytes):
    path = table(tmp_path, "")
    path.write_bytes(b"image,label\n" + content)
    assert len(outcome(path)) <= 1_000
