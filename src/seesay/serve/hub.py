"""Runs on the Hugging Face hub: `push` uploads the files of a run, `pull` downloads a run.

Endpoint and token are those of huggingface_hub: HF_ENDPOINT, and HF_TOKEN or `hf auth login`. A run is data
alone: `pull` fetches only files with the names that a run has, unpickles nothing and runs nothing.
"""

import contextlib
import re
import shutil
from collections.abc import Generator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from seesay.errors import InputError
from seesay.files import new_folder
from seesay.learn.run import CROSS_FIT, MODEL, PRETRAINING, Run

CONFIG, CARD = "config.json", "README.md"

NAMES = (CONFIG, MODEL, "epochs.jsonl", "pretrain.jsonl", PRETRAINING, CROSS_FIT, "metrics.json", CARD)
"""Files at the top of a run that belong to the hub: neither the state of an interrupted training nor what a
tracker keeps."""

IN_FOLDERS = re.compile(r"figures/[^/\\]+\.png|encoders/[^/\\]+\.onnx(\.json)?")


def push(
    run: Run, repository: str, private: bool = False, revision: str | None = None
) -> tuple[str, list[str]]:
    """Upload the run's files to a model repository, created if absent, as one commit. Files of an earlier run
    that this one lacks are deleted there; others are left alone. Returns the address and the names.

    `revision`: a branch, created if absent; None: main. InputError if there is no token, no model yet, the
    repository may not be written to, or `private` and it is public.
    """
    hub = _hub()
    _check_name(repository)
    names = files_of(run)
    if hub.get_token() is None:
        raise InputError("there is no Hugging Face token", "Run `hf auth login`, or set HF_TOKEN.")
    api = _api(hub)
    with _asking(api, repository, revision):
        url = api.create_repo(repository, private=private or None, exist_ok=True)
        if private and not api.model_info(repository).private:
            raise InputError(f"{repository} is public already", "Give another name, or leave out --private.")
        if revision is not None:
            api.create_branch(repository, branch=revision, exist_ok=True)
        gone = [name for name in _files_at(api, repository, revision)[1] if name not in names]
        operations = [hub.CommitOperationAdd(name, run.folder / name) for name in names]
        operations += [hub.CommitOperationDelete(name) for name in gone]
        message = f"Upload {run.folder.resolve().name} with seesay {version('seesay')}"
        api.create_commit(repository, operations, commit_message=message, revision=revision)
    return str(url), names


def pull(source: str, out: Path, overwrite: bool = False) -> list[str]:
    """Download a run, `owner/name` or `owner/name@revision`, into a new folder; returns the names of its
    files. The folder appears once everything is there and opens as a run.

    InputError if there is no such repository or revision, or it is not a run; OutputError if `out` exists.
    """
    repository, at, revision = source.partition("@")
    hub = _hub()
    _check_name(repository)
    if at and not revision:
        raise InputError(f"{source} names no revision after @", "Give a branch, a tag or a commit.")
    api = _api(hub)
    with new_folder(out, overwrite) as folder:
        with _asking(api, repository, revision):
            commit, names = _files_at(api, repository, revision or None)
            if absent := {CONFIG, MODEL} - set(names):
                raise _no_run(source, f"it has no {' and no '.join(sorted(absent))}")
            for name in names:
                api.hf_hub_download(repository, name, revision=commit, local_dir=folder)
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # of the download
        _check_run(folder, source)
    return names


def files_of(run: Run) -> list[str]:
    """The names of a run's files that belong to the hub. InputError if it has no model yet."""
    if not (run.folder / MODEL).is_file():
        raise InputError(f"{run.folder} has no {MODEL} yet", "Train it with seesay train --resume.")
    inner = [*run.folder.glob("figures/*"), *run.folder.glob("encoders/*")]
    names = [*NAMES, *sorted(path.relative_to(run.folder).as_posix() for path in inner)]
    return [name for name in names if belongs(name) and (run.folder / name).is_file()]


