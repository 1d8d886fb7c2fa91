"""Commands that share runs: `seesay push`, `seesay pull`."""

import sys
from pathlib import Path
from shlex import quote

from seesay.cli.arguments import Words
from seesay.cli.terminal import say_notes
from seesay.registry import plugin_flags


def push(
    run: Words[Path],
    repository: Words[str],
    private: bool = False,
    revision: str | None = None,
) -> None:
    """Upload a run to the Hugging Face hub: the model, its config, its scores, figures and model card.

    Args:
        run: Run folder.
        repository: Model repository, as owner/name; created if absent.
        private: Create a private repository.
        revision: Branch to upload to, created if absent; default: main.
    """
    from seesay.learn.run import Run
    from seesay.serve.hub import files_of, notes_on, push

    opened = Run.open(run)
    size = sum((run / name).stat().st_size for name in files_of(opened)) / 1e6
    say_notes(notes_on(opened))
    _quieten()
    url, names = push(opened, repository, private, revision)
    print(f"Uploaded {len(names)} files ({size:.1f} MB) to {url}")


def pull(repository: Words[str], out: Path, overwrite: bool = False) -> None:
    """Download a run from the Hugging Face hub.

    Args:
        repository: Model repository, as owner/name or owner/name@revision.
        out: Run folder to create.
        overwrite: Replace the folder, if seesay created it.
    """
    from seesay.serve.hub import pull

    _quieten()
    names = pull(repository, out, overwrite)
    then = f"seesay evaluate {quote(str(out))} --data DATA{plugin_flags()}"
    print(f"Saved {len(names)} files to {out}/. Next: {then}")


def _quieten() -> None:
    """Leaves the hub's library its progress bars on a terminal, and nothing else to say."""
    from importlib.util import find_spec

    if find_spec("huggingface_hub") is None:
        return
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
