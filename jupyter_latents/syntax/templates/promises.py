"""Values that templates can hand on before they are there; whoever looks into one waits."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from jupyter_latents.errors import ScriptError

__all__ = ["AtRun", "Drawn", "Promise", "Waits", "real"]


class Waits(Protocol):
    """Who waits until a value can be looked at; `Evaluation` does."""

    def wait(self, value: Promise) -> None:
        """Returns when the value is there."""

    def write(self, value: Promise) -> str:
        """Text that stands for the value; waits where a script has no place for a name."""


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


class AtRun(Promise):
    """What a line does that only the run may do; a foresight waits in front of it."""

    @property
    def reason(self) -> str:
        """What the line waits for."""
        return f"the run, which alone does {self.name}"


class Drawn(Promise):
    """A text that holds seeds which are yet to be drawn.

    It can be written out whole, and asked whether it is empty. All else looks into it and waits for the run: what is
    worked out of the text that stands for a seed would be wrong of the seed.

    Args:
        text: The text, with marks in place of the seeds.
        waits: Who waits until a run draws them.
    """

    def __init__(self, text: str, waits: Waits | None) -> None:
        super().__init__("a seed", waits=waits)
        self.text = text

    @property
    def reason(self) -> str:
        """What a line that looks into it waits for."""
        return "a seed, which is drawn at the run"

    def strip(self) -> Drawn:
        """Itself: a seed is not empty."""
        return self

    lstrip = rstrip = strip

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(self.look())

    def __bool__(self) -> bool:
        return True


def real(value: Any) -> Any:
    """What a promise stands for; anything else as it is."""
    return value.look() if isinstance(value, Promise) else value
