"""Addresses, ``NAME;key=value;key=value``, as ``--vae``, ``--loras``, ``--scheduler`` and their kin write them."""

from __future__ import annotations

from jupyter_latents.errors import Place, ScriptError
from jupyter_latents.stage import Address, read_address

from .seed_text import locator_of
from .text.located import Locator

__all__ = ["parse_address"]


def parse_address(text: str, place: Place | Locator | None = None) -> Address:
    """Reads an address of a script; its text reads back as the same.

    Args:
        text: ``NAME;key=value``.
        place: Where it stands in the script.

    Raises:
        ScriptError: No name, a setting that is not ``key=value``, or one that is given twice.
    """
    locate = locator_of(text, place)
    return read_address(text, lambda message, start, length: ScriptError(message, place=locate(start, max(1, length))))
