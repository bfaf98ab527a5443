"""ComfyUI's `.latent` files: raw VAE values with signal coefficient 1, in a safetensors container.

Layout as ComfyUI's SaveLatent and LoadLatent nodes have it: ``latent_tensor`` and an empty marker tensor
``latent_format_version_0``; files without the marker hold values scaled by 0.18215. Metadata ``prompt`` and
``workflow`` are JSON texts. ComfyUI ignores other metadata, so our own facts travel there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch

from jupyter_latents.errors import LatentsError, LatentsFileError
from jupyter_latents.latents.facts import Provenance
from jupyter_latents.latents.files.content import COMFY_KEY, Codec, Content, others, plain
from jupyter_latents.latents.files.metadata import facts_metadata, is_ours, read_facts
from jupyter_latents.latents.files.safetensors_file import with_file
from jupyter_latents.latents.forms import convert
from jupyter_latents.latents.scaling import scaling_of
from jupyter_latents.latents.spaces import Space
from jupyter_latents.latents.tensors import FLOAT_DTYPES

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["CODEC", "RAW_VAE", "comfy_bytes", "model_from_raw", "raw_from_model", "read_comfy"]

MARKER = "latent_format_version_0"
RAW_VAE = "raw VAE"  # name of the space of a file that does not say which VAE its values are of
UNMARKED_SCALE = 0.18215


def model_from_raw(raw: torch.Tensor, space: Space) -> torch.Tensor:
    """Model space from the VAE's own values, by the numbers of a space."""
    return scaling_of(space, raw).model_from_raw(raw)


def raw_from_model(latents: torch.Tensor, space: Space) -> torch.Tensor:
    """The inverse of `model_from_raw`."""
    return scaling_of(space, latents).raw_from_model(latents)


def comfy_bytes(latents: Latents) -> bytes:
    """A whole file as bytes, float32 as ComfyUI writes it.

    Raises:
        LatentsFileError: Space or noise not known, or pure noise, which has no signal coefficient 1.
    """
    if latents.space is None or latents.noise is None:
        missing = "space" if latents.space is None else "noise"
        raise LatentsFileError(
            f"a .latent file needs the {missing} of the latents, which is not known; "
            f"say it with latents.replace({missing}=...), or save as .safetensors."
        )
    try:
        values = convert(latents.tensor.float(), latents.noise.sigma, latents.noise.form, "ve")
    except LatentsError as error:
        raise LatentsFileError(
            f"a .latent file cannot hold these latents: {error.template} Save as .safetensors."
        ) from error
    stored = plain(raw_from_model(values, latents.space))
    options = latents.provenance.options
    metadata = {name: options[name] for name in ("prompt", "workflow") if name in options}
    metadata |= facts_metadata(latents.replace(denoised=None, position=None), stored)
    return safetensors.torch.save({COMFY_KEY: stored, MARKER: torch.tensor([])}, metadata)


def read_comfy(path: Path, *, verify: bool = True, size: tuple[int, int] | None = None) -> Content:  # noqa: ARG001
    """Reads a file of ComfyUI's or of ours; the tensor stays raw until its space is known.

    Args:
        path: A plain file.
        verify: Whether checksums of ours must agree.
        size: Not asked for.

    Raises:
        LatentsFileError: Truncated, damaged, or without ``latent_tensor``.
    """

    def read(file: Any, metadata: Mapping[str, str], keys: list[str]) -> Content:
        if COMFY_KEY not in keys:
            other = " Give it the ending .safetensors, which reads files with 'latents'." if "latents" in keys else ""
            raise LatentsFileError(f"it has no tensor {COMFY_KEY!r}, which ComfyUI's .latent files have.{other}")
        tensor = plain(file.get_tensor(COMFY_KEY))
        if is_ours(metadata):
            return replace(read_facts(metadata, tensor, verify=verify).content, raw=True)
        left_out = others((key for key in keys if key != MARKER), COMFY_KEY)
        provenance = Provenance(operation="load", options=MappingProxyType(dict(metadata)))
        content = Content(tensor, provenance=provenance, raw=True, left_out=left_out)
        if MARKER in keys:
            return content
        if tensor.dtype in FLOAT_DTYPES:
            tensor = tensor.float() * (1.0 / UNMARKED_SCALE)
        assumed = f"without the marker {MARKER} the values are scaled by {UNMARKED_SCALE}, as ComfyUI reads them"
        return replace(content, tensor=tensor, assumed=(assumed,))

    return with_file(path, read)


CODEC = Codec(read_comfy, comfy_bytes)
