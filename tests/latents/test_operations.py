"""Crop, pad, flip, resize, batch, add_noise, scale and arithmetic."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pytest
import torch

from jupyter_latents.errors import HandoffError, JupyterLatentsError, LatentsError, SettingError
from jupyter_latents.latents import CLEAN, SPACES, Latents, Noise, Position, Provenance, Resume, batch, operations
from jupyter_latents.latents.form_table import NOISY_FORMS
from jupyter_latents.latents.operations.resampling import resample_white
from tests.latents.gaussian import Gaussian, has_moments, is_white

FORMS = NOISY_FORMS
DATA = Gaussian(0.7, 0.5)


HALF_WAY = Noise(1.0, "vp")


def some(noise: Noise = HALF_WAY, **options: object) -> Latents:
    return DATA.draw(noise, 3, **options)


def test_crop_takes_the_part_with_its_estimate():
    latents = some().replace(position=Position(3, 10), resume=Resume())
    part = latents.crop((8, 16, 48, 40))
    assert torch.equal(part.tensor, latents.tensor[:, :, 2:5, 1:6])
    assert torch.equal(part.denoised, latents.denoised[:, :, 2:5, 1:6])
    assert (part.size, part.noise, part.position, part.resume) == ((40, 24), latents.noise, Position(3, 10), None)
    assert part.provenance.parents == (latents.digest,)


@pytest.mark.parametrize("box", [(0, 0, 0, 8), (8, 0, 4, 8), (0, 0, 9999, 8), (-8, 0, 8, 8), (0, 0, 8)])
def test_crop_outside_the_picture_is_refused(box):
    with pytest.raises(SettingError, match="inside the picture of 768 by 768"):
        some().crop(box)


def test_sizes_between_latent_pixels_name_the_nearest():
    with pytest.raises(SettingError, match=r"multiples of 8: \(0, 0, 40, 24\)"):
        some().crop((0, 0, 41, 22))
    with pytest.raises(SettingError, match="multiples of 8"):
        some().resize((100, 100))


def test_flip_twice_is_the_identity():
    latents = some()
    assert torch.equal(latents.flip(vertical=True).tensor, latents.tensor.flip(2, 3))
    assert torch.equal(latents.flip().flip().tensor, latents.tensor)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["edge", "reflect", "zero"])
def test_padding_has_noise_of_the_same_level(form, mode):
    latents = some(Noise(2.0, form))
    larger = latents.pad((256, 0, 0, 128), mode=mode)
    assert larger.shape == (2, 4, 112, 128)
    assert torch.equal(larger.tensor[:, :, :96, 32:], latents.tensor)
    new = larger.replace(tensor=larger.tensor[:, :, :, :32], denoised=None)
    if mode == "zero":
        has_moments(new, 0.0, 4.0)
    elif mode == "reflect":
        has_moments(new, 0.7, 0.25 + 4.0, within=8)
    is_white(
        larger.tensor[:, :, 96:, :]
        if mode == "zero"
        else new.tensor[:, :, :96]
        if mode == "reflect"
        else latents.tensor
    )


def test_padding_without_an_estimate_is_empty_signal():
    larger = some(known=False).pad(64)
    assert larger.provenance.options["mode"] == "zero"
    with pytest.raises(LatentsError, match="mode='zero'"):
        some(known=False).pad(64, mode="edge")


def test_clean_padding_draws_the_border_out():
    latents = some(CLEAN)
    larger = latents.pad((8, 0, 0, 0))
    assert torch.equal(larger.tensor[..., 0], latents.tensor[..., 0])


@pytest.mark.parametrize(
    ("edges", "mode", "message"),
    [(-8, None, "0 or more"), (8, "wrap", "edge, reflect, zero"), (800, "reflect", "has to reflect")],
)
def test_impossible_padding_is_refused(edges, mode, message):
    with pytest.raises(SettingError, match=message):
        some().pad(edges, mode=mode)


def test_no_picture_is_made_larger_than_one_that_comes_in():
    with pytest.raises(SettingError, match="178 million are the most"):
        some().resize((10**7, 10**7))
    with pytest.raises(SettingError, match="178 million are the most"):
        some().pad((8 * 10**8, 0, 0, 0))


@pytest.mark.parametrize("size", [(48, 48), (192, 192), (40, 130), (97, 95), (96, 96), (1, 200)])
def test_resampled_noise_is_white_and_of_unit_variance(size):
    noise = torch.randn(2, 16, 96, 96, generator=torch.Generator().manual_seed(0))
    made = resample_white(noise, size, torch.Generator().manual_seed(1))
    assert made.shape == (2, 16, *size)
    has_moments(Latents(made), 0.0, 1.0)
    if min(size) > 1:
        is_white(made)


def test_resampled_noise_keeps_its_large_structure():
    noise = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    larger = resample_white(noise, (64, 64), torch.Generator().manual_seed(1))
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(larger, 2) * 2, noise, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(resample_white(larger, (32, 32), torch.Generator()), noise, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(384, 384), (1536, 1536), (1000, 600)])
@pytest.mark.parametrize("sigma", [0.5, 3.0])
def test_resized_latents_have_the_same_sigma_and_white_noise(form, size, sigma):
    """Of a flat signal, so that what varies is the noise."""
    latents = Gaussian(0.7, 1e-3).draw(Noise(sigma, form), 3)
    resized = latents.resize(size)
    has_moments(resized, 0.7, sigma**2)
    is_white(resized.tensor)
    assert resized.size == size
    assert resized.noise == latents.noise


def test_interpolated_latents_would_not_have_the_same_sigma():
    latents = Gaussian(0.7, 1e-3).draw(Noise(3.0, "ve"), 3)
    plain = torch.nn.functional.interpolate(latents.tensor, (192, 192), mode="bilinear")
    with pytest.raises(AssertionError):
        has_moments(latents.replace(tensor=plain, denoised=None), 0.7, 9.0)


def test_noisy_latents_without_an_estimate_are_made_smaller_by_whole_numbers_only():
    latents = some(known=False)
    has_moments(latents.resize((256, 384)), 0.7, 0.25 + 1.0)
    with pytest.raises(LatentsError, match="1/2, 1/3"):
        latents.resize((1536, 768))


def test_clean_latents_are_interpolated():
    flat = Latents(torch.full((1, 4, 8, 8), 0.3), noise=CLEAN)
    torch.testing.assert_close(flat.resize((128, 24), mode="bicubic").tensor, torch.full((1, 4, 3, 16), 0.3))


def test_unknown_modes_and_sizes_are_refused():
    with pytest.raises(SettingError, match="bilinear, bicubic, nearest"):
        some().resize((8, 8), mode="lanczos")
    with pytest.raises(SettingError, match="width, height"):
        some().resize((0, 8))


def test_batch_and_split_are_inverses():
    one, two = DATA.draw(Noise(1.0, "ve"), 1), DATA.draw(Noise(1.0, "ve"), 2)
    joined = batch([one, two])
    assert joined.shape[0] == 4
    items = joined.split()
    assert torch.equal(torch.cat([item.tensor for item in items]), torch.cat([one.tensor, two.tensor]))
    assert torch.equal(items[3].denoised, two.denoised[1:])
    single = items[0].replace(resume=Resume())
    assert single.split() == [single]


def test_batches_of_what_differs_are_refused():
    one = some()
    with pytest.raises(HandoffError, match=r"SD space.*SDXL space"):
        batch([one, one.replace(space=SPACES["sdxl"])])
    with pytest.raises(HandoffError, match="different noise"):
        batch([one, one.replace(noise=Noise(0.5, "vp"))])
    with pytest.raises(HandoffError, match="unknown noise"):
        batch([one, one.replace(noise=None)])
    with pytest.raises(LatentsError, match="all but the first"):
        batch([one, one.crop((0, 0, 8, 8))])
    with pytest.raises(LatentsError, match="no latents"):
        batch([])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("start", [CLEAN, Noise(0.5, "vp"), Noise(0.5, "ve"), Noise(0.5, "flow")])
def test_added_noise_reaches_the_level(form, start):
    raised = some(start).add_noise(2.0, form=form)
    assert raised.noise == Noise(2.0, form)
    has_moments(raised, 0.7, 0.25 + 4.0)
    assert raised.position is None


@pytest.mark.parametrize("form", ["vp", "flow"])
def test_noise_can_be_raised_to_pure_noise(form):
    has_moments(some(CLEAN).add_noise(math.inf, form=form), 0.0, 1.0)


def test_noise_is_not_lowered_and_equal_levels_change_nothing():
    latents = some(Noise(1.0, "ve"))
    assert torch.equal(latents.add_noise(1.0).tensor, latents.tensor)
    for to in (0.5, math.nan):
        with pytest.raises(LatentsError, match="sigma"):
            latents.add_noise(to)
    with pytest.raises(LatentsError, match="nobody said"):
        latents.replace(noise=None).add_noise(2.0)
    assert some(CLEAN).add_noise(0.0).is_clean


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("factor", [0.5, 1.5, -1.0])
def test_scale_changes_the_signal_alone(form, factor):
    has_moments(some(Noise(1.0, form)).scale(factor), 0.7 * factor, 0.25 * factor**2 + 1.0)


@pytest.mark.parametrize("form", FORMS)
def test_scale_down_needs_no_estimate(form):
    latents = some(Noise(1.0, form), known=False)
    has_moments(latents.scale(0.5), 0.35, 0.0625 + 1.0)
    assert torch.equal(latents.scale(1.0).tensor, latents.tensor)
    with pytest.raises(LatentsError, match="between -1 and 1"):
        latents.scale(2.0)
    with pytest.raises(SettingError, match="finite"):
        latents.scale(math.inf)


def test_arithmetic_of_clean_latents():
    one, two = DATA.draw(CLEAN, 1), DATA.draw(CLEAN, 2)
    torch.testing.assert_close((2 * one - two / 2 + 1).tensor, 2 * one.tensor - two.tensor / 2 + 1)
    torch.testing.assert_close((one * two).tensor, one.tensor * two.tensor)
    made = one + two
    assert (made.provenance.operation, made.provenance.parents) == ("+", (one.digest, two.digest))
    assert made.is_clean
    torch.testing.assert_close(sum([one, two]).tensor, one.tensor + two.tensor)


def test_arithmetic_of_noisy_latents_is_refused():
    noisy, clean = some(), some(CLEAN)
    for act in (lambda: noisy + clean, lambda: clean - noisy, lambda: noisy * 2):
        with pytest.raises(LatentsError, match="clean latents only"):
            act()
    with pytest.raises(LatentsError, match="nobody said"):
        clean.replace(noise=None) * 2
    with pytest.raises(HandoffError, match="SDXL"):
        clean + clean.replace(space=SPACES["sdxl"])
    with pytest.raises(LatentsError, match="infinite"):
        clean / 0
    for act in (
        lambda: clean + "text",
        lambda: None * clean,
        lambda: clean - np.ones(3),
        lambda: torch.ones(3) + clean,
    ):
        with pytest.raises(SettingError, match="takes clean latents of the same space, or a number"):
            act()


def test_numbers_of_numpy_and_torch_do_not_make_plain_arrays_of_latents():
    """They would take noisy latents for an array, whose noise arithmetic changes."""
    noisy, clean = some(), some(CLEAN)
    for half in (np.float32(0.5), np.float64(0.5), np.array(0.5), torch.tensor(0.5)):
        for act in (lambda half=half: half * clean, lambda half=half: clean * half):
            assert isinstance(act(), Latents)
            assert torch.equal(act().tensor, clean.tensor * 0.5)
        for act in (lambda half=half: half * noisy, lambda half=half: noisy * half):
            with pytest.raises(LatentsError, match="clean latents only"):
                act()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.bfloat16])
def test_numpy_and_torch_take_latents_as_they_are(dtype):
    latents = Latents(torch.randn(1, 4, 3, 2).to(dtype))
    assert torch.equal(torch.as_tensor(latents), latents.tensor)
    shared = torch.from_dlpack(latents)
    assert shared.data_ptr() == latents.tensor.data_ptr()
    array = np.asarray(latents)
    assert array.shape == latents.shape
    assert np.array_equal(array, latents.tensor.double().numpy())
    assert np.asarray(latents, dtype=np.float64).dtype == np.float64
    array[:] = 0
    assert not (latents.tensor == 0).all()
    if dtype != torch.bfloat16:
        assert array.dtype == latents.tensor.numpy().dtype
        assert np.array_equal(np.from_dlpack(latents), latents.tensor.numpy())


@pytest.mark.parametrize("carry", [copy.deepcopy, lambda latents: pickle.loads(pickle.dumps(latents))])  # noqa: S301
def test_latents_can_be_copied_and_sent_to_another_process(carry):
    latents = some().flip().replace(resume=Resume(MappingProxyType({"order": 2})))
    found = carry(latents)
    assert torch.equal(found.tensor, latents.tensor)
    assert (found.provenance, found.noise, found.space) == (latents.provenance, latents.noise, latents.space)
    assert dict(found.resume.scheduler) == {"order": 2}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda one: one.crop(5), "box is 5; it is"),
        (lambda one: one.crop("abcd"), "box is 'abcd'"),
        (lambda one: one.resize(256), "size is 256; give"),
        (lambda one: one.pad("16"), "edges is '16'; give"),
        (lambda one: one.blend(3), "blend needs latents and was given a int"),
        (lambda one: one.slerp([one, one]), r"slerp needs latents and was given a list. Take one .* join them"),
        (lambda one: one.composite(None, torch.ones(2, 2)), "composite needs latents and was given a NoneType"),
        (lambda one: batch([one, 3]), "batch needs latents and was given a int"),
        (batch, r"batch\(\) takes a list"),
        (lambda one: Latents(np.zeros((1, 4, 8, 8), np.float32)), "latents are a ndarray"),
        (lambda one: one.replace(noise=Noise(-1.0, "ve")), "sigma is -1"),
        (lambda one: one.replace(noise=Noise(0.5, "odd")), "unknown noise form 'odd'"),
    ],
)
def test_arguments_of_another_kind_are_refused_with_what_is_wanted(wrong, message):
    with pytest.raises(JupyterLatentsError, match=message):
        wrong(some())


def test_a_wrong_number_of_channels_names_both_sides():
    with pytest.raises(LatentsError, match=r"16 channels, as SD3, Flux and Wan2.1 latents have; they are not of SD sp"):
        Latents(torch.zeros(1, 16, 8, 8), SPACES["sd"])
    of_sdxl = Latents(torch.zeros(1, 4, 8, 8), SPACES["sdxl"], CLEAN, provenance=Provenance("one/model"))
    of_flux = Latents(torch.zeros(1, 16, 8, 8), SPACES["flux"], CLEAN, provenance=Provenance("other/model"))
    both = r"of SDXL space \(4 channels, factor 8\) by one/model and latents of Flux space \(16 .*\) by other/model"
    for mix in (lambda: of_sdxl.blend(of_flux), lambda: of_sdxl + of_flux, lambda: batch([of_sdxl, of_flux])):
        with pytest.raises(HandoffError, match=both):
            mix()


def test_latents_keep_no_gradient():
    """They would hold the graph that made them, and numpy could not read them."""
    latents = Latents(torch.zeros(1, 4, 8, 8, requires_grad=True), denoised=torch.zeros(1, 4, 8, 8, requires_grad=True))
    assert not latents.tensor.requires_grad
    assert not latents.denoised.requires_grad
    assert np.asarray(latents).shape == (1, 4, 8, 8)


@pytest.mark.parametrize(
    "name", ["blend", "slerp", "composite", "crop", "pad", "flip", "resize", "split", "add_noise", "scale", "to_form"]
)
def test_the_methods_are_the_functions(name):
    """One signature and one docstring; `help` of both shows the whole text."""
    assert getattr(Latents, name) is getattr(operations, name)


def test_items_of_a_batch_say_which_of_its_draws_they_are():
    """One seed made all three: without its place none of them can be made again."""
    whole = Latents(torch.randn(3, 4, 2, 2), SPACES["sd"], CLEAN, provenance=Provenance("m", seed=7))
    assert "7, drawn from in turn by 3 items" in whole.facts()["seed"]
    items = whole.split()
    assert [item.provenance.options["item"] for item in items] == ["0", "1", "2"]
    assert len({item.facts()["seed"] for item in items}) == 3
    assert items[1].facts()["seed"] == "7, item 2 of the 3 that draw from it in turn"
    alone = whole.replace(tensor=whole.tensor[:1])
    assert alone.facts()["seed"] == "7"


@pytest.mark.parametrize(
    "make",
    [
        lambda latents: latents.resize((10_000, 10_000)),
        lambda latents: latents.pad(8_000),
        lambda latents: batch([latents] * 200_000),
        lambda latents: latents.resize((8 * 10**6, 8 * 10**6)),
    ],
    ids=["resize", "pad", "batch", "a million times as wide"],
)
def test_an_operation_that_would_take_all_memory_is_refused(make: Callable[[Latents], Latents]) -> None:
    """A batch of pictures, each of which is small enough, is not."""
    with pytest.raises(SettingError, match=r"would (make latents of shape|have .* pixels)"):
        make(Latents(torch.zeros(300, 4, 8, 8), SPACES["sd"], CLEAN))
