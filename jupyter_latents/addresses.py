"""Addresses of what a stage takes besides its model, ``NAME;key=value``: their value, and how their text is read.

`stage` uses them for text that it is given in plain Python, `syntax` for scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from jupyter_latents.errors import SettingError

__all__ = ["Address", "Fault", "address_of", "read_address"]


@dataclass(frozen=True, slots=True)
class Address:
    """A name with settings, ``NAME;key=value``: a VAE, LoRA, ControlNet, quantizer or scheduler.

    Its text, which `read_address` reads back as the same address, has no space around its parts, and quotes only where
    they are needed.

    Attributes:
        name: What stands before the first semicolon.
        settings: The rest, key to text; keys are lower-case, with ``-`` for ``_``.
    """

    name: str
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return ";".join([_word(self.name), *(f"{key}={_word(value)}" for key, value in self.settings.items())])

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.settings.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        return _address, (self.name, dict(self.settings))  # a read-only view of a dict cannot be pickled

    def get(self, key: str) -> str | None:
        """A setting's text, or None."""
        return self.settings.get(key)


Fault: TypeAlias = Callable[[str, int, int], Exception]
"""Makes an error of a message and of the offset and length of the part of a text that is to blame."""

_QUOTED = r"""(?:"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*')"""
_PART = re.compile(rf"(?:\A|;)\s*((?:[A-Za-z][\w-]*\s*=\s*)?{_QUOTED}(?=\s*(?:;|\Z))|[^;]*)")
_STRING = re.compile(_QUOTED)
_SETTING = re.compile(r"([A-Za-z][\w-]*)\s*=\s*(.+)", re.DOTALL)
_ESCAPED = re.compile(r"""(\\+)(?=["'$%]|\Z)""")
_SPECIAL = re.compile(r"""(?<!\\)(\\*)(["'$%]|\Z)""")


def read_address(text: str, fault: Fault = lambda message, _start, _length: SettingError(message)) -> Address:
    """Reads an address. Quotes keep semicolons and white space in a name or a value.

    Args:
        text: ``NAME;key=value``.
        fault: Makes the error to raise.

    Raises:
        SettingError: No name, a setting that is not ``key=value``, or one that is given twice; or what `fault` makes.
    """
    (_, head), *parts = [(part.start(1), part[1].strip()) for part in _PART.finditer(text)]
    name = _unquoted(head)
    if not name.strip():
        raise fault(f"'{text}' names nothing before its settings; write NAME;key=value.", 0, len(text))
    settings: dict[str, str] = {}
    for start, part in parts:
        pair = _SETTING.fullmatch(part)
        if pair is None:
            raise fault(f"'{part}' should be key=value, such as scale=0.8.", start, len(part))
        key = pair[1].lower().replace("_", "-")
        if key in settings:
            raise fault(f"'{key}' is given twice; keep one.", start, len(pair[1]))
        settings[key] = _unquoted(pair[2])
    return _address(name, settings)


def address_of(value: Address | str | None, dest: str) -> Address | None:
    """What a field that takes an address was given, read where it is text; None for an empty one.

    Args:
        value: An address or its text.
        dest: The option that the field is of, which is to blame for text that cannot be read.

    Raises:
        SettingError: The text is no address.
    """
    if isinstance(value, Address) or not value:
        return value or None
    return read_address(value, lambda message, _start, _length: SettingError(message, option=dest))


def _address(name: str, settings: dict[str, str]) -> Address:
    return Address(name, MappingProxyType(settings))


def _word(text: str) -> str:
    """A name or value as it stands in an address, quoted where it would not read back the same."""
    if text and text == text.strip() and ";" not in text and text[0] not in "\"'":
        return text
    return '"' + _SPECIAL.sub(lambda found: found[1] * 2 + ("\\" + found[2] if found[2] else ""), text) + '"'


def _unquoted(text: str) -> str:
    """The content of a quoted string, escapes as in `syntax.text.quoting`; other text as it is."""
    if not _STRING.fullmatch(text):
        return text
    inside = text[1:-1]
    return _ESCAPED.sub(lambda found: "\\" * ((len(found[1]) + (found.end() == len(inside))) // 2), inside)
