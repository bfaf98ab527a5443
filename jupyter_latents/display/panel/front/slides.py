"""A slider beside a field of numbers: it types into the field, which stays what counts; see ``slide.js``."""

from __future__ import annotations

import math
from typing import Any

import traitlets
from anywidget import AnyWidget

from .files import front_script

__all__ = ["Slide"]


class Slide(AnyWidget):
    """A slider that has no value of its own.

    Attributes:
        label: What a screen reader calls it.
        span: Lowest and highest value, and its step.
        at: Where it stands.
        given: Whether the field holds a value; else it stands where an empty field is, in grey.
        on: Whether it can be moved.

    Args:
        name: What the field is called.
        slide: Lowest and highest value, step, and what an empty field means.
        traits: Traits of any widget.
    """

    _esm = front_script("slide.js")
    label = traitlets.Unicode().tag(sync=True)
    span: Any = traitlets.List().tag(sync=True)
    at = traitlets.Float().tag(sync=True)
    given = traitlets.Bool(default_value=False).tag(sync=True)
    on = traitlets.Bool(default_value=True).tag(sync=True)

    def __init__(self, name: str, slide: tuple[float, float, float, float], **traits: Any) -> None:
        *span, self._empty = slide
        super().__init__(label=f"{name}, slider", span=span, at=self._empty, **traits)

    def follow(self, text: str, *, on: bool = True) -> None:
        """Stands where a field's text says; of several numbers at the first, and where it is none stays.

        Args:
            text: The text.
            on: Whether the field can be filled in.
        """
        first = text.split()[:1]
        self.given, self.on = bool(first), on
        try:
            value = float(first[0]) if first else self._empty
        except ValueError:
            return
        if math.isfinite(value) and value != self.at:
            self.at = value
