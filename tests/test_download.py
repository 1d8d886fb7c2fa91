"""A small Zenodo on 127.0.0.1 that answers, breaks off, stalls, damages or refuses, and a download."""

import hashlib
import http.server
import io
import json
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pooch
import pytest

from seesay.errors import InputError, OutputError
from seesay.formats import download
from seesay.formats.download import RECORD, WSD_FILES, download_wsd, progress_bars, wsd, wsd_folder
from seesay.formats.wsd import read_zenodo

BIG = "data_wr_train.npy"
"""The file on which the tests play their tricks: 376,448 bytes, several chunks."""


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def small_wsd() -> dict[str, bytes]:
    """The database's six files with fewer rows."""
    random = np.random.default_rng(0)
    files = {}
    for split, rows in (("train", 60), ("test", 10)):
        files[f"data_wr_{split}.npy"] = npy(random.random((rows, 784)))
        files[f"data_sp_{split}.npy"] = npy(random.random((rows, 507)))
        files[f"labels_{split}.npy"] = npy(np.arange(rows) % 10)
    return files


FILES = small_wsd()
SIZE = len(FILES[BIG])


@dataclass
class Zenodo:
    """What the server has and how it behaves; `log`: (name, Range header, bytes sent) of each request."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    resumes: bool = True
    says_length: bool = True
    breaks_off: Counter[str] = field(default_factory=Counter)
    """How many more times the connection ends in the middle of a file."""
    damages: Counter[str] = field(default_factory=Counter)
    """How many more times a bit of a file is flipped."""
    stalls: Counter[str] = field(default_factory=Counter)
    """How many more times nothing more comes from the middle of a file on."""
    status: dict[str, int] = field(default_factory=dict)
    """Answers other than success, by the name of the file or `record`."""
    record: dict[str, Any] | None = None
    """What the record says, where it is not the truth."""
    log: list[tuple[str, str | None, int]] = field(default_factory=list)
    api: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self) -> dict[str, Any]:
        """The record as Zenodo's API gives it, with fields and a file that nobody wants."""
        if self.record is not None:
            return self.record
        return {
            "id": int(RECORD),
            "doi": f"10.5281/zenodo.{RECORD}",
            "files": [
                {
                    "id": f"0000-{name}",
                    "key": name,
                    "size": len(content),
                    "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                    "links": {"self": f"{self.api}/records/{RECORD}/files/{name}/content"},
                }
                for name, content in {"README.txt": b"not the database", **self.files}.items()
            ],
        }

    def asked(self, name: str = BIG) -> list[tuple[str | None, int]]:
        """(Range header, bytes sent) of every request for a file."""
        return [(wanted, sent) for asked, wanted, sent in self.log if asked == name]


