"""Teaching in the page: its heads against Python's arithmetic, the file that it writes and what opens it."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.special import log_softmax

import seesay
from page_server import WEB
from seesay.cli import main
from seesay.errors import InputError
from seesay.learn.run import Run
from seesay.learn.taught import read_taught
from seesay.model.fingerprint import fingerprint
from seesay.model.temperature import fit_temperature, nll
from seesay.serve.graph import GraphPredictor
from served import png, predictor, wav
from test_page import NODE, in_node
from tiny import tiny_run

SCRIPT = """
import { readFileSync } from "node:fs";
const { headOf, logitsOf } = await import("FOLDER/teach_head.js");
const { taught, taughtAnswer, taughtFile } = await import("FOLDER/taught.js");
const plain = (head) => ({ ...head, weight: [...head.weight], bias: [...head.bias] });
const { heads = [], model = null } = JSON.parse(readFileSync(0, "utf8"));
const found = { heads: heads.map(({ samples, classes }) => plain(headOf(samples, classes))) };
if (model) {
  const { modalities, names, samples, base, rows } = model;
  const made = taught(modalities, names.length, samples);
  found.nothing = made === null;
  if (made) {
    const all = made.classes.map((k) => names[k]);
    const mistaken = [...made.mistaken].map(([sample, other]) => [samples.indexOf(sample), other]);
    Object.assign(found, { scores: made.scores, weight: made.weight, classes: all, mistaken });
    found.leftOut = Object.fromEntries(made.modalities.map((m) => [m, made.heads[m].leftOut]));
    found.answers = rows.map(({ windows, long }) => taughtAnswer(made, all, windows, long));
    found.file = Buffer.from(taughtFile(made, all, base)).toString("base64");
  }
}
console.log(JSON.stringify(found));
"""


def in_page(**values: Any) -> dict[str, Any]:
    """What the page's modules make of these values, in node."""
    assert NODE is not None
    script = SCRIPT.replace("FOLDER", f"file://{WEB}")
    words = [NODE, "--no-warnings", "--experimental-default-type=module", "--input-type=module", "-e", script]
    given = json.dumps(values)
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def drawn(random: np.random.Generator, counts: list[int], dim: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Encodings around a centre for each class, and their labels, in a random order."""
    label = random.permutation(np.repeat(np.arange(len(counts)), counts))
    centres = random.normal(size=(len(counts), dim))
    return centres[label] + 0.9 * random.normal(size=(len(label), dim)) + 3, label


def ridge(
    encodings: np.ndarray, label: np.ndarray, weight: np.ndarray, penalty: float, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight, bias and class fractions of weighted ridge regression with a free bias, as the normal equations
    have it; `penalty` is absolute."""
    rows = np.hstack([encodings, np.ones((len(encodings), 1))])
    shrink = penalty * np.eye(rows.shape[1])
    shrink[-1, -1] = 0
    target = np.eye(classes)[label]
    solved = np.linalg.solve(rows.T @ (weight[:, None] * rows) + shrink, rows.T @ (weight[:, None] * target))
    return solved[:-1].T, solved[-1], weight @ target / weight.sum()


@in_node
@pytest.mark.parametrize("counts", [[5, 5, 5, 5, 5], [2, 2], [7, 2, 4, 0, 3], [40, 3]])
def test_a_head_is_that_of_python_and_leaving_out_is_fitting_again(counts: list[int]) -> None:
    """Refitted without a sample by the normal equations, with the same penalty and weights; of the
    temperature, by the calibration of seesay's own heads."""
    encodings, label = drawn(np.random.default_rng(len(counts)), counts)
    samples = {"encodings": encodings.tolist(), "label": label.tolist()}
    (found,) = in_page(heads=[{"samples": samples, "classes": len(counts)}])["heads"]
    many = np.bincount(label, minlength=len(counts))
    each = len(label) / ((many > 0).sum() * np.maximum(many, 1))
    weight = each[label]
    spread = encodings - weight @ encodings / weight.sum()
    size = float((weight @ (spread**2).sum(1)) / weight.sum())

    def fitted(penalty: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
        slope, bias, prior = ridge(encodings, label, weight, penalty * size, len(counts))
        left_out = []
        for i in range(len(label)):
            rest = np.arange(len(label)) != i
            each = ridge(encodings[rest], label[rest], weight[rest], penalty * size, len(counts))
            left_out.append(each[0] @ encodings[i] + each[1] - each[2] + prior)
        scores, smoothing = np.array(left_out), 1 / (len(label) + 2)
        temperature = fit_temperature(scores, label, smoothing, 0.0, weight)
        log_p = log_softmax(scores / temperature, axis=1)
        of_label = log_p[np.arange(len(label)), label]
        loss = -np.average((1 - smoothing) * of_label + smoothing * log_p.mean(1), weights=weight)
        return slope, bias, scores, temperature, float(loss)

    slope, bias, scores, temperature, loss = fitted(found["penalty"])
    assert found["temperature"] == pytest.approx(temperature, rel=1e-4)
    np.testing.assert_allclose(found["leftOut"], scores / temperature, atol=2e-4)
    np.testing.assert_allclose(np.reshape(found["weight"], slope.shape), slope / temperature, atol=2e-4)
    np.testing.assert_allclose(found["bias"], bias / temperature, atol=1e-3)
    for penalty in (10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001):
        assert loss <= fitted(penalty)[-1] + 1e-6


@in_node
def test_probabilities_of_left_out_samples_are_honest() -> None:
    """Of noise that says nothing of the class, no more than chance is claimed; of clear samples, much."""
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(5), 5)
    noise = random.normal(size=(25, 64))
    clear = np.eye(64)[label] * 9 + 0.1 * noise
    given = [
        {"samples": {"encodings": each.tolist(), "label": label.tolist()}, "classes": 5}
        for each in (noise, clear)
    ]
    of_noise, of_clear = (np.array(head["leftOut"]) for head in in_page(heads=given)["heads"])
    assert nll(of_noise, label) < np.log(5) + 0.1
    assert nll(of_clear, label) < 0.1


NAMES = ["moon", "star", "sun", "only said", "too few"]


def two_senses(random: np.random.Generator) -> list[dict[str, Any]]:
    """Samples: three classes have pictures and recordings, one only recordings, the last but one of each."""
    samples = []
    for modality, counts, spread in (("image", [5, 4, 3, 0, 1], 1.5), ("audio", [3, 5, 5, 4, 1], 2.5)):
        centres = random.normal(size=(5, 8))
        for k, count in enumerate(counts):
            rows = centres[k] + spread * random.normal(size=(count, 8)) / 2
            samples += [{"modality": modality, "label": k, "encoding": row} for row in rows.tolist()]
    return samples


BASE = {"name": "digits", "encoders": "0" * 32, "seesay": "1.0"}


@in_node
def test_the_sum_is_calibrated_on_left_out_pairs_and_the_score_counts_them() -> None:
    samples = two_senses(np.random.default_rng(3))
    model = {"modalities": ["image", "audio"], "names": NAMES, "samples": samples, "base": BASE, "rows": []}
    found = in_page(model=model)
    assert found["classes"] == NAMES[:4]
    used = {
        m: np.array([s["label"] for s in samples if s["modality"] == m and s["label"] < 4])
        for m in ("image", "audio")
    }
    left_out = {m: np.array(each) for m, each in found["leftOut"].items()}
    i, j = np.nonzero(used["image"][:, None] == used["audio"][None])
    pairs, label = left_out["image"][i] + left_out["audio"][j], used["image"][i]
    weight = 1 / np.bincount(label, minlength=4).clip(1)[label]
    temperature = fit_temperature(pairs, label, 1 / (len(used["image"]) + 2), 0.0, weight)
    assert found["weight"] == pytest.approx(1 / temperature, rel=1e-4)
    scores = {m: [int((left_out[m].argmax(1) == used[m]).sum()), len(used[m])] for m in used}
    scores["image+audio"] = [int((pairs.argmax(1) == label).sum()), len(label)]
    assert {name: [each["right"], each["total"]] for name, each in found["scores"].items()} == scores
    wrong = sum(total - right for right, total in (scores["image"], scores["audio"]))
    assert len(found["mistaken"]) == wrong
    assert all(samples[i]["label"] != other for i, other in found["mistaken"])


@in_node
def test_nothing_is_taught_before_two_classes_have_two_samples() -> None:
    samples = [{"modality": "image", "label": k, "encoding": [k, 1.0]} for k in (0, 0, 1)]
    model = {"modalities": ["image", "audio"], "names": NAMES, "samples": samples, "base": BASE, "rows": []}
    assert in_page(model=model)["nothing"]
    model["samples"] = [*samples, {"modality": "image", "label": 1, "encoding": [1.5, 0.0]}]
    assert in_page(model=model)["classes"] == NAMES[:2]


# ---------------------------------------------------------------------------------------------- the file


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run(tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="module")
def graph(tiny: Run) -> GraphPredictor:
    """Its graph: of a run that was trained alike."""
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    found = predictor()
    assert found.graph.encoders == fingerprint(tiny.model())
    return found


def plain(graph: GraphPredictor, **files: bytes) -> dict[str, Any]:
    """A row as an engine's `encode` gives it: its windows, and the modality of a long recording."""
    contents = {m: graph.read(m, source) for m, source in files.items()}
    return graph.encode_contents(contents).to_dict() | {"long": graph.long_modality(contents)}


@pytest.fixture(scope="module")
def taught(tiny: Run, graph: GraphPredictor) -> dict[str, Any]:
    """What the page makes of the tiny model's encodings, and what it answers to ROWS."""
    if NODE is None:
        pytest.skip("no node here to run the page's modules")
    samples = [sample(graph, m, k, i) for m in ("image", "audio") for k in range(3) for i in range(4)]
    rows = [plain(graph, **row) for row in ROWS]
    return in_page(model=asked(graph, ["star", "Mond", "日"], samples, rows))


def sample(graph: GraphPredictor, modality: str, label: int, seed: int) -> dict[str, Any]:
    """A sample of the page: of a content of the tiny model's class `label`."""
    make = {"image": png, "audio": wav}[modality]
    encoding = plain(graph, **{modality: make(label, seed)})["windows"][0]["encodings"][modality]
    return {"modality": modality, "label": label, "encoding": encoding}


def asked(graph: GraphPredictor, names: list[str], samples: list[Any], rows: list[Any]) -> dict[str, Any]:
    """What SCRIPT makes a model of."""
    base = {"name": "tiny", "encoders": graph.graph.encoders, "seesay": "1.0"}
    return {"modalities": ["image", "audio"], "names": names, "samples": samples, "base": base, "rows": rows}


ROWS: list[dict[str, bytes]] = [
    {"image": png(0, 9)},
    {"audio": wav(1, 9)},
    {"image": png(2, 8), "audio": wav(2, 8)},
    {"image": png(2, 8), "audio": wav(0, 8)},
    {"image": png(1, 8), "audio": wav(1, 8, samples=5_000)},
    {"audio": wav(1, 8, samples=700)},
]
"""The fifth has a long recording."""


@pytest.fixture
def file(taught: dict[str, Any], tiny: Run, request: pytest.FixtureRequest) -> Path:
    """The file that the page wrote, in the folder of its base."""
    path = tiny.folder / f"{request.node.name[:40].replace('[', '_')}.safetensors"
    path.write_bytes(base64.b64decode(taught["file"]))
    return path


def apart(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest difference of a probability of two answers with the same label."""
    assert found["scores"][0]["label"] == expected["scores"][0]["label"]
    assert found["known"] is expected["known"] is None
    assert len(found["segments"]) == len(expected["segments"])
    pairs = [(found["scores"], expected["scores"])]
    pairs += [(found["opinions"][m], expected["opinions"][m]) for m in expected["opinions"]]
    differences = []
    for one, other in pairs:
        scores = {each["label"]: each["score"] for each in other}
        differences += [abs(each["score"] - scores[each["label"]]) for each in one]
    return max(differences)


@in_node
def test_python_opens_the_file_and_answers_as_the_page_did(taught: dict[str, Any], file: Path) -> None:
    model = seesay.load(file)
    assert list(model.spec.classes) == ["star", "Mond", "日"]
    for row, answer in zip(ROWS, taught["answers"], strict=True):
        assert apart(answer, model.predict(**row).to_dict()) < 1e-4
    assert [taught["answers"][i]["scores"][0]["label"] for i in range(3)] == ["star", "Mond", "日"]


@in_node
def test_the_command_line_opens_it_and_its_run_is_made_once(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "star.png").write_bytes(png(0, 9))
    assert main(["predict", str(file), "--image", str(tmp_path / "star.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["label"] == "star"
    run = Run.open(file)
    assert run.folder == Run.open(file).folder
    assert run.adapted_from == str(file.parent)
    assert fingerprint(run.model()) == fingerprint(Run.open(file.parent).model())


@in_node
def test_a_file_with_one_modality_takes_only_that(file: Path, graph: GraphPredictor) -> None:
    samples = [sample(graph, "audio", k, i) for k in range(2) for i in range(3)]
    found = in_page(model=asked(graph, ["a", "b"], samples, [plain(graph, audio=wav(1, 7))]))
    file.write_bytes(base64.b64decode(found["file"]))
    opened = seesay.load(file)
    assert opened.spec.modalities == ("audio",)
    assert apart(found["answers"][0], opened.predict(audio=wav(1, 7)).to_dict()) < 1e-4


@in_node
def test_without_its_base_one_line_says_which_it_was(file: Path, tmp_path: Path) -> None:
    alone = tmp_path / "taught.safetensors"
    alone.write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"another model \('tiny', encoders \w{12}\).*Move it into"):
        Run.open(alone)


Change = Callable[[dict[str, torch.Tensor], dict[str, Any]], None]

DAMAGES: dict[str, Change] = {
    "no metadata": lambda tensors, said: said.clear(),
    "a class twice": lambda tensors, said: said.update(classes=["a", "a", "b"]),
    "a class too few": lambda tensors, said: said.update(classes=["a", "b"]),
    "no class": lambda tensors, said: said.update(classes=7),
    "a line break": lambda tensors, said: said.update(base="a\nb"),
    "another modality": lambda tensors, said: said.update(modalities=["image", "touch"]),
    "a tensor too many": lambda tensors, said: tensors.update(more=torch.zeros(1)),
    "not a number": lambda tensors, said: tensors["heads.image.0.bias"].fill_(torch.nan),
    "negative weights": lambda tensors, said: tensors["fusion.weight"].fill_(-1),
    "doubles": lambda tensors, said: tensors.update({"fusion.weight": torch.ones(2).double()}),
    "another size": lambda tensors, said: tensors.update({"heads.image.0.weight": torch.zeros(3, 9)}),
    "another base": lambda tensors, said: said.update(encoders="f" * 32),
}


@in_node
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_tampered_file_gets_one_line(damage: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors, said = load_file(file), json.loads(metadata_of(file)["taught"])
    DAMAGES[damage](tensors, said)
    save_file(tensors, file, {"taught": json.dumps(said)})
    picture = file.with_suffix(".png")
    picture.write_bytes(png())
    assert main(["predict", str(file), "--image", str(picture)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(file) in error


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "np") as opened:
        return opened.metadata()


@in_node
@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"\xff" * 9, b'{"no": "safetensors"}'])
def test_what_is_no_such_file_gets_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a file of taught classes"):
        read_taught(path)


@in_node
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_a_file_cut_short_gets_one_line(fraction: float, file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(InputError, match="is not a file of taught classes"):
        Run.open(file)
