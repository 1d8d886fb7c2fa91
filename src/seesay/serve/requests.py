"""The body of a request → the rows that it asks about.

One row is `multipart/form-data` with a part for each modality, or a JSON object with base64 under their
names; `reject` may be among them. Several rows are a JSON list of such objects, or parts that are called
`0.image`, `0.audio`, `1.image`. A row that cannot be understood is `Refused` by itself; a body that cannot,
as a whole.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from seesay.errors import InputError, nearest
from seesay.serve.asked import Asked
from seesay.serve.graph import GraphPredictor
from seesay.serve.limits import Limits
from seesay.serve.problems import Refused
from seesay.spec import ContentSpec, PictureSpec, Spec, WaveformSpec

MULTIPART, JSON = "multipart/form-data", "application/json"
REJECT = "reject"
NUMBERED = re.compile(r"(\d{1,6})\.(.+)", re.DOTALL)


def row_of(predictor: GraphPredictor, body: bytes, content_type: str, limits: Limits) -> Asked:
    """The row of a request to /predict. One that cannot be understood: Refused."""
    kind, boundary = _kind(content_type)
    if kind == JSON:
        return _row(predictor, _parsed(body))
    return _row(predictor, _parts(body, boundary, len(predictor.spec.modalities) + 1))


def rows_of(
    predictor: GraphPredictor, body: bytes, content_type: str, limits: Limits
) -> list[Asked | Refused]:
    """The rows of a request to /predict/batch, in order; a body that cannot be understood, or with more rows
    than the limits allow: Refused."""
    kind, boundary = _kind(content_type)
    if kind == JSON:
        rows = _parsed(body)
        if not isinstance(rows, list):
            raise Refused(422, f"expected a JSON list of objects, got {_type(rows)}")
    else:
        most = limits.rows * (len(predictor.spec.modalities) + 1)
        rows = _numbered(_parts(body, boundary, most), limits.rows)
    if not rows:
        raise Refused(422, "expected at least one row, got none")
    if len(rows) > limits.rows:
        raise Refused(413, f"expected at most {limits.rows} rows, got {len(rows):,}")
    return [_row_or_refusal(predictor, row) for row in rows]


def _row_or_refusal(predictor: GraphPredictor, values: Any) -> Asked | Refused:
    try:
        return _row(predictor, values)
    except Refused as refusal:
        return refusal


def _row(predictor: GraphPredictor, values: Any) -> Asked:
    """A row from its values by name: bytes from multipart, base64 from JSON."""
    spec = predictor.spec
    if not isinstance(values, Mapping):
        raise Refused(422, f"expected an object with {_expected(spec)}, got {_type(values)}")
    for name in values:
        if name not in spec.modalities and name != REJECT:
            remedy = nearest(name[:100], [*spec.modalities, REJECT])
            raise Refused(422, InputError(f"expected {_expected(spec)}, got {name[:100]!r}", remedy))
    reject = _reject(values.get(REJECT))
    given = {m: values[m] for m in spec.modalities if values.get(m) is not None}
    if not given:
        raise Refused(422, f"expected {_expected(spec)}, got neither")
    sources = {m: source_of(m, spec[m], value) for m, value in given.items()}
    try:
        predictor.check_reject(reject, sources)
    except InputError as error:
        raise Refused(422, error) from None
    return Asked(sources, reject)


def _reject(value: Any) -> float | None:
    if value is None:
        return None
    try:
        if isinstance(value, bool | list | dict):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise Refused(422, f"reject expects a number from 0 to 1, got {_shown(value)!r}") from None


def _shown(value: Any) -> str:
    """The beginning of what was sent, as text."""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value))[:50]


def source_of(modality: str, spec: ContentSpec, value: Any) -> Any:
    """Bytes of a file, or the array of a ready-made content, which comes as a `.npy` file or a list."""
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Refused(422, f"{modality} is not base64", modality) from None
    made = not isinstance(spec, PictureSpec | WaveformSpec) or (
        isinstance(spec, PictureSpec) and spec.reader is None
    )
    if isinstance(value, bytes):
        return _array(modality, value) if made else value
    if made and isinstance(value, list):
        try:
            return np.array(value, np.float32)
        except (ValueError, TypeError, OverflowError):
            raise Refused(422, f"{modality} is not a list of numbers", modality) from None
    raise Refused(422, f"{modality} expects base64 of a file, got {_type(value)}", modality)


def _array(modality: str, data: bytes) -> np.ndarray:
    """The array in the bytes of a `.npy` file; pickled ones are refused."""
    try:
        if not data.startswith(b"\x93NUMPY"):
            raise ValueError("it does not begin as one")
        with BytesIO(data) as file:
            return np.load(file, allow_pickle=False, max_header_size=2_000)
    except Exception as error:  # a damaged header makes numpy's parsers raise nearly anything
        problem = f"{modality} expects a .npy file of one array of numbers ({str(error)[:200]})"
        raise Refused(422, InputError(problem), modality) from None


# ------------------------------------------------------------------------------------------------ the body


def _kind(content_type: str) -> tuple[str, bytes]:
    """The kind of body and, of multipart, the boundary. Another kind: Refused with 415."""
    kind, options = parse_options_header(content_type)
    kind = kind.decode("latin-1").lower()
    if kind == JSON:
        return kind, b""
    if kind != MULTIPART:
        got = content_type[:100] or "none"
        raise Refused(415, InputError(f"expected the Content-Type {MULTIPART} or {JSON}, got {got}"))
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:  # RFC 2046
        raise Refused(400, "the Content-Type of the multipart body has no boundary of 1 to 70 characters")
    return kind, boundary


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, InputError(f"the body is not JSON ({str(error)[:200]})")) from None


def _parts(body: bytes, boundary: bytes, most: int) -> dict[str, bytes]:
    """The parts of a multipart body by name. Damaged or cut short: 400; more than `most`: 413."""
    reader = _Reader(body, most)
    try:
        parser = MultipartParser(boundary, reader.callbacks(), max_header_count=8, max_header_size=1_000)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refused(400, InputError(f"the multipart body is damaged ({str(error)[:200]})")) from None
    if not reader.ended:
        raise Refused(400, "the multipart body ends before its last boundary")
    return reader.parts


class _Reader:
    """Collects the parts of a multipart body."""

    def __init__(self, body: bytes, most: int) -> None:
        self.body, self.most = body, most
        self.parts: dict[str, bytes] = {}
        self.ended = False

    def callbacks(self) -> Any:
        """By name, as the parser calls them."""
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "end")
        return {f"on_{name}": getattr(self, name) for name in names}

    def part_begin(self) -> None:
        if len(self.parts) >= self.most:
            raise Refused(413, f"expected at most {self.most} parts, got more")
        self.pieces: list[bytes] = []
        self.field, self.value, self.disposition = b"", b"", b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self.field += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def header_end(self) -> None:
        if self.field.lower() == b"content-disposition":
            self.disposition = self.value
        self.field, self.value = b"", b""

    def part_data(self, data: bytes, start: int, end: int) -> None:
        self.pieces.append(data[start:end])

    def part_end(self) -> None:
        _, options = parse_options_header(self.disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise Refused(400, "a part of the multipart body has no name")
        if name in self.parts:
            raise Refused(400, InputError(f"the part {name[:100]!r} is given twice", "Give it once."))
        self.parts[name] = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    def end(self) -> None:
        self.ended = True


def _numbered(parts: Mapping[str, bytes], most: int) -> list[dict[str, bytes]]:
    """The rows of parts that are called `0.image`, `0.audio`, `1.image`; `reject` goes for all rows."""
    rows: dict[int, dict[str, bytes]] = {}
    for name, value in parts.items():
        match = NUMBERED.fullmatch(name)
        if match is not None:
            rows.setdefault(int(match[1]), {})[match[2]] = value
        elif name != REJECT:
            problem = f"expected parts with the number of their row, such as 0.image, got {name[:100]!r}"
            raise Refused(422, InputError(problem))
    if len(rows) > most:
        raise Refused(413, f"expected at most {most} rows, got {len(rows):,}")
    if sorted(rows) != list(range(len(rows))):
        raise Refused(422, "the numbers of rows begin at 0 and leave none out")
    shared = {REJECT: parts[REJECT]} if REJECT in parts else {}
    return [shared | rows[i] for i in range(len(rows))]


def _expected(spec: Spec) -> str:
    return " or ".join([*spec.modalities])


def _type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
