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
from jupyter_latents.latents.arguments import bounded, number, seed_number, shown, text

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

# Beyond any model's, and small enough that nothing made of them takes memory or time.
_MOST_CHANNELS, _MOST_FACTOR, _MOST_STEPS = 1 << 16, 1 << 10, 1_000_000
_SCALES = (1e-6, 1e6)

_NAMELESS = frozenset({"own", "unknown", "raw VAE"})  # names that say nothing about the meaning of the values


def _settle(fact: object, **values: object) -> None:
    """Puts checked values into a frozen fact while it is made."""
    for name, value in values.items():
        object.__setattr__(fact, name, value)


def _texts(fact: object, what: str, *names: str) -> None:
    for name in names:
        text(getattr(fact, name), f"the {name} of {what}")


def _scale(value: object, name: str, *, zero: bool) -> float:
    """A number that values are shifted by (which may be 0) or divided by (which may not)."""
    wanted = f"it is a finite number{'' if zero else ' other than 0'}, {_SCALES[1]:g} at most."
    scale = number(value, f"the {name} of a space", wanted)
    if not (abs(scale) <= _SCALES[1] and (zero or abs(scale) >= _SCALES[0])):
        raise SettingError(f"the {name} of a space is {scale}; {wanted}")
    return scale


def _scales(values: object, name: str, channels: int, *, zero: bool) -> tuple[float, ...]:
    if not isinstance(values, Sequence) or len(values) not in (0, 1, channels):
        raise SettingError(f"the {name} of a space is {shown(values)}; it has one number for each channel, or none.")
    return tuple(_scale(value, name, zero=zero) for value in values)


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
        SettingError: Axes that are not known, or a number that no space can have.
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
        _texts(self, "a space", "name", "vae")
        channels = bounded(self.channels, "the channels of a space", 1, _MOST_CHANNELS)
        _settle(
            self,
            channels=channels,
            factor=bounded(self.factor, "the factor of a space", 1, _MOST_FACTOR),
            scaling_factor=_scale(self.scaling_factor, "scaling_factor", zero=False),
            shift_factor=_scale(self.shift_factor, "shift_factor", zero=True),
            channel_mean=_scales(self.channel_mean, "channel_mean", channels, zero=True),
            channel_std=_scales(self.channel_std, "channel_std", channels, zero=False),
        )

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

    Raises:
        SettingError: A timestep that is no finite number.
    """

    sigma: float
    form: Form
    timestep: float | None = None

    def __post_init__(self) -> None:
        wanted = "it is a finite number, or None where it is not known."
        if self.timestep is not None and not math.isfinite(number(self.timestep, "the timestep of noise", wanted)):
            raise SettingError(f"the timestep of noise is {self.timestep}; {wanted}")

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

    Raises:
        SettingError: A step outside the schedule, or a schedule without steps.
    """

    step: int
    of: int
    scheduler: str = ""
    schedule: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        _texts(self, "a position", "scheduler", "schedule", "model")
        of = bounded(self.of, "the number of steps of a schedule", 1, _MOST_STEPS)
        _settle(self, of=of, step=bounded(self.step, "the step of a position", 0, of))

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
        cell: The stage that made them, as it stands in a cell; empty where nobody knows.

    Raises:
        SettingError: A value of another kind, or a seed that torch does not take.
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
    cell: str = ""

    def __post_init__(self) -> None:
        _texts(self, "a provenance", "model", "revision", "prompt", "negative_prompt", "operation", "cell")
        if self.seed is not None:
            _settle(self, seed=seed_number(self.seed))
        if self.guidance_scale is not None:
            number(self.guidance_scale, "the guidance_scale of a provenance", "it is a number, or None.")
        if not isinstance(self.options, Mapping):
            raise SettingError(f"the options of a provenance are {shown(self.options)}; they are a mapping of texts.")
        for parent in self.parents:
            text(parent, "a parent of a provenance")

    def number(self, option: str, least: float, most: float) -> float | None:
        """An option as a number; None where it is missing, no number or out of range: a file may say anything.

        Args:
            option: Name of the option.
            least: The lowest value that it may have.
            most: The highest.
        """
        try:
            found = float(self.options.get(option, "nan"))
        except (TypeError, ValueError, OverflowError):
            return None
        return found if least <= found <= most else None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _plain_fields(self)
