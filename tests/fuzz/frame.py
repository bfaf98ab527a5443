"""The frame of the fuzz tests: a mutator makes inputs and feeds them to the package, which may raise its own errors.

A kind of input is a module of `tests.fuzz.mutators` with `MUTATORS`, a tuple of `Mutator`; nothing else names it. What
ever failed stands in ``tests/fuzz/corpus/NAME.json``, a list of texts, and is tried each time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from jupyter_latents.errors import JupyterLatentsError

__all__ = ["CORPUS", "Failure", "Mutator", "known", "made", "run"]

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Mutator:
    """A kind of input.

    Attributes:
        name: What it is called on the command line; its corpus is ``corpus/NAME.json``.
        make: Makes an input; it draws from the given source alone.
        call: What is done with an input; what it raises counts, and it may assert.
        ours: The errors that it may raise.
        read: An input from a text of the corpus.
        quick: How many inputs the test tries, a second or two of them.
    """

    name: str
    make: Callable[[Random], Any]
    call: Callable[[Any], object]
    ours: tuple[type[BaseException], ...] = (JupyterLatentsError,)
    read: Callable[[str], Any] = str
    quick: int = 300


@dataclass(frozen=True)
class Failure:
    """An input that raised what is not ours.

    Attributes:
        number: Which input it was; None for one of the corpus.
        given: The input.
        error: What was raised.
    """

    number: int | None
    given: Any
    error: BaseException

    def __str__(self) -> str:
        where = "corpus" if self.number is None else f"input {self.number}"
        given = repr(self.given)
        shown = given if len(given) < 2_000 else f"{given[:2_000]}… ({len(given)} characters)"
        return f"{where}: {type(self.error).__name__}: {str(self.error)[:500]}\n    {shown}"


def made(mutator: Mutator, seed: int, number: int) -> Any:
    """One input of a mutator, always the same for the same seed and number."""
    return mutator.make(Random(f"{mutator.name} {seed} {number}"))


def known(mutator: Mutator) -> list[Any]:
    """The inputs that failed before."""
    file = CORPUS / f"{mutator.name}.json"
    return [mutator.read(text) for text in json.loads(file.read_text("utf-8"))] if file.exists() else []


def run(mutator: Mutator, seed: int, count: int, first: int = 0) -> Iterator[Failure]:
    """Tries the corpus and `count` inputs.

    Args:
        mutator: Makes and tries them.
        seed: Of the inputs.
        count: How many.
        first: Number of the first, to try one again.

    Yields:
        What went wrong.
    """
    fresh = ((number, made(mutator, seed, number)) for number in range(first, first + count))
    for number, given in chain(((None, text) for text in known(mutator)), fresh):
        try:
            mutator.call(given)
        except mutator.ours:
            continue
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            yield Failure(number, given, error)
