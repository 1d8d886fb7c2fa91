"""The web page: its files here, in node; in a browser (marker `long`) what people do with it."""

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import soundfile
import soxr
from PIL import Image

from conftest import SHARED_DATA
from made_once import exported_run, finished_run
from page_server import WEB, page_of, serving
from seesay.condition import Condition
from seesay.errors import InputError, OutputError
from seesay.learn.run import Run
from seesay.serve import export, web_export
from seesay.serve.answer import answer
from seesay.serve.export import to_onnx
from seesay.serve.graph import Graph, GraphPredictor, InputType
from seesay.serve.segments import Scored, segments_of
from seesay.serve.web_export import description, runtime_files, write_web
from seesay.signal.sounding import windows
from seesay.spec import PictureSpec, Spec, VectorSpec, WaveformSpec

ROOT = Path(__file__).parents[1]
PACKAGE = "onnxruntime-web-1.30.0.tgz"
SPEC = Spec(tuple("0123456789"), {"image": PictureSpec(), "audio": WaveformSpec(rate=8_000)})
NODE = shutil.which("node")
in_node = pytest.mark.skipif(NODE is None, reason="no node here to run the page's modules")


# ------------------------------------------------------------------------------------------ its files


def texts() -> dict[str, str]:
    """The page's text files by their names."""
    paths = [path for path in WEB.rglob("*") if path.suffix in (".js", ".css", ".html", ".svg")]
    return {path.relative_to(WEB).as_posix(): path.read_text() for path in paths}


def test_no_file_names_another_place() -> None:
    for name, text in texts().items():
        plain = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://(?! )", plain), name


def test_every_file_that_is_asked_for_is_there() -> None:
    found = texts()
    for name, text in found.items():
        asked = re.findall(r"""(?:from|import\(|URL\() ?["'](\./[^"']+)["']""", text)
        asked += [f"./{each}" for each in re.findall(r'(?:href|src)="([\w./]+)"', text)]
        for each in asked:
            assert (WEB / each).exists(), f"{name} asks for {each}"
    heard = re.findall(r'heard: "(\w+)"', found["examples.js"])
    assert heard
    assert all((WEB / "examples" / f"{word}.wav").is_file() for word in heard)


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in WEB.rglob("*") if path.is_file()) < 290_000


def test_its_policy_allows_no_other_place() -> None:
    policy = re.search(r'content="(default-src[^"]*)"', texts()["index.html"])
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == rules["style-src"] == "'self'"
    assert "unsafe-inline" not in policy[1]
    assert " style=" not in texts()["index.html"]


CONTROLS = re.compile(r"<(button|input|canvas)\b[^>]*?>", re.S)


def test_what_can_be_used_has_a_name() -> None:
    page = texts()["index.html"]
    assert '<html lang="en"' in page
    for control in CONTROLS.finditer(page):
        tag = control[0]
        named = "aria-label" in tag or 'aria-hidden="true"' in tag or "sheet" in tag
        labelled = page.rfind("<label", 0, control.start()) > page.rfind("</label", 0, control.start())
        text = page[control.end() :].lstrip().split("</button")[0]
        assert named or labelled or (control[1] == "button" and re.sub(r"<[^>]*>", "", text).strip()), tag
    assert 'aria-live="polite"' in page


def colours(theme: int) -> dict[str, tuple[float, float, float]]:
    """The colours of the light (0) or dark (1) theme by name, as light-dark() has them."""
    found = {}
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", texts()["style.css"]):
        text = (light, dark)[theme].lstrip("#")
        text = "".join(2 * c for c in text) if len(text) == 3 else text
        found[name] = tuple(int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return found


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast of two colours as WCAG 2.2 defines it."""

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read(theme: int) -> None:
    palette = colours(theme)
    for text in ("ink", "soft", "accent"):
        for ground in ("paper", "sheet"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    assert contrast(palette["on-accent"], palette["accent"]) >= 4.5


# -------------------------------------------------------------------------------------- modules in node

CALL = """
import { readFileSync } from "node:fs";
const { folder, jobs } = JSON.parse(readFileSync(0, "utf8"));
const found = [];
for (const { module, call, values } of jobs) {
  const loaded = await import(`file://${folder}/${module}.js`);
  found.push(call ? (await loaded[call](...values)) ?? null : Object.keys(loaded));
}
console.log(JSON.stringify(found));
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A function that runs functions of the page's modules in node: `(module, name, *values)` each."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(WEB, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')

    def run(*jobs: tuple[Any, ...]) -> list[Any]:
        assert NODE is not None
        plain = [
            {"module": module, "call": name[0] if name else "", "values": name[1:]} for module, *name in jobs
        ]
        words = [NODE, "--input-type=module", "-e", CALL]
        given = json.dumps({"folder": str(folder), "jobs": plain})
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@in_node
def test_every_module_can_be_imported_without_a_browser(call: Callable[..., Any]) -> None:
    alone = {"page", "worker", "capture"}  # these begin to work at once, in a window, a worker, a worklet
    names = sorted({path.stem for path in WEB.glob("*.js")} - alone)
    assert all(call(*[(name,) for name in names]))


