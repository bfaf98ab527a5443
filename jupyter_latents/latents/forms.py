"""The forms in which schedulers mix signal and noise, as pure functions of tensors; `form_table` holds their rows.

``sigma`` is always in variance-exploding terms, 0 to infinity, as in `Noise`. Pure noise is sigma = infinity: VP and
flow can hold it (the tensor is the noise), VE cannot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents.arguments import choice, shown
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.form_table import FORMS, NOISY_FORMS, ROWS, Form

if TYPE_CHECKING:
    import torch

    from jupyter_latents.latents.value import Latents

__all__ = [
    "convert",
    "noise_coefficient",
    "raise_noise",
    "signal_coefficient",
    "to_form",
]


def check_level(sigma: float, form: str) -> None:
    """Raises unless `form` can hold noise of level `sigma`.

    Raises:
        LatentsError: Unknown form, sigma negative or NaN, noise in clean latents, or infinite sigma in VE.
    """
    given: tuple[object, object] = (sigma, form)  # what a caller gives may be anything
    if not isinstance(given[1], str) or form not in FORMS:
        raise LatentsError(f"unknown noise form {shown(form)}; allowed are {', '.join(FORMS)}.")
    if isinstance(given[0], bool) or not isinstance(given[0], Real):
        raise LatentsError(f"sigma is {shown(sigma)}; it is a number, 0 for clean latents.")
    if not sigma >= 0.0:
        raise LatentsError(f"sigma is {sigma}; it is 0 for clean latents and grows with the noise.")
    if form == "clean" and sigma > 0.0:
        raise LatentsError(
            f"sigma is {sigma:g} but the form is 'clean'; noisy latents have the form {_either(NOISY_FORMS)}."
        )
    if math.isinf(sigma) and not ROWS[form].holds_pure_noise:
        raise LatentsError(
            f"pure noise (sigma = infinity) has no {ROWS[form].shown} form; use "
            f"{_either([name for name, row in ROWS.items() if row.holds_pure_noise])}, or a finite sigma."
        )


def _either(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"


def signal_coefficient(sigma: float, form: Form) -> float:
    """What the clean signal is multiplied by in latents of this level and form.

    Raises:
        LatentsError: The form cannot hold that level.
    """
    check_level(sigma, form)
    return 0.0 if math.isinf(sigma) else 1.0 / ROWS[form].divisor(sigma)


def noise_coefficient(sigma: float, form: Form) -> float:
    """Standard deviation of the noise in latents of this level and form.

    Raises:
        LatentsError: The form cannot hold that level.
    """
    check_level(sigma, form)
    return 1.0 if math.isinf(sigma) else sigma * signal_coefficient(sigma, form)


def convert(tensor: torch.Tensor, sigma: float, from_form: Form, to_form: Form) -> torch.Tensor:
    """Latents of one form, written in another: the same signal and noise at the same level.

    Args:
        tensor: Latents in `from_form`, any shape.
        sigma: Noise level in variance-exploding terms.
        from_form: Form of `tensor`.
        to_form: Form wanted.

    Returns:
        Same shape and dtype; `tensor` itself where the two forms are equal at this level.

    Raises:
        LatentsError: A form cannot hold that level.
    """
    check_level(sigma, from_form)
    check_level(sigma, to_form)
    if from_form == to_form or sigma == 0.0 or math.isinf(sigma):
        return tensor
    return tensor * (signal_coefficient(sigma, to_form) / signal_coefficient(sigma, from_form))


def raise_noise(tensor: torch.Tensor, noise: torch.Tensor, sigma: float, to_sigma: float, form: Form) -> torch.Tensor:
    """Adds exactly the variance that is missing from level `sigma` to `to_sigma`: sqrt(to^2 - sigma^2) in VE terms.

    Args:
        tensor: Latents in `form` at level `sigma`.
        noise: Independent unit-variance noise, same shape.
        sigma: Present level.
        to_sigma: Level wanted, at least `sigma`; infinity gives `noise` itself.
        form: Form of `tensor` and of the result; not ``clean``.

    Raises:
        LatentsError: `to_sigma` below `sigma`, or the form cannot hold it.
    """
    check_level(sigma, form)
    check_level(to_sigma, form)
    if to_sigma < sigma:
        raise LatentsError(f"sigma {to_sigma:g} is below the latents' own {sigma:g}: only denoising lowers the noise.")
    if to_sigma == sigma:
        return tensor
    if math.isinf(to_sigma):
        return noise
    missing = math.sqrt((to_sigma - sigma) * (to_sigma + sigma))
    ratio = signal_coefficient(to_sigma, form) / signal_coefficient(sigma, form)
    return tensor * ratio + noise * (missing * signal_coefficient(to_sigma, form))


def to_form(latents: Latents, form: Form) -> Latents:
    """The same latents in another form, at the same sigma.

    Scheduler history and position belong to the form in which they were made and are dropped when the form changes.

    Args:
        latents: Latents whose noise is known.
        form: ``ve``, ``vp`` or ``flow``.

    Returns:
        `latents` itself where it has that form already.

    Raises:
        LatentsError: Their noise is not known, or the form cannot hold it.
        SettingError: No such form.
    """
    choice(form, "form", FORMS)
    noise = latents.noise
    if noise is None:
        raise LatentsError(
            "the noise of these latents is not known; say it: latents.replace(noise=Noise(sigma, form))."
        )
    if noise.form == form:
        return latents
    tensor = convert(latents.tensor, noise.sigma, noise.form, form)
    return latents.replace(
        tensor=tensor, noise=Noise(noise.sigma, form, noise.timestep), position=None, resume=None, trajectory=()
    )
