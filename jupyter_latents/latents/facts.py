"""What is known about a tensor of latents: its space, noise, position, resume state and provenance.

All frozen; only `Resume` holds tensors, and none knows a model or a widget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

__all__ = ["CLEAN", "FORMS", "Form", "Noise", "Position", "Provenance", "Resume", "Space", "StateValue"]

Form: TypeAlias = Literal["clean", "ve", "vp", "flow"]
FORMS: tuple[str, ...] = get_args(Form)

# A scheduler attribute that travels: numbers, text, tensors (torch.Tensor) and lists of them.
StateValue: TypeAlias = object

_NAMELESS = frozenset({"own", "unknown", "raw VAE"})  # names that say nothing about the meaning of the values


@dataclass(frozen=True, slots=True)
class Space:
    """Which VAE's latent space a tensor lives in: model space = (raw - shift) * scale.

    Attributes:
        name: Short name, such as ``SD`` or ``Flux``; ``unknown`` for a VAE that no row of facts names.
        channels: Latent channels of the unpacked tensor.
        factor: Pixels of the picture for one latent pixel.
        scaling_factor: Scale of model space.
        shift_factor: Shift of model space.
        channel_mean: Per-channel mean instead of one shift (Wan and Qwen-Image VAEs), else empty.
        channel_std: Per-channel standard deviation instead of one scale, else empty.
        vae: Digest of the VAE's files, empty when not known.
    """

    name: str
    channels: int
    factor: int = 8
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    channel_mean: tuple[float, ...] = ()
    channel_std: tuple[float, ...] = ()
    vae: str = ""

    def same_as(self, other: Space) -> bool:
        """Whether latents of this space mean the same to a model of the `other`.

        Equal numbers, whatever the VAE, unless two names tell them apart: the demo models' VAE has SD's numbers and
        other meanings.
        """
        named = {self.name, other.name} - _NAMELESS
        return (
            len(named) < 2
            and (self.channels, self.factor) == (other.channels, other.factor)
            and (self.channel_mean, self.channel_std) == (other.channel_mean, other.channel_std)
            and math.isclose(self.scaling_factor, other.scaling_factor, rel_tol=1e-4)
            and math.isclose(self.shift_factor, other.shift_factor, abs_tol=1e-4)
        )

    def size_of(self, shape: Sequence[int]) -> tuple[int, int]:
        """(width, height) in pixels of latents of a shape."""
        return shape[-1] * self.factor, shape[-2] * self.factor

    def shape_for(self, width: int, height: int, batch: int = 1) -> tuple[int, ...]:
        """The shape of latents of a picture size in pixels."""
        return batch, self.channels, height // self.factor, width // self.factor

    def __str__(self) -> str:
        return f"{self.name} space ({self.channels} channels, factor {self.factor})"


@dataclass(frozen=True, slots=True)
class Noise:
    """How noisy latents are.

    Attributes:
        sigma: Noise level in variance-exploding terms: standard deviation of the noise over that of the signal's
            coefficient; 0 for clean latents.
        form: How signal and noise are mixed: ``ve`` x0 + sigma*eps, ``vp`` (x0 + sigma*eps)/sqrt(1 + sigma^2),
            ``flow`` (1 - s)*x0 + s*eps with sigma = s/(1 - s), or ``clean``.
        timestep: The model's timestep at that level, when known.
    """

    sigma: float
    form: Form
    timestep: float | None = None

    @property
    def is_clean(self) -> bool:
        """Whether no noise is left."""
        return self.form == "clean" or self.sigma == 0.0

    @property
    def flow_sigma(self) -> float:
        """The same level as the flow models' s, 0 to 1 (s = sigma/(1 + sigma))."""
        return 1.0 if math.isinf(self.sigma) else self.sigma / (1.0 + self.sigma)

    def __str__(self) -> str:
        if self.is_clean:
            return "clean"
        own = self.flow_sigma if self.form == "flow" else self.sigma
        return f"σ {own:.3g} ({'flow' if self.form == 'flow' else self.form.upper()})"


CLEAN = Noise(0.0, "clean", 0.0)


@dataclass(frozen=True, slots=True)
class Position:
    """Where in which schedule latents are.

    Attributes:
        step: Whole steps done.
        of: Whole steps of the full schedule.
        scheduler: Scheduler class name.
        schedule: Digest of the scheduler's class, settings, timesteps and sigmas.
        model: Digest of the model that made them; empty when not known.
    """

    step: int
    of: int
    scheduler: str = ""
    schedule: str = ""
    model: str = ""

    @property
    def fraction(self) -> float:
        """Fraction of the steps done, 0 to 1."""
        return self.step / self.of

    def __str__(self) -> str:
        return f"step {self.step} of {self.of}"


def _plain_fields(value: Resume | Provenance) -> tuple[Any, ...]:
    """The fields, with read-only mappings as dicts, which can be copied and sent to other processes."""
    found = (getattr(value, one.name) for one in fields(value))
    return tuple(dict(one) if isinstance(one, MappingProxyType) else one for one in found)


@dataclass(frozen=True, slots=True, eq=False)
class Resume:
    """What lets a split be continued exactly.

    Attributes:
        scheduler: The scheduler's changing attributes (model-output history, orders, counters; not its tables).
        generator: State of the torch.Generator, a uint8 tensor; None when none was used.
        versions: Library versions that wrote it.
    """

    scheduler: Mapping[str, StateValue] = field(default_factory=lambda: MappingProxyType({}))
    generator: object | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _plain_fields(self)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where latents come from.

    Attributes:
        model: Model name as the stage gave it.
        revision: Revision or digest of the model's files.
        prompt: Positive prompt.
        negative_prompt: Negative prompt.
        seed: Seed of the noise.
        guidance_scale: Guidance scale.
        operation: What made them: ``denoise``, or the name of an operation such as ``blend``.
        options: Further options, as text.
        parents: Digests of the latents they were made from.
    """

    model: str = ""
    revision: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    guidance_scale: float | None = None
    operation: str = "denoise"
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parents: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _plain_fields(self)
