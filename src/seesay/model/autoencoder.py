"""Autoencoders: an encoder and its mirror, so that an encoder can be trained before there are labels."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seesay.config import Modality
from seesay.model.classifier import Classifier
from seesay.model.report_cnn import ReportCnn, Sides


class ReportDecoder(nn.Module):
    """The mirror of a `ReportCnn`: encodings `(b, dim)` to features in 0 to 1, `(b, *shape)`.

    Transposed convolutions with the encoder's kernels and strides, in reverse; batch normalisation and
    activation between them, a sigmoid behind the last. No dropout: the decoder is thrown away, it need not
    generalise.
    """

    def __init__(self, encoder: ReportCnn) -> None:
        super().__init__()
        self.shape, self.maps = encoder.shape, (encoder.downsample.out_channels, *encoder.places)
        convolutions = [encoder.downsample, *(block[0] for block in reversed(encoder.blocks))]
        self.layers = nn.Sequential()
        for convolution, sides in zip(convolutions[:-1], encoder.sides[:0:-1], strict=True):
            activation = type(encoder.blocks[0][2])
            back = mirrored(convolution, sides, bias=False)
            self.layers.append(nn.Sequential(back, nn.BatchNorm2d(back.out_channels), activation()))
        self.layers.append(mirrored(convolutions[-1], encoder.sides[0], bias=True))

    def forward(self, encodings: Float[Tensor, "b d"]) -> Float[Tensor, "b ..."]:
        logits = self.layers(encodings.reshape(-1, *self.maps)).float()
        return torch.sigmoid(logits).reshape(-1, *self.shape)


def mirrored(convolution: nn.Conv2d, sides: Sides, bias: bool) -> nn.ConvTranspose2d:
    """The transposed convolution that leads from what this convolution makes of maps of these sides back to
    such maps."""
    c = convolution
    high, wide = ((side + 2 * c.padding[i] - c.kernel_size[i]) % c.stride[i] for i, side in enumerate(sides))
    return nn.ConvTranspose2d(
        c.out_channels,
        c.in_channels,
        c.kernel_size,
        c.stride,
        c.padding,
        output_padding=(high, wide),
        bias=bias,
    )


class Autoencoder(nn.Module):
    """Features to their reconstruction, both in 0 to 1 (`target` takes the features there)."""

    def __init__(self, encoder: ReportCnn, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, features: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return self.decoder(self.encoder(features))

    def target(self, features: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """What the reconstruction is compared with: the features as the encoder's first layer sees them."""
        return self.encoder.unit(features)


def autoencoders(model: Classifier, seed: int = 0) -> dict[Modality, Autoencoder]:
    """By modality the classifier's own encoder, which must be a `ReportCnn`, and a fresh decoder on its
    device."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        decoders = {m: ReportDecoder(encoder) for m, encoder in model.encoders.items()}
    return {
        m: Autoencoder(model.encoders[m], decoders[m]).to(model.log_prior.device) for m in model.modalities
    }


@torch.no_grad()
def reconstruct(autoencoder: Autoencoder, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Some rows' features `(n, ...)` as the autoencoder sees them, in 0 to 1, and what it made of them."""
    autoencoder.eval()
    return autoencoder.target(features).cpu().numpy(), autoencoder(features).cpu().numpy()
