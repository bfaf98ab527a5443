"""Facts and scheduler state as JSON, with tensors kept aside; read back equal, to the last bit of every number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from jupyter_latents.latents.facts import Noise, Position, Provenance, StateValue
from jupyter_latents.latents.forms import check_level
from jupyter_latents.latents.spaces import USUAL, Space
from jupyter_latents.latents.tensors import dtype_name

__all__ = [
    "noise_from",
    "noise_record",
    "position_from",
    "provenance_from",
    "provenance_record",
    "space_from",
    "space_record",
    "state_from",
    "state_record",
]


def _number(value: float) -> float | str:
    """JSON knows no infinity; it is written as the text that `float` reads."""
    return value if math.isfinite(value) else str(value)


def space_from(record: Mapping[str, Any]) -> Space:
    """The inverse of `space_record`.

    Raises:
        KeyError, TypeError, SettingError: A damaged record, axes that are not known, or numbers that no space has.
    """
    return Space(
        record["name"],
        record["channels"],
        record["factor"],
        record["scaling_factor"],
        record["shift_factor"],
        tuple(record["channel_mean"]),
        tuple(record["channel_std"]),
        record["vae"],
        *(record.get(name, usual) for name, usual in USUAL.items()),
    )


def noise_record(noise: Noise) -> dict[str, Any]:
    """A JSON object of a noise level, infinity included."""
    timestep = None if noise.timestep is None else _number(float(noise.timestep))
    return {"sigma": _number(float(noise.sigma)), "form": noise.form, "timestep": timestep}


def noise_from(record: Mapping[str, Any]) -> Noise:
    """The inverse of `noise_record`.

    Raises:
        KeyError, TypeError, ValueError, LatentsError, SettingError: A damaged record.
    """
    sigma, form, timestep = float(record["sigma"]), record["form"], record["timestep"]
    check_level(sigma, form)
    return Noise(sigma, form, None if timestep is None else float(timestep))


def position_from(record: Mapping[str, Any]) -> Position:
    """The position that `dataclasses.asdict` wrote.

    Raises:
        KeyError, TypeError, SettingError: A damaged record.
    """
    return Position(record["step"], record["of"], record["scheduler"], record["schedule"], record["model"])


def provenance_record(provenance: Provenance) -> dict[str, Any]:
    """A JSON object of a provenance; option values become text."""
    options = {str(name): str(value) for name, value in provenance.options.items()}
    record = {
        name: getattr(provenance, name)
        for name in ("model", "revision", "prompt", "negative_prompt", "seed", "operation", "cell")
    }
    guidance = provenance.guidance_scale
    return record | {
        "guidance_scale": None if guidance is None else _number(float(guidance)),
        "options": options,
        "parents": list(provenance.parents),
    }


def provenance_from(record: Mapping[str, Any]) -> Provenance:
    """The inverse of `provenance_record`.

    Raises:
        KeyError, TypeError, ValueError, SettingError: A damaged record.
    """
    guidance = record["guidance_scale"]
    return Provenance(
        record["model"],
        record["revision"],
        record["prompt"],
        record["negative_prompt"],
        record["seed"],
        None if guidance is None else float(guidance),
        record["operation"],
        MappingProxyType({str(name): str(value) for name, value in dict(record["options"]).items()}),
        tuple(record["parents"]),
        record.get("cell", ""),  # files of earlier versions have none
    )


def state_record(value: StateValue, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """A JSON value of scheduler state; tensors and arrays go to `tensors` under names that start with `name`.

    None, bools, integers, finite floats, text and lists stand for themselves; all else is an object with one key that
    says what it is.

    Raises:
        TypeError: A value of a type that cannot be kept in a file; the message names it and where it stands.
    """
    if isinstance(value, list | tuple):
        items = [state_record(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, Mapping):
        pairs = [
            [state_record(key, f"{name}.key{index}", tensors), state_record(item, f"{name}.{index}", tensors)]
            for index, (key, item) in enumerate(value.items())
        ]
        return {"dict": pairs}
    if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_complex():
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        tensors[name] = torch.from_numpy(value.copy(order="C"))
        return {"array": name}
    return _leaf_record(value, name)


def _leaf_record(value: StateValue, name: str) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"scalar": [value.dtype.str, value.tobytes().hex()]}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, torch.dtype):
        return {"dtype": dtype_name(value)}
    raise TypeError(f"{name} is a {type(value).__name__}")


def _scalar_from(value: Any, _: Mapping[str, torch.Tensor]) -> StateValue:
    dtype, digits = value
    (scalar,) = np.frombuffer(bytes.fromhex(digits), dtype=np.dtype(dtype))
    return scalar


def _dtype_from(value: Any, _: Mapping[str, torch.Tensor]) -> StateValue:
    found = getattr(torch, value)
    if not isinstance(found, torch.dtype):
        raise TypeError(f"torch.{value} is no dtype")
    return found


_READ_KIND: Mapping[str, Callable[[Any, Mapping[str, torch.Tensor]], StateValue]] = MappingProxyType(
    {
        "tensor": lambda value, tensors: tensors[value],
        "array": lambda value, tensors: tensors[value].numpy(),
        "scalar": _scalar_from,
        "float": lambda value, _: float(value),
        "dtype": _dtype_from,
        "tuple": lambda value, tensors: tuple(state_from(item, tensors) for item in value),
        "dict": lambda value, tensors: {state_from(key, tensors): state_from(item, tensors) for key, item in value},
    }
)


def state_from(record: Any, tensors: Mapping[str, torch.Tensor]) -> StateValue:
    """The inverse of `state_record`.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: A damaged record, or one of another version.
    """
    if isinstance(record, list):
        return [state_from(item, tensors) for item in record]
    if not isinstance(record, dict):
        return record
    ((kind, value),) = record.items()
    return _READ_KIND[kind](value, tensors)


def space_record(space: Space) -> dict[str, Any]:
    """A JSON object of a space; the usual axes go without saying, as in files of earlier versions."""
    return {name: value for name, value in asdict(space).items() if name not in USUAL or USUAL[name] != value}
