"""How much a server takes from its clients."""

from dataclasses import dataclass

from seesay.plain import check_range


@dataclass(frozen=True)
class Limits:
    """How much a server takes."""

    body: int = 16_000_000
    """Largest body of a request in bytes."""
    pixels: int = 25_000_000
    """Largest picture in pixels."""
    seconds: float = 60.0
    """Longest recording in seconds."""
    rows: int = 64
    """Most rows of a request to /predict/batch."""
    waiting: int = 64
    """Most rows that wait for an answer in a process; further requests get 503."""
    batch: int = 1
    """Most rows that share a run of the graph. More are quicker, most of all with a small model, but change
    answers in the sixth digit."""
    receive: float = 10.0
    """Seconds in which the body of a request must arrive."""
    finish: int = 30
    """Seconds in which requests are answered after SIGTERM."""

    def __post_init__(self) -> None:
        check_range(self, "body", "pixels", "rows", "waiting", "batch", "finish", least=1)
        check_range(self, "seconds", "receive", least=0.01)
