"""Commands that use a model: `seesay predict`, `export`, `serve`, `submit`."""

import functools
import sys
from pathlib import Path
from typing import Any, Literal

from seesay.cli.arguments import (
    OnBad,
    Words,
    check_threads,
    open_source,
    training_data,
    use_threads,
    with_columns,
)
from seesay.cli.terminal import counting, print_json, print_prediction, say_note, say_notes
from seesay.errors import InputError
from seesay.formats.source import check_path
from seesay.serve.limits import Limits


def predict(
    run: Words[Path | None] = None,
    image: Path | None = None,
    audio: Path | None = None,
    input: tuple[str, ...] = (),
    data: tuple[str, ...] = (),
    split: Literal["train", "valid", "test", "all"] = "all",
    out: Path | None = None,
    probabilities: bool = False,
    figure: Path | None = None,
    columns: tuple[str, ...] = (),
    on_bad: OnBad = "skip",
    strict: bool = False,
    threads: int = 1,
    reject: float | None = None,
    json: bool = False,
    overwrite: bool = False,
) -> int:
    """Classify a picture, a recording or both, or write predictions for many rows to a table.

    Args:
        run: Run folder. Without one, the digits model that comes with seesay.
        image: Picture file.
        audio: Recording file.
        input: Files of other modalities, as in touch=touch.npy front=front.png.
        data: Data set, manifest, folder, files, or a quoted pattern such as '**/*.wav'; needs --out.
        split: Split of the data set to predict.
        out: Table to write: a name that ends in .csv, .jsonl or .parquet.
        probabilities: Write the probability of each class, too.
        figure: PNG file to draw the recording in, with what was recognised where.
        columns: Which of your columns to read, as NAME=YOUR_COLUMN: image=photo audio=sound.
        on_bad: Stop at unreadable files of --data, or skip their rows and list them in OUT.bad.csv.
        strict: The same as --on-bad stop.
        threads: CPU threads, for --data.
        reject: Answer "none of these" (_none_ in JSON and tables) where known is below this, 0 to 1; try 0.5.
        json: Print JSON.
        overwrite: Replace the table or the figure.
    """
    from seesay.serve.predict import Predictor

    check_threads(threads)
    if data:
        if figure is not None:
            raise InputError(
                "--figure is for one recording, not for --data", "Add --audio, or drop --figure."
            )
        if image or audio or input or out is None:
            raise InputError("--data needs --out, and excludes --image, --audio and --input")
        use_threads(1)  # each thread works at rows of its own
        options = {"threads": threads, "reject": reject, "probabilities": probabilities}
        return _predict_rows(run, data, split, out, columns, "stop" if strict else on_bad, overwrite, options)
    if out is not None:
        raise InputError("--out needs --data, a data set to predict", "Add --data, or drop --out.")
    from seesay.serve.draw import check_drawable, draw_segments

    predictor, files = Predictor.open(run), _inputs(input, image=image, audio=audio)
    if figure is not None:
        check_drawable(predictor, files, figure, overwrite)
    prediction = predictor.predict(**files, reject=reject)
    print_json(prediction.to_dict()) if json else print_prediction(prediction)
    if figure is not None:
        draw_segments(predictor, prediction, files, figure)
    return 0


