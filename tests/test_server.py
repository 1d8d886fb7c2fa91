"""What the server answers, in this process."""

import asyncio
import base64
import io
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from seesay.serve.answer import Prediction
from seesay.serve.graph import Graph
from seesay.serve.limits import Limits
from seesay.serve.requests import source_of
from seesay.spec import VectorSpec
from served import alone, asking, door, png, predictor, wav, without_times

TOKEN = "correct-horse-battery"


def ask(talk: Callable[[httpx.AsyncClient], Awaitable[Any]], **changes: Any) -> Any:
    """What a talk with a server of the tiny model returns."""

    async def run() -> Any:
        async with asking(door(**changes)) as client:
            return await talk(client)

    return asyncio.run(run())


def answer_of(**request: Any) -> httpx.Response:
    """The answer to one request to /predict."""
    return ask(lambda client: client.post("/predict", **request))


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


# ------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize("given", [("image",), ("audio",), ("image", "audio")])
@pytest.mark.parametrize("form", ["multipart", "json"])
def test_the_answer_is_that_of_the_model_alone(given: tuple[str, ...], form: str):
    files = {m: content for m, content in {"image": png(1), "audio": wav(1)}.items() if m in given}
    if form == "multipart":
        response = answer_of(files=files)
    else:
        response = answer_of(json={m: encoded(content) for m, content in files.items()})
    assert response.status_code == 200
    found = response.json()
    assert without_times(found) == alone(**files)
    assert set(found["milliseconds"]) == {"queue", "read", "infer"}
    assert min(found["milliseconds"].values()) >= 0


@pytest.mark.parametrize("samples", [37, 999, 1_000, 1_001, 1_499, 1_501, 9_000])
@pytest.mark.parametrize("format", ["WAV", "FLAC"])
def test_recordings_of_any_length_and_format_get_the_answer_they_get_alone(samples: int, format: str):
    content = wav(2, samples=samples, format=format)
    assert without_times(answer_of(files={"audio": content}).json()) == alone(audio=content)


ROWS = [
    {"image": png(i % 3, i, (8 + i % 2, 8))}
    | ({"audio": wav(i % 3, i, 400 + 300 * (i % 4))} if i % 5 else {})
    for i in range(48)
]
"""Pictures of two sizes and recordings of four lengths; some without a recording."""


def batches_of(metrics: str) -> tuple[float, float]:
    """Of `/metrics`: how many batches, and rows in them."""
    lines = {line.split()[0]: line.split()[1] for line in metrics.splitlines() if line[0] != "#"}
    return float(lines["seesay_batch_rows_count"]), float(lines["seesay_batch_rows_sum"])


async def ask_for_rows(client: httpx.AsyncClient) -> tuple[list[Any], str]:
    answers = await asyncio.gather(*(client.post("/predict", files=row) for row in ROWS))
    return [without_times(each.json()) for each in answers], (await client.get("/metrics")).text


def test_many_at_once_get_the_very_answers_that_they_get_alone():
    answers, _ = ask(ask_for_rows)
    assert answers == [alone(**row) for row in ROWS]


def test_rows_may_share_runs_of_the_graph():
    shared, metrics = ask(ask_for_rows, limits=Limits(batch=8))
    count, rows = batches_of(metrics)
    assert rows == len(ROWS)
    assert count < len(ROWS)
    for found, expected in zip(shared, [alone(**row) for row in ROWS], strict=True):
        assert found["label"] == expected["label"]
        scores = {each["label"]: each["score"] for each in expected["scores"]}
        assert {each["label"]: each["score"] for each in found["scores"]} == pytest.approx(scores, abs=2e-6)


