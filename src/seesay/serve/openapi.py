"""The OpenAPI document of a server, made from its dataclasses and from the model that it serves."""

import inspect
import types
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Union, get_args, get_origin, get_type_hints

from seesay.plain import field_docs
from seesay.serve.answer import VERSION, Prediction, Score
from seesay.serve.encoded import Encoded
from seesay.serve.graph import GraphPredictor
from seesay.serve.limits import Limits
from seesay.serve.problems import MEDIA_TYPE, Problem, Refused
from seesay.spec import Modality, PictureSpec, WaveformSpec

REF = "#/components/schemas/"

NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True)
class ServedModality:
    """An input of the model."""

    name: Modality
    """Of the part of the request."""
    kind: str
    """What its contents are: picture, waveform, matrix, vector, or a registered kind."""
    noun: str
    """The word for one content."""
    reader: str | None
    """How pictures are read: `ink` (a drawing: cropped and centred) or `photo` (whole). None: no picture
    files."""
    shape: list[int]
    """What the model sees: (channels, height, width), (samples,), or the shape of the array."""
    rate: int | None
    """Samples a second, of recordings."""
    seconds: float | None
    """Length of the clip that the model sees, of recordings."""
    known: bool
    """Whether the model can tell how much a content is like its training data."""


@dataclass(frozen=True)
class ServedModel:
    """The model that is served."""

    classes: list[str]
    """In the order of the model."""
    modalities: list[ServedModality]
    """In the order of the model."""
    known: bool
    """Whether answers have `known`, and `reject` may be given."""
    encoders: str
    """Fingerprint of the encoders: heads fitted to encodings of one server fit models with the same. Empty:
    the model was exported by an older seesay, and there is no `/encode`."""
    limits: Limits
    """How much the server takes."""
    version: str
    """Of seesay."""
    answer_version: int
    """Of the fields of an answer."""


@dataclass(frozen=True)
class Milliseconds:
    """What the parts of an answer took."""

    queue: float
    """From the whole body to the reading of its contents."""
    read: float
    """From bytes to pixels and samples."""
    infer: float
    """Of the batch that the row was in."""


def model_of(predictor: GraphPredictor, limits: Limits) -> ServedModel:
    """What `GET /model` says."""
    graph, spec = predictor.graph, predictor.spec
    modalities = [
        ServedModality(
            m,
            each.kind,
            spec.noun(m),
            each.reader if isinstance(each, PictureSpec) else None,
            list(graph.types[m].shape),
            each.rate if isinstance(each, WaveformSpec) else None,
            graph.types[m].shape[0] / each.rate if isinstance(each, WaveformSpec) else None,
            m in graph.knowing,
        )
        for m, each in spec.contents.items()
    ]
    known = all(each.known for each in modalities)
    seesay = version("seesay")
    return ServedModel(list(spec.classes), modalities, known, graph.encoders, limits, seesay, VERSION)


def document(predictor: GraphPredictor, limits: Limits, token: bool) -> dict[str, Any]:
    """The OpenAPI document. `token`: whether one is needed."""
    spec = predictor.spec
    paths = {
        "/predict": {"post": _predict(predictor)},
        "/predict/batch": {"post": _predict_batch(predictor, limits)},
        **({"/encode": {"post": _encode(predictor)}} if predictor.graph.encoders else {}),
        "/model": {"get": _get("model", "The model: its classes, inputs and limits.", ServedModel)},
        "/health": {"get": _get("health", "Whether the process is alive.", None)},
        "/ready": {"get": _get("ready", "Whether it takes requests: 503 once it is told to end.", None)},
        "/metrics": {"get": _metrics()},
    }
    paths["/ready"]["get"]["responses"]["503"] = _problem("It is ending.")
    components: dict[str, Any] = {"schemas": _schemas()}
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "seesay",
            "version": version("seesay"),
            "description": f"Classifies {' and '.join(spec.noun(m) + 's' for m in spec.modalities)}: "
            f"{', '.join(spec.classes[:20])}{', ...' if len(spec.classes) > 20 else ''}.",
        },
        "paths": paths,
        "components": components,
    }
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        whole["security"] = [{"token": []}]
        for path in ("/health", "/ready"):
            paths[path]["get"]["security"] = []
        for path in paths.keys() - {"/health", "/ready"}:
            for operation in paths[path].values():
                operation["responses"]["401"] = _problem("The token is absent or wrong.")
    return whole


