"""Contact sheets: every picture whole in its place, whatever the words around it."""

import itertools
from typing import Any

import pytest
from PIL import Image, ImageDraw

from jupyter_latents.display.pictures import sheet
from jupyter_latents.display.pictures.arrangement import arranged
from jupyter_latents.errors import LatentsError
from jupyter_latents.stage import Choice

COLOURS = [(40 + 9 * number, 255 - 9 * number, 60) for number in range(24)]
LONG = "a very long prompt that has no room above the pictures of a sheet, 日本語 and \u202e marks" * 3


def choices(**axes: tuple[object, ...]) -> list[Choice]:
    return [tuple(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "several",
    [
        choices(guidance=(2.0, 4.0), seed=(1, 2, 3)),
        choices(prompt=(LONG, "b"), guidance=(2.0, 4.0), seed=(1, 2, 3)),
        choices(prompt=(LONG, "b")),
        choices(seed=tuple(range(5))),
        [()],
        [(), (), ()],
    ],
    ids=["two", "three", "prompts", "seeds", "single", "none"],
)
def test_every_picture_is_on_the_sheet_whole(several: list[Choice]) -> None:
    pictures = [Image.new("RGB", (48, 64), COLOURS[number]) for number in range(len(several))]
    made = sheet.draw_sheet(pictures, ["a label that is long"] * len(several), arranged(several))
    counted = {colour: count for count, colour in made.getcolors(10**6)}
    assert [counted.get(COLOURS[number]) for number in range(len(several))] == [48 * 64] * len(several)


def test_the_largest_sheet_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MOST_PIXELS", 100_000)
    several = choices(guidance=(2.0, 4.0), seed=(1, 2, 3))
    pictures = [Image.new("RGB", (512, 512))] * 6
    made = sheet.draw_sheet(pictures, [""] * 6, arranged(several))
    assert made.width * made.height < 100_000
    with pytest.raises(LatentsError, match="are too many for one sheet"):
        sheet.draw_sheet(pictures[:1] * 60, [""] * 60, arranged(choices(guidance=(1.0, 2.0), seed=tuple(range(30)))))
    with pytest.raises(LatentsError, match="no pictures"):
        sheet.draw_sheet([], [], arranged([]))


def test_a_sheet_of_long_prompts_measures_few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    class Counted:
        def __init__(self, font: Any) -> None:
            self._font = font

        def getlength(self, text: str) -> float:
            measured.append(text)
            return float(self._font.getlength(text))

    drawn: list[str] = []
    font, draw = sheet._font, ImageDraw.ImageDraw.text
    monkeypatch.setattr(sheet, "_font", lambda size: Counted(font(size)))

    def text(self: ImageDraw.ImageDraw, xy: Any, said: str, fill: Any, font: Any) -> None:
        drawn.append(said)
        draw(self, xy, said, fill=fill, font=font._font)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    prompts = ("\u202e\x1b[2J" + "a fox " * 50_000, "b")
    several = choices(prompt=prompts)
    sheet.draw_sheet([Image.new("RGB", (256, 64))] * 2, [f"prompt {one}" for one in prompts], arranged(several))
    assert len(measured) < 60
    assert sum(map(len, measured)) < 60_000
    assert drawn[0].startswith("prompt \\u202e")
    assert drawn[0].endswith("...")
