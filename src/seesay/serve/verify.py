"""Do all doors give the same answer? The same files through Python, the command line, the program of
torch.export, the graph in ONNX, the exported example, the server and the page in a browser.

`cases` makes every subset of each row's files; a door answers each of them; `compare` holds the answers
against those of Python. A door that needs what is not installed is skipped, and the reason is said.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from seesay.data.dataset import MISSING, Dataset
from seesay.errors import InputError
from seesay.formats.listing import kind_of
from seesay.spec import ContentSpec, Modality, PictureSpec, Spec, WaveformSpec

TOLERANCE = 1e-4
"""Largest difference of a probability, of `known` and of `agreement`."""

EXAMPLES = 12
"""Cases that are asked of the example, which is started for each; it knows no long recordings."""

Case = dict[Modality, Any]
"""The paths of the files of one row that are given."""

Answer = dict[str, Any]
"""`Prediction.to_dict()`, or `scores` alone where a door says no more."""

MAIN = "import sys; from seesay.cli import main; sys.exit(main())"

ASK = """
import json, sys
from seesay.cli import main
for line in open(sys.argv[1]):
    status = main(["predict", *json.loads(line), "--json"])
    if status:
        sys.exit(status)
    print("\\0")
"""


@dataclass(frozen=True)
class Found:
    """What was found of a door."""

    door: str
    cases: int
    difference: float
    """The largest from Python's answers, of probabilities, `known` and `agreement`."""
    labels: int
    """Cases with another label than Python's."""
    skipped: str = ""
    """Why it was not tried; empty: it was."""
    refused: str = ""
    """What it said of the first case that it refused, though Python did not; empty: none."""

    @property
    def same(self) -> bool:
        """Whether its answers are the same, or it was not tried."""
        return bool(self.skipped) or (self.difference <= TOLERANCE and not self.labels and not self.refused)


def rows_of(spec: Spec, files: Sequence[Path]) -> list[Case]:
    """Rows from files: those with one name and different endings are of one row, such as `7.png` and `7.wav`;
    one picture and one recording alone are a row too. A file of a kind that the model does not take, or two
    of one kind with one name: InputError."""
    rows: dict[str, Case] = {}
    for file in files:
        kind = kind_of(file)
        fitting = spec.of_kind(kind) if kind else ()
        if not fitting:
            takes = " and ".join(spec.modalities)
            raise InputError(f"{file}: the model takes {takes}, this is none of them", "Leave it out.")
        case = rows.setdefault(str(file.with_suffix("")), {})
        free = [m for m in fitting if m not in case]
        if not free:
            raise InputError(
                f"{file} and {case[fitting[0]]} are of one kind and have one name", "Rename one."
            )
        case[free[0]] = file
    found = list(rows.values())
    if len(found) == 2 and all(len(case) == 1 for case in found) and set(found[0]) != set(found[1]):
        return [found[0] | found[1]]
    return found


def rows_from(data: Dataset, spec: Spec, rows: Iterable[int], folder: Path) -> list[Case]:
    """Rows of a data set, each content written as a file into a folder: PNG, WAV or `.npy`."""
    found = []
    for row in rows:
        case = {}
        for modality in (m for m in spec.modalities if m in data.modalities):
            pointer = int(data.pointers(modality)[row])
            if pointer != MISSING:
                content = np.array(data.contents[modality][pointer])
                case[modality] = _write(content, data.spec[modality], folder / f"{row}_{modality}")
        if case:
            found.append(case)
    return found


def _write(content: np.ndarray, spec: ContentSpec, path: Path) -> Path:
    """The content as a file that reads back the same."""
    if isinstance(spec, PictureSpec) and content.dtype == np.uint8 and len(content) in (1, 3):
        picture = Image.fromarray(content[0] if len(content) == 1 else content.transpose(1, 2, 0))
        picture.save(path.with_suffix(".png"))
        return path.with_suffix(".png")
    if isinstance(spec, WaveformSpec):
        soundfile.write(path.with_suffix(".wav"), content, spec.rate, subtype="PCM_16")
        return path.with_suffix(".wav")
    np.save(path.with_suffix(".npy"), content)
    return path.with_suffix(".npy")


