"""An exported model, run by ONNX Runtime: the same predictions without torch.

`Graph` runs arrays; `GraphPredictor` reads files as `Predictor` does and gives the same answers.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Bool, Float, Int16, Num

from seesay.condition import Condition
from seesay.errors import InputError
from seesay.extras import package
from seesay.files import check_file
from seesay.plain import from_dict
from seesay.serve.answer import Prediction, answer, check_reject, named, read
from seesay.serve.encoded import Encoded, EncodedWindow
from seesay.serve.segments import BATCH, Scored, segments_of
from seesay.signal.sounding import LONG, Window, windows
from seesay.spec import Modality, Spec, WaveformSpec

InputKind = Literal["contents", "features"]
"""What a graph takes. `contents`: as in a data set, pictures as uint8 and waveforms as int16, with the
front ends in the graph; `features`: the inputs of the encoders."""

PROBABILITIES, KNOWN, FITTED, VOICED = "probabilities_", "known_", "fitted_", "voiced_"
ENCODING = "encoding_"
"""Prefixes of outputs, before a condition or a modality."""

AGREEMENT = "agreement"

TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int16)": "int16"}
"""ONNX Runtime's names of input types."""

CONFIG, GRAPH = "config.json", "model.onnx"
"""Files of an exported folder."""


@dataclass(frozen=True)
class InputType:
    """Shape and type of one row of an input; where rows may have any size, that of the model's clip or
    picture."""

    shape: tuple[int, ...]
    dtype: str

    def blank(self, rows: int) -> np.ndarray:
        """Zeros, (rows, *shape)."""
        return np.zeros((rows, *self.shape), self.dtype)


@dataclass(frozen=True)
class Outputs:
    """What a graph says of n rows."""

    probabilities: dict[Condition, Float[np.ndarray, "n k"]]
    known: dict[Condition, Float[np.ndarray, " n"]]
    """NaN in rows without any modality of the condition."""
    agreement: Float[np.ndarray, " n"]
    """See `agreement_of`; NaN in rows with fewer than two modalities."""
    voiced: dict[Modality, Float[np.ndarray, " n"]]
    """How much voiced sound the clip of a recording holds."""
    encodings: dict[Modality, Float[np.ndarray, "n d"]]
    """Zeros in rows without the modality. Empty: the graph was exported before it had them."""


