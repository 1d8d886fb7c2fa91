"""Export a model as a folder that works without seesay: the graph, what it takes and says, its card, and an
example that needs only onnxruntime, numpy, Pillow and soundfile.

`config.json` says how contents are read (`inputs`), what comes out (`outputs`), the classes, and the hash of
the graph. The files of `exported/` are copied as they are.
"""

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seesay.condition import Condition
from seesay.files import check_new_folder, new_folder
from seesay.learn.run import PACKAGED, Run
from seesay.serve.export import checked_graph
from seesay.serve.graph import AGREEMENT, CONFIG, ENCODING, FITTED, GRAPH, KNOWN, PROBABILITIES, VOICED, Graph
from seesay.signal import ink
from seesay.spec import PictureSpec, content_to_dict

FORMAT = 1
"""Version of the folder."""

COPIED = Path(__file__).parent / "exported"

TYPE_NAMES = """class _Type:  # stands in for types of shapes, which need a package of their own
    def __class_getitem__(cls, item):
        return cls


"""


def export_folder(run: Run | Path | str | None, folder: Path | str, overwrite: bool = False) -> None:
    """Write the run's model as a folder, after checking that ONNX Runtime and torch agree.

    OutputError, and no folder, if it exists without `overwrite` or if the two differ. InputError if a package
    of the extra `onnx` is missing.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    check_new_folder(folder, overwrite, delete=False)
    written, graph = checked_graph(run, folder)
    with new_folder(folder, overwrite) as new:
        (new / GRAPH).write_bytes(written)
        config = config_of(graph, hashlib.sha256(written).hexdigest())
        (new / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (new / "README.md").write_text(card_of(run, graph), encoding="utf-8")
        for file in sorted(COPIED.glob("*.py")):
            (new / file.name).write_bytes(file.read_bytes())
        if any(
            isinstance(each, PictureSpec) and each.reader == "ink" for each in graph.spec.contents.values()
        ):
            (new / "ink.py").write_text(untyped(Path(ink.__file__).read_text("utf-8")), encoding="utf-8")


def config_of(graph: Graph, digest: str) -> dict[str, Any]:
    """What `config.json` says of a graph: plain values."""
    spec = graph.spec
    inputs = {
        m: content_to_dict(spec[m]) | {"dtype": graph.types[m].dtype, "shape": list(graph.types[m].shape)}
        for m in spec.modalities
    }
    return {
        "seesay": version("seesay"),
        "format": FORMAT,
        "classes": list(spec.classes),
        "inputs": inputs,
        "outputs": {name: _meaning(name) for name in graph.names},
        "together": Condition.of(spec.modalities),
        "sha256": digest,
    }


def _meaning(output: str) -> str:
    """A sentence on an output of the graph."""
    meanings = {
        PROBABILITIES: "(n, classes): probabilities from {}; the class fractions of training where missing",
        KNOWN: "(n,): how much {} is like the training data, 0 to 1; NaN where missing",
        AGREEMENT: "(n,): how much the modalities agree, 0 to 1; NaN where fewer than two are there",
        ENCODING: "(n, dim): the encoding of {}, which the heads take; zeros where missing",
        FITTED: "(n, ...): what the model sees of {}",
        VOICED: "(n,): how much voiced sound the clip of {} holds",
    }
    prefix = next(prefix for prefix in meanings if output.startswith(prefix))
    return meanings[prefix].format(output.removeprefix(prefix).replace("+", " and "))


def card_of(run: Run, graph: Graph) -> str:
    """The README of an exported folder: how to use it, then the card of the run."""
    names = ("README.md", "MODEL_CARD.md") if run.folder != PACKAGED else ("MODEL_CARD.md",)
    cards = [run.folder / name for name in names if (run.folder / name).is_file()]
    text = cards[0].read_text("utf-8") if cards else "# A seesay model\n\nIt was not evaluated.\n"
    head = re.match(r"---\n.*?\n---\n+", text, re.DOTALL)
    front, card = (head[0], text[head.end() :]) if head else ("", text)
    files = " ".join(f"{m}=FILE" for m in graph.spec.modalities)
    return (
        front
        + USE.format(files=files, inputs="\n".join(_row(graph, m) for m in graph.spec.modalities))
        + card
    )


def _row(graph: Graph, modality: str) -> str:
    """A line of the table of inputs."""
    each = graph.types[modality]
    free = FITTED + modality in graph.names
    size = f"any size, fitted to {list(each.shape)}" if free else str(list(each.shape))
    return f"| `{modality}` | {each.dtype} | n rows, {size} | {graph.spec[modality]} |"


USE = """# Exported model

Made by `seesay export`. It runs where onnxruntime, numpy, Pillow and soundfile are installed, without
seesay:

```console
$ python example.py {files}
```

`model.onnx` takes contents as `reading.py` reads them, and `has_NAME`, a bool for each row: false if the row
lacks that modality. `config.json` describes every input and output.

| input | type | shape | content |
|---|---|---|---|
{inputs}

`seesay serve FOLDER` answers over HTTP with this folder alone.

"""


def untyped(source: str) -> str:
    """The source of a module of seesay with stand-ins for the types of jaxtyping, so that it needs NumPy
    alone."""
    imported = re.search(r"^from jaxtyping import (.*)$", source, re.MULTILINE)
    assert imported is not None
    names = [name.strip() for name in imported[1].split(",")]
    stand_ins = TYPE_NAMES + " = ".join(names) + " = _Type"
    return source[: imported.start()] + stand_ins + source[imported.end() :]
