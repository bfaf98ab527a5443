"""What is known about a tensor of latents: its noise, position, resume state and provenance.

All frozen; only `Resume` holds tensors, and none knows a model or a widget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeAlias

from jupyter_latents.errors import SettingError
from jupyter_latents.latents.arguments import bounded, number, seed_number, settle, shown, text, texts
from jupyter_latents.latents.form_table import FORMS, ROWS, Form

__all__ = [
    "CLEAN",
    "FORMS",
    "Form",
    "Noise",
    "Position",
    "Provenance",
    "Resume",
    "StateValue",
]

# A scheduler attribute that travels: numbers, text, tensors (torch.Tensor) and lists of them.
StateValue: TypeAlias = object

_MOST_STEPS = 1_000_000  # beyond any schedule, and small enough that nothing made of it takes memory or time


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
        return ROWS["flow"].own(self.sigma)

    @property
    def own_sigma(self) -> float:
        """The level as the schedulers of its form write it: `flow_sigma` in flow form, else `sigma`."""
        return ROWS[self.form].own(self.sigma)

    @property
    def form_shown(self) -> str:
        """Its form as people read it: ``VE``, ``VP``, ``flow``."""
        return ROWS[self.form].shown

    def __str__(self) -> str:
        if self.is_clean:
            return "clean"
        return f"σ {self.own_sigma:.3g} ({self.form_shown})"


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
        texts(self, "a position", "scheduler", "schedule", "model")
        of = bounded(self.of, "the number of steps of a schedule", 1, _MOST_STEPS)
        settle(self, of=of, step=bounded(self.step, "the step of a position", 0, of))

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
        texts(self, "a provenance", "model", "revision", "prompt", "negative_prompt", "operation", "cell")
        if self.seed is not None:
            settle(self, seed=seed_number(self.seed))
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
