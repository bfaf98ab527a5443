"""Runs stages. The names of this page are the seam: what a session and an engine say to each other, as plain data.

`Engine` is the protocol; `local_engine` makes the one that runs in this process. What lies inside knows torch and
diffusers, not IPython. Importing this page imports neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.answers import Course, Item, ModelCard, PartRow, ScheduleCard, WorkerRow
from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.given.picture_sizes import asked_size, size_after_resize
from jupyter_latents.engine.libraries.imports import await_imports, import_libraries, libraries_imported
from jupyter_latents.engine.models.places.names import known_models
from jupyter_latents.engine.models.places.tiny import checked_preview_vae
from jupyter_latents.engine.observer import (
    ItemEvent,
    ItemState,
    Look,
    Observer,
    Phase,
    PhaseName,
    Reading,
    Silent,
    StepEvent,
)
from jupyter_latents.engine.protocol import Engine, WideEngine, wide
from jupyter_latents.engine.rest import run_rest
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.engine.schedule.window import FractionRule, Grid, Span
from jupyter_latents.engine.steering import StageWindow, bare, is_steered

if TYPE_CHECKING:
    from jupyter_latents.engine.local import LocalEngine as LocalEngine
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.settings import Settings
    from jupyter_latents.stage import Stage

__all__ = [
    "Course",
    "Engine",
    "FractionRule",
    "Given",
    "Grid",
    "Inputs",
    "Item",
    "ItemEvent",
    "ItemState",
    "Look",
    "ModelCard",
    "Observer",
    "Outline",
    "PartRow",
    "Phase",
    "PhaseName",
    "Reading",
    "ScheduleCard",
    "Silent",
    "Span",
    "StageResult",
    "StageWindow",
    "Standing",
    "StepEvent",
    "WideEngine",
    "WorkerRow",
    "after_steps",
    "asked_size",
    "await_imports",
    "bare",
    "call_arguments",
    "checked_preview_vae",
    "import_libraries",
    "is_steered",
    "known_models",
    "libraries_imported",
    "local_engine",
    "network_files",
    "pictured",
    "process_numerics",
    "run_rest",
    "schedule_of",
    "scheduler_names",
    "size_after_resize",
    "wide",
]


def local_engine(settings: Settings) -> LocalEngine:
    """An engine in this process, with models of its own; it loads torch.

    Args:
        settings: Say how much memory its models may take.
    """
    import_libraries(lambda _: None)
    from jupyter_latents.engine.local import LocalEngine
    from jupyter_latents.engine.models.cache import ModelCache

    return LocalEngine(ModelCache(settings))


def process_numerics(device: str | None = None) -> str:
    """What in this process decides the bits of results, whatever makes them: libraries, device, threads, switches.

    Args:
        device: torch device; None for the best there is.

    Raises:
        ModelError: There is no such device.
    """
    from jupyter_latents.engine.libraries import versions
    from jupyter_latents.engine.models.memory import device_of

    return repr((sorted(versions.versions_that_decide().items()), versions.numerics(device_of(device))))


def call_arguments(latents: Latents, pipeline: Any = None, *, exact: bool = False) -> dict[str, Any]:
    """The arguments with which a plain diffusers pipeline goes on from latents; see `Latents.to_diffusers`.

    Args:
        latents: The latents.
        pipeline: A diffusers pipeline; None for the family and scheduler of the model that made them.
        exact: Whether the last bit counts.

    Raises:
        LatentsError: That pipeline cannot go on from them.
        ModelError: No pipeline is given and the model that made them is not at hand.
    """
    from jupyter_latents.engine.outgoing import call_arguments as arguments_of

    return arguments_of(latents, pipeline, exact=exact)


def pictured(latents: Standing, number: int, stage: Stage, pasted: Sequence[Standing], *, foreseen: bool) -> Standing:
    """Latents in the place of a picture, changed by ``--img2img-latents-processors``.

    Args:
        latents: The latents, or their outline.
        number: Which of those in the place of pictures they are.
        stage: The stage that takes them.
        pasted: The latents that its processors take besides, in the order of `Stage.pasted`.
        foreseen: Whether no network runs; what one makes is an outline then.

    Raises:
        JupyterLatentsError: A processor cannot change them.
    """
    from jupyter_latents.engine.given import changes

    return changes.pictured(latents, number, stage, pasted, foreseen=foreseen)


def network_files(stage: Stage) -> str | None:
    """A digest of the files of the networks that change a stage's latents; None where they are not all here.

    Args:
        stage: The stage.

    Raises:
        JupyterLatentsError: A processor names no such network.
    """
    if not any(link.name in ("interposer", "upscaler") for link in stage.links):
        return ""
    from jupyter_latents.engine.given import changes

    return changes.network_files(stage)


def after_steps(stage: Stage, latents: Latents, pasted: Sequence[Latents]) -> Latents:
    """The latents that a stage gives: what its steps made, changed by ``--latents-post-processors``.

    Args:
        stage: The stage.
        latents: What its steps made.
        pasted: See `pictured`.

    Raises:
        JupyterLatentsError: A processor cannot change them.
    """
    from jupyter_latents.engine.given import changes

    return changes.result_of_post(stage, latents, pasted)


def schedule_of(stage: Stage, size: tuple[int, int] | None = None) -> ScheduleCard:
    """The whole schedule of a stage, whether it can run or not, by what is on this machine: no network is asked.

    Args:
        stage: Names the model, and the scheduler where it is not the model's own.
        size: Width and height in pixels; None for what the stage says, or its family's own.

    Raises:
        JupyterLatentsError: The model is not here, or the scheduler cannot be made.
    """
    from jupyter_latents.engine.course import schedule_card

    return schedule_card(stage, size)
