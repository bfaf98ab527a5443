"""What is done to latents before a stage enters its schedule with them: joined, out of raw values, processed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jupyter_latents.engine.given.changes import bench_of, changed, has_network
from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.latents.facts import Form
from jupyter_latents.latents.files.comfy_file import RAW_VAE, model_from_raw
from jupyter_latents.latents.operations import batch
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Stage

__all__ = ["RAW_FORM", "brought", "incoming", "is_raw"]

RAW_FORM: Form = "ve"
"""ComfyUI's files have signal coefficient 1."""


def is_raw(latents: Standing, facts: ModelFacts) -> bool:
    """Whether latents are raw values of some VAE, as ComfyUI writes them, with the channels of a model's own."""
    space = latents.space
    return space is not None and space.name == RAW_VAE and latents.shape[1] == facts.space.channels


def incoming(
    stage: Stage, given: Sequence[Standing], facts: ModelFacts, pasted: Sequence[Standing] = ()
) -> Standing | None:
    """The latents that a stage enters its schedule with, before they cross into its model's space.

    Args:
        stage: What is asked for.
        given: Latents, or outlines of latents to come.
        facts: The receiving model's.
        pasted: The latents that its processors take besides.

    Returns:
        Latents where all of them are there, else the outline of what they will be; None where none are given.

    Raises:
        JupyterLatentsError: They cannot be joined or processed.
    """
    if not given:
        return None
    if len(given) == 1 and not stage.latents_processors and not is_raw(given[0], facts):
        return given[0]
    everything = (*given, *pasted) if stage.latents_processors else given
    there = all(isinstance(item, Latents) for item in everything)
    blank = [item if isinstance(item, Latents) else Outline.of(item).stand_in() for item in given]
    made = _changed(stage, blank, facts, pasted)
    return made if there and not has_network(stage.latents_processors) else Outline.of(made)


def brought(
    stage: Stage, given: Sequence[Latents], facts: ModelFacts, vae: Callable[[], Any], pasted: Sequence[Latents] = ()
) -> Latents:
    """What `incoming` foresees, where a network makes it.

    Args:
        stage: What is asked for.
        given: Its latents.
        facts: The receiving model's.
        vae: Finds its VAE.
        pasted: See `incoming`.

    Raises:
        JupyterLatentsError: See `incoming`; or the network cannot be read.
    """
    return _changed(stage, given, facts, pasted, vae)


def _changed(
    stage: Stage,
    given: Sequence[Latents],
    facts: ModelFacts,
    pasted: Sequence[Standing],
    vae: Callable[[], Any] | None = None,
) -> Latents:
    several = [
        one.replace(tensor=model_from_raw(one.tensor, facts.space), space=facts.space) if is_raw(one, facts) else one
        for one in given
    ]
    if stage.latents_processors:
        bench = bench_of(stage, pasted, facts, vae)
        several = changed(several, stage.latents_processors, bench, "latents_processors")
    return several[0] if len(several) == 1 else batch(several)
