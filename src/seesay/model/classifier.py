"""The classifier: a front end, an encoder and a head per modality, and one fusion. Dict in, logits out.

A row that lacks a modality is predicted from the others, never from zeros, noise or its neighbours. A row
that has only one gets exactly that modality's own prediction. Beside its logits, every condition can say how
`known` a row is (known.py).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seesay.condition import Condition, conditions
from seesay.config import EncoderConfig, ModelConfig
from seesay.data.batches import Inputs, Present, Table
from seesay.model.encoders import encoder
from seesay.model.fusion import FusionDropout, PosteriorSum, mlp
from seesay.model.known import negative_energy
from seesay.registry import find
from seesay.signal.feature_settings import features_for
from seesay.signal.front_ends import FrontEnd, features_shape, front_end
from seesay.signal.published import load_published
from seesay.signal.registered import build_part, try_part
from seesay.spec import ContentSpec, Modality, Spec

Logits = Float[Tensor, "b k"]
Known = Float[Tensor, " b"]


class Classifier(nn.Module):
    """Front ends, encoders and heads by modality, and a fusion (fusion.py describes its inputs).

    The output of a condition is `log_prior + (logits - learned) / temperature`: heads start at a prior and
    learn what a content adds to it. Before calibration both priors are the same and temperatures are 1, so
    the output is the logits themselves.
    """

    temperature: Tensor
    """(conditions,): divides the evidence of each condition."""
    log_prior: Tensor
    """(k,): log prior of the predictions; the output for a row without any modality."""
    learned: Tensor
    """(conditions, k): log prior built into the heads and the fusion by training. Class weights and label
    smoothing shift it away from the class fractions."""
    stand_in: Tensor
    """(modalities,) bool: marks at most one modality, whose own prediction replaces the fused one."""
    known_line: Tensor
    """(modalities, 2): slope and offset that make the logit of `known` of each modality's score; zeros:
    not calibrated."""

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
        # Made here, since torch.compile cannot construct a subclass of str.
        self.names = {subset: Condition.of(subset) for subset in subsets}
        self.front_ends = nn.ModuleDict({m: front_ends[m] for m in self.modalities})
        self.encoders = nn.ModuleDict({m: encoders[m] for m in self.modalities})
        self.heads = nn.ModuleDict({m: heads[m] for m in self.modalities})
        self.fusion = fusion
        self.register_buffer("temperature", torch.ones(len(self.modalities) + 1))
        self.register_buffer("log_prior", log_prior)
        self.register_buffer("learned", log_prior.repeat(len(self.modalities) + 1, 1))
        self.register_buffer("stand_in", torch.zeros(len(self.modalities), dtype=torch.bool))
        self.register_buffer("known_line", torch.zeros(len(self.modalities), 2))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Each modality alone and, if there are several, all together: the keys of `forward`'s output."""
        return conditions(self.modalities)

    @property
    def fusion_weight(self) -> Tensor | None:
        """(modalities,): the weights of a posterior-sum fusion; None for a learned fusion."""
        return self.fusion.weight if isinstance(self.fusion, PosteriorSum) else None

    def reset(self, log_prior: np.ndarray | None = None) -> None:
        """Undo calibration and set the prior of the predictions, (k,) log fractions; None: the learned
        one."""
        self.temperature.fill_(1)
        self.stand_in.fill_(False)
        self.known_line.zero_()
        self.log_prior.copy_(self.learned[0] if log_prior is None else torch.from_numpy(log_prior))
        if isinstance(self.fusion, PosteriorSum):  # its inputs already have the right prior
            self.fusion.weight.fill_(1)
            for prior in (self.fusion.log_prior, self.learned[-1]):
                prior.copy_(self.log_prior)

    def forward(self, inputs: Inputs, present: Present | None = None) -> dict[Condition, Logits]:
        """Contents to logits by condition: each modality alone and, if there are several, all together.

        A modality is missing where `inputs` lacks its key or `present` is false; a row without any modality
        gets the prior.
        """
        return self.classify(self.features(inputs), present)

    def features(self, inputs: Inputs) -> dict[Modality, Tensor]:
        """Contents to features, by each modality's front end."""
        return {m: self.front_ends[m](inputs[m]) for m in self.modalities if m in inputs}

    def classify(self, features: Inputs, present: Present | None = None) -> dict[Condition, Logits]:
        """Features to logits by condition."""
        return self.decide(self.encode(features, present), present)

    def decide(self, encodings: Inputs, present: Present | None = None) -> dict[Condition, Logits]:
        """Encodings to logits by condition."""
        present = self._present(encodings, present)
        given = [m for m in self.modalities if m in encodings]
        opinions = {m: self._opinion(m, encodings[m], present[m]) for m in given}
        logits = {self.names[m,]: opinion for m, opinion in opinions.items()}
        if len(logits) > 1:
            logits[self.names[tuple(given)]] = self._fused(encodings, opinions, present)
        return logits

    def known(self, encodings: Inputs, present: Present | None = None) -> dict[Condition, Known]:
        """Encodings to how known each row is, 0 to 1, by condition: the least of its contents. NaN in rows
        without any of the condition's modalities, and if one that a row has is not calibrated."""
        present = self._present(encodings, present)
        alone = {}
        for modality, score in self.known_scores(encodings).items():
            slope, offset = self.known_line[self.modalities.index(modality)]
            said = torch.where(slope > 0, (slope * score + offset).sigmoid(), torch.nan)
            alone[modality] = torch.where(present[modality], said, torch.nan)
        known = {self.names[m,]: said for m, said in alone.items()}
        if len(alone) > 1:
            mask = torch.stack([present[m] for m in alone], 1)
            least = torch.where(mask, torch.stack(list(alone.values()), 1), torch.inf).amin(1)
            known[self.names[tuple(alone)]] = torch.where(mask.any(1), least, torch.nan)
        return known

    def known_scores(self, encodings: Inputs) -> dict[Modality, Known]:
        """The scores that `known` is made of, by modality; higher is more known."""
        return {
            m: negative_energy(self.heads[m](encodings[m]).float()) for m in self.modalities if m in encodings
        }

    @property
    def knowing(self) -> tuple[Condition, ...]:
        """The conditions for which `known` is calibrated."""
        ready = [m for m, line in zip(self.modalities, self.known_line, strict=True) if line[0] > 0]
        return tuple(c for c in self.conditions if set(c.modalities) <= set(ready))

    def evidence(
        self, encodings: Inputs, present: Present
    ) -> tuple[dict[Modality, Tensor], Float[Tensor, "b k"]]:
        """Logits minus the learned prior, (b, k), as a pair: by modality (zeros where absent), and of the
        fusion (zeros for a posterior sum, which can be computed from the modalities)."""
        alone = {m: self._evidence(m, encodings[m], present[m]) for m in self.modalities}
        stacked = torch.stack([encodings[m] for m in self.modalities], 1)
        opinions = torch.stack([self.learned[i] + alone[m] for i, m in enumerate(self.modalities)], 1)
        mask = torch.stack([present[m] for m in self.modalities], 1)
        if len(self.modalities) == 1 or self.fusion_weight is not None:
            return alone, torch.zeros_like(opinions[:, 0])
        return alone, self.fusion(stacked, opinions, mask).float() - self.learned[-1]

    def _evidence(self, modality: Modality, encoding: Tensor, present: Tensor) -> Float[Tensor, "b k"]:
        evidence = self.heads[modality](encoding).float() - self.learned[self.modalities.index(modality)]
        return torch.where(present[:, None], evidence, 0)

    def encode(self, features: Inputs, present: Present | None = None) -> dict[Modality, Tensor]:
        """Features to encodings, (b, d) by modality; zeros in rows that lack the modality."""
        present = self._present(features, present)
        return {m: self._encode(m, features[m], present[m]) for m in self.modalities if m in features}

    def _present(self, inputs: Inputs, present: Present | None) -> dict[Modality, Tensor]:
        """A presence mask for each key of `inputs`; all true by default."""
        everywhere = {m: torch.ones(x.shape[0], dtype=torch.bool, device=x.device) for m, x in inputs.items()}
        return everywhere if present is None else everywhere | {m: present[m] for m in inputs if m in present}

    def _encode(self, modality: Modality, features: Tensor, present: Tensor) -> Tensor:
        encode = self.encoders[modality]
        if not self.training:
            mask = present.view(-1, *[1] * (features.dim() - 1))
            return torch.where(present[:, None], encode(torch.where(mask, features, 0)), 0)
        was_training, all_present = encode.training, bool(present.all())
        if not present.any():  # no gradient, so the optimiser leaves the encoder alone
            with torch.no_grad():
                size = encode.eval()(features[present]).shape[1]
            encode.train(was_training)
            return features.new_zeros(len(features), size)
        # A single row has no variance, so batch normalisation then uses its running statistics.
        encode.train(was_training and int(present.sum()) > 1)
        # Absent rows must not enter the batch statistics.
        encoded = encode(features if all_present else features[present])
        encode.train(was_training)
        if all_present:
            return encoded
        return encoded.new_zeros(len(features), encoded.shape[1]).index_put((present,), encoded)

    def _opinion(self, modality: Modality, encoding: Tensor, present: Tensor) -> Logits:
        temperature = self.temperature[self.modalities.index(modality)]
        return self.log_prior + self._evidence(modality, encoding, present) / temperature

    def _fused(self, encodings: Inputs, opinions: Mapping[Modality, Tensor], present: Present) -> Logits:
        """Fused logits. Rows with the stand-in or with only one modality get that modality's own logits."""
        no_encoding, no_opinion = (torch.zeros_like(next(iter(d.values()))) for d in (encodings, opinions))
        absent = torch.zeros_like(next(iter(present.values())))
        stacked = torch.stack([encodings.get(m, no_encoding) for m in self.modalities], 1)
        logits = torch.stack([opinions.get(m, no_opinion) for m in self.modalities], 1)
        mask = torch.stack([present.get(m, absent) for m in self.modalities], 1)
        count = mask.sum(1, keepdim=True)
        chosen = mask & (self.stand_in | (count == 1))
        alone = torch.where(chosen[:, :, None], logits, 0).sum(1)
        fused = self.fusion(stacked, logits, mask).float() - self.learned[-1]
        fused = torch.where(count > 1, fused / self.temperature[-1], 0) + self.log_prior
        return torch.where(chosen.any(1, keepdim=True), alone, fused)