def test_one_bad_request_among_many_gets_its_own_problem_and_the_others_their_answers():
    good = {"image": png(1), "audio": wav(1)}
    bad = {"image": b"no picture", "audio": wav(1)}

    async def talk(client: httpx.AsyncClient) -> Any:
        rows = [bad if i % 3 == 1 else good for i in range(30)]
        return await asyncio.gather(*(client.post("/predict", files=row) for row in rows))

    expected = alone(**good)
    for i, response in enumerate(ask(talk)):
        if i % 3 == 1:
            assert response.status_code == 422
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["modality"] == "image"
        else:
            assert without_times(response.json()) == expected


def test_reject_answers_none_of_these():
    found = answer_of(files={"image": png(1)}, data={"reject": "1"})
    if not predictor().graph.knowing:
        assert found.status_code == 422
    else:
        assert found.json()["rejected"]
        assert found.json()["label"] == "_none_"


def test_rows_of_a_batch_get_their_own_answers_or_problems():
    rows = [
        {"image": encoded(png(0))},
        {"image": encoded(b"broken")},
        {"smell": encoded(png(0))},
        "no row",
        {"audio": "not base64!"},
        {"audio": encoded(wav(2)), "image": None},
        {},
    ]
    response = ask(lambda client: client.post("/predict/batch", json=rows))
    assert response.status_code == 200
    found = response.json()
    assert without_times(found[0]) == alone(image=png(0))
    assert without_times(found[5]) == alone(audio=wav(2))
    assert [each.get("status") for each in found] == [None, 422, 422, 422, 422, None, 422]


def test_rows_of_a_batch_may_be_numbered_parts():
    files = {"0.image": png(0), "1.audio": wav(1), "1.image": png(1), "2.image": b"broken"}
    found = ask(lambda client: client.post("/predict/batch", files=files)).json()
    assert without_times(found[0]) == alone(image=png(0))
    assert without_times(found[1]) == alone(image=png(1), audio=wav(1))
    assert found[2]["status"] == 422


def test_encodings_are_what_the_graph_gives_and_long_recordings_have_several():
    rows = [
        {"image": png(1)},
        {"audio": wav(2, samples=700), "image": png(2)},
        {"audio": wav(2, samples=9_000), "image": png(2)},
    ]

    async def talk(client: httpx.AsyncClient) -> Any:
        asked = [client.post(path, files=row) for row in rows for path in ("/encode", "/predict")]
        return [each.json() for each in await asyncio.gather(*asked)]

    found = ask(talk, limits=Limits(batch=8))
    for row, answer in zip(rows, found[::2], strict=True):
        contents = {m: predictor().read(m, source) for m, source in row.items()}
        expected = predictor().encode_contents(contents).windows
        assert set(answer) == {"windows", "milliseconds"}
        assert len(answer["windows"]) == len(expected) > 2 * (len(contents.get("audio", [])) > 2_000)
        assert sum(each["weight"] for each in answer["windows"]) == pytest.approx(1)
        for one, other in zip(answer["windows"], expected, strict=True):
            assert (one["start"], one["end"]) == (other.start, other.end)
            assert one["encodings"].keys() == row.keys()
            for modality, values in other.encodings.items():
                assert one["encodings"][modality] == pytest.approx(values, abs=1e-5)
    assert without_times(found[1]) == alone(**rows[0])


def test_encodings_take_no_limit_of_known_and_need_an_input():
    for form in ({"data": {"reject": "0.5"}, "files": {"image": png(1)}}, {"files": {"smell": b"x"}}):
        response = ask(lambda client, form=form: client.post("/encode", **form))
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"


def test_a_graph_of_an_older_seesay_gives_no_encodings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictor().graph, "encoders", "")

    async def talk(client: httpx.AsyncClient) -> Any:
        answered = await client.post("/encode", files={"image": png(1)})
        return answered.status_code, (await client.get("/openapi.json")).json()["paths"]

    status, paths = ask(talk)
    assert status == 404
    assert "/encode" not in paths


