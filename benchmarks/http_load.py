"""A load of requests from keep-alive connections over raw sockets, and what came of it: a client that costs
little, in a process of its own.

`python -m benchmarks.http_load HOST PORT SECONDS CLIENTS BODY` sends the request in the file BODY, each
client as soon as it has an answer, or all of them `--rate` times a second; prints a JSON object.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """Milliseconds of each answer by status; `lost`: connections that ended without an answer."""

    seconds: float = 0.0
    answers: dict[int, list[float]] = field(default_factory=dict)
    lost: int = 0
    unsent: int = 0
    """Requests of a rate for which no connection was free."""


def request(path: str, body: bytes, content_type: str, headers: dict[str, str]) -> bytes:
    """A whole request."""
    head = {"Host": "localhost", "Content-Type": content_type, "Content-Length": str(len(body))} | headers
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def multipart(parts: dict[str, bytes]) -> tuple[bytes, str]:
    """The body of a form with files, and its type."""
    boundary = b"7c1f8a1e5d8c4b7f"
    body = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="file"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%s\r\n" % (boundary, name.encode(), content)
        for name, content in parts.items()
    )
    return body + b"--%s--\r\n" % boundary, f"multipart/form-data; boundary={boundary.decode()}"


class Connection:
    """A keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self.address, self.streams = (host, port), None

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Connection lost: status 0."""
        try:
            if self.streams is None:
                self.streams = await asyncio.open_connection(*self.address)
            reader, writer = self.streams
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head.lower()
            length = int(fields.split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if b"connection: close" in fields:
                self.close()
            return int(head[9:12]), body
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, b""

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None


async def load(
    host: str, port: int, seconds: float, clients: int, message: bytes, rate: float | None = None
) -> Outcome:
    """What comes of so many clients that ask for so many seconds."""
    outcome = Outcome()
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(clients):
        idle.put_nowait(Connection(host, port))
    began = time.perf_counter()
    end = began + seconds

    async def ask(connection: Connection) -> None:
        start = time.perf_counter()
        status, _ = await connection.ask(message)
        if status:
            outcome.answers.setdefault(status, []).append(1000 * (time.perf_counter() - start))
        else:
            outcome.lost += 1

    async def again(connection: Connection) -> None:
        while time.perf_counter() < end:
            await ask(connection)

    async def once(connection: Connection) -> None:
        await ask(connection)
        idle.put_nowait(connection)

    if rate is None:
        await asyncio.gather(*(again(idle.get_nowait()) for _ in range(clients)))
    else:
        tasks = set()
        for i in range(int(rate * seconds)):
            await asyncio.sleep(max(0, began + i / rate - time.perf_counter()))
            if idle.empty():
                outcome.unsent += 1
                continue
            task = asyncio.create_task(once(idle.get_nowait()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    outcome.seconds = time.perf_counter() - began
    return outcome


def main() -> None:
    """Prints the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("clients", type=int)
    parser.add_argument("body", type=Path, help="file with a whole request")
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    message = given.body.read_bytes()
    run = load(given.host, given.port, given.seconds, given.clients, message, given.rate)
    print(json.dumps(vars(asyncio.run(run))))


if __name__ == "__main__":
    main()
