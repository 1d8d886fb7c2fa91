"""The classifier: per modality a front end, an encoder and a head; one fusion over all. Dict in, logits out.

What is missing is missing: a row that lacks a modality is predicted from the others, never from zeros, noise
or its neighbours, and a row that has just one gets exactly what that one says alone.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seesay.condition import Condition, conditions
from seesay.config import EncoderConfig, ModelConfig
from seesay.data.batches import Inputs, Present, Table
from seesay.errors import ConfigError
from seesay.model.encoders import encoder
from seesay.model.fusion import FusionDropout, PosteriorSum, mlp
from seesay.registry import find
from seesay.signal.front_ends import FrontEnd, features_shape, front_end
from seesay.spec import ContentSpec, Modality, Spec

Logits = Float[Tensor, "b k"]


class Classifier(nn.Module):
    """Front ends, encoders and heads by modality, and a fusion (see fusion.py for what it is given).

    What a condition says is `log_prior + (logits - learned) / temperature`: heads begin at a prior and learn
    what a content adds to it. Until `calibrate` has set them, both priors are the same and temperatures 1, so
    that is the logits themselves.
    """

    temperature: Tensor
    """(conditions,): each divides the evidence of one condition."""
    log_prior: Tensor
    """(k,): of the answers; what a row without any modality gets."""
    learned: Tensor
    """(conditions, k): the prior that heads and fusion have learned, which weighted or smoothed labels
    change."""
    stand_in: Tensor
    """(modalities,) bool: at most one, whose answer takes the place of the fusion's."""

    def __init__(
        self,
        front_ends: Mapping[Modality, nn.Module],
        encoders: Mapping[Modality, nn.Module],
        heads: Mapping[Modality, nn.Module],
        fusion: nn.Module,
        log_prior: Float[Tensor, " k"],
    ) -> None:
        super().__init__()
        self.modalities = tuple(encoders)
        sizes = range(1, len(self.modalities) + 1)
        subsets = chain.from_iterable(combinations(self.modalities, size) for size in sizes)
        # Made here, since torch.compile cannot make text of a class of its own.
        self.names = {subset: Condition.of(subset) for subset in subsets}
        self.front_ends = nn.ModuleDict({m: front_ends[m] for m in self.modalities})
        self.encoders = nn.ModuleDict({m: encoders[m] for m in self.modalities})
        self.heads = nn.ModuleDict({m: heads[m] for m in self.modalities})
        self.fusion = fusion
        self.register_buffer("temperature", torch.ones(len(self.modalities) + 1))
        self.register_buffer("log_prior", log_prior)
        self.register_buffer("learned", log_prior.repeat(len(self.modalities) + 1, 1))
        self.register_buffer("stand_in", torch.zeros(len(self.modalities), dtype=torch.bool))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every modality alone and, if there are several, all together: the keys of what `forward`
        returns."""
        return conditions(self.modalities)

    @property
    def fusion_weight(self) -> Tensor | None:
        """(modalities,): the weights of a fusion that is a weighted sum; None: it is learned."""
        return self.fusion.weight if isinstance(self.fusion, PosteriorSum) else None

    def reset(self, log_prior: np.ndarray | None = None) -> None:
        """Nothing is calibrated any more, and answers have this prior; None: the one that was learned."""
        self.temperature.fill_(1)
        self.stand_in.fill_(False)
        self.log_prior.copy_(self.learned[0] if log_prior is None else torch.from_numpy(log_prior))
        if isinstance(self.fusion, PosteriorSum):  # what it is given has the right prior already
            self.fusion.weight.fill_(1)
            for same in (self.fusion.log_prior, self.learned[-1]):
                same.copy_(self.log_prior)

    def forward(self, inputs: Inputs, present: Present | None = None) -> dict[Condition, Logits]:
        """Contents to logits: what each modality says alone and, if there are several, what they say
        together.

        A key that is absent from `inputs`, or a row that is not `present`, is missing; a row without any
        modality gets the prior.
        """
        return self.classify(self.features(inputs), present)

    def features(self, inputs: Inputs) -> dict[Modality, Tensor]:
        """Contents to features, by each modality's front end."""
        return {m: self.front_ends[m](inputs[m]) for m in self.modalities if m in inputs}

    def classify(self, features: Inputs, present: Present | None = None) -> dict[Condition, Logits]:
        """`forward` from features on."""
        return self.decide(self.encode(features, present), present)

    def decide(self, encodings: Inputs, present: Present | None = None) -> dict[Condition, Logits]:
        """`forward` from encodings on."""
        present = self._present(encodings, present)
        known = [m for m in self.modalities if m in encodings]
        opinions = {m: self._opinion(m, encodings[m], present[m]) for m in known}
        said = {self.names[m,]: logits for m, logits in opinions.items()}
        if len(said) > 1:
            said[self.names[tuple(known)]] = self._together(encodings, opinions, present)
        return said

    def evidence(
        self, encodings: Inputs, present: Present
    ) -> tuple[dict[Modality, Tensor], Float[Tensor, "b k"]]:
        """What each modality adds to the learned prior, zeros where it is absent, and what the fusion adds
        (a weighted sum: zeros, since it follows from the others)."""
        alone = {m: self._evidence(m, encodings[m], present[m]) for m in self.modalities}
        stacked = torch.stack([encodings[m] for m in self.modalities], 1)
        opinions = torch.stack([self.learned[i] + alone[m] for i, m in enumerate(self.modalities)], 1)
        there = torch.stack([present[m] for m in self.modalities], 1)
        if len(self.modalities) == 1 or self.fusion_weight is not None:
            return alone, torch.zeros_like(opinions[:, 0])
        return alone, self.fusion(stacked, opinions, there).float() - self.learned[-1]

    def _evidence(self, modality: Modality, encoding: Tensor, present: Tensor) -> Float[Tensor, "b k"]:
        evidence = self.heads[modality](encoding).float() - self.learned[self.modalities.index(modality)]
        return torch.where(present[:, None], evidence, 0)

    def encode(self, features: Inputs, present: Present | None = None) -> dict[Modality, Tensor]:
        """Features to encodings, (b, d) by modality; zeros in rows that lack it."""
        present = self._present(features, present)
        return {m: self._encode(m, features[m], present[m]) for m in self.modalities if m in features}

    def _present(self, inputs: Inputs, present: Present | None) -> dict[Modality, Tensor]:
        """One mask for each key of `inputs`."""
        everywhere = {m: torch.ones(x.shape[0], dtype=torch.bool, device=x.device) for m, x in inputs.items()}
        return everywhere if present is None else everywhere | {m: present[m] for m in inputs if m in present}

    def _encode(self, modality: Modality, features: Tensor, present: Tensor) -> Tensor:
        encode = self.encoders[modality]
        if not self.training:
            blank = present.view(-1, *[1] * (features.dim() - 1))
            return torch.where(present[:, None], encode(torch.where(blank, features, 0)), 0)
        before, everywhere = encode.training, bool(present.all())
        encode.train(
            before and int(present.sum()) > 1
        )  # one row has no variance: the statistics so far must do
        some = encode(
            features if everywhere else features[present]
        )  # absent rows must not enter those statistics
        encode.train(before)
        return (
            some if everywhere else some.new_zeros(len(features), some.shape[1]).index_put((present,), some)
        )

    def _opinion(self, modality: Modality, encoding: Tensor, present: Tensor) -> Logits:
        temperature = self.temperature[self.modalities.index(modality)]
        return self.log_prior + self._evidence(modality, encoding, present) / temperature

    def _together(self, encodings: Inputs, opinions: Mapping[Modality, Tensor], present: Present) -> Logits:
        """The fusion of several, or what stands in for it; alone, a modality has the last word."""
        shape = self.modalities
        blank_encoding, blank_opinion = (
            torch.zeros_like(next(iter(d.values()))) for d in (encodings, opinions)
        )
        nobody = torch.zeros_like(next(iter(present.values())))
        stacked = torch.stack([encodings.get(m, blank_encoding) for m in shape], 1)
        said = torch.stack([opinions.get(m, blank_opinion) for m in shape], 1)
        there = torch.stack([present.get(m, nobody) for m in shape], 1)
        count = there.sum(1, keepdim=True)
        chosen = there & (self.stand_in | (count == 1))
        alone = torch.where(chosen[:, :, None], said, 0).sum(1)
        fused = self.fusion(stacked, said, there).float() - self.learned[-1]
        fused = torch.where(count > 1, fused / self.temperature[-1], 0) + self.log_prior
        return torch.where(chosen.any(1, keepdim=True), alone, fused)


