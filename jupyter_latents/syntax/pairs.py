"""Refined pairs where options with several values make several of them: which pair an invocation belongs to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from jupyter_latents.stage import Sweep, Value

from .invocation import Invocation
from .templates.marks import veiled_names
from .text.quoting import Word

__all__ = ["Pair", "of_pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Which of several refined pairs an invocation belongs to.

    Attributes:
        number: The pair, 0 for the first.
        count: How many pairs there are.
        choice: What people call the options that took several values, each with the word that it took here.
        refines: Whether the invocation is the second one of its pair.
    """

    number: int
    count: int
    choice: tuple[tuple[str, Word], ...]
    refines: bool = False

    def sweep(self, opened: Callable[[Word], Word]) -> Sweep:
        """The same as the stages know it.

        Args:
            opened: Gives a word as it is to be read.
        """
        choice = tuple((name, _value(opened(word).text)) for name, word in self.choice)
        return Sweep(choice=choice, pair=self.number, pairs=self.count, refines=self.refines)


def of_pair(invocation: Invocation, pair: Pair | None, opened: Callable[[Word], Word]) -> Invocation:
    """An invocation that knows to which of several pairs it belongs.

    Args:
        invocation: The invocation.
        pair: The pair; None where there are not several.
        opened: Gives a word with the environment's values in it.
    """
    if pair is None:
        return invocation

    def opens() -> Invocation:
        return replace(invocation.real(), within=pair.sweep(opened))

    veiled = invocation.opens is not None or any(veiled_names(word.text) for _, word in pair.choice)
    return replace(invocation, within=pair.sweep(lambda word: word), opens=opens if veiled else None)


def _value(text: str) -> Value:
    """A word as a value: a number where it is one."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
