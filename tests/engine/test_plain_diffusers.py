"""An unsplit run is diffusers' own, and SDXL's and Kolors' fractions are diffusers' own fractions.

The reference is a plain pipeline of the same files, called as its documentation shows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jupyter_latents.stage import ModelSource, Window
from tests.engine.cases import PROMPT, Bench, inputs, mask, picture, plain

CLASSES = {
    ("sd15", "txt2img"): "StableDiffusionPipeline",
    ("sd15", "img2img"): "StableDiffusionImg2ImgPipeline",
    ("sd15", "inpaint"): "StableDiffusionInpaintPipeline",
    ("sdxl", "txt2img"): "StableDiffusionXLPipeline",
    ("sdxl", "img2img"): "StableDiffusionXLImg2ImgPipeline",
    ("sdxl", "inpaint"): "StableDiffusionXLInpaintPipeline",
    ("sdxl-refiner", "img2img"): "StableDiffusionXLImg2ImgPipeline",
    ("kolors", "txt2img"): "KolorsPipeline",
    ("kolors", "img2img"): "KolorsImg2ImgPipeline",
    ("sd3", "txt2img"): "StableDiffusion3Pipeline",
    ("sd3", "img2img"): "StableDiffusion3Img2ImgPipeline",
    ("sd3", "inpaint"): "StableDiffusion3InpaintPipeline",
    ("flux", "txt2img"): "FluxPipeline",
    ("flux", "img2img"): "FluxImg2ImgPipeline",
    ("flux", "inpaint"): "FluxInpaintPipeline",
    ("z-image", "txt2img"): "ZImagePipeline",
    ("z-image", "img2img"): "ZImageImg2ImgPipeline",
    ("qwen-image", "txt2img"): "QwenImagePipeline",
}


@cache
def pipeline(folder: Path, name: str, dtype: torch.dtype = torch.float32) -> Any:
    return plain(folder, name, dtype=dtype)


def call(
    bench: Bench, family: str, mode: str, scheduler: Any = None, dtype: torch.dtype = torch.float32, **options: Any
) -> Any:
    """What a plain pipeline returns: ten steps, seed 7, guidance 3, 64 pixels."""
    made = pipeline(bench.folder(family), CLASSES[family, mode], dtype)
    kept = made.scheduler
    made.scheduler = scheduler or type(kept).from_config(kept.config)
    given: dict[str, Any] = {"guidance_scale": 3.0}
    if family == "qwen-image":
        given = {"true_cfg_scale": 3.0, "negative_prompt": " "}
    if "image" not in options:
        given |= {"image": picture()} if mode != "txt2img" else {}
        given |= {"mask_image": mask()} if mode == "inpaint" else {}
    if mode in ("txt2img", "inpaint") or family in ("flux", "kolors", "sd3", "z-image"):
        given |= {"width": 64, "height": 64}
    try:
        generator = torch.Generator().manual_seed(7)
        settings = {"num_inference_steps": 10, **given, **options}
        return made(prompt=PROMPT, generator=generator, **settings)
    finally:
        made.scheduler = kept


def unpacked(tensor: torch.Tensor, family: str) -> torch.Tensor:
    """(batch, channels, height, width) by diffusers' own function."""
    if family == "flux":
        from diffusers import FluxPipeline

        return FluxPipeline._unpack_latents(tensor, 64, 64, 8)
    if family == "qwen-image":
        from diffusers import QwenImagePipeline

        return QwenImagePipeline._unpack_latents(tensor, 64, 64, 8).squeeze(2)
    return tensor


def decoded_as_txt2img(bench: Bench, latents: torch.Tensor) -> Any:
    """The last lines of ``StableDiffusion3Pipeline.__call__``."""
    made = pipeline(bench.folder("sd3"), CLASSES["sd3", "txt2img"])
    raw = latents / made.vae.config.scaling_factor + made.vae.config.shift_factor
    with torch.no_grad():
        return made.image_processor.postprocess(made.vae.decode(raw, return_dict=False)[0], output_type="np")[0]


