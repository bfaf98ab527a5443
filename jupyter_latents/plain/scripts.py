"""The script that stages stand for: what they are given has names in it, and what they hand over has, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_latents.errors import SettingError
from jupyter_latents.stage import Reference, Stage
from jupyter_latents.syntax.compose import compose, rows_of
from jupyter_latents.syntax.options.keywords import keyword_spelling

__all__ = ["Written", "written"]

_UNTOLD = {"auth_token", "into", "force", "output_prefix"}


@dataclass(frozen=True, slots=True)
class Written:
    """Stages as a script.

    Attributes:
        stages: Those that run, each after those whose results it is given; values are variables in them.
        asked: Where among them the stages stand that were asked for.
        values: What was given, by its name in the script.
        own: Names of results that only the script itself uses.
    """

    stages: tuple[Stage, ...]
    asked: tuple[int, ...]
    values: dict[str, Any]
    own: frozenset[str]

    @property
    def text(self) -> str:
        """The script."""
        return compose(self.stages)

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells each stage that was asked for from the others: its name, else the options in which they differ."""
        stages = [self.stages[number] for number in self.asked]
        rows = [{"model": (stage.model.name,), **rows_of(stage)} for stage in stages]
        names = dict.fromkeys(name for row in rows for name in row)
        telling = [name for name in names if name not in _UNTOLD and len({row.get(name) for row in rows}) > 1]
        return tuple(
            stage.into
            if stage.into and stage.into not in self.own
            else ", ".join(f"{_word(name)}{' '.join(row[name])}" for name in telling if name in row) or str(number)
            for number, (stage, row) in enumerate(zip(stages, rows, strict=True))
        )

    def stage_at(self, line: int) -> int:
        """Which stage a line of the script belongs to.

        Args:
            line: Its number, 1 for the first.
        """
        ends = [compose(self.stages[: count + 1]).count("\n") for count in range(len(self.stages))]
        return next((number for number, end in enumerate(ends) if line <= end), len(ends) - 1)


def _word(name: str) -> str:
    """What stands before an option's value in a label; nothing before a model."""
    return "" if name == "model" else f"{keyword_spelling(name)} "


def written(
    stages: Sequence[Stage], called: Callable[[Any], str] = lambda _value: "", taken: Iterable[str] = ()
) -> Written:
    """The script of stages.

    Args:
        stages: The stages asked for, in order.
        called: The name of the variable that holds a value, or empty.
        taken: Names that mean something else already.

    Raises:
        SettingError: Two stages that hand over bind the same name.
    """
    order = list(_ordered(stages, set()))
    given = {id(value.held.value) for stage in order for value in _values(stage) if value.held is not None}
    names = _Names(called, {*taken, *_variables(order)})
    for stage in order:
        if id(stage) in given:
            names.bind(stage)
    named = tuple(names.named(stage) for stage in order)
    places = {id(stage): number for number, stage in enumerate(order)}
    asked = tuple(places[id(stage)] for stage in stages)
    return Written(named, asked, names.values, frozenset(names.own))


def _ordered(stages: Iterable[Stage], before: set[int]) -> Iterator[Stage]:
    """The stages, each once and after those whose results it is given."""
    for stage in stages:
        if id(stage) in before:
            continue
        parents = [value.held.value for value in _values(stage) if value.held is not None]
        yield from _ordered((parent for parent in parents if isinstance(parent, Stage)), before)
        before.add(id(stage))
        yield stage


def _values(stage: Stage) -> Iterator[Reference]:
    return (reference for reference in stage.references if reference.kind == "value")


def _variables(stages: Iterable[Stage]) -> Iterator[str]:
    """Names that stages look up or bind themselves."""
    for stage in stages:
        for reference in stage.references:
            if reference.kind == "variable":
                yield reference.text.partition("[")[0]
        if stage.into:
            yield stage.into


@dataclass
class _Names:
    """Gives values and handed-over results their names.

    Attributes:
        called: See `written`.
        taken: Names that are in use.
        values: Values by name.
        own: Names of results that were made up here.
        results: Names of results by the identity of their stage.
    """

    called: Callable[[Any], str]
    taken: set[str]
    values: dict[str, Any] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    results: dict[int, str] = field(default_factory=dict)

    def bind(self, stage: Stage) -> None:
        """Gives the result of a stage its name."""
        if stage.into in self.results.values():
            raise SettingError(f"two stages hand over as {stage.into!r}; give their into different names.")
        name = stage.into or self._free("base")
        if not stage.into:
            self.own.add(name)
        self.results[id(stage)] = name

    def named(self, stage: Stage) -> Stage:
        """A stage with variables in place of values."""
        into = self.results.get(id(stage), stage.into)
        return replace(stage.renamed(lambda one: (self._variable(one),)), into=into)

    def _variable(self, reference: Reference) -> Reference:
        held = reference.held
        if held is None:
            return reference
        if isinstance(held.value, Stage):
            return Reference(self.results[id(held.value)], "variable")
        known = next((name for name, value in self.values.items() if value is held.value), "")
        name = known or self.called(held.value) or self._free(reference.text)
        self.values[name] = held.value
        self.taken.add(name)
        return Reference(name, "variable")

    def _free(self, stem: str) -> str:
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}_{number}"
        self.taken.add(name)
        return name
