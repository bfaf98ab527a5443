"""From a name of a script to the object behind it, and from an object to pictures and latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import HandoffError, LatentsError, LatentsFileError, NameNotFoundError, nearest
from jupyter_latents.paths import is_folder, is_there, opened
from jupyter_latents.pictures.arrays import check_numbers
from jupyter_latents.pictures.reading import is_image, is_picture
from jupyter_latents.session.names.items import expression_hint, item_of
from jupyter_latents.session.names.kinds import (
    TENSOR_ENDINGS,
    is_list,
    is_outline,
    is_standing,
    is_tensor_like,
    is_usable,
)
from jupyter_latents.session.plans.later import Later
from jupyter_latents.stage import Reference
from jupyter_latents.syntax import real
from jupyter_latents.wording import kind_of

if TYPE_CHECKING:
    from jupyter_latents.engine import Standing
    from jupyter_latents.latents.value import Latents

__all__ = ["Lookup"]


@dataclass(frozen=True)
class Lookup:
    """Looks names up.

    Attributes:
        kernel: Kernel variables.
        captured: Objects that templates handed over, by made name.
        known: Finds the facts of a bare tensor that this session made, by its digest; None when it did not.
        fetch: An http or https address to a file.
    """

    kernel: Mapping[str, Any]
    captured: Mapping[str, Any]
    known: Callable[[Latents], Latents]
    fetch: Callable[[str], Path]

    def value(self, reference: Reference) -> Any:
        """The object behind a reference; files stay paths.

        Args:
            reference: A variable, a path or an address.

        Raises:
            NameNotFoundError: It is not there.
            UnforeseenError: It is there only at the run.
        """
        if reference.kind == "variable":
            return self._variable(reference.text)
        if reference.kind == "url":
            return self.fetch(reference.text)
        path = opened(reference.text)
        if not is_there(path):
            folder = path.parent
            beside = [other.name for other in folder.iterdir() if other.is_file()] if is_folder(folder) else []
            hint, python = nearest(path.name, beside), expression_hint(reference.text, self.kernel)
            advice = python or f" Paths are taken from '{Path.cwd()}'."
            raise NameNotFoundError(f"no file {reference.text}{hint or '.'}{advice}", name=reference.text)
        return path

    def _variable(self, text: str) -> Any:
        name, bracket, index = text.partition("[")
        source = self.captured if name in self.captured else self.kernel
        if name not in source:
            known = [other for other, value in self.kernel.items() if not other.startswith("_") and is_usable(value)]
            held = (
                f" Variables that can go here: {', '.join(sorted(known))}."
                if known
                else " No variable of this kernel can go here yet."
            )
            raise NameNotFoundError(
                f"no variable {name!r}{nearest(name, known) or '.'}{held} A file needs a dot or a slash in its name.",
                name=text,
            )
        value = real(source[name])
        if isinstance(value, Later):
            raise value.error()
        return item_of(value, name, bracket + index)

    def called(self, reference: Reference) -> str:
        """What people call what a reference names: the names of what templates hand over are nobody's."""
        name = reference.text.partition("[")[0]
        return "what the template gives" if name in self.captured and reference.kind == "variable" else reference.text

    def items(self, value: Any, text: str, what: str) -> Iterator[tuple[Any, str]]:
        """The pictures and the latents that a value stands for, one after another, each with what to call it.

        Args:
            value: The value.
            text: What the script calls it.
            what: What stands in its position.

        Raises:
            HandoffError: It is neither.
        """
        check_numbers(value, text)
        if is_picture(value) or is_standing(value):
            yield value, text
        elif isinstance(value, Path) and not is_tensor_like(value):
            yield value, str(value)
        elif isinstance(value, str):
            yield from self.items(self.value(Reference(value, "path")), text, what)
        elif is_list(value):
            for item in value:
                yield from self.items(item, _item_of(text), what)
        elif not is_tensor_like(value) and not hasattr(value, "__array__"):
            raise HandoffError(
                f"{text} is {kind_of(value)}; {what} is a picture of Pillow, an array of pixels, a file "
                "or address of one, latents, or a list of these."
            )
        else:
            yield from ((latents, text) for latents in self._plain(value, text))

    def standing(self, value: Any, text: str, size: tuple[int, int] | None) -> Sequence[Standing]:
        """Latents, or outlines of latents that earlier stages will make."""
        if is_outline(value):
            return [value]
        if isinstance(value, list) and any(map(is_outline, value)):
            return [item for one in value for item in self.standing(one, text, size)]
        return self.latents(value, text, size)

    def latents(self, value: Any, text: str, size: tuple[int, int] | None = None) -> list[Latents]:
        """Anything that can be latents, as latents.

        Args:
            value: `Latents`, a tensor, an array, a file, or a list of these.
            text: What the script calls it.
            size: (width, height) in pixels of the stage's picture, which packed latents do not say.

        Raises:
            JupyterLatentsError: It cannot be latents.
        """
        return [self.known(latents) for latents in self._plain(value, text, size)]

    def _plain(self, value: Any, text: str, size: tuple[int, int] | None = None) -> list[Latents]:
        """Anything that can be latents, with the facts that it has by itself."""
        import torch

        from jupyter_latents.latents import Latents
        from jupyter_latents.latents.files.reading import PICTURE, of_size

        if isinstance(value, Latents):
            return [value]
        if isinstance(value, Path):
            if not is_tensor_like(value) and value.suffix.lower() != PICTURE:
                raise LatentsFileError(f"{value} holds no latents; latents files end in {', '.join(TENSOR_ENDINGS)}.")
            return [of_size(Latents, value, size)]
        if isinstance(value, str):
            return self._plain(self.value(Reference(value, "path")), text, size)
        if isinstance(value, torch.Tensor) or (hasattr(value, "__array_interface__") and not is_image(value)):
            try:
                return [of_size(Latents, value, size)]
            except LatentsError as error:
                raise LatentsError(f"{text}: {error.template}") from error
        if is_list(value):
            return [latents for item in value for latents in self._plain(item, _item_of(text), size)]
        raise HandoffError(
            f"{text} is {kind_of(value)}; `latents:` takes Latents, tensors, arrays, files of them, or a list of these."
        )


def _item_of(text: str) -> str:
    """What to call one of several."""
    return text if text.startswith("an item of ") else f"an item of {text}"
