"""Data sets and runs from before November 2026, when front ends moved from the data set into the model.

Then a spec had the fields `image` and `audio`, and the one for recordings held the settings of the front end
and its normaliser's mean and scale. Here they become a spec of contents, a model config and tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seesay.errors import ConfigError
from seesay.plain import check_object, from_dict
from seesay.spec import ContentSpec, MatrixSpec, PictureSpec, WaveformSpec

OLD_AUDIO: Mapping[str, type] = {
    "features": str,
    "rate": int,
    "seconds": float,
    "window": float,
    "shift": float,
    "filters": int,
    "low": float,
    "high": float,
    "coefficients": int,
    "mean": list,
    "scale": list,
    "frames": int,
    "columns": int,
}
"""Fields of an old spec of recordings, and their types."""

OLD_DEFAULTS = {
    "window": 0.05,
    "shift": 0.025,
    "filters": 40,
    "low": 20.0,
    "high": 4_000.0,
    "coefficients": 12,
}


@dataclass(frozen=True)
class Old:
    """The contents of an old spec of one modality."""

    spec: ContentSpec
    features: Mapping[str, Any]
    """Settings of the front end, by the names of `FeaturesConfig`."""
    mean: tuple[float, ...] = ()
    """Mean of the normaliser, by column; empty: it was not fitted."""
    scale: tuple[float, ...] = ()
    """Scale of the normaliser, by column; empty: it was not fitted."""


def old_content(modality: str, fields: Any, where: str) -> Old:
    """Parse the old spec of this modality, `image` or `audio`. Unknown fields: ConfigError."""
    check_object("spec", fields, where)
    if modality == "image":
        values = {name: None if value == "unknown" else value for name, value in fields.items()}
        fit = values.pop("fit", "crop")
        spec = from_dict(PictureSpec, values, where)
        return Old(spec, {"height": spec.height, "width": spec.width, "fit": fit})
    if modality != "audio":
        raise ConfigError(f"{where} has no kind", "Import the data set again.")
    for name, value in fields.items():
        if name not in OLD_AUDIO:
            raise ConfigError(f"{where}.{name} is not a field")
        from_dict(OLD_AUDIO[name], value, f"{where}.{name}")
    mean, scale = (tuple(map(float, fields.get(name, ()))) for name in ("mean", "scale"))
    if fields.get("features") == "unknown":
        return Old(MatrixSpec(fields.get("frames", 39), fields.get("columns", 13)), {}, mean, scale)
    settings = OLD_DEFAULTS | {name: fields[name] for name in OLD_DEFAULTS if name in fields}
    kind = fields.get("features", "mfcc")
    if kind != "mfcc":
        del settings["coefficients"]
    rate, seconds = fields.get("rate", 16_000), float(fields.get("seconds", 1.0))
    spec = WaveformSpec(rate, seconds, float(settings["high"]))
    return Old(spec, {"kind": kind, "seconds": seconds} | settings, mean, scale)


def old_run(card: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[tuple[float, ...], ...]]]:
    """The `config.json` of an old run in today's form, and each modality's normaliser mean and scale."""
    spec, config = card["spec"], card["config"]
    parts = {m: old_content(m, spec[m], f"spec.{m}") for m in ("image", "audio") if spec.get(m) is not None}
    model = {name: value for name, value in config["model"].items() if name not in ("image", "audio")}
    for modality, part in parts.items():
        model[modality] = {**config["model"][modality], "features": dict(part.features)}
    contents = {m: {"kind": part.spec.kind, **vars(part.spec)} for m, part in parts.items()}
    converted = {
        **card,
        "config": {**config, "model": model},
        "spec": {"classes": spec["classes"], "contents": contents},
    }
    return converted, {m: (part.mean, part.scale) for m, part in parts.items() if part.mean}
