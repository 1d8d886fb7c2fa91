"""Read pictures and recordings as the model in this folder was trained to see and hear them.

Part of what `seesay export` wrote: needs numpy, Pillow and soundfile, not seesay. `seesay.serve.graph` reads
more formats, resamples by a better filter and says what is wrong with a file.
"""

import numpy as np
import soundfile
from PIL import Image, ImageOps

QUIET = 0.01  # peak, of full scale: softer recordings are amplified to it


def read(path, spec):
    """The content of a file: an array as the graph takes it, without the axis of rows."""
    if spec["kind"] == "waveform":
        return read_recording(path, spec["rate"])
    if spec["kind"] == "picture" and spec["reader"] == "ink":
        return read_drawing(path, spec["channels"], spec["height"], spec["width"])
    if spec["kind"] == "picture" and spec["reader"] == "photo":
        return read_photo(path, spec["channels"], spec["max_side"])
    return np.load(path)


def read_recording(path, rate):
    """Mono samples (n,) as int16 at `rate`: the mean of the channels without its offset."""
    samples, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(1)
    mono = mono - np.float32(mono.mean(dtype=np.float64))
    if own_rate != rate:  # through the spectrum, which is cut off or filled up with zeros
        count = -(-len(mono) * rate // own_rate)
        spectrum = np.fft.rfft(mono)[: count // 2 + 1]
        mono = (np.fft.irfft(spectrum, count) * count / len(mono)).astype(np.float32)
    peak = np.abs(mono).max(initial=0)
    factor = np.float32(1 / peak if peak > 1 else QUIET / peak if 0 < peak < QUIET else 1)
    return np.clip(np.rint(mono * factor * 32_768), -32_768, 32_767).astype(np.int16)


def read_photo(path, channels, max_side):
    """The whole picture (channels, h, w) as uint8, scaled down if its longer side exceeds `max_side`."""
    picture = upright(path)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    factor = max_side / max(picture.size)
    if factor < 1:
        spare = max(1, max(picture.size) // (3 * max_side))
        picture = picture.reduce(spare) if spare > 1 else picture
        factor = max_side / max(picture.size)
        size = [max(1, round(side * factor)) for side in picture.size]
        picture = picture.resize(size, Image.Resampling.BICUBIC) if factor < 1 else picture
    return np.ascontiguousarray(np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1))


def read_drawing(path, channels, height, width):
    """The ink of a drawing (channels, height, width), light on black, laid out as in MNIST (ink.py)."""
    from ink import LONGEST, lay_out

    picture = upright(path)
    spare = max(1, max(picture.size) // LONGEST)
    picture = picture.reduce(spare) if spare > 1 else picture
    grey = contrasting(picture)
    if picture.mode == "RGBA":
        alpha = np.asarray(picture.getchannel("A"), np.float32) / np.float32(255)
        grey = grey * alpha + ground_under(grey, alpha) * (1 - alpha)
    ink = np.rint(lay_out(grey, height, width) * 255).astype(np.uint8)
    return np.repeat(ink[None], channels, axis=0)


def upright(path):
    """The picture turned as its camera says, in mode L, RGB or RGBA."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def contrasting(picture):
    """Grey, 0 to 1: luma, or one channel where luma hides the contrast, as of red ink on green."""
    luma = picture.convert("L")
    if picture.mode == "RGB":
        channels = np.ptp(picture.getextrema(), axis=1)
        best = int(np.argmax(channels))
        if channels[best] > 4 * np.ptp(luma.getextrema()):
            luma = picture.getchannel(best)
    return np.asarray(luma, np.float32) / np.float32(255)


def ground_under(grey, alpha):
    """The background of a transparent picture: its own paper, else the opposite of its ink."""
    seen = grey[alpha > 0.5]
    if seen.size > grey.size / 2 and np.ptp(np.quantile(seen, (0.02, 0.98))) > 0.25:
        return np.float32(np.median(seen))
    return np.float32(0 if seen.size and seen.mean() > 0.5 else 1)