# ------------------------------------------------------------------------------------------------ refusals

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("status", "request_of"),
    [
        (422, {"json": {}}),
        (422, {"json": []}),
        (422, {"json": {"image": 7}}),
        (422, {"json": {"image": "7"}}),
        (422, {"json": {"image": ["7"]}}),
        (422, {"json": {"image": encoded(png()), "reject": "much"}}),
        (422, {"json": {"image": encoded(png()), "reject": 2}}),
        (422, {"json": {"image": encoded(png()), "sound": ""}}),
        (422, {"files": {"image": b""}}),
        (422, {"files": {"image": wav()}}),
        (422, {"files": {"audio": png()}}),
        (422, {"files": {"audio": wav()[:500]}}),
        (422, {"files": {"audio": b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(80)}}),
        (413, {"files": [(f"image{i}", png()) for i in range(9)]}),
        (400, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        (400, {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}),
        (400, {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}}),
        (400, {"content": b"", "headers": BOUNDARY}),
        (400, {"content": b"--x\r\n", "headers": BOUNDARY}),
        (400, {"content": b"--y\r\n\r\n--y--", "headers": BOUNDARY}),
        (400, {"content": b"--x\r\nA: b\r\n\r\nno name\r\n--x--\r\n", "headers": BOUNDARY}),
        (400, {"files": [("image", png()), ("image", png())]}),
        (400, {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}),
        (415, {"content": b"image", "headers": {"Content-Type": "text/plain"}}),
        (415, {"content": png(), "headers": {"Content-Type": "image/png"}}),
        (415, {"content": b"image"}),
        (400, {"files": {"image": png()}, "headers": {"X-Deadline-Ms": "soon"}}),
        (400, {"files": {"image": png()}, "headers": {"X-Deadline-Ms": "-1"}}),
        (503, {"files": {"image": png()}, "headers": {"X-Deadline-Ms": "0.001"}}),
    ],
)
def test_what_cannot_be_answered_says_why(status: int, request_of: dict[str, Any]):
    response = answer_of(**request_of)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert len(problem["detail"]) <= 1_000


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        (Limits(body=1_000), {"image": png(size=(200, 200)) + bytes(2_000)}),
        (Limits(pixels=63), {"image": png()}),
        (Limits(seconds=0.2), {"audio": wav()}),
        (Limits(seconds=0.2), {"audio": wav(format="FLAC")}),
    ],
)
def test_what_is_larger_than_the_limits_gets_413(limits: Limits, files: dict[str, bytes]):
    response = ask(lambda client: client.post("/predict", files=files), limits=limits)
    assert response.status_code == 413
    assert "more than the" in response.json()["detail"]


def test_pixels_of_every_format_are_counted_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch):
    file = io.BytesIO()
    Image.new("L", (4_000, 4_000)).save(file, "GIF")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    response = ask(
        lambda client: client.post("/predict", files={"image": file.getvalue()}),
        limits=Limits(pixels=1_000_000),
    )
    assert response.status_code == 413


def test_more_rows_than_may_be_get_413():
    rows = [{"image": encoded(png())}] * 5
    response = ask(lambda client: client.post("/predict/batch", json=rows), limits=Limits(rows=4))
    assert response.status_code == 413


async def asgi(app: Any, messages: list[Any], headers: dict[str, str], path: str = "/predict") -> list[Any]:
    """What an app sends when it receives these messages; None: nothing more, for ever."""
    sent: list[Any] = []
    queue = iter(messages)

    async def receive() -> Any:
        message = next(queue)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": pairs, "query_string": b""}
    await app(scope | {"root_path": "", "http_version": "1.1", "scheme": "http"}, receive, send)
    return sent


def test_a_large_body_is_refused_before_it_is_read():
    async def run() -> list[Any]:
        app = door(Limits(body=1_000))
        gone = {"type": "http.disconnect"}
        return await asgi(app, [gone], {"Content-Length": "1001", "Content-Type": "application/json"})

    start, *bodies = asyncio.run(run())
    assert start["status"] == 413
    assert (b"connection", b"close") in start["headers"]
    assert b"1,001 bytes" in bodies[0]["body"]


