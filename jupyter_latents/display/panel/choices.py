"""What the panel's controls propose: models, samplers by the names people know, the kernel's variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jupyter_latents.addresses import read_address
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.samplers import SAMPLERS, sampler, sampler_name

__all__ = ["Choices", "samplers"]

_OWN = "the model's own"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the controls propose.

    Attributes:
        models: Model names.
        schedulers: Scheduler names.
        latents: Variables with latents.
        pictures: Variables with pictures.
    """

    models: Sequence[str] = ()
    schedulers: Sequence[str] = ()
    latents: Sequence[str] = ()
    pictures: Sequence[str] = ()


def samplers(schedulers: Sequence[str], chosen: str = "") -> list[tuple[str, str]]:
    """The samplers that can be chosen, each by its common name with what a script writes for it.

    The model's own stands first, schedulers without a common name last.

    Args:
        schedulers: Known scheduler classes.
        chosen: What is chosen now, which may be none of these.
    """
    rows = [(_OWN, ""), *_common(schedulers)]
    named = {value for _, value in rows}
    rows += [(name, name) for name in schedulers if name not in named]
    return rows if chosen in {value for _, value in rows} else [*rows, (_name(chosen), chosen)]


def _common(schedulers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Those of the one table of names, and each with the noise levels that A1111 gives it by itself."""
    for row in SAMPLERS:
        if row.near or row.scheduler not in schedulers:
            continue
        for name in (row.name, *([f"{row.name} {row.levels.capitalize()}"] if row.levels else [])):
            if written := sampler(name):
                yield name, written


def _name(chosen: str) -> str:
    """What a scheduler with settings of its own is called in the list."""
    try:
        address = read_address(chosen)
    except JupyterLatentsError:
        return chosen
    name, levels = sampler_name(address.name, address.settings)
    named = f"{name} {levels}".strip()
    return named if named != address.name and sampler(named) == chosen else chosen
