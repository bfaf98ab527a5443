"""The latents that variables hold, by the names that people give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["latents_in"]


def latents_in(names: Mapping[str, Any]) -> dict[str, Latents]:
    """Name to latents, sorted; an item of a list is called ``name[index]``.

    Args:
        names: The kernel's variables; those whose names begin with an underscore are the shell's own.
    """
    from jupyter_latents.latents import Latents, LatentsSequence

    found: dict[str, Latents] = {}
    for name, value in sorted(names.items()):
        if name.startswith("_"):
            continue
        if isinstance(value, Latents):
            found[name] = value
        elif isinstance(value, (list, tuple, LatentsSequence)):
            found.update({f"{name}[{at}]": item for at, item in enumerate(value) if isinstance(item, Latents)})
    return found
