"""Predict for many clients at once; none of them can spoil another's answer.

Three threads, so that the loop that talks to clients is always free. `batches` reads small files and runs the
graph: whatever waits when it is done with the last, so a row never waits for company. `files` reads large
files. `alone` predicts for long recordings. The GIL is free while ONNX Runtime runs, Pillow decodes and soxr
resamples.

Rows may share a run of the graph (`Limits.batch`). They do not by default, because a row is to get the very
bits that it gets alone, and ONNX Runtime does not promise that: the order of a sum, and whether the last
elements of a logarithm are computed one by one, depend on where in memory the row lies.
"""

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from seesay.errors import InputError
from seesay.serve.answer import Prediction
from seesay.serve.asked import Asked, check_length, check_size, is_light
from seesay.serve.counters import Counters
from seesay.serve.encoded import Encoded
from seesay.serve.graph import GraphPredictor
from seesay.serve.limits import Limits
from seesay.serve.problems import Refused, busy
from seesay.spec import Modality


@dataclass(eq=False)
class Job:
    """One row on its way."""

    asked: Asked
    deadline: float | None
    future: "asyncio.Future[Answer]"
    arrived: float
    contents: dict[Modality, np.ndarray] | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        """Its time in the queue ends, if it has not before."""
        self.milliseconds.setdefault("queue", _since(self.arrived))


@dataclass(frozen=True)
class Answer:
    """A prediction, or encodings, and what it took."""

    found: Prediction | Encoded
    milliseconds: dict[str, float]


class Pace:
    """What a row takes, learned from batches as TCP learns the time of a round trip (Jacobson 1988)."""

    def __init__(self) -> None:
        self.mean, self.deviation = 0.01, 0.005

    def learn(self, seconds: float) -> None:
        """Of a row in the newest batch."""
        error = seconds - self.mean
        self.mean += error / 8
        self.deviation += (abs(error) - self.deviation) / 4

    @property
    def seconds(self) -> float:
        """Which a row rarely exceeds."""
        return self.mean + 2 * self.deviation


