"""Two pictures laid over each other, each half under its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.choice import shows_pictures
from jupyter_latents.display.records.of_several import Pictured, record_of_several
from jupyter_latents.display.screens import shell
from jupyter_latents.display.static_html import run_bundle
from jupyter_latents.display.values import name_of
from jupyter_latents.errors import SettingError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.paths import opened
from jupyter_latents.pictures.reading import is_picture, read_picture
from jupyter_latents.settings import SETTINGS
from jupyter_latents.wording import visible

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.value import Latents

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two things to compare; a cell that ends with it shows one over the other, with a slider between.

    Attributes:
        first: Left of the slider.
        second: Right of it.
    """

    first: Pictured
    second: Pictured

    def __repr__(self) -> str:
        return visible(f"compare({', '.join(str(one.choice[0][1]) for one in (self.first, self.second))})")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if not shows_pictures():
            return {"text/plain": repr(self)}
        record = record_of_several((self.first, self.second), "compare")
        record.against = 0
        return {**run_bundle(record, SETTINGS.output_size), "text/plain": repr(self)}


def compare(
    a: Latents | Image | str | PathLike[str],
    b: Latents | Image | str | PathLike[str],
    labels: tuple[str, str] | None = None,
) -> Comparison:
    """Lays two pictures over each other, with a slider between them and a name on each half.

    Args:
        a: Latents, a Pillow picture, or the path of a picture's file.
        b: The same.
        labels: What to call them; by itself the variables or files that they are.

    Raises:
        SettingError: One of them is none of these, or the labels are not two texts.
        ModelError: The VAE of latents is not at hand.
        NameNotFoundError: A file is not there, or no picture.
    """
    given: object = labels
    if given is not None and not (
        isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(one, str) for one in given)
    ):
        raise SettingError(f"labels are {shown(given)}; give two texts, such as ('before', 'after').")
    names = getattr(shell(), "user_ns", {})
    told = labels or tuple(_called(one, place, names) for one, place in ((a, "first"), (b, "second")))
    return Comparison(*(_pictured(one, label, names) for one, label in zip((a, b), told, strict=True)))


def _called(one: object, place: str, names: Mapping[str, Any]) -> str:
    if isinstance(one, (str, PathLike)):
        return str(one)
    return name_of(one, names) or next(_item(one, names), place)


def _item(one: object, names: Mapping[str, Any]) -> Iterator[str]:
    """How a sequence of the kernel calls one of its latents, ``xy[5]``."""
    from jupyter_latents.latents.sequence import LatentsSequence

    for name, several in names.items():
        if isinstance(several, LatentsSequence) and not name.startswith("_"):
            yield from (f"{name}[{index}]" for index, item in enumerate(several) if item is one)


def _pictured(one: Any, label: str, names: Mapping[str, Any]) -> Pictured:
    from jupyter_latents.latents.value import Latents

    choice = (("", label),)
    if isinstance(one, Latents):
        variable = name_of(one, names) or next(_item(one, names), "")
        return Pictured(one, tuple(one.decode()), choice, variable)
    if isinstance(one, (str, PathLike)):
        return Pictured(None, (read_picture(opened(str(one)), str(one)),), choice)
    if is_picture(one):
        return Pictured(None, (read_picture(one, label),), choice)
    raise SettingError(
        f"{shown(one)} cannot be compared; give latents, a Pillow picture, or the path of a picture's file."
    )
