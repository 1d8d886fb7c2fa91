"""Counts and times of a server, for Prometheus: `GET /metrics`.

Several worker processes keep theirs in a folder, and any of them answers for all.
"""

import os
from typing import Any

from seesay.extras import package

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable that names the folder of several processes, read by prometheus_client's import."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64)
STAGES = ("queue", "read", "infer")


class Counters:
    """The metrics of one process."""

    def __init__(self, paths: frozenset[str]) -> None:
        """`paths`: those counted by name; others are counted together."""
        self.library: Any = package("prometheus_client", "the server", "serve")
        self.registry, self.paths = self.library.CollectorRegistry(), paths
        metric = {"namespace": "seesay", "registry": self.registry}
        library = self.library
        self._requests = library.Counter("requests", "Requests answered", ["path", "status"], **metric)
        self._whole = library.Histogram(
            "request_seconds", "From the head of a request to its answer", ["path"], buckets=SECONDS, **metric
        )
        stages = library.Histogram(
            "row_seconds", "What a row spent in a stage", ["stage"], buckets=SECONDS, **metric
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._batches = library.Histogram("batch_rows", "Rows inferred at once", buckets=ROWS, **metric)
        self._shed = library.Counter("shed", "Rows and requests answered with 503", ["reason"], **metric)
        self.waiting = library.Gauge(
            "waiting_rows", "Rows that wait for an answer", multiprocess_mode="livesum", **metric
        )
        self._known: dict[Any, Any] = {}

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        path = path if path in self.paths else "other"
        if (path, status) not in self._known:
            self._known[path, status] = self._requests.labels(path, status), self._whole.labels(path)
        requests, whole = self._known[path, status]
        requests.inc()
        whole.observe(seconds)

    def row(self, milliseconds: dict[str, float]) -> None:
        """Count an answered row, by what each stage took."""
        for stage, value in milliseconds.items():
            self._stages[stage].observe(value / 1000)

    def batch(self, rows: int) -> None:
        """Count a batch."""
        self._batches.observe(rows)

    def shed(self, reason: str) -> None:
        """Count what was refused for lack of time."""
        self._shed.labels(reason).inc()

    def text(self) -> tuple[bytes, str]:
        """All metrics in Prometheus's format, of all processes, and its media type."""
        registry = self.registry
        if FOLDER in os.environ:
            from prometheus_client import multiprocess

            registry = self.library.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return self.library.generate_latest(registry), self.library.CONTENT_TYPE_LATEST