def build(config: ModelConfig, spec: Spec, prior: np.ndarray | None = None, seed: int = 0) -> Classifier:
    """A classifier with fresh weights, whose heads and fusion begin at the prior: (k,) fractions of the
    classes, as training will show them; None: all alike. So what is learned is what a content adds to it
    (Lin et al. 2017 begin detectors of rare objects so)."""
    classes = len(spec.classes)
    encoders = {m: config.of(m, kind) for m, kind in spec.kinds.items()}
    shares = np.full(classes, 1 / classes) if prior is None else prior
    log_prior = torch.from_numpy(np.log(np.clip(shares, 1e-8, 1))).float()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        front_ends = {m: front_end(encoders[m].features, spec[m]) for m in encoders}
        classifier = Classifier(
            front_ends=front_ends,
            encoders={m: _encoder(encoders[m], config.dim, front_ends[m], spec[m]) for m in encoders},
            heads={m: mlp(config.dim, config.hidden, classes, config.head_layers) for m in encoders},
            fusion=_fusion(config, list(encoders.values()), classes, log_prior),
            log_prior=log_prior,
        )
    for layers in (*classifier.heads.values(), *_heads_of(classifier.fusion)):
        begin_at(layers, log_prior)
    return classifier


def _encoder(config: EncoderConfig, dim: int, front_end: FrontEnd, spec: ContentSpec) -> nn.Module:
    shape = features_shape(front_end, spec)
    return encoder(replace(config, features=front_end.settings), dim, shape, spec.kind)