@pytest.mark.parametrize(("family", "mode"), CLASSES)
def test_an_unsplit_run_is_diffusers_own(bench: Bench, family: str, mode: str) -> None:
    strength = {} if mode == "txt2img" else {"strength": 0.7}
    ours = bench.whole(family, mode, **strength)
    latents = call(bench, family, mode, output_type="latent", **strength).images
    assert torch.equal(ours.latents.tensor, unpacked(latents, family))
    if (family, mode) == ("sd3", "inpaint"):  # diffusers 0.42 leaves the VAE's shift out there, and only there
        shown = decoded_as_txt2img(bench, latents)
    else:
        shown = call(bench, family, mode, output_type="np", **strength).images[0]
    # The VAE's last bit depends on where its input lies in memory: rounded alike but for values between two.
    assert np.abs(np.asarray(ours.images[0]) - shown * 255.0).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(
    ("family", "mode", "dtype"),
    [
        ("sd15", "txt2img", "float16"),
        ("sdxl", "txt2img", "float16"),
        ("sdxl-refiner", "img2img", "bfloat16"),
        ("kolors", "txt2img", "float16"),
        ("sd3", "txt2img", "bfloat16"),
        ("flux", "txt2img", "bfloat16"),
        ("z-image", "txt2img", "bfloat16"),
        ("qwen-image", "txt2img", "bfloat16"),
    ],
)
def test_a_run_in_half_precision_is_diffusers_own(bench: Bench, family: str, mode: str, dtype: str) -> None:
    options = {"num_inference_steps": 3, **({} if mode == "txt2img" else {"strength": 0.7})}
    stage = bench.stage(family, **options)
    ours = bench.engine.run(replace(stage, model=ModelSource(stage.model.name, dtype=dtype)), inputs(mode)).latents
    plainly = call(bench, family, mode, dtype=getattr(torch, dtype), output_type="latent", **options).images
    assert plainly.dtype == ours.tensor.dtype  # Z-Image keeps its latents in float32
    assert torch.equal(ours.tensor, unpacked(plainly, family))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
        ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        ("EulerAncestralDiscreteScheduler", {}),
        ("HeunDiscreteScheduler", {}),
        ("DDPMScheduler", {"clip_sample": False}),
    ],
)
def test_a_scheduler_swapped_by_name_is_the_one_built_for_latents(
    bench: Bench, name: str, config: dict[str, Any]
) -> None:
    import diffusers

    own = pipeline(bench.folder("sd15"), CLASSES["sd15", "txt2img"]).scheduler
    scheduler = getattr(diffusers, name).from_config(own.config, **config)
    karras = ";use_karras_sigmas=true" if "use_karras_sigmas" in config else ""
    ours = bench.run("sd15", scheduler=name + karras)
    assert torch.equal(ours.latents.tensor, call(bench, "sd15", "txt2img", scheduler, output_type="latent").images)


FRACTIONS = (0.45, *(pytest.param(fraction, marks=pytest.mark.slow) for fraction in (0.2, 0.8)))
"""One that is between two steps here, all in full."""
NATIVE = [("sdxl", "sdxl"), ("sdxl", "sdxl-refiner"), ("kolors", "kolors")]


def built(bench: Bench, family: str, name: str) -> Any:
    """The scheduler as a person would swap it in plain diffusers, without clipping."""
    import diffusers

    own = pipeline(bench.folder(family), CLASSES[family, "img2img"]).scheduler.config
    clip = {"clip_sample": False, "set_alpha_to_one": False} if name == "DDIMScheduler" else {}
    return getattr(diffusers, name).from_config(own, **clip)


def native_base(bench: Bench, family: str, name: str, fraction: float) -> tuple[torch.Tensor, int]:
    """Latents of diffusers' own ``denoising_end`` and how many of the 20 steps' timesteps it ran."""
    scheduler = built(bench, family, name)
    settings = {"output_type": "latent", "num_inference_steps": 20, "denoising_end": fraction}
    latents = call(bench, family, "txt2img", scheduler, **settings).images
    cutoff = round(scheduler.config.num_train_timesteps * (1 - fraction))
    return latents, int((scheduler.timesteps >= cutoff).sum())


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("scheduler", ["EulerDiscreteScheduler", "DDIMScheduler"])
@pytest.mark.parametrize(("giver", "receiver"), NATIVE)
def test_fractions_are_diffusers_own_denoising_end_and_start(
    bench: Bench, giver: str, receiver: str, scheduler: str, fraction: float
) -> None:
    """Diffusers' documentation: base(denoising_end) -> img2img(image=latents, denoising_start)."""
    native, count = native_base(bench, giver, scheduler, fraction)
    settings = {"image": native, "output_type": "latent", "num_inference_steps": 20, "denoising_start": fraction}
    ended = call(bench, receiver, "img2img", built(bench, receiver, scheduler), **settings).images
    steps = {"num_inference_steps": 20, "scheduler": scheduler}
    base = bench.run(giver, window=Window(None, fraction), **steps)
    last = bench.run(receiver, "txt2img", base.latents, window=Window(fraction, None), **steps)
    assert (base.evaluations, last.evaluations) == (count, 20 - count)
    assert torch.equal(base.latents.tensor, native)
    assert torch.equal(last.latents.tensor, ended)


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("scheduler", ["HeunDiscreteScheduler", "KDPM2DiscreteScheduler"])
def test_second_order_fractions_end_the_step_that_diffusers_breaks_off(
    bench: Bench, scheduler: str, fraction: float
) -> None:
    """Diffusers counts interleaved timesteps: its first stage ends after half a step, which its second runs again.

    That is 0.2 to 6 % away from its own unsplit run. Ours ends that step.
    """
    _, count = native_base(bench, "sdxl", scheduler, fraction)
    steps = {"num_inference_steps": 20, "scheduler": scheduler}
    base = bench.run("sdxl", window=Window(None, fraction), **steps)
    last = bench.run("sdxl", "txt2img", base.latents, window=Window(fraction, None), **steps)
    assert count % 2 == 1
    assert base.evaluations == count + 1
    assert torch.equal(last.latents.tensor, bench.whole("sdxl", **steps).latents.tensor)


def test_the_length_of_prompts_is_diffusers_own_argument(bench: Bench) -> None:
    ours = bench.run("flux", max_sequence_length=16).latents.tensor
    latents = call(bench, "flux", "txt2img", output_type="latent", max_sequence_length=16).images
    assert torch.equal(ours, unpacked(latents, "flux"))
    assert not torch.equal(ours, bench.whole("flux").latents.tensor)