def handler(zenodo: Zenodo) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = self.path.split("/")
            name = parts[-2] if parts[-1] == "content" else "record"
            if name in zenodo.status:
                self.send_error(zenodo.status[name])
            elif self.path == f"/api/records/{RECORD}":
                self.reply(200, json.dumps(zenodo.answer()).encode())
            else:
                self.send_file(name)

        def reply(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            if zenodo.says_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def send_file(self, name: str) -> None:
            content = bytearray(zenodo.files[name])
            if zenodo.damages[name] > 0:
                zenodo.damages[name] -= 1
                content[-1] ^= 1
            wanted, start, headers, status = self.headers["Range"], 0, {}, 200
            if wanted and zenodo.resumes:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                headers = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                status = 206
            body = bytes(content[start:])
            if "gzip" in self.headers["Accept-Encoding"]:  # as a proxy may, and then nothing can be resumed
                body, headers = zlib.compress(body, wbits=31), headers | {"Content_Encoding": "gzip"}
            if zenodo.breaks_off[name] > 0 or zenodo.stalls[name] > 0:
                sent = body[: len(body) // 2]
                headers |= {"Content_Length": str(len(body))} if zenodo.says_length else {}
                self.part_of(status, sent, headers)
                zenodo.log.append((name, wanted, len(sent)))
                if zenodo.stalls[name] > 0:
                    zenodo.stalls[name] -= 1
                    zenodo.over.wait(5)
                zenodo.breaks_off[name] -= 1
                return
            zenodo.log.append((name, wanted, len(body)))
            self.reply(status, body, **headers)

        def part_of(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

    return Handler


@pytest.fixture
def zenodo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenodo]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Zenodo()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(state)) as server:
        state.api = f"http://127.0.0.1:{server.server_port}/api"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield state
        state.over.set()
        server.shutdown()
        thread.join()


def assert_whole(folder: Path) -> None:
    """The six files, byte for byte, and nothing else."""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES


# ----------------------------------------------------------------------------------------- when all is well


def test_the_six_files_arrive_and_nothing_else(zenodo: Zenodo, tmp_path: Path):
    assert download_wsd(tmp_path / "new" / "wsd", api=zenodo.api) == tmp_path / "new" / "wsd"
    assert_whole(tmp_path / "new" / "wsd")
    assert [name for name, _, _ in zenodo.log] == list(WSD_FILES)


def test_what_arrived_is_read_as_a_data_set(zenodo: Zenodo, tmp_path: Path):
    data = read_zenodo(download_wsd(tmp_path, api=zenodo.api))
    assert {name: len(data.rows_of(name)) for name in ("train", "test")} == {"train": 60, "test": 10}
    assert data.pairing == "drawn within class"


def test_a_second_call_fetches_nothing_and_says_so(zenodo: Zenodo, tmp_path: Path):
    download_wsd(tmp_path, api=zenodo.api)
    zenodo.log.clear()
    lines: list[str] = []
    download_wsd(tmp_path, api=zenodo.api, say=lines.append)
    assert zenodo.log == []
    assert len(lines) == 6
    assert lines[0].startswith(f"{BIG} already exists")
    assert_whole(tmp_path)


def test_only_the_file_that_is_not_there_is_fetched(zenodo: Zenodo, tmp_path: Path):
    download_wsd(tmp_path, api=zenodo.api)
    zenodo.log.clear()
    (tmp_path / "labels_test.npy").unlink()
    download_wsd(tmp_path, api=zenodo.api)
    assert [name for name, _, _ in zenodo.log] == ["labels_test.npy"]
    assert_whole(tmp_path)


def test_progress_grows_from_nothing_to_the_whole_of_every_file(zenodo: Zenodo, tmp_path: Path):
    seen: dict[str, list[int]] = {}

    def progress(done: int, total: int, name: str) -> None:
        assert total == len(FILES[name])
        seen.setdefault(name, []).append(done)

    download_wsd(tmp_path, api=zenodo.api, progress=progress)
    assert list(seen) == list(WSD_FILES)
    assert all(steps == sorted(steps) for steps in seen.values())
    assert {name: (steps[0], steps[-1]) for name, steps in seen.items()} == {
        name: (0, len(content)) for name, content in FILES.items()
    }
    assert len(seen[BIG]) > 3


def test_a_server_that_does_not_say_lengths_will_do(zenodo: Zenodo, tmp_path: Path):
    zenodo.says_length = False
    download_wsd(tmp_path, api=zenodo.api)
    assert_whole(tmp_path)


def test_the_log_of_pooch_is_quiet_and_speaks_again_afterwards(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])
    pooch.get_logger().info("before")
    download_wsd(tmp_path, api=zenodo.api)
    pooch.get_logger().info("after")
    assert [record.getMessage() for record in caplog.records if record.name == "pooch"] == ["before", "after"]


# ------------------------------------------------------------------------------------------------ resuming


def break_off(zenodo: Zenodo, folder: Path) -> int:
    """A download that ends in the middle of `BIG`; returns the bytes that are there."""
    zenodo.breaks_off[BIG] = 1
    with pytest.raises(InputError, match=r"failed|disconnected"):
        download_wsd(folder, api=zenodo.api)
    assert not (folder / BIG).exists()
    return (folder / f"{BIG}.part").stat().st_size


