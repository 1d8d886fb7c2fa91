"""The classifier: per modality a front end, an encoder and a head; one fusion over all. Dict in, logits out.

What is missing is missing: a row that lacks a modality is predicted from the others, never from zeros, noise
or its neighbours, and a row that has just one gets exactly what that one says alone.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seesay.config import MODALITIES, Condition, Modality, ModelConfig, Spec, condition
from seesay.data.batches import Inputs, Present, Table
from seesay.data.dataset import Dataset
from seesay.model.encoders import encoder
from seesay.model.fusion import FUSIONS, Doubting, PosteriorSum, mlp
from seesay.signal.features import front_end as audio_front_end
from seesay.signal.image import Picture

Logits = Float[Tensor, "b k"]


class Classifier(nn.Module):
    """Front ends, encoders and heads by modality, and a fusion (see fusion.py for what it is given).

    `temperature` divides the logits of each condition: 1 until `calibrate` has set it.
    """

    temperature: Tensor
    log_prior: Tensor

    def __init__(
        self,
        front_ends: Mapping[Modality, nn.Module],
        encoders: Mapping[Modality, nn.Module],
        heads: Mapping[Modality, nn.Module],
        fusion: nn.Module,
        log_prior: Float[Tensor, " k"],
    ) -> None:
        super().__init__()
        self.modalities = tuple(m for m in MODALITIES if m in encoders)
        self.front_ends = nn.ModuleDict({m: front_ends[m] for m in self.modalities})
        self.encoders = nn.ModuleDict({m: encoders[m] for m in self.modalities})
        self.heads = nn.ModuleDict({m: heads[m] for m in self.modalities})
        self.fusion = fusion
        self.register_buffer("temperature", torch.ones(len(self.modalities) + 1))
        self.register_buffer("log_prior", log_prior)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every modality alone and, if there are several, all together: the keys of what `forward`
        returns."""
        return tuple(dict.fromkeys([*self.modalities, condition(self.modalities)]))

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
        opinions = {m: self._opinion(m, encodings[m], present[m]) for m in encodings}
        if len(opinions) < 2:
            return opinions
        return opinions | {condition(tuple(opinions)): self._together(encodings, opinions, present)}

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
        logits = self.heads[modality](encoding).float() / self.temperature[self.modalities.index(modality)]
        return torch.where(present[:, None], logits, self.log_prior)

    def _together(self, encodings: Inputs, opinions: Mapping[Modality, Tensor], present: Present) -> Logits:
        """The fusion of several; alone, a modality has the last word."""
        shape = self.modalities
        blank_encoding, blank_opinion = (
            torch.zeros_like(next(iter(d.values()))) for d in (encodings, opinions)
        )
        nobody = torch.zeros_like(next(iter(present.values())))
        stacked = torch.stack([encodings.get(m, blank_encoding) for m in shape], 1)
        said = torch.stack([opinions.get(m, blank_opinion) for m in shape], 1)
        there = torch.stack([present.get(m, nobody) for m in shape], 1)
        count = there.sum(1, keepdim=True)
        fused = self.fusion(stacked, said, there).float() / self.temperature[-1]
        alone = torch.where(there[:, :, None], said, 0).sum(1)
        return torch.where(count > 1, fused, torch.where(count == 1, alone, self.log_prior))


def build(config: ModelConfig, spec: Spec, prior: np.ndarray | None = None, seed: int = 0) -> Classifier:
    """A classifier with fresh weights. `prior`: (k,) shares of the classes among the training rows; None: all
    alike."""
    classes = len(spec.classes)
    shares = np.full(classes, 1 / classes) if prior is None else prior
    log_prior = torch.from_numpy(np.log(np.clip(shares, 1e-8, 1))).float()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier(
            front_ends={m: front_end(spec, m) for m in spec.modalities},
            encoders={m: encoder(config, spec, m) for m in spec.modalities},
            heads={m: mlp(config.dim, config.hidden, classes, config.head_layers) for m in spec.modalities},
            fusion=_fusion(config, spec.modalities, classes, log_prior),
            log_prior=log_prior,
        )


def front_end(spec: Spec, modality: Modality) -> nn.Module:
    """The module from contents to features of this modality."""
    return Picture() if modality == "image" else audio_front_end(spec[modality])


def _fusion(
    config: ModelConfig, modalities: Sequence[Modality], classes: int, log_prior: Tensor
) -> nn.Module:
    if config.fusion == "posterior-sum":
        return PosteriorSum(log_prior.clone())
    kind = FUSIONS[config.fusion]
    fusion = kind(len(modalities), config.dim, classes, config.hidden, config.fusion_layers)
    shares = [getattr(config, m).fusion_dropout for m in modalities]
    return Doubting(fusion, shares) if any(shares) else fusion


@torch.no_grad()
def posteriors(model: Classifier, rows: Table, size: int = 128) -> dict[Condition, np.ndarray]:
    """Class probabilities, (n, k) by condition, of rows that hold features (`features_of`), in order.

    NaN in the rows that lack one of the condition's modalities: nothing was said there. No rows, or a
    modality that the table has not: no such conditions.
    """
    model.eval()
    parts: dict[Condition, list[np.ndarray]] = defaultdict(list)
    for batch in rows.in_order(size):
        for name, logits in model.classify(batch.inputs, batch.present).items():
            has_all = torch.stack([batch.present[m] for m in name.split("+")]).all(0)
            parts[name].append(torch.where(has_all[:, None], logits.softmax(1), torch.nan).cpu().numpy())
    return {name: np.concatenate(part) for name, part in parts.items()}


@torch.no_grad()
def features_of(model: Classifier, dataset: Dataset, size: int = 16) -> dict[Modality, Tensor]:
    """The features of all contents of a data set, on the model's device, each made once; of modalities that
    both know.

    Pictures of whole bytes stay bytes, which is exact and a quarter of the memory; see `Table`. `size`:
    contents at once; frames and spectra of more than 16 waveforms leave the cache, and take three times as
    long (docs/log.md).
    """
    device = model.log_prior.device
    features = {}
    for modality in (m for m in model.modalities if m in dataset.contents):
        contents = dataset.contents[modality]
        if contents.dtype == np.uint8:
            features[modality] = torch.from_numpy(np.array(contents)).to(device)
        else:
            parts = (
                torch.from_numpy(np.array(contents[i : i + size])) for i in range(0, len(contents), size)
            )
            features[modality] = torch.cat([model.front_ends[modality](part.to(device)) for part in parts])
    return features
