"""The files of the page, as the server sends them."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from seesay.serve.site import files_of
from served import asking, door


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A page of four files."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>seesay</title>")
    (tmp_path / "parts" / "draw.js").write_text("export const one = 1;")
    (tmp_path / "style.css").write_text("body { margin: 0 }")
    (tmp_path / ".hidden").write_text("not for others")
    return tmp_path


def get(folder: Path, *paths: str, **headers: str) -> list[httpx.Response]:
    async def run() -> list[Any]:
        async with asking(door(web=folder)) as client:
            return [await client.get(path, headers=headers) for path in paths]

    return asyncio.run(run())


def test_files_have_the_types_that_browsers_ask_for(web: Path):
    found = get(web, "/", "/index.html", "/parts/draw.js", "/style.css")
    assert [each.status_code for each in found] == [200] * 4
    types = ["text/html", "text/html", "text/javascript", "text/css"]
    assert [each.headers["content-type"].split(";")[0] for each in found] == types
    assert found[2].text == "export const one = 1;"


def test_the_page_may_load_nothing_from_elsewhere(web: Path):
    [page] = get(web, "/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "'wasm-unsafe-eval'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["cross-origin-embedder-policy"] == "require-corp"
    assert page.headers["x-content-type-options"] == "nosniff"


def test_what_the_browser_has_is_not_sent_again(web: Path):
    [first] = get(web, "/style.css")
    [again] = get(web, "/style.css", **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    [other] = get(web, "/style.css", **{"If-None-Match": '"another"'})
    assert other.status_code == 200


def test_only_files_of_the_page_are_sent(web: Path):
    outside = get(web, "/.hidden", "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/parts", "/parts/")
    assert {each.status_code for each in outside} == {404}


def test_without_a_page_there_is_a_line(tmp_path: Path):
    [found] = get(tmp_path / "nowhere", "/")
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/plain")
    assert "/predict" in found.text
    assert list(files_of(tmp_path / "nowhere")) == ["/"]
