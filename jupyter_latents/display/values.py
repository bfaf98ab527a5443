"""Lists, tuples and dicts of latents or pictures, shown as pictures where a cell ends with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.choice import shows_pictures
from jupyter_latents.display.several import named_items, pictures_bundle, several_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.value import Latents

__all__ = ["Pictures", "bundle_of", "name_of", "show_values"]

_SHOWN = (list, tuple, dict)
Pictures = Callable[["Latents"], "Sequence[Image | Clip]"]


def show_values(shell: Any, bundle: Callable[[Any], dict[str, Any] | None]) -> None:
    """Lets a shell show them; all else is shown as before.

    Args:
        shell: The IPython shell.
        bundle: Gives the bundle of a value; None for one that is shown as before.
    """
    formatter = shell.display_formatter.mimebundle_formatter

    def show(value: Any) -> Any:
        own = getattr(type(value), "_repr_mimebundle_", None)
        return bundle(value) if own is None else value._repr_mimebundle_()

    for kind in _SHOWN:
        formatter.for_type(kind, show)


def bundle_of(value: Any, pictures: Pictures, names: Mapping[str, Any], size: int) -> dict[str, Any] | None:
    """A list, tuple or dict as a display bundle; None where it holds anything but latents, or anything but pictures.

    Args:
        value: The value.
        pictures: Gives the pictures of latents.
        names: The kernel's variables, to call it by its name.
        size: Bytes that the output may have.
    """
    items = named_items(value)
    if items is None or not shows_pictures():
        return None
    if hasattr(value, "sigmas"):  # the steps of one result
        return _steps(value, names, size)
    name, text = name_of(value, names), repr(value)
    if not hasattr(items[0][1], "provenance"):
        labels = [label if isinstance(value, dict) else "" for label, _ in items]
        return pictures_bundle([picture for _, picture in items], labels, text, size)
    from jupyter_latents.display.records.of_several import Pictured

    choices = [(("", label if isinstance(value, dict) else f"{name}{label}"),) for label, _ in items]
    variable = name if not isinstance(value, dict) else ""
    several = [
        Pictured(one, tuple(pictures(one)), choice, f"{variable}{label}" if variable else "")
        for (label, one), choice in zip(items, choices, strict=True)
    ]
    return several_bundle(several, name or f"{len(items)} latents", text, size)


def name_of(value: Any, names: Mapping[str, Any]) -> str:
    """The variable that holds a value; empty where none does.

    Args:
        value: The value.
        names: The kernel's variables.
    """
    found = (name for name, one in names.items() if one is value and not name.startswith("_"))
    return next(found, "")


def _steps(steps: Sequence[Latents], names: Mapping[str, Any], size: int) -> dict[str, Any]:
    """The kept steps of a result, to be looked through one by one; under the name of the result, where it has one."""
    from jupyter_latents.display.records.of_latents import record_of
    from jupyter_latents.display.static_html import run_bundle

    own = (name for name, one in names.items() if getattr(one, "trajectory", None) is steps and name[:1] != "_")
    whole = next(own, "")
    record = record_of(steps[-1].replace(trajectory=tuple(steps)), whole)
    record.heading = name_of(steps, names) or (f"{whole}.trajectory" if whole else "trajectory")
    return run_bundle(record, size)
