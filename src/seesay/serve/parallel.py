"""Work on several parts at once, with results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

P = TypeVar("P")
T = TypeVar("T")


def parallel_map(call: Callable[[P], T], parts: Iterable[P], threads: int) -> Iterator[T]:
    """The results of `call` for each part, in order, computed in `threads` single-core threads. At most
    `threads` + 1 results are computed ahead."""
    if threads == 1:
        yield from map(call, parts)
        return
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(call, part))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
