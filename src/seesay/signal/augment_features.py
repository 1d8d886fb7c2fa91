"""Random augmentation of a batch of features, as whole-tensor operations with a separate draw per row.

All draws come from the given generator, so the same seed gives the same batch.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from seesay.config import AugmentConfig

Pictures = Float[Tensor, "b c h w"]
Recordings = Float[Tensor, "b t f"]


def augment_vectors(
    vectors: Float[Tensor, "b f"], config: AugmentConfig, generator: Generator
) -> Float[Tensor, "b f"]:
    """Vectors with Gaussian noise; nothing else is safe, since their meaning is unknown."""
    return _with_noise(vectors, config.vector_noise, generator)


def augment_embeddings(
    features: Float[Tensor, "b *shape"], config: AugmentConfig, generator: Generator
) -> Float[Tensor, "b *shape"]:
    """Vectors that a pretrained network made, one or a sequence of them, with Gaussian noise; a sequence is
    shifted and stretched in time first."""
    if features.dim() == 3:
        features = _stretched(features, config, generator)
    return _with_noise(features, config.embedding_noise, generator)


def unchanged(
    features: Float[Tensor, "b *shape"], config: AugmentConfig, generator: Generator
) -> Float[Tensor, "b *shape"]:
    """The features as they are: their augmentation is that of the waveforms before them."""
    return features


def augment_others(
    features: Float[Tensor, "b *shape"], config: AugmentConfig, generator: Generator
) -> Float[Tensor, "b *shape"]:
    """Features of a registered kind with a little Gaussian noise."""
    return _with_noise(features, config.noise, generator)


def _with_noise(
    features: Float[Tensor, "b *shape"], deviation: float, generator: Generator
) -> Float[Tensor, "b *shape"]:
    if not deviation:
        return features
    noise = torch.randn(features.shape, generator=generator, device=features.device)
    return features + deviation * noise


def augment_pictures(pictures: Pictures, config: AugmentConfig, generator: Generator) -> Pictures:
    """Pictures rotated, zoomed, stretched, shifted and mirrored by one bilinear sampling, padded with 0."""
    if not (config.shift or config.rotate or config.zoom or config.mirror):
        return pictures
    b = len(pictures)
    angle = torch.deg2rad(config.rotate * _uniform((b,), pictures, generator))
    zoom = 1 + config.zoom * _uniform((b, 2), pictures, generator)
    shift = 2 * config.shift * _uniform((b, 2), pictures, generator)  # the grid is 2 wide
    turned = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(b, 2, 2)
    if config.mirror:
        turned[:, 0] *= torch.where(_uniform((b, 1), pictures, generator) > 0, 1, -1)
    grid = F.affine_grid(
        torch.cat([turned * zoom[:, None], shift[:, :, None]], 2), list(pictures.shape), align_corners=False
    )
    return F.grid_sample(pictures, grid, align_corners=False)


def augment_recordings(features: Recordings, config: AugmentConfig, generator: Generator) -> Recordings:
    """Features shifted and stretched in time, tilted, with noise, and one run of frames and one of columns
    masked with 0, the mean."""
    features = _stretched(features, config, generator)
    if config.tilt:
        constant = torch.randn(
            (len(features), 1, features.shape[2]), generator=generator, device=features.device
        )
        features = features + config.tilt * constant
    features = _with_noise(features, config.noise, generator)
    features = _masked(features, 1, config.mask_frames, generator)
    return _masked(features, 2, config.mask_columns, generator)


def _stretched(features: Recordings, config: AugmentConfig, generator: Generator) -> Recordings:
    """Rows resampled in time at a random pace and delay, linearly; edge frames are repeated beyond the
    ends."""
    if not (config.delay or config.stretch):
        return features
    b, t, _ = features.shape
    pace = 1 + config.stretch * _uniform((b, 1), features, generator)
    delay = config.delay * t * _uniform((b, 1), features, generator)
    centre = (t - 1) / 2
    places = (torch.arange(t, device=features.device) - centre) * pace + centre + delay
    places = places.clamp(0, t - 1)
    before = places.long().clamp(max=max(t - 2, 0))
    weight = (places - before)[:, :, None]
    rows = torch.arange(b, device=features.device)[:, None]
    return torch.lerp(features[rows, before], features[rows, (before + 1).clamp(max=t - 1)], weight)


def _masked(features: Recordings, axis: int, longest: int, generator: Generator) -> Recordings:
    """Features with one run of 0 to `longest` positions along `axis` set to 0, drawn per row."""
    if not longest:
        return features
    b, size = len(features), features.shape[axis]
    length = torch.randint(0, min(longest, size) + 1, (b, 1), generator=generator, device=features.device)
    start = (torch.rand((b, 1), generator=generator, device=features.device) * (size - length + 1)).long()
    place = torch.arange(size, device=features.device)
    kept = (place < start) | (place >= start + length)
    return features * kept.unsqueeze(3 - axis)


def _uniform(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    """Uniform draws in -1 to 1."""
    return 2 * torch.rand(shape, generator=generator, device=like.device) - 1
