"""Commands about data sets: `seesay data ...`."""

from pathlib import Path
from typing import Literal

from seesay.cli.arguments import OnBad, Words, open_source, report_skipped
from seesay.cli.terminal import console, describe_data, print_json, tracking


def data_build(
    pictures: Path,
    recordings: tuple[Path, ...],
    out: Path,
    test_speakers: Path | None = None,
    rows: tuple[int, int] | None = None,
    seed: int = 0,
    rate: int | None = None,
    reader: Literal["auto", "ink", "photo"] = "auto",
    size: int | None = None,
    max_side: int = 256,
    name_pattern: str | None = None,
    overwrite: bool = False,
) -> None:
    """Pair pictures with recordings of the same class; no speaker is in two splits.

    Args:
        pictures: Folder of MNIST idx files, or one folder of pictures per class.
        recordings: Folders of recordings.
        out: Folder to create.
        test_speakers: File that names the speakers of the test split, one per line; default: a random fifth.
        rows: Numbers of training and test rows; default: one per picture (MNIST: 60000 10000).
        seed: Seed of the pairing.
        rate: Samples per second; default: the lowest rate of the recordings, at most 16000.
        reader: How to read pictures: ink (drawings) is cropped and centred as in MNIST, photos stay whole.
        size: Height and width of drawings in pixels; default: 28.
        max_side: Longest side of a stored photo, in pixels.
        name_pattern: Pattern of file names, such as {label}_{speaker}_{take}. If not given, it is detected.
        overwrite: Replace the folder if seesay made it.
    """
    from seesay.formats.media import Reading
    from seesay.formats.pairing import build

    reading = Reading(rate, reader, size, max_side, name_pattern=name_pattern)
    with tracking() as track:
        data = build(pictures, recordings, out, test_speakers, rows, seed, reading, overwrite, track)
    describe_data(data, out)


def data_import(
    source: Words[str],
    out: Path,
    rate: int | None = None,
    reader: Literal["auto", "ink", "photo"] = "auto",
    size: int | None = None,
    max_side: int = 256,
    columns: tuple[str, ...] = (),
    on_bad: OnBad = "stop",
    name_pattern: str | None = None,
    overwrite: bool = False,
) -> int:
    """Import files, a table or arrays into a data set folder.

    Args:
        source: A folder of pictures and/or recordings; a CSV, JSON Lines or Parquet table that lists files;
            an .npz file; a folder of MNIST idx files; or the Kaggle or Zenodo folder of wsd.
        out: Folder to create.
        rate: Samples per second; default: the lowest rate of the recordings, at most 16000.
        reader: How to read pictures: ink (drawings) is cropped and centred as in MNIST, photos stay whole.
        size: Height and width of drawings in pixels; default: 28.
        max_side: Longest side of a stored photo, in pixels.
        columns: Which of your columns to read, as NAME=YOUR_COLUMN: image=photo label=class group=patient.
            Any other NAME becomes a modality: front=photo_1 side=photo_2.
        on_bad: Stop at unreadable files, or skip their rows and list them in OUT.bad.csv.
        name_pattern: Meaning of file names, as in {label}_{speaker}_{take} or {speaker}/{label}_{take}.
            {_} is ignored; any other field is a group. Detected automatically by default.
        overwrite: Replace the folder if seesay made it.
    """
    from seesay.formats.media import Reading
    from seesay.formats.open import import_data
    from seesay.formats.tables import parse_columns

    reading = Reading(
        rate,
        reader,
        size,
        max_side,
        on_bad=on_bad,
        columns=parse_columns(columns),
        name_pattern=name_pattern,
    )
    with tracking() as track:
        data = import_data(source, out, overwrite, reading, track)
    describe_data(data, out)
    return report_skipped(out, data)


def data_download(name: Words[Literal["wsd"]], out: Path | None = None) -> None:
    """Download the Written and spoken digits database (Zenodo record 4452953); resumes an interrupted
    download.

    Args:
        name: Which database.
        out: Folder for the files; default: the cache folder.
    """
    from seesay.formats.download import download_wsd, progress_bars

    with progress_bars() as progress:
        folder = download_wsd(out, progress=progress, say=print)
    print(f"Saved to {folder}")


def data_info(
    source: Words[str], json: bool = False, columns: tuple[str, ...] = (), name_pattern: str | None = None
) -> None:
    """Describe a data set: rows, classes, splits, missing values, leaks.

    Args:
        source: Data set folder, anything that data import reads, digits (built in), or wsd (downloaded).
        json: Print JSON.
        columns: Which of your columns to read, as NAME=YOUR_COLUMN: image=photo label=class group=patient.
        name_pattern: Pattern of file names, such as {label}_{speaker}_{take}. If not given, it is detected.
    """
    from seesay.cli.info_table import print_info
    from seesay.data.info import describe
    from seesay.formats.media import Reading

    info = describe(open_source(source, columns, reading=Reading(name_pattern=name_pattern)))
    if json:
        print_json(info.to_dict())
    else:
        print_info(info, console())


def data_show(source: Words[str], out: Path, rows: int = 24, seed: int = 0) -> None:
    """Draw a contact sheet: rows with their pictures, features and labels.

    Args:
        source: Data set folder, anything that data import reads, digits (built in), or wsd (downloaded).
        out: PNG file to write.
        rows: Number of rows.
        seed: Seed for choosing them.
    """
    from seesay.figures.contact_sheet import draw_sheet
    from seesay.formats.open import open_data

    shown = draw_sheet(open_data(source), out, rows, seed)
    print(f"{out} shows {shown} rows of {source}")
