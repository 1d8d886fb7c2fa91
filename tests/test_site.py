"""The site has every page in its navigation, builds without a warning, and loads nothing from elsewhere."""

import importlib.util
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from test_docs import FENCE, LINK, ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

NAVIGATION = re.findall(r"^ *- (?:[\w-]+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)


def test_every_page_is_in_the_navigation_once():
    assert sorted(NAVIGATION) == PAGES


def test_the_navigation_goes_from_learning_to_looking_up():
    top = re.findall(r"^  - ([\w-]+):", (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2], re.M)
    parts = ["Home", "Tutorial", "How-to", "Explanation", "Reference", "Questions", "Decisions", "Log"]
    assert top == parts


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_stay_within_the_site(page: str):
    """test_docs.py looks whether they lead somewhere; what lies outside of docs/ is not in the site."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", (DOCS / page).read_text()))
    for found in LINK.finditer(text):
        link = (found["markdown"] or found["html"]).partition("#")[0]
        if "://" not in link and not link.startswith("mailto:"):
            target = ((DOCS / page).parent / link).resolve()
            assert target.is_relative_to(DOCS), f"{link} is not part of the site: name its path instead"


class Html(HTMLParser):
    """What a page of the site loads, links to, and can be linked by."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in values:
            self.loads.append(values["src"])
        elif tag == "link" and values.get("rel") != "canonical" and "href" in values:
            self.loads.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, from a copy, since it is written beside its configuration."""
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("needs zensical, of the dependency group docs")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    return folder / "build" / "site"


def test_every_page_is_built(site: Path):
    missing = [page for page in PAGES if not (site / page).with_suffix(".html").is_file()]
    assert missing == []


def test_the_site_loads_nothing_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        loads = Html(page).loads
        assert loads, "a page has a style"
        assert [load for load in loads if re.match(r"(https?:)?//", load)] == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text()), style.name


def test_links_within_the_site_resolve(site: Path):
    pages = {page: Html(page) for page in site.rglob("*.html") if page.name != "404.html"}
    for page, html in pages.items():
        for link in html.links + html.loads:
            if re.match(r"(https?:)?//|mailto:|javascript:|data:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{page.relative_to(site)}: {link} is not there"
            if anchor and target in pages:
                assert unquote(anchor) in pages[target].ids, f"{page.relative_to(site)}: no #{anchor}"
