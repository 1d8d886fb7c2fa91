"""What a web page reads of a drawing, a photo or a recording is what Python reads: the same bytes, or the
same refusal. The page's readers (src/seesay/serve/web) run in node here, and in Chromium where it is."""

import base64
import io
import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from benchmarks.canvas import drawings, photos, printed
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

import seesay
from seesay.errors import InputError
from seesay.formats.idx import read_idx
from seesay.signal.readers import read_picture, read_recording
from seesay.signal.sounding import windows
from seesay.spec import PictureSpec, WaveformSpec

WEB = Path(seesay.__file__).parent / "serve" / "web"
CASES = Path(__file__).parents[1] / ".." / "shared" / "cases"
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium")
RATE = 16_000
SAME = 0.99  # of the pictures, at least, are the same bytes: of 2,500, all but 4
CLOSE = 8  # grey levels between the others: 6 in the worst, where much ink is just half the strongest

pytestmark = pytest.mark.skipif(NODE is None, reason="no node here to run the page's readers")

Job = tuple[bytes, dict[str, Any]]
"""An input, and how it is read (web_reading.mjs)."""


def on_the_page(jobs: list[Job], folder: Path) -> list[bytes | str]:
    """What the page's readers return for each, or the sentence that they refuse it with."""
    return [output for output, _ in timed(jobs, folder)]