# ---------------------------------------------------------------------------------------------- operations


def _predict(predictor: GraphPredictor) -> dict[str, Any]:
    row, parts = _row(predictor, "base64"), _row(predictor, None)
    content = {
        "multipart/form-data": {"schema": parts},
        "application/json": {"schema": row, "examples": {"without one": {"value": _example(predictor)}}},
    }
    return {
        "operationId": "predict",
        "summary": "Classify one row: a content of one modality, or of several.",
        "parameters": [_deadline()],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _ok({"$ref": REF + "Answer"}, _answer(predictor))} | _problems(),
    }


def _predict_batch(predictor: GraphPredictor, limits: Limits) -> dict[str, Any]:
    rows = {"type": "array", "minItems": 1, "maxItems": limits.rows, "items": _row(predictor, "base64")}
    numbered = {
        f"0.{name}": value for name, value in _row(predictor, None)["properties"].items() if name != "reject"
    }
    parts = {
        "type": "object",
        "description": "Parts of further rows begin with 1., 2. and so on.",
        "properties": numbered,
    }
    content = {
        "application/json": {"schema": rows, "examples": {"one row": {"value": [_example(predictor)]}}},
        "multipart/form-data": {"schema": parts},
    }
    either = {"anyOf": [{"$ref": REF + "Answer"}, {"$ref": REF + "Problem"}]}
    answer = _ok({"type": "array", "items": either}, [_answer(predictor), _example_problem()])
    return {
        "operationId": "predict_batch",
        "summary": "Classify several rows. Each gets its answer, or its own problem.",
        "parameters": [_deadline()],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answer} | _problems(),
    }


def _encode(predictor: GraphPredictor) -> dict[str, Any]:
    bodies = {"multipart/form-data": None, "application/json": "base64"}
    content = {}
    for media_type, encoding in bodies.items():
        row = _row(predictor, encoding)
        row["properties"].pop("reject", None)
        content[media_type] = {"schema": row}
    return {
        "operationId": "encode",
        "summary": "The encodings of one row: what the model's heads take.",
        "parameters": [_deadline()],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _ok({"$ref": REF + "Encoded"})} | _problems(),
    }


def _row(predictor: GraphPredictor, encoding: str | None) -> dict[str, Any]:
    """The schema of a row; `encoding` of its files, None: as they are."""
    file: dict[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream"}
    file |= {"contentEncoding": encoding, "format": "byte"} if encoding else {"format": "binary"}
    spec = predictor.spec
    properties: dict[str, Any] = {}
    for m in spec.modalities:
        content = spec[m]
        read = isinstance(content, WaveformSpec) or (isinstance(content, PictureSpec) and content.reader)
        what = f"A {spec.noun(m)}" if read else f"A .npy file of shape {content.shape}"
        properties[m] = file | {"description": f"{what}: {content}."}
    limit = {"type": "number", "minimum": 0, "maximum": 1}
    if any(m in predictor.graph.knowing for m in spec.modalities):
        properties["reject"] = limit | {
            "description": 'Below this `known` the answer is "none of these"; try 0.5.'
        }
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "anyOf": [{"required": [m]} for m in spec.modalities],
    }


def _deadline() -> dict[str, Any]:
    return {
        "name": "X-Deadline-Ms",
        "in": "header",
        "description": "Milliseconds in which the answer is of use. What would be later gets 503 at once.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "examples": [250]},
    }


def _get(name: str, summary: str, kind: Any) -> dict[str, Any]:
    ok = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
    schema = ok if kind is None else {"$ref": REF + kind.__name__}
    return {"operationId": name, "summary": summary, "responses": {"200": _ok(schema)}}


