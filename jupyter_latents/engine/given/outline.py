"""Latents that a stage is yet to make: their facts without their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jupyter_latents.latents.facts import Noise, Position, Provenance
    from jupyter_latents.latents.spaces import Space
    from jupyter_latents.latents.value import Latents

__all__ = ["Outline", "Standing"]


class Standing(Protocol):
    """What a hand-over needs to know of latents; `Latents` have it, and so has the outline of latents to come."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(batch, channels, height/factor, width/factor)."""

    @property
    def space(self) -> Space | None:
        """The latent space."""

    @property
    def noise(self) -> Noise | None:
        """How noisy."""

    @property
    def position(self) -> Position | None:
        """Step of which schedule."""

    @property
    def provenance(self) -> Provenance:
        """Model, prompt, seed."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to denoise."""

    @property
    def has_estimate(self) -> bool:
        """Whether the clean estimate is known."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The facts of latents that a stage is yet to make.

    Attributes:
        shape: (batch, channels, height/factor, width/factor).
        space: The latent space.
        noise: How noisy.
        position: Step of which schedule; None where they will stand on none.
        provenance: Model, prompt, seed.
        has_estimate: Whether the clean estimate will be known; a stage keeps it.
        has_history: Whether they will carry the scheduler's state; a stage keeps it.
        deviation: Standard deviation of values that are there and do not say what they are; None else.
        made: Tells what makes them from all that makes others; empty where nobody knows.
    """

    shape: tuple[int, ...]
    space: Space | None
    noise: Noise | None
    position: Position | None
    provenance: Provenance
    has_estimate: bool = True
    has_history: bool = True
    deviation: float | None = None
    made: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to denoise."""
        return self.noise is not None and self.noise.is_clean

    @staticmethod
    def of(latents: Standing) -> Outline:
        """The facts of latents that are there.

        Args:
            latents: Latents, or an outline, which is returned as it is.
        """
        if isinstance(latents, Outline):
            return latents
        history = getattr(latents, "resume", None) is not None and not getattr(latents, "changed_in_place", False)
        return Outline(
            latents.shape,
            latents.space,
            latents.noise,
            latents.position,
            latents.provenance,
            latents.has_estimate,
            history,
            _deviation(latents),
        )

    def stand_in(self) -> Latents:
        """Latents of these facts whose values are all 0, so that operations upon latents can tell what they will make.

        Returns:
            A value that is for asking alone; no stage may be given it.
        """
        import torch

        from jupyter_latents.latents.facts import Resume
        from jupyter_latents.latents.value import Latents

        blank = torch.zeros(()).expand(self.shape)
        history = Resume() if self.has_history else None
        estimate = blank if self.has_estimate else None
        return Latents(blank, self.space, self.noise, self.position, history, self.provenance, estimate)


def _deviation(latents: Standing) -> float | None:
    """Standard deviation of bare latents, by which they are judged where they become a picture."""
    from jupyter_latents.engine.schedule.likeness import deviation_of

    tensor = getattr(latents, "tensor", None)
    return deviation_of(tensor) if tensor is not None and latents.noise is None else None
