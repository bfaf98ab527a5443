"""Whatever an operation is given, it works or says in our words what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.latents import CLEAN, SPACES, Latents, LatentsSequence, Noise, Position, Trajectory, batch, split
from tests.latents.gaussian import Gaussian, has_moments

DATA = Gaussian(0.5, 0.8)
SMALL = (1, 4, 8, 8)
NOISY, OTHER = (DATA.draw(Noise(1.0, "ve"), seed, shape=SMALL) for seed in (1, 2))
PURE, PICTURE, UNKNOWN = NOISY.replace(denoised=None), DATA.draw(CLEAN, 3, shape=SMALL), Latents(torch.zeros(SMALL))
STEPPED = NOISY.replace(position=Position(1, 4), trajectory=(NOISY.replace(position=Position(1, 4)),))
SOME = LatentsSequence((NOISY, OTHER), ("a", "b"))

ANYTHING = (
    "x", "", b"x", None, True, 3, 0, -1, -1.5, 1.5, math.nan, math.inf, -math.inf, 1e30, 10**30, 2 + 3j, object(),
    float, [], (), {}, [None], [1, 2], ("a", "b"), (1, 2, 3, 4), (True,) * 4, (math.nan,) * 4, (0, 0, 8.5, 8), [-8, -8],
    torch.tensor(math.nan), torch.ones(2), torch.ones(2, 2), np.ones(3), np.zeros((0, 0)), np.float32(0.5),
    Image.new("L", (8, 8)), NOISY, PICTURE, UNKNOWN, SOME, SPACES["sd"], CLEAN,
)  # fmt: skip

CALLS: dict[str, Callable[[Latents, Any], object]] = {
    "scale": lambda one, given: one.scale(given),
    "scale seed": lambda one, given: one.scale(0.5, seed=given),
    "blend": lambda one, given: one.blend(given),
    "blend weight": lambda one, given: one.blend(OTHER, given),
    "blend seed": lambda one, given: one.blend(OTHER, seed=given),
    "slerp": lambda one, given: one.slerp(given),
    "slerp weight": lambda one, given: one.slerp(OTHER, given),
    "slerp seed": lambda one, given: one.slerp(OTHER, seed=given),
    "composite": lambda one, given: one.composite(given, torch.ones(8, 8)),
    "composite mask": lambda one, given: one.composite(OTHER, given),
    "composite feather": lambda one, given: one.composite(OTHER, torch.ones(8, 8), given),
    "composite seed": lambda one, given: one.composite(OTHER, torch.ones(8, 8) / 2, seed=given),
    "crop": lambda one, given: one.crop(given),
    "crop edge": lambda one, given: one.crop((0, 0, given, 8)),
    "pad": lambda one, given: one.pad(given),
    "pad edge": lambda one, given: one.pad((given, 0, 8, 8)),
    "pad mode": lambda one, given: one.pad(8, mode=given),
    "pad seed": lambda one, given: one.pad(8, seed=given),
    "flip horizontal": lambda one, given: one.flip(horizontal=given),
    "flip vertical": lambda one, given: one.flip(vertical=given),
    "resize": lambda one, given: one.resize(given),
    "resize width": lambda one, given: one.resize((given, 64)),
    "resize mode": lambda one, given: one.resize((32, 32), mode=given),
    "resize seed": lambda one, given: one.resize((32, 32), seed=given),
    "at": lambda one, given: one.at(given),
    "at step": lambda one, given: one.at(step=given),
    "add_noise": lambda one, given: one.add_noise(given),
    "add_noise seed": lambda one, given: one.add_noise(2.0, seed=given),
    "add_noise form": lambda one, given: one.add_noise(2.0, form=given),
    "to_form": lambda one, given: one.to_form(given),
    "fits": lambda one, given: one.fits(given) if not isinstance(given, str) else None,
    "save": lambda one, given: one.save(given),
    "load": lambda one, given: Latents.load(given),
    "+": lambda one, given: one + given,
    "reflected +": lambda one, given: given + one,
    "-": lambda one, given: one - given,
    "*": lambda one, given: one * given,
    "reflected *": lambda one, given: given * one,
    "/": lambda one, given: one / given,
    "batch": lambda one, given: batch(given),
    "batch item": lambda one, given: batch([one, given]),
    "split": lambda one, given: split(given),
    "sequence": lambda one, given: LatentsSequence(given),
    "sequence item": lambda one, given: LatentsSequence((one, given)),
    "labels": lambda one, given: LatentsSequence((one,), given),
    "fps": lambda one, given: Trajectory((one,)).to_gif("some.gif", fps=given),
    "hold": lambda one, given: Trajectory((one,)).to_gif("some.gif", hold=given),
    "side": lambda one, given: Trajectory((one,)).to_gif("some.gif", side=given),
    "film": lambda one, given: Trajectory((one,)).to_gif(given),
    "frames": lambda one, given: Trajectory((one,)).frames(item=given),
    **{
        f"replace {name}": lambda one, given, name=name: one.replace(**{name: given})
        for name in ("tensor", "space", "noise", "position", "resume", "provenance", "denoised", "trajectory", "sigma")
    },
    "sigma": lambda one, given: one.replace(noise=Noise(given, "vp")),
    "form": lambda one, given: one.replace(noise=Noise(0.5, given)),
}


@pytest.mark.parametrize("name", CALLS)
def test_any_argument_works_or_is_refused_in_our_words(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for one in (NOISY, PURE, PICTURE, UNKNOWN, STEPPED):
        for anything in ANYTHING:
            with suppress(JupyterLatentsError):
                CALLS[name](one, anything)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda one: one.scale("x"), "factor is 'x'; it is a number"),
        (lambda one: one.scale(True), "factor is True; it is a number"),
        (lambda one: one.scale(0.5, seed=1.5), "seed is 1.5; it is a whole number"),
        (lambda one: one.scale(0.5, seed=2**70), "it lies between"),
        (lambda one: one.blend(one, None), "weight is None; it goes from 0"),
        (lambda one: one.blend(one, math.nan), "weight is nan; it goes from 0"),
        (lambda one: one.composite(one, "x"), "mask is a str"),
        (lambda one: one.composite(one, torch.ones(8, 8), "x"), "feather is 'x'; it is a number of picture pixels"),
        (lambda one: one.composite(one, torch.ones(8, 8), 1e9), "0 to 4096"),
        (lambda one: one.crop("a"), "box is 'a'"),
        (lambda one: one.flip(horizontal="no"), "horizontal is 'no'; it is True or False"),
        (lambda one: one.resize(1.5), "size is 1.5; give"),
        (lambda one: one.resize((8, 8), mode=3), "mode is 3; allowed are bilinear"),
        (lambda one: one.at("x"), "fraction is 'x'; it is a part of the schedule"),
        (lambda one: one.at(12), r"A number of steps is at\(step=12\)"),
        (lambda one: one.at(1.5), "fraction is 1.5; it is a part"),
        (lambda one: one.at(step=1.5), "step is 1.5; it is a whole number"),
        (lambda one: one.add_noise(to="x"), "to is 'x'; it is a noise level"),
        (lambda one: one.add_noise(2.0, form="clean"), "form is 'clean'; allowed are ve, vp, flow"),
        (lambda one: one.to_form("VE"), "form is 'VE'; allowed are"),
        (lambda one: one.fits(3), "model is 3; give its name"),
        (lambda one: one.save(3), "3 is no path"),
        (lambda one: one.replace(space="sdx"), "no latent space is called 'sdx'; did you mean sd"),
        (lambda one: one.replace(noise=0.5), r"noise of latents is 0.5; give CLEAN or Noise\("),
        (lambda one: one.replace(sigma=0.5), "no attribute 'sigma'"),
        (lambda one: one.replace(denoised="x"), "clean estimate .* is 'x'"),
        (lambda one: one.replace(tensor=one.tensor[..., :4]), r"\(denoised\) has shape \(1, 4, 8, 8\) and the latents"),
        (lambda _: SOME["a"], "index is 'a'; it is a whole number"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(wrong: Callable[[Latents], object], message: str) -> None:
    with pytest.raises(JupyterLatentsError, match=message):
        wrong(NOISY)


def test_numbers_may_come_from_numpy_and_torch() -> None:
    for half in (np.float32(0.5), torch.tensor(0.5), np.array(0.5)):
        assert torch.equal(NOISY.blend(OTHER, half).tensor, NOISY.blend(OTHER, 0.5).tensor)
    assert NOISY.resize(np.array([32, 32])).size == (32, 32)
    assert NOISY.replace(space="SDXL").space is SPACES["sdxl"]
    assert SOME[np.int64(-1)] is OTHER
    assert SOME.label(-1) == "b"
    with pytest.raises(IndexError, match="no item 2 among 2 latents; use 0 to 1"):
        SOME[2]


def test_noise_of_an_operation_is_not_that_of_a_run_with_the_same_seed() -> None:
    """The run's noise is still in the latents: added once more it would make sigma 3, not the square root of 5."""
    shape = (2, 4, 96, 96)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(7))
    made = Latents(noise, SPACES["sd"], Noise(1.0, "ve"))
    has_moments(made.add_noise(5**0.5, seed=7), 0.0, 5.0)
    has_moments(made.scale(0.5, seed=7), 0.0, 1.0)
    stretched = made.add_noise(2.0, seed=3).add_noise(4.0, seed=3)
    has_moments(stretched, 0.0, 16.0)
    has_moments(stretched.scale(0.5, seed=3).scale(0.5, seed=3), 0.0, 16.0)


def test_one_seed_gives_all_clean_latents_the_same_noise() -> None:
    """Two pictures to be noised alike."""
    first, second = PICTURE, DATA.draw(CLEAN, 4, shape=SMALL)
    drawn = [one.add_noise(2.0, seed=3).tensor - one.tensor for one in (first, second)]
    torch.testing.assert_close(*drawn)
