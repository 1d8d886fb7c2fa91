"""Commands that make and show data sets: `seesay data ...`."""

from pathlib import Path
from typing import Literal

from seesay.cli.arguments import OnBad, Words, open_source, report_skipped
from seesay.cli.terminal import (
    console,
    describe_data,
    print_json,
    tracking,
)


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
    """Pair pictures with recordings of the same class; no speaker stands on both sides.

    Args:
        pictures: Folder of MNIST idx files, or one folder of pictures per class.
        recordings: Folders of recordings.
        out: Folder to make.
        test_speakers: File that names the speakers who are only ever tested, one a line. Without it a fifth,
            drawn.
        rows: How many rows to train on and how many to test on; without it every picture is one (MNIST: 60000
            10000).
        seed: Of the pairing.
        rate: Samples a second. Without it the lowest rate of the recordings, at most 16000.
        reader: How picture files are read: ink is cropped and centred as MNIST was, photos stay as they are.
        size: Height and width of ink, in pixels. Without it 28.
        max_side: Pixels of the longer side that photos are kept with at most.
        name_pattern: What names of recordings mean, such as {label}_{speaker}_{take}. Without it, found out.
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
    """Read any known layout into a data set folder.

    Args:
        source: Kaggle or Zenodo folder, .npz, MNIST idx folder, folder of pictures, recordings or both, CSV,
            JSON Lines or Parquet manifest.
        out: Folder to make.
        rate: Samples a second. Without it the lowest rate of the recordings, at most 16000.
        reader: How picture files are read: ink is cropped and centred as MNIST was, photos stay as they are.
        size: Height and width of ink, in pixels. Without it 28.
        max_side: Pixels of the longer side that photos are kept with at most.
        columns: What your table calls our columns, as in image=photo label=class group=patient; other names
            on the left are modalities, as in front=photo_1 side=photo_2.
        on_bad: Stop at files that cannot be read, or skip their rows and list them in OUT.bad.csv.
        name_pattern: What names in a folder mean: {label}_{speaker}_{take}, or {speaker}/{label}_{take}.
            Without it, found out. {_} is ignored, fields of other names are groups.
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
    """Fetch the Written and spoken digits database (Zenodo record 4452953), resuming what an earlier try
    began.

    Args:
        name: Which database.
        out: Folder for the files. Without it, the cache folder.
    """
    from seesay.formats.download import download_wsd, progress_bars

    with progress_bars() as progress:
        folder = download_wsd(out, progress=progress, say=print)
    print(f"{name} lies in {folder}")


def data_info(
    source: Words[str], json: bool = False, columns: tuple[str, ...] = (), name_pattern: str | None = None
) -> None:
    """Say what a data set holds, and what to beware of.

    Args:
        source: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        json: Print JSON.
        columns: What your table calls our columns, as in image=photo label=class group=patient.
        name_pattern: What names in a folder mean, such as {label}_{speaker}_{take}. Without it, found out.
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
    """Draw rows as picture, features and label: a contact sheet.

    Args:
        source: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        out: PNG file to write.
        rows: How many.
        seed: Which ones.
    """
    from seesay.figures.contact_sheet import draw_sheet
    from seesay.formats.open import open_data

    shown = draw_sheet(open_data(source), out, rows, seed)
    print(f"{out} shows {shown} rows of {source}")
