"""The door of a server: an ASGI app around another one. It checks before anything is parsed who may ask, how
many may wait, how large a body is, how long it takes to arrive, and whether a deadline can be kept."""

import asyncio
import hmac
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from seesay.serve.batcher import Batcher
from seesay.serve.counters import Counters
from seesay.serve.json_log import Log
from seesay.serve.limits import Limits
from seesay.serve.problems import FAILED, MEDIA_TYPE, Refused, busy

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

ASKING = ("/predict", "/predict/batch", "/encode")
"""Paths whose bodies hold contents."""

OPEN = ("/health", "/ready")
"""Paths that need no token, as do the files of the page."""

HELD = 8
"""Bodies of the largest size that a process holds at a time."""

LINGER = 1.0
"""Seconds in which the rest of a refused body is read and dropped: a connection closed before that is reset,
and the client may not see why."""


class Door:
    """An ASGI app behind its limits, with a log line and a count for each request."""

    def __init__(
        self,
        app: Any,
        limits: Limits,
        batcher: Batcher,
        counters: Counters,
        log: Log,
        token: str | None = None,
        guarded: frozenset[str] = frozenset(),
    ) -> None:
        """`guarded`: the paths that need the token, if there is one."""
        self.app, self.limits, self.batcher = app, limits, batcher
        self.counters, self.log, self.guarded = counters, log, guarded
        self.token = None if token is None else f"bearer {token}".encode()
        self.draining = False
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.draining:
                    message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        asks = scope["path"] in ASKING and scope["method"] == "POST"
        size = 0
        try:
            self._check_token(scope)
            if asks:
                deadline = self._deadline(scope, began)
                self._check_load(deadline)
                body = await self._body(scope, receive)
                size = len(body)
                scope["seesay.began"], scope["seesay.deadline"] = began, deadline
                scope["seesay.body"] = body
            await self.app(scope, receive, answer)
        except Refused as refusal:
            await respond(refusal, receive, answer)
        except Gone:
            status = 499  # as nginx logs it: nobody is there to read an answer
        except Exception as error:
            self.log.failure(error, path=scope["path"])
            if not status:
                await respond(Refused(500, FAILED), receive, answer)
        finally:
            self.held -= size
            seconds = time.perf_counter() - began
            self.counters.answered(scope["path"], status, seconds)
            self.log.request(scope, status, seconds, size)

    def _check_token(self, scope: Scope) -> None:
        if self.token is None or scope["path"] not in self.guarded:
            return
        given = header(scope, b"authorization") or b""
        scheme, _, rest = given.partition(b" ")
        if not hmac.compare_digest(scheme.lower() + b" " + rest.strip(), self.token):
            problem = "this server expects the header Authorization: Bearer TOKEN"
            raise Refused(401, problem, headers={"WWW-Authenticate": "Bearer"})

    def _deadline(self, scope: Scope, began: float) -> float | None:
        """The time by which the client needs the answer, on the clock of `began`."""
        given = header(scope, b"x-deadline-ms")
        if given is None:
            return None
        try:
            milliseconds = float(given)
        except ValueError:
            milliseconds = math.nan
        if not 0 < milliseconds < math.inf:
            raise Refused(400, "X-Deadline-Ms expects milliseconds above 0")
        return began + milliseconds / 1000

    def _check_load(self, deadline: float | None) -> None:
        """503 if too many rows wait, or if those that wait will take until after the deadline."""
        wait = self.batcher.expected_seconds()
        if self.batcher.waiting >= self.limits.waiting:
            self.counters.shed("queue")
            raise busy(f"{self.batcher.waiting} rows are waiting for an answer, as many as may", wait)
        if deadline is not None and time.perf_counter() + wait > deadline:
            self.counters.shed("deadline")
            raise busy(f"an answer would take about {1000 * wait:.0f} ms, later than the deadline", wait)
        if self.held >= HELD * self.limits.body:
            self.counters.shed("bodies")
            raise busy("too many large requests are being received", self.limits.receive)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The body, refused as soon as it is known to be too large (413) or too slow (408)."""
        most = self.limits.body
        declared = header(scope, b"content-length")
        if declared is not None and not declared.isdigit():
            raise Refused(400, "Content-Length expects a whole number")
        if declared is not None and int(declared) > most:
            raise Refused(413, f"the body has {int(declared):,} bytes, more than the {most:,} that may be")
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.receive):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    part = message.get("body", b"")
                    parts.append(part)
                    size += len(part)
                    self.held += len(part)
                    if size > most:
                        raise Refused(413, f"the body has more than the {most:,} bytes that may be")
                    if not message.get("more_body", False):
                        return parts[0] if len(parts) == 1 else b"".join(parts)
        except TimeoutError:
            self.held -= size
            raise Refused(408, f"the body did not arrive within {self.limits.receive:g} seconds") from None
        except (Gone, Refused, asyncio.CancelledError):
            self.held -= size
            raise


class Gone(Exception):
    """The client closed the connection."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a request's header, None if it is absent."""
    return next((value for key, value in scope["headers"] if key == name), None)


async def respond(refusal: Refused, receive: Receive, send: Send) -> None:
    """Answer with a problem. Where the body was not read to its end (408, 413), the connection is closed
    after it, and before that some of the rest is read."""
    closes = refusal.status in (408, 413)
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(refusal.content))} | refusal.headers
    headers |= {"Connection": "close"} if closes else {}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": refusal.content, "more_body": closes})
    if closes:
        await _drop_rest(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop_rest(receive: Receive) -> None:
    try:
        async with asyncio.timeout(LINGER):
            while True:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
