"""Builds the wheel, installs it in a fresh environment, alone and with each extra alone, and tries what users
would: `make wheel`. Prints a line for each trial, and stops at the first that fails."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]

ALONE = """
import seesay
from pathlib import Path
data = seesay.open_data("digits")
said = seesay.load().predict(image=data.contents["image"][0, 0])
assert said.label == "0" or len(said.scores) == 10
"""

PARQUET = """
import pyarrow, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.table({"touch": [[1.0, 2.0]] * 8, "label": ["a", "b"] * 4}), "t.parquet")
import seesay
assert len(seesay.open_data("t.parquet")) == 8
"""

MEDIA = """
import av, numpy as np, seesay
with av.open("word.m4a", "w") as file:
    stream = file.add_stream("aac", rate=16000)
    stream.layout = "mono"
    sound = (0.3 * np.sin(np.arange(16000) / 20)).astype(np.float32)[None]
    frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
    frame.sample_rate = 16000
    for packet in [*stream.encode(frame), *stream.encode(None)]:
        file.mux(packet)
assert seesay.load().predict(audio="word.m4a").used == ["audio"]
"""

RUN = "train --data digits --out run --recipe image-only --optim.epochs 1 --quiet"

TRIALS: dict[str, list[str]] = {
    "": [ALONE, RUN, "evaluate run", "data show digits --out sheet.png", "!export run --out model.onnx"],
    "parquet": [PARQUET],
    "media": [MEDIA],
    "onnx": ["export --out model.onnx"],
    "photos": [f"{RUN} --model.image.kind efficientnet-lite0 --model.image.features.height 32"],
    "umap": [RUN, "embed run --out drawn --method umap --rows 300"],
}
"""By extra: Python, or commands; `!` marks one that is to say which extra it lacks."""


def main() -> int:
    """Tries all; 1 where one fails."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
        [wheel] = folder.glob("*.whl")
        for extra, trials in TRIALS.items():
            place = folder / (extra or "alone")
            venv.create(place / "env", with_pip=True)
            python = place / "env" / "bin" / "python"
            named = f"{wheel}[{extra}]" if extra else str(wheel)
            pip(str(python), "install", named, "-c", str(ROOT / "constraints.txt"))
            for trial in trials:
                if not works(python, trial, place):
                    return 1
    return 0


def pip(python: str, *words: str) -> None:
    """Runs pip, quietly."""
    command = [python, "-m", "pip", "--disable-pip-version-check", *words, "--quiet"]
    subprocess.run(command, check=True)


def works(python: Path, trial: str, place: Path) -> bool:
    """Whether it does; printed."""
    refused = trial.startswith("!")
    seesay = str(python.parent / "seesay")
    command = [str(python), "-c", trial] if "\n" in trial else [seesay, *trial.removeprefix("!").split()]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    fine = done.returncode == 2 and "pip install 'seesay[" in done.stderr if refused else not done.returncode
    shown = trial.strip().splitlines()[0] if "\n" in trial else trial
    print(f"{place.name}: {shown}: {'works' if fine else done.stderr}", flush=True)
    return fine


if __name__ == "__main__":
    raise SystemExit(main())
