"""A pipeline's class with methods that go on after its own, and hear a stop."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from jupyter_latents.engine.ear import ear
from jupyter_latents.engine.failures.finite import check_finite

__all__ = ["tapped"]

_ENCODING = {
    "encode_prompt": "encoder",
    "encode_image": "encoder",
    "prepare_image_latents": "vae",
    "prepare_mask_latents": "vae",
    "prepare_ip_adapter_image_embeds": "encoder",
}
"""What pipelines do before their first step that takes long, and by which kind of part."""


_SOUND = "prepare_audio_latents"
_COUNTING = ("convert_velocity_to_x0", "convert_x0_to_velocity")
"""Methods that look a noise level up by the number of a step."""


def _heard(method: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """A pipeline's method that ends where the run is to end, or where a part made what is no number.

    It runs without the optimizations of torch's script compiler: this fuses what it has seen before, on an accelerator
    with other roundings, so that what a text becomes would depend on how many were encoded before it (Kolors' ChatGLM).
    """
    compiler: Any = torch.jit

    def heard(self: Any, *args: Any, **kwargs: Any) -> Any:
        with ear(), compiler.optimized_execution(False):
            made = method(self, *args, **kwargs)
        part = "the VAE, while it encoded a picture," if kind == "vae" else "a text encoder"
        dtype = self.vae.dtype if kind == "vae" else _encoder_dtype(self)
        check_finite(made, part, dtype, kind, self.jupyter_latents_tap.extreme)
        return made

    return heard


def _encoder_dtype(pipeline: Any) -> Any:
    encoders = (getattr(pipeline, name, None) for name in ("text_encoder", "text_encoder_2", "text_encoder_3"))
    return next((encoder.dtype for encoder in encoders if encoder is not None), torch.float32)


def _with_sound(pipeline_class: Any) -> dict[str, Any]:
    """Methods of a pipeline that makes sound with its clips; its own count its loop's steps, not the schedule's."""

    def prepare_audio_latents(self: Any, *args: Any, **kwargs: Any) -> Any:
        prepared = pipeline_class.prepare_audio_latents(self, *args, **kwargs)
        return self.jupyter_latents_tap.partner.prepared(prepared)

    def counted(name: str) -> Callable[..., Any]:
        own = getattr(pipeline_class, name)

        def method(self: Any, sample: Any, output: Any, step_idx: int, scheduler: Any = None) -> Any:
            return own(self, sample, output, step_idx + self.jupyter_latents_tap.offset(), scheduler)

        return method

    found = {name: counted(name) for name in _COUNTING if hasattr(pipeline_class, name)}
    return {**found, "prepare_audio_latents": prepare_audio_latents} if _SOUND in vars(pipeline_class) else found


@functools.cache
def tapped(pipeline_class: type) -> type:
    """The pipeline class with two methods that go on after its own: ``prepare_latents`` and ``get_timesteps``.

    Its methods that encode hear a stop.

    Args:
        pipeline_class: A diffusers pipeline class.

    Returns:
        A subclass whose instances hand their prepared latents and strength-cut timesteps to their tap.
    """

    def prepare_latents(self: Any, *args: Any, **kwargs: Any) -> Any:
        prepared = pipeline_class.prepare_latents(self, *args, **kwargs)  # type: ignore[attr-defined]
        first, rest = (prepared[0], tuple(prepared[1:])) if isinstance(prepared, tuple) else (prepared, None)
        own = self.jupyter_latents_tap.latents_prepared(first, rest or ())
        return own if rest is None else (own, *rest)

    def get_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        *before, timesteps, steps = pipeline_class.get_timesteps(self, *args, **kwargs)  # type: ignore[attr-defined]
        return (*before, self.jupyter_latents_tap.cut(timesteps), steps)

    def encode_prompt(self: Any, *args: Any, **kwargs: Any) -> Any:
        own, encode = pipeline_class.encode_prompt, self.jupyter_latents_tap.encode  # type: ignore[attr-defined]
        return own(self, *args, **kwargs) if encode is None else encode(own, self, args, kwargs)

    methods: dict[str, Any] = {
        name: _heard(getattr(pipeline_class, name), kind)
        for name, kind in _ENCODING.items()
        if hasattr(pipeline_class, name)
    }
    if "encode_prompt" in methods:
        methods["encode_prompt"] = _heard(encode_prompt, _ENCODING["encode_prompt"])
    methods["prepare_latents"] = _heard(prepare_latents, "vae")
    methods |= _with_sound(pipeline_class)
    if hasattr(pipeline_class, "get_timesteps"):
        methods["get_timesteps"] = get_timesteps
    for name, method in methods.items():
        functools.update_wrapper(method, getattr(pipeline_class, name))
    return type(pipeline_class.__name__, (pipeline_class,), {**methods, "__module__": pipeline_class.__module__})