def opinions(random: np.random.Generator) -> dict[str, np.ndarray]:
    drawn = [random.dirichlet(np.full(10, 0.1)).astype(np.float32) for _ in range(3)]
    return dict(zip(("image", "audio", "image+audio"), drawn, strict=True))


MODEL = {
    "classes": list(SPEC.classes),
    "modalities": ["image", "audio"],
    "contents": {"image": {"kind": "picture", "reader": "ink"}, "audio": {"kind": "waveform"}},
}


@in_node
def test_an_answer_has_the_fields_of_pythons(call: Callable[..., Any]) -> None:
    random, jobs, expected = np.random.default_rng(0), [], []
    for given in (["image"], ["audio"], ["image", "audio", "image+audio"]) * 5:
        drawn = {name: each for name, each in opinions(random).items() if name in given}
        known = {name: float(random.uniform()) for name in given[:-1]}
        jobs.append(("answer", "answerOf", MODEL, {n: p.tolist() for n, p in drawn.items()}, known))
        python = answer(
            SPEC,
            {Condition(n): p for n, p in drawn.items()},
            {Condition(n): k for n, k in known.items()},
            [],
        )
        expected.append(python.to_dict() | {"label": python.label})
    for found, wanted in zip(call(*jobs), expected, strict=True):
        assert found.keys() == wanted.keys()
        same = {name: wanted[name] for name in wanted if name != "agreement"}
        assert {name: found[name] for name in same} == same
        assert found["agreement"] == pytest.approx(wanted["agreement"], abs=2e-6)


POOLED = """
import { graphOf } from "FOLDER/graph.js";
import { readFileSync } from "node:fs";
const { model, contents, rows } = JSON.parse(readFileSync(0, "utf8"));
let at = 0;
class Tensor { constructor(type, data, dims) { Object.assign(this, { data, dims }); } }
const session = {
  async run(feeds) {
    const count = feeds.audio.dims[0];
    const some = rows.slice(at, (at += count));
    const column = (name) => ({ data: Float32Array.from(some.flatMap((row) => row[name])) });
    const names = Object.keys(some[0]);
    const outputs = Object.fromEntries(names.map((name) => [name, column(name)]));
    return { ...outputs, fitted_image: { data: Uint8Array.from([7]), dims: [count, 1] } };
  },
};
const arrays = { image: Uint8Array, audio: Int16Array };
for (const [name, each] of Object.entries(contents)) each.data = arrays[name].from(each.data);
const { answer } = await graphOf({ session, Tensor }, model).predict(contents);
console.log(JSON.stringify({ answer, rows: at }));
"""


@in_node
def test_a_long_recording_is_answered_by_its_windows_as_in_python() -> None:
    random = np.random.default_rng(0)
    rate, clip = 8_000, 4_000
    parts = [random.normal(0, scale, 3_000 + 900 * i) for i, scale in enumerate([20, 4_000] * 9)]
    recording = np.concatenate(parts).astype(np.int16)
    found = windows(recording, rate, clip)
    assert len(found) > 17  # more than a batch
    conditions = ("image", "audio", "image+audio")
    probabilities = {
        Condition(c): random.dirichlet(np.full(10, 0.2), len(found)).astype(np.float32) for c in conditions
    }
    known = {Condition(c): random.uniform(size=len(found)).astype(np.float32) for c in conditions}
    voiced = random.uniform(size=len(found)).astype(np.float32)
    rows = [
        {f"probabilities_{c}": probabilities[Condition(c)][i].tolist() for c in conditions}
        | {f"known_{c}": [float(known[Condition(c)][i])] for c in conditions}
        | {"voiced_audio": [float(voiced[i])]}
        for i in range(len(found))
    ]
    model = MODEL | {
        "contents": {"image": {"kind": "picture"}, "audio": {"kind": "waveform", "rate": rate}},
        "shapes": {"image": [1], "audio": [clip]},
        "types": {"image": "uint8", "audio": "int16"},
    }
    contents = {
        "image": {"data": [1, 2], "shape": [2]},
        "audio": {"data": recording.tolist(), "shape": [len(recording)]},
    }
    assert NODE is not None
    script = POOLED.replace("FOLDER", f"file://{WEB}")
    given = json.dumps({"model": model, "contents": contents, "rows": rows})
    words = [NODE, "--no-warnings", "--experimental-default-type=module", "--input-type=module", "-e", script]
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    scored = Scored(found, voiced / voiced.sum(), probabilities, known)
    segments = segments_of(scored, Condition("audio"), SPEC.classes, rate)
    expected = answer(SPEC, scored.pooled(), scored.pooled_known(), segments).to_dict()
    assert said["rows"] == len(found)
    assert close(said["answer"], expected) < 1e-5