def cases(rows: Sequence[Case]) -> list[Case]:
    """Every subset of the files of each row but the empty one."""
    found = []
    for case in rows:
        sizes = range(1, len(case) + 1)
        subsets = chain.from_iterable(combinations(case, size) for size in sizes)
        found += [{m: case[m] for m in subset} for subset in subsets]
    return found


def compare(door: str, expected: Sequence[Answer], answers: Sequence[Answer]) -> Found:
    """The answers of a door beside those of Python. An answer without scores is a refusal."""
    difference, labels, refused = 0.0, 0, ""
    for one, other in zip(expected, answers, strict=True):
        if not other["scores"]:
            refused = refused or other["refused"]
            continue
        ours, theirs = ({s["label"]: s["score"] for s in each["scores"]} for each in (one, other))
        difference = max([difference, *(abs(ours[label] - score) for label, score in theirs.items())])
        for name in ("known", "agreement"):
            if name in other:
                difference = max(difference, _apart(one[name], other[name]))
        labels += one["scores"][0]["label"] != other["scores"][0]["label"]
    return Found(door, len(answers), difference, labels, refused=refused)


def _apart(one: float | None, other: float | None) -> float:
    """The difference of two numbers that may be None; infinite if only one is."""
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return abs(one - other)


# ------------------------------------------------------------------------------------------------ the doors


def from_command_line(run: Path | None, given: Sequence[Case], folder: Path) -> list[Answer]:
    """The answers of `seesay predict --json`, all asked of one process."""
    lines = []
    for case in given:
        words = [str(run)] if run else []
        for modality, path in case.items():
            words += [f"--{modality}", str(path)] if modality in ("image", "audio") else []
        others = [f"{m}={path}" for m, path in case.items() if m not in ("image", "audio")]
        lines.append(json.dumps(words + (["--input", *others] if others else [])))
    asked = folder / "asked.jsonl"
    asked.write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-c", ASK, str(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"seesay predict failed: {done.stderr.strip() or done.stdout.strip()}")
    return [json.loads(part) for part in done.stdout.split("\0") if part.strip()]


def from_program(run: Path | None, given: Sequence[Case], folder: Path) -> list[Answer]:
    """The answers of the program of torch.export."""
    from seesay.serve.graph import GraphPredictor
    from seesay.serve.program import Program, write_program

    path = folder / "model.pt2"
    write_program(run, path)
    predictor = GraphPredictor(Program(path))
    return [predictor.predict(**case).to_dict() for case in given]


