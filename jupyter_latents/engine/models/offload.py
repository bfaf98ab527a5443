"""Offload from an accelerator: a model's weights wait in RAM between uses, as diffusers moves them, for one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.models.parts import class_of
from jupyter_latents.errors import ModelError
from jupyter_latents.optimizations import choices_of
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["check_offload", "offload_note", "offloaded"]

_HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")
"""What `apply_group_offloading` calls its hooks."""
_STREAMS = ("cuda", "xpu")
"""Devices that are given the next layers while they compute."""


def check_offload(source: ModelSource, facts: ModelFacts) -> None:
    """Sees that layers can move by themselves where a stage asks for that; reads no weights.

    Args:
        source: What the stage asks for.
        facts: Its model's.

    Raises:
        ModelError: Something holds them where they are.
    """
    if source.offload != "group":
        return
    if source.quantizer is not None:
        raise _refusal(f"{option('quantizer')} packs weights that stay on their device; keep one of the two.")
    fixed = [one.row.name for one in choices_of(source.optimize) if one.row.name == "compile" or one.row.kind]
    if fixed:
        raise _refusal(f"{option('optimize')} {fixed[0]} needs its layers where they are; keep one of the two.")
    for part in (*facts.sources.values(), *facts.further.values()):
        kind = class_of(part.library, part.class_name, part.name) if part.weights else None
        if getattr(kind, "_supports_group_offloading", True) is False:
            raise _refusal(
                f"diffusers moves no layers of the {part.name}, a {part.class_name}; use {option('model_cpu_offload')}."
            )


def _refusal(reason: str) -> ModelError:
    return ModelError(f"{option('model_group_offload')} is not for this stage: {reason}", option="model_group_offload")


def offload_note(source: ModelSource) -> str:
    """That offload changes nothing where there is no accelerator; empty where it does, or is not asked for.

    Args:
        source: What the stage asks for.
    """
    if not source.offload or device_of(source.device).type != "cpu":
        return ""
    return f"{source.offload} offload changes nothing here: there is no accelerator"


@contextmanager
def offloaded(pipeline: Any, offload: str, device: Any) -> Iterator[Any]:
    """Switches diffusers' offload on for a run of a pipeline, and off again; its weights are then in RAM.

    Args:
        pipeline: The pipeline, just made.
        offload: ``model``, ``sequential`` or ``group``.
        device: The torch device that it runs on.
    """
    try:
        if offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=device)
        elif offload == "group":
            streams = device.type in _STREAMS
            pipeline.enable_group_offload(onload_device=device, offload_type="leaf_level", use_stream=streams)
        else:
            pipeline.enable_model_cpu_offload(device=device)
        yield pipeline
    finally:
        pipeline.remove_all_hooks()
        for part in pipeline.components.values():
            if offload == "group":
                _without_groups(part)
            if offload != "sequential" and hasattr(part, "requires_grad_"):
                part.to("cpu")


def _without_groups(part: Any) -> None:
    """Takes group offload off a part."""
    from diffusers.hooks import HookRegistry

    for module in part.modules() if hasattr(part, "modules") else ():
        if hasattr(module, "_diffusers_hook"):
            registry = HookRegistry.check_if_exists_or_initialize(module)
            for name in _HOOKS:
                registry.remove_hook(name, recurse=False)
