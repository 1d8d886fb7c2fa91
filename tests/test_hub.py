"""Runs that go to a hub and come back, bit for bit, and what does not fit is one line. The hub is a small one
on this machine; the client is the hub's own library."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars, logging

from hub_server import TOKEN, Hub
from seesay.cli import main
from seesay.learn.run import Run
from seesay.measure.evaluate import evaluate
from seesay.measure.model_card import keep
from seesay.serve.hub import belongs, files_of, notes_on, pull, push
from tiny import STILL, tiny_config, tiny_data, tiny_run

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")
"""Of the hub's library, which uploads so."""

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub for the library, and a token. Large files go by LFS: xet needs a server of its own."""
    with Hub() as hub:
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        logging.set_verbosity_error()
        disable_progress_bars()
        yield hub


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished and evaluated run, with what else may lie in its folder. Not to be changed."""
    run = tiny_run(tmp_path_factory.mktemp("runs") / "run", config=tiny_config(2, augment=STILL))
    model, data = run.model(), tiny_data()
    keep(run, model, data, evaluate(model, data, data.rows_of("test")))
    for name in ("notes.txt", "state.safetensors", "mlflow/run.json", "figures/raw.npy", "code.py"):
        (run.folder / name).parent.mkdir(exist_ok=True)
        (run.folder / name).write_text("mine")
    return run


FILES = ["README.md", "config.json", "epochs.jsonl", "metrics.json", "model.safetensors"]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refused(capsys: Captured, *words: str | Path) -> str:
    """The one line with which a command ends."""
    assert main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    line = err.splitlines()[-1]
    assert line.startswith("seesay: ")
    assert all(each.startswith("Note: ") for each in err.splitlines()[:-1]), err
    return line


# --------------------------------------------------------------------------------------------- there and back


def test_a_run_comes_back_bit_for_bit(hub: Hub, run: Run, tmp_path: Path, capsys: Captured):
    assert main(["push", str(run.folder), "owner/digits"]) == 0
    assert f"to {hub.endpoint}/owner/digits\n" in capsys.readouterr().out
    assert main(["pull", "owner/digits", "--out", str(tmp_path / "copy")]) == 0
    copy = contents(tmp_path / "copy")
    assert copy == {name: content for name, content in contents(run.folder).items() if belongs(name)}
    figures = {f"figures/{kind}_{c}.png" for kind in ("confusion", "mistakes") for c in ("image", "audio")}
    assert set(copy) >= {*FILES, *figures, "figures/learning_curves.png"}
    assert not any(name.endswith((".py", ".txt", ".npy")) or "state" in name for name in copy)
    assert hub.objects, "the weights went as a large file"
    again = Run.open(tmp_path / "copy").model().state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in run.model().state_dict().items())


