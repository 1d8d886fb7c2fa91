"""The page at `/`: the files of `web/`, held in memory, with headers that keep it to itself.

The page may load nothing from elsewhere, and may not be framed. `Cross-Origin-*` isolates it, so that
WebAssembly may use threads.
"""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "web"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
"""By suffix: what machines' own tables of types disagree on. Browsers refuse modules of another type."""

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Cache-Control": "no-cache",  # kept, but asked about by its ETag each time
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

MISSING = b"This seesay has no page; ask POST /predict, see /openapi.json.\n"


@dataclass(frozen=True)
class File:
    """A file of the page."""

    content: bytes
    media_type: str

    @property
    def headers(self) -> dict[str, str]:
        """Those of its answer."""
        tag = hashlib.sha256(self.content).hexdigest()[:32]
        return HEADERS | {"ETag": f'"{tag}"', "Content-Type": self.media_type}


def files_of(folder: Path = FOLDER) -> dict[str, File]:
    """The files of the page by path, as in `/draw.js`; `/` is `index.html`, or a line if there is none."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    files = {f"/{path.relative_to(folder).as_posix()}": _file(path) for path in found}
    return {"/": files.get("/index.html", File(MISSING, "text/plain; charset=utf-8"))} | files


def _file(path: Path) -> File:
    guess = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(path.read_bytes(), TYPES.get(path.suffix.lower(), guess))


def is_current(tags: str | None, file: File) -> bool:
    """Whether the browser has this file: `tags` is its If-None-Match."""
    own = file.headers["ETag"]
    given = [tag.strip().removeprefix("W/") for tag in (tags or "").split(",")]
    return own in given or "*" in given
