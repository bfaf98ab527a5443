"""What is known about a tensor of latents: its space, noise, position, resume state and provenance.

All frozen; only `Resume` holds tensors, and none knows a model or a widget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from jupyter_latents.errors import SettingError

__all__ = [
    "AXES",
    "CLEAN",
    "FORMS",
    "UNKNOWN_SPACE",
    "Form",
    "Noise",
    "Position",
    "Provenance",
    "Resume",
    "Space",
    "StateValue",
]

Form: TypeAlias = Literal["clean", "ve", "vp", "flow"]
FORMS: tuple[str, ...] = get_args(Form)

# The axes that a tensor of latents may have: batch, channels, frames, height, width.
AXES = ("b c h w", "b c f h w")

# A scheduler attribute that travels: numbers, text, tensors (torch.Tensor) and lists of them.
StateValue: TypeAlias = object

_NAMELESS = frozenset({"own", "unknown", "raw VAE"})  # names that say nothing about the meaning of the values


@dataclass(frozen=True, slots=True, repr=False)
class Space:
    """Which VAE's latent space a tensor lives in: model space = (raw - shift) * scale.

    Its methods alone know how a picture's size and a tensor's shape go together.

    Attributes:
        name: Short name, such as ``SD`` or ``Flux``; ``unknown`` for a VAE that no row of facts names.
        channels: Latent channels of the unpacked tensor.
        factor: Pixels of the picture for one latent pixel.
        scaling_factor: Scale of model space.
        shift_factor: Shift of model space.
        channel_mean: Per-channel mean instead of one shift (Wan and Qwen-Image VAEs), else empty.
        channel_std: Per-channel standard deviation instead of one scale, else empty.
        vae: Digest of the VAE's files, empty when not known.
        axes: The axes of the unpacked tensor, one of `AXES`.

    Raises:
        SettingError: Axes that are not known.
    """

    name: str
    channels: int
    factor: int = 8
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    channel_mean: tuple[float, ...] = ()
    channel_std: tuple[float, ...] = ()
    vae: str = ""
    axes: str = AXES[0]

    def __post_init__(self) -> None:
        if self.axes not in AXES:
            raise SettingError(f"the axes of a space are {self.axes!r}; known are {' and '.join(map(repr, AXES))}.")

    def size_of(self, shape: Sequence[int]) -> tuple[int, int]:
        """(width, height) in pixels of the pictures that latents of this shape are.

        Args:
            shape: Shape of the unpacked tensor, in the order of `axes`.
        """
        lengths = dict(zip(self.axes.split(), shape, strict=True))
        return lengths["w"] * self.factor, lengths["h"] * self.factor

    def shape_for(self, width: int, height: int, batch: int = 1) -> tuple[int, ...]:
        """Shape of the unpacked latents of pictures; the inverse of `size_of` for whole latent pixels.

        Args:
            width: Width of the picture in pixels; what goes beyond whole latent pixels is left out.
            height: Its height.
            batch: How many pictures.

        Returns:
            Lengths in the order of `axes`; one frame where there is an axis of frames.
        """
        across, down = self.cells((width, height))
        lengths = {"b": batch, "c": self.channels, "f": 1, "h": down, "w": across}
        return tuple(lengths[axis] for axis in self.axes.split())

    def cells(self, pixels: Sequence[float]) -> tuple[int, ...]:
        """Lengths in picture pixels as whole latent pixels, rounded down."""
        return tuple(int(length // self.factor) for length in pixels)

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of this shape has the axes and channels of this space."""
        axes = self.axes.split()
        return len(shape) == len(axes) and shape[axes.index("c")] == self.channels

    def same_as(self, other: Space) -> bool:
        """Whether latents of this space mean the same to a model of the `other`.

        Equal numbers, whatever the VAE, unless two names tell them apart: the demo models' VAE has SD's numbers and
        other meanings.
        """
        named = {self.name, other.name} - _NAMELESS
        return (
            len(named) < 2
            and (self.channels, self.factor, self.axes) == (other.channels, other.factor, other.axes)
            and (self.channel_mean, self.channel_std) == (other.channel_mean, other.channel_std)
            and math.isclose(self.scaling_factor, other.scaling_factor, rel_tol=1e-4)
            and math.isclose(self.shift_factor, other.shift_factor, abs_tol=1e-4)
        )

    def __str__(self) -> str:
        axes = "" if self.axes == AXES[0] else f", axes {self.axes}"
        return f"{self.name} space ({self.channels} channels, factor {self.factor}{axes})"

    def __repr__(self) -> str:
        """The fields; the usual axes are left out, since digests of models and stages are made of this text."""
        names = [field.name for field in fields(self) if field.name != "axes" or self.axes != AXES[0]]
        return f"Space({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


UNKNOWN_SPACE = Space("unknown", 4)  # stands in where nobody said the space: most VAEs have its factor


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
