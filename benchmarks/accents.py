"""How well digits are understood in accents that no training had:
`python -m benchmarks.accents`.

The accents are synthetic: espeak-ng's voices of four languages read the English words as they are spelled by
ear in their own (scripts/make_voices.py), twenty voices each. Their timbres are those of espeak-ng's
variants, which the packaged model's training has too; the accents are not.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scripts.make_voices import KEPT_BACK, RATE, foreign_words

from benchmarks.door import one_line_of_errors, positive
from seesay.serve.predict import Predictor
from seesay.tables import written

LANGUAGES = {"el": "Greek", "hi": "Hindi", "ru": "Russian", "tr": "Turkish"}


def recordings(language: str, readers: int) -> Iterator[tuple[int, np.ndarray]]:
    """Digit and samples of each word of the readers of a language."""
    for number in range(readers):
        yield from enumerate(foreign_words(language, number))


def scores(predictor: Predictor, readers: int) -> dict[str, tuple[float, int]]:
    """Accuracy, audio alone, and number of recordings by accent."""
    found = {}
    for language in KEPT_BACK:
        right = []
        for digit, samples in recordings(language, readers):
            predicted = predictor.predict(audio=(samples, RATE))
            right.append(predicted.label == str(digit))
        found[LANGUAGES[language]] = (float(np.mean(right)), len(right))
    return found


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description="Scores on accents that no training had.")
    parser.add_argument("--run", type=Path, help="run that predicts; default: the packaged model")
    parser.add_argument("--readers", type=positive, default=20, help="voices of each accent")
    given = parser.parse_args()
    predictor = Predictor.open(given.run)
    rows = [["accent", "recordings", "accuracy"]]
    for name, (accuracy, count) in scores(predictor, given.readers).items():
        rows.append([name, str(count), f"{accuracy:.3f}"])
    print(written(rows, "markdown"))


if __name__ == "__main__":
    one_line_of_errors(main)
