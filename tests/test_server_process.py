"""The server as people run it: a process of its own, or several, on 127.0.0.1."""

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from benchmarks.http_load import Connection, multipart, request

from seesay.cli import main
from seesay.errors import InputError
from seesay.serve.limits import Limits
from seesay.serve.serve import check_host, graph_of, read_token, serve
from served import Process, alone, png, predictor, serving, tiny_graph, wav, without_times

ROWS = [
    ({"image": png(i % 3, i)} if i % 4 else {})
    | ({"audio": wav(i % 3, i, 300 * (i % 7 + 1))} if i % 4 != 1 else {})
    for i in range(1, 25)
]
"""Good rows: pictures, recordings short and long, both."""


def post(parts: dict[str, bytes], **headers: str) -> bytes:
    """A request to /predict."""
    body, content_type = multipart(parts)
    return request("/predict", body, content_type, headers)


def gone(process: int) -> bool:
    """Whether a process is no more, or only its status is left."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children(server: Process) -> set[int]:
    """The processes that the server answers from."""
    found = set()
    for child in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split():
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.add(int(child))
    return found


# ------------------------------------------------------------------------------------------------ one process


def test_it_answers_without_torch_and_ends_when_told(tmp_path: Path):
    with serving(tmp_path) as server:
        found = httpx.post(f"{server.url}/predict", files={"image": png(1), "audio": wav(1)}, timeout=30)
        assert without_times(found.json()) == alone(image=png(1), audio=wav(1))
        assert "libtorch" not in Path(f"/proc/{server.process.pid}/maps").read_text()
        assert server.end() == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/health")
        events = [json.loads(line)["event"] for line in server.log.read_text().splitlines()]
        assert events == ["request", "stopped"]


def test_a_port_that_is_taken_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    graph = tmp_path / "tiny.onnx"
    graph.write_bytes(tiny_graph())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main(["serve", str(graph), "--port", str(other.getsockname()[1])]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "in use" in error


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nowhere"], "No such run"),
        (["nowhere.onnx"], "No such run"),
        (["junk.onnx"], "was not written by seesay export"),
        ([], "--token-file"),
        (["--port", "70000"], "0 to 65535"),
        (["--workers", "0"], "1 or more"),
        (["--queue", "0"], "1 or more"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    words: list[str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    Path("junk.onnx").write_bytes(b"junk")
    host = ["--host", "0.0.0.0"] if not words else []
    assert main(["serve", "--port", "0", *words, *host]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert why in error


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str):
    check_host(host, allowed=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_others_are_let_in_only_on_purpose(host: str):
    check_host(host, allowed=True)
    with pytest.raises(InputError, match="token-file"):
        check_host(host, allowed=False)


def test_a_token_is_long_enough(tmp_path: Path):
    file = tmp_path / "token"
    for text in ("", "short", "with blanks in the middle of it", "sch\u00f6n" * 9):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="token"):
            read_token(file)
    file.write_text("sixteen-letters-and-more\n")
    assert read_token(file) == "sixteen-letters-and-more"


def test_a_run_needs_torch_and_an_export_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="seesay export"):
        graph_of(tmp_path / "run", tmp_path)
    (tmp_path / "run" / "model.onnx").write_bytes(b"")
    assert graph_of(tmp_path / "run", tmp_path) == tmp_path / "run"


@pytest.mark.long
def test_a_run_is_exported_by_another_process(tmp_path: Path):
    """Without a run: the packaged model."""
    code = "import sys; from pathlib import Path; from seesay.serve.serve import graph_of\n"
    code += "if __name__ == '__main__':\n"
    code += f"    print(graph_of(None, Path({str(tmp_path)!r})), 'torch' in sys.modules)"
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    path, imported = done.stdout.split()
    assert Path(path).stat().st_size > 100_000
    assert imported == "False"


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(InputError, match=r"seesay\[serve\]"):
        serve(tmp_path, "127.0.0.1", 0, 1, Limits())


# --------------------------------------------------------------------------------------------- many processes


def test_workers_share_a_port_are_started_again_and_all_end(tmp_path: Path):
    with serving(tmp_path, "--workers", "2") as server:
        first = children(server)
        assert len(first) == 2
        os.kill(min(first), signal.SIGKILL)
        end = time.monotonic() + 60
        while (now := children(server)) == first or len(now) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)
        answered = 0
        while answered < 20:
            assert time.monotonic() < end
            try:
                found = httpx.post(f"{server.url}/predict", files={"image": png(1)}, timeout=30)
            except httpx.TransportError:  # on its way to the one that died
                continue
            assert without_times(found.json()) == alone(image=png(1))
            answered += 1
        while 'path="/predict",status="200"} 20.0' not in httpx.get(f"{server.url}/metrics").text:
            assert time.monotonic() < end, "any process tells the counts of all"
        assert server.end() == 0
        assert all(gone(process) for process in first | now)


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path):
    with serving(tmp_path, "--workers", "2") as server:
        team = children(server)
        server.process.kill()
        end = time.monotonic() + 30
        while not all(gone(process) for process in team):
            assert time.monotonic() < end
            time.sleep(0.1)


async def end_under_load(server: Process, clients: int, seconds: float) -> Counter[int]:
    """SIGTERM while clients ask without pause: what each request got; 0: nothing. A connection that is closed
    between two requests, or refused, ends its client."""
    found: Counter[int] = Counter()
    told = asyncio.Event()

    async def client(i: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        message = post(ROWS[i % len(ROWS)])
        while True:
            writer.write(message)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError):
                found[0] += 1
                return
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            found[int(head[9:12])] += 1
            if b"connection: close" in head.lower():
                writer.close()
                assert told.is_set()
                return

    tasks = [asyncio.create_task(client(i)) for i in range(clients)]
    await asyncio.sleep(seconds)
    told.set()
    server.process.send_signal(signal.SIGTERM)
    await asyncio.gather(*tasks)
    return found


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(1_500)])])
@pytest.mark.parametrize("workers", [1, 2])
def test_every_accepted_request_is_answered_when_it_is_told_to_end(times: int, workers: int, tmp_path: Path):
    for i in range(times if workers == 2 or times == 1 else times // 5):
        with serving(tmp_path, "--workers", str(workers)) as server:
            found = asyncio.run(end_under_load(server, 12, 0.3 + 0.03 * (i % 10)))
            assert server.process.wait(40) == 0
        assert set(found) == {200}, found
        assert found[200] >= 12


# ------------------------------------------------------------------------------------------------- any client


async def mix(server: Process, count: int, seed: int) -> Counter[str]:
    """So many requests, good, broken, huge, slow and cancelled, by 24 clients at once. Each is checked."""
    draw = random.Random(seed)
    expected = [alone(**row) for row in ROWS]
    counts: Counter[str] = Counter()
    remaining = iter(range(count))

    async def good(connection: Connection) -> None:
        i = draw.randrange(len(ROWS))
        status, body = await connection.ask(post(ROWS[i]))
        assert status == 200, body
        assert without_times(json.loads(body)) == expected[i]

    async def broken(connection: Connection) -> None:
        row = dict(ROWS[draw.randrange(len(ROWS))])
        name = draw.choice(sorted(row))
        content = bytearray(row[name])
        row[name] = bytes(content[: draw.randrange(20)]) if draw.random() < 0.5 else draw.randbytes(200)
        status, body = await connection.ask(post(row))
        assert status == 422, body
        assert json.loads(body)["modality"] == name

    async def malformed(connection: Connection) -> None:
        body, content_type = multipart(ROWS[draw.randrange(len(ROWS))])
        message = request("/predict", body[: draw.randrange(len(body) - 10)], content_type, {})
        status, found = await connection.ask(message)
        assert status == 400, found

    async def huge(connection: Connection) -> None:
        status, body = await connection.ask(post({"image": bytes(300_000)}))
        connection.close()
        assert status == 413, body

    async def slow(_: Connection) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        message = post(ROWS[0])
        writer.write(message[: len(message) - 20])
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 408 " in head[:20]
        writer.close()

    async def cancelled(_: Connection) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        message = post(ROWS[draw.randrange(len(ROWS))])
        writer.write(message[: draw.choice([len(message) // 2, len(message)])])
        await writer.drain()
        writer.close()

    kinds = [good, broken, malformed, huge, slow, cancelled]
    weights = [60, 15, 10, 5, 2, 8]

    async def client() -> None:
        connection = Connection("127.0.0.1", server.port)
        for _ in remaining:
            [kind] = draw.choices(kinds, weights)
            await kind(connection)
            counts[kind.__name__] += 1
        connection.close()

    await asyncio.gather(*(client() for _ in range(24)))
    return counts


@pytest.mark.parametrize(
    "count", [200, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(2_000)])]
)
def test_every_good_answer_is_that_alone_and_every_bad_one_has_its_own_problem(count: int, tmp_path: Path):
    options = ("--max-bytes", "200000", "--receive-seconds", "1", "--queue", "1000", "--workers", "1")
    with serving(tmp_path, *options) as server:
        counts = asyncio.run(mix(server, count, seed=count))
        statuses = Counter(json.loads(line).get("status") for line in server.log.read_text().splitlines())
    assert sum(counts.values()) == count
    assert counts["good"] > count / 3
    assert not {500, 503} & set(statuses), statuses


def memory(process: int) -> float:
    """MiB that are in memory."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def fuzz(server: Process, count: int, seed: int) -> Counter[int]:
    """So many bodies with bytes changed, dropped, doubled; by status."""
    draw = random.Random(seed)
    seeds: list[tuple[str, bytes, str]] = []
    for row in ROWS[:6]:
        body, content_type = multipart(row)
        seeds.append(("/predict", body, content_type))
        numbered, content_type = multipart({f"0.{name}": content for name, content in row.items()})
        seeds.append(("/predict/batch", numbered, content_type))
    for text in (b'{"image": "iVBORw0KGgo=", "reject": 0.5}', b'[{"audio": "UklGRg=="}, {}, null]'):
        seeds += [(path, text, "application/json") for path in ("/predict", "/predict/batch")]
    remaining, found = iter(range(count)), Counter[int]()

    async def client() -> None:
        connection = Connection("127.0.0.1", server.port)
        for _ in remaining:
            path, body, content_type = draw.choice(seeds)
            content = bytearray(body)
            for _ in range(draw.randrange(1, 8)):
                place = draw.randrange(len(content))
                change = draw.randrange(4)
                if change == 0:
                    content[place] = draw.randrange(256)
                elif change == 1:
                    del content[place : place + draw.randrange(1, 40)]
                elif change == 2:
                    content[place:place] = content[place : place + draw.randrange(40)]
                else:
                    content[place:place] = draw.randbytes(draw.randrange(1, 9))
                content = content or bytearray(b"-")
            status, answer = await connection.ask(request(path, bytes(content), content_type, {}))
            assert status in (200, 400, 413, 415, 422), (status, answer)
            found[status] += 1
        connection.close()

    await asyncio.gather(*(client() for _ in range(8)))
    return found


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1_500)])]
)
def test_no_body_makes_it_fail(count: int, tmp_path: Path):
    with serving(tmp_path) as server:
        asyncio.run(fuzz(server, count // 2, seed=0))
        before = memory(server.process.pid)
        found = asyncio.run(fuzz(server, count // 2, seed=1))
        assert memory(server.process.pid) < before + 40
    assert {200, 400, 422} <= set(found)


@pytest.mark.parametrize(
    "examples", [5, pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(1_500)])]
)
def test_what_the_openapi_document_promises_holds(examples: int, tmp_path: Path):
    """schemathesis makes requests from the document, and checks the answers against it. 503 is promised for
    a deadline that cannot be kept; 500 is not."""
    with serving(tmp_path) as server:
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            f"{server.url}/openapi.json",
            "--phases=examples,coverage,fuzzing",
            f"--max-examples={examples}",
            "--checks=status_code_conformance,content_type_conformance,"
            "response_schema_conformance,response_headers_conformance",
            "--generation-database=none",
            "--no-color",
            "--seed=1",
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
        assert server.process.poll() is None
    cases = re.search(r"(\d+) generated", done.stdout)
    assert cases is not None
    assert int(cases[1]) >= 2 * examples


def test_the_tiny_model_is_what_is_served():
    """Of these tests: it hears long recordings too."""
    assert any(alone(**row)["segments"] for row in ROWS)
    assert predictor().graph.inputs == "contents"


def test_any_json_is_answered(tmp_path: Path) -> None:
    """Odd values where files and numbers belong."""
    odd: list[Any] = [None, True, 0, -1, 1e308, "", "A", "====", [], {}, [[]], "\ud800", "x" * 10_000]
    with serving(tmp_path) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        for value in odd:
            for name in ("image", "audio", "reject", "other"):
                content = json.dumps({name: value, "image" if name != "image" else "audio": None}).encode()
                for path, body in (("/predict", content), ("/predict/batch", b"[" + content + b"]")):
                    found = client.post(path, content=body, headers={"Content-Type": "application/json"})
                    assert found.status_code in (200, 400, 422), (name, value, found.text)
