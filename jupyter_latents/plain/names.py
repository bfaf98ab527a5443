"""The names that a run reads and binds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

__all__ = ["Among"]


class Among(MutableMapping[str, Any]):
    """Names of somebody, with what a run was given before them; what the run alone uses is kept from them.

    Args:
        names: Where results are bound.
        values: What was given, by name.
        own: Names of results that only the run uses.
    """

    def __init__(self, names: MutableMapping[str, Any], values: Mapping[str, Any], own: frozenset[str]) -> None:
        self._names, self._values, self._own = names, dict(values), own

    def _of(self, name: str) -> MutableMapping[str, Any]:
        return self._values if name in self._own or name in self._values else self._names

    def __getitem__(self, name: str) -> Any:
        return self._of(name)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._of(name)[name] = value

    def __delitem__(self, name: str) -> None:
        del self._of(name)[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._values
        yield from (name for name in tuple(self._names) if name not in self._values)

    def __len__(self) -> int:
        return sum(1 for _ in self)
