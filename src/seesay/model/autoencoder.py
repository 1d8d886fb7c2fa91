"""Autoencoders: an encoder and a mirrored decoder, to pretrain the encoder without labels."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seesay.model.classifier import Classifier
from seesay.model.report_cnn import ReportCnn
from seesay.spec import Modality


class ReportDecoder(nn.Module):
    """The mirror of a `ReportCnn`: encodings `(b, dim)` to features in 0 to 1, `(b, *shape)`.

    Transposed convolutions with the encoder's kernels and strides, in reverse; batch normalisation and
    activation between them, a sigmoid after the last. No dropout: the decoder is discarded, so it need not
    generalise.
    """

    def __init__(self, encoder: ReportCnn) -> None:
        super().__init__()
        first, *others = encoder.steps
        self.shape, self.maps = encoder.shape, (others[-1].channels[1], *others[-1].sides_after)
        self.layers = nn.Sequential()
        for step in reversed(others):
            normalise = nn.BatchNorm2d(step.channels[0])
            self.layers.append(nn.Sequential(step.up(bias=False), normalise, encoder.activation()))
        self.layers.append(first.up(bias=True))

    def forward(self, encodings: Float[Tensor, "b d"]) -> Float[Tensor, "b ..."]:
        logits = self.layers(encodings.reshape(-1, *self.maps)).float()
        return torch.sigmoid(logits).reshape(-1, *self.shape)


class Autoencoder(nn.Module):
    """Features to their reconstruction in 0 to 1; `target` maps the features to the same range."""

    def __init__(self, encoder: ReportCnn, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, features: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return self.decoder(self.encoder(features))

    def target(self, features: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The target of the reconstruction: the features, mapped to 0 to 1 as in the encoder."""
        return self.encoder.unit(features)


def autoencoders(model: Classifier, seed: int = 0) -> dict[Modality, Autoencoder]:
    """An autoencoder per modality: the classifier's own encoder, which must be a `ReportCnn`, and a new
    decoder."""
    by_modality = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for modality in model.modalities:
            encoder = model.encoders[modality]
            assert isinstance(encoder, ReportCnn), f"{modality}: only report encoders have a mirror"
            by_modality[modality] = Autoencoder(encoder, ReportDecoder(encoder)).to(model.log_prior.device)
    return by_modality


@torch.no_grad()
def reconstruct(autoencoder: Autoencoder, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The targets and the reconstructions of these features `(n, ...)`, both in 0 to 1."""
    autoencoder.eval()
    return autoencoder.target(features).cpu().numpy(), autoencoder(features).cpu().numpy()
