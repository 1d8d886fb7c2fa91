"""LitServe around the same graph, for comparison with `seesay serve`: `python -m benchmarks.plain_litserve
GRAPH WORKERS`, which prints its address. LitServe is no dependency: `pip install litserve`, or it is left
out."""

import importlib
import socket
import sys
from typing import Any

from fastapi import Request

from seesay.serve.graph import GraphPredictor

litserve: Any = importlib.import_module("litserve")


class Pairs(litserve.LitAPI):
    """Reads and infers pairs, several at once where they wait."""

    def __init__(self, graph: str) -> None:
        super().__init__()
        self.graph = graph

    def setup(self, device: str) -> None:
        self.predictor = GraphPredictor.open(self.graph)

    def decode_request(self, request: Request) -> tuple[bytes, bytes]:
        form: Any = request  # LitServe reads it before
        return form["image"].file.read(), form["audio"].file.read()

    def predict(self, x: tuple[bytes, bytes]) -> dict[str, Any]:
        return self.predictor.predict(*x).to_dict()

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def main() -> None:
    """Serve until SIGTERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    server = litserve.LitServer(Pairs(sys.argv[1]), accelerator="cpu", workers_per_device=int(sys.argv[2]))
    server.run(host="127.0.0.1", port=port, generate_client_file=False, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
