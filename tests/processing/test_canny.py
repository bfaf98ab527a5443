"""Edges are OpenCV's, bit for bit."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from jupyter_latents.processing.canny import blurred, edges, grey, otsu, triangle


def pixels() -> np.ndarray:
    """Coloured hills with sharp rims, (90, 70, 3)."""
    rows, columns = np.mgrid[0:90, 0:70]
    hills = np.stack([(rows * 3 + columns * 5) % 97, (rows * columns) % 113, (rows**2 + columns) % 131], -1)
    return np.clip(gaussian_filter(hills.astype("float64"), (1.5, 1.5, 0)) * 2, 0, 255).astype("uint8")


# Made by OpenCV 5.0.0: `cv2.Canny(pixels(), 50, 100, apertureSize=..., L2gradient=...)` and its like.
OPENCV = {
    (3, False): "acd89c3a536e62d4",
    (3, True): "aa63ab26fd553655",
    (5, False): "09fd65bc89e36637",
    (7, True): "061871b0e356609d",
    "blur": "27d2510d4bcf4309",
    "grey": "53c14b3593ee1154",
}


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def test_edges_are_opencvs() -> None:
    made = {key: digest(edges(pixels(), 50, 100, aperture=key[0], squares=key[1])) for key in OPENCV if len(key) == 2}
    made |= {"blur": digest(blurred(pixels())), "grey": digest(grey(pixels()[..., ::-1]))}
    assert made == OPENCV
    assert 0 < (edges(pixels(), 50, 100) > 0).mean() < 1


@pytest.mark.parametrize("seed", range(6))
def test_edges_are_those_of_the_opencv_that_is_here(seed: int) -> None:
    cv2 = pytest.importorskip("cv2")
    draw = np.random.default_rng(seed)
    image = gaussian_filter(draw.integers(0, 256, (*draw.integers(3, 60, 2), 3)).astype("float64"), (seed, seed, 0))
    image = np.clip((image - image.min()) * 3, 0, 255).astype("uint8")
    for given in (image, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)):
        for aperture, squares, low, high in ((3, False, 50, 100), (5, True, 200, 100), (7, False, 0, 33.5)):
            right = cv2.Canny(given, low, high, apertureSize=aperture, L2gradient=squares)
            assert np.array_equal(edges(given, low, high, aperture=aperture, squares=squares), right)


def test_levels_that_part_a_picture_are_opencvs() -> None:
    parts = (grey(pixels()), pixels()[..., 0], pixels()[:9, :9, 1], np.full((3, 3), 7, "uint8"))
    # Made by OpenCV 5.0.0: `cv2.threshold(part, 0, 255, cv2.THRESH_OTSU)[0]`, and of cv2.THRESH_TRIANGLE.
    assert [(otsu(part), triangle(part)) for part in parts] == [(105, 76), (95, 143), (42, 14), (0, 6)]


@pytest.mark.parametrize("seed", range(20))
def test_levels_are_those_of_the_opencv_that_is_here(seed: int) -> None:
    cv2 = pytest.importorskip("cv2")
    draw = np.random.default_rng(seed)
    image = draw.normal(draw.uniform(0, 255), draw.uniform(1, 90), draw.integers(1, 40, 2)).clip(0, 255).astype("uint8")
    wanted = [int(cv2.threshold(image, 0, 255, way)[0]) for way in (cv2.THRESH_OTSU, cv2.THRESH_TRIANGLE)]
    assert [otsu(image), triangle(image)] == wanted


def test_a_flat_picture_has_no_edges_and_a_step_has_one() -> None:
    flat = np.full((9, 9), 7, "uint8")
    assert not edges(flat, 0, 0).any()
    flat[:, 4:] = 200
    assert [int(column) for column in np.unique(np.nonzero(edges(flat, 50, 100))[1])] == [3]
