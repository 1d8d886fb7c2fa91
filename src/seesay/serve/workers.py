"""The processes of a server: one, or several that share its socket.

SIGTERM or Ctrl+C ends it: connections are refused from then on, requests that came before are answered. A
process that dies is started again. Processes end when the one that started them is gone.
"""

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
import wave
from collections.abc import Callable, Generator
from dataclasses import dataclass
from io import BytesIO
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image

from seesay.errors import InputError
from seesay.registry import load_installed, load_plugin
from seesay.serve.counters import FOLDER
from seesay.serve.door import Door
from seesay.serve.graph import GraphPredictor
from seesay.serve.json_log import Handler, Log
from seesay.serve.limits import Limits
from seesay.serve.server import create
from seesay.spec import WaveformSpec

DRAIN = 0.5
"""Seconds after SIGTERM in which an idle connection may still bring the request that was on its way."""

SWITCH = 0.0005
"""Seconds after which a thread that reads a picture lets the loop have its turn. Python's 5 ms would be the
time in which a full queue is refused."""

KEEP_ALIVE = 30
"""Seconds that an idle connection is kept."""

SOON = 2.0
"""Seconds: a process that dies sooner is started again only after as many."""


@dataclass(frozen=True)
class Service:
    """What each process serves."""

    graph: Path
    """Exported file or folder."""
    limits: Limits
    token: str | None
    plugins: tuple[str, ...] = ()
    """Modules of `--plugin`."""


class Server(uvicorn.Server):
    """uvicorn's server that answers what is on its way before it closes idle connections, and whose process
    does not end by the signal."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self.door = door

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse connections, answer requests, end."""
        self.door.draining = True
        for server in self.servers:
            server.close()
        for each in sockets or []:
            each.close()
        end = time.monotonic() + DRAIN
        while self.server_state.connections and time.monotonic() < end:
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """SIGTERM and SIGINT end the server."""
        with _handled(self.handle_exit):
            yield


def run(service: Service, listener: socket.socket, workers: int, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl+C. `announce` is called when requests are answered."""
    if workers == 1:
        _work(service, listener, announce)
    else:
        listeners = shared(listener, workers)
        with tempfile.TemporaryDirectory(prefix="seesay-metrics-") as folder:
            os.environ[FOLDER] = folder
            _supervise(service, listeners, announce)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to this address. Taken, or not of this machine: InputError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            stack.pop_all()
    except OSError as error:
        problem = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise InputError(problem, "Choose another --port or --host.") from None
    return listener


def shared(listener: socket.socket, count: int) -> list[socket.socket]:
    """So many sockets for the address of this one, which is closed, where the kernel spreads connections over
    them; elsewhere this one so many times: then whoever wakes first takes all that wait (of 16, often 13)."""
    if sys.platform != "linux":
        return [listener] * count
    family, address = listener.family, listener.getsockname()
    listener.close()
    sockets = [socket.socket(family, socket.SOCK_STREAM) for _ in range(count)]
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(address)
    return sockets


# --------------------------------------------------------------------------------------------- one process


def _work(
    service: Service, listener: socket.socket, announce: Callable[[], None], parent: Connection | None = None
) -> None:
    """Serve in this process, until it is told to end or the parent is gone."""
    log = Log()
    handler = Handler(log)
    for name in ("uvicorn", "asyncio"):
        logging.getLogger(name).handlers = [handler]
        logging.getLogger(name).propagate = False
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such pictures are refused
    sys.setswitchinterval(SWITCH)
    predictor = GraphPredictor.open(service.graph)
    warm_up(predictor)
    door = create(predictor, service.limits, service.token, log)
    config = uvicorn.Config(
        door,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=service.limits.finish,
        lifespan="on",
    )
    server = Server(config, door)
    gc.collect()
    gc.freeze()  # what is there now stays
    threading.Thread(target=_watch, args=(server, announce, parent), daemon=True).start()
    server.run([listener])
    log.write("stopped")


def warm_up(predictor: GraphPredictor) -> None:
    """Reads and predicts once, so that the first client does not wait for imports and memory."""
    picture, recording = BytesIO(), BytesIO()
    Image.linear_gradient("L").resize((28, 28)).save(picture, "PNG")
    with wave.open(recording, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 16)
    for modality, spec in predictor.spec.contents.items():
        with contextlib.suppress(InputError):  # ready-made contents have no files
            predictor.read(modality, (recording if isinstance(spec, WaveformSpec) else picture).getvalue())
    predictor.graph.run({m: each.blank(1) for m, each in predictor.graph.types.items()})


def _watch(server: Server, announce: Callable[[], None], parent: Connection | None) -> None:
    """Announces the server when it is up, and ends it when the parent is gone."""
    while not server.started:
        time.sleep(0.01)
    announce()
    if parent is not None:
        with contextlib.suppress(EOFError, OSError):
            parent.recv()
        server.should_exit = True


# ------------------------------------------------------------------------------------------ many processes


def _worker(service: Service, listener: socket.socket, parent: Connection) -> None:
    """The main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the parent, which ends the workers
    for module in service.plugins:
        load_plugin(module)
    load_installed()
    _work(service, listener, lambda: parent.send(None), parent)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    began: float


def _supervise(service: Service, listeners: list[socket.socket], announce: Callable[[], None]) -> None:
    """Start a worker for each of these sockets, and again when it dies, until the server is to end."""
    context, log, ended = multiprocessing.get_context("spawn"), Log(), threading.Event()

    def start(listener: socket.socket) -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_worker, args=(service, listener, theirs))
        process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic())

    with _handled(lambda *_: ended.set()):
        team = [start(listener) for listener in listeners]
        try:
            if all(_is_up(worker, ended) for worker in team):
                announce()
            elif not ended.is_set():
                raise InputError("a process of the server ended as it began", "Its log is above.")
            while not ended.is_set():
                wait([worker.process.sentinel for worker in team], timeout=0.1)
                for i, worker in enumerate(team):
                    if worker.process.is_alive() or ended.is_set():
                        continue
                    log.write("worker died", "error", pid=worker.process.pid, code=worker.process.exitcode)
                    _forget(worker)
                    if time.monotonic() - worker.began < SOON:
                        ended.wait(SOON)
                    team[i] = start(listeners[i])
        finally:
            for listener in listeners:
                listener.close()
            _end(team, service.limits.finish)


def _is_up(worker: _Worker, ended: threading.Event) -> bool:
    """Whether the worker has begun to answer; False if it ended before, or all are to end."""
    while not ended.is_set():
        if worker.pipe.poll(0.1):
            with contextlib.suppress(EOFError):
                worker.pipe.recv()
                return True
            return False
    return False


def _end(team: list[_Worker], seconds: float) -> None:
    """End all workers; those that do not end in time are killed."""
    for worker in team:
        worker.process.terminate()
    latest = time.monotonic() + seconds + 5
    for worker in team:
        worker.process.join(max(0, latest - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _forget(worker: _Worker) -> None:
    """Its gauges no longer count."""
    from prometheus_client import multiprocess

    worker.pipe.close()
    multiprocess.mark_process_dead(worker.process.pid)


@contextlib.contextmanager
def _handled(handler: Callable[[int, Any], None]) -> Generator[None]:
    """SIGTERM and SIGINT are handled so within the block."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
