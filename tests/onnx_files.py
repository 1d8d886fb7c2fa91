"""Tiny encoders as ONNX files with their cards, made in milliseconds without the exporter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 6
"""Numbers of an embedding."""

Shape = tuple[int | str | None, ...]


def onnx_file(
    path: Path,
    shape: Shape,
    nodes: list[Any],
    output: Shape,
    weights: dict[str, np.ndarray] | None = None,
    kind: int = TensorProto.FLOAT,
    opset: int = 18,
    card: dict[str, Any] | None = None,
) -> Path:
    """A file whose nodes turn `given` into `found`, and its card where there is one."""
    initializers = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("given", kind, shape)],
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, output)],
        initializers,
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    if card is not None:
        write_card(path, **card)
    return path


def write_card(path: Path, **fields: Any) -> Path:
    """The card beside a file; a field of None is `null`, the names of input and output are there already."""
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps({"input": "given", "output": "found"} | fields))
    return beside


def basis(length: int, seed: int = 0) -> np.ndarray:
    """(length, SIZE) float32: tones of 300 to 1,400 Hz at 8 kHz, which the tiny recordings have."""
    time = np.arange(length)[:, None] / 8_000
    pitch = np.linspace(300, 1_400, SIZE) + seed
    return (np.cos(2 * np.pi * pitch * time) * np.hanning(length)[:, None]).astype(np.float32)


def sound_file(folder: Path, samples: int = 2_000, sequence: bool = True, **options: Any) -> Path:
    """Recordings of 8 kHz, of this length: their energy at SIZE pitches, in ten parts or as a whole."""
    parts = 10 if sequence else 1
    weights = {"basis": basis(samples // parts), "form": np.array([-1, parts, samples // parts])}
    nodes = [
        helper.make_node("Reshape", ["given", "form"], ["frames"]),
        helper.make_node("MatMul", ["frames", "basis"], ["tones"]),
        helper.make_node("Abs", ["tones"], ["found" if sequence else "energies"]),
    ]
    shape: Shape = ("n", parts, SIZE)
    if not sequence:
        weights["flat"] = np.array([-1, SIZE])
        nodes.append(helper.make_node("Reshape", ["energies", "flat"], ["found"]))
        shape = ("n", SIZE)
    card = {"layout": "NT", "rate": 8_000, "seconds": samples / 8_000} | options.pop("card", {})
    return onnx_file(folder / "sound.onnx", ("n", samples), nodes, shape, weights, card=card, **options)


def picture_file(folder: Path, side: int = 8, **options: Any) -> Path:
    """Pictures of three channels: the mean of each row of the first, (n, side)."""
    nodes = [helper.make_node("ReduceMean", ["given", "axes"], ["found"], keepdims=0)]
    card = {"layout": "NCHW", "height": side, "width": side} | options.pop("card", {})
    weights = {"axes": np.array([1, 3])}
    shape: Shape = ("n", 3, side, side)
    return onnx_file(folder / "picture.onnx", shape, nodes, ("n", side), weights, card=card, **options)


def same_file(folder: Path, shape: Shape, card: dict[str, Any], kind: int = TensorProto.FLOAT) -> Path:
    """A file whose output is its input, as floats: what reaches the network is seen."""
    nodes = [helper.make_node("Cast", ["given"], ["found"], to=TensorProto.FLOAT)]
    return onnx_file(folder / "same.onnx", shape, nodes, shape, kind=kind, card=card)
