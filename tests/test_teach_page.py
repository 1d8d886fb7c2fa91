"""Five symbols and five words are taught to the page in a browser, and the file is opened (marker `long`)."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageDraw

from conftest import SHARED_DATA
from page_server import serving as files_at
from seesay.cli import main
from seesay.serve.verify import serving
from test_page import PATIENCE, Visit, packaged_graph, static_page, visit

__all__ = ["packaged_graph", "static_page"]  # fixtures

Strokes = list[list[tuple[float, float]]]

SYMBOLS: dict[str, Strokes] = {
    "ring": [[(0.5 + 0.3 * math.sin(t), 0.5 - 0.34 * math.cos(t)) for t in np.linspace(0, 6.4, 17)]],
    "bar": [[(0.5, 0.16), (0.5, 0.84)]],
    "cross": [[(0.22, 0.2), (0.78, 0.8)], [(0.78, 0.2), (0.22, 0.8)]],
    "wave": [[(0.1, 0.4), (0.3, 0.6), (0.5, 0.4), (0.7, 0.6), (0.9, 0.4)]],
    "hook": [[(0.3, 0.2), (0.3, 0.8), (0.75, 0.8)]],
}
WORDS = ("lamp", "river", "yellow", "garden", "window")
VOICES = ("en-us+m3", "en-us+f2", "en+m1", "en-us+f4", "en+f1", "en-us+m5")
EACH = 5

SHOWN = """[...document.querySelectorAll("#together, .thinks")].map((bars) => Object.fromEntries(
  [...bars.querySelectorAll(".row")].map((row) => [row.querySelector(".label").textContent,
    Number(row.querySelector(".bar").style.getPropertyValue("--score"))])))"""


def jittered(strokes: Strokes, random: np.random.Generator) -> Strokes:
    """As a hand draws it again: moved, turned and of another size."""
    turn, scale, moved = random.uniform(-0.15, 0.15), random.uniform(0.8, 1.1), random.normal(0, 0.02, 2)
    across, down = math.cos(turn) * scale, math.sin(turn) * scale

    def place(x: float, y: float) -> tuple[float, float]:
        x, y = x - 0.5 + random.normal(0, 0.01), y - 0.5 + random.normal(0, 0.01)
        return (
            float(np.clip(0.5 + moved[0] + across * x - down * y, 0.04, 0.96)),
            float(np.clip(0.5 + moved[1] + down * x + across * y, 0.04, 0.96)),
        )

    return [[place(x, y) for x, y in stroke] for stroke in strokes]


def picture_of(strokes: Strokes, path: Path) -> Path:
    """A file of what is drawn."""
    picture = Image.new("L", (280, 280), 255)
    for stroke in strokes:
        points = [(280 * x, 280 * y) for x, y in stroke]
        ImageDraw.Draw(picture).line(points, fill=0, width=20, joint="curve")
    picture.save(path)
    return path


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Recordings of five words, six of each: by voices of espeak-ng or, where it is not, digits by people."""
    folder = tmp_path_factory.mktemp("words")
    found: dict[str, list[Path]] = {}
    if shutil.which("espeak-ng"):
        for word in WORDS:
            found[word] = [folder / f"{word}{i}.wav" for i in range(len(VOICES))]
            for voice, path in zip(VOICES, found[word], strict=True):
                subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), word], check=True, timeout=20)
        return found
    for word in ("zero", "one", "two", "three", "four"):
        found[word] = sorted((SHARED_DATA / "speech_commands" / word).glob("*.wav"))[: len(VOICES)]
        if len(found[word]) < len(VOICES):
            pytest.skip("neither espeak-ng nor recordings of words are here")
    return found