def close(found: Any, expected: Any) -> float:
    """The largest difference between numbers of two answers that are otherwise the same. Ranks of classes may
    differ where their probabilities hardly do."""
    if isinstance(expected, list) and expected and set(expected[0]) == {"label", "score"}:
        ours, theirs = ({each["label"]: each["score"] for each in scores} for scores in (found, expected))
        assert ours.keys() == theirs.keys()
        return max(abs(ours[label] - theirs[label]) for label in ours)
    if isinstance(expected, dict):
        return max((close(found[name], each) for name, each in expected.items()), default=0.0)
    if isinstance(expected, list):
        assert len(found) == len(expected)
        return max((close(one, each) for one, each in zip(found, expected, strict=True)), default=0.0)
    if isinstance(expected, float) and not isinstance(found, bool):
        return abs(found - expected)
    assert found == expected
    return 0.0


def said(image: tuple[str, float] | None, audio: tuple[str, float] | None, fused: str) -> dict[str, Any]:
    """An answer: the label of each sense and how known it is, and that of both."""
    given = {n: each for n, each in (("image", image), ("audio", audio)) if each is not None}

    def scores(label: str) -> list[dict[str, Any]]:
        rest = [name for name in SPEC.classes if name != label]
        return [{"label": label, "score": 0.91}] + [{"label": name, "score": 0.01} for name in rest]

    labels = [label for label, _ in given.values()]
    return {
        "scores": scores(fused),
        "used": list(given),
        "opinions": {name: scores(label) for name, (label, _) in given.items()},
        "agree": len(set(labels)) == 1,
        "known": min(known for _, known in given.values()),
        "known_alone": {name: known for name, (_, known) in given.items()},
        "agreement": 0.02 if len(set(labels)) > 1 else 0.9,
    }


SENTENCES = [
    (said(("7", 0.9), None, "7"), [], "known", "7", "The picture says 7."),
    (said(None, ("7", 0.1), "7"), [], "unknown", "None of these", "The recording is like nothing"),
    (said(("7", 0.9), ("7", 0.9), "7"), [], "known", "7", "The picture and the recording agree."),
    (
        said(("3", 0.9), ("8", 0.9), "8"),
        [],
        "conflict",
        "8",
        "They contradict each other: the picture says 3",
    ),
    (said(("3", 0.9), ("8", 0.9), "5"), [], "conflict", "5", "Together they make it 5."),
    (said(("3", 0.1), ("8", 0.2), "8"), [], "unknown", "Neither", "like nothing this model has learnt"),
    (
        said(("3", 0.1), ("8", 0.9), "8"),
        [],
        "unknown",
        "None of these",
        "The recording says 8, but the picture",
    ),
    (said(("3", 0.1), ("8", 0.9), "8"), ["image"], "known", "8", "The picture drowns in noise"),
]


@in_node
def test_it_says_in_plain_words_what_the_senses_say(call: Callable[..., Any]) -> None:
    found = call(*[("words", "sayingOf", MODEL, each, noisy) for each, noisy, *_ in SENTENCES])
    for each, (*_, state, headline, sentence) in zip(found, SENTENCES, strict=True):
        assert (each["state"], each["headline"]) == (state, headline)
        assert sentence in each["sentence"]


@in_node
def test_the_answer_rests_on_the_sense_that_it_is_closer_to(call: Callable[..., Any]) -> None:
    agreed, image, audio = call(
        ("words", "balance", said(("7", 0.9), ("7", 0.9), "7")),
        ("words", "balance", said(("3", 0.9), ("8", 0.9), "3")),
        ("words", "balance", said(("3", 0.9), ("8", 0.9), "8")),
    )
    assert agreed == 0.5
    assert image < 0.05
    assert audio > 0.95


@in_node
def test_what_is_recorded_is_a_wav_file(call: Callable[..., Any]) -> None:
    samples = np.sin(np.arange(999) / 9) / 2
    sound = {"channels": [samples.tolist()], "rate": 44_100}
    (found,) = call(("wave_file", "waveBytes", sound))
    read, rate = soundfile.read(io.BytesIO(bytes(found[str(i)] for i in range(len(found)))))
    assert rate == 44_100
    np.testing.assert_allclose(read, samples, atol=2**-15)


# --------------------------------------------------------------------------------------- written folder


@pytest.fixture(scope="module")
def tiny() -> Run:
    return finished_run()