def _predict_rows(
    folder: Path | None,
    data: tuple[str, ...],
    split: str,
    out: Path,
    columns: tuple[str, ...],
    on_bad: OnBad,
    overwrite: bool,
    options: dict[str, Any],
) -> int:
    """Write the predictions for many rows. Returns the exit status: 1 if rows were left out."""
    from seesay.data.dataset import SPLITS, Dataset
    from seesay.data.info import says_left_out
    from seesay.data.splits import with_rows
    from seesay.formats.open import open_rows
    from seesay.learn.run import Run
    from seesay.measure.evaluate import rows_for
    from seesay.serve.batch import changed, write_file_predictions, write_predictions
    from seesay.serve.predict import Predictor, reading_of

    run = Run.open(folder)
    reading = with_columns(columns, on_bad, reading_of(run.spec))
    source = open_rows(data, reading, whole=split != "all")
    if isinstance(source, Dataset):
        rows = range(len(source)) if split == "all" else rows_for(run, source, split)
        if not len(rows):
            others = with_rows({name: rows_for(run, source, name) for name in SPLITS})
            raise InputError(f"{source.name} has no {split} rows, none of the rows asked for", others)
    else:
        rows = range(source.count)
        say_notes(says_left_out(source.left_out))
    predictor = Predictor.open(run)
    try:
        with counting("Predicting", len(rows)) as advance:
            if isinstance(source, Dataset):
                files = sorted(path for path in Path(data[0]).glob("*") if path.is_file())
                which = {"name": data[0], "changed": changed(files)}
                written = write_predictions(
                    predictor, source, rows, out, overwrite, source=which, advance=advance, **options
                )
            else:
                written = write_file_predictions(
                    predictor, source, out, overwrite, strict=on_bad == "stop", advance=advance, **options
                )
    except KeyboardInterrupt:
        if (parts := Path(f"{out}.parts")).exists():
            said = f"Stopped. Run the same command again to continue; {parts} holds what is done."
            print(said, file=sys.stderr)
        raise
    print(f"Saved {written.rows} predictions to {out}")
    if written.left_out:
        print(written.left_out)
    return 1 if written.left_out else 0


def _inputs(words: tuple[str, ...], **given: Path | None) -> dict[str, Path]:
    """Files by modality, from `--image`, `--audio` and `--input`. Malformed or repeated: InputError."""
    files = {name: path for name, path in given.items() if path is not None}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not name or not path:
            raise InputError(f"--input takes NAME=FILE, such as touch=touch.npy, got {word!r}")
        if name in files:
            raise InputError(f"{name} is given twice: {files[name]} and {path}", "Give one file.")
        check_path("file")(path)
        files[name] = Path(path)
    return files


def export(
    run: Words[Path | None] = None,
    out: Path | None = None,
    web: Path | None = None,
    runtime: Path | None = None,
    inputs: Literal["contents", "features"] = "contents",
    overwrite: bool = False,
) -> None:
    """Export a run's model, checked against it: an ONNX file, a folder with an example, or a web page.

    Args:
        run: Run folder. Without one, the digits model that comes with seesay.
        out: File to write (.onnx, or .pt2 for torch.export), or a folder that works without seesay: graph,
            settings, card, example.
        web: Folder to write a web page into that runs the model in the browser, without a server.
        runtime: ONNX Runtime Web for --web: a folder or package file. Without it, npm fetches the package.
        inputs: Inputs of an ONNX file: contents (uint8 pictures, int16 waveforms), or their features.
        overwrite: Replace the file or folder.
    """
    from seesay.serve.export import export
    from seesay.serve.export_folder import export_folder

    if (out is None) == (web is None):
        raise InputError("expected --out or --web", "Give one of them.")
    if runtime is not None and web is None:
        raise InputError("--runtime is for --web", "Leave it out.")
    onnx_file = out is not None and out.suffix == ".onnx"
    if inputs != "contents" and not onnx_file:
        raise InputError("a folder takes contents", "Give --out a name that ends in .onnx, or drop --inputs.")
    if web is not None:
        from seesay.serve.web_export import write_web

        write_web(run, web, runtime, overwrite)
        print(f"Saved to {web}: any static host serves it; to try it: python -m http.server -d {web}")
    elif out is not None and out.suffix == ".pt2":
        from seesay.serve.program import write_program

        write_program(run, out, overwrite)
        print(f"Saved to {out}: torch.export.load({str(out)!r}).module(check_guards=False) takes contents")
    elif onnx_file:
        assert out is not None
        export(run, out, inputs, overwrite)
        print(f"Saved to {out}: takes {inputs}, any number of rows")
    else:
        assert out is not None
        export_folder(run, out, overwrite)
        print(f"Saved to {out}: python {out / 'example.py'} predicts without seesay")


