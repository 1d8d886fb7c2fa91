"""What holds for every test: one thread, no network, no deadline, and where the real data lie."""

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Read when torch is first imported, by child processes too. More threads than free cores are slower than one,
# and the order of a sum, so the last bits of a loss, depends on their number.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

SHARED_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
"""MNIST, the Free Spoken Digit Dataset and some Speech Commands, beside the repository; with a README."""

LOOPBACK = ("localhost", "::1", "")
"""Hosts that are this machine, besides 127.*; the empty one is what a server binds to."""


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: whoever looks up or talks to another machine gets an error, inside a library too."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else ""  # a path: a socket of this machine
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host or ""
    if name not in LOOPBACK and not name.startswith("127."):
        raise RuntimeError(f"a test wanted to reach {name!r}; serve it on 127.0.0.1 instead")


sys.addaudithook(refuse_network)

# On a busy machine a slow example is no bug of ours; a test that hangs ends by its timeout. `make test-long`
# takes more examples, by --hypothesis-profile=long.
settings.register_profile("seesay", deadline=None, max_examples=20)
settings.register_profile("long", deadline=None, max_examples=1_000)
settings.load_profile("seesay")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Features of pretrained networks are kept in a folder of these tests, not in the user's; what is made
    once for all workers, in the folder above theirs."""
    os.environ["SEESAY_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    own = tmp_path_factory.getbasetemp()
    os.environ["SEESAY_TESTS"] = str(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


# Imports are a million objects and no garbage: to look through them again and again took a tenth of the time.
gc.disable()


SLOW = (
    "how_to",
    "cli",
    "program",
    "search",
    "server",
    "server_process",
    "fusions_learned",
    "reproduce",
    "classifier",
)
"""Files of tests that take ten seconds or more, the longest first."""


@pytest.hookimpl(trylast=True)  # after the order was made random
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files come first, so that no worker is left with one when the others are done."""
    order = {f"test_{name}": place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    """From here on garbage is collected, more seldom, among what the tests leave behind."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def empty_study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The database of a new search is a copy of an empty one, since making tables takes a second, most of it
    waiting for the disk; nothing else waits for that either. A child process makes its own."""
    if "seesay.search.study" not in sys.modules:  # no test wants one
        yield
        return
    from sqlalchemy import event

    from seesay.search import study

    made, empty = study._storage, tmp_path_factory.mktemp("study") / "empty.db"

    def copied(path: Path) -> Any:
        if not path.exists():
            if not empty.exists():
                made(empty).engine.dispose()
            shutil.copyfile(empty, path)
        storage = made(path)
        event.listen(storage.engine, "connect", lambda each, _: each.execute("PRAGMA synchronous = OFF"))
        storage.engine.dispose()
        return storage

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "_storage", copied)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data here: ../shared/data is absent")
    return SHARED_DATA


@pytest.fixture
def same_metrics() -> Iterator[None]:
    """What the test adds to the metrics, or takes from them, is undone after it."""
    from seesay.metrics.scores import METRICS

    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)
