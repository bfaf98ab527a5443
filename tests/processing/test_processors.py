"""What image processors make of a picture, and what of its size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from jupyter_latents.addresses import read_address
from jupyter_latents.errors import SettingError
from jupyter_latents.processing import PROCESSORS, chain_of, chain_size, chains, check_processor, processed
from jupyter_latents.processing.canny import edges
from jupyter_latents.processing.smoothing import element, line_art, smoothed

PIXELS = np.arange(40 * 60 * 3, dtype="uint32").reshape(40, 60, 3) * 7 % 251
PICTURE = Image.fromarray(PIXELS.astype("uint8"))

RIGHT = {
    "mirror": lambda: ImageOps.mirror(PICTURE),
    "flip": lambda: ImageOps.flip(PICTURE),
    "grayscale": lambda: ImageOps.grayscale(PICTURE).convert("RGB"),
    "invert": lambda: ImageOps.invert(PICTURE),
    "posterize;bits=3": lambda: ImageOps.posterize(PICTURE, 3),
    "solarize": lambda: ImageOps.solarize(PICTURE, 128),
    "solarize;threshold=40": lambda: ImageOps.solarize(PICTURE, 40),
    "crop;box=5x6x25x16": lambda: PICTURE.crop((5, 6, 25, 16)),
    "resize;size=30": lambda: PICTURE.resize((30, 20), Image.Resampling.LANCZOS),
    "resize;size=30x30;aspect-correct=false": lambda: PICTURE.resize((30, 30), Image.Resampling.LANCZOS),
    "resize;scale=2;algo=nearest": lambda: PICTURE.resize((120, 80), Image.Resampling.NEAREST),
    "resize;scale=2": lambda: PICTURE.resize((120, 80), Image.Resampling.BICUBIC),
    "resize;align=16": lambda: PICTURE.resize((48, 32), Image.Resampling.LANCZOS),
    "letterbox;box-size=80x60;box-color=#FF0000": lambda: ImageOps.expand(PICTURE, 10, (255, 0, 0)),
    "letterbox;box-size=3;box-is-padding=true": lambda: ImageOps.expand(PICTURE, 3),
    "letterbox;box-size=1x2x3x4;box-is-padding=true": lambda: ImageOps.expand(PICTURE, (1, 2, 3, 4)),
    "letterbox;box-size=64;inner-size=30": lambda: ImageOps.expand(
        PICTURE.resize((30, 20), Image.Resampling.LANCZOS), (17, 22)
    ),
    "gaussian-blur": lambda: Image.fromarray(smoothed(PIXELS.astype("uint8"), (5, 5))),
    "gaussian-blur;size=9x3;sigma-x=2": lambda: Image.fromarray(smoothed(PIXELS.astype("uint8"), (9, 3), (2, 2))),
    "dilate": lambda: PICTURE.filter(ImageFilter.MaxFilter(3)),
    "dilate;size=5;steps=2;shape=r": lambda: PICTURE.filter(ImageFilter.MaxFilter(9)),
    "lineart-standard": lambda: Image.fromarray(line_art(PIXELS.astype("uint8"), 6, 8)).convert("RGB"),
    "outpaint-mask;box=4": lambda: ImageOps.expand(Image.new("RGB", (60, 40)), 4, (255,) * 3),
    "outpaint-mask;box=2x4": lambda: ImageOps.expand(Image.new("RGB", (60, 40)), (2, 4), (255,) * 3),
    "outpaint-mask;box=0x4x8x2": lambda: ImageOps.expand(Image.new("RGB", (60, 40)), (0, 4, 8, 2), (255,) * 3),
    "canny": lambda: Image.fromarray(edges(PIXELS.astype("uint8")[..., ::-1], 50, 100)).convert("RGB"),
    "canny;lower=100;upper=200;L2_gradient=true;aperture-size=5": lambda: Image.fromarray(
        edges(PIXELS.astype("uint8")[..., ::-1], 100, 200, aperture=5, squares=True)
    ).convert("RGB"),
}


@pytest.mark.parametrize("text", RIGHT)
def test_a_processor_makes_what_pillow_makes(text: str) -> None:
    link = read_address(text)
    made = processed(PICTURE, (link,))
    assert (made.mode, made.size) == ("RGB", chain_size(PICTURE.size, (link,)))
    assert made.tobytes() == RIGHT[text]().tobytes()


def test_every_processor_is_tried() -> None:
    assert {read_address(text).name for text in RIGHT} == set(PROCESSORS)


@pytest.mark.parametrize("more", ["gray=true", "blur=true", "threshold-algo=median", "detect-resolution=30"])
def test_each_setting_of_canny_changes_the_edges(more: str) -> None:
    plain, other = (processed(PICTURE, (read_address(text),)) for text in ("canny", f"canny;{more}"))
    assert plain.size == other.size
    assert plain.tobytes() != other.tobytes()


def test_chains_are_parted_by_plus() -> None:
    one, two = read_address("mirror"), read_address("flip;pre-resize=true")
    plus = read_address("+")
    assert chains(()) == []
    assert chains((one, two)) == [(one, two)]
    assert chains((plus, two)) == [(), (two,)]
    assert chains((one, plus)) == [(one,), ()]
    assert chain_of((one, two, plus, two), 0, before=False) == (one,)
    assert chain_of((one, two, plus, two), 1, before=True) == (two,)
    assert chain_of((one,), 4, before=False) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cany", "did you mean canny?"),
        ("openpose;include-hand=true", "openpose does not run here: it takes a network of its own"),
        ("paste", "not yet"),
        ("canny;lowwer=3", "did you mean lower?"),
        ("canny;lower=x", "give a number from 0 to 100000"),
        ("canny;aperture-size=4", "give an odd number from 3 to 7"),
        ("canny;threshold-algo=best", "threshold-algo=best is not allowed; give otsu, triangle, median"),
        ("posterize", "posterize needs bits="),
        ("posterize;bits=9", "a whole number from 1 to 8"),
        ("resize", "needs size= or scale= or align="),
        ("resize;size=5;scale=2", "exclude each other"),
        ("resize;size=99999x99999", "million pixels at most"),
        ("crop;box=5x5x5x9", "right of left"),
        ("crop;box=5x5", "4 whole numbers with x between"),
        ("letterbox;box-size=1x2x3x4", "add box-is-padding=true"),
        ("letterbox;box-size=9;box-color=red", "a colour such as #FFFFFF"),
        ("mirror;pre-resize=maybe", "true or false"),
    ],
)
def test_what_a_processor_does_not_take_is_refused_with_what_it_takes(text: str, says: str) -> None:
    with pytest.raises(SettingError) as refused:
        check_processor(read_address(text))
    assert says in refused.value.message


POINT = np.pad(np.full((1, 1, 1), 255, "uint8"), ((4, 4), (4, 4), (0, 0)))
BLURS: dict[tuple[tuple[int, int], float], tuple[list[int], list[int]]] = {
    ((7, 7), 1.3): ([0, 2, 7, 18, 25, 18, 7, 2, 0], [0, 2, 7, 18, 25, 18, 7, 2, 0]),
    ((3, 5), 0.0): ([0, 0, 0, 24, 48, 24, 0, 0, 0], [0, 0, 8, 32, 48, 32, 8, 0, 0]),
    ((9, 1), 0.0): ([8, 13, 30, 51, 60, 51, 30, 13, 8], [0, 0, 0, 0, 60, 0, 0, 0, 0]),
}
"""Across and down the middle of a white point, smoothed by OpenCV 5.0.0."""


@pytest.mark.parametrize("case", BLURS)
def test_a_point_is_smoothed_as_by_opencv(case: tuple[tuple[int, int], float]) -> None:
    made = smoothed(POINT, case[0], (case[1], case[1]))[..., 0]
    assert (made[4].tolist(), made[:, 4].tolist()) == BLURS[case]


@pytest.mark.parametrize(
    ("size", "shape", "rows"),
    [
        ((5, 5), "ellipse", ["00100", "11111", "11111", "11111", "00100"]),
        ((3, 7), "ellipse", ["010", "111", "111", "111", "111", "111", "010"]),
        ((5, 1), "ellipse", ["00100"]),
        ((3, 5), "cross", ["010", "010", "111", "010", "010"]),
    ],
)
def test_what_spreads_has_the_shape_that_opencv_gives_it(size: tuple[int, int], shape: str, rows: list[str]) -> None:
    assert ["".join(map(str, row)) for row in element(size, shape).astype(int)] == rows
