"""The image seed of pictures and latents that are given as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_latents.errors import SettingError
from jupyter_latents.pictures.reading import is_picture
from jupyter_latents.session.names.kinds import is_standing, is_tensor_like
from jupyter_latents.stage import AdapterImage, Held, ImageSeed, Reference, Stage
from jupyter_latents.syntax.options.keywords import PARTS

__all__ = ["image_seed_of"]


def image_seed_of(given: Mapping[str, object]) -> ImageSeed | None:
    """The image seed of a stage; None where nothing goes in.

    Args:
        given: Values by their names in Python.

    Raises:
        SettingError: One of them is no picture, or no latents.
    """
    images, masks, latents, controls = (
        _references(PARTS[part], given.get(PARTS[part]), _latents if part == "latents" else _picture)
        for part in ("image", "mask", "latents", "control")
    )
    adapters = _adapters(given.get(PARTS["adapter"]))
    if masks and not images:
        raise SettingError("mask_image says what of a picture is painted anew; give the picture as image.")
    if not (images or latents or controls or adapters):
        return None
    return ImageSeed(
        images=images, masks=masks, latents=latents, controls=controls, adapters=adapters, batch=len(images) > 1
    )


def _adapters(value: object) -> tuple[tuple[AdapterImage, ...], ...]:
    """The images of each IP-Adapter; a list in the list holds several of one."""
    if value is None:
        return ()
    several = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(tuple(AdapterImage(one) for one in _references(PARTS["adapter"], each, _picture)) for each in several)


def _references(name: str, value: object, fault: Callable[[Any], str]) -> tuple[Reference, ...]:
    """What stands in one position: a list stands for several, each an input of its own."""
    if value is None:
        return ()
    several = value if isinstance(value, (list, tuple)) else (value,)
    if not several:
        raise SettingError(f"{name} is empty; leave it out, or give one.")
    return tuple(_reference(name, one, fault) for one in several)


def _reference(name: str, value: object, fault: Callable[[Any], str]) -> Reference:
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if not isinstance(text, str) or not text.strip():
            raise SettingError(f"{name} is {value!r}; give a file, an address, or the thing itself.")
        return Reference(text, "url" if text.startswith(("http://", "https://")) else "path")
    if isinstance(value, Stage):
        return Reference(value.into or name, "value", Held(value))
    if reason := fault(value):
        raise SettingError(f"{name} is {_kind(value)}; {reason}")
    return Reference(name, "value", Held(value))


def _latents(value: Any) -> str:
    """Why a value can be no latents; empty where it can."""
    if hasattr(value, "label") and hasattr(value, "items"):
        return "run a stage for each: [Stage.of(..., latents=one) for one in several]."
    good = is_standing(value) or (is_tensor_like(value) and not is_picture(value))
    wanted = "give Latents, a tensor (batch, channels, height, width), a file, a list of these, or a Stage."
    return "" if good else wanted


def _picture(value: Any) -> str:
    """Why a value can be no picture; empty where it can."""
    good = is_picture(value) or is_standing(value) or is_tensor_like(value)
    return "" if good else "give a PIL image, an array of pixels, a file, an address, Latents, or a list of these."


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
