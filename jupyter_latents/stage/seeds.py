"""What goes into a stage beside its texts: pictures, masks and latents, as an image seed names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["AdapterImage", "Held", "ImageSeed", "Reference", "Size"]


@dataclass(frozen=True, slots=True)
class Size:
    """A picture size in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Held:
    """A value that goes into a stage as it is; equal to another one of the same object alone.

    Attributes:
        value: Latents, a tensor or array, a picture, a list of these, or a stage whose result is meant.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a seed names: a kernel variable, a path, an address, or a value that has no name.

    Attributes:
        text: The name as meant, without quotes; of a value, what it is called where no variable holds it.
        kind: ``"variable"`` (a bare name), ``"path"`` (has a dot or a slash, or was quoted), ``"url"`` (http or
            https) or ``"value"``.
        held: The value, for that kind.
    """

    text: str
    kind: str
    held: Held | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class AdapterImage:
    """An IP-adapter image with its own resize settings."""

    image: Reference
    resize: Size | None = None
    aspect: bool | None = None
    align: int | None = None


@dataclass(frozen=True, slots=True)
class ImageSeed:
    """One value of ``--image-seeds``, parsed.

    Attributes:
        images: The image position; several for ``images: a, b``.
        masks: Inpaint masks, one for all images or one each.
        latents: Raw latents, one for each image or a batch of their own (``latents: x``).
        controls: Control images.
        adapters: IP-adapter images, a tuple an adapter.
        floyd: DeepFloyd stage image; parsed, refused when run.
        resize: Size to bring images to.
        aspect: Whether resizing keeps the aspect ratio; None when not said.
        align: Pixels to which sizes are aligned; None when not said.
        frame_start: First frame that is taken of a clip; None for its first.
        frame_end: Last frame that is taken of a clip; None for its last.
        batch: Whether the plural form ``images:`` was used.
        plain: Whether control images stand in the image position, as dgenerate writes them: they give the size then.
    """

    images: tuple[Reference, ...] = ()
    masks: tuple[Reference, ...] = ()
    latents: tuple[Reference, ...] = ()
    controls: tuple[Reference, ...] = ()
    adapters: tuple[tuple[AdapterImage, ...], ...] = ()
    floyd: Reference | None = None
    resize: Size | None = None
    aspect: bool | None = None
    align: int | None = None
    frame_start: int | None = None
    frame_end: int | None = None
    batch: bool = False
    plain: bool = False

    @property
    def references(self) -> tuple[Reference, ...]:
        """All that it names and that stages take."""
        adapters = (one.image for adapter in self.adapters for one in adapter)
        return (*self.images, *self.masks, *self.latents, *self.controls, *adapters)

    def renamed(self, names: Callable[[Reference], Sequence[Reference]]) -> ImageSeed:
        """The same with other names in their place.

        Args:
            names: What stands for a reference; of what stands for an adapter's image, each is an image of it.
        """
        return replace(
            self,
            images=tuple(new for old in self.images for new in names(old)),
            masks=tuple(new for old in self.masks for new in names(old)),
            latents=tuple(new for old in self.latents for new in names(old)),
            controls=tuple(new for old in self.controls for new in names(old)),
            adapters=tuple(
                tuple(replace(one, image=new) for one in adapter for new in names(one.image))
                for adapter in self.adapters
            ),
        )
