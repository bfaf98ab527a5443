"""What scripts ask about the machine, without loading torch before a stage needs it."""

from __future__ import annotations

import importlib.util

from jupyter_latents.errors import SettingError, nearest

__all__ = ["have_cuda", "have_feature", "total_memory"]

_UNITS = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_MODULES = {
    "bitsandbytes": "bitsandbytes",
    "sdnq": "sdnq",
    "torchao": "torchao",
    "gguf": "gguf",
    "ncnn": "ncnn",
    "flax": "flax",
}


def have_cuda(*_: object) -> bool:
    """Whether a CUDA device is there."""
    import torch

    return torch.cuda.is_available()


def have_feature(name: str) -> bool:
    """Whether an optional library, such as ``bitsandbytes``, is installed."""
    return importlib.util.find_spec(_MODULES.get(name, name.replace("-", "_"))) is not None


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