def timed(jobs: list[Job], folder: Path) -> list[tuple[bytes | str, list[float]]]:
    """As `on_the_page`, with milliseconds."""
    modules = folder / "modules"
    shutil.copytree(WEB, modules, dirs_exist_ok=True)
    (modules / "package.json").write_text(
        '{"type": "module"}'
    )  # what <script type="module"> says to browsers
    (folder / "inputs.bin").write_bytes(b"".join(data for data, _ in jobs))
    ends = np.cumsum([len(data) for data, _ in jobs]).tolist()
    starts = [0, *ends[:-1]]
    plain = [job | {"start": a, "end": b} for (_, job), a, b in zip(jobs, starts, ends, strict=True)]
    (folder / "jobs.json").write_text(json.dumps(plain))
    script = Path(__file__).with_name("web_reading.mjs")
    assert NODE is not None
    done = subprocess.run([NODE, script, modules, folder], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    outputs, at, found = (folder / "outputs.bin").read_bytes(), 0, []
    for result in json.loads((folder / "results.json").read_text()):
        length = result.get("length", 0)
        found.append((result.get("error", outputs[at : at + length]), result["times"]))
        at += length
    return found


def in_python(read: Any, source: Any, spec: Any) -> bytes | str:
    """What Python reads of it, or the sentence that it refuses it with."""
    try:
        return read(source, spec).tobytes()
    except InputError as error:
        return str(error)


def pixels(picture: Image.Image, run: str = "ink", **options: Any) -> Job:
    size = {"height": picture.height, "width": picture.width, "alpha": bool(picture.has_transparency_data)}
    return picture.convert("RGBA").tobytes(), {"run": run, "options": options} | size


# ----------------------------------------------------------------------------------------------- drawings


def written(digit: np.ndarray, kind: int, random: np.random.Generator) -> Image.Image:
    """A digit of 28x28, light on black, as one of the pictures that people hand over."""
    ink = Image.fromarray(digit)
    if kind == 0:  # as it is, or dark on light
        return ink if random.random() < 0.5 else Image.fromarray(255 - digit)
    if kind == 1:  # cropped to its ink, enlarged
        rows, columns = np.nonzero(digit > 60)
        ink = ink.crop((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    if kind == 2:  # thick
        ink = ink.resize((112, 112), Image.Resampling.BICUBIC)
        ink = Image.fromarray(np.asarray(ink).reshape(28, 4, 28, 4).max((1, 3)))
    factor = float(random.uniform(2, 14)) if kind != 3 else float(random.uniform(60, 85))  # 3: a large scan
    filters = (Image.Resampling.BICUBIC, Image.Resampling.NEAREST, Image.Resampling.BILINEAR)
    size = (max(4, round(ink.width * factor)), max(4, round(ink.height * factor)))
    ink = ink.resize(size, filters[int(random.integers(3))])
    if kind == 4:
        ink = ink.rotate(float(random.uniform(-40, 40)), Image.Resampling.BICUBIC, expand=True)
    if kind == 5:  # small on a large canvas
        canvas = Image.new("L", (ink.width * 4, ink.height * 3))
        canvas.paste(ink, (int(random.integers(ink.width * 3)), int(random.integers(ink.height * 2))))
        ink = canvas
    height, width = ink.height, ink.width
    amount = np.asarray(ink, np.float32) / 255
    if kind == 6:  # transparent, perhaps on a paper of its own
        colour = np.full((height, width, 4), random.integers(0, 256, 4), np.uint8)
        colour[..., 3] = np.asarray(ink)
        return Image.fromarray(colour)
    if kind == 7:  # coloured
        paper, pen = random.integers(0, 256, (2, 3))
        return Image.fromarray((paper + (pen.astype(int) - paper) * amount[..., None]).astype(np.uint8))
    paper, contrast = random.uniform(0.5, 1), random.uniform(0.1, 0.9)
    grey = paper * (1 - contrast * amount)
    down, across = np.mgrid[0:height, 0:width] / max(height, width)
    if kind == 8:  # grain
        grey = grey + random.normal(0, random.uniform(0.01, 0.08), amount.shape)
    if kind == 9:  # uneven light
        grey = grey * (1 - random.uniform(0.2, 0.6) * down - random.uniform(0, 0.3) * across)
        grey = grey + random.normal(0, 0.01, amount.shape)
    picture = Image.fromarray((np.clip(grey, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    if kind == 10:  # ruled
        for place in range(int(random.integers(5, 20)), height, max(8, height // 5)):
            pen.line((0, place, width, place + int(random.integers(-2, 3))), 120, max(1, height // 80))
    if kind == 11:  # framed, with a bar
        pen.rectangle((3, 3, width - 4, height - 4), None, 60, max(1, width // 60))
        pen.rectangle((0, 0, width // 12, height), 10)
    if kind == 12:  # of many greys, or two
        picture = picture.convert("1" if random.random() < 0.5 else "P")
    return picture


KINDS = 13


def pictures(count: int, seed: int) -> Iterator[Image.Image]:
    """So many pictures of the built-in digits, each kind in turn, and what shows no ink."""
    scans: Any = load_digits()
    random = np.random.default_rng(seed)
    for number in range(count):
        scan = Image.fromarray((scans.images[random.integers(len(scans.images))] * 15.9).astype(np.uint8))
        digit = np.pad(np.asarray(scan.resize((20, 20), Image.Resampling.BICUBIC)), 4)
        yield written(digit, number % KINDS, random)
    yield from (Image.new("L", (60, 40), 200), Image.new("RGBA", (60, 40)), Image.new("RGB", (1, 9)))
    yield Image.fromarray(random.integers(90, 110, (90, 80)).astype(np.uint8))


def check_ink(given: list[Image.Image], folder: Path) -> None:
    """The page and Python read the same bytes, of all but a few, and refuse in the same sentences."""
    spec = PictureSpec()
    wanted = [in_python(read_picture, picture, spec) for picture in given]
    read = on_the_page([pixels(picture) for picture in given], folder)
    others = [(one, other) for one, other in zip(wanted, read, strict=True) if one != other]
    assert len(others) <= max(1, (1 - SAME) * len(given))
    for one, other in others:
        assert isinstance(one, bytes), one
        assert isinstance(other, bytes), other
        assert apart(one, other) <= CLOSE


def apart(one: bytes, other: bytes) -> int:
    """The largest difference of grey levels. Where the middle of symmetric ink lies between two pixels, the
    last bit of a matrix product decides where it is placed; Python's differs between processors too."""
    first, second = (np.frombuffer(each, np.uint8).reshape(28, 28).astype(int) for each in (one, other))
    shifted = (np.roll(second, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1))
    return min(np.abs(first - each).max() for each in shifted)


def test_drawings_are_read_as_in_python(tmp_path: Path) -> None:
    check_ink([*pictures(KINDS, 0), *(drawing.picture for drawing in drawings(6, 0))], tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_hundreds_of_drawings_are_read_as_in_python(seed: int, tmp_path: Path) -> None:
    lined = [drawing.picture for drawing in printed(60, seed)]
    taken = [drawing.picture for drawing in photos(60, seed)]
    drawn = [drawing.picture for drawing in drawings(200, seed)]
    check_ink([*pictures(30 * KINDS, seed), *drawn, *lined, *taken], tmp_path)


@pytest.mark.long
def test_handwriting_is_read_as_in_python(shared_data: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    digits = read_idx(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz", 3)[:300]
    given = [written(digit, number % KINDS, random) for number, digit in enumerate(digits)]
    given += [Image.open(path) for path in sorted((CASES / "drawings").glob("*"))]
    given += [
        Image.open(path).convert("RGB") for path in sorted((shared_data / "photos").rglob("*.jpg"))[::25]
    ]
    check_ink(given, tmp_path)


def test_a_drawing_that_is_read_already_is_unchanged(tmp_path: Path) -> None:
    once = on_the_page([pixels(next(pictures(1, 0)).resize((200, 200)))], tmp_path)[0]
    assert isinstance(once, bytes)
    again = Image.fromarray(np.frombuffer(once, np.uint8).reshape(28, 28))
    assert on_the_page([pixels(again)], tmp_path) == [once]


def test_the_layout_may_have_another_size(tmp_path: Path) -> None:
    given = list(pictures(3, 4))
    wanted = [in_python(read_picture, picture, PictureSpec(height=40, width=32)) for picture in given]
    assert on_the_page([pixels(p, height=40, width=32) for p in given], tmp_path) == wanted


@pytest.mark.long
def test_a_drawing_is_read_at_once(tmp_path: Path) -> None:
    """Processor time, on a busy machine with two cores: 16 ms for 280x280, 33 ms for 1000x1000."""
    canvas = next(drawing.picture for drawing in drawings(1, 0)).convert("RGB")
    jobs = [pixels(canvas.resize((side, side))) for side in (280, 1000)]
    (_, small), (_, large) = timed([(data, job | {"times": 20}) for data, job in jobs], tmp_path)
    assert np.median(small) < 15 * 4
    assert np.median(large) < 60 * 4


# ---------------------------------------------------------------------------------------------------- PNG


def png_of(picture: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def plain_png(bits: int, kind: int, width: int, random: np.random.Generator, *more: bytes) -> bytes:
    """A PNG of random bytes, of a layout that Pillow writes none of. Each row has another filter."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = -(-width * bits * channels // 8)
    rows = b"".join(bytes([i % 5]) + random.integers(0, 256, row, np.uint8).tobytes() for i in range(11))
    header = struct.pack(">IIBBBBB", width, 11, bits, kind, 0, 0, 0)
    body = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def pngs() -> Iterator[bytes]:
    """PNG files of every layout of the standard, and with one transparent colour."""
    random = np.random.default_rng(0)
    palette = chunk(b"PLTE", random.integers(0, 256, 3 * 256, np.uint8).tobytes())
    opacities = chunk(b"tRNS", random.integers(0, 256, 100, np.uint8).tobytes())
    for bits in (1, 2, 4, 8):
        yield plain_png(bits, 0, 29, random)
        some = chunk(b"PLTE", palette[8 : 8 + 3 * 2**bits])
        yield plain_png(bits, 3, 29, random, some)
        yield plain_png(bits, 3, 29, random, some, chunk(b"tRNS", opacities[8 : 8 + min(100, 2**bits)]))
    for kind in (0, 2, 4, 6):
        yield plain_png(16, kind, 29, random)
        yield plain_png(8, kind, 29, random)
    yield plain_png(8, 0, 400, random, chunk(b"tRNS", b"\0\x21"))
    few = Image.fromarray(random.integers(0, 2, (30, 20, 3)).astype(np.uint8) * 200)
    yield png_of(few, transparency=(200, 0, 200))


def test_png_files_are_decoded_as_by_pillow(tmp_path: Path) -> None:
    files = list(pngs())
    wanted = []
    for file in files:
        picture = Image.open(io.BytesIO(file))
        deep = picture.mode.startswith("I")
        wanted.append(np.asarray(picture, np.uint16).tobytes() if deep else picture.convert("RGBA").tobytes())
    assert on_the_page([(file, {"run": "png"}) for file in files], tmp_path) == wanted


def test_what_is_no_plain_png_is_left_to_the_browser(tmp_path: Path) -> None:
    file = png_of(next(pictures(1, 0)).convert("L"))
    turned = png_of(Image.new("L", (9, 9)), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
    files = [b"", b"GIF89a", file[:40], file[:-20], file[:60] + b"!!" + file[62:], turned]
    assert on_the_page([(each, {"run": "png"}) for each in files], tmp_path) == [b""] * len(files)


# ------------------------------------------------------------------------------------------------- photos


def translucent(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """The photo, its opacity of every level, and none or all of it in parts."""
    opacity = random.integers(-100, 356, (photo.height, photo.width)).clip(0, 255).astype(np.uint8)
    photo = photo.convert("RGB")
    photo.putalpha(Image.fromarray(opacity))
    return photo


def check_photos(given: list[Image.Image], folder: Path) -> None:
    for channels, side in ((3, 256), (1, 40), (3, 41)):
        spec = PictureSpec("photo", channels, max_side=side)
        jobs = [pixels(picture, "photo", channels=channels, maxSide=side) for picture in given]
        wanted = [in_python(read_picture, picture, spec) for picture in given]
        assert on_the_page(jobs, folder) == wanted


def test_photos_are_read_as_in_python(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    given = []
    for height, width in ((2, 90), (60, 50), (200, 333), (300, 531)):
        noise = Image.fromarray(random.integers(0, 256, (height, width, 3)).astype(np.uint8))
        given += [noise, noise.convert("L"), translucent(noise, random)]
    check_photos([*given, Image.new("RGB", (1, 30))], tmp_path)


@pytest.mark.long
def test_real_photos_are_read_as_in_python(shared_data: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    real = [Image.open(path) for path in sorted((shared_data / "photos").rglob("*.jpg"))[::20]]
    real = [photo.copy() for photo in real]  # without the file that a JPEG is scaled from while decoding
    check_photos([*real, *(translucent(photo, random) for photo in real)], tmp_path)


# --------------------------------------------------------------------------------------------- recordings

WORD = np.random.default_rng(0).normal(0, 1_500, RATE).astype(np.int16)
SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


def spoken(count: int) -> list[np.ndarray]:
    """So many sounds that swell and fade, int16 at 16 kHz."""
    random = np.random.default_rng(1)
    lengths = random.integers(3_000, 9_000, count)
    return [(random.normal(0, 3_000, n) * np.sin(np.linspace(0, 9, n))).astype(np.int16) for n in lengths]


def file_of(samples: np.ndarray, rate: int, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def wav(
    data: bytes, kind: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, length: int | None = None
) -> bytes:
    """A WAV file whose header says what it is told to say."""
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * frame % 2**32, frame % 2**16, bits)
    length = len(data) if length is None else length
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + header + b"data" + struct.pack("<I", length) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def check_files(files: list[bytes], rate: int, folder: Path) -> None:
    wanted = [in_python(read_recording, file, WaveformSpec(rate=rate)) for file in files]
    assert on_the_page([(file, {"run": "wave", "rate": rate}) for file in files], folder) == wanted


def test_every_sample_format_is_read_as_in_python(tmp_path: Path) -> None:
    files = []
    for number, word in enumerate(spoken(4)):
        half = np.float64(word) / 32_768 * (1, 0.02, 1e-3, 3)[number]  # 3: floats beyond full scale
        stereo = np.stack([half, half[::-1] + 0.1], axis=1)
        many = np.stack([np.roll(half, shift) for shift in range(11)], axis=1)
        for kind in ("WAV", "WAVEX")[number % 2 :]:
            for subtype in SUBTYPES:
                files += [file_of(each, RATE, kind, subtype) for each in (half, stereo, many)]
    check_files(files, RATE, tmp_path)


def test_long_recordings_are_read_as_in_python(tmp_path: Path) -> None:
    """Their offset is that of the first block."""
    random = np.random.default_rng(0)
    drifting = (random.normal(0, 0.1, 5 * RATE) + np.linspace(0, 0.4, 5 * RATE)).astype(np.float32)
    check_files([file_of(drifting, RATE, subtype=subtype) for subtype in SUBTYPES], RATE, tmp_path)


def test_unknown_and_odd_lengths_are_read_as_in_python(tmp_path: Path) -> None:
    data, chunk = WORD.tobytes(), b"LIST" + struct.pack("<I", 4) + b"note"
    files = [wav(data, length=length) for length in (0, 2**31 - 4096, 2**32 - 1, 1_001)]
    files += [wav(data) + chunk, wav(b"", length=0) + chunk, wav(data) + b"!"]
    plain = wav(data)
    files += [plain[:12] + b"JUNK" + struct.pack("<I", 3) + b"abc\0" + plain[12:]]
    files += [plain[:16] + struct.pack("<I", 18) + plain[20:36] + b"\0\0" + plain[36:]]
    files += [wav(data, bits=bits) for bits in (1, 8, 12, 20, 24, 32, 40)]
    check_files(files, RATE, tmp_path)


def test_bad_recordings_are_refused_in_the_same_sentence(tmp_path: Path) -> None:
    data = WORD.tobytes()
    files = [b"", *(wav(data)[:length] for length in range(4, 60)), wav(b""), wav(data, length=40_000)]
    files += [wav(data, channels=count) for count in (0, 33, 1_024, 2_000)]
    files += [wav(data, rate=rate) for rate in (0, 999, 768_001, 2**31, 2**32 - 1)]
    files += [wav(data, kind=kind) for kind in (0, 80, 0xFFFE)] + [wav(data, kind=3), wav(data, bits=0)]
    files += [wav(data).replace(b"WAVE", b"WAVX"), wav(data).replace(b"fmt ", b"fmd ")]
    for subtype in ("FLOAT", "DOUBLE"):
        for worst in (np.nan, np.inf, 9.5, 123_456.7, 3e30):
            broken = np.append(np.float64(WORD) / 32_768, worst)
            files.append(file_of(broken, RATE, subtype=subtype))
    files += [file_of(np.zeros(8_000, np.int16), RATE), file_of(np.full(9, 99, np.int16), RATE)]
    opposite = np.stack([WORD, -WORD], axis=1)
    files += [
        file_of(opposite, RATE),
        wav(bytes(2 * 1_000 * 615), rate=1_000),
        wav(bytes(1_700_000), rate=1_000),
    ]
    check_files(files, RATE, tmp_path)


def test_faint_noise_is_refused_and_a_faint_tone_or_word_is_not(tmp_path: Path) -> None:
    random, time = np.random.default_rng(0), np.arange(2 * RATE) / RATE
    for rate in (8_000, RATE, 22_050):
        noise = random.normal(0, 60, rate)
        tone = 100 * np.sin(2 * np.pi * 440 * time[:rate])
        swelling = noise * np.linspace(0.2, 1, len(noise))
        late = np.append(np.zeros(rate // 10), noise)
        sounds = (noise, tone, swelling, late, noise[:5], noise[:1])
        check_files([file_of(sound.astype(np.int16), rate) for sound in sounds], rate, tmp_path)


def test_other_formats_are_left_to_the_browser(tmp_path: Path) -> None:
    word = np.float64(WORD) / 32_768
    files = [file_of(word, RATE, kind) for kind in ("FLAC", "AIFF")]
    files += [file_of(word, RATE, "WAV", "ULAW"), b"no recording at all", b"RI"]
    assert on_the_page([(file, {"run": "wave", "rate": RATE}) for file in files], tmp_path) == [b""] * 5


def test_what_a_browser_decoded_is_read_as_an_array_is_in_python(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sound = random.normal(0, 0.2, (2, 30_000)).astype(np.float32)
    job = {"run": "samples", "channels": 2, "from": RATE, "rate": RATE}
    wanted = in_python(read_recording, (sound.T.copy(), RATE), WaveformSpec(rate=RATE))
    assert on_the_page([(sound.tobytes(), job)], tmp_path) == [wanted]


def errors_of_resampling(
    waveforms: list[np.ndarray], old: int, new: int, folder: Path
) -> tuple[list[float], float]:
    """How far each is from soxr's, in dB of its power; the fraction of equal steps of 16 bits."""
    floats = {"run": "resampled", "from": old, "rate": new}
    steps = {"run": "samples", "channels": 1, "from": old, "rate": new}
    found = on_the_page([(each.tobytes(), job) for job in (floats, steps) for each in waveforms], folder)
    errors, same = [], []
    for waveform, one, content in zip(
        waveforms, found[: len(waveforms)], found[len(waveforms) :], strict=True
    ):
        stream = soxr.ResampleStream(old, new, 1, dtype="float32", quality="VHQ")
        wanted = [stream.resample_chunk(waveform), stream.resample_chunk(np.zeros(0, np.float32), last=True)]
        wanted = np.concatenate(wanted).astype(np.float64)
        assert isinstance(one, bytes)
        assert isinstance(content, bytes)
        got = np.frombuffer(one, np.float32)
        assert got.shape == wanted.shape
        errors.append(10 * np.log10(1e-30 + np.square(got - wanted).sum() / np.square(wanted).sum()))
        equal = read_recording((waveform, old), WaveformSpec(rate=new)) == np.frombuffer(content, np.int16)
        same.append(equal.mean())
    return errors, float(np.mean(same))


@pytest.mark.parametrize(
    ("old", "new", "least"),
    [
        (8_000, RATE, -160),
        (12_000, RATE, -160),
        (32_000, RATE, -160),
        (48_000, RATE, -160),
        (RATE, 8_000, -160),
        (22_050, 8_000, -115),
        (44_100, RATE, -115),
        (11_025, RATE, -110),
        (44_101, RATE, -105),
        (44_100, 8_000, -60),  # where it is halved first, the first few samples differ
        (96_000, 8_000, -60),
    ],
)
def test_other_rates_are_converted_as_by_soxr(old: int, new: int, least: float, tmp_path: Path) -> None:
    """White noise that sets in at once, the hardest."""
    random = np.random.default_rng(0)
    noise = [random.normal(0, 0.2, 12_000 + number).astype(np.float32) for number in range(3)]
    errors, _ = errors_of_resampling(noise, old, new, tmp_path)
    assert max(errors) < least


@pytest.mark.long
def test_speech_at_other_rates_is_the_same_to_the_step(shared_data: Path, tmp_path: Path) -> None:
    narrow = [
        soundfile.read(path, dtype="float32")[0] for path in sorted((shared_data / "fsdd").glob("*"))[::60]
    ]
    errors, same = errors_of_resampling(narrow, 8_000, RATE, tmp_path)
    assert max(errors) < -160
    assert same == 1
    clips = sorted((shared_data / "speech_commands").rglob("*.wav"))[::15]
    wide = [soundfile.read(path, dtype="float32")[0] for path in clips]
    for old, most, least in ((48_000, -160, 1.0), (44_100, -125, 0.9995)):
        upped = [soxr.resample(each, RATE, old, quality="VHQ").astype(np.float32) for each in wide]
        errors, same = errors_of_resampling(upped, old, RATE, tmp_path)
        assert np.median(errors) < most
        assert same >= least


@pytest.mark.long
def test_real_recordings_are_read_as_in_python(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "fsdd").glob("*.wav"))[::10]
    check_files([path.read_bytes() for path in paths], 8_000, tmp_path)
    clips = [path.read_bytes() for path in sorted((shared_data / "speech_commands").rglob("*.wav"))[::3]]
    check_files(clips, RATE, tmp_path)
    for name, rate in (("data0", 8_000), ("ref", 8_000), ("near_silence", RATE)):
        path = CASES / "recordings" / f"{name}.wav"
        check_files([path.read_bytes()] if path.is_file() else [], rate, tmp_path)


# ------------------------------------------------------------------------------------------------ windows


def check_windows(recordings: list[np.ndarray], rate: int, samples: int, folder: Path) -> None:
    job = {"run": "windows", "rate": rate, "samples": samples}
    found = on_the_page([(each.tobytes(), job) for each in recordings], folder)
    for recording, places in zip(recordings, found, strict=True):
        assert isinstance(places, bytes)
        got = np.frombuffer(places, np.int32).reshape(-1, 3).tolist()
        assert got == [list(window) for window in windows(recording, rate, samples)]


def test_windows_of_a_long_recording_are_those_of_python(tmp_path: Path) -> None:
    random, rate = np.random.default_rng(0), 8_000
    recordings = []
    for _ in range(60):
        quiet = random.normal(0, random.choice([0, 30, 3_000]), int(random.integers(rate, 8 * rate)))
        for start in random.integers(0, len(quiet), 6):
            part = quiet[start : start + int(random.integers(60, 2 * rate))]
            part += random.normal(0, random.uniform(50, 6_000), len(part))
        recordings.append(np.rint(quiet).clip(-32_768, 32_767).astype(np.int16))
    check_windows(recordings, rate, rate, tmp_path)
    check_windows(recordings, rate, 5_001, tmp_path)


@pytest.mark.long
def test_windows_of_dictations_are_those_of_python(shared_data: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = [
        soundfile.read(path, dtype="int16")[0] for path in sorted((shared_data / "fsdd").glob("*.wav"))[::8]
    ]
    recordings = []
    for number in range(60):
        gaps = [np.zeros(int(random.integers(0, 9_000)), np.int16) for _ in range(6)]
        chosen = words[6 * number : 6 * number + 6]
        recordings.append(np.concatenate([part for pair in zip(gaps, chosen, strict=True) for part in pair]))
    check_windows([each for each in recordings if len(each) >= 8_000], 8_000, 8_000, tmp_path)


# ----------------------------------------------------------------------------------------------- a browser

READ = """async ([kind, base64, options]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const blob = new Blob([bytes]);
  try {
    if (kind === "sound") {
      const { decoded, readRecording } = await import("/sound.js");
      return [...readRecording(await decoded(blob), options.rate)];
    }
    const { pixels } = await import("/picture.js");
    const { readInk } = await import("/ink.js");
    const { readPhoto } = await import("/photo.js");
    const picture = await pixels(blob);
    return [...(kind === "ink" ? readInk(picture, options) : readPhoto(picture, options).data)];
  } catch (error) {
    if (error.name !== "InputError") throw error;
    return error.message;
  }
}"""


class Modules(SimpleHTTPRequestHandler):
    """Serves a folder without a word on standard error."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_files_in_a_browser_are_read_as_in_python() -> None:
    """PNG and WAV to the bit; a translucent colour may be a level off, and a recording in another format is
    decoded by the browser."""
    api = pytest.importorskip("playwright.sync_api")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Modules, directory=str(WEB)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")

            def read(kind: str, file: bytes, **options: Any) -> Any:
                return page.evaluate(READ, [kind, base64.b64encode(file).decode(), options])

            check_browser(read)
            browser.close()
    finally:
        server.shutdown()
        server.server_close()


def check_browser(read: Any) -> None:
    for picture in pictures(KINDS, 9):
        file = io.BytesIO()
        picture.save(file, "PNG")
        wanted, got = in_python(read_picture, picture, PictureSpec()), read("ink", file.getvalue())
        if isinstance(wanted, str):
            assert got == wanted
        elif not picture.has_transparency_data:
            assert bytes(got) == wanted
        else:
            assert apart(bytes(got), wanted) <= 2
    noise = np.random.default_rng(0).integers(0, 256, (300, 500, 3)).astype(np.uint8)
    photo, sideways = Image.fromarray(noise), Image.Exif()
    sideways[0x0112] = 6
    file = io.BytesIO()
    photo.save(file, "PNG", exif=sideways)
    wanted = in_python(read_picture, file.getvalue(), PictureSpec("photo", 3, max_side=100))
    assert bytes(read("photo", file.getvalue(), maxSide=100)) == wanted
    assert read("ink", b"") == in_python(read_picture, b"", PictureSpec())
    assert "is not a picture that can be read" in read("ink", b"no picture")
    wave = file_of(WORD, RATE)
    wanted = in_python(read_recording, wave, WaveformSpec())
    assert np.array(read("sound", wave, rate=RATE), np.int16).tobytes() == wanted
    flac = np.array(read("sound", file_of(WORD, 48_000, "FLAC"), rate=RATE))
    python = read_recording(file_of(WORD, 48_000, "FLAC"), WaveformSpec())
    assert np.abs(flac - python).max() <= 1
    assert "is not a recording that can be read" in read("sound", b"no recording", rate=RATE)
