"""What a server answers instead of a prediction: problem details of RFC 9457, one sentence for a person."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus

from seesay.spec import Modality

MEDIA_TYPE = "application/problem+json"

FAILED = "the server failed; its log says why"


@dataclass(frozen=True)
class Problem:
    """Why there is no answer (RFC 9457)."""

    title: str
    """The status in words."""
    status: int
    """The HTTP status; in a list of rows, that of the row."""
    detail: str
    """What was expected, what came, and what to do."""
    modality: Modality | None = None
    """The input to blame, if it is one."""
    type: str = "about:blank"
    """The title says it all."""


class Refused(Exception):
    """A request, or a row of one, that gets a problem instead of an answer."""

    def __init__(
        self,
        status: int,
        detail: object,
        modality: Modality | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(str(detail))
        self.problem = Problem(HTTPStatus(status).phrase, status, str(detail), modality)
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def content(self) -> bytes:
        """The body of the answer."""
        return json.dumps(asdict(self.problem), ensure_ascii=False).encode()


def busy(detail: str, seconds: float) -> Refused:
    """503, to be tried again after so many seconds, at least one."""
    return Refused(503, detail, headers={"Retry-After": str(max(1, round(seconds + 0.5)))})
