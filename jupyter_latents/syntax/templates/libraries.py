"""Libraries that dgenerate's scripts call: ``glob.glob``, ``os.path.join``, ``np.linspace``; functions alone."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from jupyter_latents.errors import ScriptError, nearest
from jupyter_latents.syntax.text.file_search import search

from .limits import LIMIT

__all__ = ["Library", "files", "paths"]


class Library:
    """Functions, numbers and libraries under one name; nothing else of what bears it elsewhere.

    Args:
        name: What scripts call it.
        members: What is in it.
    """

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        self.name, self.members = name, members

    def look(self, name: str) -> Any:
        """What it has under a name.

        Raises:
            ScriptError: Nothing.
        """
        if name not in self.members:
            hint = nearest(name, self.members) or f"; there are {', '.join(self.members)}."
            raise ScriptError(f"'{self.name}.{name}' is not here{hint}")
        return self.members[name]

    def functions(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Its functions, by their full names."""
        for name, member in self.members.items():
            if isinstance(member, Library):
                yield from member.functions()
            elif callable(member):
                yield f"{self.name}.{name}", member

    def __repr__(self) -> str:
        return f"<the functions of {self.name}>"


def files(wait: Callable[[], object], check: Callable[[], None]) -> Library:
    """``glob``.

    Args:
        wait: Returns when what the script is yet to write is there.
        check: Called in each folder that is searched; it raises to stop.
    """

    def found(pattern: str, recursive: bool = False) -> list[str]:
        wait()
        names = list(islice(search(str(pattern), check, recursive=recursive), LIMIT + 1))
        if len(names) > LIMIT:
            raise ValueError(f"more than {LIMIT} files match, and {LIMIT} are the most")
        return sorted(names)

    found.__name__ = "glob"
    return Library("glob", {"glob": found, "iglob": found})


def paths(wait: Callable[[], object]) -> Library:
    """``os``, of which scripts have ``path``.

    Args:
        wait: Returns when what the script is yet to write is there.
    """

    def exists(path: str) -> bool:
        wait()
        return os.path.exists(path)  # noqa: PTH110 - as scripts write it

    own = ("abspath", "basename", "dirname", "join", "normpath", "relpath", "split", "splitext")
    return Library("os", {"path": Library("os.path", {**{n: getattr(os.path, n) for n in own}, "exists": exists})})
