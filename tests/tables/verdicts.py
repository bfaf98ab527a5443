"""One cell of a table: the whole run against the same run in windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.latents import Latents
from tests.engine.cases import Bench, equal, in_memory, relative
from tests.tables.plain_run import complaint

__all__ = ["Verdict", "answered", "law", "swapped"]


@dataclass(frozen=True)
class Verdict:
    """What a cell of a table says.

    Attributes:
        word: ``equal``; ``refused`` by name; ``diffusers cannot`` when plain diffusers fails alike; else ``differs`` or
            ``failed``.
        detail: The relative difference, or what was said.
    """

    word: str
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing is silently wrong."""
        return self.word not in ("differs", "failed")

    def __str__(self) -> str:
        return self.word if self.word == "equal" else f"{self.word}: {self.detail}"


def law(
    bench: Bench,
    model: str,
    mode: str,
    splits: Sequence[Sequence[float]],
    carry: Callable[[Latents, Path], Latents] = in_memory,
    **options: Any,
) -> Verdict:
    """Runs whole and split and compares bit for bit."""
    try:
        whole = bench.whole(model, mode, **options)
        for cuts in splits:
            last = bench.split(model, cuts, mode, carry, **options)[-1]
            if not equal(last, whole):
                return Verdict("differs", f"{relative(last.latents.tensor, whole.latents.tensor):.1e} at {cuts}")
    except JupyterLatentsError as error:
        word = "failed" if type(error).__name__ == "RunError" else "refused"
        return Verdict(word, f"{type(error).__name__}: {error.message}")
    return Verdict("equal")


def swapped(bench: Bench, model: str, scheduler: str, splits: Sequence[Sequence[float]]) -> Verdict:
    """The same for a scheduler swapped in by name; where it fails, plain diffusers is asked."""
    return answered(bench, model, scheduler, law(bench, model, "txt2img", splits, scheduler=scheduler))


def answered(bench: Bench, model: str, scheduler: str, verdict: Verdict) -> Verdict:
    """A verdict of text to image; where it did not run, what plain diffusers says, if that cannot run it either."""
    if verdict.word not in ("failed", "refused"):
        return verdict
    said = complaint(bench.folder(model), scheduler)
    return Verdict("diffusers cannot", said) if said else verdict
