"""A mask is grey where more of it than its edges is; JPEG's noise and smooth edges are none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from jupyter_latents.processing import grey_share


def circle(side: int, radius: int, fill: int = 255, ground: int = 0) -> Image.Image:
    """A circle with smooth edges."""
    large = Image.new("L", (4 * side, 4 * side), ground)
    middle, reach = 2 * side, 4 * radius
    ImageDraw.Draw(large).ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=fill)
    return large.resize((side, side), Image.Resampling.LANCZOS)


def as_jpeg(mask: Image.Image, quality: int) -> Image.Image:
    """As a JPEG of a quality gives it back."""
    content = io.BytesIO()
    mask.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("L")


def gradient(side: int) -> Image.Image:
    """Black to white from left to right."""
    return Image.fromarray(np.tile(np.linspace(0, 255, side).round().astype(np.uint8), (side, 1)))


@pytest.mark.parametrize(
    "mask",
    [
        Image.new("L", (64, 64), 0),
        Image.new("L", (64, 64), 255),
        Image.new("L", (1, 1), 255),
        circle(64, 20),
        circle(64, 6),
        circle(512, 150),
        circle(512, 150, fill=0, ground=255),
        circle(512, 150).filter(ImageFilter.GaussianBlur(4)),
        as_jpeg(circle(512, 150), 50),
        as_jpeg(circle(512, 20), 30),
        circle(1024, 300).resize((128, 128), Image.Resampling.BICUBIC),
    ],
    ids=["black", "white", "pixel", "small", "dot", "smooth", "turned", "feather", "jpeg", "jpeg-dot", "shrunk"],
)
def test_smooth_edges_and_noise_are_no_grey(mask: Image.Image) -> None:
    assert grey_share(mask) == 0.0


@pytest.mark.parametrize(
    ("mask", "share"),
    [
        (Image.new("L", (64, 64), 128), 1.0),
        (gradient(256), 190 / 256),
        (as_jpeg(gradient(256), 80), 190 / 256),
        (circle(512, 40, fill=100), 0.019),
        (circle(512, 40, fill=160, ground=255), 0.019),
        (circle(512, 150).filter(ImageFilter.GaussianBlur(24)), 0.2),
    ],
    ids=["grey", "gradient", "jpeg", "small", "turned", "soft"],
)
def test_what_is_grey_is_told_with_its_share(mask: Image.Image, share: float) -> None:
    assert grey_share(mask) == pytest.approx(share, abs=0.01)
