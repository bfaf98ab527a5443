"""The library versions and the switches of this process that decide a result."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

__all__ = ["numerics", "versions", "versions_that_decide"]

_DECIDING = (
    "torch", "diffusers", "transformers", "jupyter-latents", "tokenizers", "sentencepiece", "pillow", "scipy",
    "torchsde", "peft", "accelerate", "bitsandbytes", "compel",
)  # fmt: skip


@functools.cache
def versions() -> Mapping[str, str]:
    """Versions of torch, diffusers and transformers."""
    return MappingProxyType({name: metadata.version(name) for name in ("torch", "diffusers", "transformers")})


@functools.cache
def versions_that_decide() -> Mapping[str, str]:
    """Versions of all libraries that have a part in a result, as far as they are installed; this one's too."""
    found = {name: list(metadata.distributions(name=name))[:1] for name in _DECIDING}
    return MappingProxyType({name: one.version for name, several in found.items() for one in several})


def numerics(device: Any) -> tuple[object, ...]:
    """What besides weights and options decides the bits of a result on a device: its kind, and torch's switches.

    Args:
        device: The torch device.
    """
    import torch

    backends: Any = torch.backends
    common = (
        device.type,
        platform.machine(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        str(torch.get_default_dtype()),
    )
    if device.type == "cpu":
        return (*common, backends.cpu.get_cpu_capability(), torch.get_num_threads(), backends.mkldnn.enabled)
    if device.type != "cuda":
        return common
    cudnn, cuda = backends.cudnn, backends.cuda
    return (
        *common,
        torch.cuda.get_device_name(device),
        (cudnn.enabled, cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, cuda.matmul.allow_tf32),
        (cuda.matmul.allow_fp16_reduced_precision_reduction, cuda.matmul.allow_bf16_reduced_precision_reduction),
        (cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled()),
        cuda.cudnn_sdp_enabled(),
    )
