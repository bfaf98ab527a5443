"""What a stage is known by: a digest of all that decides its steps, and nothing that does not."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from jupyter_latents.stage import Output, Stage, Window

if TYPE_CHECKING:
    from jupyter_latents.engine.inputs import Inputs
    from jupyter_latents.engine.models.facts import ModelFacts
    from jupyter_latents.engine.result import StageResult
    from jupyter_latents.latents.value import Latents

__all__ = ["seal", "stage_digest"]


def stage_digest(stage: Stage, inputs: Inputs, facts: ModelFacts) -> str:
    """A digest of all that decides a stage's steps, where they end left out.

    Args:
        stage: What is asked for.
        inputs: Its resolved inputs.
        facts: Its model.

    Raises:
        ModelError: The stage names a device or dtype that is not there.
    """
    from jupyter_latents.engine.models.load import dtype_of
    from jupyter_latents.engine.models.memory import device_of
    from jupyter_latents.engine.versions import deciding_versions, numerics

    plain = replace(stage, window=Window(stage.window.start), output=Output(), into=None, force=False, image_seed=None)
    device = device_of(stage.model.device)
    around = sorted(deciding_versions().items()), numerics(device), str(dtype_of(stage.model, facts, device))
    digest = hashlib.sha256(repr((plain, facts.identity, around)).encode())
    for latents in inputs.latents:
        digest.update(_latents_identity(latents).encode())
    for picture in (*inputs.images, *inputs.masks, *inputs.controls):
        digest.update(f"{picture.mode}{picture.size}".encode() + picture.tobytes())
    digest.update(
        repr([len(getattr(inputs, field.name)) for field in fields(inputs) if field.name != "asked"]).encode()
    )
    return digest.hexdigest()


def seal(result: StageResult) -> int:
    """A checksum of a result's latents and pictures: another one says that somebody changed them in place."""
    from jupyter_latents.latents.checksums import checksum

    sum_ = 0
    for latents in (*result.latents.trajectory, result.latents):
        sum_ = checksum(latents, sum_)
    for picture in result.images:
        sum_ = zlib.crc32(picture.tobytes(), sum_)
    return sum_


def _latents_identity(latents: Latents) -> str:
    """What of latents has a part in the steps that begin with them; their tensors as they are now, not as they were."""
    made, resume = latents.provenance, latents.resume
    history = "" if resume is None else _told((dict(resume.scheduler), resume.generator, dict(resume.versions)))
    origin = (made.model, made.seed, sorted(made.options.items()))
    tensors = _told((latents.tensor, latents.denoised))
    return repr((tensors, latents.noise, latents.position, origin, latents.space, history))


def _told(value: Any) -> str:
    """Text that tells a value from every other: tensors by their bytes and layout, since kernels round by layout."""
    import torch

    from jupyter_latents.latents.checksums import tensor_bytes

    if isinstance(value, torch.Tensor):
        layout = [value.is_contiguous()]
        layout += [value.is_contiguous(memory_format=torch.channels_last)] if value.dim() == 4 else []
        head = f"{value.dtype}{tuple(value.shape)}{layout}"
        return f"{head}{hashlib.sha256(tensor_bytes(value)).hexdigest()}"
    if isinstance(value, Mapping):
        return repr([(name, _told(item)) for name, item in sorted(value.items())])
    if isinstance(value, (list, tuple)):
        return repr([_told(item) for item in value])
    return repr(value)