def test_an_interrupted_download_goes_on_where_it_stopped(zenodo: Zenodo, tmp_path: Path):
    there = break_off(zenodo, tmp_path)
    assert SIZE // 2 - download.CHUNK < there <= SIZE // 2
    zenodo.log.clear()
    steps: list[int] = []
    download_wsd(
        tmp_path, api=zenodo.api, progress=lambda done, _, name: steps.append(done) if name == BIG else None
    )
    assert zenodo.asked() == [(f"bytes={there}-", SIZE - there)]
    assert steps[0] == there
    assert_whole(tmp_path)


def test_an_interruption_says_what_to_do(zenodo: Zenodo, tmp_path: Path):
    zenodo.breaks_off[BIG] = 1
    with pytest.raises(InputError, match=r"^[^\n]*failed[^\n]*Run the same command again to resume"):
        download_wsd(tmp_path, api=zenodo.api)


def test_several_interruptions_in_a_row_still_end_in_the_whole(zenodo: Zenodo, tmp_path: Path):
    there = [break_off(zenodo, tmp_path) for _ in range(3)]
    assert there == sorted(set(there))
    download_wsd(tmp_path, api=zenodo.api)
    assert_whole(tmp_path)


def test_a_server_that_cannot_resume_sends_all_of_it_again(zenodo: Zenodo, tmp_path: Path):
    there = break_off(zenodo, tmp_path)
    zenodo.resumes = False
    zenodo.log.clear()
    download_wsd(tmp_path, api=zenodo.api)
    assert zenodo.asked() == [(f"bytes={there}-", SIZE)]
    assert_whole(tmp_path)


def test_a_server_that_breaks_off_without_having_said_the_length_is_noticed(zenodo: Zenodo, tmp_path: Path):
    zenodo.says_length = False
    assert break_off(zenodo, tmp_path) == SIZE // 2
    download_wsd(tmp_path, api=zenodo.api)
    assert_whole(tmp_path)


def test_a_server_that_refuses_to_resume_is_asked_for_everything_the_next_time(
    zenodo: Zenodo, tmp_path: Path
):
    break_off(zenodo, tmp_path)
    zenodo.status[BIG] = 416
    with pytest.raises(InputError, match="Run again to start over"):
        download_wsd(tmp_path, api=zenodo.api)
    zenodo.status.clear()
    zenodo.log.clear()
    download_wsd(tmp_path, api=zenodo.api)
    assert zenodo.asked() == [(None, SIZE)]


def test_a_file_that_only_lacked_its_name_is_not_asked_for(zenodo: Zenodo, tmp_path: Path):
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG])
    download_wsd(tmp_path, api=zenodo.api)
    assert zenodo.asked() == []
    assert_whole(tmp_path)


@pytest.mark.parametrize("rest", [b"x" * 1000, FILES[BIG] + b"x"], ids=["other bytes", "too long"])
def test_a_rest_that_does_not_belong_is_found_out_and_replaced(zenodo: Zenodo, tmp_path: Path, rest: bytes):
    (tmp_path / f"{BIG}.part").write_bytes(rest)
    download_wsd(tmp_path, api=zenodo.api)
    assert zenodo.asked()[-1] == (None, SIZE)
    assert_whole(tmp_path)


def test_a_server_that_stalls_is_given_up_and_what_came_is_kept(zenodo: Zenodo, tmp_path: Path):
    zenodo.stalls[BIG] = 1
    with pytest.raises(
        InputError, match=r"127.0.0.1:\d+ sent nothing for 0.2 seconds. Run the same command again"
    ):
        download_wsd(tmp_path, api=zenodo.api, timeout=0.2)
    assert 0 < (tmp_path / f"{BIG}.part").stat().st_size <= SIZE // 2
    zenodo.over.set()
    download_wsd(tmp_path, api=zenodo.api)
    assert_whole(tmp_path)


# ------------------------------------------------------------------------------------------- what is wrong


def test_a_damaged_file_is_fetched_once_more(zenodo: Zenodo, tmp_path: Path):
    zenodo.damages[BIG] = 1
    lines: list[str] = []
    download_wsd(tmp_path, api=zenodo.api, say=lines.append)
    assert zenodo.asked() == [(None, SIZE), (None, SIZE)]
    assert lines == [f"{BIG} arrived damaged (its checksum is wrong) and was deleted."]
    assert_whole(tmp_path)


