"""Blends keep the noise level: means and variances against Gaussian data, for which they are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from jupyter_latents.errors import HandoffError, LatentsError, SettingError
from jupyter_latents.latents import (
    CLEAN,
    SPACES,
    Latents,
    Noise,
    Position,
    Provenance,
    Resume,
    Space,
    batch,
    blend,
    composite,
    slerp,
)
from jupyter_latents.latents.form_table import NOISY_FORMS
from tests.latents.gaussian import Gaussian, has_moments, is_white

FORMS = NOISY_FORMS
SIGMAS = (0.3, 1.0, 4.0)
FIRST, SECOND = Gaussian(0.5, 0.8), Gaussian(-1.0, 0.8)


def pair(noise: Noise, **options) -> tuple[Latents, Latents]:
    return FIRST.draw(noise, 1, **options), SECOND.draw(noise, 2, **options)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("weight", [0.25, 0.5])
@pytest.mark.parametrize("mix", [blend, slerp])
def test_a_mix_of_independent_latents_is_the_mixed_signal_at_the_same_sigma(mix, form, sigma, weight):
    result = mix(*pair(Noise(sigma, form), shape=(2, 4, 192, 192)), weight)
    share = (1 - weight) ** 2 + weight**2
    has_moments(result, (1 - weight) * 0.5 - weight, share * 0.8**2 + sigma**2, within=4)
    is_white(result.tensor)
    assert result.noise == Noise(sigma, form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_blend_without_clean_estimates_keeps_sigma_too(form, sigma):
    result = blend(*pair(Noise(sigma, form), known=False), 0.5)
    has_moments(result, -0.25, 0.5 * 0.8**2 + sigma**2)


@pytest.mark.parametrize("mix", [blend, slerp])
def test_mixes_with_clean_estimates_keep_both_noises_and_draw_little(mix):
    first, second = pair(Noise(2.0, "ve"))
    drawn = mix(first, second, seed=1).tensor - mix(first, second, seed=2).tensor
    assert drawn.std().item() < 0.16 * 2.0  # by hand: sqrt(2 * 2 * (0.5 ** 0.5 - 0.5) ** 2 * 0.64 / 4.64) = 0.154


def test_a_plain_average_would_not_keep_sigma():
    first, second = pair(Noise(4.0, "ve"))
    with pytest.raises(AssertionError):
        has_moments(first.replace(tensor=(first.tensor + second.tensor) / 2), -0.25, 0.5 * 0.8**2 + 16.0)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("mix", [blend, slerp])
def test_a_mix_with_itself_is_the_identity(mix, known):
    base = FIRST.draw(Noise(1.0, "vp"), 1, known=known)
    assert torch.equal(mix(base, base, 0.3).tensor, base.tensor)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
@pytest.mark.parametrize("known", [True, False])
def test_latents_of_one_seed_share_their_noise_and_get_little_new(sigma, known):
    """Nearly one picture with one noise: the average of the two is right as it is."""
    first = Gaussian(0.5, 0.05).draw(Noise(sigma, "ve"), 1, known=known, same_noise=9)
    second = Gaussian(-0.5, 0.05).draw(Noise(sigma, "ve"), 2, known=known, same_noise=9)
    result = blend(first, second, 0.5)
    average = (first.tensor + second.tensor) / 2
    added = (result.tensor - average).std().item() / sigma
    assert added < (0.05 if known else 0.51 / sigma)


@pytest.mark.parametrize("mix", [blend, slerp])
@pytest.mark.parametrize("noise", [CLEAN, Noise(1.0, "flow")])
def test_weights_0_and_1_give_the_latents_themselves(mix, noise):
    first, second = pair(noise)
    assert torch.equal(mix(first, second, 0).tensor, first.tensor)
    assert torch.equal(mix(first, second, 1).tensor, second.tensor)


@pytest.mark.parametrize("form", ["vp", "flow"])
@pytest.mark.parametrize("mix", [blend, slerp])
def test_pure_noise_stays_pure_noise(mix, form):
    result = mix(*pair(Noise(math.inf, form), known=False), 0.5)
    has_moments(result, 0.0, 1.0)


def test_opposite_noises_do_not_cancel():
    first = FIRST.draw(Noise(math.inf, "vp"), 1, known=False)
    for mix in (blend, slerp):
        has_moments(mix(first, first.replace(tensor=-first.tensor), 0.5), 0.0, 1.0)


def test_a_walk_between_seeds_keeps_to_the_circle():
    first, second = pair(Noise(math.inf, "vp"), known=False)
    middle = slerp(first, second, 0.5)
    torch.testing.assert_close(middle.tensor, (first.tensor + second.tensor) / math.sqrt(2), atol=0.1, rtol=0.05)


def test_clean_latents_are_averaged():
    first, second = pair(CLEAN)
    torch.testing.assert_close(blend(first, second, 0.25).tensor, 0.75 * first.tensor + 0.25 * second.tensor)


def test_clean_latents_go_over_the_sphere():
    one = Latents(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), noise=CLEAN)
    two = Latents(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1), noise=CLEAN)
    torch.testing.assert_close(slerp(one, two, 0.5).tensor.flatten(), torch.full((2,), math.sqrt(0.5)))


def test_slerp_without_clean_estimates_says_what_to_do():
    with pytest.raises(LatentsError, match=r"use blend\(\)"):
        slerp(*pair(Noise(1.0, "ve"), known=False))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("known", [True, False])
def test_a_feathered_composite_keeps_sigma_everywhere(form, known):
    noise = Noise(2.0, form)
    first, second = Gaussian(0.0, 0.5).draw(noise, 1, known=known), Gaussian(0.0, 0.5).draw(noise, 2, known=known)
    mask = Image.new("L", (768, 768), 0)
    mask.paste(255, (0, 0, 384, 768))
    result = composite(first, second, mask, feather=256)
    assert torch.equal(result.tensor[..., :20], second.tensor[..., :20])
    assert torch.equal(result.tensor[..., -20:], first.tensor[..., -20:])
    middle = result.replace(tensor=result.tensor[..., 46:50], denoised=None)
    has_moments(middle, 0.0, 0.5 * 0.25 + 4.0, within=8)


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((6, 5), dtype=bool), np.full((48, 40), 255, dtype=np.uint8), torch.ones(6, 5), torch.ones(1, 6, 5),
        torch.ones(2, 1, 6, 5), Image.new("1", (40, 48), 1), Image.new("RGB", (7, 9), "white"),
        np.ones((6, 5), dtype=np.int64),
    ],
)  # fmt: skip
def test_masks_of_many_kinds_mean_the_same(mask):
    first, second = pair(Noise(1.0, "vp"), shape=(2, 4, 6, 5))
    assert torch.equal(composite(first, second, mask, feather=4).tensor, second.tensor)


@pytest.mark.parametrize(
    ("mask", "feather", "message"),
    [("file.png", 0, "is a str"), (torch.ones(3, 6, 5), 0, "shape"), (torch.full((6, 5), 2.0), 0, "0 to 1"),
     (torch.full((6, 5), math.nan), 0, "0 to 1"), (torch.ones(6, 5), -1, "feather"), (torch.ones(4), 0, "shape")],
)  # fmt: skip
def test_unusable_masks_are_refused(mask, feather, message):
    with pytest.raises(SettingError, match=message):
        composite(*pair(CLEAN, shape=(2, 4, 6, 5)), mask, feather)


def test_the_same_blend_is_the_same_and_another_seed_is_not():
    first, second = pair(Noise(1.0, "ve"))
    assert torch.equal(blend(first, second).tensor, blend(first, second).tensor)
    assert not torch.equal(blend(first, second, seed=1).tensor, blend(first, second, seed=2).tensor)


def test_the_random_state_of_the_process_is_left_alone():
    before = torch.get_rng_state()
    blend(*pair(Noise(1.0, "ve")))
    assert torch.equal(torch.get_rng_state(), before)


def test_other_forms_are_converted_to_the_firsts():
    first, second = pair(Noise(1.0, "ve"))
    torch.testing.assert_close(blend(first, second.to_form("flow"), 1.0).tensor, second.tensor)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_kept(dtype):
    first, second = pair(Noise(1.0, "ve"))
    result = blend(first.replace(tensor=first.tensor.to(dtype)), second.replace(tensor=second.tensor.to(dtype)))
    assert result.tensor.dtype == dtype


def test_what_differs_is_named_on_both_sides():
    first, second = pair(Noise(1.0, "ve"))
    with pytest.raises(HandoffError, match=r"SD space.*SDXL space"):
        blend(first, second.replace(space=SPACES["sdxl"]))
    with pytest.raises(HandoffError, match=r"SD space.*an unknown space"):
        blend(first, second.replace(space=None))
    with pytest.raises(HandoffError, match=r"σ 1 and σ 0\.5.*add_noise\(to=1\)"):
        blend(first, second.replace(noise=Noise(0.5, "ve")))
    with pytest.raises(HandoffError, match="σ 1 and clean"):
        blend(first, second.replace(noise=CLEAN))
    with pytest.raises(LatentsError, match=r"\(2, 4, 96, 96\) and \(1, 4, 96, 96\)"):
        blend(first, second.replace(tensor=second.tensor[:1], denoised=None))
    with pytest.raises(LatentsError, match="nobody said"):
        blend(first, second.replace(noise=None))
    with pytest.raises(SettingError, match=r"weight is 1\.5"):
        blend(first, second, 1.5)


def test_provenance_names_operation_options_and_parents():
    first, second = pair(Noise(1.0, "ve"))
    first = first.replace(provenance=Provenance("m", prompt="a", seed=1), position=Position(3, 10), resume=Resume())
    second = second.replace(provenance=Provenance("m", prompt="b", seed=1), position=Position(3, 10))
    result = first.blend(second, 0.25, seed=5)
    made = result.provenance
    assert (made.operation, made.model, made.prompt, made.seed) == ("blend", "m", "", 1)
    assert made.options == {"weight": "0.25", "seed": "5"}
    assert made.parents == (first.digest, second.digest)
    assert (result.position, result.resume, result.trajectory) == (Position(3, 10), None, ())
    assert first.blend(second.replace(position=Position(4, 10))).position is None


@pytest.mark.parametrize("join", ["blend", "slerp", "composite", "batch", "add"])
def test_what_is_made_can_be_decoded_whichever_comes_first(join):
    """Latents of a file read with ``space=`` know the numbers of their space alone."""
    own = Latents(
        torch.randn(1, 4, 4, 4), Space("own", 4, 8, 0.18215, vae="abc"), CLEAN, provenance=Provenance("demo/x")
    )
    file = Latents(torch.randn(1, 4, 4, 4), SPACES["sd"], CLEAN)
    joined = {
        "blend": blend,
        "slerp": slerp,
        "composite": lambda one, two: composite(one, two, torch.ones(4, 4)),
        "batch": lambda one, two: batch([one, two]),
        "add": lambda one, two: one + two,
    }[join]
    for one, two in ((own, file), (file, own)):
        made = joined(one, two)
        assert made.space == own.space
        assert made.provenance.model == "demo/x"
