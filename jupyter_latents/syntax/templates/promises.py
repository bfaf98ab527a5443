"""Values that templates can hand on but not look into: what is yet to be made, and the environment's values."""

from __future__ import annotations

import operator
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from jupyter_latents.errors import ScriptError

__all__ = [
    "Promise", "Undrawn", "Veiled", "Waits", "drawn_later", "mark", "named", "real", "undrawn_in", "unveil", "veil",
    "veiled_names", "without_draws",
]  # fmt: skip


def mark(text: str) -> str:
    """Characters that stand for something until it is there; no text from outside can hold them.

    Args:
        text: What they stand for, letters and digits.
    """
    return f"{_START}{text}{_END}"


_START, _END = f"\U0010f000{secrets.token_hex(8)}_", "\U0010f001"
_VEIL = re.compile(re.escape(_START) + r"e_(\w+)" + _END)
_DRAW = re.compile(re.escape(_START) + r"s_(\d+)" + _END)


class Waits(Protocol):
    """Who waits until a value can be looked at; `Evaluation` does."""

    def wait(self, value: Promise) -> None:
        """Returns when the value is there."""

    def write(self, value: Promise) -> str:
        """Text that stands for the value; waits where a script has no place for a name."""


def veil(name: str) -> str:
    """The text that stands for an environment variable until a run reads it."""
    return mark(f"e_{name}")


def veiled_names(text: str) -> list[str]:
    """The environment variables that a text stands for."""
    return _VEIL.findall(text)


def unveil(text: str, value: Callable[[str], str]) -> str:
    """A text with `value(name)` in place of each environment variable that it stands for."""
    return _VEIL.sub(lambda match: value(match[1]), text)


def named(text: str) -> str:
    """A text of a script: ``$NAME`` in place of each environment variable that it stands for."""
    return _VEIL.sub(lambda match: f"${{{match[1]}}}" if _goes_on(text, match.end()) else f"${match[1]}", text)


def _goes_on(text: str, end: int) -> bool:
    """Whether a name would take in what follows it."""
    return text[end : end + 1].isalnum() or text[end : end + 1] == "_"


def without_draws(text: str) -> str:
    """A text for people: seeds that a run is yet to draw say so."""
    return _DRAW.sub("(drawn at the run)", text)


class Undrawn(int):
    """A seed that the run draws, numbered; a plan draws none."""

    def __str__(self) -> str:
        return mark(f"s_{int(self)}")

    def __repr__(self) -> str:
        return f"<seed {int(self)}, drawn at the run>"


def undrawn_in(text: str) -> Undrawn | None:
    """The seed that the whole of a text stands for, where a run is yet to draw it."""
    found = _DRAW.fullmatch(text)
    return Undrawn(found[1]) if found else None


def drawn_later(text: str) -> bool:
    """Whether a text holds seeds that a run is yet to draw."""
    return bool(_DRAW.search(text))


def _through(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *others: operation(self.look(), *(real(other) for other in others))


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: operation(real(other), self.look())


class Promise:
    """What an invocation is yet to make; whoever looks into it waits until it is there.

    Args:
        name: What scripts call it, such as ``last_images``.
        line: The line that makes it.
        waits: Who waits.
    """

    def __init__(self, name: str, line: int = 0, waits: Waits | None = None) -> None:
        self.name, self.line, self._waits = name, line, waits
        self.made, self.value = False, None

    def fulfil(self, value: Any) -> None:
        """Gives the value: names of files, or latents; every reader sees it from now on."""
        self.made, self.value = True, value

    @property
    def reason(self) -> str:
        """What a line that looks into it waits for."""
        return f"what line {self.line} is yet to make ({self.name})"

    def look(self) -> Any:
        """The value.

        Raises:
            ScriptError: It is not there, and nobody waits for it.
        """
        if not self.made and self._waits is not None:
            self._waits.wait(self)
        if not self.made:
            raise ScriptError(f"'{self.name}' is not made yet; run line {self.line} first.")
        return self.value

    def __str__(self) -> str:
        return str(self.value) if self.made or self._waits is None else self._waits.write(self)

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, form: str) -> str:
        return format(self.look(), form) if form else str(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.look())

    def __bool__(self) -> bool:
        return bool(self.look())

    __hash__ = object.__hash__
    for _name in "lt le eq ne gt ge contains getitem add sub mul truediv floordiv mod pow neg pos".split():  # noqa: SIM905
        locals()[f"__{_name}__"] = _through(getattr(operator, f"__{_name}__"))
    for _name in "add sub mul truediv floordiv mod pow".split():  # noqa: SIM905
        locals()[f"__r{_name}__"] = _reflected(getattr(operator, f"__{_name}__"))
    __len__, __int__, __float__, __index__ = _through(len), _through(int), _through(float), _through(operator.index)


class Veiled(Promise):
    """A text that holds values of the environment, or seeds that are yet to be drawn.

    It can be written out whole, and asked whether it is empty. All else that is done with it, making a longer text of
    it too, looks into it and waits for the run: what is worked out of the text that stands for a value would be wrong
    of the value.

    Args:
        text: The text, with `veil` in place of the values.
        filled: Whether anything but white space will be in it.
        waits: Who waits until a run reads the values.
    """

    def __init__(self, text: str, *, filled: bool, waits: Waits | None) -> None:
        super().__init__(" ".join(f"${name}" for name in veiled_names(text)), waits=waits)
        self.text, self._filled = text, filled
        self._seed = drawn_later(text)

    @property
    def reason(self) -> str:
        """What a line that looks into it waits for."""
        if self._seed:
            return "a seed, which is drawn at the run"
        return f"a value of the environment ({self.name}), which is read at the run"

    def strip(self) -> Veiled | str:
        """Itself, or an empty text."""
        return self if self._filled else ""

    lstrip = rstrip = strip

    def __str__(self) -> str:
        return self.text if self._seed else str(self.look())

    def __hash__(self) -> int:
        return hash(self.look())

    def __bool__(self) -> bool:
        return True


def real(value: Any) -> Any:
    """What a promise stands for; anything else as it is."""
    return value.look() if isinstance(value, Promise) else value