class Batcher:
    """Answers rows, from three threads. All methods are called from one event loop."""

    def __init__(self, predictor: GraphPredictor, limits: Limits, counters: Counters) -> None:
        self.predictor, self.limits, self.counters = predictor, limits, counters
        self.waiting = 0
        self.pace = Pace()
        self._queues: dict[str, SimpleQueue[Job | None]] = {
            name: SimpleQueue() for name in ("batches", "files", "alone")
        }
        self._threads: dict[str, threading.Thread] = {}

    def start(self) -> None:
        """Start the threads."""
        self.loop = asyncio.get_running_loop()
        works: dict[str, Callable[[], None]] = {
            "batches": self._work_batches,
            "files": lambda: self._work("files", self._read_file),
            "alone": lambda: self._work("alone", self._predict_alone),
        }
        self._threads = {
            name: threading.Thread(target=work, name=name, daemon=True) for name, work in works.items()
        }
        for thread in self._threads.values():
            thread.start()

    def stop(self) -> None:
        """End the threads, after what waits."""
        for name in ("files", "batches", "alone"):  # each may pass rows on to the next
            self._queues[name].put(None)
            self._threads.pop(name).join()

    def expected_seconds(self) -> float:
        """What a row that arrives now is expected to take, on the safe side."""
        return (self.waiting + 1) * self.pace.seconds

    def submit(self, rows: Sequence[Asked], deadline: float | None) -> "list[asyncio.Future[Answer]]":
        """The answers to come; each may be a `Refused` of its own. All are refused with 503 if they do not
        fit into the queue."""
        if self.waiting and self.waiting + len(rows) > self.limits.waiting:
            self.counters.shed("queue")
            raise busy(f"{self.waiting} rows are waiting for an answer", self.expected_seconds())
        arrived = time.perf_counter()
        futures = []
        for asked in rows:
            job = Job(asked, deadline, self.loop.create_future(), arrived)
            job.future.add_done_callback(self._done)
            futures.append(job.future)
            spec = self.predictor.spec
            light = all(is_light(spec[m], source) for m, source in asked.sources.items())
            self._queues["batches" if light else "files"].put(job)
        self.waiting += len(rows)
        self.counters.waiting.set(self.waiting)
        return futures

    def _done(self, _: Any) -> None:
        self.waiting -= 1
        self.counters.waiting.set(self.waiting)

    # ------------------------------------------------------------------------------------ in the threads

    def _work(self, name: str, call: Callable[[Job], None]) -> None:
        while (job := self._queues[name].get()) is not None:
            try:
                call(job)
            except Exception as error:
                self._deliver([(job, error)])

    def _work_batches(self) -> None:
        queue, line, last = self._queues["batches"], deque[Job](), False
        while line or not last:
            new = [] if line else [queue.get()]
            with contextlib.suppress(Empty):
                while True:
                    new.append(queue.get_nowait())
            last = last or None in new
            line += [job for job in new if job is not None]
            began = time.perf_counter()
            if answered := self._batch(self._next(line)):
                self.pace.learn((time.perf_counter() - began) / answered)

    def _next(self, line: "deque[Job]") -> list[Job]:
        """The first of the line, so many that all of them keep their deadlines; those who cannot are
        refused."""
        jobs: list[Job] = []
        now, earliest = time.perf_counter(), math.inf
        while line and len(jobs) < self.limits.batch:
            deadline = math.inf if line[0].deadline is None else line[0].deadline
            end = now + (len(jobs) + 1) * self.pace.seconds
            if line[0].future.cancelled():
                line.popleft()
            elif end > deadline:
                self.counters.shed("deadline")
                self._deliver([(line.popleft(), busy("the answer would be later than its deadline", 1))])
            elif end > earliest:
                break
            else:
                earliest = min(earliest, deadline)
                jobs.append(line.popleft())
        return jobs

    def _batch(self, jobs: list[Job]) -> int:
        """Answer these jobs. Returns for how many the graph was run."""
        results: list[tuple[Job, Any]] = []
        groups: dict[Any, list[Job]] = {}
        for job in jobs:
            try:
                contents = self._read(job)
                if self.predictor.long_modality(contents) is not None:
                    self._queues["alone"].put(job)
                    continue
            except Exception as error:
                results.append((job, error))
                continue
            groups.setdefault((job.asked.encode, self._shapes(contents)), []).append(job)
        for group in groups.values():
            results += self._infer(group)
        self._deliver(results)
        return sum(map(len, groups.values()))

    def _read(self, job: Job) -> dict[Modality, np.ndarray]:
        """The contents of a job. What cannot be read: Refused."""
        job.begin()
        if job.contents is None:
            began = time.perf_counter()
            job.contents = {m: self._content(m, source) for m, source in job.asked.sources.items()}
            job.milliseconds["read"] = _since(began)
        return job.contents

    def _content(self, modality: Modality, source: Any) -> np.ndarray:
        spec = self.predictor.spec[modality]
        check_size(modality, spec, source, self.limits)
        try:
            content = self.predictor.read(modality, source)
        except InputError as error:
            raise Refused(422, error, modality) from None
        check_length(modality, spec, content, self.limits)
        return self.predictor.graph.padded(modality, content)

    def _shapes(self, contents: dict[Modality, np.ndarray]) -> tuple[Any, ...]:
        """The shape of each modality's content; where it is missing, of what stands in its place."""
        types = self.predictor.graph.types
        return tuple(contents[m].shape if m in contents else types[m].shape for m in types)

    def _infer(self, jobs: list[Job]) -> list[tuple[Job, Any]]:
        """The answers to jobs whose contents have the same shapes."""
        began = time.perf_counter()
        try:
            found = self._run(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [(jobs[0], error)]
            return [result for job in jobs for result in self._infer([job])]
        took = _since(began)
        self.counters.batch(len(jobs))
        return [
            (job, Answer(each, job.milliseconds | {"infer": took}))
            for job, each in zip(jobs, found, strict=True)
        ]

    def _run(self, jobs: list[Job]) -> Sequence[Prediction | Encoded]:
        graph, rows = self.predictor.graph, [job.contents or {} for job in jobs]
        inputs, present = {}, {}
        for modality in graph.spec.modalities:
            given = {i: row[modality] for i, row in enumerate(rows) if modality in row}
            if given:
                content = next(iter(given.values()))
                inputs[modality] = np.zeros((len(rows), *content.shape), graph.types[modality].dtype)
                present[modality] = np.zeros(len(rows), bool)
                for i, content in given.items():
                    inputs[modality][i], present[modality][i] = content, True
        outputs = graph.run(inputs, present)
        if jobs[0].asked.encode:
            return [self.predictor.encoded(outputs, i, row) for i, row in enumerate(rows)]
        return self.predictor.answers(
            outputs, [tuple(row) for row in rows], [job.asked.reject for job in jobs]
        )

    def _read_file(self, job: Job) -> None:
        if job.deadline is not None and time.perf_counter() > job.deadline:
            raise busy("the deadline has passed", 1)
        contents = self._read(job)
        long = self.predictor.long_modality(contents) is not None
        self._queues["alone" if long else "batches"].put(job)

    def _predict_alone(self, job: Job) -> None:
        if job.deadline is not None and time.perf_counter() > job.deadline:
            raise busy("the deadline has passed", 1)
        assert job.contents is not None
        began = time.perf_counter()
        if job.asked.encode:
            found = self.predictor.encode_contents(job.contents)
        else:
            found = self.predictor.predict_contents(job.contents, job.asked.reject)
        self._deliver([(job, Answer(found, job.milliseconds | {"infer": _since(began)}))])

    def _deliver(self, results: list[tuple[Job, Any]]) -> None:
        if results:
            self.loop.call_soon_threadsafe(_settle, results, self.counters)


def _settle(results: list[tuple[Job, Any]], counters: Counters) -> None:
    for job, result in results:
        if job.future.done():
            continue
        if isinstance(result, Answer):
            counters.row(result.milliseconds)
            job.future.set_result(result)
        else:
            job.future.set_exception(result)


def _since(began: float) -> float:
    """Milliseconds since then."""
    return round(1000 * (time.perf_counter() - began), 3)
