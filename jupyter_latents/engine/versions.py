"""The library versions that decide a result."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType

__all__ = ["versions"]


@functools.cache
def versions() -> Mapping[str, str]:
    """Versions of torch, diffusers and transformers."""
    return MappingProxyType({name: metadata.version(name) for name in ("torch", "diffusers", "transformers")})
