"""The HTTP server: FastAPI around a graph in ONNX, without torch.

`POST /predict` and `/predict/batch` answer, `/encode` gives what heads take. `GET /model`, `/health`,
`/ready`, `/metrics` and `/openapi.json` tell, and `/` is a page. The `Door` stands before all of it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from seesay.serve.answer import Prediction
from seesay.serve.asked import Asked
from seesay.serve.batcher import Answer, Batcher
from seesay.serve.counters import Counters
from seesay.serve.door import ASKING, OPEN, Door
from seesay.serve.graph import GraphPredictor
from seesay.serve.json_log import Log
from seesay.serve.limits import Limits
from seesay.serve.openapi import document, model_of
from seesay.serve.problems import FAILED, MEDIA_TYPE, Refused
from seesay.serve.requests import row_of, rows_of
from seesay.serve.site import FOLDER, File, files_of, is_current

TOLD = ("/model", "/metrics", "/openapi.json")
"""Paths that tell about the server. With a token they need it, as do those in ASKING."""

MEANINGS = {
    404: "there is nothing at this path; /openapi.json lists what there is",
    405: "this path takes another method; /openapi.json lists which",
}
"""Of what the router finds wrong."""

LARGE = 2**18
"""Bytes of a body that is parsed outside the loop, which answers others meanwhile."""


def create(
    predictor: GraphPredictor,
    limits: Limits | None = None,
    token: str | None = None,
    log: Log | None = None,
    web: Path = FOLDER,
) -> Door:
    """The server of a model, as an ASGI app. `token`: what clients have to show; `web`: files of the page."""
    limits, log = limits or Limits(), log or Log()
    counters = Counters(frozenset((*ASKING, *OPEN, *TOLD, "/")))
    batcher = Batcher(predictor, limits, counters)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        batcher.start()
        try:
            yield
        finally:
            await asyncio.to_thread(batcher.stop)

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    door = Door(app, limits, batcher, counters, log, token, frozenset((*ASKING, *TOLD)))

    async def predict(request: Request) -> Response:
        asked = await _parsed(row_of, request)
        [result] = await _answers([asked], request)
        if isinstance(result, Answer):
            return _json(_plain(result))
        raise result

    async def predict_batch(request: Request) -> Response:
        rows = await _parsed(rows_of, request)
        results = await _answers(rows, request)
        for result in results:
            if not isinstance(result, Answer | Refused):
                log.failure(result, path="/predict/batch")
        return _json([_plain_or_problem(result) for result in results])

    async def encode(request: Request) -> Response:
        asked = await _parsed(row_of, request)
        if asked.reject is not None:
            raise Refused(422, "reject is for /predict: encodings are neither known nor unknown")
        [result] = await _answers([replace(asked, encode=True)], request)
        if isinstance(result, Answer):
            return _json(result.found.to_dict() | {"milliseconds": result.milliseconds})
        raise result

    async def _parsed(parse: Any, request: Request) -> Any:
        body = request.scope["seesay.body"]
        arguments = (predictor, body, request.headers.get("content-type", ""), limits)
        return parse(*arguments) if len(body) <= LARGE else await asyncio.to_thread(parse, *arguments)

    async def _answers(rows: Sequence[Asked | Refused], request: Request) -> list[Any]:
        """For each row its answer, or the error that it raised."""
        asked = [row for row in rows if isinstance(row, Asked)]
        futures = batcher.submit(asked, request.scope["seesay.deadline"])
        answers = iter(await asyncio.gather(*futures, return_exceptions=True))
        return [next(answers) if isinstance(row, Asked) else row for row in rows]

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        if door.draining:
            raise Refused(503, "the server is ending", headers={"Retry-After": "1"})
        return JSONResponse({"status": "ok"})

    async def metrics(_: Request) -> Response:
        content, media_type = await asyncio.to_thread(counters.text)
        return Response(content, media_type=media_type)

    described = _json(asdict(model_of(predictor, limits))).body
    openapi = _json(document(predictor, limits, token is not None)).body

    async def model(_: Request) -> Response:
        return Response(described, media_type="application/json")

    async def api(_: Request) -> Response:
        return Response(openapi, media_type="application/json")

    # Plain routes: nothing here is for FastAPI to validate, and its injection costs 0.1 ms a request.
    posts = {"/predict": predict, "/predict/batch": predict_batch}
    posts |= {"/encode": encode} if predictor.graph.encoders else {}
    gets = {"/health": health, "/ready": ready, "/metrics": metrics, "/model": model, "/openapi.json": api}
    for path, handler in posts.items():
        app.add_route(path, handler, ["POST"])
    for path, handler in gets.items():
        app.add_route(path, handler, ["GET"])
    for path, file in files_of(web).items():
        app.add_route(path, _serving(file), ["GET"])
    for status in MEANINGS:
        app.add_exception_handler(status, _not_here)
    app.add_exception_handler(Refused, _problem)
    app.add_exception_handler(Exception, _problem)  # which the door then logs
    return door


async def _not_here(request: Request, error: Any) -> Response:
    """The answer to what the router raised."""
    status = error.status_code
    return await _problem(request, Refused(status, MEANINGS[status], headers=error.headers))


async def _problem(_: Request, error: Exception) -> Response:
    """The answer to what was raised."""
    refusal = error if isinstance(error, Refused) else Refused(500, FAILED)
    return Response(refusal.content, refusal.status, refusal.headers, MEDIA_TYPE)


def _serving(file: File) -> Any:
    headers = file.headers

    async def serve(request: Request) -> Response:
        if is_current(request.headers.get("if-none-match"), file):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers)

    return serve


def _plain(answer: Answer) -> dict[str, Any]:
    """An answer as JSON has it."""
    prediction = answer.found
    assert isinstance(prediction, Prediction)
    return prediction.to_dict() | {"milliseconds": answer.milliseconds}


def _plain_or_problem(result: Any) -> dict[str, Any]:
    if isinstance(result, Answer):
        return _plain(result)
    refused = result if isinstance(result, Refused) else Refused(500, FAILED)
    return asdict(refused.problem)


def _json(value: Any) -> Response:
    content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(content, media_type="application/json")