@pytest.mark.long
def test_from_outside_the_library_finds_the_hub_by_itself(hub: Hub, run: Run, tmp_path: Path):
    """By HF_ENDPOINT and HF_TOKEN alone, without progress bars in a pipe."""
    program = "import sys; from seesay.cli import main; sys.exit(main(sys.argv[1:]))"
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    for words in (["push", run.folder, "owner/digits"], ["pull", "owner/digits", "--out", tmp_path / "copy"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], env=os.environ | settings, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert all(line.startswith("Note: ") for line in done.stderr.splitlines()), done.stderr
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == (
        run.folder / "model.safetensors"
    ).read_bytes()


def test_the_second_push_takes_the_place_of_the_first(hub: Hub, run: Run, tmp_path: Path):
    """What the run no longer has goes; what others put there stays. All is one commit."""
    repository = push(run, "owner/digits")[0]
    there = hub.repositories["owner/digits"].branches["main"]
    there |= {"figures/old.png": b"old", "LICENSE": b"theirs", "data/rows.csv": b"theirs"}
    assert push(run, "owner/digits")[0] == repository
    there = hub.repositories["owner/digits"].branches["main"]
    assert set(there) == {*files_of(run), ".gitattributes", "LICENSE", "data/rows.csv"}
    assert len(hub.repositories["owner/digits"].messages) == 2
    assert hub.repositories["owner/digits"].messages[0].startswith("Upload run with seesay ")


def test_an_unchanged_run_makes_no_commit(hub: Hub, run: Run):
    push(run, "owner/digits")
    push(run, "owner/digits")
    assert len(hub.repositories["owner/digits"].messages) == 1


def test_a_revision_is_a_branch_of_its_own(hub: Hub, run: Run, tmp_path: Path, capsys: Captured):
    push(run, "owner/digits", revision="second")
    assert set(hub.repositories["owner/digits"].branches["main"]) == {".gitattributes"}
    push(run, "owner/digits", revision="second")
    pull("owner/digits@second", tmp_path / "copy")
    assert set(contents(tmp_path / "copy")) == set(files_of(run))
    assert "owner/digits has no revision 'third'" in refused(
        capsys, "pull", "owner/digits@third", "--out", tmp_path / "b"
    )


def test_a_private_repository_stays_so(
    hub: Hub, run: Run, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(2):
        push(run, "owner/secret", private=True)
    assert hub.repositories["owner/secret"].private
    pull("owner/secret", tmp_path / "copy")
    monkeypatch.delenv("HF_TOKEN")
    line = refused(capsys, "pull", "owner/secret", "--out", tmp_path / "other")
    assert f"there is no owner/secret at {hub.endpoint}, or not for you" in line
    assert "HF_TOKEN" in line


def test_what_shall_be_private_never_goes_to_a_public_one(hub: Hub, run: Run, capsys: Captured):
    main(["push", str(run.folder), "owner/digits"])
    before = dict(hub.repositories["owner/digits"].branches["main"])
    (hub.repositories["owner/digits"]).messages.clear()
    capsys.readouterr()
    line = refused(capsys, "push", run.folder, "owner/digits", "--private")
    assert "owner/digits is public already" in line
    assert hub.repositories["owner/digits"].branches["main"] == before


# ---------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "name", ["digits", "a/b/c", "owner/", "/digits", "owner/di gits", "owner/a..b", "ö/a"]
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_asked(
    hub: Hub, run: Run, tmp_path: Path, capsys: Captured, name: str
):
    for words in (["push", run.folder, name], ["pull", name, "--out", tmp_path / "copy"]):
        assert "is not the name of a repository. Give owner/name" in refused(capsys, *words)
    assert hub.requests == []
    assert list(tmp_path.iterdir()) == []


def test_no_token(hub: Hub, run: Run, capsys: Captured, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_TOKEN")
    line = refused(capsys, "push", run.folder, "owner/digits")
    assert line == "seesay: there is no Hugging Face token. Run `hf auth login`, or set HF_TOKEN."
    assert hub.requests == []


@pytest.mark.parametrize(
    ("token", "name", "says"),
    [
        ("hf_wrong", "owner/digits", "answered 401"),
        (TOKEN, "somebody/digits", "answered 403"),
    ],
)
def test_a_token_that_may_not_write(
    hub: Hub, run: Run, capsys: Captured, monkeypatch: pytest.MonkeyPatch, token: str, name: str, says: str
):
    monkeypatch.setenv("HF_TOKEN", token)
    line = refused(capsys, "push", run.folder, name)
    assert says in line
    assert "Check your token" in line
    assert hub.repositories == {}


def test_no_such_repository(hub: Hub, tmp_path: Path, capsys: Captured):
    line = refused(capsys, "pull", "owner/nothing", "--out", tmp_path / "copy")
    assert "there is no owner/nothing" in line
    assert list(tmp_path.iterdir()) == []


def test_no_revision_after_the_sign(tmp_path: Path, capsys: Captured):
    assert "no revision after @" in refused(capsys, "pull", "owner/digits@", "--out", tmp_path / "copy")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"config.json": None}, "it has no config.json"),
        ({"model.safetensors": None}, "it has no model.safetensors"),
        ({"config.json": b"{}"}, "config.json is not what seesay wrote"),
        ({"config.json": b'{"model_type": "bert"}'}, "config.json is not what seesay wrote"),
        ({"config.json": b"\x80\x04pickle"}, "config.json is not what seesay wrote"),
        ({"model.safetensors": b"\x80\x04pickle"}, "Error while deserializing header"),
        ({"model.safetensors": 100}, "Error while deserializing header"),
    ],
)
def test_what_is_no_run_is_refused_and_leaves_nothing(
    hub: Hub, run: Run, tmp_path: Path, capsys: Captured, changes: dict[str, bytes | int | None], says: str
):
    push(run, "owner/other")
    files = hub.repositories["owner/other"].branches["main"]
    for name, content in changes.items():
        if content is None:
            del files[name]
        else:
            files[name] = files[name][:-content] if isinstance(content, int) else content
    line = refused(capsys, "pull", "owner/other", "--out", tmp_path / "copy")
    assert line.startswith("seesay: owner/other is not a run of seesay: ")
    assert says in line
    assert str(tmp_path) not in line
    assert list(tmp_path.iterdir()) == []


