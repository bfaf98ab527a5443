"""What is done to latents before a stage enters its schedule with them: joined, out of raw values, processed."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.given.processors import process
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.latents.facts import Form
from jupyter_latents.latents.files.comfy_file import RAW_VAE, model_from_raw
from jupyter_latents.latents.operations import batch
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Stage

__all__ = ["RAW_FORM", "incoming", "is_raw"]

RAW_FORM: Form = "ve"
"""ComfyUI's files have signal coefficient 1."""


def is_raw(latents: Standing, facts: ModelFacts) -> bool:
    """Whether latents are raw values of some VAE, as ComfyUI writes them, with the channels of a model's own."""
    space = latents.space
    return space is not None and space.name == RAW_VAE and latents.shape[1] == facts.space.channels


def incoming(stage: Stage, given: Sequence[Standing], facts: ModelFacts) -> Standing | None:
    """The latents that a stage enters its schedule with, before they cross into its model's space.

    Args:
        stage: What is asked for.
        given: Latents, or outlines of latents to come.
        facts: The receiving model's.

    Returns:
        Latents where all of them are there, else the outline of what they will be; None where none are given.

    Raises:
        JupyterLatentsError: They cannot be joined or processed.
    """
    if not given:
        return None
    if len(given) == 1 and not stage.latents_processors and not is_raw(given[0], facts):
        return given[0]
    there = [item for item in given if isinstance(item, Latents)]
    if len(there) == len(given):
        return _changed(stage, there, facts)
    blank = [item if isinstance(item, Latents) else Outline.of(item).stand_in() for item in given]
    return Outline.of(_changed(stage, blank, facts))


def _changed(stage: Stage, given: Sequence[Latents], facts: ModelFacts) -> Latents:
    latents = given[0] if len(given) == 1 else batch(given)
    if is_raw(latents, facts):
        latents = latents.replace(tensor=model_from_raw(latents.tensor, facts.space), space=facts.space)
    if stage.latents_processors:
        latents = process(latents, stage.latents_processors, schedulers.build(None, *facts.scheduler))
    return latents
