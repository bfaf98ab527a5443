"""Names that the language keeps for itself: the environment's variables, and what the script made last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .promises import real

if TYPE_CHECKING:
    from .environment import Environment

__all__ = ["RESERVED", "Fixed", "Variables"]

RESERVED = frozenset({"last_images", "last_prompts", "injected_args", "env"})
"""Names that a script reads and cannot set."""


class Variables(Mapping[str, Any]):
    """Environment variables as templates see them.

    Args:
        environment: Of the script.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def _all(self) -> Mapping[str, str]:
        return {**self._environment.environ, **self._environment.changes}

    def __getitem__(self, name: str) -> Any:
        if name not in self._all():
            raise KeyError(name)
        return self._environment.veiled(self._environment.variable(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"<{len(self)} variables of the environment>"


class Fixed(Mapping[str, Any]):
    """The names that the language keeps for itself, as they are now."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def __getitem__(self, name: str) -> Any:
        if name not in RESERVED:
            raise KeyError(name)
        whole = self._environment.whole if name == "last_images" else None
        return getattr(self._environment, name) if whole is None else real(whole) if whole.made else whole

    def __iter__(self) -> Iterator[str]:
        return iter(RESERVED)

    def __len__(self) -> int:
        return len(RESERVED)