def test_a_large_body_without_a_length_is_refused_while_it_comes():
    async def run() -> list[Any]:
        part = {"type": "http.request", "body": bytes(600), "more_body": True}
        return await asgi(door(Limits(body=1_000)), [part, part, {"type": "http.disconnect"}], {})

    assert asyncio.run(run())[0]["status"] == 413


def test_a_body_that_comes_too_slowly_gets_408():
    async def run() -> list[Any]:
        part = {"type": "http.request", "body": b"-", "more_body": True}
        app = door(Limits(receive=0.05))
        sent = await asgi(app, [part, None, {"type": "http.disconnect"}], {})
        assert app.held == 0
        return sent

    assert asyncio.run(run())[0]["status"] == 408


def test_a_client_that_goes_away_is_no_error():
    async def run() -> Any:
        part = {"type": "http.request", "body": b"-", "more_body": True}
        log = io.StringIO()
        app = door(log=log)
        sent = await asgi(app, [part, {"type": "http.disconnect"}], {})
        return sent, app.held, json.loads(log.getvalue())["status"]

    assert asyncio.run(run()) == ([], 0, 499)


def test_without_the_token_there_is_no_answer():
    async def talk(client: httpx.AsyncClient) -> list[int]:
        tries: list[dict[str, str]] = [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": f"Bearer {TOKEN}"},
            {"Authorization": f"bearer {TOKEN}"},
        ]
        found = [await client.post("/predict", files={"image": png()}, headers=each) for each in tries]
        assert found[0].headers["www-authenticate"] == "Bearer"
        others = [await client.get(path) for path in ("/health", "/ready", "/", "/model", "/metrics")]
        return [each.status_code for each in (*found, *others)]

    assert ask(talk, token=TOKEN) == [401, 401, 401, 200, 200, 200, 200, 200, 401, 401]


def test_other_paths_and_methods_get_problems():
    async def talk(client: httpx.AsyncClient) -> Any:
        return await client.get("/nothing"), await client.get("/predict"), await client.post("/model")

    for response, status in zip(ask(talk), (404, 405, 405), strict=True):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == status


# ------------------------------------------------------------------------------------------- load and bugs


