"""Makes the panel's widgets, which share their layout and their styles: a page is told of a third as many models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import ipywidgets

from jupyter_latents.wording import as_html

__all__ = ["Maker", "close_all", "with_breaks"]

_WITHIN_PATH = re.compile(r"(?<=[\w.])/(?=[\w.])")


class Maker:
    """Makes widgets that belong together and are closed together.

    ipywidgets gives each widget a layout and a style of its own, and tells of each class that is added later.
    """

    def __init__(self) -> None:
        self._layout = ipywidgets.Layout()
        self._styles: dict[type, Any] = {}

    def __call__(self, kind: Any, classes: str = "", **traits: Any) -> Any:
        """Makes a widget.

        Args:
            kind: Its class.
            classes: Classes of the style sheet, with blanks between them.
            traits: What else it is made of.
        """
        shared = {"layout": self._layout, "_dom_classes": tuple(classes.split())}
        style = kind.class_traits().get("style")
        if style is not None:
            if style.klass not in self._styles:
                self._styles[style.klass] = style.klass()
            shared["style"] = self._styles[style.klass]
        return kind(**shared | traits)

    def box(self, kind: Any, classes: str, *children: Any) -> Any:
        """Makes a box of widgets."""
        return self(kind, classes, children=children)


def with_breaks(text: str) -> str:
    """A text as HTML whose paths are broken behind slashes, where they are too long, before they are within a name."""
    return _WITHIN_PATH.sub("/<wbr>", as_html(text))


def close_all(widget: Any) -> None:
    """Closes a widget with all that is in it and all that belongs to it; ipywidgets would keep them for ever."""
    widgets = list(_with_children(widget))
    looks = [getattr(one, name, None) for one in widgets for name in ("layout", "style")]
    for one in dict.fromkeys([*widgets, *looks]):
        if one is not None:
            one.close()


def _with_children(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _with_children(child)
