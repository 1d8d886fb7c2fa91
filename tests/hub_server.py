"""A small hub on 127.0.0.1: as much of the Hugging Face hub's HTTP API as uploading and downloading a model
repository takes. Repositories are kept in memory; binary files go the way of LFS, in two steps."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_test"


@dataclass
class Repository:
    private: bool
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {".gitattributes": b""}})
    messages: list[str] = field(default_factory=list)

    def files(self, revision: str) -> dict[str, bytes] | None:
        """The files of a branch, or of a commit by its hash."""
        return next((f for name, f in self.branches.items() if revision in (name, sha(f))), None)


class Hub:
    """`with Hub() as hub:` serves at `hub.endpoint`."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.fails: Callable[[str], int | None] = lambda request: None
        """The status of an error with which to answer a request, such as `POST /api/repos/create`."""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Hub":
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()


class Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(iter(self._chunk, b""))
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        try:
            if status := self.hub.fails(request):
                raise Refused(status, message="out of order")
            for pattern, method in ROUTES:
                if match := re.fullmatch(pattern, request):
                    method(self, body, *map(unquote, match.groups()))
                    return
            raise Refused(404)
        except Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self.send(json.dumps({"error": refused.message}).encode(), refused.status, headers)

    do_GET = do_POST = do_PUT = do_HEAD = answer

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def send(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        headers = {"Content-Length": str(len(content)), **(headers or {})}
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    @property
    def known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def repository(self, name: str, write: bool = False) -> Repository:
        found = self.hub.repositories.get(name)
        if found is None or ((found.private or write) and not self.known):
            raise Refused(401, "RepoNotFound", "Repository not found")
        return found

    def files(self, name: str, revision: str, write: bool = False) -> dict[str, bytes]:
        files = self.repository(name, write).files(revision)
        if files is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return files

    # ----------------------------------------------------------------------------------------------- requests

    def create(self, body: bytes) -> None:
        if not self.known:
            raise Refused(401, message="Invalid username or password.")
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != "owner":
            raise Refused(403, message="You don't have the rights to create a model under this namespace")
        there = name in self.hub.repositories
        if not there:
            self.hub.repositories[name] = Repository(asked.get("visibility") == "private")
        self.send({"url": f"{self.hub.endpoint}/{name}"}, 409 if there else 200)

    def info(self, body: bytes, name: str, revision: str = "main") -> None:
        files, private = self.files(name, revision), self.repository(name).private
        siblings = [{"rfilename": path} for path in files]
        self.send({"id": name, "sha": sha(files), "private": private, "siblings": siblings})

    def branch(self, body: bytes, name: str, branch: str) -> None:
        repository = self.repository(name, write=True)
        if branch in repository.branches:
            raise Refused(409)
        repository.branches[branch] = dict(repository.branches["main"])
        self.send({})

    def validate(self, body: bytes) -> None:
        text = json.loads(body)["content"]
        try:
            assert yaml.safe_load(text.split("---\n")[1])["library_name"]
            self.send({"errors": [], "warnings": []})
        except Exception as error:
            self.send({"errors": [{"message": f"bad metadata: {error!r}"}], "warnings": []}, 400)

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        there, asked = self.files(name, revision, write=True), json.loads(body)["files"]
        files = []
        for file in asked:
            binary = b"\0" in base64.b64decode(file["sample"])
            mode = {"uploadMode": "lfs" if binary else "regular", "shouldIgnore": False}
            content = there.get(file["path"])
            oid = None if content is None else hashlib.sha256(content).hexdigest() if binary else git(content)
            files.append({"path": file["path"], **mode, "oid": oid})
        self.send({"files": files})

    def lfs(self, body: bytes, name: str) -> None:
        self.repository(name, write=True)
        objects = [
            each
            if each["oid"] in self.hub.objects
            else {**each, "actions": {"upload": {"href": f"{self.hub.endpoint}/objects/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        self.send({"transfer": "basic", "objects": objects})

    def put(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.objects[oid] = body
        self.send({})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        self.files(name, revision, write=True)
        repository = self.repository(name)
        files = dict(repository.branches[revision])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            match line["key"]:
                case "header":
                    repository.messages.append(value["summary"])
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.objects[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        repository.branches[revision] = files
        url = f"{self.hub.endpoint}/{name}/commit/{sha(files)}"
        self.send({"commitUrl": url, "commitOid": sha(files), "success": True})

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        files = self.files(name, revision)
        if path not in files:
            raise Refused(404, "EntryNotFound")
        tag = hashlib.sha256(files[path]).hexdigest()
        self.send(files[path], headers={"ETag": f'"{tag}"', "X-Repo-Commit": sha(files)})


NAME, PART = r"([^/]+/[^/]+)", r"([^/]+)"
ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"POST /api/repos/create", Handler.create),
    (r"POST /api/validate-yaml", Handler.validate),
    (rf"GET /api/models/{NAME}", Handler.info),
    (rf"GET /api/models/{NAME}/revision/{PART}", Handler.info),
    (rf"POST /api/models/{NAME}/branch/{PART}", Handler.branch),
    (rf"POST /api/models/{NAME}/preupload/{PART}", Handler.preupload),
    (rf"POST /api/models/{NAME}/commit/{PART}", Handler.commit),
    (rf"POST /{NAME}\.git/info/lfs/objects/batch", Handler.lfs),
    (rf"PUT /objects/{PART}", Handler.put),
    (rf"(?:GET|HEAD) /{NAME}/resolve/{PART}/(.+)", Handler.resolve),
]


def sha(files: dict[str, bytes]) -> str:
    """The hash of a commit with these files."""
    listing = sorted((name, hashlib.sha1(content).hexdigest()) for name, content in files.items())
    return hashlib.sha1(repr(listing).encode()).hexdigest()


def git(content: bytes) -> str:
    """The hash by which git names a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