@pytest.fixture
def fake_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files pass for the runtime."""
    folder = tmp_path / "node_modules" / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    hashes = {}
    for name in web_export.RUNTIME_FILES:
        (folder / name).write_text(name)
        hashes[name] = web_export.hashlib.sha512(name.encode()).hexdigest()
    monkeypatch.setattr(web_export, "RUNTIME_FILES", hashes)
    return folder.parents[1]


def test_a_folder_holds_the_page_the_graph_and_how_to_host_it(
    tiny: Run, fake_runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = exported_run().read_bytes()
    monkeypatch.setattr(export, "to_onnx", lambda *_: graph)  # it takes seconds
    write_web(tiny, tmp_path / "page", runtime=fake_runtime)
    names = {path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file()}
    written = {
        p.relative_to(tmp_path / "page").as_posix() for p in (tmp_path / "page").rglob("*") if p.is_file()
    }
    runtime = {f"runtime/{name}" for name in web_export.RUNTIME_FILES}
    assert written == names | runtime | {"model.onnx", "model.json", "README.md"}
    assert 'data-engine="local"' in (tmp_path / "page" / "index.html").read_text()
    described = json.loads((tmp_path / "page" / "model.json").read_text())
    assert described["classes"] == ["low", "middle", "high"]
    inputs = {each["name"]: (each["kind"], each["dtype"]) for each in described["modalities"]}
    assert inputs == {"image": ("picture", "uint8"), "audio": ("waveform", "int16")}
    assert "Cross-Origin-Opener-Policy" in (tmp_path / "page" / "README.md").read_text()
    assert Graph(tmp_path / "page").spec == tiny.spec
    assert (tmp_path / "page" / "model.onnx").read_bytes() == graph
    with pytest.raises(OutputError, match="exists already"):
        write_web(tiny, tmp_path / "page", runtime=fake_runtime)
    write_web(tiny, tmp_path / "page", runtime=fake_runtime, overwrite=True)


def test_without_npm_one_line_says_what_to_do(
    tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEESAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web_export.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"npm is not installed\. Run `npm pack .*--runtime") as error:
        write_web(tiny, tmp_path / "page")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("echo 'npm error network refused' >&2; exit 1", "could not fetch .*network refused"),
        ("echo other > $5/other.tgz", "another hash"),
    ],
)
def test_what_npm_brings_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, match: str
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("SEESAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web_export.shutil, "which", lambda _: str(npm))
    with pytest.raises(InputError, match=match):
        runtime_files(None)
    assert not list(tmp_path.glob("cache/*.tgz"))


def test_another_runtime_is_refused(fake_runtime: Path, tmp_path: Path) -> None:
    dist = fake_runtime / "onnxruntime-web" / "dist"
    assert runtime_files(fake_runtime) == runtime_files(dist)
    (dist / "ort.wasm.min.mjs").write_text("another")
    with pytest.raises(InputError, match=r"ort\.wasm\.min\.mjs in .* is not that of"):
        runtime_files(dist)
    with pytest.raises(InputError, match="lacks the files"):
        runtime_files(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        runtime_files(tmp_path / "nowhere")
    (tmp_path / "package.tgz").write_text("no archive")
    with pytest.raises(InputError, match="is not the package"):
        runtime_files(tmp_path / "package.tgz")


# ------------------------------------------------------------------------------------------- in a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
]
TOLERANCE = 1e-4
PATIENCE = 60_000  # milliseconds: other tests run beside this one

SEVEN = [[(0.28, 0.26), (0.72, 0.24), (0.48, 0.8)]]
THREE = [[(0.3, 0.27), (0.5, 0.2), (0.64, 0.32), (0.45, 0.48), (0.66, 0.62), (0.5, 0.8), (0.3, 0.74)]]
LETTER = [[(0.34, 0.2), (0.34, 0.82)], [(0.68, 0.2), (0.36, 0.51), (0.7, 0.82)]]


@pytest.fixture(scope="session")
def packaged_graph() -> bytes:
    """The model that comes with seesay, in ONNX. Exported once: it takes half a minute."""
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    run = Run.open(None)
    return to_onnx(run.model(), run.spec)


@pytest.fixture(scope="session")
def packaged(packaged_graph: bytes) -> GraphPredictor:
    return GraphPredictor.open(packaged_graph)


@pytest.fixture(scope="session")
def static_page(packaged_graph: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page without a server, as `write_web` leaves it."""
    places = [ROOT / "build" / PACKAGE, Path(pooch.os_cache("seesay")) / PACKAGE]
    package = next((place for place in places if place.is_file()), None)
    if package is None:
        where = "mkdir -p build && cd build && npm pack onnxruntime-web@1.30.0"
        pytest.skip(f"no ONNX Runtime Web here to run the model in a page: {where}")
    folder = tmp_path_factory.mktemp("static") / "page"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "to_onnx", lambda *_: packaged_graph)
        patch.setattr(export, "check_same", lambda *_: None)
        write_web(None, folder, runtime=package)
    return folder


