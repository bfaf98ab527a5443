"""Filters of templates, kept in bounds: what fills up, joins or adds is measured before it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from . import sight
from .limits import check_length, percent
from .promises import Promise, real

__all__ = ["SafeTable", "add_lists", "bound_fill", "bound_texts", "format_values", "look_into"]

_MOST_LISTS = 1_000


def look_into(value: Any) -> Any:
    """What promises stand for, also in a list."""
    if isinstance(value, (list, tuple)) and any(isinstance(item, Promise) for item in value):
        return [real(item) for item in value]
    return real(value)


def bound_fill(fill: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that fills up to a number, which may not be too large."""

    @wraps(fill)
    def bounded(*arguments: Any, **keywords: Any) -> Any:
        sight.check_width([*arguments, *keywords.values()])
        return fill(*arguments, **keywords)

    return bounded


def format_values(value: Any, *arguments: Any, **keywords: Any) -> Any:
    """The filter ``format``: values in a text by ``%``."""
    return percent(str(value), keywords or arguments)


def bound_texts(join: Any) -> Any:
    """A filter of texts, after a check of how long the texts are that it is given."""

    @wraps(join)
    def short(first: Any, value: Any, *arguments: Any, **keywords: Any) -> Any:
        items = list(value) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else value
        parts = items if isinstance(items, list) else [items]
        longest = max((len(given) for given in (*arguments, *keywords.values()) if isinstance(given, str)), default=0)
        count = len(parts) if isinstance(items, list) else len(str(items)) + 1
        check_length(sum(len(part) for part in parts if isinstance(part, str)) + count * longest)
        return join(first, items, *arguments, **keywords)

    return short


def add_lists(add_up: Any) -> Any:
    """The filter ``sum``, of few lists: each one more is copied with all before it."""

    @wraps(add_up)
    def added(first: Any, value: Any, attribute: Any = None, start: Any = 0) -> Any:
        items = list(value)
        if not isinstance(start, (int, float)) and len(items) > _MOST_LISTS:
            raise ValueError(f"{len(items)} lists are too many; {_MOST_LISTS} are put together at most")
        return add_up(first, items, attribute, start)

    return added


class SafeTable(dict[str, Any]):
    """Filters or tests by name, each made safe when it is first asked for.

    Args:
        functions: The filters or tests.
        safe: Makes one safe, given its name.
    """

    def __init__(self, functions: Mapping[str, Any], safe: Callable[[str, Any], Any]) -> None:
        super().__init__(functions)
        self._safe, self._ready = safe, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._ready:
            self._ready[name] = self._safe(name, super().__getitem__(name))
        return self._ready[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The one of a name, or the default where there is none."""
        return self[name] if super().__contains__(name) else default
