"""What goes into a stage, resolved; and what is known of it before it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from jupyter_latents.processing import grey_share
from jupyter_latents.stage import Stage

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine.given.outline import Standing
    from jupyter_latents.latents.value import Latents

__all__ = ["Call", "Given", "Inputs", "Loop"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a stage's image seed stands for, resolved.

    Attributes:
        latents: Raw latents to start from.
        images: Pictures in the image position, all of one size; of a clip, its frames.
        masks: Inpaint masks.
        controls: Control images.
        adapters: Images of each IP-Adapter.
        sized: (width, height) in pixels of the first control image, where the picture is to have its size.
        asked: (width, height) in pixels that the first picture was to have, before its sides were rounded; None where
            they were not.
        notes: What is to be told of the pictures.
        decoded: The facts of latents that pictures, masks and control images were decoded from.
        fps: Frames a second of a clip; 0 where nobody says.
        pasted: Latents that processors take besides, in the order of `Stage.pasted`.
    """

    latents: tuple[Latents, ...] = ()
    images: tuple[Image, ...] = ()
    masks: tuple[Image, ...] = ()
    controls: tuple[Image, ...] = ()
    asked: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    decoded: Sequence[Standing] = ()
    adapters: tuple[tuple[Image, ...], ...] = ()
    sized: tuple[int, int] | None = None
    fps: float = 0.0
    pasted: tuple[Latents, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What decides a stage's course of its inputs; known before pictures are read and before latents are made.

    Attributes:
        latents: The facts of the latents to start from.
        images: (width, height) in pixels of each picture in the image position.
        masks: How many masks there are.
        controls: How many control images there are.
        adapters: How many images each IP-Adapter has.
        sized: See `Inputs`.
        asked: See `Inputs`.
        notes: See `Inputs`.
        decoded: See `Inputs`.
        fps: See `Inputs`.
        pasted: The facts of latents that processors take besides.
        grey: The share of a mask's pixels that are grey, beyond its edges (`processing.grey_share`); of several
            masks the largest; 0 where that is not known before the run.
    """

    latents: Sequence[Standing] = ()
    images: tuple[tuple[int, int], ...] = ()
    masks: int = 0
    controls: int = 0
    asked: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    decoded: Sequence[Standing] = ()
    adapters: tuple[int, ...] = ()
    sized: tuple[int, int] | None = None
    fps: float = 0.0
    pasted: Sequence[Standing] = ()
    grey: float = 0.0

    @staticmethod
    def of(inputs: Inputs) -> Given:
        """What is known of inputs that are there."""
        sizes = tuple(image.size for image in inputs.images)
        masks, controls = len(inputs.masks), len(inputs.controls)
        adapters = tuple(map(len, inputs.adapters))
        beside = (inputs.asked, inputs.notes, inputs.decoded, adapters, inputs.sized, inputs.fps, inputs.pasted)
        return Given(inputs.latents, sizes, masks, controls, *beside, max(map(grey_share, inputs.masks), default=0.0))


@dataclass(frozen=True, slots=True)
class Loop:
    """The timesteps that a pipeline's loop sees, as a part of those of the whole run.

    Attributes:
        seen: Which of the whole run's timesteps they are, each by its place.
        whole: Timesteps of the whole run.
    """

    seen: Sequence[int]
    whole: int


@dataclass(frozen=True, slots=True)
class Call:
    """What a pipeline's call is made for, its tensors and pictures left out.

    Attributes:
        stage: What is asked for.
        given: What goes into it.
        mode: ``txt2img``, ``img2img`` or ``inpaint``.
        size: (width, height) in pixels.
        pipeline: The diffusers class.
        strength: For the modes that take a picture.
        batch: Latents at once.
        frames: Frames of each clip; 1 for pictures.
        fps: Frames a second of clips.
        loop: What its loop sees; None while that is not known.
        before: (width, height) in pixels that pictures have before processors make them `size`; None for that size.
        active: Which addresses of the model's fields hold meanwhile, for fields in which one does not always.
    """

    stage: Stage
    given: Given
    mode: str
    size: tuple[int, int]
    pipeline: type = object
    strength: float = 1.0
    batch: int = 1
    frames: int = 1
    fps: float = 0.0
    loop: Loop | None = None
    before: tuple[int, int] | None = None
    active: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def pag(self) -> bool:
        """Whether perturbed attention guides it as well."""
        return self.stage.pag_scale is not None or self.stage.pag_adaptive_scale is not None
