"""Draws a contact sheet: pictures in rows and columns, the options and their values around them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from jupyter_latents.display.pictures.arrangement import Arrangement, value_text
from jupyter_latents.display.pictures.images import shrunk
from jupyter_latents.errors import LatentsError
from jupyter_latents.formats import MOST_PIXELS
from jupyter_latents.wording import visible

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["draw_sheet"]

_PAPER, _INK, _FAINT = (255, 255, 255), (31, 35, 40), (89, 99, 110)
_SMALLEST = 32
_LONGEST = 2000  # letters of a line that are looked at


@dataclass(frozen=True, slots=True)
class _Measures:
    """Lengths in pixels.

    Attributes:
        width: Of a picture.
        height: Of a picture.
        columns: Pictures side by side.
        rows: Pictures one below the other, in one grid.
        text: Height of letters.
        left: Room for the values of the rows.
        top: Room for the values of the columns.
        title: Room for what stands over a grid.
        below: Room for the words of each picture.
    """

    width: int
    height: int
    columns: int
    rows: int
    text: int
    left: int = 0
    top: int = 0
    title: int = 0
    below: int = 0

    @property
    def gap(self) -> int:
        """Between pictures, and around all."""
        return max(4, self.width // 24)

    @property
    def tall(self) -> int:
        """The height of one grid with all that belongs to it."""
        return self.title + self.top + self.gap + self.rows * (self.height + self.below + self.gap)

    @property
    def wide(self) -> int:
        """The width of the sheet."""
        return self.left + self.gap + self.columns * (self.width + self.gap)

    def place(self, tab: int, row: int, column: int) -> tuple[int, int]:
        """Where a picture's upper left corner is."""
        x = self.left + self.gap + column * (self.width + self.gap)
        return x, tab * self.tall + self.title + self.top + self.gap + row * (self.height + self.below + self.gap)


