"""Files are read with suspicion and written all or nothing."""

import contextlib
import errno
import io
import os
import resource
import signal
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesay.errors import InputError, OutputError
from seesay.files import check_file, check_new_folder, new_file, new_folder, read_array, writing


def names(folder: Path) -> list[str]:
    """All that is in a folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def small_disk(most: int) -> Generator[None]:
    """The kernel refuses to make any file larger than this, in bytes: what a full disk is to the writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def ours(folder: Path, text: str = "old") -> Path:
    """A folder that seesay made."""
    folder.mkdir()
    (folder / "dataset.json").write_text(text)
    return folder


# ---------------------------------------------------------------------------------------------------- reading


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def test_an_array_is_read_as_it_was_written(tmp_path: Path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    mapped, whole = read_array(tmp_path / "a.npy"), read_array(tmp_path / "a.npy", mapped=False)
    assert isinstance(mapped, np.memmap)
    assert not isinstance(whole, np.memmap)
    assert (mapped == array).all()
    assert (whole == array).all()


def test_a_mapped_array_cannot_be_written_to(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        read_array(tmp_path / "a.npy")[0] = 1


def test_an_array_without_rows_is_read(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((0, 3)))
    assert read_array(tmp_path / "a.npy").shape == (0, 3)


def test_pickles_are_refused_and_never_loaded(tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return (Path(tmp_path / "ran").touch, ())

    (tmp_path / "bomb.npy").write_bytes(npy(np.array([Bomb()], dtype=object), pickled=True))
    for mapped in (True, False):
        with pytest.raises(InputError, match=r"bomb\.npy holds pickled objects, .* never loaded"):
            read_array(tmp_path / "bomb.npy", mapped)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (npy(np.zeros(100))[:-1], "may be truncated"),
        (npy(np.zeros(100))[:40], "may be truncated"),
        (npy(np.zeros(100))[:7], "may be truncated"),
        (b"row_id,label\n0,1\n", r"is not a \.npy file"),
        (b"\x80\x04K\x01.", r"is not a \.npy file"),
        (b"PK\x03\x04 no zip", r"is not a \.npy file"),
    ],
)
def test_what_is_no_array_is_refused_by_name(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "a.npy").write_bytes(content)
    for mapped in (True, False):
        with pytest.raises(InputError, match=message) as caught:
            read_array(tmp_path / "a.npy", mapped)
        assert str(tmp_path / "a.npy") in str(caught.value)
        assert "\n" not in str(caught.value)


def test_several_arrays_are_not_one(tmp_path: Path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=r"is not a \.npy file"):
        read_array(tmp_path / "a.npz")


def test_an_absent_file_and_a_folder_are_told_apart(tmp_path: Path):
    with pytest.raises(InputError, match=r"a\.npy does not exist"):
        read_array(tmp_path / "a.npy")
    with pytest.raises(InputError, match="is a folder, expected a file"):
        check_file(tmp_path)


@given(at=st.integers(0, 127), value=st.integers(0, 255), end=st.integers(1, 152))
def test_a_damaged_file_is_an_array_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int, end: int
):
    """Any byte of the header changed, and the file cut anywhere: never another error."""
    whole = bytearray(npy(np.zeros((3, 1))))
    whole[at] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(bytes(whole[:end]))
    with warnings.catch_warnings(action="ignore"), contextlib.suppress(InputError):
        assert isinstance(read_array(path), np.ndarray)


# ------------------------------------------------------------------------------------------------------ files


def test_a_file_appears_when_it_is_whole(tmp_path: Path):
    with new_file(tmp_path / "new" / "a.txt") as file:
        file.write("whole")
        file.flush()
        assert "a.txt" not in names(tmp_path / "new")
    assert names(tmp_path / "new") == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


def test_a_file_has_the_permissions_that_open_gives(tmp_path: Path):
    (tmp_path / "usual").touch()
    with new_file(tmp_path / "a.bin", "wb") as file:
        file.write(b"x")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_file_whose_writing_fails_leaves_the_old_one(tmp_path: Path, error: BaseException):
    (tmp_path / "a.txt").write_text("old")

    def write():
        with new_file(tmp_path / "a.txt") as file:
            file.write("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path):
    (tmp_path / "a.txt").write_text("old")
    with (
        small_disk(1_000),
        pytest.raises(OutputError, match=r"a\.txt: File too large\. Nothing was changed"),
        new_file(tmp_path / "a.txt") as file,
    ):
        file.write("x" * 100_000)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_file_cannot_take_the_name_of_a_folder(tmp_path: Path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="cannot write"), new_file(tmp_path / "a") as file:
        file.write("x")
    assert names(tmp_path) == ["a"]


def test_a_file_cannot_be_below_a_file(tmp_path: Path):
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match=r"cannot write .*b"), new_file(tmp_path / "a" / "b"):
        pass


