"""NaN and infinity are found where they are made, so that nothing goes on from them and nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from jupyter_latents.engine.failures.extremes import Extreme
from jupyter_latents.errors import RunError
from jupyter_latents.wording import option

__all__ = ["LateCheck", "check_finite", "is_finite"]

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


class LateCheck:
    """Asks of each step's values whether they are numbers, on an accelerator one step late.

    There an answer that is read at once makes the processor wait for the device, and then the device for work. So it
    is read when the next step is queued, or by `settle`.
    """

    def __init__(self) -> None:
        self._open: tuple[torch.Tensor, Callable[[], bool]] | None = None

    def add(self, values: torch.Tensor) -> torch.Tensor | None:
        """Asks about a step's values; gives those of the earliest step that are no numbers, or None.

        Args:
            values: A tensor that nothing changes any more.
        """
        if not _reads_late(values):
            return None if is_finite(values) else values
        asked = values, _asked(values)
        bad = self.settle()
        if bad is None:
            self._open = asked
        return bad

    def settle(self) -> torch.Tensor | None:
        """Reads the answer that is still open; gives the values where they are no numbers, each time it is asked."""
        if self._open is None:
            return None
        values, answer = self._open
        if not answer():
            return values
        self._open = None
        return None


def _reads_late(values: torch.Tensor) -> bool:
    return values.device.type == "cuda"


def _asked(values: torch.Tensor) -> Callable[[], bool]:
    """Queues the question whether all values are numbers; what is given reads the answer, and waits for it alone."""
    cuda: Any = torch.cuda
    with cuda.device(values.device):
        answer = torch.empty((), dtype=torch.bool, pin_memory=True)
        answer.copy_(torch.isfinite(values).all(), non_blocking=True)
        done = cuda.Event()
        done.record()

    def read() -> bool:
        done.synchronize()
        return bool(answer.numpy())  # no number of the device: it lies in the CPU's memory

    return read