def _heads_of(fusion: nn.Module) -> list[nn.Module]:
    """The layers of a learned fusion that end in logits: its `layers`, which one from outside need not
    have."""
    fusion = fusion.get_submodule("fusion") if isinstance(fusion, FusionDropout) else fusion
    layers = getattr(fusion, "layers", None)
    linear = isinstance(layers, nn.Module) and any(isinstance(m, nn.Linear) for m in layers.modules())
    return [layers] if linear and isinstance(layers, nn.Module) else []


@torch.no_grad()
def begin_at(layers: nn.Module, log_prior: Float[Tensor, " k"]) -> None:
    """Sets the bias of the last of these layers to the prior."""
    *_, last = (layer for layer in layers.modules() if isinstance(layer, nn.Linear))
    last.bias.copy_(log_prior)


def _fusion(
    config: ModelConfig, encoders: Sequence[EncoderConfig], classes: int, log_prior: Tensor
) -> nn.Module:
    if config.fusion == "posterior-sum":
        return PosteriorSum(log_prior.clone(), len(encoders))
    part = find("fusion", config.fusion)
    fusion = part.load()(len(encoders), config.dim, classes, config.hidden, config.fusion_layers)
    if part.module:
        _check_fusion(config.fusion, fusion, len(encoders), config.dim, classes)
    shares = [each.fusion_dropout for each in encoders]
    return FusionDropout(fusion, shares) if any(shares) else fusion


@torch.no_grad()
def _check_fusion(name: str, fusion: Any, modalities: int, dim: int, classes: int) -> None:
    """ConfigError where a fusion from outside does not return logits of two rows."""
    rows = torch.zeros(2, modalities, dim), torch.zeros(2, modalities, classes)
    there = torch.ones(2, modalities, dtype=torch.bool)
    if not isinstance(fusion, nn.Module):
        raise ConfigError(f"the fusion {name} makes a {type(fusion).__name__}, expected a torch.nn.Module")
    said = fusion.eval()(*rows, there)
    fusion.train()
    if not isinstance(said, Tensor) or said.shape != (2, classes):
        got = tuple(said.shape) if isinstance(said, Tensor) else type(said).__name__
        raise ConfigError(
            f"the fusion {name} gives {got} for 2 rows, {modalities} modalities and {classes} classes",
            f"It is to return logits of shape {(2, classes)}.",
        )


def completed(
    tensors: Mapping[str, Tensor], fusion: str, normalisers: Mapping[Modality, Sequence[Sequence[float]]]
) -> dict[str, Tensor]:
    """A state of `Classifier` as it is today, from an older one: `normalisers` are the numbers, mean and
    scale, that then stood in the spec; before there were learned priors answers were
    `logits / temperature`."""
    tensors = dict(tensors)
    for modality, numbers in normalisers.items():
        for name, values in zip(("mean", "scale"), numbers, strict=True):
            tensors[f"front_ends.{modality}.normaliser.{name}"] = torch.tensor(values)
    if "learned" in tensors:
        return tensors
    temperature, log_prior = tensors["temperature"], tensors["log_prior"]
    more = {
        "learned": temperature[:, None] * log_prior,
        "stand_in": torch.zeros(len(temperature) - 1, dtype=torch.bool),
    }
    if fusion == "posterior-sum":
        more["fusion.weight"] = torch.ones(len(temperature) - 1)
    return {**tensors, **more}


@torch.no_grad()
def posteriors(model: Classifier, rows: Table, size: int = 128) -> dict[Condition, np.ndarray]:
    """Class probabilities, (n, k) by condition, of rows that hold features (`features_of`), in order.

    NaN in the rows that the condition has not: nothing was said there. No rows, or a
    modality that the table has not: no such conditions.
    """
    model.eval()
    parts: dict[Condition, list[np.ndarray]] = defaultdict(list)
    for batch in rows.in_order(size):
        for name, logits in model.classify(batch.inputs, batch.present).items():
            there = name.has(batch.present)
            parts[name].append(torch.where(there[:, None], logits.softmax(1), torch.nan).cpu().numpy())
    return {name: np.concatenate(part) for name, part in parts.items()}
