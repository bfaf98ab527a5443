"""Runs stages. The names of this page are the seam: what a session and an engine say to each other, as plain data.

`Engine` is the protocol; `local_engine` makes the one that runs in this process. What lies inside knows torch and
diffusers, not IPython. Importing this page imports neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_latents.engine.answers import Course, ModelCard, PartRow
from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.given.picture_sizes import asked_size, size_after_resize
from jupyter_latents.engine.observer import Look, Observer, Phase, PhaseName, Reading, Silent, StepEvent
from jupyter_latents.engine.prompts.windows import PromptWindow
from jupyter_latents.engine.protocol import Engine
from jupyter_latents.engine.rest import run_rest
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.engine.schedule.window import FractionRule, Span

if TYPE_CHECKING:
    from jupyter_latents.engine.local import LocalEngine as LocalEngine
    from jupyter_latents.settings import Settings

__all__ = [
    "Course",
    "Engine",
    "FractionRule",
    "Given",
    "Inputs",
    "Look",
    "ModelCard",
    "Observer",
    "Outline",
    "PartRow",
    "Phase",
    "PhaseName",
    "PromptWindow",
    "Reading",
    "Silent",
    "Span",
    "StageResult",
    "Standing",
    "StepEvent",
    "asked_size",
    "local_engine",
    "run_rest",
    "scheduler_names",
    "size_after_resize",
]


def local_engine(settings: Settings) -> LocalEngine:
    """An engine in this process, with models of its own; it loads torch.

    Args:
        settings: Say how much memory its models may take.
    """
    from jupyter_latents.engine.local import LocalEngine
    from jupyter_latents.engine.models.cache import ModelCache

    return LocalEngine(ModelCache(settings))
