"""What image processors do to a picture, and to its size; pictures are in RGB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "blurred", "cropped", "cropped_size", "edged", "framed", "framed_size", "letterboxed", "letterboxed_size", "lined",
    "resized", "resized_size", "simple", "spread",
]  # fmt: skip

Size: TypeAlias = tuple[int, int]
Settings: TypeAlias = Mapping[str, Any]


def simple(name: str, setting: str = "") -> Callable[[Image, Settings], Image]:
    """An operation of Pillow's, with the one number that it takes."""

    def work(image: Image, settings: Settings) -> Image:
        from PIL import ImageOps

        numbers = (settings[setting],) if setting else ()
        made: Image = getattr(ImageOps, name)(image, *numbers)
        return made.convert("RGB")

    return work


def edged(image: Image, settings: Settings) -> Image:
    """Edges; of the picture at ``detect-resolution``, brought back to its size."""
    import numpy as np
    from PIL.Image import fromarray

    from .canny import blurred, edges, grey, otsu, triangle

    size = _brought(image.size, settings.get("detect-resolution"), settings["detect-aspect"], settings["detect-align"])
    pixels = np.asarray(_at(image, size))[..., ::-1]  # OpenCV's order, which decides between equal slopes
    if settings.get("blur"):
        pixels = blurred(pixels)
    ways: Mapping[str, Callable[[Any], Any]] = {"otsu": otsu, "triangle": triangle, "median": np.median}
    way = ways.get(settings.get("threshold-algo", ""))
    if settings.get("gray") or way is not None:
        pixels = grey(pixels[..., ::-1])
    lower, upper = settings["lower"], settings["upper"]
    if way is not None:
        middle, spread = float(way(pixels)), settings["sigma"]
        lower, upper = int(max(0, (1 - spread) * middle)), int(min(255, (1 + spread) * middle))
    found = edges(pixels, lower, upper, aperture=settings["aperture-size"], squares=bool(settings.get("l2-gradient")))
    return _at(fromarray(found).convert("RGB"), image.size)


def blurred(image: Image, settings: Settings) -> Image:
    """The picture, smoothed."""
    import numpy as np
    from PIL.Image import fromarray

    from .smoothing import smoothed

    return fromarray(smoothed(np.asarray(image), settings["size"], (settings["sigma-x"], settings["sigma-y"])))


def spread(image: Image, settings: Settings) -> Image:
    """The picture, its bright parts grown."""
    import numpy as np
    from PIL.Image import fromarray

    from .smoothing import dilated, element

    names = {"r": "rectangle", "rect": "rectangle", "c": "ellipse", "circle": "ellipse", "+": "cross"}
    shape = str(settings["shape"])
    neighbours = element(settings["size"], names.get(shape, shape))
    return fromarray(dilated(np.asarray(image), neighbours, settings["steps"]))


def lined(image: Image, settings: Settings) -> Image:
    """Its dark lines; of the picture at ``detect-resolution``, brought back to its size."""
    import numpy as np
    from PIL.Image import fromarray

    from .smoothing import line_art

    size = _brought(image.size, settings.get("detect-resolution"), settings["detect-aspect"], settings["detect-align"])
    found = line_art(np.asarray(_at(image, size)), settings["gaussian-sigma"], settings["intensity-threshold"])
    return _at(fromarray(found).convert("RGB"), image.size)


def framed(image: Image, settings: Settings) -> Image:
    """A mask to paint around the picture: black where it is, white on a border."""
    from PIL.Image import new

    return letterboxed(new("RGB", image.size), _frame(settings))


def framed_size(size: Size, settings: Settings) -> Size:
    """What `framed` makes."""
    return letterboxed_size(size, _frame(settings))


def _frame(settings: Settings) -> Settings:
    return {"box-size": settings["box"], "box-is-padding": True, "box-color": "#FFFFFF", "aspect-correct": True}


def resized(image: Image, settings: Settings) -> Image:
    """The picture at another size."""
    return _at(image, resized_size(image.size, settings), settings["algo"])


def resized_size(size: Size, settings: Settings) -> Size:
    """What `resized` makes."""
    wanted = settings.get("size")
    if "scale" in settings:
        wanted = (max(1, int(size[0] * settings["scale"])), max(1, int(size[1] * settings["scale"])))
    return _brought(size, wanted, settings["aspect-correct"], settings.get("align", 1))


def cropped(image: Image, settings: Settings) -> Image:
    """A part of the picture; black where it reaches over its sides."""
    return image.crop(settings["box"])


def cropped_size(_size: Size, settings: Settings) -> Size:
    """What `cropped` makes."""
    left, top, right, bottom = settings["box"]
    return right - left, bottom - top


def letterboxed(image: Image, settings: Settings) -> Image:
    """The picture in the middle of a ground, or with a border of its own on each side."""
    from PIL.Image import new

    ground = new("RGB", letterboxed_size(image.size, settings), settings.get("box-color", 0))
    inner = settings.get("inner-size", image.size)
    inner = min(inner[0], ground.size[0]), min(inner[1], ground.size[1])
    inside = _at(image, _brought(image.size, inner, settings["aspect-correct"]))
    box = settings["box-size"]
    place = (box[0], box[min(1, len(box) - 1)]) if settings.get("box-is-padding") and len(box) != 2 else None
    middle = (ground.size[0] - inside.size[0]) // 2, (ground.size[1] - inside.size[1]) // 2
    ground.paste(inside, place or middle)
    return ground


def letterboxed_size(size: Size, settings: Settings) -> Size:
    """What `letterboxed` makes."""
    box = settings["box-size"]
    if not settings.get("box-is-padding"):
        return box[0], box[-1]
    width, height = settings.get("inner-size", size)
    left, top, right, bottom = box if len(box) == 4 else (box[0], box[-1]) * 2
    return width + left + right, height + top + bottom


def _brought(size: Size, wanted: Size | None, kept: bool, align: int = 1) -> Size:
    """A size brought to another one; where its shape is kept, to its width."""
    if wanted is None:
        return _down(size, align)
    wanted = _down(wanted, align)
    if not kept or size == wanted:
        return wanted
    return wanted[0], _down((0, int(size[1] * (wanted[0] / size[0]))), align)[1]


def _down(size: Size, align: int) -> Size:
    return max(align, size[0] - size[0] % align), max(align, size[1] - size[1] % align)


def _at(image: Image, size: Size, way: str = "auto") -> Image:
    """The picture at a size; smaller by Lanczos, up to three times larger by cubics."""
    from PIL.Image import Resampling

    if size == image.size:
        return image
    larger = min(size[0] / image.size[0], size[1] / image.size[1])
    own = Resampling.BICUBIC if 1 < larger < 3 else Resampling.NEAREST if larger == 1 else Resampling.LANCZOS
    return image.resize(size, own if way == "auto" else Resampling[way.upper()])
