"""Serve a model over HTTP: what `seesay serve` checks and does before the processes begin."""

import importlib.util
import ipaddress
import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from seesay.errors import InputError
from seesay.extras import package
from seesay.registry import load_plugin, plugins
from seesay.serve.graph import GRAPH, GraphPredictor
from seesay.serve.limits import Limits

PACKAGES = ("onnxruntime", "fastapi", "uvicorn", "python_multipart", "prometheus_client")

LEAST_TOKEN = 16
"""Characters of a token: a shorter one can be guessed."""


def serve(
    run: Path | None,
    host: str,
    port: int,
    workers: int,
    limits: Limits,
    token_file: Path | None = None,
    public: bool = False,
    announce: Callable[[str], None] = print,
    note: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a run, an exported folder or file, or the packaged model, until SIGTERM or Ctrl+C.

    `announce` gets a line when requests are answered, `note` one if the model is exported before. InputError
    if there is no such model, the address cannot be had or is not this machine's own without a token or
    `public`, the token is short, or a package is missing.
    """
    if workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    if not 0 <= port < 2**16:
        raise InputError(f"port must be 0 to 65535, got {port}", "With 0 the system chooses one.")
    token = None if token_file is None else read_token(token_file)
    check_host(host, token is not None or public)
    for name in PACKAGES:
        package(name, "the server", "serve")
    from seesay.serve.workers import Service, listen
    from seesay.serve.workers import run as run_workers

    with tempfile.TemporaryDirectory(prefix="seesay-serve-") as folder, listen(host, port) as listener:
        graph = graph_of(run, Path(folder), note)
        GraphPredictor.open(graph)
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        name = "the digits model" if run is None else run
        service = Service(graph, limits, token, plugins())
        run_workers(service, listener, workers, lambda: announce(f"Serving {name} on {url}"))


def check_host(host: str, allowed: bool) -> None:
    """InputError if others may reach the host without being `allowed`."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not allowed:
        raise InputError(
            f"others could use this server at {host}",
            "Give --token-file FILE, or --public to let everybody who reaches it.",
        )


def read_token(path: Path) -> str:
    """The token in a file. No such file, or too short or with blanks: InputError."""
    if not path.is_file():
        raise InputError(f"{path} is not a file, expected one that holds a token", "Check --token-file.")
    token = path.read_text(encoding="utf-8", errors="replace").strip()
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"{path} holds no token: expected {LEAST_TOKEN} or more letters and digits",
            "For example: python -c 'import secrets; print(secrets.token_urlsafe())'.",
        )
    return token


def graph_of(run: Path | None, folder: Path, note: Callable[[str], None] = lambda _: None) -> Path:
    """The exported file or folder; of a run or a taught file, a file made in `folder`, by a process of its
    own, so that this one stays without torch."""
    if run is not None and (run.suffix == ".onnx" or (run / GRAPH).exists()):
        return run
    taught = run is not None and run.is_file() and run.suffix == ".safetensors"
    if run is not None and not run.is_dir() and not taught:
        problem = "is a file" if run.exists() else "does not exist"
        raise InputError(f"{run} {problem}, expected a run or an exported folder", "Check the path.")
    if importlib.util.find_spec("torch") is None:
        remedy = "Run `seesay export --out FOLDER` where torch is, and serve that folder."
        raise InputError(f"serving {run or 'a run'} needs torch, which is not installed", remedy)
    out = folder / GRAPH
    note("The model is exported first, half a minute; seesay export --out FOLDER does it once.")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(_export, run, out, plugins()).result()
    return out


def _export(run: Path | None, out: Path, modules: tuple[str, ...]) -> None:
    from seesay.serve.export import export

    for module in modules:
        load_plugin(module)
    export(run, out)