# ---------------------------------------------------------------------------------------------------- folders


def test_a_folder_appears_when_it_is_whole(tmp_path: Path):
    with new_folder(tmp_path / "deep" / "out") as folder:
        (folder / "dataset.json").write_text("new")
        assert not (tmp_path / "deep" / "out").exists()
    assert names(tmp_path / "deep") == ["out"]
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o777 == 0o777 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_empty_folder_may_be_filled(tmp_path: Path):
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
    assert names(tmp_path / "out") == ["a"]


def test_a_folder_that_exists_is_refused_before_the_work(tmp_path: Path):
    ours(tmp_path / "out")
    with pytest.raises(OutputError, match=r"out exists already.*--overwrite"), new_folder(tmp_path / "out"):
        pytest.fail("the work began")
    assert (tmp_path / "out" / "dataset.json").read_text() == "old"


def test_overwriting_replaces_and_never_mixes(tmp_path: Path):
    (ours(tmp_path / "out") / "audio.npy").touch()
    with new_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "dataset.json").write_text("new")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["dataset.json"]
    assert (tmp_path / "out" / "dataset.json").read_text() == "new"


def test_what_seesay_did_not_make_is_not_replaced(tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").touch()
    with pytest.raises(OutputError, match="not made by seesay"):
        check_new_folder(tmp_path / "thesis", overwrite=True)
    assert names(tmp_path / "thesis") == ["chapter"]


def test_a_config_of_another_program_does_not_make_a_folder_ours(tmp_path: Path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(OutputError, match="not made by seesay"):
        check_new_folder(tmp_path / "bert", overwrite=True)
    (tmp_path / "bert" / "config.json").write_text('{"seesay": "0.1.0"}')
    check_new_folder(tmp_path / "bert", overwrite=True)
    assert not (tmp_path / "bert").exists()


def test_a_file_and_a_link_are_not_replaced_by_a_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(ours(tmp_path / "real"))
    with pytest.raises(OutputError, match="is a file"):
        check_new_folder(tmp_path / "file", overwrite=True)
    with pytest.raises(OutputError, match="is a link"):
        check_new_folder(tmp_path / "link", overwrite=True)
    assert (tmp_path / "real" / "dataset.json").exists()


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_folder_whose_writing_fails_leaves_the_old_one(tmp_path: Path, error: BaseException):
    ours(tmp_path / "out")

    def write():
        with new_folder(tmp_path / "out", overwrite=True) as folder:
            (folder / "dataset.json").write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "dataset.json").read_text() == "old"


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path):
    ours(tmp_path / "out")
    with (
        small_disk(1_000),
        pytest.raises(OutputError, match=r"out: .*Nothing was changed"),
        new_folder(tmp_path / "out", overwrite=True) as folder,
    ):
        np.save(folder / "a.npy", np.zeros(10_000))
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "dataset.json").read_text() == "old"


def test_a_rename_that_fails_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ours(tmp_path / "out")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).name == "out" and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with (
        pytest.raises(OutputError, match="Input/output error"),
        new_folder(tmp_path / "out", overwrite=True) as folder,
    ):
        (folder / "dataset.json").write_text("new")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "dataset.json").read_text() == "old"


def test_someone_else_who_was_quicker_is_not_overwritten(tmp_path: Path):
    def write():
        with new_folder(tmp_path / "out") as folder:
            (folder / "dataset.json").write_text("ours")
            ours(tmp_path / "out", "theirs")

    with pytest.raises(OutputError, match="exists already"):
        write()
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "dataset.json").read_text() == "theirs"


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free some space or"), (errno.EEXIST, "changed; choose")]
)
def test_space_is_to_be_freed_only_where_it_is_what_lacks(number: int, remedy: str):
    with pytest.raises(OutputError, match=remedy), writing("x"):
        raise OSError(number, "no")
