"""From the source of latents to the recipe that makes them, its first stage first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count

from jupyter_latents.pictures.metadata.recipe import Operation, Part, Recipe, StagePart, fill_in
from jupyter_latents.session.cells.sources import Brought, Derived, Elsewhere, FromStage, Going, Source, all_before
from jupyter_latents.stage import Reference
from jupyter_latents.syntax.options.names import unbindable
from jupyter_latents.syntax.sweeps import rows_of_sweep
from jupyter_latents.syntax.templates.environment import CAPTURED

__all__ = ["Chain", "chain_of"]


@dataclass(slots=True)
class Chain:
    """The way to latents.

    Attributes:
        parts: Stages and operations, in order.
        models: Name to digest of the weights of each model.
        inputs: Name to digest of what went in.
    """

    parts: list[Part] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    def recipe(self, program: str) -> Recipe:
        """The whole way.

        Args:
            program: Who made it.
        """
        return Recipe(program, tuple(self.parts))


def chain_of(*sources: Source) -> Chain:
    """The stages and operations that lead to one source or several; those of one sweep are written as one."""
    made = Chain()
    writing = _Writing(made, {name for source in sources for name in _taken(source)}, {})
    stages = [source for source in sources if isinstance(source, FromStage)]
    if len(sources) > 1 and len(stages) == len(sources) and _one_sweep(stages):
        writing.sweep(stages)
    else:
        for source in sources:
            writing.last(source)
    return made


def _one_sweep(sources: Sequence[FromStage]) -> bool:
    """Whether one invocation makes all of them, of the same inputs."""
    first = sources[0]
    alike = all(one.inputs == first.inputs and one.remarks == first.remarks for one in sources)
    return alike and rows_of_sweep([source.stage for source in sources]) is not None


@dataclass(frozen=True, slots=True)
class _Writing:
    """A chain while it is made.

    Attributes:
        chain: Takes the parts.
        taken: Names that stand for something already.
        names: What each source that is written is called.
    """

    chain: Chain
    taken: set[str]
    names: dict[int, str]

    def last(self, source: Source) -> None:
        """Writes a source that nothing goes on from: a stage keeps the name that it was bound to, or none."""
        if isinstance(source, FromStage):
            self._stage(source, self._free(source.stage.into) if source.stage.into else None)
        elif isinstance(source, Derived):
            self._setting(source)
        else:
            remarks: list[str] = []
            self._elsewhere(source, remarks)
            self.chain.parts.append(Operation("", "", tuple(remarks)))

    def sweep(self, sources: Sequence[FromStage]) -> None:
        """Writes the sources that one invocation makes."""
        self.last(sources[0])
        part = self.chain.parts[-1]
        if isinstance(part, StagePart):
            more = tuple(replace(source.stage, into=part.stage.into) for source in sources[1:])
            self.chain.parts[-1] = replace(part, more=more)

    def _free(self, wanted: str | None) -> str:
        """A name that nothing else has."""
        stem = wanted if wanted and not unbindable(wanted) else "latents"
        name = next(
            name for name in chain((stem,), (f"{stem}_{number}" for number in count(2))) if name not in self.taken
        )
        self.taken.add(name)
        return name

    def _name(self, going: Going, remarks: list[str]) -> Reference:
        """What goes into a stage, by its name in the cell; what makes it is written before."""
        if isinstance(going, Brought):
            return self._brought(going, remarks)
        if id(going) not in self.names:
            if isinstance(going, FromStage):
                name = self._free(going.stage.into)
                self._stage(going, name)
            elif isinstance(going, Derived):
                name = self._setting(going)
            else:
                name = self._elsewhere(going, remarks)
            self.names[id(going)] = name
        return Reference(self.names[id(going)], "variable")

    def _brought(self, going: Brought, remarks: list[str]) -> Reference:
        reference = going.reference
        if reference.text.startswith(CAPTURED):
            reference = replace(reference, text=self._free("input"))
        if going.digest:
            self.chain.inputs[reference.text] = going.digest
        if going.wanted:
            remarks.append(fill_in(reference.text, going.wanted))
        return reference

    def _elsewhere(self, going: Elsewhere, remarks: list[str]) -> str:
        name = self._free(None)
        self.chain.inputs[name] = going.digest
        remarks.append(fill_in(name, going.what))
        return name

    def _setting(self, source: Derived) -> str:
        remarks: list[str] = []
        names = [self._name(parent, remarks).text for parent in source.parents]
        name = self._free(source.operation)
        if source.expression:
            self.chain.parts.append(Operation(name, source.expression.format(*names), tuple(remarks)))
        else:
            told = f"{source.operation} of {', '.join(names)}"
            self.chain.parts.append(Operation("", "", (*remarks, fill_in(name, told))))
        return name

    def _stage(self, source: FromStage, into: str | None) -> None:
        remarks = list(source.remarks)
        named = {name: tuple(self._name(one, remarks) for one in several) for name, several in source.inputs.items()}
        stage = replace(source.stage.renamed(lambda old: named.get(old, (old,))), into=into)
        self.chain.models[stage.model.name] = source.weights
        self.chain.parts.append(StagePart(stage, tuple(dict.fromkeys(remarks))))


def _taken(source: Source) -> Iterator[str]:
    """The names of variables that are to be filled in."""
    for level in all_before(source):
        yield from (one.reference.text for one in level if isinstance(one, Brought))
