"""Image seeds: what goes into a stage as image, mask, latents, control or adapter images.

The grammar, with every part optional after the first::

    photo.png
    photo.png;mask.png;512x512
    photo.png;mask=m.png;control=c1.png, c2.png;adapter=a.png + b.png|resize=512;latents=z.pt;
        resize=512x512;align=8;aspect=false;frame-start=0;frame-end=9
    images: a.png, b.png;mask=m.png;latents=z1.pt, z2.pt
    latents: z1.pt, z2.pt;control=c.png
    adapter: a.png

A bare name is a kernel variable (``base``, ``parts[0]``); what has a dot or a slash, or stands in quotes, is a path;
``http://`` and ``https://`` start an address. Quotes keep spaces, commas and semicolons together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from jupyter_latents.errors import Place, nearest
from jupyter_latents.stage import AdapterImage, ImageSeed, Reference, Size
from jupyter_latents.wording import option

from .seed_text import Piece, format_reference, items, locator_of, reference, split
from .text.located import Locator

__all__ = ["SEED_KEYS", "format_seed", "parse_seed", "unsupported"]

_HEAD = re.compile(r"(images|latents|adapter|control)\s*:(?!//)", re.IGNORECASE)
_KEY = re.compile(r"([A-Za-z][\w-]*)\s*=")
_SIZE = re.compile(r"(\d{1,6})(?:\s*[xX]\s*(\d{1,6}))?")


def _size(piece: Piece) -> Size:
    match = _SIZE.fullmatch(piece.text)
    if not match or not int(match[1]) or (match[2] and not int(match[2])):
        raise piece.fail(f"'{piece.text}' is no size; write 512 or 512x768, in pixels.")
    return Size(int(match[1]), int(match[2] or match[1]))


def _whole(least: int) -> Callable[[Piece], int]:
    def parse(piece: Piece) -> int:
        if not re.fullmatch(r"\d{1,9}", piece.text) or int(piece.text) < least:
            raise piece.fail(f"'{piece.text}' is no whole number of at least {least}.")
        return int(piece.text)

    return parse


def _truth(piece: Piece) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if piece.text.lower() not in known:
        raise piece.fail(f"'{piece.text}' is neither true nor false.")
    return known[piece.text.lower()]


def _references(piece: Piece) -> tuple[Reference, ...]:
    return tuple(reference(item) for item in items(piece))


def _adapters(piece: Piece) -> tuple[tuple[AdapterImage, ...], ...]:
    return tuple(tuple(_adapter(image) for image in split(adapter, "+")) for adapter in items(piece))


def _adapter(piece: Piece) -> AdapterImage:
    first, *settings = split(piece, "|")
    made = AdapterImage(reference(first))
    seen: set[str] = set()
    for setting in settings:
        key, value = _key_value(setting)
        if key not in _ADAPTER_KEYS:
            raise setting.fail(f"'{key}' is no setting of an adapter image{nearest(key, _ADAPTER_KEYS) or '.'}", key)
        if key in seen:
            raise setting.fail(f"'{key}' is set twice for this adapter image.", key)
        seen.add(key)
        made = replace(made, **{key: _ADAPTER_KEYS[key](value)})
    return made


_ADAPTER_KEYS: dict[str, Callable[[Piece], Any]] = {"resize": _size, "aspect": _truth, "align": _whole(1)}

SEED_KEYS: dict[str, tuple[str, Callable[[Piece], Any], str]] = {
    "mask": ("masks", _references, "inpaint mask: white is painted anew; one for all images or one each"),
    "control": ("controls", _references, "control images, one for each ControlNet"),
    "adapter": (
        "adapters",
        _adapters,
        "images of each IP-Adapter: a + b are two of one, a|resize=512 resizes",
    ),
    "latents": ("latents", _references, "raw latents that denoising goes on from, one for each image"),
    "floyd": ("floyd", reference, "DeepFloyd image; read, then refused"),
    "resize": ("resize", _size, "size that images are brought to, 512 or 512x768"),
    "align": ("align", _whole(1), "pixels that sizes are rounded to, 8 by default"),
    "aspect": ("aspect", _truth, "whether resizing keeps the aspect ratio, true or false"),
    "frame-start": ("frame_start", _whole(0), "first frame of a clip that is taken, counted from 0"),
    "frame-end": ("frame_end", _whole(0), "last frame of a clip that is taken, itself too"),
}
"""Keys of the long form: the field of ImageSeed, how it is read, and what it means."""


def _key_value(piece: Piece) -> tuple[str, Piece]:
    match = _KEY.match(piece.text)
    if not match:
        raise piece.fail(f"'{piece.text}' should be NAME=VALUE.")
    return match[1].lower(), piece.cut(match.end())


def parse_seed(
    text: str, place: Place | Locator | None = None, *, steered: bool = False, sized: bool = False
) -> ImageSeed:
    """Reads one value of ``--image-seeds``.

    Args:
        text: The value, without the quotes of the script around it.
        place: Where it stands in a script.
        steered: Whether control images steer the stage: then images that stand alone are these.
        sized: Whether the stage says a size, to which images are brought.

    Returns:
        The seed, which :func:`format_seed` prints back.

    Raises:
        ScriptError: It is no image seed; the error points at the piece that is wrong.
    """
    whole = Piece(text, 0, locator_of(text, place)).cut(0)
    if not whole.text:
        raise whole.fail("An image seed is empty; give an image, or latents: NAME.")
    first, *rest = split(whole, ";")
    seed = _head(first, steered=steered)
    short = 0
    seen: set[str] = set()
    for part in rest:
        match = _KEY.match(part.text)
        if match:
            key, value = _key_value(part)
            if key not in SEED_KEYS:
                known = nearest(key, SEED_KEYS) or f"; it takes {', '.join(SEED_KEYS)}."
                raise part.fail(f"'{key}' is no part of an image seed{known}", match[1])
            dest, parse, _ = SEED_KEYS[key]
            if dest in seen or (key in {"latents", "adapter", "control"} and getattr(seed, dest)):
                raise part.fail(f"'{key}' is given twice in this image seed.", match[1])
            seen.add(dest)
            seed = replace(seed, **{dest: parse(value)})
        else:
            seed = _short(seed, part, seen, short)
            short += 1
    _check(seed, whole, sized=sized)
    alone = seed.images and not (seed.batch or seed.masks or seed.latents or seed.controls or seed.floyd)
    if steered and alone:
        return replace(seed, images=(), controls=seed.images, plain=True)
    if len(seed.images) > 1 and not seed.batch:
        raise first.fail("Several images in one seed are written 'images: a, b'.")
    return seed


def _head(piece: Piece, *, steered: bool) -> ImageSeed:
    match = _HEAD.match(piece.text)
    if not match:
        key = _KEY.match(piece.text)
        if key and key[1].lower() in SEED_KEYS:
            name = key[1].lower()
            hint = f"{name}: ..." if name in {"latents", "adapter", "control"} else f"IMAGE;{name}=..."
            raise piece.fail(f"An image seed begins with an image or a word with a colon; write {hint}", key[1])
        if len(items(piece)) > 1 and not steered:
            raise piece.fail("Several images in one seed are written 'images: a, b'.")
        if steered:
            return ImageSeed(images=_references(piece))
        return ImageSeed(images=(reference(piece),))
    value = piece.cut(match.end())
    match match[1].lower():
        case "images":
            return ImageSeed(images=_references(value), batch=True)
        case "latents":
            return ImageSeed(latents=_references(value))
        case "control":
            return ImageSeed(controls=_references(value))
        case _:
            return ImageSeed(adapters=_adapters(value))


def _short(seed: ImageSeed, part: Piece, seen: set[str], index: int) -> ImageSeed:
    """A part without a key: a mask and a size, in either order."""
    if _SIZE.fullmatch(part.text):
        if "resize" in seen:
            raise part.fail("The size is given twice in this image seed.")
        seen.add("resize")
        return replace(seed, resize=_size(part))
    if index <= 1 and "masks" not in seen and seed.images and seen <= {"resize"}:
        seen.add("masks")
        return replace(seed, masks=_references(part))
    if not part.text:
        raise part.fail("There is nothing between these semicolons; take one away.")
    raise part.fail(f"'{part.text}' has no name here; write NAME=VALUE, such as mask={part.text}.")


def _check(seed: ImageSeed, whole: Piece, *, sized: bool) -> None:
    """Checks counts and combinations."""
    images, latents, masks = len(seed.images), len(seed.latents), len(seed.masks)
    if masks and not images:
        raise whole.fail("A mask needs an image to paint on; write IMAGE;mask=MASK.", "mask")
    if masks > 1 and masks != images:
        raise whole.fail(f"There are {masks} masks for {images} images; give one mask for all or one each.")
    _check_sizes(seed, whole, sized=sized)
    if images and latents and images != latents:
        raise whole.fail(f"There are {latents} latents for {images} images; give one for each image.", "latents")
    if seed.align is not None and seed.resize is not None:
        for side in (seed.resize.width, seed.resize.height):
            if side < seed.align:
                raise whole.fail(f"A side of {side} pixels is shorter than align={seed.align}.", "align")
    start, end = seed.frame_start, seed.frame_end
    if start is not None and end is not None and start > end:
        raise whole.fail(f"frame-start={start} is after frame-end={end}.", "frame-start")
    if seed.floyd is not None and (seed.latents or seed.controls or seed.adapters):
        raise whole.fail("floyd= stands with an image and a mask only.", "floyd")
    if (start is not None or end is not None) and not (images or seed.controls or seed.adapters):
        raise whole.fail("frame-start and frame-end need an image.", "frame")


def _check_sizes(seed: ImageSeed, whole: Piece, *, sized: bool) -> None:
    """Checks that what resizes has something to resize."""
    given = {"resize": seed.resize, "align": seed.align, "aspect": seed.aspect}
    names = [name for name, value in given.items() if value is not None]
    if names and not seed.images:
        text = "a size" if names == ["resize"] else ", ".join(names)
        raise whole.fail(
            f"There is no image here, and {text} is for images; latents keep their size, which {option('output_size')} "
            "does not change either: resize them in Python, a.resize((128, 128)).",
            str(seed.resize) if str(seed.resize) in whole.text else names[0],
        )
    if seed.aspect is not None and seed.resize is None and not sized:
        raise whole.fail("aspect= says how an image is resized; add resize=512, or leave it out.", "aspect")


def unsupported(seed: ImageSeed) -> list[str]:
    """Returns the parts of a seed that are read but cannot be run here, by name."""
    return ["floyd"] if seed.floyd is not None else []


def format_seed(seed: ImageSeed) -> str:
    """Returns the text that :func:`parse_seed` reads back as the same seed."""
    return ";".join(_parts(seed))


def _parts(seed: ImageSeed) -> Iterator[str]:
    heads = {
        "images": _join(seed.images),
        "latents": _join(seed.latents),
        "control": _join(seed.controls),
        "adapter": _join_adapters(seed.adapters),
    }
    head = next((name for name, text in heads.items() if text), "images")
    if seed.plain:
        head, heads["images"] = "images", heads.pop("control")
        heads["control"] = ""
    plural = not seed.plain and (seed.batch or len(seed.images) != 1)
    yield heads["images"] if head == "images" and not plural else f"{head}: {heads[head]}"
    if seed.masks:
        yield f"mask={_join(seed.masks)}"
    for name in ("control", "adapter", "latents"):
        if heads[name] and name != head:
            yield f"{name}={heads[name]}"
    if seed.floyd is not None:
        yield f"floyd={format_reference(seed.floyd)}"
    for key in ("resize", "align", "aspect", "frame-start", "frame-end"):
        value = getattr(seed, key.replace("-", "_"))
        if value is not None:
            yield f"{key}={str(value).lower()}"


def _join(references: tuple[Reference, ...]) -> str:
    return ", ".join(format_reference(item) for item in references)


def _join_adapters(adapters: tuple[tuple[AdapterImage, ...], ...]) -> str:
    return ", ".join(" + ".join(_format_adapter(image) for image in adapter) for adapter in adapters)


def _format_adapter(image: AdapterImage) -> str:
    settings = {"resize": image.resize, "aspect": image.aspect, "align": image.align}
    return "|".join(
        [format_reference(image.image), *(f"{k}={str(v).lower()}" for k, v in settings.items() if v is not None)]
    )
