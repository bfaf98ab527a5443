"""What may be done to the variables of a kernel that hold latents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import NameNotFoundError, ScriptError, nearest
from jupyter_latents.session.names.variables import latents_in
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["check_free", "drop", "latents_named"]


def latents_named(name: str, names: Mapping[str, Any]) -> Latents:
    """The latents in a variable.

    Raises:
        NameNotFoundError: It is not there or holds none.
    """
    held = latents_in(names)
    if name not in held:
        raise _not_held(name, held)
    return held[name]


def drop(names: MutableMapping[str, Any], which: Iterable[str]) -> None:
    """Deletes variables that hold latents, one or several.

    Args:
        names: The kernel's variables.
        which: Those to delete.

    Raises:
        NameNotFoundError: One of them is not there or holds no latents; none is deleted then.
    """
    held, gone = set(latents_in(names)), dict.fromkeys(which)
    for name in gone:
        if name not in names or not held & {name, f"{name}[0]"}:
            raise _not_held(name, held)
    for name in gone:
        del names[name]


def check_free(name: str | None, names: Mapping[str, Any], bound: Collection[str]) -> None:
    """Refuses to overwrite a variable which no script made.

    Args:
        name: The variable that a result is to be bound to; None for none.
        names: The kernel's variables.
        bound: Those that scripts made.

    Raises:
        ScriptError: It would be overwritten.
    """
    from jupyter_latents.latents import Latents, LatentsSequence

    if not name or name not in names:
        return
    value = names[name]
    own = name in bound and isinstance(value, (Latents, LatentsSequence))
    if not own and not _bound_before(name, value):
        raise ScriptError(
            f"{option('into')} {name} would overwrite a variable that no script made, a {type(value).__name__}. "
            f"Choose another name, delete it (del {name}), or overwrite it with {option('force')}.",
            option="into",
        )


def _bound_before(name: str, value: object) -> bool:
    """Whether a script bound a value before the package's modules were read again, which forgets the names it bound.

    Its class is then that of the earlier modules, and its cell says the name.
    """
    from jupyter_latents.latents import Latents, LatentsSequence

    kind, known = type(value), (Latents, LatentsSequence)
    earlier = any(kind is not own and _full_name(kind) == _full_name(own) for own in known)
    items = getattr(value, "items", (value,)) if earlier else ()
    cells = [str(getattr(getattr(item, "provenance", None), "cell", "")) for item in items]
    return bool(cells) and all(f"--into {name}" in cell.splitlines() for cell in cells)


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _not_held(name: str, held: Iterable[str]) -> NameNotFoundError:
    names = sorted(held)
    hint = nearest(name, names) or "."
    return NameNotFoundError(f"no latents in a variable {name!r}{hint} Held: {', '.join(names) or 'none'}.")
