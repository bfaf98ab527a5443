"""How latents would enter a model, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_latents.engine import Given
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.stage import ModelSource, Stage
from jupyter_latents.syntax.options.faults import spelling
from jupyter_latents.syntax.options.fields import default

if TYPE_CHECKING:
    from jupyter_latents.engine import Engine
    from jupyter_latents.latents.value import Latents

__all__ = ["verdict"]

_MOST_STEPS = 10_000  # that a file may say of a schedule, before one of that length is made


def verdict(engine: Engine, latents: Latents, model: str) -> str:
    """How latents would enter a model, told without loading its weights and without asking the network.

    Args:
        engine: Decides it.
        latents: What would be handed over.
        model: A model's name, as in a script.
    """
    own = latents.provenance.number("steps", 1, _MOST_STEPS)
    steps = default("num_inference_steps") if own is None else int(own)
    stage = Stage(model=ModelSource(model, offline=True), num_inference_steps=steps)
    try:
        course = engine.prepare(stage, Given((latents,)))
    except JupyterLatentsError as error:
        error.spelled(spelling)
        return f"impossible: {error.message}"
    return "; ".join((course.verdict, *course.notes))
