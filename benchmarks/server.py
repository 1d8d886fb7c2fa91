"""What a request costs: the CPU time of `seesay serve` for a PNG and a WAV, divided by that of reading and
inferring the same alone, in the same run; beside plain FastAPI and, where it is installed, LitServe around
the same graph. Then requests a second with several processes, latencies at half of that, and five times as
many with deadlines.

`python -m benchmarks.server GRAPH PNG WAV`. On a machine that others use too only the ratios count.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.door import one_line_of_errors
from benchmarks.http_load import multipart, request
from seesay.serve.graph import GraphPredictor

CLIENTS = 16
SEESAY = "import sys; from seesay.cli import main; sys.exit(main())"
OVERLOAD = 5
"""Times as many requests as are answered."""
ALONE = 0.8
"""Seconds in which reading and inferring alone are timed, before and after each load."""


@dataclass
class Server:
    """A server that runs in processes of its own."""

    process: "subprocess.Popen[str]"
    port: int
    log: Path

    def cpu_seconds(self) -> float:
        """User and system time of all its processes (Linux)."""
        ticks = sum(_ticks(process) for process in _family(self.process.pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    def logged(self, status: int) -> list[float]:
        """Milliseconds from the head of a request to its answer, by the server's own clock."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line["milliseconds"] for line in lines if line.get("status") == status]

    def memory(self) -> float:
        """MiB of all its processes that are in memory; shared pages count in each."""
        texts = [Path(f"/proc/{process}/status").read_text() for process in _family(self.process.pid)]
        found = [re.search(r"VmRSS:\s+(\d+)", text) for text in texts]
        return sum(int(match[1]) for match in found if match) / 1024


@contextlib.contextmanager
def served(*words: str) -> Iterator[Server]:
    """The server that this command line starts, until the block ends."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    with (
        tempfile.NamedTemporaryFile("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found is not None, f"{' '.join(words)} did not start"
            yield Server(process, int(found[1]), Path(log.name))
        finally:
            process.terminate()


def seesay(graph: Path, workers: int, *more: str) -> Any:
    """`seesay serve` as a server."""
    options = ("--port", "0", "--workers", str(workers), *more)
    return served("-c", SEESAY, "serve", str(graph), *options)


def plain(graph: Path, workers: int) -> Any:
    """Plain FastAPI as a server."""
    return served("-m", "benchmarks.plain_fastapi", str(graph), str(workers))


def lit(graph: Path, workers: int) -> Any:
    """LitServe as a server."""
    return served("-m", "benchmarks.plain_litserve", str(graph), str(workers))


def load(server: Server, message: bytes, seconds: float, clients: int = CLIENTS, rate: float = 0) -> Any:
    """What came of a load from another process: see `http_load`."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        words = ["127.0.0.1", str(server.port), str(seconds), str(clients), file.name]
        words += ["--rate", str(rate)] if rate else []
        command = [sys.executable, "-m", "benchmarks.http_load", *words]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def wait_until_up(server: Server, message: bytes) -> None:
    """Returns when it answers, some requests later."""
    end = time.monotonic() + 60
    while "200" not in load(server, message, 0.5, 4)["answers"]:
        assert time.monotonic() < end, "the server does not answer"


def alone(predictor: GraphPredictor, png: bytes, wav: bytes) -> float:
    """CPU milliseconds of reading and inferring one pair, the mean over ALONE seconds."""
    count, began, clock = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() < clock + ALONE:
        predictor.predict(png, wav)
        count += 1
    return 1000 * (time.process_time() - began) / count


def measure(graph: Path, png: bytes, wav: bytes, seconds: float, workers: int, deadline: float) -> None:
    """Prints a line for each figure."""
    predictor = GraphPredictor.open(graph)
    body, content_type = multipart({"image": png, "audio": wav})
    message = request("/predict", body, content_type, {})
    alone(predictor, png, wav)
    contenders = {"seesay serve": seesay, "plain FastAPI": plain}
    if find_spec("litserve"):
        contenders["LitServe"] = lit
    for name, server_of in contenders.items():
        for count in sorted({1, workers}):
            with server_of(graph, count) as server:
                wait_until_up(server, message)
                before, cpu = alone(predictor, png, wav), server.cpu_seconds()
                outcome = load(server, message, seconds)
                cost = 1000 * (server.cpu_seconds() - cpu) / _answered(outcome)
                bare = (before + alone(predictor, png, wav)) / 2
                what = f"{name}, {count} process{'es' if count > 1 else ''}, {CLIENTS} clients"
                _say(f"{what}: CPU a request", f"{cost:.2f} ms, {cost / bare:.2f} x {bare:.2f} ms alone")
                _say(f"{what}: rate", _rate(outcome))
                if count < workers:
                    continue
                half = _answered(outcome) / outcome["seconds"] / 2
                _say(f"{what}: half of that", _rate(load(server, message, seconds, 64, half)))
                if server_of is seesay:
                    late = request("/predict", body, content_type, {"X-Deadline-Ms": f"{deadline:g}"})
                    overload(server, late, message, seconds, 2 * half, deadline)


def overload(
    server: Server, late: bytes, message: bytes, seconds: float, rate: float, deadline: float
) -> None:
    """Five times the rate, with deadlines; then half the rate, two seconds after."""
    memory = server.memory()
    outcome = load(server, late, seconds, 512, OVERLOAD * rate)
    good, shed = (np.array(outcome["answers"].get(status, [np.nan])) for status in ("200", "503"))
    in_time = f"{100 * (good <= deadline).mean():.1f} % of {len(good)} answers within {deadline:g} ms"
    quantiles = ", ".join(f"p{q} {np.percentile(shed, q):.1f}" for q in (50, 95, 99))
    own = ", ".join(f"p{q} {np.percentile(server.logged(503) or [np.nan], q):.2f}" for q in (50, 95, 99))
    _say(f"{OVERLOAD} times that", f"{in_time}; {_lost(outcome)}")
    _say(f"{len(shed)} times 503, in ms", f"{quantiles}; by the server's own clock {own}")
    time.sleep(2)
    _say("2 s after, half of the rate", _rate(load(server, message, seconds / 2, 64, rate / 2)))
    _say("memory, before and after", f"{memory:.0f} and {server.memory():.0f} MiB")


def _answered(outcome: Any) -> int:
    return sum(map(len, outcome["answers"].values()))


def _rate(outcome: Any) -> str:
    times = np.array(outcome["answers"].get("200", [np.nan]))
    others = {status: len(x) for status, x in outcome["answers"].items() if status != "200"}
    quantiles = ", ".join(f"p{q} {np.percentile(times, q):.0f} ms" for q in (50, 99))
    return f"{len(times) / outcome['seconds']:.0f} a second, {quantiles}; others {others}, {_lost(outcome)}"


def _lost(outcome: Any) -> str:
    return f"{outcome['lost']} lost, {outcome['unsent']} not sent"


def _say(what: str, figure: str) -> None:
    print(f"| {what} | {figure} |", flush=True)


def _family(process: int) -> Iterator[int]:
    """The process and all that it started."""
    yield process
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("graph", type=Path, help="what seesay export wrote")
    parser.add_argument("png", type=Path)
    parser.add_argument("wav", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--deadline", type=float, default=250, help="milliseconds")
    given = parser.parse_args()
    print("| what | figure |\n|---|---|")
    files = given.png.read_bytes(), given.wav.read_bytes()
    measure(given.graph, *files, given.seconds, given.workers, given.deadline)


if __name__ == "__main__":
    one_line_of_errors(main)