def build(
    config: ModelConfig, spec: Spec, prior: np.ndarray | None = None, seed: int = 0, published: bool = True
) -> Classifier:
    """A newly initialised classifier. `published`: whether to load the weights of pretrained networks, which
    a trained model has of its own; ConfigError if they are not there. The output biases of heads and fusion
    start at the prior, (k,) class fractions in training (None: uniform), so that they learn what a content
    adds to it (as in Lin et al. 2017)."""
    classes = len(spec.classes)
    encoders = {m: config.of(m, kind) for m, kind in spec.kinds.items()}
    fractions = np.full(classes, 1 / classes) if prior is None else prior
    log_prior = torch.from_numpy(np.log(np.clip(fractions, 1e-8, 1))).float()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        front_ends = {m: front_end(features_for(encoders[m], spec[m]), spec[m]) for m in encoders}
        classifier = Classifier(
            front_ends=front_ends,
            encoders={m: _encoder(encoders[m], config.dim, front_ends[m], spec[m]) for m in encoders},
            heads={m: mlp(config.dim, config.hidden, classes, config.head_layers) for m in encoders},
            fusion=_fusion(config, list(encoders.values()), classes, log_prior),
            log_prior=log_prior,
        )
    if published:
        load_published(classifier)
    for layers in (*classifier.heads.values(), *_heads_of(classifier.fusion)):
        _set_output_bias(layers, log_prior)
    return classifier


