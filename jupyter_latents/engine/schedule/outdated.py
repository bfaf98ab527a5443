"""Settings of old schedulers and U-Nets, in whose place Stable Diffusion's pipelines take others when they are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import Parameter
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.libraries.signatures import parameters_of

__all__ = ["MENDED", "mended", "mended_note", "mended_size"]

_STEPS = MappingProxyType({"steps_offset": 1})
_CLIPS = MappingProxyType({**_STEPS, "clip_sample": False})

MENDED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "AltDiffusionPipeline": _CLIPS,
        "StableDiffusionPipeline": _CLIPS,
        "StableDiffusionImg2ImgPipeline": _CLIPS,
        "StableDiffusionInpaintPipeline": MappingProxyType({**_STEPS, "skip_prk_steps": True}),
        "StableDiffusionPAGImg2ImgPipeline": _CLIPS,
        "StableDiffusionPAGInpaintPipeline": _CLIPS,
        "StableDiffusionPAGPipeline": _CLIPS,
        "StableDiffusionPipelineSafe": _CLIPS,
    }
)
"""Pipeline class to the settings that it takes whatever its scheduler's file says."""


def mended(pipeline_class: str, scheduler: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's settings as its model's pipeline takes them; what a stage asks for itself, it gets.

    A setting that is not written has the value that its class gives it, and is mended, too.

    Args:
        pipeline_class: ``_class_name`` of the model's ``model_index.json``.
        scheduler: The scheduler's class name.
        config: Its settings as they are written.
    """
    import diffusers

    found = getattr(diffusers, scheduler, None)
    right = MENDED.get(pipeline_class, {})
    if found is None or not right:
        return dict(config)
    usual = {name: one.default for name, one in parameters_of(found.__init__).items() if one.default != Parameter.empty}
    whole = {**usual, **config}
    return {**config, **{name: value for name, value in right.items() if _is_other(whole.get(name), value)}}


def _is_other(written: Any, right: Any) -> bool:
    """Whether a value stands in the place of the right one; nonsense stays, and is refused by name."""
    return type(written) is type(right) and written != right and written >= 0


def mended_size(pipeline_class: str, unet: Mapping[str, Any]) -> Any:
    """The sample size of a U-Net as its model's pipeline takes it: 64 for a smaller one of diffusers before 0.9.

    Args:
        pipeline_class: ``_class_name`` of the model's ``model_index.json``.
        unet: The U-Net's configuration.
    """
    size, version = unet.get("sample_size"), re.findall(r"\d+", str(unet.get("_diffusers_version", "")))
    is_old = bool(version) and tuple(map(int, version[:2])) < (0, 9)
    return 64 if pipeline_class in MENDED and is_old and isinstance(size, int) and size < 64 else size


def mended_note(written: Mapping[str, Any], taken: Mapping[str, Any], scheduler: Any) -> str:
    """What is to be told of settings that are mended; empty where there are none.

    Args:
        written: A model's settings of its scheduler.
        taken: The same, mended.
        scheduler: The scheduler that a stage runs with, which may have been asked for another value.
    """
    both = [
        f"{name} {_shown(value)}" + (f" and not {_shown(written[name])}" if name in written else "")
        for name, value in taken.items()
        if name not in written or written[name] != value
        if scheduler.config.get(name) == value and (name != "steps_offset" or _leads(scheduler))
    ]
    return f"the model's scheduler is of an old kind: its pipeline takes {', '.join(both)}" if both else ""


def _leads(scheduler: Any) -> bool:
    """Whether a scheduler goes by its offset: others space their timesteps by the last one, or choose some of many."""
    chooses = "original_inference_steps" in parameters_of(scheduler.set_timesteps)
    return not chooses and scheduler.config.get("timestep_spacing", "leading") == "leading"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
