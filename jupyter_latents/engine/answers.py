"""What an engine answers before and beside a run, as plain data that pickles."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.engine.schedule.window import FractionRule, Span
from jupyter_latents.engine.steering import StageWindow
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from jupyter_latents.engine.given.outline import Outline
    from jupyter_latents.latents.facts import Noise
    from jupyter_latents.latents.spaces import Space

__all__ = ["Course", "Item", "ModelCard", "PartRow", "ScheduleCard", "WorkerRow"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What an engine says of a model, with what the stage puts on it.

    Attributes:
        name: The name that the stage gave.
        family: Name of its family.
        space: The latent space that it works in.
        direct_latents: Whether latents in the image position go in undecoded where a start is given.
        identity: Tells all of its files from others that make another result; empty where some are lacking.
        lacking: What is to be fetched before it runs, in words.
        takes_clips: Whether what stands in the place of a picture may be a clip.
    """

    name: str
    family: str
    space: Space
    direct_latents: bool
    identity: str
    lacking: tuple[str, ...] = ()
    takes_clips: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """What a stage will do, as an engine has decided it.

    Attributes:
        stage: What was asked for.
        model: Its model.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        span: The whole steps that run.
        timesteps: The full list of timesteps.
        levels: Noise level before each whole step of the schedule, and after the last one.
        rule: How fractions of it count.
        train_timesteps: Length of the training schedule.
        verdict: How given latents enter, in words; empty without.
        notes: What is converted, rounded, assumed or contradicted.
        windows: Windows that tile its steps, each with what steers it.
        passes: Passes of the denoiser for one picture: with guidance two an evaluation.
        weights: Bytes of the model's weights in the dtype that it runs in.
        outline: The facts of the latents that it will make.
        shares: Whether it may share a batch with the same stage of other seeds.
        draws: Whether the run draws its seed: none is given, and no latents bring one or are to be made yet.
        warnings: Those of the notes that say that the stage was asked for one thing and given another.
    """

    stage: Stage
    model: ModelCard
    mode: str
    span: Span
    timesteps: tuple[float, ...]
    levels: tuple[Noise, ...]
    rule: FractionRule
    train_timesteps: int
    verdict: str
    notes: tuple[str, ...]
    windows: tuple[StageWindow, ...]
    passes: int
    weights: int
    outline: Outline
    shares: bool
    draws: bool
    warnings: tuple[str, ...] = ()

    @property
    def start(self) -> Noise:
        """Noise level at the start."""
        return self.levels[self.span.start]

    @property
    def end(self) -> Noise:
        """Noise level at the end."""
        return self.levels[self.span.end]


@dataclass(frozen=True, slots=True)
class ScheduleCard:
    """The whole schedule of a stage, whether the stage can run or not.

    Attributes:
        timesteps: The full list of timesteps.
        levels: Noise level before each whole step, and after the last one.
        order: Timesteps of one whole step.
        rule: How fractions of it count.
        train_timesteps: Length of the training schedule.
        digest: Tells it from other schedules.
    """

    timesteps: tuple[float, ...]
    levels: tuple[Noise, ...]
    order: int
    rule: FractionRule
    train_timesteps: int
    digest: str


@dataclass(frozen=True, slots=True)
class PartRow:
    """One row of what an engine holds.

    Attributes:
        what: Name in the pipeline and class, such as ``unet (UNet2DConditionModel)``.
        size: Bytes of its weights.
        where: Device and dtype; empty for a part without weights.
        used: Time of the last use, seconds since 1970.
        models: Names of the models that use it.
        busy: Whether a run holds it now.
    """

    what: str
    size: int
    where: str
    used: float
    models: tuple[str, ...]
    busy: bool


@dataclass(frozen=True, slots=True)
class Item:
    """Something to do.

    Attributes:
        number: Tells it from all others.
        model: What it runs on.
        near: What it is given: digests of latents.
        after: Numbers of the items that are to be done before.
    """

    number: int
    model: Hashable = ""
    near: tuple[Hashable, ...] = ()
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """What a worker does now.

    Attributes:
        host: Name of its machine.
        process: Number of its process there.
        device: What its models run on.
        state: ``free``, ``busy`` or ``lost``, while it comes back.
        model: The model that it ran last.
        item: What it does, as a run calls it; empty where it is free.
        evaluations: Scheduler steps that it has run, as far as they were heard of.
    """

    host: str
    process: int
    device: str
    state: str
    model: str = ""
    item: str = ""
    evaluations: int = 0