def test_a_file_damaged_twice_is_an_error_and_leaves_nothing(zenodo: Zenodo, tmp_path: Path):
    zenodo.damages[BIG] = 2
    with pytest.raises(InputError, match=rf"{BIG} .*arrived twice with another checksum .*md5:"):
        download_wsd(tmp_path, api=zenodo.api)
    assert list(tmp_path.iterdir()) == []


def test_what_arrived_before_the_error_stays(zenodo: Zenodo, tmp_path: Path):
    zenodo.damages["labels_test.npy"] = 2
    with pytest.raises(InputError):
        download_wsd(tmp_path, api=zenodo.api)
    assert {path.name for path in tmp_path.iterdir()} == set(WSD_FILES) - {"labels_test.npy"}


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("content", [FILES[BIG][:-1], FILES[BIG] + b"x"], ids=["shorter", "longer"])
def test_another_size_than_the_record_says_is_an_error(
    zenodo: Zenodo, tmp_path: Path, content: bytes, says_length: bool
):
    zenodo.record = zenodo.answer()
    zenodo.files[BIG] = content
    zenodo.says_length = says_length
    with pytest.raises(InputError, match=BIG):
        download_wsd(tmp_path, api=zenodo.api)
    assert not (tmp_path / BIG).exists()


def test_a_server_that_does_not_stop_is_not_listened_to_for_ever(zenodo: Zenodo, tmp_path: Path):
    zenodo.record = zenodo.answer()
    zenodo.files[BIG] = FILES[BIG] * 20
    zenodo.says_length = False
    steps: list[int] = []
    with pytest.raises(InputError):
        download_wsd(tmp_path, api=zenodo.api, progress=lambda done, *_: steps.append(done))
    assert len(steps) <= 2 * (SIZE // download.CHUNK + 2)  # of two attempts


def test_the_two_sizes_are_named_and_nothing_is_kept(zenodo: Zenodo, tmp_path: Path):
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG][:1000])
    zenodo.record = zenodo.answer()
    zenodo.files[BIG] = FILES[BIG][:-1]
    with pytest.raises(InputError, match=f"has {SIZE - 1} bytes, the record says {SIZE}"):
        download_wsd(tmp_path, api=zenodo.api)
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_is_not_there_is_an_error_before_anything_is_made(zenodo: Zenodo, tmp_path: Path):
    zenodo.status["record"] = 404
    with pytest.raises(
        InputError, match=r"records/4452953 answered 404 Not Found.*the six files from https://doi.org"
    ):
        download_wsd(tmp_path / "wsd", api=zenodo.api)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_an_error(zenodo: Zenodo, tmp_path: Path):
    zenodo.status["labels_train.npy"] = 404
    with pytest.raises(InputError, match=r"labels_train.npy/content answered 404"):
        download_wsd(tmp_path, api=zenodo.api)


def test_a_busy_server_is_to_be_asked_again(zenodo: Zenodo, tmp_path: Path):
    zenodo.status["record"] = 503
    with pytest.raises(InputError, match=r"answered 503 .*Run the same command again"):
        download_wsd(tmp_path, api=zenodo.api)


def test_a_record_that_lacks_files_is_an_error_that_names_them(zenodo: Zenodo, tmp_path: Path):
    del zenodo.files["labels_train.npy"], zenodo.files["data_sp_test.npy"]
    with pytest.raises(InputError, match=r"lacks labels_train.npy, data_sp_test.npy"):
        download_wsd(tmp_path, api=zenodo.api)
    assert zenodo.log == []


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"files": None},
        {"files": [{"filename": BIG}]},
        {"files": [{"key": BIG, "size": 1, "checksum": "md5:0", "links": {"self": "http://127.0.0.1"}}]},
        {"files": [{"key": BIG, "size": 0, "checksum": f"md5:{'0' * 32}", "links": {"self": "x"}}]},
        {"files": [{"key": BIG, "size": "many", "checksum": f"md5:{'0' * 32}", "links": {"self": "x"}}]},
        ["files"],
    ],
)
def test_an_answer_of_another_shape_is_an_error(zenodo: Zenodo, tmp_path: Path, record: Any):
    zenodo.record = record
    with pytest.raises(InputError, match="did not answer with a record of files and checksums"):
        download_wsd(tmp_path, api=zenodo.api)


