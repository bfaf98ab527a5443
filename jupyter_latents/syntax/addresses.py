"""Addresses of further parts, ``NAME;key=value;key=value``, as ``--vae``, ``--loras`` and their kin write them."""

from __future__ import annotations

import re
from types import MappingProxyType

from jupyter_latents.errors import Place
from jupyter_latents.stage import Address

from .quoting import escape, unquote
from .seed_text import Piece, locator_of, split
from .text import Locator

__all__ = ["format_address", "parse_address"]

_KEY = re.compile(r"([A-Za-z][\w-]*)\s*=")
_BARE = re.compile(r"[^\s;\"'\\$%](?:[^;\"'\\$%\n]*[^\s;\"'\\$%])?")


def parse_address(text: str, place: Place | Locator | None = None) -> Address:
    """Reads an address. Quotes keep semicolons and white space in a name or a value.

    Args:
        text: ``NAME;key=value``.
        place: Where it stands in a script.

    Returns:
        The address, which :func:`format_address` prints back; its keys are lower-case, with ``-`` for ``_``.

    Raises:
        ScriptError: No name, a setting that is not ``key=value``, or one that is given twice.
    """
    whole = Piece(text, 0, locator_of(text, place)).cut(0)
    first, *rest = split(whole, ";")
    name = unquote(first.text)
    if not name.strip():
        raise whole.fail(f"'{text}' names nothing before its settings; write NAME;key=value.")
    settings: dict[str, str] = {}
    for part in rest:
        match = _KEY.match(part.text)
        if not match or match.end() == len(part.text):
            raise part.fail(f"'{part.text}' should be key=value, such as scale=0.8.")
        key = match[1].lower().replace("_", "-")
        if key in settings:
            raise part.fail(f"'{key}' is given twice; keep one.", match[1])
        settings[key] = unquote(part.cut(match.end()).text)
    return Address(name, MappingProxyType(settings))


def format_address(address: Address) -> str:
    """Returns the text that :func:`parse_address` reads back as the same address."""
    return ";".join([_word(address.name), *(f"{key}={_word(value)}" for key, value in address.settings.items())])


def _word(text: str) -> str:
    return text if _BARE.fullmatch(text) else f'"{escape(text)}"'
