"""Shards of a result: what is finished stays, and only the same command continues it."""

import json
from pathlib import Path

import numpy as np
import pytest

from seesay.data.skipped import Skipped
from seesay.errors import InputError, OutputError
from seesay.serve.columns import Column
from seesay.serve.shards import Shard, shards_of

COLUMNS = (Column("row_id", "integer"), Column("label", "text"))
SETTINGS = {"model": "1234", "source": {"name": "data"}}


def shard(number: int, *names: str, bad: tuple[Skipped, ...] = ()) -> Shard:
    encodings = {"image": np.full((2, 3), number, np.float32)}
    faults = {"image": {1: ("a.png", "no")}}
    return Shard(number, 2, [list(range(len(names))), list(names)], bad, f"stamp {number}", encodings, faults)


def written(out: Path, *shards: Shard, stop: bool = False, overwrite: bool = False) -> None:
    """A command that writes these shards and joins them, or is stopped before."""
    with shards_of(out, COLUMNS, SETTINGS, overwrite) as store:
        for each in shards:
            store.write(each)
        if stop:
            raise KeyboardInterrupt
        store.join(len(shards))


def stopped(out: Path, *shards: Shard, overwrite: bool = False) -> None:
    with pytest.raises(KeyboardInterrupt):
        written(out, *shards, stop=True, overwrite=overwrite)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_result_is_all_that_stays(tmp_path: Path):
    with shards_of(tmp_path / "a.csv", COLUMNS, SETTINGS) as store:
        store.write(shard(0, "x", "y"))
        store.write(shard(1, "z", bad=(Skipped(4, "b.png", "no"),)))
        assert store.join(2) == (3, f"1 row was skipped; {tmp_path / 'a.csv'}.bad.csv says which and why")
    assert names(tmp_path) == ["a.csv", "a.csv.bad.csv"]
    assert (tmp_path / "a.csv").read_text() == "row_id,label\n0,x\n1,y\n0,z\n"
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_was_finished_is_found(tmp_path: Path):
    out = tmp_path / "new" / "a.csv"
    bad = (Skipped(1, "a.png", "no"),)
    stopped(out, shard(0, "x", bad=bad))
    assert names(out.parent) == ["a.csv.parts"]
    with shards_of(out, COLUMNS, SETTINGS) as store:
        assert [store.stamp(i) for i in (0, 1)] == ["stamp 0", None]
        assert store.bad(0) == list(bad)
        np.testing.assert_array_equal(store.encodings(0, "image"), np.zeros((2, 3)))
        assert store.faults(0, "image") == {1: ("a.png", "no")}
        store.write(shard(1, "y"))
        store.join(2)
    assert out.read_text() == "row_id,label\n0,x\n0,y\n"


def test_a_command_that_finished_no_shard_leaves_nothing(tmp_path: Path):
    stopped(tmp_path / "a.csv")
    assert names(tmp_path) == []


def test_a_shard_without_its_card_is_not_finished(tmp_path: Path):
    out = tmp_path / "a.csv"
    stopped(out, shard(0, "x"), shard(1, "y"))
    (tmp_path / "a.csv.parts" / "000001.json").unlink()
    with shards_of(out, COLUMNS, SETTINGS) as store:
        assert store.stamp(1) is None
        store.write(shard(1, "other"))
        store.join(2)
    assert out.read_text() == "row_id,label\n0,x\n0,other\n"


def test_other_settings_are_named_and_refused(tmp_path: Path):
    out = tmp_path / "a.csv"
    stopped(out, shard(0, "x"))
    other = {"model": "5678", "source": {"name": "data"}, "reject": 0.5}
    with pytest.raises(OutputError) as caught, shards_of(out, COLUMNS, other):
        pass
    assert "another result: model was 1234, now 5678; reject was absent, now 0.5. Give" in str(caught.value)
    with shards_of(out, COLUMNS, SETTINGS) as store:  # nothing was lost
        assert store.stamp(0) is not None
        store.join(1)
    stopped(tmp_path / "b.csv", shard(0, "x"))
    with shards_of(tmp_path / "b.csv", COLUMNS, other, overwrite=True) as store:
        assert store.stamp(0) is None
        store.write(shard(0, "new"))
        store.join(1)
    assert (tmp_path / "b.csv").read_text() == "row_id,label\n0,new\n"


def test_the_same_settings_continue_with_overwrite_too(tmp_path: Path):
    """A killed command is started again as it was."""
    (tmp_path / "a.csv").write_text("old")
    stopped(tmp_path / "a.csv", shard(0, "x"), overwrite=True)
    assert (tmp_path / "a.csv").read_text() == "old"
    with shards_of(tmp_path / "a.csv", COLUMNS, SETTINGS, True) as store:
        assert store.stamp(0) == "stamp 0"
        store.join(1)
    assert (tmp_path / "a.csv").read_text() == "row_id,label\n0,x\n"


def test_an_existing_result_is_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already"), shards_of(tmp_path / "a.csv", COLUMNS, SETTINGS):
        pass
    assert names(tmp_path) == ["a.csv"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "a.csv.parts").mkdir()
    (tmp_path / "a.csv.parts" / "thesis.txt").write_text("mine")
    with (
        pytest.raises(OutputError, match="was not made by seesay"),
        shards_of(tmp_path / "a.csv", COLUMNS, SETTINGS, overwrite=True),
    ):
        pass
    assert names(tmp_path / "a.csv.parts") == ["thesis.txt"]


def test_what_a_kill_leaves_of_a_file_is_no_obstacle(tmp_path: Path):
    folder = tmp_path / "a.csv.parts"
    folder.mkdir()
    (folder / ".settings.json.abc").write_text("{")
    with shards_of(tmp_path / "a.csv", COLUMNS, SETTINGS) as store:
        store.write(shard(0, "x"))
        store.join(1)
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("name", ["settings.json", "000000.json"])
def test_damage_is_said(tmp_path: Path, name: str):
    out = tmp_path / "a.csv"
    stopped(out, shard(0, "x"))
    (tmp_path / "a.csv.parts" / name).write_text('{"stam')
    with pytest.raises(OutputError, match=f"{name} is .*Remove"), shards_of(out, COLUMNS, SETTINGS) as store:
        store.join(1)


def test_two_commands_do_not_write_one_result(tmp_path: Path):
    pytest.importorskip("fcntl", reason="locks are of Unix")
    with shards_of(tmp_path / "a.csv", COLUMNS, SETTINGS) as store:
        with pytest.raises(OutputError, match="another command is writing"):
            written(tmp_path / "a.csv")
        store.write(shard(0, "x"))
        store.join(1)
    assert names(tmp_path) == ["a.csv"]


def test_a_result_of_no_row_is_an_error_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(InputError, match="none of the 1 rows can be read: row 3: it is empty"):
        written(tmp_path / "a.csv", shard(0, bad=(Skipped(3, "a.png", "it is empty"),)))
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot write"),
        shards_of(tmp_path / "file" / "a.csv", COLUMNS, SETTINGS),
    ):
        pass


def test_settings_are_readable(tmp_path: Path):
    stopped(tmp_path / "a.csv", shard(0, "x"))
    assert json.loads((tmp_path / "a.csv.parts" / "settings.json").read_text()) == SETTINGS