@pytest.fixture(params=["static", "served"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of the page: exported, and behind the server."""
    if request.param == "static":
        with files_at(request.getfixturevalue("static_page")) as found:
            yield found
    else:
        graph = tmp_path / "model.onnx"
        graph.write_bytes(request.getfixturevalue("packaged_graph"))
        with serving(graph) as port:
            yield f"http://127.0.0.1:{port}/"


def begin(page: Visit, names: list[str]) -> Any:
    """Open the part that teaches, with these classes; their list."""
    page.page.get_by_role("button", name="Teach it").click()
    for _ in names[2:]:
        page.page.get_by_role("button", name="Add a class").click()
    for number, name in enumerate(names):
        page.page.get_by_label(f"Name of class {number + 1}").fill(name)
    return page.page.locator(".classes > li")


def wait_for(page: Visit, samples: int) -> None:
    """Until there are so many samples, and none is on its way."""
    page.page.wait_for_function(
        "(n) => document.querySelectorAll('.samples li').length === n"
        " && document.querySelector('.teaching').dataset.busy === 'false'",
        arg=samples,
        timeout=PATIENCE,
    )
    page.settle()


@pytest.mark.long
def test_symbols_and_words_are_taught_scored_and_downloaded(
    place: str, words: dict[str, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    with visit(place, reduced_motion="reduce") as page:
        classes = begin(page, list(SYMBOLS))
        count = 0
        for number, strokes in enumerate(SYMBOLS.values()):
            for each in range(EACH):
                page.page.evaluate("scrollTo(0, 0)")
                page.draw(jittered(strokes, random))
                if each % 2:
                    page.page.keyboard.press(str(number + 1))
                else:
                    page.page.locator(".adders button").nth(number).click()
                count += 1
                wait_for(page, count)
        alone = page.page.inner_text(".teaching .score")
        assert re.search(rf"of {EACH * 5} pictures", alone)
        assert "recordings" not in alone
        for number, recordings in enumerate(words.values()):
            classes.nth(number).locator("input[type=file]").set_input_files(recordings[:EACH])
            count += EACH
            wait_for(page, count)
        score = page.page.inner_text(".teaching .score")
        fits = page.page.evaluate("performance.getEntriesByName('teach').map((e) => e.duration)")
        found = re.findall(r"(\d+) of (\d+) (pictures|recordings|pairs)", score)
        right = {what: int(some) / int(total) for some, total, what in found}
        with capsys.disabled():
            print(f"\n{score} Slowest fit of up to {count} samples: {max(fits):.0f} ms")
        assert [int(total) for _, total, _ in found] == [25, 25, 125]
        assert right["pictures"] > 0.6
        assert right["recordings"] > 0.6
        assert right["pairs"] >= max(right["pictures"], right["recordings"])
        assert max(fits) < 2_000

        picture = picture_of(jittered(SYMBOLS["cross"], random), tmp_path / "cross.png")
        spoken, rate = soundfile.read(words[list(words)[2]][EACH])
        at_8000 = np.interp(np.arange(0, len(spoken), rate / 8_000), np.arange(len(spoken)), spoken)
        soundfile.write(tmp_path / "cross.wav", at_8000, 8_000, subtype="PCM_16")
        page.page.locator(".picture input[type=file]").set_input_files(picture)
        page.page.locator(".recording input[type=file]").set_input_files(tmp_path / "cross.wav")
        page.page.wait_for_selector("#headline:text-is('cross')", timeout=PATIENCE)
        page.page.wait_for_selector(".recording .best", timeout=PATIENCE)
        page.settle()
        seen, together, heard = page.page.evaluate(SHOWN)
        with page.page.expect_download() as download:
            page.page.get_by_role("button", name="Download the taught model").click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        page.check()

    inputs = ["--image", str(picture), "--audio", str(tmp_path / "cross.wav")]
    assert main(["predict", str(file), *inputs, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    expected = [said["opinions"]["image"], said["scores"], said["opinions"]["audio"]]
    for shown, scores in zip((seen, together, heard), expected, strict=True):
        differences = [abs(shown[each["label"]] - each["score"]) for each in scores]
        assert max(differences) < 1.5e-4  # shown to four decimals
    assert said["scores"][0]["label"] == "cross"


@pytest.mark.long
def test_samples_can_be_taken_back_and_mistakes_are_told(static_page: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    (tmp_path / "text.txt").write_text("no picture")
    Image.new("L", (99, 99), 255).save(tmp_path / "blank.png")
    with files_at(static_page) as found, visit(found) as page:
        classes = begin(page, ["ring", "ring"])  # of one name: the second is told apart
        assert page.page.locator(".adders").is_hidden()
        page.page.locator(".how").click()
        page.page.keyboard.press("1")
        assert "nothing to add yet" in page.page.inner_text(".teaching .problem")
        for number, symbol in enumerate(("ring", "bar")):
            paths = [
                picture_of(jittered(SYMBOLS[symbol], random), tmp_path / f"{symbol}{i}.png") for i in range(4)
            ]
            classes.nth(number).locator("input[type=file]").set_input_files(paths)
            wait_for(page, 4 * (number + 1))
        assert "8 of 8 pictures (100 %)" in page.page.inner_text(".teaching .score")
        for name, problem in (("text.txt", "neither of what"), ("blank.png", "shows no ink")):
            classes.nth(0).locator("input[type=file]").set_input_files(tmp_path / name)
            page.page.locator(".teaching .problem").filter(has_text=problem).wait_for(timeout=PATIENCE)
        wait_for(page, 8)
        classes.nth(0).locator("input[type=file]").set_input_files(tmp_path / "bar0.png")  # a mistake
        wait_for(page, 9)
        wrong = page.page.get_by_label("Remove picture 5 of ring: left out, it is taken for ring 2")
        wrong.focus()
        page.page.keyboard.press("Enter")
        wait_for(page, 8)
        assert "8 of 8" in page.page.inner_text(".teaching .score")
        assert page.page.evaluate("document.activeElement.ariaLabel") == "Remove picture 4 of ring"
        page.page.get_by_role("button", name="Remove ring 2").click()
        wait_for(page, 4)
        assert page.page.locator(".download").is_disabled()
        assert "as soon as two classes" in page.page.inner_text(".teaching .score")
        page.page.get_by_role("button", name="Teach it").click()  # the digits answer again
        page.page.locator(".picture input[type=file]").set_input_files(tmp_path / "bar1.png")
        page.page.wait_for_selector("#headline:text-is('1')", timeout=PATIENCE)
        page.check()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 740), (1440, 900)])
def test_teaching_fits_on_any_screen(
    static_page: Path, size: tuple[int, int], scheme: str, tmp_path: Path
) -> None:
    picture = picture_of(SYMBOLS["ring"], tmp_path / "ring.png")
    with files_at(static_page) as found:
        screen = {"width": size[0], "height": size[1]}
        with visit(found, viewport=screen, color_scheme=scheme, reduced_motion="reduce") as page:
            classes = begin(page, ["a name that is as long as names may be..", "b", "c"])
            for number in range(3):
                classes.nth(number).locator("input[type=file]").set_input_files([picture] * 9)
                wait_for(page, 9 * (number + 1))
            assert page.page.evaluate("document.documentElement.scrollWidth") <= size[0]
            small = page.page.evaluate(
                "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && "
                "(b.offsetHeight < 40 || b.scrollWidth > b.clientWidth + 1)).map((b) => b.outerHTML)"
            )
            assert not small
            page.check()
