"""The kernel variables that a stage can take in, and how far they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["free_name", "latents_of", "pictures_of", "progress"]

_LONGEST = 60
_MODULES = ("jupyter_latents.latents.value", "jupyter_latents.latents.sequence")


def latents_of(names: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that hold latents or sequences of them.

    Args:
        names: The kernel's namespace.
    """
    return {name: value for name, value in _public(names) if type(value).__module__ in _MODULES}


def pictures_of(names: Mapping[str, Any]) -> list[str]:
    """Names of the variables that hold pictures.

    Args:
        names: The kernel's namespace.
    """
    return [
        name for name, value in _public(names) if hasattr(type(value), "convert") and hasattr(type(value), "resize")
    ]


def _public(names: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in sorted(dict(names).items()) if not name.startswith("_")]


def progress(latents: Latents | None) -> float | None:
    """How much of their denoising latents have behind them; None where all of it or nobody knows."""
    from jupyter_latents.syntax.compose import done_fraction

    position = getattr(latents, "position", None)
    return done_fraction(position) if position is not None else None


def free_name(file: str, names: MutableMapping[str, Any]) -> str:
    """A variable name for a file that is not taken.

    Args:
        file: The file's name.
        names: The kernel's namespace.
    """
    stem = re.sub(r"\W+", "_", Path(file).stem).strip("_")[:_LONGEST] or "file"
    stem = stem if stem.isidentifier() else f"file_{stem}"
    name, number = stem, 1
    while name in names:
        number += 1
        name = f"{stem}_{number}"
    return name
