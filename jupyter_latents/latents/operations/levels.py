"""Operations on how much noise or signal there is, and arithmetic of clean latents."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from jupyter_latents.errors import LatentsError, SettingError
from jupyter_latents.latents.arguments import choice, number
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.form_table import NOISY_FORMS, Form
from jupyter_latents.latents.forms import convert, raise_noise
from jupyter_latents.latents.operations.lineage import align, check_latents, derive, is_latents
from jupyter_latents.latents.separation import generator_of, in_float, noise_of, seed_of, separate, standard_normal

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["ARITHMETIC", "add_noise", "calculate", "scale"]


def add_noise(latents: Latents, to: float, *, seed: int | None = None, form: Form | None = None) -> Latents:
    """The latents at a higher noise level: exactly the missing variance is added, sqrt(to^2 - sigma^2) in VE terms.

    Args:
        latents: Any latents of known noise.
        to: New sigma in variance-exploding terms, at least the present one; infinity (VP and flow) gives pure noise.
        seed: Seed of the new noise; by default one that follows from the latents.
        form: ``ve``, ``vp`` or ``flow`` of the result; by default the latents' own, ``ve`` for clean ones.

    Returns:
        Latents without position, which belonged to the old level.

    Raises:
        LatentsError: `to` below the present sigma, the noise is not known, or the form cannot hold it.
        SettingError: `to` is no number, or no such form.
    """
    check_latents(latents, "add_noise")
    to = number(to, "to", "it is a noise level in variance-exploding terms, at least that of the latents.")
    if form is not None:
        choice(form, "form", NOISY_FORMS)
    noise = noise_of(latents, "add_noise")
    own: Form = "ve" if noise.form == "clean" else noise.form
    target: Form = form or own
    seed = seed_of(seed, "add_noise", latents)
    tensor = convert(in_float(latents.tensor), noise.sigma, noise.form, target)
    if to > noise.sigma or noise.form != target:
        fresh = standard_normal(tensor, generator_of(seed, "add_noise", latents))
        tensor = raise_noise(tensor, fresh, noise.sigma, to, target)
    elif not to >= noise.sigma:
        raise LatentsError(f"sigma {to:g} is below the latents' own {noise.sigma:g}: only denoising lowers the noise.")
    options: dict[str, object] = {"to": to, "seed": seed, "form": target}
    made = derive([latents], "add_noise", options, tensor, latents.denoised)
    level = Noise(0.0, "clean", 0.0) if to == 0.0 else Noise(to, target)
    return made.replace(noise=level, position=None)


def scale(latents: Latents, factor: float, *, seed: int | None = None) -> Latents:
    """The signal made stronger or weaker about zero (contrast and colour), the noise left at its level.

    Args:
        latents: Any latents of known noise.
        factor: What the signal is multiplied by.
        seed: Seed of noise where some must be drawn; by default one that follows from the latents.

    Raises:
        LatentsError: The noise is not known, or `factor` is beyond -1 to 1 and no clean estimate tells the signal.
        SettingError: A factor that is no number, infinite or NaN.
    """
    check_latents(latents, "scale")
    factor = number(factor, "factor", "it is a number that the signal is multiplied by.")
    if not math.isfinite(factor):
        raise SettingError(f"factor is {factor}; give a finite number.")
    seed = seed_of(seed, "scale", latents)
    generator = generator_of(seed, "scale", latents)
    parts = separate(latents, "scale", generator)
    if parts is not None:
        tensor = parts.signal * factor + parts.noise * parts.scale
    else:
        if abs(factor) > 1.0:
            raise LatentsError(
                f"scale by {factor:g} of noisy latents needs their clean estimate (denoised), which is not known; "
                "without it the factor lies between -1 and 1."
            )
        noise = noise_of(latents, "scale")
        tensor = in_float(latents.tensor)
        # Scaled noise has variance factor^2; the rest is new.
        missing = convert(standard_normal(tensor, generator) * noise.sigma, noise.sigma, "ve", noise.form)
        tensor = tensor * factor + missing * math.sqrt(1.0 - factor * factor)
    if factor == 1.0:
        tensor = latents.tensor
    denoised = None if latents.denoised is None else latents.denoised * factor
    return derive([latents], "scale", {"factor": factor, "seed": seed}, tensor, denoised)


ARITHMETIC: Mapping[str, Callable[[torch.Tensor, torch.Tensor | float], torch.Tensor]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
)


def calculate(first: Latents, symbol: str, second: object) -> Latents:
    """Value-by-value arithmetic of clean latents.

    Args:
        first: Clean latents.
        symbol: ``+``, ``-``, ``*`` or ``/``.
        second: Clean latents of the same space and shape, or a number.

    Raises:
        HandoffError: Different spaces.
        LatentsError: Noisy latents, noise that is not known, different shapes, or a result that is not finite.
        SettingError: `second` is neither latents nor a number.
    """
    if is_latents(second):
        operands = [first, second]
    else:
        operands = [first]
        by = number(second, "the other operand", f"'{symbol}' takes clean latents of the same space, or a number.")
    for operand in operands:
        if not noise_of(operand, f"'{symbol}'").is_clean:
            raise LatentsError(
                f"'{symbol}' works on clean latents only, and these have {operand.noise}: "
                "arithmetic would change their noise. Use blend(), slerp(), composite(), add_noise() or scale(), "
                "which keep it right."
            )
    if is_latents(second):
        other: torch.Tensor | float = in_float(align(first, second, f"'{symbol}'").tensor)
        options: dict[str, object] = {}
    else:
        other, options = by, {"by": by}
    return derive(operands, symbol, options, ARITHMETIC[symbol](in_float(first.tensor), other), None)