class Graph:
    """An exported model, run by ONNX Runtime on the CPU. It may be called from several threads."""

    def __init__(self, source: Path | str | bytes, threads: int = 1) -> None:
        """`source`: path or bytes of the file, or an exported folder. No such file, or not written by
        seesay: InputError."""
        runtime = package("onnxruntime", "a model in ONNX")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        name = "the graph" if isinstance(source, bytes) else str(source)
        if not isinstance(source, bytes):
            source = Path(source) / GRAPH if Path(source).is_dir() else Path(source)
            check_file(source)
        try:
            content = source if isinstance(source, bytes) else str(source)
            self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            given = {x.name: TYPES.get(x.type, "") for x in self.session.get_inputs()}
            outputs = [output.name for output in self.session.get_outputs()]
            self._describe(self.session.get_modelmeta().custom_metadata_map, given, outputs)
        except Exception as error:  # ONNX Runtime raises many types of its own
            raise InputError(f"{name} was not written by seesay export ({error})", "Export again.") from None

    def _describe(
        self, metadata: Mapping[str, str], types: Mapping[str, str], outputs: Sequence[str]
    ) -> None:
        """Set what it says of itself, from its metadata, the type of each input and the names of outputs."""
        self.encoders = metadata.get("encoders", "")  # fingerprint; empty: it gives no encodings
        self.inputs: InputKind = cast(InputKind, metadata["inputs"])
        self.spec: Spec = from_dict(Spec, json.loads(metadata["spec"]), "spec")
        shapes = {m: tuple(shape) for m, shape in json.loads(metadata["shapes"]).items()}
        self.types = {m: InputType(shapes[m], types[m]) for m in self.spec.modalities}
        self.names = list(outputs)
        self.conditions, self.knowing = (
            tuple(Condition(name.removeprefix(prefix)) for name in self.names if name.startswith(prefix))
            for prefix in (PROBABILITIES, KNOWN)
        )

    def __call__(
        self,
        inputs: Mapping[Modality, Num[np.ndarray, "n ..."]],
        present: Mapping[Modality, Bool[np.ndarray, " n"]] | None = None,
    ) -> dict[Condition, Float[np.ndarray, "n k"]]:
        """Probabilities by condition. Modalities not in `inputs` and rows not `present` count as missing."""
        return self.run(inputs, present).probabilities

    def run(
        self,
        inputs: Mapping[Modality, Num[np.ndarray, "n ..."]],
        present: Mapping[Modality, Bool[np.ndarray, " n"]] | None = None,
    ) -> Outputs:
        """All outputs for these rows. No input, or one that the graph does not take: InputError."""
        names = [name for name in self.names if not name.startswith(FITTED)]
        found = dict(zip(names, self._fetch(names, inputs, present), strict=True))
        return Outputs(
            {c: found[PROBABILITIES + c] for c in self.conditions},
            {c: found[KNOWN + c] for c in self.knowing},
            found[AGREEMENT],
            {m: found[VOICED + m] for m in self.spec.modalities if VOICED + m in found},
            {m: found[ENCODING + m] for m in self.spec.modalities if ENCODING + m in found},
        )

    def padded(self, modality: Modality, content: Num[np.ndarray, " *size"]) -> Num[np.ndarray, " *padded"]:
        """The content; of a recording shorter than the clip, the clip that the graph makes of it, so that
        many recordings have one shape."""
        if VOICED + modality not in self.names:
            return content
        missing = self.types[modality].shape[0] - len(content)
        return np.pad(content, (missing // 2, missing - missing // 2)) if missing > 0 else content

    def fitted(self, modality: Modality, content: Num[np.ndarray, " *size"]) -> Num[np.ndarray, " *shape"]:
        """The part of a content that the model sees: the clip of a recording, the picture in the model's
        size; the content itself where it has that size, or the model takes any.

        ONNX Runtime runs the whole graph for it, so it costs as much as a prediction.
        """
        name, content = FITTED + modality, self.padded(modality, content)
        if name not in self.names or content.shape == self.types[modality].shape:
            return content
        return self._fetch([name], {modality: content[None]}, None)[0][0]

    def _fetch(self, names: Sequence[str], inputs: Mapping[Modality, Any], present: Any) -> list[np.ndarray]:
        unknown = [name for name in inputs if name not in self.spec.modalities]
        if unknown or not inputs:
            expected, got = " and ".join(self.spec.modalities), " and ".join(unknown) or "nothing"
            raise InputError(f"the graph takes {expected}, got {got}")
        count = len(next(iter(inputs.values())))
        present = present or {}
        feed: dict[str, np.ndarray] = {}
        for modality in self.spec.modalities:
            given = modality in inputs
            feed[modality] = inputs[modality] if given else self.types[modality].blank(count)
            feed[f"has_{modality}"] = (
                present.get(modality, np.ones(count, bool)) if given else np.zeros(count, bool)
            )
        return self._compute(names, feed)

    def _compute(self, names: Sequence[str], feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names."""
        return self.session.run(names, feed)


class GraphPredictor:
    """A model in ONNX that reads its own inputs: `predict` as in `Predictor`, without torch."""

    def __init__(self, graph: Graph) -> None:
        """Features instead of contents as input: InputError."""
        if graph.inputs != "contents":
            remedy = "Export again with --inputs contents."
            raise InputError("this graph takes features, so files cannot be read for it", remedy)
        self.graph, self.spec = graph, graph.spec

    @staticmethod
    def open(path: Path | str | bytes, threads: int = 1) -> "GraphPredictor":
        """The predictor of an exported folder or file."""
        return GraphPredictor(Graph(path, threads))

    def predict(self, *sources: Any, reject: float | None = None, **inputs: Any) -> Prediction:
        """The prediction for one row; see `Predictor.predict`."""
        given = named(self.spec, sources, inputs)
        contents = {name: self.read(name, source) for name, source in given.items()}
        self.check_reject(reject, contents)
        return self.predict_contents(contents, reject)

    def check_reject(self, reject: float | None, modalities: Iterable[Modality]) -> None:
        """InputError if `reject` is not from 0 to 1, or if the model cannot tell how known contents of these
        modalities are."""
        check_reject(reject, self.graph.knowing, modalities)

    def read(self, modality: Modality, source: Any) -> np.ndarray:
        """The content of a file, bytes or an array."""
        return read(self.spec, modality, source)

    def predict_contents(
        self, contents: Mapping[Modality, np.ndarray], reject: float | None = None
    ) -> Prediction:
        """The prediction for one row of contents that were read."""
        long = self.long_modality(contents)
        if long is not None:
            return self._pooled(long, contents, reject)
        rows = {m: content[None] for m, content in contents.items()}
        return self.answers(self.graph.run(rows), [tuple(rows)], [reject])[0]

    def answers(
        self, outputs: Outputs, given: Sequence[Sequence[Modality]], reject: Sequence[float | None]
    ) -> list[Prediction]:
        """The predictions for a batch, of which each row has the modalities `given`."""
        found = []
        for i, (modalities, limit) in enumerate(zip(given, reject, strict=True)):
            names = self._sources(modalities)
            probabilities = {name: outputs.probabilities[source][i] for name, source in names.items()}
            known = {n: float(outputs.known[s][i]) for n, s in names.items() if s in outputs.known}
            found.append(answer(self.spec, probabilities, known, [], limit))
        return found

    def long_modality(self, contents: Mapping[Modality, np.ndarray]) -> Modality | None:
        """The first modality whose recording is longer than `LONG` clips; None if there is none."""
        for modality, content in contents.items():
            clipped = VOICED + modality in self.graph.names
            if clipped and len(content) > LONG * self.graph.types[modality].shape[0]:
                return modality
        return None

    def _pooled(
        self, long: Modality, contents: Mapping[Modality, np.ndarray], reject: float | None
    ) -> Prediction:
        """The prediction for a row with a long recording: all its windows, pooled."""
        found, parts, weight, rate = self._by_window(long, contents)
        names = self._sources(contents)
        probabilities = {
            name: np.concatenate([part.probabilities[source] for part in parts])
            for name, source in names.items()
        }
        known = {
            name: np.concatenate([part.known[source] for part in parts])
            if source in self.graph.knowing
            else np.full(len(found), np.nan)
            for name, source in names.items()
        }
        scored = Scored(found, weight, probabilities, known)
        segments = segments_of(scored, Condition(long), tuple(self.spec.classes), rate)
        return answer(self.spec, scored.pooled(), scored.pooled_known(), segments, reject)

    def _by_window(
        self, long: Modality, contents: Mapping[Modality, np.ndarray]
    ) -> tuple[list[Window], list[Outputs], Float[np.ndarray, " windows"], int]:
        """The windows of a long recording, the outputs for them in batches, the weight of each, which sum to
        1, and the samples a second."""
        spec, samples = self.spec[long], self.graph.types[long].shape[0]
        assert isinstance(spec, WaveformSpec)
        recording: Int16[np.ndarray, " n"] = contents[long]
        found = windows(recording, spec.rate, samples)
        others = {m: self.graph.fitted(m, content) for m, content in contents.items() if m != long}
        parts = []
        for start in range(0, len(found), BATCH):
            clips = np.stack([recording[w.first : w.first + samples] for w in found[start : start + BATCH]])
            rows = {m: np.broadcast_to(each, (len(clips), *each.shape)) for m, each in others.items()}
            parts.append(self.graph.run({m: rows.get(m, clips) for m in contents}))
        weight = np.concatenate([part.voiced[long] for part in parts])
        return found, parts, weight / weight.sum(), spec.rate

    def encode_contents(self, contents: Mapping[Modality, np.ndarray]) -> Encoded:
        """The encodings of one row of contents that were read; of a long recording, of each window."""
        long = self.long_modality(contents)
        if long is None:
            rows = {m: content[None] for m, content in contents.items()}
            return self.encoded(self.graph.run(rows), 0, contents)
        found, parts, weight, rate = self._by_window(long, contents)
        rows = [(part, i) for part in parts for i in range(len(part.agreement))]
        return Encoded(
            [
                EncodedWindow(
                    each.start / rate, each.end / rate, float(share), self._encodings(part, i, contents)
                )
                for each, share, (part, i) in zip(found, weight, rows, strict=True)
            ]
        )

    def encoded(self, outputs: Outputs, row: int, given: Iterable[Modality]) -> Encoded:
        """The encodings of a row of a batch that has these modalities, and no long recording."""
        return Encoded([EncodedWindow(0.0, 0.0, 1.0, self._encodings(outputs, row, given))])

    def _encodings(
        self, outputs: Outputs, row: int, given: Iterable[Modality]
    ) -> dict[Modality, list[float]]:
        return {m: outputs.encodings[m][row].tolist() for m in self.spec.modalities if m in set(given)}

    def _sources(self, given: Iterable[Modality]) -> dict[Condition, Condition]:
        """The conditions of a row that has these modalities, and the condition in the outputs that says
        it: all modalities together leave out those that are missing."""
        in_order = [m for m in self.spec.modalities if m in set(given)]
        names = {Condition(m): Condition(m) for m in in_order}
        if len(in_order) > 1:
            names[Condition.of(in_order)] = Condition.of(self.spec.modalities)
        return names
