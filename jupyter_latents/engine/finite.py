"""NaN and infinity are found where they are made, so that nothing goes on from them and nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from jupyter_latents.engine.extremes import Extreme
from jupyter_latents.errors import RunError
from jupyter_latents.wording import option

__all__ = ["check_finite", "is_finite"]

_BY_PART = {
    "denoiser": ("schedulers", "try another {} or its plain settings"),
    "encoder": (None, "its weights are damaged: fetch the model again"),
    "vae": ("vae", "its weights are damaged, or the latents are of another space: fetch them again, or use another {}"),
}
"""What helps where a part runs in float32 already, and the option for it."""


def is_finite(values: Any) -> bool:
    """Whether all floating-point tensors in a value are free of NaN and infinity.

    Args:
        values: A tensor, or a mapping or sequence of such; all else is let through.
    """
    if isinstance(values, torch.Tensor):
        return not values.is_floating_point() or bool(torch.isfinite(values).all())
    if isinstance(values, Mapping):
        return all(is_finite(value) for value in values.values())
    return all(is_finite(value) for value in values) if isinstance(values, (list, tuple)) else True


def check_finite(
    values: Any, part: str, dtype: Any, kind: str = "denoiser", extreme: Callable[[], Extreme | None] = lambda: None
) -> None:
    """Raises where a part of a model has made NaN or infinite values.

    Args:
        values: See `is_finite`.
        part: What to call the part.
        dtype: Torch dtype that it works in.
        kind: ``denoiser``, ``encoder`` or ``vae``; says what helps.
        extreme: Finds what came in that is to blame rather than the part.

    Raises:
        RunError: It has.
    """
    if is_finite(values):
        return
    to_blame: str | None = "dtype"
    came = extreme()
    if came is not None:
        to_blame, advice = came.option, came.text
    elif dtype == torch.float32:
        to_blame, advice = _BY_PART[kind]
    else:
        advice = "use {} float32" if dtype == torch.bfloat16 else "use {} float32 or bfloat16"
    raise RunError(
        f"{part} made NaN or infinite values in {str(dtype).removeprefix('torch.')}; "
        f"{advice.format(option(to_blame or ''))}. Nothing of it is kept or written.",
        option=to_blame,
    )
