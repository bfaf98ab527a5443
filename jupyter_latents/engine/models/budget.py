"""What the settings of all who share a cache let models take: the smallest of their budgets."""

from __future__ import annotations

import weakref

from jupyter_latents.settings import Settings

__all__ = ["ModelBudget"]


class ModelBudget:
    """How many bytes models may take, as several settings say together; read each time it matters.

    Args:
        settings: The first to be heeded, for good; others are heeded as long as somebody holds them.
    """

    def __init__(self, settings: Settings) -> None:
        self._own = settings
        self._others: list[weakref.ref[Settings]] = []

    def heed(self, settings: Settings) -> None:
        """Heeds some settings, too.

        Args:
            settings: Those of one more session.
        """
        if all(one is not settings for one in self._all()):
            self._others = [one for one in self._others if one() is not None]
            self._others.append(weakref.ref(settings))

    @property
    def model_memory(self) -> int | None:
        """Bytes of RAM that models may take; None for what is free."""
        return _smallest([one.model_memory for one in self._all()])

    @property
    def device_memory(self) -> int | None:
        """Bytes that models may take on each accelerator; None for what is free."""
        return _smallest([one.device_memory for one in self._all()])

    def _all(self) -> list[Settings]:
        return [self._own, *(one for ref in self._others if (one := ref()) is not None)]


def _smallest(budgets: list[int | None]) -> int | None:
    return min((budget for budget in budgets if budget is not None), default=None)
