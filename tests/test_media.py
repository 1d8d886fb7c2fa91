"""Sound of phones and browsers, pictures of phones: read with the extra `media`, which is named without."""

import contextlib
import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from seesay.errors import InputError
from seesay.signal import media
from seesay.signal.audio import facts_of, read_audio, read_waveform
from seesay.signal.image import facts_of as picture_facts
from seesay.signal.image import read_image
from seesay.spec import PictureSpec, WaveformSpec

RATE = 16_000
TONE = (8_000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.int16)
CASES = Path(__file__).parents[1] / ".." / "shared" / "cases" / "recordings"


def encoded(container: str, codec: str, rate: int = RATE) -> bytes:
    """A second of 440 Hz as FFmpeg writes it."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        track: Any = output.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(TONE[None], "s16", "mono")
        frame.rate = RATE
        for part in (frame, None):
            output.mux(track.encode(part))
    return file.getvalue()


def heic(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, quality=90)
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("ipod", "aac", RATE),
        ("mp4", "aac", RATE),
        ("3gp", "aac", RATE),
        ("adts", "aac", RATE),
        ("ipod", "alac", RATE),
        ("caf", "alac", RATE),
        ("webm", "libopus", 48_000),
        ("amr", "libopencore_amrnb", 8_000),
        ("wav", "adpcm_ima_wav", RATE),
    ],
)
def test_sound_of_phones_and_browsers_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], container: str, codec: str, rate: int
) -> None:
    data = encoded(container, codec, rate)
    (tmp_path / "sound.bin").write_bytes(data)
    for source in (data, tmp_path / "sound.bin"):
        waveform = read_waveform(source, RATE)
        assert RATE - 800 < len(waveform) < RATE + 4_000
        inner = waveform[3_000:13_000]
        spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner))))
        assert abs(int(spectrum.argmax()) * RATE / len(inner) - 440) < 3
        facts = facts_of(source)
        assert facts is not None
        assert facts.rate == rate
        assert facts.seconds is None or abs(facts.seconds - 1) < 0.2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["x.m4a", "x.webm"])
def test_recordings_of_phones_and_browsers_are_what_the_wav_is(name: str) -> None:
    if not CASES.is_dir():
        pytest.skip("no cases here: ../shared/cases is absent")
    one, other = (read_audio(CASES / file, WaveformSpec(rate=8_000)) for file in (name, "ref.wav"))
    spectra = np.fft.rfft(one, 2**15) * np.conj(np.fft.rfft(other, 2**15))
    assert np.fft.irfft(spectra).max() > 0.95 * np.linalg.norm(one) * np.linalg.norm(other)


@pytest.mark.parametrize("container", ["ipod", "webm"])
def test_damage_is_read_through_or_refused(container: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(container, "aac" if container == "ipod" else "libopus", 48_000)
    random = np.random.default_rng(0)
    for _ in range(40):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[random.integers(0, random.choice([200, len(data)]), 8)] = random.integers(0, 256, 8)
        with contextlib.suppress(InputError):
            read_waveform(damaged[: random.integers(4, 2 * len(data))].tobytes(), RATE)
    assert capfd.readouterr() == ("", "")


def test_mp3_within_wav_prints_nothing(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Damaged or not, from bytes or from a file, when its facts are looked up or all of it is read."""
    data = bytearray(encoded("wav", "libmp3lame"))
    random = np.random.default_rng(0)
    for _ in range(20):
        (tmp_path / "odd.wav").write_bytes(data)
        for source in (bytes(data), tmp_path / "odd.wav"):
            facts_of(source)
            with contextlib.suppress(InputError):
                read_waveform(source, RATE)
        data[random.integers(100, len(data))] ^= 255
    assert capfd.readouterr() == ("", "")


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sound.m4a").write_bytes(encoded("ipod", "aac"))
    lists = {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{tmp_path}/sound.m4a\n#EXT-X-ENDLIST\n",
        "list.txt": "ffconcat version 1.0\nfile sound.m4a\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="not a recording"):
            read_waveform(tmp_path / name, RATE)


def test_more_than_ten_minutes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seesay.signal.audio.LONGEST", 0.5)
    for container, codec in (("ipod", "aac"), ("webm", "libopus")):
        with pytest.raises(InputError, match="expected"):
            read_waveform(encoded(container, codec, 48_000), RATE)


def test_pictures_of_phones_are_read(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 255, 320).astype(np.uint8)[None, :, None], 200, 0).repeat(3, 2)
    (tmp_path / "photo.heic").write_bytes(heic(Image.fromarray(ramp)))
    spec = PictureSpec("photo", 3, 20, 32)
    for source in (tmp_path / "photo.heic", heic(Image.fromarray(ramp))):
        picture = read_image(source, spec)
        np.testing.assert_allclose(picture, read_image(ramp, spec), atol=0.03)
        assert picture_facts(source) is not None


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "decodes_sound", lambda: False)
    monkeypatch.setattr(media, "opens_heic", lambda: False)
    monkeypatch.setattr(Image, "OPEN", {name: how for name, how in Image.OPEN.items() if name != "HEIF"})
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    for source in (encoded("ipod", "aac"), encoded("webm", "libopus", 48_000)):
        with pytest.raises(InputError, match=r"pip install 'seesay\[media\]'"):
            read_waveform(source, RATE)
        assert facts_of(source) is None
    with pytest.raises(InputError, match=r"HEIC.*pip install 'seesay\[media\]'"):
        read_image(heic(Image.new("RGB", (64, 64))), PictureSpec("photo", 3))


def test_what_libsndfile_reads_does_not_pass_through_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "opened", lambda _: pytest.fail("was asked"))
    for container, codec in (("wav", "pcm_s16le"), ("ogg", "libopus"), ("flac", "flac")):
        rate = 48_000 if codec == "libopus" else RATE
        facts = facts_of(encoded(container, codec, rate))
        assert facts is not None
        assert facts.rate == rate
        assert facts.seconds is not None
        assert facts.seconds == pytest.approx(1, abs=0.1)
