"""A small server that answers as `seesay serve` does, and one of a static folder, for tests of the page."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from typing import Any

import seesay.serve
from seesay.errors import InputError
from seesay.serve.graph import GraphPredictor
from seesay.serve.web_export import description

WEB = Path(seesay.serve.__file__).parent / "web"

Answer = Callable[[dict[str, bytes]], tuple[int, dict[str, Any]]]


def answering(predictor: GraphPredictor) -> Answer:
    """What the server says of the parts of a form: a status, and JSON."""

    def answer(parts: dict[str, bytes]) -> tuple[int, dict[str, Any]]:
        start = perf_counter()
        contents = {}
        for modality, source in parts.items():
            try:
                contents[modality] = predictor.read(modality, source)
            except InputError as error:
                return 422, {"title": "Cannot be read", "detail": str(error), "modality": modality}
        prediction = predictor.predict_contents(contents)
        return 200, prediction.to_dict() | {
            "label": prediction.label,
            "milliseconds": 1000 * (perf_counter() - start),
        }

    return answer


class Handler(SimpleHTTPRequestHandler):
    """The files of the page; with a model, also GET /model and POST /predict."""

    protocol_version = "HTTP/1.1"
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }
    model: dict[str, Any] | None = None
    answer: Answer | None = None
    token = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path != "/model" or self.model is None:
            super().do_GET()
        elif self.token and self.headers["Authorization"] != f"Bearer {self.token}":
            self.say(401, {"title": "Unauthorized", "detail": "a token is needed"})
        else:
            self.say(200, self.model)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = BytesParser(policy=HTTP).parsebytes(head + body)
        parts = {
            part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True)
            for part in form.iter_parts()  # ty: ignore
        }
        assert self.answer is not None
        self.say(*type(self).answer(parts))  # ty: ignore

    def say(self, status: int, values: dict[str, Any]) -> None:
        body = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(folder: Path, **fields: Any) -> Iterator[str]:
    """The address of a server on this machine, for the block. `fields`: of `Handler`."""
    handler = type("Served", (Handler,), fields)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def page_of(predictor: GraphPredictor, **fields: Any) -> Iterator[str]:
    """The address of the page, answered by this model."""
    answer = staticmethod(answering(predictor))
    model = description(predictor.spec, predictor.graph.types, "digits")
    with serving(WEB, **({"model": model, "answer": answer} | fields)) as address:
        yield address