def draw_sheet(pictures: Sequence[Image], labels: Sequence[str], grid: Arrangement) -> Image:
    """The pictures in their places, each as large as it is unless the sheet would be larger than pictures may be.

    Args:
        pictures: One of each result.
        labels: What tells each from the others; it stands below where there are no rows.
        grid: Where they stand.

    Raises:
        LatentsError: There are none, or too many for one sheet.
    """
    from PIL import Image as PilImage
    from PIL import ImageDraw

    if not pictures:
        raise LatentsError("there are no pictures to put on a sheet; this sequence is empty.")
    small = [shrunk(picture, _side(pictures, grid)) for picture in pictures]
    measures = _measured(small, grid, labels)
    sheet = PilImage.new("RGB", (measures.wide, measures.tall * len(grid.tabs)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for tab in range(len(grid.tabs)):
        _draw_axes(draw, grid, measures, tab)
    for number, (picture, place) in enumerate(zip(small, grid.places, strict=True)):
        tab, row, column = (0, *divmod(number, measures.columns)) if grid.flat else place
        x, y = measures.place(tab, row, column)
        sheet.paste(picture.convert("RGB"), (x, y))
        if measures.below:
            _write(draw, (x, y + measures.height + 2, measures.width), labels[number], measures.text, _FAINT)
    return sheet


def _cells(grid: Arrangement) -> tuple[int, int]:
    """Columns and rows: as square as can be where one option took several values, or none did."""
    if not grid.flat:
        return len(grid.columns.values), len(grid.rows.values)
    columns = math.ceil(math.sqrt(len(grid.places)))
    return columns, math.ceil(len(grid.places) / columns)


def _side(pictures: Sequence[Image], grid: Arrangement) -> int:
    """The longest side of a picture on the sheet."""
    columns, rows = _cells(grid)
    largest, places = max(max(picture.size) for picture in pictures), columns * rows * len(grid.tabs)
    side = min(largest, int((MOST_PIXELS / 2 / places) ** 0.5))
    if side < min(_SMALLEST, largest):
        raise LatentsError(f"{places} pictures are too many for one sheet; make one of a part: xy[:1000].grid().")
    return side


def _measured(pictures: Sequence[Image], grid: Arrangement, labels: Sequence[str]) -> _Measures:
    width, height = (max(getattr(picture, name) for picture in pictures) for name in ("width", "height"))
    columns, rows = _cells(grid)
    text = max(11, min(32, width // 12))
    bare = _Measures(width, height, columns, rows, text)
    if grid.flat:
        return replace(bare, below=text + 8 if any(labels) else 0)
    font, gap = _font(text), bare.gap
    named = font.getlength(f"{grid.rows.name}  {grid.columns.name}") + 4 * text
    values = max(font.getlength(_line(value_text(value))) for value in grid.rows.values)
    left = round(max(named, min(width, values))) + gap
    return replace(bare, left=left, top=2 * text, title=2 * text if any(grid.tabs) else 0)


def _draw_axes(draw: ImageDraw, grid: Arrangement, measures: _Measures, tab: int) -> None:
    """The values of rows and columns, and what stands over them."""
    text, gap, top = measures.text, measures.gap, tab * measures.tall + measures.gap
    if grid.tabs[tab]:
        _write(draw, (gap, top, measures.wide - 2 * gap), grid.tabs[tab], text, _INK)
    if grid.flat:
        return
    top += measures.title
    end = _arrow(draw, _write(draw, (gap, top, measures.left), grid.rows.name, text, _FAINT), top, text, down=True)
    end = _write(draw, (end + text, top, measures.left), grid.columns.name, text, _FAINT)
    _arrow(draw, end, top, text, down=False)
    for column, value in enumerate(grid.columns.values):
        box = (measures.place(0, 0, column)[0], top, measures.width)
        _write(draw, box, value_text(value), text, _INK, 0.5)
    for row, value in enumerate(grid.rows.values):
        box = (gap, measures.place(tab, row, 0)[1] + measures.height // 2 - text // 2, measures.left - gap)
        _write(draw, box, value_text(value), text, _INK, 1)


def _arrow(draw: ImageDraw, left: int, top: int, text: int, *, down: bool) -> int:
    """Draws an arrow, which the font may lack; where it ends."""
    size, tip = text * 2 // 3, text // 4
    x, y = left + text // 2, top + text // 4
    middle = y + size // 2
    if down:
        lines = [(x, y, x, y + size), *((x + way, y + size - tip, x, y + size) for way in (-tip, tip))]
    else:
        head = ((x + size - tip, middle + way, x + size, middle) for way in (-tip, tip))
        lines = [(x, middle, x + size, middle), *head]
    for line in lines:
        draw.line(line, fill=_FAINT, width=max(1, text // 10))
    return x + (tip if down else size)


def _write(
    draw: ImageDraw, box: tuple[int, int, int], text: str, size: int, colour: tuple[int, int, int], share: float = 0
) -> int:
    """Writes a line into a box of left, top and width, cut where it has no room; where it ends.

    Of the room that is left, `share` stands before it.
    """
    font, room = _font(size), box[2]
    line = _cut(_line(text), font, room)
    left = box[0] + max(0, room - font.getlength(line)) * share
    draw.text((left, box[1]), line, fill=colour, font=font)
    return round(left + font.getlength(line))


def _line(text: str) -> str:
    """A text as one line, as far as any sheet has room for it; texts may have a million letters."""
    return visible(" ".join(text[:_LONGEST].split()))


def _cut(line: str, font: FreeTypeFont | ImageFont, room: int) -> str:
    """A line as long as there is room for it."""
    if font.getlength(line) <= room:
        return line
    ends = range(len(line))
    cut = bisect_right(ends, room, key=lambda end: math.ceil(font.getlength(line[:end] + "..."))) - 1
    return f"{line[: max(0, cut)].rstrip()}..."


@cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont as Fonts

    return Fonts.load_default(size)
