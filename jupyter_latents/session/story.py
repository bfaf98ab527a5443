"""What results say of where they come from: in the words of the script, never with the environment's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from jupyter_latents.session.cells.provenance import cell_lines, ending_at
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from jupyter_latents.engine import StageResult
    from jupyter_latents.latents.facts import Provenance
    from jupyter_latents.latents.value import Latents

__all__ = ["Story"]


@dataclass(frozen=True, slots=True)
class Story:
    """A stage as its results tell of it.

    Attributes:
        ran: The stage, with the environment's values.
        script: The same as the script says it; the environment's values in it are veiled.
        told: The same for people: ``$NAME`` for the values.
        text: Makes a text one to keep, for what templates worked out.
    """

    ran: Stage
    script: Stage
    told: Stage
    text: Callable[[str], str]

    def on(self, result: StageResult) -> StageResult:
        """The result of the stage, whose latents and own steps say where they come from.

        Args:
            result: What an engine made of the stage, perhaps in part, or what another cell made of the same stage.
        """
        last = result.latents
        lines = {dest: self.text(line) for dest, line in cell_lines(self._seeded(last)).items()}

        def say(one: Latents) -> Latents:
            if one.position is not None and one.position.step <= result.span.start:
                return one  # of the stage that this one went on from
            whole = one.position == last.position and not result.stopped
            cell = lines if whole else ending_at(lines, one)
            return replace(one, provenance=self._said(one.provenance, cell))

        steps = tuple(map(say, last.trajectory or ()))
        latents = replace(say(last), trajectory=type(last.trajectory)(steps)) if steps else say(last)
        return replace(result, latents=latents)

    def _seeded(self, latents: Latents) -> Stage:
        """The stage of the script with the seed that was drawn; one that goes on from latents has theirs."""
        goes_on = self.script.image_seed is not None and self.script.image_seed.latents
        drawn = None if goes_on else latents.provenance.seed
        return replace(self.script, seed=drawn if self.ran.seed is None else self.ran.seed)

    def _said(self, made: Provenance, cell: Mapping[str, str]) -> Provenance:
        said, text = self.told, self.text
        return replace(
            made,
            model=text(str(said.model.name)),
            prompt=text(said.prompt.positive),
            negative_prompt=text(said.prompt.negative),
            options=MappingProxyType({key: text(self._option(key, value)) for key, value in made.options.items()}),
            cell="\n".join(cell.values()),
        )

    def _option(self, key: str, value: str) -> str:
        """An option as the script says it; one that it leaves to the model as the result has it."""
        if key == "scheduler":
            return str(self.told.scheduler or value)
        if key == "optimize":
            return " ".join(map(str, self.told.model.optimize))
        return str(getattr(self.told.model, key, None) or value)