def serve(
    run: Words[Path | None] = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    token_file: Path | None = None,
    public: bool = False,
    queue: int = Limits.waiting,
    batch: int = Limits.batch,
    max_bytes: int = Limits.body,
    max_pixels: int = Limits.pixels,
    max_seconds: float = Limits.seconds,
    max_rows: int = Limits.rows,
    receive_seconds: float = Limits.receive,
    finish_seconds: int = Limits.finish,
) -> None:
    """Serve a model over HTTP, with a page to try it at /. Ctrl+C ends it.

    Args:
        run: Run folder, or what seesay export wrote. Without one, the digits model that comes with seesay.
        host: Address to listen on. Others than this machine's own need --token-file or --public.
        port: Port to listen on; 0: the system chooses one.
        workers: Processes that share the port, one core each.
        token_file: File with the token that clients must send, as in Authorization: Bearer TOKEN.
        public: Let everybody who reaches the address use the server.
        queue: Most rows that wait for an answer in each process; further requests get 503.
        batch: Most rows that share a run of the graph. More are quicker; answers change in the sixth digit.
        max_bytes: Largest request.
        max_pixels: Largest picture.
        max_seconds: Longest recording.
        max_rows: Most rows of a request to /predict/batch.
        receive_seconds: Time in which a request must arrive.
        finish_seconds: Time in which requests are answered after SIGTERM.
    """
    from seesay.serve.serve import serve

    limits = Limits(
        max_bytes, max_pixels, max_seconds, max_rows, queue, batch, receive_seconds, finish_seconds
    )
    say = functools.partial(print, flush=True)
    serve(run, host, port, workers, limits, token_file, public, say, say_note)


def submit(run: Words[Path], data: str, out: Path, overwrite: bool = False) -> None:
    """Label the test rows of a Kaggle competition: a CSV file with row_id and label.

    Args:
        run: Run folder.
        data: The competition's folder as downloaded, or imported by data import.
        out: CSV file to write.
        overwrite: Replace the CSV file.
    """
    from seesay.formats.open import open_data
    from seesay.serve.batch import write_submission
    from seesay.serve.predict import Predictor

    count = write_submission(Predictor.open(run), open_data(data), out, overwrite)
    print(f"Saved {count:,} labels to {out}")


def verify(
    run: Words[Path | None] = None,
    files: tuple[Path, ...] = (),
    data: str | None = None,
    rows: int = 20,
    runtime: Path | None = None,
    json: bool = False,
) -> int:
    """Check that Python, command line, ONNX, server and browser give the same answers on your files.

    Args:
        run: Run folder. Without one, the digits model that comes with seesay.
        files: Pictures and recordings; those with one name (7.png, 7.wav) are of one row.
        data: Data set to take rows from instead. Without both, the data set that the run was trained on.
        rows: Rows of the data set.
        runtime: ONNX Runtime Web for the browser, as of export --web.
        json: Print JSON.
    """
    import tempfile
    from dataclasses import asdict

    from seesay.cli.terminal import print_found, print_json
    from seesay.learn.run import Run
    from seesay.serve.verify import rows_from, rows_of, verified

    opened = Run.open(run)
    if files and data is not None:
        raise InputError("--files and --data exclude each other", "Give one of them.")
    if rows < 1:
        raise InputError(f"--rows must be at least 1, got {rows}")
    use_threads(1)
    with tempfile.TemporaryDirectory(prefix="seesay-verify-") as temporary:
        folder = Path(temporary)
        if files:
            chosen = rows_of(opened.spec, files)
        else:
            dataset = open_source(data or ("digits" if run is None else training_data(opened)))
            step = max(1, len(dataset) // rows)
            chosen = rows_from(dataset, opened.spec, range(0, len(dataset), step)[:rows], folder)
        if not chosen:
            raise InputError(f"{data or opened.data} has none of the model's modalities", "Give --files.")
        found = list(verified(run, chosen, folder, runtime))
    if json:
        print_json([asdict(each) | {"same": each.same} for each in found])
    else:
        print_found(found, len(chosen))
    return 0 if all(each.same for each in found) else 1
