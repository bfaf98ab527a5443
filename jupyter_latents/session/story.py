"""What results say of where they come from: in the words of the script, never with the environment's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import Silent
from jupyter_latents.session.cells.provenance import cell_lines, ending_at
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from jupyter_latents.engine import Look, Observer, Phase, Span, StageResult, StepEvent
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.facts import Provenance
    from jupyter_latents.latents.value import Latents

__all__ = ["Story", "ToldSteps"]


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
        asked = self.told.scheduler if key == "scheduler" else getattr(self.told.model, key, None)
        several = asked if isinstance(asked, tuple) else (asked,)
        return " ".join(str(one) for one in several if one) or value


class ToldSteps(Silent):
    """An observer of one stage whose steps say where they come from as its result will.

    Args:
        observer: Is told the rest.
        say: The latents of a step as they are told, from those that the engine gives and the steps that the stage runs.
    """

    def __init__(self, observer: Observer, say: Callable[[Latents, Span], Latents]) -> None:
        self._observer, self._say = observer, say

    def phase(self, phase: Phase) -> None:
        """See `Observer.phase`."""
        self._observer.phase(phase)

    def step(self, event: StepEvent, look: Look) -> None:
        """See `Observer.step`."""
        self._observer.step(event, _ToldLook(look, lambda latents: self._say(latents, event.span)))

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""
        self._observer.note(text, warning=warning)


@dataclass(frozen=True, slots=True)
class _ToldLook:
    """A look whose latents say where they come from."""

    look: Look
    say: Callable[[Latents], Latents]

    def latents(self, step: int) -> Latents:
        """See `Look.latents`."""
        return self.say(self.look.latents(step))

    def newest(self) -> Latents:
        """See `Look.newest`."""
        return self.say(self.look.newest())

    def preview(self, tiny: str | None = None) -> list[Image | Clip]:
        """See `Look.preview`."""
        return self.look.preview(tiny)

    def values(self) -> np.ndarray[Any, Any]:
        """See `Look.values`."""
        return self.look.values()
