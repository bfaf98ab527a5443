r"""Values of the environment in the text of a Python expression: names stand in for them while Python reads it."""

from __future__ import annotations

import ast
import secrets
from typing import Any

from jupyter_latents.errors import ScriptError

from .environment import Environment
from .marks import unveil, veil

__all__ = ["StandIns"]


class StandIns:
    r"""The values in one expression: ``'$NAME'`` is a text that holds a value, ``$NAME`` without quotes a number.

    Args:
        text: The expression, with marks in place of the values.
        environment: Knows the values; None where no mark can be in the text.

    Attributes:
        source: The expression as Python can read it.
    """

    def __init__(self, text: str, environment: Environment | None) -> None:
        self._environment = environment
        self._marks: dict[str, str] = {}
        self.source = unveil(text, self._name)

    def _name(self, name: str, part: int | None) -> str:
        made = f"env_{secrets.token_hex(8)}_{name}"
        self._marks[made] = veil(name, part)
        return made

    def __contains__(self, name: str) -> bool:
        return name in self._marks

    def seen(self, value: object) -> Any:
        """A value as scripts see it."""
        return value if self._environment is None else self._environment.seen(value)

    def marked(self, text: str) -> str:
        """A text with marks again in place of the names."""
        for name, mark in self._marks.items():
            text = text.replace(name, mark)
        return text

    def constant(self, value: object) -> Any:
        """A text or number of the expression."""
        if isinstance(value, bytes) and any(name.encode() in value for name in self._marks):
            raise ScriptError("A value of the environment stands in text, not in bytes; leave out the b before it.")
        return self.marked(value) if isinstance(value, str) else value

    def number(self, name: str) -> Any:
        """What stands without quotes: a number, or a list of numbers.

        Raises:
            ScriptError: The value is another.
        """
        mark = self._marks[name]
        if self._environment is None:
            return mark
        value = _numbers(self._environment.open(mark))
        if value is None:
            variable = self._environment.shown(mark)
            raise ScriptError(
                f"{variable} is no number. Without quotes a variable of the environment stands for a number, or a list "
                f"of numbers; write '{variable}' in quotes for its text."
            )
        return value


def _numbers(text: str) -> Any:
    """The number, or list of numbers, that a text is; None for any other."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    parts = value if isinstance(value, (list, tuple)) else [value]
    return value if parts and all(isinstance(part, (bool, int, float)) for part in parts) else None