@pytest.fixture(params=["served", "static"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of the page with the packaged model, behind a server and without one."""
    if request.param == "served":
        with page_of(request.getfixturevalue("packaged")) as found:
            yield found
    else:
        with serving(request.getfixturevalue("static_page")) as found:
            yield found


@dataclass
class Visit:
    """A page in a browser, and what it asked for and complained of."""

    page: Any
    address: str
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def draw(self, strokes: list[list[tuple[float, float]]]) -> None:
        """Draw with the mouse."""
        box = self.page.locator(".sheet").first.bounding_box()
        for stroke in strokes:
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for x, y in points[1:]:
                self.page.mouse.move(x, y, steps=8)
            self.page.mouse.up()
        self.settle()

    def speak(self, seconds: float) -> None:
        """Hold the button as long as that; the fake microphone plays its file from its first use."""
        button = self.page.locator(".speak").first
        box = button.bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        self.page.mouse.down()
        self.page.wait_for_selector(".recording[data-state=recording]", timeout=PATIENCE)
        self.page.wait_for_timeout(1_000 * seconds)
        self.page.mouse.up()
        self.page.wait_for_selector(".recording[data-state=idle]", timeout=PATIENCE)
        self.settle()

    def clear(self, sense: str) -> None:
        self.page.locator(f".{sense} .clear").first.click()
        self.settle()

    def ink_in_corner(self) -> int:
        """How opaque the upper left tenth of the sheet is at most."""
        return self.page.evaluate(
            "(c => Math.max(...c.getContext('2d').getImageData(0, 0, c.width / 10, c.width / 10).data))"
            "(document.querySelector('.sheet'))"
        )

    def settle(self) -> None:
        self.page.wait_for_selector("main[data-busy=false]", timeout=PATIENCE)

    @property
    def state(self) -> str:
        return self.page.locator("#main").get_attribute("data-state")

    @property
    def headline(self) -> str:
        return self.page.inner_text("#headline")

    @property
    def sentence(self) -> str:
        return self.page.inner_text("#sentence")

    def check(self) -> None:
        """Nothing was asked of another place, and nothing went wrong unseen."""
        assert not [url for url in self.requests if not url.startswith((self.address, "blob:", "data:"))]
        assert not self.problems


@contextmanager
def visit(
    address: str,
    recording: Path | None = None,
    microphone: bool = True,
    allowed: bool = True,
    ready: str = "main[data-state=empty]",
    **context: Any,
) -> Iterator[Visit]:
    """The page, opened in headless Chromium; `recording`: what its microphone plays."""
    if CHROMIUM is None or find_spec("playwright") is None:
        pytest.skip("no Chromium or no playwright here to open the page in")
    from playwright.sync_api import sync_playwright

    flags = [flag for flag in FLAGS if microphone or "fake-device" not in flag]
    flags += ["--use-fake-ui-for-media-stream"] if allowed else []
    flags += [f"--use-file-for-fake-audio-capture={recording}%noloop"] if recording else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)
        opened = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | context))
        found = Visit(opened.new_page(), address)
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("pageerror", lambda error: found.problems.append(str(error)))
        found.page.on(
            "console", lambda message: message.type == "error" and found.problems.append(message.text)
        )
        found.page.goto(address)
        found.page.wait_for_selector(ready, timeout=PATIENCE)
        yield found
        browser.close()


def played(samples: np.ndarray, rate: int, path: Path) -> tuple[Path, float]:
    """A file for the fake microphone, with silence before and after, and its seconds."""
    waveform = soxr.resample(samples.astype(np.float32), rate, 48_000)
    silence = np.zeros(24_000, np.float32)
    soundfile.write(path, np.concatenate([silence, waveform, silence]), 48_000, subtype="PCM_16")
    return path, 1 + len(waveform) / 48_000


@pytest.fixture
def seven(tmp_path: Path) -> tuple[Path, float]:
    """A person who says "seven"; where no real data are, a voice of the built-in digits."""
    real = SHARED_DATA / "speech_commands" / "seven" / "93ec8b84_nohash_0.wav"
    samples, rate = soundfile.read(real if real.is_file() else WEB / "examples" / "seven.wav")
    return played(samples, rate, tmp_path / "seven.wav")


@pytest.fixture
def hello(tmp_path: Path) -> tuple[Path, float]:
    samples, rate = soundfile.read(WEB / "examples" / "hello.wav")
    return played(samples, rate, tmp_path / "hello.wav")


@pytest.mark.long
def test_a_seven_drawn_said_and_both(address: str, seven: tuple[Path, float]) -> None:
    recording, seconds = seven
    with visit(address, recording) as page:
        page.draw(SEVEN)
        assert (page.state, page.headline) == ("known", "7")
        assert "picture says 7" in page.sentence
        assert page.ink_in_corner() == 0
        page.clear("picture")
        assert page.state == "empty"
        page.speak(seconds)
        assert (page.state, page.headline) == ("known", "7")
        assert "recording says 7" in page.sentence
        page.draw(SEVEN)
        assert (page.state, page.headline) == ("known", "7")
        assert "agree" in page.sentence
        page.page.wait_for_timeout(1_000)
        assert "7" in page.page.inner_text("#spoken")  # what a screen reader says
        page.check()


@pytest.mark.long
def test_a_letter_and_hello_are_neither(address: str, hello: tuple[Path, float]) -> None:
    recording, seconds = hello
    with visit(address, recording) as page:
        page.draw(LETTER)
        assert (page.state, page.headline) == ("unknown", "None of these")
        page.speak(seconds)
        assert (page.state, page.headline) == ("unknown", "Neither")
        page.clear("picture")
        assert (page.state, page.headline) == ("unknown", "None of these")
        page.check()


@pytest.mark.long
def test_a_contradiction_is_said_and_noise_shifts_trust(address: str, seven: tuple[Path, float]) -> None:
    recording, seconds = seven
    with visit(address, recording) as page:
        page.draw(THREE)
        page.speak(seconds)
        assert page.state == "conflict"
        assert "contradict each other: the picture says 3 and the recording says 7" in page.sentence

        def rests() -> float:
            style = page.page.locator("#balance").get_attribute("style")
            return float(re.findall(r"--balance: ([\d.]+)", style)[0])

        before = rests()
        for sense, expected in (("picture", "7"), ("recording", "3")):
            slider = page.page.locator(f".{sense} .noise input")
            slider.fill("100")
            page.settle()
            assert page.headline == expected
            moved = rests() - before  # towards the recording, on which it may rest wholly already
            assert moved >= 0 if sense == "picture" else moved < 0
            slider.fill("0")
            page.settle()
        assert page.state == "conflict"
        page.check()


@pytest.mark.long
def test_all_can_be_done_by_keyboard(address: str, seven: tuple[Path, float]) -> None:
    recording, seconds = seven
    with visit(address, recording) as page:
        keyboard = page.page.keyboard
        keyboard.down("Space")
        page.page.wait_for_selector(".recording[data-state=recording]", timeout=PATIENCE)
        page.page.wait_for_timeout(1_000 * seconds)
        keyboard.up("Space")
        page.page.wait_for_selector(".recording[data-state=idle]", timeout=PATIENCE)
        page.settle()
        assert page.headline == "7"
        reached = []
        for _ in range(40):
            keyboard.press("Tab")
            name = page.page.evaluate(
                "(e => e.ariaLabel || e.textContent.trim() || e.closest('label')?.textContent)"
                "(document.activeElement)"
            )
            outline = page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            reached.append(name)
            assert outline == "solid", name
            if name == "A 4 to look at":
                break
        for name in ("Choose a picture", "Noise on the picture", "Hold to speak", "Play (recording)"):
            assert name in reached
        keyboard.press("Enter")
        page.page.wait_for_selector(".recording.empty")
        page.page.wait_for_selector("#headline:text-is('4')", timeout=PATIENCE)
        page.settle()
        keyboard.press("Control+z")
        page.settle()
        keyboard.press("Control+z")
        page.settle()
        assert page.state == "empty"
        page.check()


@pytest.mark.long
@pytest.mark.parametrize(
    ("device", "match"), [(False, "No microphone was found"), (True, "microphone is blocked")]
)
def test_without_a_microphone_it_says_what_to_do(packaged: GraphPredictor, device: bool, match: str) -> None:
    with page_of(packaged) as found, visit(found, microphone=device, allowed=not device) as page:
        page.page.locator(".speak").click()
        page.page.wait_for_selector(".recording .problem:not(:empty)")
        assert match in page.page.inner_text(".recording .problem")
        page.draw(SEVEN)
        assert page.headline == "7"
        assert match in page.page.inner_text(".recording .problem")
        page.check()


@pytest.mark.long
def test_files_are_chosen_and_what_cannot_be_read_is_said(address: str, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (99, 99), 255).save(tmp_path / "blank.png")
    soundfile.write(tmp_path / "silence.wav", np.zeros(8_000), 8_000)
    with visit(address) as page:
        picture, recording = (page.page.locator(f".{s} input[type=file]") for s in ("picture", "recording"))
        problem = page.page.locator(".picture .problem")
        for name, words in (("text.png", "picture"), ("blank.png", "shows no ink")):
            picture.set_input_files(tmp_path / name)
            problem.filter(has_text=words).wait_for(timeout=PATIENCE)
        recording.set_input_files(tmp_path / "silence.wav")
        page.page.locator(".recording .problem").filter(has_text="is silent").wait_for(timeout=PATIENCE)
        recording.set_input_files(WEB / "examples" / "nine.wav")
        page.page.wait_for_selector("#headline:text-is('9')", timeout=PATIENCE)
        page.settle()
        assert page.page.inner_text(".recording .problem") == ""
        assert not [each for each in page.problems if "422" not in each]  # the server's own refusal


MINE = """async (pairs) => {
  const { localEngine } = await import("./engine.js");
  const { pixels } = await import("./picture.js");
  const { decoded } = await import("./sound.js");
  const engine = await localEngine(document.baseURI);
  const blob = (text) => new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]);
  const found = [];
  for (const { image, audio } of pairs) {
    const given = {};
    if (image) given.image = { pixels: await pixels(blob(image)) };
    if (audio) given.audio = { sound: await decoded(blob(audio)) };
    const { contents, errors } = await engine.read(given);
    if (Object.keys(errors).length) throw new Error(JSON.stringify(errors));
    const { answer, milliseconds } = await engine.predict(given, contents);
    const plain = Object.entries(contents).map(([modality, { data }]) => [modality, [...data]]);
    found.push({ answer, milliseconds, contents: Object.fromEntries(plain) });
  }
  return found;
}"""


@pytest.mark.long
def test_a_page_without_a_server_says_what_python_says(
    static_page: Path, packaged: GraphPredictor, shared_data: Path
) -> None:
    """Of 200 real inputs, in turn a pair, a picture, a recording, the last five with a recording of several
    words: the same contents, but for a step of 16 bits in one of many samples, and the same answers."""
    pairs = list(real_pairs(shared_data, 200))
    with serving(static_page) as found, visit(found) as page:
        encoded = [{m: base64.b64encode(x).decode() for m, x in pair.items()} for pair in pairs]
        results = page.page.evaluate(MINE, encoded)
        page.check()
    same_contents, same_files = [], []
    for pair, result in zip(pairs, results, strict=True):
        contents = {m: packaged.read(m, source) for m, source in pair.items()}
        read = {m: np.asarray(result["contents"][m]).reshape(x.shape) for m, x in contents.items()}
        for modality, content in contents.items():
            steps = np.abs(read[modality] - content.astype(int))
            assert steps.max() <= (1 if modality == "audio" else 0)
            assert (steps > 0).mean() < 2e-4
        answered = result["answer"]
        of_contents = packaged.predict_contents({m: x.astype(contents[m].dtype) for m, x in read.items()})
        of_files = packaged.predict(**pair)
        assert result["answer"]["label"] == of_files.label
        same_contents.append(close(answered, of_contents.to_dict()))
        same_files.append(close(answered, of_files.to_dict()))
    milliseconds = np.median([result["milliseconds"] for result in results])
    print(f"of the same contents {max(same_contents):.1e}; of files {max(same_files):.1e}, ", end="")
    print(f"median {np.median(same_files):.1e}; {milliseconds:.0f} ms a pair")
    assert max(same_contents) <= TOLERANCE
    assert max(same_files) <= TOLERANCE


def real_pairs(shared_data: Path, count: int) -> Iterator[dict[str, bytes]]:
    """Digits written and spoken by people, in files; the last five recordings are of many words."""
    from seesay.formats.idx import read_idx

    pictures = read_idx(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz", 3)
    recordings = sorted((shared_data / "fsdd").rglob("*.wav"))[:: 3_000 // count]
    recordings = recordings[: count // 2] + sorted(shared_data.glob("speech_commands/*/*.wav"))[: count // 2]
    for i in range(count):
        png = io.BytesIO()
        Image.fromarray(np.asarray(pictures[i]).reshape(28, 28)).save(png, "PNG")
        wav = recordings[i % len(recordings)].read_bytes()
        if i >= count - 5:
            words = [soundfile.read(path) for path in recordings[i - 9 : i : 3]]
            long, file = np.concatenate([samples for samples, _ in words]), io.BytesIO()
            soundfile.write(file, long, words[0][1], format="WAV", subtype="PCM_16")
            wav = file.getvalue()
        yield ({"image": png.getvalue(), "audio": wav}, {"image": png.getvalue()}, {"audio": wav})[
            0 if i >= count - 2 else 2 if i >= count - 5 else i % 3
        ]


def fake(spec: Spec, knowing: bool = True) -> dict[str, Any]:
    """What a server with a model of this spec says: the first class of all, whatever comes."""
    types = {m: InputType(each.shape, each.integers or "float32") for m, each in spec.contents.items()}

    def say(parts: dict[str, bytes]) -> tuple[int, dict[str, Any]]:
        chances = np.linspace(len(spec.classes), 1, len(spec.classes))
        chances /= chances.sum()
        found = {Condition(m): chances for m in parts} | {Condition.of(list(parts)): chances}
        known = dict.fromkeys(found, 0.9) if knowing else {}
        said = answer(spec, found, known, [])
        return 200, said.to_dict() | {"label": said.label}

    return {"model": description(spec, types, "other"), "answer": staticmethod(say)}


BIRDS = Spec(
    tuple(f"bird of the {i}th kind" for i in range(60)), {"image": PictureSpec(reader="photo", channels=3)}
)


@pytest.mark.long
def test_a_model_of_photos_has_a_camera_and_no_sheet(tmp_path: Path) -> None:
    Image.effect_noise((300, 200), 50).convert("RGB").save(tmp_path / "photo.jpg")
    with serving(WEB, **fake(BIRDS)) as found, visit(found) as page:
        assert page.page.locator(".recording, .undo:visible").count() == 0
        assert page.page.locator("#examples").is_hidden()
        page.page.get_by_role("button", name="Camera").click()
        page.page.get_by_role("button", name="Take the picture").click()
        page.page.wait_for_selector("#headline:text-is('bird of the 0th kind')", timeout=PATIENCE)
        page.clear("picture")
        page.page.locator(".picture input[type=file]").set_input_files(tmp_path / "photo.jpg")
        page.page.wait_for_selector("#headline:text-is('bird of the 0th kind')", timeout=PATIENCE)
        assert page.page.locator("#together .row").count() == 60
        page.check()


@pytest.mark.long
def test_a_model_of_sounds_and_something_else() -> None:
    spec = Spec(("dog", "rooster"), {"audio": WaveformSpec(), "touch": VectorSpec(12)})
    with serving(WEB, **fake(spec, knowing=False)) as found, visit(found) as page:
        assert page.page.locator(".picture").count() == 0
        assert "touch" in page.page.inner_text("#elsewhere")
        page.page.locator(".recording input[type=file]").set_input_files(WEB / "examples" / "nine.wav")
        page.page.wait_for_selector("#headline:text-is('dog')", timeout=PATIENCE)
        page.check()


@pytest.mark.long
def test_a_server_asks_for_its_token_and_its_end_is_said(packaged: GraphPredictor) -> None:
    with page_of(packaged, token="open sesame") as found:  # noqa: SIM117
        with visit(found, ready="dialog[open]") as page:
            for word in ("guess", "open sesame"):
                page.page.fill("dialog input", word)
                page.page.get_by_role("button", name="Go on").click()
            page.page.wait_for_selector("main[data-state=empty]", timeout=PATIENCE)
            page.draw(SEVEN)
            assert page.headline == "7"
            page.page.reload()  # the token is kept for this tab
            page.page.wait_for_selector("main[data-state=empty]", timeout=PATIENCE)
            assert page.page.locator("dialog[open]").count() == 0
            page.page.route("**/predict", lambda route: route.abort())
            page.draw(SEVEN)
            assert page.state == "error"
            assert "No answer from the server" in page.sentence
            page.page.unroute("**/predict")
            page.draw([])
            page.clear("picture")
            page.draw(SEVEN)
            assert page.headline == "7"


@pytest.mark.long
def test_a_token_may_come_with_the_address(packaged: GraphPredictor) -> None:
    with page_of(packaged, token="open sesame") as found:  # noqa: SIM117
        with visit(f"{found}#token=open+sesame") as page:
            assert "token" not in page.page.url
            page.draw(SEVEN)
            assert page.headline == "7"
            assert not page.problems
    with page_of(packaged, token="open sesame") as found:  # noqa: SIM117
        with visit(f"{found}#token=guess", ready="dialog[open]", color_scheme="dark") as page:
            assert page.page.inner_text("dialog .problem") == "That was not it."
            assert page.page.evaluate("document.activeElement.name") == "token"
            page.page.keyboard.type("open sesame")
            page.page.keyboard.press("Enter")
            page.page.wait_for_selector("main[data-state=empty]", timeout=PATIENCE)


TOKEN = """
globalThis.location = { hash: process.argv[1], pathname: "/", search: "" };
const kept = new Map(JSON.parse(process.argv[2]));
const getItem = (key) => kept.get(key) ?? null;
globalThis.sessionStorage = { getItem, setItem: (key, x) => kept.set(key, x) };
let shown = null;
globalThis.history = { replaceState: (state, title, address) => (shown = address) };
const { knownToken } = await import("FOLDER/token.js");
console.log(JSON.stringify({ token: knownToken(), kept: [...kept], shown }));
"""


@in_node
def test_a_token_in_the_address_is_kept_and_hidden() -> None:
    assert NODE is not None
    before = [["seesay-token", "old"]]
    for place, kept, token, shown in (
        ("#token=a%20b", [], "a b", "/"),
        ("#token=new", before, "new", "/"),
        ("", before, "old", None),
        ("#answer", [], "", None),
    ):
        words = [NODE, "--no-warnings", "--experimental-default-type=module", "--input-type=module", "-e"]
        words += [TOKEN.replace("FOLDER", f"file://{WEB}"), "--", place, json.dumps(kept)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["token"], found["shown"]) == (token, shown)
        assert found["kept"] == ([["seesay-token", token]] if token else [])


SIZES = [(390, 844), (768, 1024), (1440, 900)]


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_any_screen(packaged: GraphPredictor, scheme: str) -> None:
    with page_of(packaged) as found:
        for width, height in SIZES:
            size = {"width": width, "height": height}
            with visit(found, viewport=size, color_scheme=scheme, reduced_motion="reduce") as page:
                page.page.locator(".cards button").nth(1).click()
                page.page.wait_for_selector("main[data-state=conflict]", timeout=PATIENCE)
                wide = page.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width
                small = page.page.evaluate(
                    "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && "
                    "(b.offsetHeight < 40 || b.scrollWidth > b.clientWidth + 1)).map((b) => b.outerHTML)"
                )
                assert not small
                page.check()
