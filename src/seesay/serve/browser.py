"""Answers of the page without a server, in a Chromium that no one sees.

The page's own files are served on this machine, with one page more: it has the page's engine answer each case
and sends the answers back. Nothing but Chromium and ONNX Runtime Web is needed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from seesay.errors import InputError
from seesay.serve.site import TYPES
from seesay.spec import Modality

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""Programs on PATH that are a Chromium, in the order in which they are preferred."""

VARIABLE = "SEESAY_BROWSER"
"""Names another one."""

FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
)

PATIENCE = 90.0
"""Seconds without an answer, after which Chromium is ended. Its start and the first answer take some 5, and
several times that on a busy machine."""

EXACT = (".png", ".wav")
"""Files that the page decodes as Python does. Others are decoded by the browser, which differs a little."""

PAGE = '<!doctype html><title>verify</title><script type="module" src="asking.js"></script>'

SCRIPT = """
import { localEngine } from "./engine.js";
import { pixels } from "./picture.js";
import { decoded } from "./sound.js";

const send = (name, value) => fetch(name, { method: "POST", body: JSON.stringify(value) });
try {
  const cases = await (await fetch("cases")).json();
  const engine = await localEngine(document.baseURI);
  await engine.ready;
  for (const [i, modalities] of cases.entries()) {
    await send(`answers/${i}`, await answer(engine, i, modalities));
  }
} catch (error) {
  await send("failed", String(error?.message ?? error));
}

async function answer(engine, i, modalities) {
  const given = {};
  try {
    for (const [k, modality] of modalities.entries()) {
      const blob = await (await fetch(`given/${i}/${k}`)).blob();
      const isSound = engine.model.contents[modality].kind === "waveform";
      given[modality] = isSound ? { sound: await decoded(blob) } : { pixels: await pixels(blob) };
    }
  } catch (error) {
    if (error.name === "InputError") return { scores: [], refused: error.message };
    throw error;
  }
  const { contents, errors } = await engine.read(given);
  const [refused] = Object.values(errors);
  return refused ? { scores: [], refused } : (await engine.predict(given, contents)).answer;
}
"""

Case = Mapping[Modality, Path]
"""The files of one row that are given."""


def found_browser() -> str:
    """The Chromium or Chrome of this machine. None: InputError."""
    named = os.environ.get(VARIABLE)
    for name in (named,) if named else NAMES:
        if path := shutil.which(name):
            return path
    if named:
        raise InputError(f"{VARIABLE} names {named}, which is no program", "Name a Chromium or Chrome.")
    raise InputError(
        "no Chromium or Chrome was found on PATH", f"Install one, or name its program in {VARIABLE}."
    )


def answers_of_page(program: str, page: Path, given: Sequence[Case]) -> list[dict[str, Any]]:
    """What the page in a folder says of each case: as `Prediction.to_dict()`, or no scores and why: `refused`

    InputError if Chromium does not start, fails, or says nothing for PATIENCE seconds. It is ended and its
    profile removed in any case.
    """
    asked = _Asked(given)
    with (
        _serving(page, asked) as port,
        _running(program, f"http://127.0.0.1:{port}/asking.html") as (browser, log),
    ):
        while not asked.done.wait(0.2):
            if browser.poll() is not None and not asked.done.wait(1):
                raise InputError(f"{program} ended with status {browser.returncode}: {_last(log)}")
            if time.monotonic() - asked.heard > PATIENCE:
                count = sum(answer is not None for answer in asked.answers)
                said = f"{count} of {len(given)} answers, and none for {PATIENCE:.0f} seconds"
                raise InputError(f"{program} gave {said}: {_last(log)}")
    if asked.failure:
        raise InputError(f"the page failed: {asked.failure}")
    return [answer for answer in asked.answers if answer is not None]


class _Asked:
    """The cases, and the answers that came."""

    def __init__(self, given: Sequence[Case]) -> None:
        self.given = given
        self.answers: list[dict[str, Any] | None] = [None] * len(given)
        self.failure = ""
        self.heard = time.monotonic()
        self.done = threading.Event()

    def content(self, path: str) -> tuple[str, bytes] | None:
        """The type and the bytes of what the asking page needs; None: a file of the page."""
        match path.strip("/").split("/"):
            case ["asking.html"]:
                return TYPES[".html"], PAGE.encode()
            case ["asking.js"]:
                return TYPES[".js"], SCRIPT.encode()
            case ["cases"]:
                return TYPES[".json"], json.dumps([list(case) for case in self.given]).encode()
            case ["given", i, k]:
                return "application/octet-stream", list(self.given[int(i)].values())[int(k)].read_bytes()
        return None

    def take(self, path: str, value: Any) -> None:
        """An answer, or why there will be none."""
        self.heard = time.monotonic()
        name, _, number = path.strip("/").partition("/")
        if name == "answers":
            self.answers[int(number)] = value
        else:
            self.failure = value
        if self.failure or None not in self.answers:
            self.done.set()


class _Handler(SimpleHTTPRequestHandler):
    """The files of the page, and what `asked` says."""

    protocol_version = "HTTP/1.1"
    extensions_map = SimpleHTTPRequestHandler.extensions_map | TYPES
    asked: _Asked

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        found = self.asked.content(self.path)
        if found is None:
            super().do_GET()
        else:
            self._say(*found)

    def do_POST(self) -> None:
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._say("text/plain", b"")
        self.asked.take(self.path, value)

    def _say(self, media_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that Chromium's end cut is no news."""


@contextmanager
def _serving(page: Path, asked: _Asked) -> Generator[int]:
    """The port of a server of the page and its cases, for this machine alone."""
    handler = type("Handler", (_Handler,), {"asked": asked})
    with _Server(("127.0.0.1", 0), partial(handler, directory=str(page))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _running(program: str, address: str) -> Generator[tuple["subprocess.Popen[bytes]", Path]]:
    """A Chromium that shows an address, and the file with what it writes. Afterwards, it and all that it
    started are killed, and its profile is removed."""
    with tempfile.TemporaryDirectory(prefix="seesay-browser-", ignore_cleanup_errors=True) as profile:
        words = [program, *FLAGS, f"--user-data-dir={profile}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            words.append("--no-sandbox")  # which does not work for root
        log = Path(profile) / "said.log"
        with log.open("wb") as said:
            try:
                # A session of its own: the user's Ctrl+C ends it here, and with it all its processes.
                process = subprocess.Popen(
                    [*words, address],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            except OSError as error:
                raise InputError(f"{program} cannot be started: {error.strerror}") from None
        try:
            yield process, log
        finally:
            _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and those that it started."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def _last(log: Path) -> str:
    """The last that Chromium wrote."""
    return log.read_text(errors="replace").strip()[-300:] or "it said nothing"
