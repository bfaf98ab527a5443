"""How much memory is free, and which devices there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["all_memory", "best_device", "device_of", "free_memory", "is_out_of_memory", "is_ram"]

_CGROUP = Path("/sys/fs/cgroup")


def best_device() -> Any:
    """The torch device to use when none is named."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_of(name: str | None) -> Any:
    """A torch device that is there.

    Raises:
        ModelError: The name is none, or this machine has no such device.
    """
    import torch

    if not name:
        return best_device()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _no_device(name, "is no torch device; use cpu, cuda, cuda:1 or mps.") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = device.index if ":" in name else (torch.cuda.current_device() if count else 0)
        if index >= count:
            have = ", ".join(["cpu", *(f"cuda:{number}" for number in range(count))])
            bare = "" if torch.version.cuda or torch.version.hip else " This torch is built for the CPU alone."
            raise _no_device(name, f"is not on this machine; here are {have}.{bare}")
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise _no_device("mps", "is not on this machine; leave it out, or use cpu.")
    return device


def _no_device(name: str, reason: str) -> ModelError:
    return ModelError(f"{option('device')} {name} {reason}", option="device")


def is_ram(device: Any) -> bool:
    """Whether a torch device is plain RAM, where parts wait that no accelerator has room for.

    ``cpu:0`` is the CPU too, but counted as a device of its own: what happens on accelerators happens there.
    """
    return str(device) == "cpu"


def free_memory(device: Any) -> int:
    """Bytes that can still be had on a device; on the CPU within the limits of the container, when there are any."""
    import psutil
    import torch

    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + int(kept)
    free = int(psutil.virtual_memory().available)
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is None or used is None:
        return free
    return min(free, max(0, limit - used + _file_pages()))


def all_memory(device: Any) -> int:
    """Bytes that a device has, used ones too; on the CPU within the limit of the container, when there is one."""
    import psutil
    import torch

    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    whole, limit = int(psutil.virtual_memory().total), _number(_CGROUP / "memory.max")
    return whole if limit is None else min(whole, limit)


def _number(path: Path) -> int | None:
    """A number of the control group; None where there is no group or no limit."""
    text = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None


def _file_pages() -> int:
    """Bytes of file pages that the system gives up when memory is wanted, mapped weights among them."""
    path = _CGROUP / "memory.stat"
    lines = path.read_text(encoding="ascii").splitlines() if path.is_file() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