def _metrics() -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    ok = {"description": "Prometheus's text format.", "content": content}
    return {"operationId": "metrics", "summary": "Counts and times.", "responses": {"200": ok}}


# ----------------------------------------------------------------------------------------------- responses


def _ok(schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    content = {"schema": schema} | ({} if example is None else {"example": example})
    return {"description": "The answer.", "content": {"application/json": content}}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": REF + "Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def _problems() -> dict[str, Any]:
    meanings = {
        "400": "The body or a header is malformed.",
        "408": "The body took too long to arrive.",
        "413": "The body, a picture, a recording or the number of parts is too large.",
        "415": "The body is neither multipart nor JSON.",
        "422": "An input is unknown, or cannot be read.",
        "503": "Too many requests, or the deadline cannot be kept. Try again after Retry-After seconds.",
    }
    found = {status: _problem(meaning) for status, meaning in meanings.items()}
    found["422"]["content"][MEDIA_TYPE]["example"] = _example_problem()
    retry = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
    found["503"]["headers"] = {"Retry-After": retry}
    return found


# ------------------------------------------------------------------------------------- schemas and examples


def _schemas() -> dict[str, Any]:
    """The JSON schemas of the dataclasses, with the sentences under their fields."""
    schemas: dict[str, Any] = {}
    for kind in (Prediction, Encoded, Milliseconds, Problem, ServedModel):
        _schema(kind, schemas)
    encoded = schemas["Encoded"]
    encoded["properties"] |= {"milliseconds": {"$ref": REF + "Milliseconds"}}
    encoded["required"] = list(encoded["properties"])
    answer = schemas.pop("Prediction")
    label = {"type": "string", "description": "The most likely class, or `_none_` if it is rejected."}
    answer["properties"] |= {"label": label, "milliseconds": {"$ref": REF + "Milliseconds"}}
    schemas["Answer"] = answer | {"required": list(answer["properties"])}
    return schemas


def _schema(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a type; those of dataclasses and typed dictionaries are put into `schemas`."""
    arguments = get_args(hint)
    if hint is type(None):
        return {"type": "null"}
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_schema(each, schemas) for each in arguments]}
    if get_origin(hint) is list:
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], schemas)}
    if hint in NAMES:
        return {"type": NAMES[hint]}
    if hint.__name__ not in schemas:
        docs = field_docs(hint)
        fields = {
            name: _schema(each, schemas) | ({"description": docs[name]} if name in docs else {})
            for name, each in get_type_hints(hint).items()
        }
        made = {"type": "object", "properties": fields, "required": list(fields)}
        schemas[hint.__name__] = made | {"description": inspect.getdoc(hint)}
    return {"$ref": REF + hint.__name__}


def _example(predictor: GraphPredictor) -> dict[str, Any]:
    return {m: "UklGRi..." if isinstance(s, WaveformSpec) else "iVBORw0..." for m, s in _given(predictor)}


def _given(predictor: GraphPredictor) -> list[tuple[Modality, Any]]:
    return list(predictor.spec.contents.items())


def _answer(predictor: GraphPredictor) -> dict[str, Any]:
    """An answer as the model might give."""
    spec = predictor.spec
    rest = round(0.02 / max(1, len(spec.classes) - 1), 6)
    scores = [Score(label=name, score=0.98 if i == 0 else rest) for i, name in enumerate(spec.classes)]
    known = 0.97 if all(m in predictor.graph.knowing for m in spec.modalities) else None
    several = len(spec.modalities) > 1
    prediction = Prediction(
        scores[:5],
        list(spec.modalities),
        dict.fromkeys(spec.modalities, scores[:5]),
        True,
        known,
        dict.fromkeys(spec.modalities, known),
        agreement=0.96 if several else None,
    )
    times = {"queue": 0.2, "read": 0.9, "infer": 2.5}
    return prediction.to_dict() | {"milliseconds": times}


def _example_problem() -> dict[str, Any]:
    detail = "the picture is blank: it shows no ink. Give another one, or leave it out."
    return asdict(Refused(422, detail, "image").problem)