def test_an_answer_that_is_not_json_is_an_error(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json, "dumps", lambda _: "<html>Please log in to this network</html>")
    with pytest.raises(InputError, match="did not answer with a record of files and checksums"):
        download_wsd(tmp_path, api=zenodo.api)


def test_nobody_there_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    with pytest.raises(InputError, match=rf"connection to 127.0.0.1:{port} failed .*refused.*Run the same"):
        download_wsd(tmp_path, api=f"http://127.0.0.1:{port}/api")


# ---------------------------------------------------------------------------------------- this side's disk


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_fetched(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(OutputError, match=r"needs 0.7 MB .* 0.1 MB free"):
        download_wsd(tmp_path, api=zenodo.api)
    assert zenodo.log == []


def test_what_is_there_needs_no_room(zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    download_wsd(tmp_path, api=zenodo.api)
    (tmp_path / BIG).unlink()
    (tmp_path / f"{BIG}.part").write_bytes(FILES[BIG][:-1000])
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    download_wsd(tmp_path, api=zenodo.api)
    assert_whole(tmp_path)


def test_a_disk_that_fills_up_is_an_error_that_keeps_what_came(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(done: int, total: int, name: str) -> None:
        if done > total // 2:
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot write into .*: No space left on device.*to resume"):
        download_wsd(tmp_path, api=zenodo.api, progress=full)
    assert {path.name for path in tmp_path.iterdir()} == {f"{BIG}.part"}


def test_a_file_in_the_way_of_the_folder_is_an_error(zenodo: Zenodo, tmp_path: Path):
    (tmp_path / "wsd").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write into .*wsd: File exists"):
        download_wsd(tmp_path / "wsd", api=zenodo.api)
    assert (tmp_path / "wsd").read_text() == "mine"


def test_another_file_under_one_of_the_names_is_never_replaced(zenodo: Zenodo, tmp_path: Path):
    (tmp_path / "labels_test.npy").write_bytes(b"mine")
    with pytest.raises(
        OutputError, match=r"labels_test.npy exists and is not the file of Zenodo record 4452953"
    ):
        download_wsd(tmp_path, api=zenodo.api)
    assert (tmp_path / "labels_test.npy").read_bytes() == b"mine"
    assert zenodo.log == []


# ---------------------------------------------------------------------------------------- the usual folder


def test_the_usual_folder_is_in_the_cache_or_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SEESAY_CACHE", raising=False)
    assert wsd_folder().name == "wsd"
    assert wsd_folder().parent.name == "seesay"
    monkeypatch.setenv("SEESAY_CACHE", str(tmp_path))
    assert wsd_folder() == tmp_path / "wsd"


def test_wsd_downloads_once_and_needs_no_network_afterwards(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SEESAY_CACHE", str(tmp_path))
    original = download.download_wsd
    monkeypatch.setattr(
        download, "download_wsd", lambda out, **options: original(out, api=zenodo.api, **options)
    )
    assert_whole(wsd())
    zenodo.status["record"] = 500
    zenodo.log.clear()
    assert wsd() == tmp_path / "wsd"
    assert zenodo.log == []


def test_bars_are_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with progress_bars() as progress:
        progress(0, 2_000_000, BIG)
        progress(2_000_000, 2_000_000, BIG)
    out, err = capsys.readouterr()
    assert out == ""
    assert BIG in err
    assert "2.0/2.0 MB" in err


def test_bars_are_quiet_elsewhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    with progress_bars() as progress:
        progress(0, 2, BIG)
        progress(2, 2, BIG)
    assert capsys.readouterr().err.strip() == ""