def _encoder(config: EncoderConfig, dim: int, front_end: FrontEnd, spec: ContentSpec) -> nn.Module:
    shape = features_shape(front_end, spec)
    return encoder(replace(config, features=front_end.settings), dim, shape, spec.kind)


def _heads_of(fusion: nn.Module) -> list[nn.Module]:
    """The layers of a learned fusion that output logits: its attribute `layers`, which a plug-in's fusion
    need not have."""
    fusion = fusion.get_submodule("fusion") if isinstance(fusion, FusionDropout) else fusion
    layers = getattr(fusion, "layers", None)
    linear = isinstance(layers, nn.Module) and any(isinstance(m, nn.Linear) for m in layers.modules())
    return [layers] if linear and isinstance(layers, nn.Module) else []


@torch.no_grad()
def _set_output_bias(layers: nn.Module, log_prior: Float[Tensor, " k"]) -> None:
    """Set the bias of the last linear layer to the log prior."""
    *_, last = (layer for layer in layers.modules() if isinstance(layer, nn.Linear))
    last.bias.copy_(log_prior)


def _fusion(
    config: ModelConfig, encoders: Sequence[EncoderConfig], classes: int, log_prior: Tensor
) -> nn.Module:
    if config.fusion == "posterior-sum":
        return PosteriorSum(log_prior.clone(), len(encoders))
    part = find("fusion", config.fusion)
    count, dim = len(encoders), config.dim
    sizes = (count, dim, classes, config.hidden, config.fusion_layers)
    fusion = build_part("fusion", config.fusion, part, *sizes)
    if part.module:
        blank = [torch.zeros(2, count, dim), torch.zeros(2, count, classes), torch.ones(2, count) > 0]
        try_part("fusion", config.fusion, fusion, blank, "logits of shape", (classes,))
    rates = [encoder.fusion_dropout for encoder in encoders]
    return FusionDropout(fusion, rates) if any(rates) else fusion