def from_example(export: Path, given: Sequence[Case]) -> list[Answer]:
    """What `example.py` of the exported folder prints: the five most likely classes."""
    answers = []
    for case in given:
        words = [f"{modality}={path.resolve()}" for modality, path in case.items()]
        command = [sys.executable, str(export / "example.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"example.py failed: {done.stderr.strip()[-300:]}")
        lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
        answers.append({"scores": [{"label": label, "score": float(score)} for label, score in lines]})
    return answers


@contextmanager
def serving(export: Path) -> Generator[int]:
    """A server of an exported folder on a free port of this machine, while the block runs. It cannot be
    started: InputError."""
    import socket
    import time
    from http.client import HTTPConnection

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", MAIN, "serve", str(export), "--port", str(port)]
    log = export.parent / "server.log"
    with log.open("wb") as errors:
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=errors, stderr=errors, env=one_thread)
    try:
        deadline = time.monotonic() + 60
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip()[-300:]
                raise InputError(f"the server did not start: {said}")
            try:
                with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                    connection.request("GET", "/ready")
                    if connection.getresponse().status == 200:
                        break
            except OSError:
                pass
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def from_server(port: int, given: Sequence[Case]) -> list[Answer]:
    """The answers of `POST /predict`; no scores, and why, where it refuses."""
    from http.client import HTTPConnection
    from uuid import uuid4

    answers = []
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for case in given:
            border = uuid4().hex
            parts = []
            for modality, path in case.items():
                shown = f'form-data; name="{modality}"; filename="{modality}{path.suffix}"'
                head = f"--{border}\r\nContent-Disposition: {shown}\r\n\r\n"
                parts.append(head.encode() + path.read_bytes() + b"\r\n")
            body = b"".join([*parts, f"--{border}--\r\n".encode()])
            headers = {"Content-Type": f"multipart/form-data; boundary={border}"}
            connection.request("POST", "/predict", body, headers)
            response = connection.getresponse()
            text = response.read().decode()
            said = f"{', '.join(map(str, case.values()))}: {text[:300]}"
            answers.append(json.loads(text) if response.status == 200 else {"scores": [], "refused": said})
    return answers


def tried(door: str, expected: Sequence[Answer], ask: Callable[[], Sequence[Answer]]) -> Found:
    """What a door says beside Python; an InputError, as of a missing extra, skips it."""
    try:
        answers = ask()
    except InputError as error:
        return Found(door, 0, 0.0, 0, str(error))
    return compare(door, expected[: len(answers)], answers)


def from_page(export: Path, given: Sequence[Case], folder: Path, runtime: Path | None) -> list[Answer]:
    """The answers of the page without a server, in a Chromium. None here, or no ONNX Runtime Web: InputError.
    `runtime`: as of `write_web`."""
    from seesay.serve.browser import answers_of_page, found_browser
    from seesay.serve.graph import GRAPH, Graph
    from seesay.serve.web_export import description, runtime_files, write_page

    if not given:
        raise InputError("a page takes PNG and WAV files here, and there are none")
    program, contents = found_browser(), runtime_files(runtime)
    page, written = folder / "page", (export / GRAPH).read_bytes()
    graph = Graph(written)
    page.mkdir()
    write_page(page, written, description(graph.spec, graph.types), contents)
    return answers_of_page(program, page, given)


def verified(
    run: Path | None, rows: Sequence[Case], folder: Path, runtime: Path | None = None
) -> Iterator[Found]:
    """What is found of each door, one after the other; `folder`: for temporary files; `runtime`: ONNX Runtime
    Web, as of `write_web`."""
    from seesay.learn.run import Run
    from seesay.serve.browser import EXACT
    from seesay.serve.export_folder import export_folder
    from seesay.serve.graph import GraphPredictor
    from seesay.serve.predict import Predictor

    given = cases(rows)
    predictor, export = Predictor.open(run), folder / "export"
    expected = [predictor.predict(**case).to_dict() for case in given]
    yield Found("Python", len(given), 0.0, 0)
    yield tried("command line", expected, lambda: from_command_line(run, given, folder))
    yield tried("torch.export", expected, lambda: from_program(run, given, folder))
    try:
        export_folder(Run.open(run), export)
        graph = GraphPredictor.open(export)
    except InputError as error:
        for door in ("ONNX", "example", "server", "browser"):
            yield Found(door, 0, 0.0, 0, str(error))
        return
    yield tried("ONNX", expected, lambda: [graph.predict(**case).to_dict() for case in given])
    short = [i for i, answer in enumerate(expected) if not answer["segments"]][:EXAMPLES]
    yield tried(
        "example", [expected[i] for i in short], lambda: from_example(export, [given[i] for i in short])
    )

    def served() -> list[Answer]:
        with serving(export) as port:
            return from_server(port, given)

    yield tried("server", expected, served)
    exact = [i for i, case in enumerate(given) if all(path.suffix.lower() in EXACT for path in case.values())]
    yield tried(
        "browser",
        [expected[i] for i in exact],
        lambda: from_page(export, [given[i] for i in exact], folder, runtime),
    )
