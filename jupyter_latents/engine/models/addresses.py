"""Addresses of further parts, ``NAME;key=value;key=value``, as ``--vae``, ``--loras`` and their kin write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from jupyter_latents.errors import ModelError, nearest

__all__ = ["Address", "parse_address"]


@dataclass(frozen=True, slots=True)
class Address:
    """A name with settings.

    Attributes:
        option: The option it was given to, for messages.
        name: What stands before the first semicolon.
        settings: The rest, key to text.
    """

    option: str
    name: str
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, key: str) -> str | None:
        """A setting's text, or None."""
        return self.settings.get(key)

    def number(self, key: str, default: float, least: float | None = None, most: float | None = None) -> float:
        """A setting as a number.

        Raises:
            ModelError: It is no number, or outside the bounds.
        """
        given = self.settings.get(key)
        if given is None:
            return default
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or (least is not None and value < least) or (most is not None and value > most):
            bounds = "" if least is None else f" from {least:g} to {most:g}"
            raise ModelError(f"{self.option}: {key}={given} of {self.name} is not allowed; give a number{bounds}.")
        return value


def parse_address(option: str, text: str, keys: Iterable[str]) -> Address:
    """Reads an address.

    Args:
        option: The option it was given to.
        text: ``NAME;key=value``.
        keys: The settings that are allowed.

    Raises:
        ModelError: No name, a setting that is not ``key=value``, or one that is not allowed.
    """
    name, *rest = text.split(";")
    allowed = list(keys)
    settings: dict[str, str] = {}
    for part in rest:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        key = key.lower().replace("_", "-")
        if not equals or not value:
            raise ModelError(f"{option}: {part.strip()!r} in {text!r} should be name=value.")
        if key not in allowed:
            hint = nearest(key, allowed) or "."
            raise ModelError(f"{option}: no setting {key!r} in {text!r}{hint} Allowed are {', '.join(allowed)}.")
        settings[key] = value.strip("\"'")
    if not name.strip():
        raise ModelError(f"{option}: {text!r} names nothing before its settings; write NAME;key=value.")
    return Address(option, name.strip().strip("\"'"), MappingProxyType(settings))
