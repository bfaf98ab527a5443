"""Latents pasted into others: in their place, with faded edges, at the noise level of both."""

from __future__ import annotations

import pytest
import torch

from jupyter_latents.errors import HandoffError, SettingError
from jupyter_latents.latents import Latents, paste
from jupyter_latents.latents.facts import CLEAN, Noise


def clean(value: float, width: int, height: int) -> Latents:
    return Latents(torch.full((1, 4, height, width), value), noise=CLEAN)


def test_the_place_is_covered_and_the_rest_stays() -> None:
    made = paste(clean(0.0, 8, 6), clean(1.0, 3, 2), (16, 8))
    expected = torch.zeros(6, 8)
    expected[1:3, 2:5] = 1.0
    assert torch.equal(made.tensor[0, 0], expected)
    assert (made.provenance.operation, len(made.provenance.parents)) == ("paste", 2)


def test_what_goes_beyond_the_edge_is_left_out_and_edges_fade_inside_alone() -> None:
    made = clean(0.0, 8, 4).paste(clean(1.0, 4, 9), (40, 0), feather=16)
    assert torch.equal(made.tensor[0, 0], torch.tensor([0.0, 0, 0, 0, 0, 0.5, 1, 1]).expand(4, 8))


def test_noise_keeps_its_level() -> None:
    def noisy(seed: int, side: int) -> Latents:
        generator = torch.Generator().manual_seed(seed)
        tensor = 5.0 * torch.randn(1, 4, side, side, generator=generator)
        return Latents(tensor, noise=Noise(5.0, "ve"), denoised=torch.zeros_like(tensor))

    made = paste(noisy(1, 64), noisy(2, 32), (128, 128), feather=64)
    assert made.noise == Noise(5.0, "ve")
    assert float(made.tensor[:, :, 16:48, 16:48].std()) == pytest.approx(5.0, rel=0.05)
    with pytest.raises(HandoffError):
        paste(noisy(1, 8), clean(0.0, 4, 4), (0, 0))


@pytest.mark.parametrize(("at", "feather"), [((64, 0), 0), ((-8, 0), 0), ((4, 0), 0), ("x", 0), ((0, 0), -1)])
def test_a_place_that_cannot_be_is_refused(at: object, feather: float) -> None:
    with pytest.raises(SettingError):
        paste(clean(0.0, 8, 8), clean(1.0, 2, 2), at, feather=feather)  # type: ignore[arg-type]
