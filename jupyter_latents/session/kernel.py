"""The session of a kernel, one for each namespace: a shell's cells find the one that they began."""

from __future__ import annotations

import weakref
from collections.abc import MutableMapping
from typing import Any

from jupyter_latents.session.session import Session

__all__ = ["current"]


class _Latest:
    """The session asked for last, and those that somebody still holds: a shell, a panel, a run."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._nameless = False  # whether it was made before anybody gave it a namespace
        self._by_names: weakref.WeakValueDictionary[int, Session] = weakref.WeakValueDictionary()

    def of(self, names: MutableMapping[str, Any] | None) -> Session:
        if self._session is None:
            self._session, self._nameless = Session(names), names is None
        if names is not None and self._session.names is not names:
            if self._nameless:
                self._session.names = names
            else:
                self._session = self._by_names.get(id(names)) or Session(names)
            self._nameless = False
        self._by_names[id(self._session.names)] = self._session
        return self._session


_LATEST = _Latest()


def current(names: MutableMapping[str, Any] | None = None) -> Session:
    """The session of a namespace, made when first asked for.

    Args:
        names: A kernel's namespace. None for the session that was asked for last; one that is then made is that of the
            first namespace to come.
    """
    return _LATEST.of(names)
