"""A server of the tiny model for tests: in this process, or in one of its own on 127.0.0.1."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from PIL import Image

from made_once import exported_run
from seesay.serve.door import Door
from seesay.serve.graph import GraphPredictor
from seesay.serve.json_log import Log
from seesay.serve.limits import Limits
from seesay.serve.server import create
from tiny import AUDIO, picture, recording

SEESAY = "import sys; from seesay.cli import main; sys.exit(main())"


@cache
def predictor() -> GraphPredictor:
    """The tiny model."""
    return GraphPredictor.open(tiny_graph())


@cache
def tiny_graph() -> bytes:
    """The exported graph of the tiny run."""
    return exported_run().read_bytes()


def png(label: int = 0, seed: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    """A picture file of this class; of another size, scaled up."""
    file = io.BytesIO()
    pixels = picture(label, np.random.default_rng(seed))[0]
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def wav(label: int = 0, seed: int = 0, samples: int = 1_000, format: str = "WAV") -> bytes:
    """A recording file of this class, cut or repeated to so many samples."""
    file = io.BytesIO()
    sound = np.resize(recording(label, np.random.default_rng(seed)), samples)
    soundfile.write(file, sound, AUDIO.rate, format=format)
    return file.getvalue()


def door(limits: Limits | None = None, log: Any = None, **changes: Any) -> Door:
    """The server of the tiny model as an app."""
    return create(predictor(), limits, log=Log(log or io.StringIO()), **changes)


@contextlib.asynccontextmanager
async def asking(app: Door, **changes: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the app in this process."""
    transport = httpx.ASGITransport(app=app)
    async with (
        app.app.router.lifespan_context(app.app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60, **changes) as client,
    ):
        yield client


def alone(**files: Any) -> dict[str, Any]:
    """What the model says of these files by itself, as JSON."""
    found = predictor().predict(**files)
    return found.to_dict() | {"label": found.label}


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer of the server without what it took."""
    return {name: value for name, value in answer.items() if name != "milliseconds"}


@dataclass
class Process:
    """A server in a process of its own."""

    process: "subprocess.Popen[str]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> int:
        """Send SIGTERM. Returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Generator[Process]:
    """`seesay serve` of the tiny model, until the block ends."""
    graph = folder / "served.onnx"
    graph.write_bytes(tiny_graph())
    command = [sys.executable, "-c", SEESAY, "serve", str(graph), "--port", "0", *options]
    log = folder / "log.jsonl"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=dict(os.environ)
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r":(\d+)$", line.strip())
            assert found is not None, log.read_text()
            yield Process(process, int(found[1]), log)
        finally:
            process.terminate()
            process.wait(40)
