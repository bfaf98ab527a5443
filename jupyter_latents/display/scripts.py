"""The view's scripts and styles: plain files of the ``static`` folder, put together here."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

from jupyter_latents.display.words import BUTTONS, TERMS, WORDS
from jupyter_latents.formats import offered

__all__ = [
    "gallery_script", "gallery_style", "live_gallery_script", "live_script", "page_script", "page_style", "static_file",
    "still_style",
]  # fmt: skip

_SHARED = (
    "parts.js",
    "cells.js",
    "help.js",
    "channels.js",
    "enlarged.js",
    "picture.js",
    "grid.js",
    "bar.js",
    "results.js",
    "draw.js",
    "view.js",
)


_RULE = re.compile(r"[^{}]+\{(?:[^{}]|\{[^{}]*\})*\}")
_CLASS = re.compile(r"\.(jl-[\w-]+)")


@cache
def static_file(name: str) -> str:
    """A text file of the ``static`` folder."""
    return resources.files("jupyter_latents.display").joinpath("static", name).read_text("utf-8")


def _script(*more: str) -> str:
    """The shared files and more, after the file formats that they offer and the words that they explain."""
    files = (static_file(name) for name in (*_SHARED, *more))
    words = {"WORDS": WORDS, "TERMS": TERMS, "BUTTONS": BUTTONS}
    given = (f"const {name} = {json.dumps(dict(of), ensure_ascii=False)};" for name, of in words.items())
    return "\n".join((f"const FORMATS = {json.dumps(offered())};", *given, *files))


@cache
def live_script() -> str:
    """The module that the widget runs."""
    return _script("notebook.js", "live.js")


def page_script(key: str) -> str:
    """What a self-contained output runs.

    Args:
        key: Tells its elements from those of other outputs on the page.
    """
    return _page_script().replace("$key", key)


@cache
def _page_script() -> str:
    return "\n".join(line for line in _stripped(_script("page.js")) if not line.startswith("//"))


@cache
def page_style() -> str:
    """The style of a self-contained output."""
    return "\n".join(_stripped(static_file("view.css") + static_file("run.css")))


_GALLERY = ("parts.js", "cells.js", "enlarged.js", "gallery.js")


@cache
def live_gallery_script() -> str:
    """The module that the gallery's widget runs."""
    return "\n".join(map(static_file, (*_GALLERY, "notebook.js", "gallery_live.js")))


def gallery_script(key: str) -> str:
    """What a self-contained gallery runs; see `page_script`.

    Args:
        key: Tells its elements from those of other outputs on the page.
    """
    return _gallery_page().replace("$key", key)


@cache
def _gallery_page() -> str:
    text = "\n".join(map(static_file, (*_GALLERY, "gallery_page.js")))
    return "\n".join(line for line in _stripped(text) if not line.startswith("//"))


@cache
def gallery_style() -> str:
    """The style of a gallery: what its scripts name, for the style of a view is long and a saved output small."""
    style = "\n".join(_stripped(static_file("view.css") + static_file("gallery.css")))
    named = "".join(map(static_file, (*_GALLERY, "gallery_page.js", "gallery_live.js")))
    return "\n".join(rule for rule in _RULE.findall(style) if _styles(rule, named))


def still_style(html: str) -> str:
    """The part of the style that a page without scripts needs.

    Args:
        html: The page.
    """
    return "\n".join(rule for rule in _RULE.findall(page_style()) if _styles(rule, html))


def _styles(rule: str, html: str) -> bool:
    """Whether one of the selectors of a rule has nothing but classes that a page has."""
    selectors = rule.partition("{")[0].split(",")
    return rule.startswith("@") or any(all(name in html for name in _CLASS.findall(one)) for one in selectors)


def _stripped(text: str) -> list[str]:
    """The lines that are not empty, without what stands around them: a saved output has a size to keep to."""
    return [line.strip() for line in text.splitlines() if line.strip()]
