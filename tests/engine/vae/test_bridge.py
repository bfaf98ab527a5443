"""Latents cross into another space as a clean estimate and keep their noise level."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.engine.schedule.fit import check_fits
from jupyter_latents.engine.vae import codec
from jupyter_latents.engine.vae.bridge import bridge, crossing, register_converter
from jupyter_latents.errors import HandoffError, JupyterLatentsError, SettingError
from jupyter_latents.latents import SPACES, Latents, Noise, Provenance
from jupyter_latents.stage import ModelSource, Size, Window
from tests.engine.cases import Bench


def giver(bench: Bench, sigma: float = 1.5, family: str = "sd15") -> Latents:
    facts = bench.engine.cache.load(ModelSource(str(bench.folder(family)))).facts
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    clean = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2)) * 0.5
    return Latents(clean + sigma * noise, facts.space, Noise(sigma, "ve"), denoised=clean)


def crossed(bench: Bench, latents: Latents, family: str) -> Latents:
    cache = bench.engine.cache
    model = cache.load(ModelSource(str(bench.folder(family))))
    own = cache.load(ModelSource(str(bench.folder("sd15")))).vae
    return bridge(latents, lambda: own, model.vae, model.facts.space, model.facts.family.align)


def test_the_clean_estimate_crosses_by_decoding_and_encoding(bench: Bench) -> None:
    latents = giver(bench)
    result = crossed(bench, latents, "sdxl")
    cache = bench.engine.cache
    pictures = codec.decode(latents.denoised, cache.load(ModelSource(str(bench.folder("sd15")))).vae)
    expected = codec.encode(pictures.clamp(-1, 1), cache.load(ModelSource(str(bench.folder("sdxl")))).vae)
    assert torch.equal(result.denoised, expected)


def test_the_noise_is_carried_over_where_its_shape_fits(bench: Bench) -> None:
    latents = giver(bench)
    result = crossed(bench, latents, "sdxl")
    carried, own = (result.tensor - result.denoised) / 1.5, (latents.tensor - latents.denoised) / 1.5
    size = own.square().mean().sqrt()
    assert size > 1
    assert torch.allclose(carried, own / size, atol=1e-5)
    assert result.noise.sigma == 1.5


def test_fresh_noise_of_the_same_level_is_drawn_where_it_does_not_fit(bench: Bench) -> None:
    result = crossed(bench, giver(bench), "sd3")
    assert result.shape == (1, 16, 8, 8)
    drawn = (result.tensor - result.denoised) / 1.5
    assert math.isclose(float(drawn.std()), 1.0, rel_tol=0.1)
    assert torch.equal(result.tensor, crossed(bench, giver(bench), "sd3").tensor)


@pytest.mark.parametrize("form", ["ve", "vp", "flow"])
def test_what_has_crossed_is_foreseen_as_it_comes_out(bench: Bench, form: str) -> None:
    latents = replace(giver(bench), noise=Noise(1.5, form))
    made = crossed(bench, latents, "sd3")
    foreseen = crossing(latents, made.space, 16)
    assert (foreseen.shape, foreseen.space, foreseen.noise) == (made.shape, made.space, made.noise)
    assert foreseen.noise == Noise(1.5, "ve")


def test_latents_without_a_clean_estimate_do_not_cross(bench: Bench) -> None:
    with pytest.raises(HandoffError, match="image position"):
        crossed(bench, replace(giver(bench), denoised=None), "sdxl")


def refusal(latents: Latents) -> str:
    with pytest.raises(HandoffError) as caught:
        check_fits(latents, SPACES["sd"], "my/model")
    return caught.value.message


def test_another_space_of_the_same_shape_is_never_taken_for_ones_own() -> None:
    """SDXL's latents have SD's shape and other meanings."""
    said = refusal(Latents(torch.zeros(1, 4, 8, 8), SPACES["sdxl"], Noise(1.0, "ve")))
    assert "SDXL space (4 channels, factor 8), and my/model works in SD space" in said
    assert "nothing says which model" in said


def test_another_space_without_a_clean_estimate_names_both_spaces_and_models() -> None:
    made = Provenance("other/model")
    said = refusal(Latents(torch.zeros(1, 16, 8, 8), SPACES["sd3"], Noise(1.0, "flow"), provenance=made))
    assert said.startswith("latents of other/model are of SD3 space (16 channels, factor 8), and my/model works in SD")
    assert "carry none" in said


def test_a_wrong_number_of_channels_says_whose_they_may_be() -> None:
    said = refusal(Latents(torch.zeros(1, 16, 8, 8), None, Noise(1.0, "flow")))
    assert "16 channels, as SD3, Flux and Wan2.1 latents have, and my/model works in SD space (4 channels" in said


def test_a_converter_needs_no_model_of_the_giver() -> None:
    register_converter("SDXL", "SD", lambda clean: clean)
    try:
        clean = torch.zeros(1, 4, 8, 8)
        assert not check_fits(Latents(clean, SPACES["sdxl"], Noise(1.0, "ve"), denoised=clean), SPACES["sd"], "m")
    finally:
        register_converter("SDXL", "SD", None)


def test_a_registered_converter_replaces_decoding_and_encoding(bench: Bench) -> None:
    def double(clean: Any) -> Any:
        return clean * 2

    register_converter("SD", "SDXL", double)
    try:
        latents = giver(bench)
        assert torch.equal(crossed(bench, latents, "sdxl").denoised, latents.denoised * 2)
    finally:
        register_converter("SD", "SDXL", None)
    assert not torch.equal(crossed(bench, latents, "sdxl").denoised, latents.denoised * 2)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda clean: clean.repeat(1, 4, 1, 1), r"from SD to SDXL made \(1, 16, 8, 8\) of \(1, 4, 8, 8\); SDXL space"),
        (lambda clean: clean[0], "needs"),
        (lambda clean: clean.numpy(), "returned a ndarray"),
        (lambda clean: clean * math.inf, "from SD to SDXL made hold 256 NaN or infinite"),
    ],
)
def test_what_a_converter_makes_is_checked(bench: Bench, made: Callable[..., Any], message: str) -> None:
    register_converter("SD", "SDXL", made)
    try:
        with pytest.raises(JupyterLatentsError, match=message):
            crossed(bench, giver(bench), "sdxl")
    finally:
        register_converter("SD", "SDXL", None)


def test_a_converter_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(SettingError, match="called"):
        register_converter("SD", "SDXL", 3)


@pytest.mark.parametrize(
    ("giver_family", "receiver", "pixels", "shape"),
    [
        ("sd15", "flux2", 64, (1, 128, 4, 4)),
        ("sd15", "sd3", 72, (1, 16, 8, 8)),
        ("sd3", "sdxl-refiner", 64, (1, 4, 8, 8)),
    ],
)
def test_a_crossing_runs_at_the_size_that_fits_the_receiver(
    bench: Bench, giver_family: str, receiver: str, pixels: int, shape: tuple[int, ...]
) -> None:
    """Flux.2's latent pixels are 16 wide, SD3 takes multiples of 16, the refiner only runs with something to refine."""
    base = bench.run(giver_family, size=Size(pixels, pixels), window=Window(None, 0.5)).latents
    last = bench.run(receiver, "txt2img", base, size=None).latents
    assert last.shape == shape
    assert last.is_clean
    assert last.provenance.parents == (base.digest,)


def test_one_chain_goes_through_four_spaces(bench: Bench) -> None:
    engine: LocalEngine = bench.engine
    from jupyter_latents.engine.given.inputs import Inputs
    from jupyter_latents.stage import Prompt, Stage

    latents: tuple[Latents, ...] = ()
    for family, end in (("sd15", 0.25), ("sdxl", 0.5), ("sd3", 0.9), ("flux", None)):
        stage = Stage(
            model=ModelSource(str(bench.folder(family))),
            prompt=Prompt("cat"),
            seed=3,
            num_inference_steps=8,
            size=None if latents else Size(64, 64),
            window=Window(None, end),
        )
        result = engine.run(stage, Inputs(latents))
        latents = (result.latents,)
    assert result.latents.is_clean
    assert result.latents.space.name == "Flux"
