"""What is done to a stage's result after its steps: ``--latents-post-processors`` and ``--post-processors``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_latents.engine import Phase, StageResult, after_steps
from jupyter_latents.errors import StoppedError
from jupyter_latents.processing import processed
from jupyter_latents.session.outputs import writes_latents
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from jupyter_latents.engine import Engine, Observer
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.session.runs.readiness import Resolved

__all__ = ["decoded", "finished", "with_pictures"]


def decoded(result: StageResult, engine: Engine, observer: Observer) -> StageResult:
    """A result with its pictures; one that was stopped while it decoded is kept without.

    Args:
        result: What a stage made.
        engine: Decodes it.
        observer: Is told.
    """
    if result.images or result.stopped or not result.latents.is_clean:
        return result
    observer.phase(Phase("decoding"))
    try:
        return replace(result, images=tuple(engine.decode(result.latents)))
    except StoppedError:
        return replace(result, stopped=True)


def finished(resolved: Resolved, result: StageResult) -> StageResult:
    """A result as its stage gives it; one that was stopped stays as it is.

    Args:
        resolved: The stage with what it was given.
        result: What its steps made.

    Raises:
        JupyterLatentsError: A processor cannot change it.
    """
    stage = resolved.stage
    if result.stopped:
        return result
    if stage.latents_post_processors:
        made = after_steps(stage, result.latents, resolved.inputs.pasted)
        return replace(result, latents=made, images=())
    return replace(result, images=tuple(_post_processed(stage, result.images)))


def with_pictures(stage: Stage, result: StageResult, engine: Engine) -> StageResult:
    """A result with the pictures that its files are made of, where it has none yet and files of pictures are asked for.

    Args:
        stage: The stage.
        result: What it made.
        engine: Decodes it.
    """
    if result.images or writes_latents(stage):
        return result
    return replace(result, images=tuple(_post_processed(stage, engine.decode(result.latents))))


def _post_processed(stage: Stage, pictures: Sequence[Image | Clip]) -> list[Image | Clip]:
    """Pictures as a stage gives them; of a clip each frame is changed."""
    from jupyter_latents.latents.clip import Clip

    links = stage.post_processors
    if not links:
        return list(pictures)
    return [
        Clip([processed(frame, links) for frame in one], one.fps, one.texts)
        if isinstance(one, Clip)
        else processed(one, links)
        for one in pictures
    ]