def slowed(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Each batch takes so long."""
    run = Graph.run

    def slow(self: Graph, *arguments: Any) -> Any:
        time.sleep(seconds)
        return run(self, *arguments)

    monkeypatch.setattr(Graph, "run", slow)


def test_a_full_queue_answers_503_at_once(monkeypatch: pytest.MonkeyPatch):
    slowed(monkeypatch, 1.0)

    async def talk(client: httpx.AsyncClient) -> Any:
        first = [asyncio.create_task(client.post("/predict", files={"image": png()})) for _ in range(4)]
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        refused = await client.post("/predict", files={"image": png()})
        seconds = time.perf_counter() - began
        return [(await task).status_code for task in first], refused, seconds

    answered, refused, seconds = ask(talk, limits=Limits(waiting=4))
    assert answered == [200] * 4
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert seconds < 1, "before what waits is answered"


def test_what_would_be_late_is_refused_before_work_is_done(monkeypatch: pytest.MonkeyPatch):
    slowed(monkeypatch, 0.1)

    async def talk(client: httpx.AsyncClient) -> Any:
        for _ in range(12):  # so that the server knows how long a row takes
            await client.post("/predict", files={"image": png()})
        late, soon = [
            await client.post("/predict", files={"image": png()}, headers={"X-Deadline-Ms": milliseconds})
            for milliseconds in ("50", "5000")
        ]
        waiting = [
            asyncio.create_task(
                client.post("/predict", files={"image": png()}, headers={"X-Deadline-Ms": "250"})
            )
            for _ in range(24)
        ]
        return late, soon, [await task for task in waiting], (await client.get("/metrics")).text

    late, soon, waiting, metrics = ask(talk)
    assert (late.status_code, soon.status_code) == (503, 200)
    assert {each.status_code for each in waiting} == {200, 503}
    assert 'seesay_shed_total{reason="deadline"}' in metrics


def test_a_bug_is_the_answer_of_nobody_else(monkeypatch: pytest.MonkeyPatch):
    """Rows with a black picture raise, alone and in a batch; the client is not told what."""
    run = Graph.run

    def broken(self: Graph, inputs: Any, present: Any = None) -> Any:
        if "image" in inputs and not inputs["image"].reshape(len(inputs["image"]), -1).any(1).all():
            raise RuntimeError("secret of the picture")
        return run(self, inputs, present)

    monkeypatch.setattr(Graph, "run", broken)
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "PNG")
    log = io.StringIO()

    async def talk(client: httpx.AsyncClient) -> Any:
        rows = [file.getvalue() if i % 4 == 0 else png(1) for i in range(12)]
        found = await asyncio.gather(*(client.post("/predict", files={"image": row}) for row in rows))
        batch = [{"image": encoded(row)} for row in rows[:2]]
        return found, (await client.post("/predict/batch", json=batch)).json()

    async def run_all() -> Any:
        async with asking(door(log=log)) as client:
            return await talk(client)

    found, rows = asyncio.run(run_all())
    assert [each.status_code for each in found] == [500 if i % 4 == 0 else 200 for i in range(12)]
    assert without_times(found[1].json()) == alone(image=png(1))
    assert [row.get("status") for row in rows] == [500, None]
    assert "RuntimeError" in log.getvalue()
    assert "secret" not in log.getvalue() + found[0].text


def test_logs_are_json_lines_without_contents():
    log = io.StringIO()
    ask(lambda client: client.post("/predict", json={"image": encoded(png())}), log=log)
    [line] = log.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["path"], found["status"]) == ("request", "/predict", 200)
    assert encoded(png())[:20] not in line


# --------------------------------------------------------------------------------------------- what it tells


def test_the_model_tells_its_classes_inputs_and_limits():
    found = ask(lambda client: client.get("/model")).json()
    spec = predictor().spec
    assert found["classes"] == list(spec.classes)
    assert [each["name"] for each in found["modalities"]] == list(spec.modalities)
    assert [each["kind"] for each in found["modalities"]] == ["picture", "waveform"]
    assert found["modalities"][1]["seconds"] == 0.25
    assert found["limits"]["rows"] == Limits.rows


def test_the_openapi_document_describes_the_answers():
    async def talk(client: httpx.AsyncClient) -> Any:
        document = (await client.get("/openapi.json")).json()
        return document, (await client.post("/predict", files={"image": png(), "audio": wav()})).json()

    document, answer = ask(talk)
    schema = document["components"]["schemas"]["Answer"]
    assert set(schema["properties"]) == set(answer) == set(schema["required"])
    assert set(vars(Prediction([], [], {}, True))) < set(answer)
    assert schema["properties"]["agree"]["description"]
    example = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]
    assert set(example["example"]) == set(answer)


def test_it_is_ready_until_it_ends():
    async def run() -> list[int]:
        app = door()
        async with asking(app) as client:
            before = await client.get("/ready")
            app.draining = True
            after, alive = await client.get("/ready"), await client.get("/health")
            assert alive.headers["connection"] == "close"
        return [before.status_code, after.status_code, alive.status_code]

    assert asyncio.run(run()) == [200, 503, 200]


def test_ready_made_contents_are_lists_or_npy_files():
    spec, vector = VectorSpec(3), np.array([1.0, 2.0, 3.0], np.float32)
    file = io.BytesIO()
    np.save(file, vector)
    for value in ([1, 2, 3], file.getvalue(), encoded(file.getvalue())):
        np.testing.assert_array_equal(source_of("touch", spec, value), vector)
    pickled = io.BytesIO()
    np.save(pickled, np.array([object()]), allow_pickle=True)
    for value in (["a"], b"junk", pickled.getvalue(), [[1], [1, 2]]):
        with pytest.raises(Exception, match="touch"):
            source_of("touch", spec, value)