def upgraded_state(
    tensors: Mapping[str, Tensor], fusion: str, normalisers: Mapping[Modality, Sequence[Sequence[float]]]
) -> dict[str, Tensor]:
    """An older `Classifier`'s state dict, with the entries added that the current class needs. `normalisers`:
    mean and scale by modality, formerly stored in the spec. Before learned priors, outputs were
    `logits / temperature`. Before `known`, nothing was calibrated for it, and there is none. The speech
    embedding's fixed weights used to be saved."""
    tensors = {name: t for name, t in tensors.items() if ".features.1.convolutions." not in name}
    modalities = len(tensors["temperature"]) - 1
    tensors.setdefault("known_line", torch.zeros(modalities, 2))
    for modality, mean_and_scale in normalisers.items():
        for name, values in zip(("mean", "scale"), mean_and_scale, strict=True):
            tensors[f"front_ends.{modality}.normaliser.{name}"] = torch.tensor(values)
    if "learned" in tensors:
        return tensors
    temperature, log_prior = tensors["temperature"], tensors["log_prior"]
    added = {
        "learned": temperature[:, None] * log_prior,
        "stand_in": torch.zeros(modalities, dtype=torch.bool),
    }
    if fusion == "posterior-sum":
        added["fusion.weight"] = torch.ones(modalities)
    return {**tensors, **added}


@torch.no_grad()
def posteriors(model: Classifier, rows: Table, size: int = 128) -> dict[Condition, np.ndarray]:
    """Class probabilities, (n, k) by condition, of rows of features (`features_of`), in order.

    Rows that do not count in a condition are NaN. A condition is left out if there are no rows or the table
    lacks one of its modalities.
    """
    model.eval()
    parts: dict[Condition, list[np.ndarray]] = defaultdict(list)
    for batch in rows.in_order(size):
        for condition, logits in model.classify(batch.inputs, batch.present).items():
            mask = condition.has(batch.present)[:, None]
            parts[condition].append(torch.where(mask, logits.softmax(1), torch.nan).cpu().numpy())
    return {condition: np.concatenate(part) for condition, part in parts.items()}
