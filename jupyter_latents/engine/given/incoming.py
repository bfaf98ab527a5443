"""What is done to latents before a stage enters its schedule with them: joined, out of raw values, processed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.given.processors import NETWORK, process
from jupyter_latents.engine.given.upscalers import upscaler_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.latents.facts import Form
from jupyter_latents.latents.files.comfy_file import RAW_VAE, model_from_raw
from jupyter_latents.latents.operations import batch
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import LatentsProcessor, Stage

__all__ = ["RAW_FORM", "brought", "has_network", "incoming", "is_raw"]

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
    if len(there) == len(given) and not has_network(stage):
        return _changed(stage, there, facts)
    blank = [item if isinstance(item, Latents) else Outline.of(item).stand_in() for item in given]
    return Outline.of(_changed(stage, blank, facts))


def has_network(stage: Stage) -> bool:
    """Whether a network changes what goes into a stage, so that only its run knows the values."""
    return any(link.name == NETWORK for link in stage.latents_processors)


def brought(stage: Stage, given: Sequence[Latents], facts: ModelFacts, vae: Any) -> Latents:
    """What `incoming` foresees, where a network makes it.

    Args:
        stage: What is asked for.
        given: Its latents.
        facts: The receiving model's.
        vae: Its VAE.

    Raises:
        JupyterLatentsError: See `incoming`; or the network cannot be read.
    """
    return _changed(
        stage, given, facts, lambda latents, link: upscaler_of(link, stage.model, facts).made(latents, vae, stage)
    )


def _changed(
    stage: Stage,
    given: Sequence[Latents],
    facts: ModelFacts,
    upscaled: Callable[[Latents, LatentsProcessor], Latents] | None = None,
) -> Latents:
    latents = given[0] if len(given) == 1 else batch(given)
    if is_raw(latents, facts):
        latents = latents.replace(tensor=model_from_raw(latents.tensor, facts.space), space=facts.space)
    if stage.latents_processors:
        foreseen = upscaled or (lambda latents, link: upscaler_of(link, stage.model, facts).foreseen(latents))
        latents = process(latents, stage.latents_processors, schedulers.build(None, *facts.scheduler), foreseen)
    return latents
