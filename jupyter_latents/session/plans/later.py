"""What is there only at the run: a plan does not judge the stages that take it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Later", "UnforeseenError"]


class UnforeseenError(Exception):
    """A plan cannot tell what a stage will do; the message says what the run is to bring first."""


@dataclass(frozen=True, slots=True)
class Later:
    """Stands for what stages will make that a plan cannot judge.

    Attributes:
        reason: Why a stage that takes it is not judged either.
    """

    reason: str

    def error(self) -> UnforeseenError:
        """What a plan meets where a stage takes it."""
        return UnforeseenError(self.reason)
