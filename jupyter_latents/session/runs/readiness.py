"""What goes into a stage when it is about to run, and what the stage is remembered by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.engine import Given, Phase, Reading, is_steered
from jupyter_latents.session.memory.identity import key_of
from jupyter_latents.session.memory.leads import Lead, alike, leads_of
from jupyter_latents.session.memory.stand_ins import digest_inputs

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Inputs, ModelCard, Observer
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session.models import Models
    from jupyter_latents.session.names.resolve import Resolver
    from jupyter_latents.stage import Stage

__all__ = ["Readiness", "Resolved"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A stage that could begin.

    Attributes:
        stage: What is asked for.
        inputs: Its resolved inputs.
        key: What it is remembered by; empty for one that is not.
        leads: What it may have in common with others.
    """

    stage: Stage
    inputs: Inputs
    key: str
    leads: tuple[Lead, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Looks up what goes into a stage.

    Attributes:
        models: Those of the run.
        observer: Is told what is fetched and decoded.
        names: Looks up what image seeds name.
        fetch: Fetches what image seeds name by address.
        number: Which stage of the run it is, from 1.
    """

    models: Models
    observer: Observer
    names: Resolver
    fetch: Callable[[str], Path]
    number: int

    @property
    def resolver(self) -> Resolver:
        """Looks up all that image seeds name; each address is fetched once a run."""
        return replace(self.names, fetch=self.fetch, decode=self._picture_of)

    def inputs(self, stage: Stage) -> tuple[Inputs, Inputs]:
        """What goes into a stage, and the same as its digest takes it."""
        resolver = self.resolver
        card = self._card(stage, resolver)
        inputs = resolver.inputs(stage, card)
        return inputs, digest_inputs(resolver, stage, card) if inputs.decoded else inputs

    def resolved(self, stage: Stage, inputs: Inputs, digested: Inputs) -> Resolved:
        """A stage with what it is given, able to begin."""
        return Resolved(stage, inputs, key_of(stage, digested, self.models), self._leads(stage, inputs, digested))

    def _leads(self, stage: Stage, inputs: Inputs, digested: Inputs) -> tuple[Lead, ...]:
        """What a stage may have in common with others."""
        steered = is_steered(stage)
        windows = self.models.engine.prepare(stage, Given.of(inputs)).windows if steered else alike(stage)
        return leads_of(stage, windows, digested, self.models)

    def _card(self, stage: Stage, resolver: Resolver) -> ModelCard:
        """The stage's model; one that is to be fetched is judged by its configuration before its weights are."""
        card = self.models.card(stage.model)
        if not card.lacking:
            return card
        course = self.models.engine.prepare(stage, resolver.given(stage, card))
        if course.verdict:
            self.observer.note(f"stage {self.number}, {stage.model.name}: {course.verdict}")
        self.observer.phase(Phase("loading", Reading(stage.model.name)))
        return self.models.fetch(stage.model)

    def _picture_of(self, latents: Latents, stage: Stage, name: str) -> list[Image]:
        """Pictures of latents in the place of a picture, by the VAE that the engine chooses."""
        from jupyter_latents.latents.clip import frames_of

        self.observer.phase(Phase("decoding", subject=name))
        return frames_of(self.models.engine.decode(latents, stage.model))
