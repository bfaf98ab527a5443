"""What a scheduler's settings may hold: checked before tables of their length are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import Parameter
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from jupyter_latents.errors import ModelError

__all__ = ["check_kinds", "check_settings"]

_MOST_TIMESTEPS = 100_000

_LIMITS: Mapping[str, tuple[float, float, bool]] = MappingProxyType(
    {
        "num_train_timesteps": (1, _MOST_TIMESTEPS, True),
        "steps_offset": (0, 1_000, True),
        "original_inference_steps": (1, _MOST_TIMESTEPS, True),
        "solver_order": (1, 10, True),
        "predictor_order": (1, 10, True),
        "corrector_order": (1, 10, True),
        "base_image_seq_len": (1, 10_000_000, True),
        "max_image_seq_len": (1, 10_000_000, True),
        "beta_start": (0, 0.9999, False),
        "beta_end": (0, 0.9999, False),
        "shift": (1e-3, 1e3, False),
        "flow_shift": (1e-3, 1e3, False),
        "base_shift": (-100, 100, False),
        "max_shift": (-100, 100, False),
        "shift_terminal": (0, 1, False),
        "sigma_min": (0, 1e4, False),
        "sigma_max": (1e-6, 1e6, False),
        "sigma_data": (1e-6, 1e4, False),
        "timestep_scaling": (0, 1e6, False),
    }
)
"""Setting to its least and highest value, and whether it is a whole number."""


def check_settings(settings: Mapping[str, Any], source: str) -> None:
    """Raises where a number of a scheduler's settings is beyond what any scheduler can mean.

    Args:
        settings: Settings by name; those without a row pass.
        source: Where they stand, such as ``scheduler_config.json of the model``.

    Raises:
        ModelError: A number out of its range, or something that is no number.
    """
    for name, (least, most, whole) in _LIMITS.items():
        value = settings.get(name)
        if value is not None and not _within(value, least, most, whole=whole):
            raise ModelError(
                f"{source} says {name} {_shown(value)}; it is a {'whole ' if whole else ''}number of {least:g} to "
                f"{most:,g}.",
                option="schedulers",
            )
    betas = settings.get("trained_betas")
    if betas is not None and not _are_betas(betas):
        raise ModelError(
            f"{source} says trained_betas {_shown(betas)}; they are 1 to {_MOST_TIMESTEPS:,} numbers of 0 to 0.9999.",
            option="schedulers",
        )


_UNREAD = ("sigma_schedule", "timestep_type", "variance_type")
"""Settings whose unknown words diffusers takes without a remark, or fails of."""


def check_kinds(settings: Mapping[str, Any], parameters: Mapping[str, Parameter], source: str) -> None:
    """Raises where a setting is not of the kind that its scheduler takes.

    diffusers asks only whether a switch is empty, so that ``off`` would switch it on.

    Args:
        settings: Settings by name; those that the scheduler does not take pass, and so does null.
        parameters: What the scheduler takes, with its usual values.
        source: Where they stand, such as ``scheduler_config.json of the model``.

    Raises:
        ModelError: A switch that is neither true nor false, text or NaN for a number, or a word that is no choice.
    """
    for name, value in settings.items():
        wanted = _wanted(name, value, parameters[name]) if name in parameters and value is not None else ""
        if wanted:
            raise ModelError(f"{source} says {name} {_shown(value)}; it is {wanted}.", option="schedulers")


def _wanted(name: str, value: Any, parameter: Parameter) -> str:
    """What a setting should be in the place of a value; empty where the value will do."""
    usual = parameter.default
    if isinstance(usual, bool):
        return "" if value in (0, 1) else "true or false"
    if isinstance(usual, (int, float)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
        return "" if number else "a number"
    words = _choices(parameter.annotation) if name in _UNREAD else ()
    return f"one of {', '.join(words)}" if words and value not in words else ""


def _choices(annotation: Any) -> tuple[str, ...]:
    """The words of an annotation such as ``Literal["a", "b"] | None``."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for part in get_args(annotation) for word in _choices(part))


def _within(value: Any, least: float, most: float, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        return False
    return not whole or isinstance(value, int) or value.is_integer()


def _are_betas(value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MOST_TIMESTEPS:
        return False
    return all(_within(beta, 0, 0.9999, whole=False) for beta in value)


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, (int, float)) else repr(value)
    return text if len(text) < 40 else f"{text[:39]}…"
