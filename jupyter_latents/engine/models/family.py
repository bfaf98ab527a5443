"""What tells one family of models from another: a row of the table in `families`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.schedule.window import FractionRule
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["STEERING", "Family"]


@dataclass(frozen=True, slots=True)
class Family:
    """What tells one family of models from another.

    Attributes:
        name: Short name.
        model_types: dgenerate's ``--model-type`` names.
        made_as: Pipeline class names in ``model_index.json`` that mean this family.
        txt2img: diffusers pipeline class for prompts alone; None when the family has none.
        img2img: Class for an input image.
        inpaint: Class for an input image with a mask.
        special: The same three with what steers the model: ``control``, ``union`` (ControlNets of many modes), ``t2i``,
            ``pag``, or several with ``+`` between, in the order of the alphabet.
        fraction: How fractions count: of the steps, or of the training timesteps as in diffusers' SDXL.
        schedule: What its pipeline passes to ``set_timesteps``, a row of `timesteps.ARGUMENTS`.
        layout: How the loop packs latents, a row of `layout.LAYOUTS`.
        default_size: Pixels, or (width, height), where the model's configuration names none.
        guidance: Name of the call's argument for the guidance scale; ``guider`` where a part of that name holds it.
        half: The half precision that suits the family on an accelerator.
        align: Picture sizes are multiples of this many pixels.
        negative: Whether a negative prompt has an effect.
        direct_latents: Whether a tensor in the image position with ``--denoising-start`` goes in undecoded.
        call: Further arguments of every call.
        text: How the embeddings of its text encoders are laid out, a row of `prompts.TEXT_LAYOUTS`; empty where weights
            in prompts are not read.
        guided_above: The guidance scale above which the pipeline passes the denoiser twice a step; None for never.
        frames: Frames of a clip where nobody says; 0 for families of pictures.
        fps: Frames a second that it was trained on.
        pictured: Whether a picture steers every step (image to video), so that each stage of a run needs it, and it is
            noised to no strength.
        leads: Whether a clip may stand in that picture's place, which the result begins with.
        when: Name of a setting of ``model_index.json``, or of the denoiser, that models of this row have; empty for
            all.
        finish: What the pipeline does to its latents in and after the loop, a row of `finish.FINISHES`.
        later: Why what stands in the place of a picture is not taken, though diffusers takes it; empty where it is.
        alone: Whether its pipelines make one clip at a time: diffusers' take a larger number and make one, or fail.
        noises: Whether its pipeline puts noise on all latents that it is given.
        sees: Whether its pipelines use the picture encoder that comes with a model.
        sound: Whether sound is made with a clip, whose latents travel beside the clip's.
        foreseen: Whether the pipeline is known to set the timesteps of `schedule`; else only its run tells them.
        tokens: The most tokens of a text that its pipelines take.
    """

    name: str
    model_types: tuple[str, ...]
    made_as: tuple[str, ...]
    txt2img: str | None
    img2img: str | None = None
    inpaint: str | None = None
    special: Mapping[str, tuple[str | None, str | None, str | None]] = field(default_factory=lambda: _NONE)
    fraction: FractionRule = "steps"
    schedule: str = "plain"
    layout: str = "plain"
    default_size: int | tuple[int, int] = 1024
    guidance: str = "guidance_scale"
    half: str = "float16"
    align: int = 8
    negative: bool = True
    direct_latents: bool = False
    call: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""
    guided_above: float | None = 1.0
    frames: int = 0
    fps: int = 16
    pictured: bool = False
    leads: bool = False
    when: str = ""
    finish: str = ""
    later: str = ""
    alone: bool = False
    noises: bool = False
    sees: bool = False
    sound: bool = False
    foreseen: bool = True
    tokens: int = 1024

    @property
    def takes_clips(self) -> bool:
        """Whether what stands in the place of a picture is a clip, which is noised to a strength."""
        return bool(self.frames) and self.img2img is not None and not self.pictured

    @property
    def reads_clips(self) -> bool:
        """Whether a clip may stand in the place of a picture."""
        return self.takes_clips or self.leads

    def pipeline_name(self, mode: str, steering: Collection[str] = ()) -> str:
        """The diffusers class for a mode.

        Args:
            mode: ``txt2img``, ``img2img`` or ``inpaint``.
            steering: What steers it, ``control`` and so on.

        Raises:
            ModelError: diffusers has none for this family.
        """
        if steering:
            kinds = sorted(steering)
            steered = self.special.get("+".join(kinds), _NO_MODE)[_MODES.index(mode)]
            if steered is None:
                blamed = [STEERING[kind] for kind in kinds]
                raise ModelError(
                    f"{self.name} runs no {mode} with {' and '.join(map(option, blamed))} in diffusers; "
                    f"{self._instead(kinds)}.",
                    option=blamed[-1],
                )
            return steered
        name: str | None = getattr(self, mode)
        if name is None and self.later:
            raise ModelError(f"{self.name}: {self.later}.", option="image_seeds")
        if name is None:
            have = [other for other in ("txt2img", "img2img", "inpaint") if getattr(self, other)]
            way = "" if self.txt2img or not have else f" Give it a picture or latents by {option('image_seeds')}."
            where = "in diffusers" if self.model_types else "here"  # others run by their own class alone
            raise ModelError(f"{self.name} has no {mode} pipeline {where}; it runs {', '.join(have)}.{way}")
        return name

    def _instead(self, kinds: Sequence[str]) -> str:
        """What to do where a mode has no pipeline with what steers it."""
        have = [name for name, there in zip(_MODES, self.special.get("+".join(kinds), _NO_MODE), strict=True) if there]
        if have:
            return f"it does so for {', '.join(have)} alone"
        return "use one of them alone" if len(kinds) > 1 and self.special else f"leave {option(STEERING[kinds[0]])} out"


STEERING = MappingProxyType(
    {"control": "control_nets", "pag": "pag_scales", "t2i": "t2i_adapters", "union": "control_nets"}
)
"""What steers a model to the option that names it."""

_MODES = ("txt2img", "img2img", "inpaint")
_NO_MODE = (None, None, None)
_NONE: Mapping[str, tuple[str | None, str | None, str | None]] = MappingProxyType({})
