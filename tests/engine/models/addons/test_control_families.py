"""ControlNets of SD3, Flux.1 and Qwen-Image and those of many modes: diffusers' own, through any window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given, Inputs
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Stage, Window
from tests import tiny as tinies
from tests.engine.cases import PROMPT, Bench, equal, inputs, mask, picture, plain
from tests.engine.test_plain_diffusers import unpacked

NETS = {
    "deep-sd3": tinies.sd3_controlnet,
    "flux": tinies.flux_controlnet,
    "flux-modes": lambda: tinies.flux_controlnet(modes=7),
    "qwen-image": tinies.qwen_controlnet,
    "sdxl": tinies.union_controlnet,
    "sdxl-plain": tinies.xl_controlnet,
}
FAMILY = {"flux-modes": "flux", "sdxl-plain": "sdxl"}
CASES = {
    ("deep-sd3", "txt2img", ""): "StableDiffusion3ControlNetPipeline",
    ("flux", "txt2img", ""): "FluxControlNetPipeline",
    ("flux", "img2img", ""): "FluxControlNetImg2ImgPipeline",
    ("flux", "inpaint", ""): "FluxControlNetInpaintPipeline",
    ("flux-modes", "txt2img", ";mode=depth"): "FluxControlNetPipeline",
    ("qwen-image", "txt2img", ""): "QwenImageControlNetPipeline",
    ("sdxl", "txt2img", ";mode=3"): "StableDiffusionXLControlNetUnionPipeline",
    ("sdxl", "img2img", ";mode=canny"): "StableDiffusionXLControlNetUnionImg2ImgPipeline",
    ("sdxl", "inpaint", ";mode=1"): "StableDiffusionXLControlNetUnionInpaintPipeline",
    ("sdxl-plain", "txt2img", ""): "StableDiffusionXLControlNetPipeline",
    ("sdxl-plain", "img2img", ""): "StableDiffusionXLControlNetImg2ImgPipeline",
    ("sdxl-plain", "inpaint", ""): "StableDiffusionXLControlNetInpaintPipeline",
}
QUICK = {("deep-sd3", "txt2img"), ("flux-modes", "txt2img"), ("qwen-image", "txt2img"), ("sdxl-plain", "txt2img")}


def net(bench: Bench, name: str) -> Path:
    folder = bench.scratch / f"net-{name}"
    if not folder.exists():  # what is written anew is read anew
        NETS[name]().save_pretrained(folder)
    return folder


def stage(bench: Bench, name: str, settings: str, **options: Any) -> Stage:
    made = bench.stage(FAMILY.get(name, name), **options)
    return replace(made, model=replace(made.model, control_nets=(f"{net(bench, name)};scale=0.7{settings}",)))


def reference(bench: Bench, name: str, mode: str, settings: str) -> torch.Tensor:
    """What diffusers makes, called as its documentation shows."""
    import diffusers

    family = FAMILY.get(name, name)
    kind: Any = getattr(diffusers, CASES[name, mode, settings])
    net_class: Any = type(NETS[name]())
    own = {key: part for key, part in plain(bench.folder(family)).components.items() if part is not None}
    made = kind(**own, controlnet=net_class.from_pretrained(bench.scratch / f"net-{name}").eval())
    made.set_progress_bar_config(disable=True)
    seen = "image" if name == "sdxl-plain" and mode == "txt2img" else "control_image"
    given: dict[str, Any] = {seen: picture(32).resize((64, 64)), "controlnet_conditioning_scale": 0.7}
    if settings:
        number = {"depth": 2, "canny": 3}.get(settings[6:]) or int(settings[6:])
        given["control_mode"] = [number] if family == "sdxl" else number
    given |= {"image": picture(), "strength": 0.7} if mode != "txt2img" else {}
    given |= {"mask_image": mask()} if mode == "inpaint" else {}
    given |= {"true_cfg_scale": 3.0, "negative_prompt": " "} if family == "qwen-image" else {"guidance_scale": 3.0}
    torch.manual_seed(0)  # SD3's draws from there
    generator = torch.Generator().manual_seed(7)
    size = {"num_inference_steps": 10, "width": 64, "height": 64, "output_type": "latent"}
    return unpacked(made(prompt=PROMPT, generator=generator, **size, **given).images, family)


def test_a_scheduler_that_its_pipeline_cannot_set_is_refused_before_weights_load(bench: Bench) -> None:
    flow = "DPMSolverMultistepScheduler;use_flow_sigmas=true;prediction_type=flow_prediction"
    prepare(bench.stage("flux", scheduler=flow))
    with pytest.raises(ModelError, match="passes sigmas of its own, and DPMSolverMultistepScheduler takes none"):
        prepare(stage(bench, "flux", "", scheduler=flow), Given(controls=1))


@pytest.mark.parametrize(
    ("name", "mode", "settings"),
    [pytest.param(*case, marks=() if case[:2] in QUICK else pytest.mark.slow) for case in CASES],
)
def test_it_works_as_in_diffusers_and_keeps_the_law(name: str, mode: str, settings: str, bench: Bench) -> None:
    def run(window: Window = Window(), *latents: Any) -> Any:  # noqa: B008 - frozen
        strength = {} if mode == "txt2img" else {"strength": 0.7}
        made = stage(bench, name, settings, window=window, **strength)
        before = torch.random.get_rng_state()
        result = bench.engine.run(made, replace(inputs(mode, *latents), controls=(picture(32),)))
        if latents:  # all is loaded
            assert torch.equal(torch.random.get_rng_state(), before)
        return result

    whole = run()
    assert torch.equal(whole.latents.tensor, reference(bench, name, mode, settings))
    assert equal(whole, run(Window(0.6), run(Window(None, 0.6)).latents))
    plainly = bench.whole(FAMILY.get(name, name), mode, **({} if mode == "txt2img" else {"strength": 0.7}))
    assert not equal(whole, plainly)


def test_two_networks_of_many_modes(bench: Bench) -> None:
    def run(*settings: str) -> Any:
        made = bench.stage("sdxl")
        nets = tuple(f"{net(bench, 'sdxl')}{one}" for one in settings)
        made = replace(made, model=replace(made.model, control_nets=nets))
        return bench.engine.run(made, Inputs(controls=(picture(), picture(32))[: len(settings)]))

    assert not equal(run(";mode=0", ";mode=1"), run(";mode=1", ";mode=0"))


def test_a_mode_stands_in_provenance_as_it_was_given(bench: Bench) -> None:
    for settings in (";mode=canny", ";mode=3;start=0.1"):
        options = prepare(stage(bench, "sdxl", settings), Given(controls=1)).outline.provenance.options
        assert options["control_nets"] == f"net-sdxl;scale=0.7{settings}"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sdxl", "", "has several modes; say which one, ;mode=0 and so on: 0 (openpose), 1 (depth), 2 (scribble)"),
        ("sdxl", ";mode=9", "mode=9 of "),
        ("sdxl", ";mode=nonsense", "its modes are 0 (openpose), 1 (depth)"),
        ("flux", ";mode=canny", "has one mode alone; leave mode=canny out"),
        ("flux-modes", "", "say which one, ;mode=0 and so on: 0 (canny), 1 (tile)"),
    ],
)
def test_modes_are_refused_by_name(name: str, settings: str, message: str, bench: Bench) -> None:
    with pytest.raises(ModelError) as caught:
        describe(stage(bench, name, settings).model)
    assert message in caught.value.message
    assert caught.value.option == "control_nets"


def test_a_network_of_another_family_and_a_mode_without_a_pipeline_are_refused(bench: Bench) -> None:
    other = replace(
        bench.stage("deep-sd3"), model=replace(bench.stage("deep-sd3").model, control_nets=(str(net(bench, "flux")),))
    )
    with pytest.raises(ModelError, match="is of another family \\(a FluxControlNetModel\\); use one made for SD3"):
        describe(other.model)
    with pytest.raises(ModelError, match="SD3 runs no img2img with ControlNets in diffusers; it does so for txt2img"):
        prepare(stage(bench, "deep-sd3", ""), Given(images=((64, 64),), controls=1))
