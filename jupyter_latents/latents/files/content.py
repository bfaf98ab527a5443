"""What a format's module is made of: its reader and writer, and what a reader finds in a file."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from jupyter_latents.errors import LatentsError, LatentsFileError, LatentsWarning
from jupyter_latents.latents.facts import Noise, Position, Provenance, Resume
from jupyter_latents.latents.packing import looks_packed, unpack
from jupyter_latents.latents.spaces import UNKNOWN_SPACE, Space

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = [
    "COMFY_KEY",
    "TENSOR_KEYS",
    "Codec",
    "Content",
    "TensorFile",
    "as_batch",
    "others",
    "pick_key",
    "plain",
    "warn",
]

# The keys under which dgenerate looks for latents, ours first.
COMFY_KEY = "latent_tensor"
TENSOR_KEYS = ("latents", "latent", "sample", "samples")

_KNOWN_CHANNELS = (4, 16, 128)
_CLIP_CHANNELS = (*_KNOWN_CHANNELS, 8, 12, 24, 32, 48)
_MOST_TENSORS = 8  # more than this many and none of a known name: model weights, not latents


@dataclass(frozen=True, slots=True)
class Content:
    """A file's tensor and the facts that stand beside it.

    Attributes:
        tensor: As stored, any shape.
        space: As for `Latents`.
        noise: As for `Latents`.
        position: As for `Latents`.
        resume: As for `Latents`.
        provenance: As for `Latents`.
        denoised: As for `Latents`.
        raw: Whether the values are the VAE's own, with signal coefficient 1 (ComfyUI), not model space.
        assumed: What the reader took for granted, one short text each.
        left_out: What the file holds, or should hold, beside and the reader did not take, one short text each.
    """

    tensor: torch.Tensor
    space: Space | None = None
    noise: Noise | None = None
    position: Position | None = None
    resume: Resume | None = None
    provenance: Provenance = field(default_factory=lambda: Provenance(operation="load"))
    denoised: torch.Tensor | None = None
    raw: bool = False
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class TensorFile(Protocol):
    """An open file of tensors."""

    def get_tensor(self, name: str) -> torch.Tensor:
        """The tensor of that name."""


class FileReader(Protocol):
    """Reads a file of one format."""

    def __call__(self, path: Path, *, verify: bool = True, size: tuple[int, int] | None = None) -> Content:
        """The file's content; raises LatentsFileError.

        Args:
            path: A plain file.
            verify: Whether checksums must agree.
            size: (width, height) in pixels of the picture, where a file holds latents of several.
        """


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of file is read and written.

    Attributes:
        read: A file to its content.
        write: Latents to the bytes of a file.
    """

    read: FileReader
    write: Callable[[Latents], bytes]


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous CPU copy that shares memory with nothing and remembers no gradient."""
    return tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)


def pick_key(keys: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The key of the latents among a file's keys, by dgenerate's rule, and what was assumed.

    Raises:
        LatentsFileError: No key, or so many unknown ones that the file is something else.
    """
    names = list(keys)
    known = next((key for key in TENSOR_KEYS if key in names), None)
    if known is not None:
        return known, ()
    if not names:
        raise LatentsFileError("it holds no tensor.")
    if len(names) > _MOST_TENSORS:
        raise LatentsFileError(
            f"it holds {len(names)} tensors and none is called {', '.join(TENSOR_KEYS)}: "
            "these look like a model's weights, not latents."
        )
    assumed = () if len(names) == 1 else (f"the latents are its first tensor, {names[0]!r} of {len(names)}",)
    return names[0], assumed


def others(keys: Iterable[str], key: str) -> tuple[str, ...]:
    """What is left out of a foreign file beside the tensor under `key`.

    Args:
        keys: Those of its tensors that mean something.
        key: The one that is taken.
    """
    names = [name for name in keys if name != key]
    if not names:
        return ()
    mask = " (noise_mask is where ComfyUI denoises; give it as the mask of a stage)" if "noise_mask" in names else ""
    return (f"{', '.join(map(repr, names))}, as latents are one tensor{mask}",)


def as_batch(
    tensor: torch.Tensor, space: Space | None, size: tuple[int, int] | None = None
) -> tuple[torch.Tensor, tuple[str, ...]]:
    """A stored tensor as (batch, channels, height, width) or a clip, if read in one way only; what was assumed.

    Args:
        tensor: A file's tensor.
        space: The space, when known, which tells the channels.
        size: (width, height) in pixels of the picture that packed latents are of.

    Raises:
        LatentsError: Packed latents of another size, or five axes of which none is known to be the channels.
    """
    shape: Mapping[int, int] = dict(enumerate(tensor.shape))
    channels = (space.channels,) if space else _KNOWN_CHANNELS
    moves = space is not None and space.moves
    if tensor.ndim == 5 and not moves and (shape[1] == 1) != (shape[2] == 1):
        frame = 1 if shape[1] == 1 else 2
        return tensor.squeeze(frame), (f"its single frame of shape {tuple(tensor.shape)} is a picture",)
    if tensor.ndim == 5 and shape[1] not in channels and shape[2] in channels:
        return tensor.transpose(1, 2).contiguous(), (
            f"its shape {tuple(tensor.shape)} is (batch, frames, channels, height, width)",
        )
    if tensor.ndim == 5 and space is None and shape[1] not in _CLIP_CHANNELS:
        raise LatentsError(
            f"latents of shape {tuple(tensor.shape)} do not tell which axis is the channels; a clip is (batch, "
            "channels, frames, height, width). Give space=."
        )
    if size is not None and looks_packed(tensor.shape, space) and not _is_of(tensor.shape, space, size):
        return unpack(tensor, size, space)
    # The last test keeps out packed latents (batch, tokens, channels), which are far longer than wide.
    if tensor.ndim == 3 and 0 not in tensor.shape and shape[0] in channels and shape[1] <= 8 * shape[2]:
        return tensor.unsqueeze(0), (f"its shape {tuple(tensor.shape)} is (channels, height, width)",)
    return tensor, ()


def _is_of(shape: Sequence[int], space: Space | None, size: tuple[int, int]) -> bool:
    """Whether a tensor (channels, height, width) has the size of a picture."""
    known = space or UNKNOWN_SPACE
    return shape[0] in ((known.channels,) if space else _KNOWN_CHANNELS) and known.size_of((1, *shape)) == size


def warn(text: str) -> None:
    """Warns with the line of the first caller outside of this package, which is the one to be looked at."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("jupyter_latents."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, LatentsWarning, stacklevel=max(2, level))
