"""Plain diffusers goes on from `to_diffusers()` as this package does, in every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from jupyter_latents.engine import call_arguments
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.errors import LatentsError
from jupyter_latents.latents import CLEAN, Latents
from jupyter_latents.stage import Window
from tests.engine.cases import PROMPT, SCHEDULERS, Bench, plain, relative

GUIDED = {"guidance_scale": 3.0}
# Family, scheduler, the pipeline that goes on, its arguments, and whether it begins there to the last bit by itself.
CASES: list[tuple[str, str | None, str, dict[str, Any], bool]] = [
    ("sd15", "EulerDiscreteScheduler", "StableDiffusionPipeline", GUIDED, False),
    ("sd15", "DDIMScheduler", "StableDiffusionPipeline", GUIDED, True),
    ("sd15", "HeunDiscreteScheduler", "StableDiffusionPipeline", GUIDED, False),
    ("sd15", "EulerAncestralDiscreteScheduler", "StableDiffusionPipeline", GUIDED, False),
    ("sd2", "DDIMScheduler", "StableDiffusionPipeline", GUIDED, True),
    ("sdxl", None, "StableDiffusionXLImg2ImgPipeline", GUIDED, True),
    ("sdxl", None, "StableDiffusionXLPipeline", GUIDED, False),
    ("kolors", None, "KolorsImg2ImgPipeline", GUIDED, True),
    ("sd3", None, "StableDiffusion3Pipeline", GUIDED, False),
    ("flux", None, "FluxPipeline", GUIDED, True),
    ("flux-schnell", None, "FluxPipeline", GUIDED, True),
    ("flux2", None, "Flux2Pipeline", GUIDED, True),
    ("flux2-klein", None, "Flux2KleinPipeline", GUIDED, True),
    ("qwen-image", None, "QwenImagePipeline", {"true_cfg_scale": 3.0, "negative_prompt": " "}, True),
    ("z-image", None, "ZImagePipeline", GUIDED, True),
    ("lumina2", None, "Lumina2Pipeline", GUIDED, True),
    ("auraflow", None, "AuraFlowPipeline", GUIDED, False),
]


def base_of(bench: Bench, family: str, scheduler: str | None = None, **options: Any) -> Latents:
    """Latents after six of ten steps."""
    return bench.run(family, window=Window(None, 0.6), scheduler=scheduler, **options).latents


def gone_on(pipe: Any, base: Latents, options: dict[str, Any], *, exact: bool) -> torch.Tensor:
    """What a plain pipeline makes of `base`, as it returns latents."""
    found: torch.Tensor = pipe(
        prompt=PROMPT, output_type="latent", **options, **call_arguments(base, pipe, exact=exact)
    ).images
    return found


def as_returned(latents: Latents, pipe: Any) -> torch.Tensor:
    """Latents as the pipeline returns them: tokens, or the VAE's own where it has left the model's space."""
    name = type(pipe).__name__
    if name == "Flux2KleinPipeline":
        statistics = pipe.vae.bn
        mean = statistics.running_mean.view(1, -1, 1, 1)
        deviation = torch.sqrt(statistics.running_var.view(1, -1, 1, 1) + pipe.vae.config.batch_norm_eps)
        tensor: torch.Tensor = pipe._unpatchify_latents(latents.tensor * deviation + mean)
        return tensor
    return latents.packed() if name in ("FluxPipeline", "Flux2Pipeline", "QwenImagePipeline") else latents.tensor


def pipeline(bench: Bench, family: str, scheduler: str | None, name: str) -> Any:
    import diffusers

    pipe = plain(bench.folder(family), name)
    if scheduler is not None:
        clip = {"clip_sample": False, "set_alpha_to_one": False} if scheduler == "DDIMScheduler" else {}
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config, **clip)
    return pipe


@pytest.mark.parametrize(("family", "scheduler", "name", "options", "begins"), CASES)
def test_plain_diffusers_goes_on_to_the_same_bits(
    bench: Bench, family: str, scheduler: str | None, name: str, options: dict[str, Any], *, begins: bool
) -> None:
    base = base_of(bench, family, scheduler)
    ours = bench.run(family, "txt2img", base, window=Window(0.6, None), scheduler=scheduler).latents
    pipe = pipeline(bench, family, scheduler, name)
    assert torch.equal(gone_on(pipe, base, options, exact=True), as_returned(ours, pipe))
    quick = gone_on(pipe, base, options, exact=False)
    assert relative(quick, as_returned(ours, pipe)) < 1e-5
    assert torch.equal(quick, as_returned(ours, pipe)) or not begins


def test_the_refiner_goes_on_from_sdxl(bench: Bench) -> None:
    base = base_of(bench, "sdxl")
    ours = bench.run("sdxl-refiner", "txt2img", base, window=Window(0.6, None)).latents
    refiner = plain(bench.folder("sdxl-refiner"), "StableDiffusionXLImg2ImgPipeline")
    assert torch.equal(gone_on(refiner, base, GUIDED, exact=False), ours.tensor)


def test_a_pipeline_that_would_not_hear_of_the_callback_is_refused(bench: Bench) -> None:
    """Its call takes any argument, and leaves aside what it does not know."""
    pixart = pipeline(bench, "pixart-sigma", "DDIMScheduler", "PixArtSigmaPipeline")
    base = base_of(bench, "pixart-sigma", "DDIMScheduler")
    with pytest.raises(LatentsError, match="callback_on_step_end"):
        call_arguments(base, pixart)


class UnknownPipeline:
    """One that packs latents in a way of its own."""

    def _pack_latents(self) -> None: ...


def test_a_pipeline_that_packs_in_an_unknown_way_is_refused(bench: Bench) -> None:
    with pytest.raises(LatentsError, match="UnknownPipeline packs"):
        call_arguments(base_of(bench, "flux"), UnknownPipeline())


def test_what_is_no_pipeline_is_refused(bench: Bench) -> None:
    with pytest.raises(LatentsError, match="a str is no pipeline"):
        call_arguments(base_of(bench, "flux"), "FluxPipeline")


def test_the_rest_alone_is_run_where_a_pipeline_can_begin_there(bench: Bench) -> None:
    arguments = call_arguments(base_of(bench, "flux"), plain(bench.folder("flux"), "FluxPipeline"))
    assert len(arguments["sigmas"]) == 4
    assert torch.equal(arguments["latents"], base_of(bench, "flux").packed())
    assert (arguments["width"], arguments["height"]) == (64, 64)
    euler = call_arguments(
        base_of(bench, "sd15", "EulerDiscreteScheduler"),
        pipeline(bench, "sd15", "EulerDiscreteScheduler", "StableDiffusionPipeline"),
    )
    assert len(euler["timesteps"]) == 4


@pytest.mark.parametrize("family", ["flux", "sdxl", "sd3"])
def test_without_a_pipeline_the_model_that_made_them_is_asked(bench: Bench, family: str) -> None:
    base = base_of(bench, family)
    name = {"flux": "FluxPipeline", "sdxl": "StableDiffusionXLImg2ImgPipeline", "sd3": "StableDiffusion3Pipeline"}
    alone, given = call_arguments(base), call_arguments(base, plain(bench.folder(family), name[family]))
    assert alone.keys() == given.keys()
    key = "image" if family == "sdxl" else "latents"
    assert torch.equal(alone[key], given[key])


def test_a_batch_and_another_dtype_and_form(bench: Bench) -> None:
    base = base_of(bench, "sd15", "EulerDiscreteScheduler", batch_size=2)
    pipe = pipeline(bench, "sd15", "DDIMScheduler", "StableDiffusionPipeline").to(torch.bfloat16)
    arguments = call_arguments(base, pipe, exact=True)
    assert arguments["num_images_per_prompt"] == 2
    put_in = arguments["callback_on_step_end"]
    given = {"latents": torch.zeros(2, 4, 8, 8, dtype=torch.bfloat16)}
    assert put_in(pipe, 4, 0, given) == {}
    expected = base.to_form("vp").tensor.bfloat16()
    assert torch.equal(put_in(pipe, 5, 0, given)["latents"], expected)


def test_what_no_pipeline_can_go_on_from_is_refused(bench: Bench) -> None:
    base = base_of(bench, "sd15", "EulerDiscreteScheduler")
    euler = pipeline(bench, "sd15", "EulerDiscreteScheduler", "StableDiffusionPipeline")
    for latents, message in (
        (base.replace(noise=CLEAN), "fully denoised"),
        (base.replace(noise=None), "noise of these latents is not known"),
        (base.replace(noise=base.noise.__class__(1.234, "ve")), "has none that begins at"),
        (Latents(base.tensor, noise=base.noise), "how many steps"),
    ):
        with pytest.raises(LatentsError, match=message):
            call_arguments(latents, euler)
    with pytest.raises(LatentsError, match="history"):
        call_arguments(base_of(bench, "sd15"), plain(bench.folder("sd15")))
    with pytest.raises(LatentsError, match="StableDiffusionPipeline takes latents"):
        call_arguments(base, pipeline(bench, "sd15", "EulerDiscreteScheduler", "StableDiffusionImg2ImgPipeline"))


def test_packed_is_what_flux_packs(bench: Bench) -> None:
    from diffusers import FluxPipeline

    base = base_of(bench, "flux")
    assert torch.equal(base.packed(), FluxPipeline._pack_latents(base.tensor, 1, 16, 8, 8))
    for shape, message in (((1, 4, 8, 8), "4 channels"), ((1, 16, 7, 8), "odd side")):
        with pytest.raises(LatentsError, match=message):
            Latents(torch.ones(shape)).packed()


HISTORY = ("model_outputs", "ets", "derivatives")
ANEW = ("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler")  # they take timesteps, and begin without it


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCHEDULERS if "Inverse" not in name])
def test_every_scheduler_goes_on_exactly_or_is_refused(bench: Bench, name: str) -> None:
    base = base_of(bench, "sd15", name)
    ours = bench.run("sd15", "txt2img", base, window=Window(0.6, None), scheduler=name).latents
    pipe = pipeline(bench, "sd15", None, "StableDiffusionPipeline")
    pipe.scheduler = schedulers.build(name, pipe.scheduler.config["_class_name"], dict(pipe.scheduler.config), seed=7)
    for exact in (False, True):
        if any(hasattr(pipe.scheduler, part) for part in HISTORY) and (exact or name not in ANEW):
            with pytest.raises(LatentsError, match="goes on from its history"):
                gone_on(pipe, base, GUIDED, exact=exact)
            continue
        made = gone_on(pipe, base, GUIDED, exact=exact)
        assert relative(made, ours.tensor) < (1e-9 if exact else 1e-2)
