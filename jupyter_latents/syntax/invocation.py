"""One invocation, and the stages that its options multiply to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from jupyter_latents.errors import Place
from jupyter_latents.stage import Choice, ModelSource, Stage, Sweep

from .options.arguments import Arguments
from .options.choices import choice_of
from .options.fields import with_values
from .options.option import Option
from .options.table import NESTING, OPTIONS
from .text.lines import nothing

__all__ = ["Invocation"]


@dataclass(frozen=True)
class Invocation:
    """One model and its options, as written.

    Attributes:
        model: Demo model, hub name, folder or file.
        values: The values of each option that was given, by its name in the table's `dest`.
        arguments: The words behind the values; they know their places.
        check: Called for each stage; it raises to stop.
        defaults: Values of fields where the invocation gives none, by path; those not in it are the stage's own.
        opens: Makes the same invocation with the environment's values, where some are veiled.
        within: Which of several refined pairs it belongs to, and what tells that pair from the others.
    """

    model: str
    values: Mapping[str, tuple[Any, ...]]
    arguments: Arguments = field(repr=False, compare=False)
    check: Callable[[], None] = field(default=nothing, repr=False, compare=False)
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    opens: Callable[[], Invocation] | None = field(default=None, repr=False, compare=False)
    within: Sweep | None = field(default=None, compare=False)

    def real(self) -> Invocation:
        """The same with the environment's values, for the run."""
        return self if self.opens is None else self.opens()

    @property
    def place(self) -> Place | None:
        """Where the model is named."""
        return self.arguments.model.place

    def place_of(self, dest: str, index: int = 0) -> Place | None:
        """Where an option's value stands; the option, then the model, where there is none.

        Args:
            dest: The option, by the table's `dest` (``image_seeds``) or its name (``--image-seeds``).
            index: Which of its values.
        """
        name = dest.lstrip("-").replace("-", "_") if dest.startswith("--") else dest
        return self.arguments.place(name, index)

    def first(self, dest: str, default: Any = None) -> Any:
        """The first value of an option, or `default`."""
        values = self.values.get(dest)
        return values[0] if values else default

    def stages(self) -> tuple[Stage, ...]:
        """Returns one stage for each combination; prompts change slowest, seeds fastest."""
        return self._stages

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        common = {option.dest: self._given(option) for option in OPTIONS if not option.multiplies}
        base = _filled(with_values(Stage(model=ModelSource(self.model)), self.defaults), common)
        choices = list(self.choices())
        if len(choices) == 1 and self.within is None:
            return (_filled(base, choices[0]),)
        telling = [dest for dest in choices[0] if len({repr(choice[dest]) for choice in choices}) > 1]
        return tuple(
            replace(made, sweep=self._sweep(number, len(choices), choice_of(made, choice, telling)))
            for number, choice in enumerate(choices)
            for made in (_filled(base, choice),)
        )

    def _sweep(self, number: int, of: int, choice: Choice) -> Sweep:
        """Which of the stages one is; the own options of a refiner are called so, as the base may have them too."""
        if self.within is None:
            return Sweep(number, of, choice)
        own = tuple((f"refiner {name}", value) for name, value in choice) if self.within.refines else choice
        return replace(self.within, number=number, of=of, choice=(*self.within.choice, *own))

    def _given(self, option: Option) -> Any:
        """The value of an option that multiplies nothing; None where it was not given."""
        given = self.values.get(option.dest) or None
        return given if given is None or option.gathers else given[0]

    def choices(self) -> Iterator[dict[str, Any]]:
        """Yields one value of each multiplying option at a time, in the order of the stages.

        Only options that were given are keys; they name rows and columns of a grid.
        """
        for picks in self.picks():
            yield {dest: self.values[dest][index] for dest, index in picks.items()}

    def picks(self) -> Iterator[dict[str, int]]:
        """The same as numbers: which value of each option."""
        paired = bool(self.first("seeds_to_images"))
        given = [dest for dest in NESTING if self.values.get(dest) and not (paired and dest == "seeds")]
        for indices in itertools.product(*(range(len(self.values[dest])) for dest in given)):
            self.check()
            picks = dict(zip(given, indices, strict=True))
            yield {**picks, "seeds": picks["image_seeds"]} if paired else picks


def _filled(stage: Stage, given: Mapping[str, Any]) -> Stage:
    """The stage with the values of options, by their `dest`; None stands for one that was not given."""
    values: dict[str, Any] = {}
    for option in OPTIONS:
        if given.get(option.dest) is not None:
            values |= option.values(given[option.dest])
    if given.get("guidance_scales") is not None:
        values["guidance_asked"] = True
    return with_values(stage, values)