def belongs(name: str) -> bool:
    """Whether a file of this name in a repository belongs to the run."""
    return name in NAMES or IN_FOLDERS.fullmatch(name) is not None


def notes_on(run: Run) -> list[str]:
    """What whoever uploads the run should know, a sentence each."""
    notes = []
    if not run.finished:
        done, epochs = len(run.epochs()), run.config.optim.epochs
        notes.append(f"{run.folder} is not finished: it has {done} of its {epochs} epochs.")
    if not (run.folder / CARD).is_file():
        notes.append(f"{run.folder} has no model card: seesay evaluate {run.folder} writes one.")
    if Path(run.data).is_absolute():
        notes.append(f"{CONFIG} says where the training data are: {run.data}.")
    if any(run.folder.glob("figures/mistakes_*.png")):
        notes.append("figures/mistakes_*.png show rows of the data that the run was evaluated on.")
    return notes


# --------------------------------------------------------------------------------------------------- the hub


def _hub() -> Any:
    """The library. InputError if it is not installed."""
    if find_spec("huggingface_hub") is None:
        raise InputError("huggingface_hub is not installed", "Run `pip install 'seesay[hub]'`.")
    import huggingface_hub

    return huggingface_hub


def _api(hub: Any) -> Any:
    return hub.HfApi(library_name="seesay", library_version=version("seesay"))


def _files_at(api: Any, repository: str, revision: str | None) -> tuple[str, list[str]]:
    """The hash of the commit, and the names of the files in it that belong to a run."""
    info = api.model_info(repository, revision=revision)
    return info.sha, sorted(file.rfilename for file in info.siblings or () if belongs(file.rfilename))


def _check_name(repository: str) -> None:
    """InputError unless this may be the name of a repository."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    with contextlib.suppress(HFValidationError):
        validate_repo_id(repository)
        if "/" in repository:
            return
    raise InputError(
        f"{repository!r} is not the name of a repository",
        "Give owner/name: letters and digits, with single - _ or . between them.",
    )


@contextlib.contextmanager
def _asking(api: Any, repository: str, revision: str | None) -> Generator[None]:
    """Turn what the hub answers, or that it does not, into InputError."""
    from huggingface_hub import errors

    connection_error: Any = errors.HfHubHTTPError.__bases__[0]  # of its HTTP library, httpx2 today
    try:
        yield
    except errors.RevisionNotFoundError:
        raise InputError(f"{repository} has no revision {revision!r}", "Check the name.") from None
    except errors.RepositoryNotFoundError:
        problem = f"there is no {repository} at {api.endpoint}, or not for you"
        remedy = "Check the name. For a private one, run `hf auth login`, or set HF_TOKEN."
        raise InputError(problem, remedy) from None
    except errors.HfHubHTTPError as error:
        status, said = error.response.status_code, error.server_message or error.response.reason_phrase
        remedy = "Check your token, and that it may write." if status in (401, 403) else "Try again later."
        raise InputError(f"{api.endpoint} answered {status} for {repository}: {said}", remedy) from None
    except (connection_error, OSError, RuntimeError) as error:  # RuntimeError: one of several uploads failed
        if isinstance(error, OSError) and error.filename is not None:
            raise  # of a file here
        problem = f"{api.endpoint} cannot be used: {error.__cause__ or error}"
        raise InputError(problem, "Check the connection.") from None
    except ValueError as error:  # metadata that the hub refuses
        raise InputError(f"{api.endpoint} refuses {repository}: {error}", "") from None


def _check_run(folder: Path, source: str) -> None:
    """InputError unless the folder opens as a run and its weights are whole."""
    try:
        Run.open(folder)
        with safe_open(folder / MODEL, "pt"):
            pass
    except (InputError, SafetensorError) as error:
        raise _no_run(source, str(error).replace(f"{folder}/", "").replace(str(folder), source)) from None


def _no_run(source: str, why: str) -> InputError:
    return InputError(f"{source} is not a run of seesay: {why}", "Check the name.")