def test_files_that_no_run_has_are_not_fetched(hub: Hub, run: Run, tmp_path: Path):
    push(run, "owner/digits")
    strange = [
        "model.pkl",
        "code.py",
        "encoders/a.py",
        "figures/a.svg",
        "../escape.png",
        "figures/../../a.png",
    ]
    hub.repositories["owner/digits"].branches["main"] |= dict.fromkeys(strange, b"x")
    pull("owner/digits", tmp_path / "copy")
    assert set(contents(tmp_path)) == {f"copy/{name}" for name in files_of(run)}
    assert not any(name in request for request in hub.requests for name in strange)


def test_a_folder_that_is_there_is_not_replaced(hub: Hub, run: Run, tmp_path: Path, capsys: Captured):
    push(run, "owner/digits")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "notes.txt").write_text("mine")
    words = ["pull", "owner/digits", "--out", tmp_path / "copy"]
    assert "exists already" in refused(capsys, *words)
    assert "was not made by seesay" in refused(capsys, *words, "--overwrite")
    (tmp_path / "copy" / "notes.txt").rename(tmp_path / "copy" / "epochs.jsonl")
    assert main([str(word) for word in [*words, "--overwrite"]]) == 0
    assert set(contents(tmp_path / "copy")) == set(files_of(run))


def test_a_download_that_breaks_off_leaves_nothing(hub: Hub, run: Run, tmp_path: Path, capsys: Captured):
    push(run, "owner/digits")
    hub.fails = lambda request: 404 if request.endswith("model.safetensors") else None
    line = refused(capsys, "pull", "owner/digits", "--out", tmp_path / "copy")
    assert line.startswith(f"seesay: {hub.endpoint} ")
    assert "404" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["create", "preupload", "PUT", "commit"])
def test_an_upload_that_breaks_off_changes_nothing(hub: Hub, run: Run, capsys: Captured, step: str):
    push(run, "owner/digits")
    hub.repositories["owner/digits"].branches["main"]["epochs.jsonl"] = b""
    hub.objects.clear()
    hub.fails = lambda request: 418 if step in request else None
    line = refused(capsys, "push", run.folder, "owner/digits")
    assert line.startswith(f"seesay: {hub.endpoint} ")
    assert "418" in line
    assert hub.repositories["owner/digits"].branches["main"]["epochs.jsonl"] == b""


def test_nobody_answers(hub: Hub, run: Run, tmp_path: Path, capsys: Captured):
    hub.server.server_close()
    for words in (["push", run.folder, "owner/a"], ["pull", "owner/a", "--out", tmp_path / "copy"]):
        line = refused(capsys, *words)
        assert f"{hub.endpoint} cannot be used: " in line
        assert line.endswith("Check the connection.")


def test_a_card_that_the_hub_refuses(hub: Hub, tmp_path: Path, capsys: Captured):
    run = tiny_run(tmp_path / "run", config=tiny_config(1))
    run.write("README.md", "---\nlicense: [\n---\n")
    line = refused(capsys, "push", run.folder, "owner/digits")
    assert "Invalid metadata in README.md" in line
    assert set(hub.repositories["owner/digits"].branches["main"]) == {".gitattributes"}


def test_no_model_yet(hub: Hub, run: Run, tmp_path: Path, capsys: Captured):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.json").write_bytes((run.folder / "config.json").read_bytes())
    assert "has no model.safetensors yet" in refused(capsys, "push", tmp_path / "new", "owner/digits")
    assert hub.requests == []


def test_the_library_is_not_there(run: Run, capsys: Captured, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    line = refused(capsys, "push", run.folder, "owner/digits")
    assert "huggingface_hub is not installed. Run `pip install 'seesay[hub]'`." in line


# ------------------------------------------------------------------------------------------------------ notes


def test_an_upload_says_what_others_will_see(run: Run, tmp_path: Path):
    assert [note for note in notes_on(run) if "rows of the data" in note]
    new = tiny_run(tmp_path / "run", config=tiny_config(2), source=str(tmp_path / "patients"))
    lines = new.epochs()
    new.write("epochs.jsonl", json.dumps({**lines[0], "last": False}) + "\n")
    unfinished, no_card, path = notes_on(new)
    assert "is not finished: it has 1 of its 2 epochs" in unfinished
    assert "seesay evaluate" in no_card
    assert str(tmp_path / "patients") in path


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("config.json", True),
        ("encoders/image.onnx", True),
        ("encoders/image.onnx.json", True),
        ("figures/confusion_image.png", True),
        ("state.safetensors", False),
        ("figures/deep/a.png", False),
        ("figures\\..\\a.png", False),
        ("config.json\n", False),
        ("tensorboard/events.out", False),
    ],
)
def test_which_files_belong_to_a_run(name: str, ours: bool):
    assert belongs(name) == ours
