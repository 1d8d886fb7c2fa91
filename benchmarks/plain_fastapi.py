"""What most people write first: FastAPI with a `def` endpoint around the same graph. For comparison with
`seesay serve`: `python -m benchmarks.plain_fastapi GRAPH WORKERS`, which prints its address."""

import os
import socket
import sys
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, File

from seesay.serve.graph import GraphPredictor

GRAPH = "PLAIN_GRAPH"


def create() -> FastAPI:
    """The app, for the graph in the environment."""
    app, predictor = FastAPI(), GraphPredictor.open(os.environ[GRAPH])

    @app.post("/predict")
    def predict(image: Annotated[bytes, File()], audio: Annotated[bytes, File()]) -> dict[str, Any]:
        return predictor.predict(image, audio).to_dict()

    return app


def main() -> None:
    """Serve until SIGTERM."""
    os.environ[GRAPH] = sys.argv[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    name = f"{__spec__.name if __spec__ else __name__}:create"
    uvicorn.run(
        name, factory=True, port=port, workers=int(sys.argv[2]), access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
