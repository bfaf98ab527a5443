"""What scripts ask about the machine, without loading torch before a stage needs it."""

from __future__ import annotations

import importlib.util

from jupyter_latents.errors import SettingError, nearest

__all__ = ["default_device", "have_cuda", "have_feature", "have_mps", "have_xpu", "total_memory"]

_UNITS = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_FEATURES = ("bitsandbytes",)  # names of the libraries too
_NOT_HERE = ("sdnq", "torchao", "gguf", "gpt4all", "ncnn", "flax")


def have_cuda(*_: object) -> bool:
    """Whether a CUDA device is there."""
    import torch

    return torch.cuda.is_available()


def have_mps(*_: object) -> bool:
    """Whether Apple's accelerator is there."""
    import torch

    return torch.backends.mps.is_available()


def have_xpu(*_: object) -> bool:
    """Whether Intel's accelerator is there."""
    import torch

    return hasattr(torch, "xpu") and torch.xpu.is_available()


def default_device(*_: object) -> str:
    """The device that stages run on where nobody says: the best there is."""
    there = (("cuda", have_cuda), ("xpu", have_xpu), ("mps", have_mps))
    return next((name for name, here in there if here()), "cpu")


def have_feature(name: str) -> bool:
    """Whether stages can use an optional library.

    Args:
        name: ``bitsandbytes``, or another feature of dgenerate's, which is not here.

    Raises:
        SettingError: There is no such feature.
    """
    known = (*_FEATURES, *_NOT_HERE)
    if name not in known:
        raise SettingError(f"{name!r} is no feature{nearest(name, known) or '.'} Known are {', '.join(known)}.")
    return name in _FEATURES and importlib.util.find_spec(name) is not None


def total_memory(device: str | None = None, unit: str = "b") -> float:
    """Memory of the accelerator, or of this machine where there is none.

    Args:
        device: torch device; None for the default accelerator.
        unit: ``b``, ``kb``, ``mb``, ``gb``, ``kib``, ``mib`` or ``gib``.

    Raises:
        SettingError: No such unit.
    """
    import psutil
    import torch

    size = _UNITS.get(unit.lower())
    if size is None:
        hint = nearest(unit.lower(), _UNITS) or "."
        raise SettingError(f"total_memory knows no unit {unit!r}{hint} Known are {', '.join(_UNITS)}.")
    if torch.cuda.is_available() and device != "cpu":
        return float(torch.cuda.get_device_properties(device or "cuda").total_memory) / size
    return float(psutil.virtual_memory().total) / size
