"""The cell that goes on from a result: the stage that made it once more, from where it ended."""

from __future__ import annotations

from dataclasses import replace

from jupyter_latents.session.cells.sources import Brought, FromStage
from jupyter_latents.stage import DEFAULT_STRENGTH, ImageSeed, Output, Reference, Window

__all__ = ["onward"]

_HERE = Reference("the result", "variable")


def onward(source: FromStage, name: str = "", *, clean: bool) -> FromStage:
    """What goes on from a result with the same model and options: to its end, or, where it is clean, as its picture.

    Args:
        source: What made the result.
        name: The variable that holds it; empty to have the cell make it first.
        clean: Whether no noise is left in it.
    """
    stage = source.stage
    before = stage.image_seed or ImageSeed()
    here = Reference(name, "variable") if name else _HERE
    images, latents = ((here,), ()) if clean else ((), (here,))
    seed = ImageSeed(images=images, latents=latents, controls=before.controls, adapters=before.adapters)
    rest = replace(
        stage,
        image_seed=seed,
        latents_processors=(),
        img2img_latents_processors=(),
        window=Window() if clean else Window(stage.window.end, None),
        strength=DEFAULT_STRENGTH if clean else None,
        seed=None,
        batch_size=1,
        output=Output(),
        into=None,
        sweep=None,
    )
    kept = {reference: source.inputs[reference] for reference in rest.references if reference in source.inputs}
    return replace(source, stage=rest, inputs={**kept, here: (Brought(here, ""),) if name else (source,)})
