"""What latents are made of: the tensor with its facts, checked, as operations and files know it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import torch

from jupyter_latents.errors import LatentsError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.facts import Noise, Position, Provenance, Resume
from jupyter_latents.latents.forms import check_level
from jupyter_latents.latents.sound import sound_of
from jupyter_latents.latents.spaces import Space, for_shape, likely_spaces
from jupyter_latents.latents.tensors import check_tensor, tensor_digest
from jupyter_latents.latents.trajectory import Trajectory

__all__ = ["LatentsData"]

_TYPES: Mapping[str, tuple[type, str]] = MappingProxyType(
    {
        "space": (Space, "give its name in replace(space='sdxl') or a Space"),
        "noise": (Noise, "give CLEAN or Noise(sigma, form)"),
        "position": (Position, "give a Position"),
        "resume": (Resume, "give a Resume"),
        "provenance": (Provenance, "give a Provenance"),
    }
)


def _check_facts(latents: LatentsData) -> None:
    """Raises unless each fact of `latents` is of its kind; callers may give anything."""
    for name, (kind, advice) in _TYPES.items():
        fact = getattr(latents, name)
        if not isinstance(fact, kind) and not (fact is None and name != "provenance"):
            raise LatentsError(f"the {name} of latents is {shown(fact)}; {advice}.")
    denoised: object = latents.denoised
    if denoised is not None and not isinstance(denoised, torch.Tensor):
        raise LatentsError(f"the clean estimate (denoised) is {shown(denoised)}; it is a tensor, or None.")
    if isinstance(denoised, torch.Tensor) and denoised.shape != latents.tensor.shape:
        raise LatentsError(
            f"the clean estimate (denoised) has shape {tuple(denoised.shape)} and the latents {latents.shape}; they "
            "are equal. Give both in replace(tensor=..., denoised=...), None where the estimate is not known."
        )
    steps: object = latents.trajectory
    if not isinstance(steps, Sequence) or not all(isinstance(step, type(latents)) for step in steps):
        raise LatentsError(f"the trajectory of latents is {shown(steps)}; it is a sequence of latents.")


def _on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor on the CPU and without its gradient; itself where it is so already."""
    return tensor.detach().to("cpu") if tensor.requires_grad or tensor.device.type != "cpu" else tensor


_CHANGED = -1
"""No number that torch counts; says of a pickled value that it had been changed."""


def _version(tensor: torch.Tensor) -> int | None:
    """How often torch has changed a tensor in place; None where it does not count, in inference mode."""
    return None if tensor.is_inference() else tensor._version  # noqa: SLF001 - torch has no other name for it


def _misfit(shape: tuple[int, ...], space: Space) -> str:
    """Why a tensor of this shape is not of a space, as the rest of a sentence."""
    if len(shape) == len(space.axes.split()):
        return f"have {shape[1]} channels{likely_spaces(shape[1])}; they are not of {space}."
    kinds = ("clips", "pictures") if len(shape) > len(space.axes.split()) else ("pictures", "clips")
    return f"are {kinds[0]}, and {space} is one of {kinds[1]}."


@dataclass(frozen=True, eq=False, repr=False)
class LatentsData:
    """A frozen tensor with its facts; abstract: `Latents` is the one class of it, with the operations as methods.

    Attributes:
        tensor: Shape (batch, channels, height/factor, width/factor), of clips (batch, channels, frames, height/factor,
            width/factor), unpacked, on the CPU, in the form `noise` names.
        space: The latent space; None when nobody said (a bare tensor file).
        noise: How noisy; None when nobody said.
        position: Step of which schedule; None for foreign latents.
        resume: Scheduler and generator state for exact continuation, or None.
        provenance: Model, prompt, seed and parents.
        denoised: The model's last clean estimate (x0), same shape; None when not known.
        trajectory: The latents after each step of the run that made these, first to last; empty when not kept.
    """

    tensor: torch.Tensor
    space: Space | None = None
    noise: Noise | None = None
    position: Position | None = None
    resume: Resume | None = None
    provenance: Provenance = field(default_factory=Provenance)
    denoised: torch.Tensor | None = None
    trajectory: Trajectory = field(default=Trajectory(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_made_at", time.time())
        check_tensor(self.tensor)
        _check_facts(self)
        object.__setattr__(self, "tensor", _on_cpu(self.tensor))
        if self.denoised is not None:
            object.__setattr__(self, "denoised", _on_cpu(self.denoised))
        object.__setattr__(self, "_version", _version(self.tensor))
        if self.noise is not None:
            check_level(self.noise.sigma, self.noise.form)
        steps: object = self.trajectory
        if not isinstance(steps, Trajectory):
            object.__setattr__(self, "trajectory", Trajectory(self.trajectory))
        if self.space is not None and not self.space.holds(self.shape):
            raise LatentsError(f"latents of shape {self.shape} {_misfit(self.shape, self.space)}")

    def __getstate__(self) -> dict[str, object]:
        """What is pickled: a copy, since another thread may ask for the digest meanwhile, which is kept here."""
        return {**self.__dict__, "_version": _CHANGED if self.changed_in_place else None}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        """Takes what was pickled; a tensor that is read anew counts its changes anew."""
        self.__dict__.update(state)
        if state.get("_version") != _CHANGED:
            self.__dict__["_version"] = _version(self.tensor)

    @property
    def shape(self) -> tuple[int, ...]:
        """(batch, channels, height/factor, width/factor), with the frames after the channels for clips."""
        return tuple(self.tensor.shape)

    @property
    def moves(self) -> bool:
        """Whether these are clips."""
        return for_shape(None, self.shape).moves

    @property
    def frames(self) -> int:
        """Frames of each clip; 1 for pictures."""
        return for_shape(self.space, self.shape).frames_of(self.shape)

    @property
    def size(self) -> tuple[int, int]:
        """Picture size in pixels as (width, height)."""
        return for_shape(self.space, self.shape).size_of(self.shape)

    @property
    def sound(self) -> torch.Tensor | None:
        """Latents of the sound that belongs to a clip of LTX-2, (batch, tokens, channels); None without."""
        return sound_of(self.resume)

    @property
    def made_at(self) -> float:
        """When this value was made, by a stage, an operation or from a file: seconds of `time.time`."""
        made: float = self.__dict__["_made_at"]
        return made

    @property
    def changed_in_place(self) -> bool:
        """Whether torch changed the tensor's values since this value was made (``base.tensor.mul_(2)``).

        The scheduler's history is not of these latents then: a stage continues them without it. What is changed
        through a numpy array of the same memory is not seen.
        """
        return bool(_version(self.tensor) != self.__dict__["_version"])

    @property
    def is_clean(self) -> bool:
        """Whether the latents are known to be fully denoised."""
        return self.noise is not None and self.noise.is_clean

    @property
    def has_estimate(self) -> bool:
        """Whether the model's last clean estimate is known."""
        return self.denoised is not None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tensor's dtype, shape and bytes (32 hexadecimal digits)."""
        return tensor_digest(self.tensor)
