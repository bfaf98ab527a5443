"""Pictures of other programs: what their texts become, and what stands as a comment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata.foreign import strength_of
from jupyter_latents.pictures.metadata.programs import recipe_of
from jupyter_latents.pictures.metadata.recipe import Operation, Recipe, StagePart
from jupyter_latents.pictures.metadata.texts import read_texts
from jupyter_latents.stage import Address, Prompt, Size, Stage, Window

SAMPLES = Path(__file__).parents[4] / "shared" / "pictures"
A1111 = """masterpiece, <lora:foo bar:0.7>, a (cat:1.2)
second line
Negative prompt: bad, "ugly"
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 123, Size: 512x768, """
A1111 += "Model hash: abc, Model: dream, "


def sample(name: str) -> Recipe:
    if not (SAMPLES / name).exists():
        pytest.skip(f"the sample {name} is not on this machine")
    return recipe_of(read_texts(SAMPLES / name, name).texts, name)


def stages(recipe: Recipe) -> list[Stage]:
    return [part.stage for part in recipe.parts if isinstance(part, StagePart)]


def remarks(recipe: Recipe) -> str:
    return "\n".join([*recipe.remarks, *(remark for part in recipe.parts for remark in part.remarks)])


def a1111(more: str = "") -> Recipe:
    return recipe_of({"parameters": A1111 + more}, "it")


def test_the_text_of_a1111_is_a_stage() -> None:
    found = a1111("Clip skip: 2, VAE: x.safetensors, ENSD: 31337, Version: v1.9.0")
    (stage,) = stages(found)
    assert stage.prompt == Prompt("masterpiece, a (cat:1.2)\nsecond line", 'bad, "ugly"', weighter=Address("a1111"))
    assert (stage.seed, stage.num_inference_steps, stage.guidance_scale) == (123, 20, 7.0)
    assert (stage.size, stage.clip_skip, str(stage.model.vae)) == (Size(512, 768), 1, "x.safetensors")
    assert str(stage.scheduler) == "DPMSolverMultistepScheduler;use-karras-sigmas=true"
    assert list(map(str, stage.model.loras)) == ["foo bar;scale=0.7"]
    for told in ("fill in dream", "hash abc", "fill in foo bar", "fill in x.safetensors", "not covered: ENSD: 31337"):
        assert told in remarks(found)
    assert found.program == "A1111 v1.9.0"


def test_a_hires_pass_is_a_second_stage() -> None:
    found = a1111("Denoising strength: 0.5, Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent")
    first, second = stages(found)
    assert first.into == "base"
    assert isinstance(found.parts[1], Operation)
    assert found.parts[1].expression == 'base.resize((1024, 1536), mode="bilinear")'
    assert (second.strength, second.num_inference_steps, second.seed) == (0.5, 20, 123)
    _, second = stages(a1111("Denoising strength: 0.4, Hires upscale: 2"))  # as many steps as the first pass
    assert (second.strength, second.num_inference_steps) == (0.4, 50)
    first, second = stages(
        other := a1111("Denoising strength: 0.4, Hires resize: 1024x1024, Hires upscaler: ESRGAN_4x")
    )
    assert second.image_seed is not None
    assert second.image_seed.resize == Size(1024, 1024)
    assert "not covered: Hires upscaler: ESRGAN" in remarks(other)


def test_a_refiner_a_picture_and_controlnets_have_their_places() -> None:
    first, second = stages(a1111("Refiner: fine [abcdef12], Refiner switch at: 0.8"))
    assert (first.window, second.window, second.model.name) == (Window(end=0.8), Window(start=0.8), "fine")
    (stage,) = stages(found := a1111("Denoising strength: 0.6, Mask blur: 4"))
    assert stage.image_seed is not None
    assert (stage.image_seed.images[0].text, stage.image_seed.masks[0].text, stage.strength) == (
        "photo.png",
        "mask.png",
        0.6,
    )
    assert "not covered: Mask blur: 4" in remarks(found)
    unit = "Module: canny, Model: control_canny [d14c016b], Weight: 0.8, Guidance Start: 0, Guidance End: 0.5"
    (stage,) = stages(found := a1111(f'ControlNet 0: "{unit}"'))
    assert list(map(str, stage.model.control_nets)) == ["control_canny;scale=0.8;end=0.5"]
    assert "made of a picture by canny" in remarks(found)


@pytest.mark.parametrize(
    "more", ["Steps: 0", "Seed: -1", "CFG scale: x", "Size: 1x1", "Clip skip: 99", "Sampler: Odd", "Seed: 1e300"]
)
def test_a_setting_that_cannot_be_is_a_comment(more: str) -> None:
    found = a1111(more)
    assert len(stages(found)) == 1
    assert f"not covered: {'sampler: Odd' if 'Sampler' in more else more}" in remarks(found)


@pytest.mark.parametrize("name", ["a1111.png", "a1111.jpg", "text-after-idat.png"])
def test_the_samples_of_a1111(name: str) -> None:
    (stage,) = stages(sample(name))
    assert (stage.prompt.positive, stage.seed, str(stage.scheduler)) == (
        "photo of a duck",
        235284042,
        "UniPCMultistepScheduler",
    )


def test_noisy_latents_pasted_in_mid_denoise_are_stages_with_windows() -> None:
    found = sample("comfyui-noisy-latents.png")
    made = stages(found)
    assert [stage.window for stage in made] == [Window(end=0.25)] * 4 + [Window(0.25), Window()]
    assert [part.expression for part in found.parts if isinstance(part, Operation)] == [
        "stage_60.paste(stage_57, (376, 192), feather=80)",
        "made_61.paste(stage_64, (936, 192), feather=80)",
        "made_69.paste(stage_73, (696, 192), feather=80)",
        'stage_58.resize((1920, 1088), mode="nearest")',
    ]
    assert {stage.clip_skip for stage in made} == {1}
    assert {str(stage.prompt.weighter) for stage in made} == {"a1111;schedules=false"}
    assert [str(stage.model.vae) for stage in made[4:]] == ["vae-ft-mse-840000-ema-pruned.safetensors"] * 2
    assert (made[5].strength, made[5].num_inference_steps) == (0.5625, 16)  # 9 steps, denoise 0.54


def test_a_picture_that_went_into_comfyui_is_filled_in() -> None:
    (stage,) = stages(found := sample("comfyui-img2img.png"))
    assert stage.image_seed is not None
    assert stage.image_seed.images[0].text == "example.png"
    assert (stage.num_inference_steps, stage.strength) == (22, 20 / 22)  # 20 steps, denoise 0.87
    assert "fill in example.png" in remarks(found)


NODES: dict[str, Any] = {
    "1": ("CheckpointLoaderSimple", {"ckpt_name": "sub\\xl.safetensors"}),
    "2": ("LoraLoader", {"lora_name": "l.safetensors", "strength_model": 0.5, "model": ["1", 0], "clip": ["1", 1]}),
    "3": ("CLIPSetLastLayer", {"stop_at_clip_layer": -2, "clip": ["2", 1]}),
    "4": ("CLIPTextEncode", {"text": ["14", 0], "clip": ["3", 0]}),
    "5": ("CLIPTextEncode", {"text": "bad", "clip": ["3", 0]}),
    "6": ("EmptyLatentImage", {"width": 512, "height": 640, "batch_size": 2}),
    "7": ("RandomNoise", {"noise_seed": 9}),
    "8": ("CFGGuider", {"model": ["2", 0], "positive": ["15", 0], "negative": ["15", 1], "cfg": 6}),
    "9": ("KSamplerSelect", {"sampler_name": "dpmpp_2m"}),
    "10": ("BasicScheduler", {"scheduler": "karras", "steps": 20, "denoise": 1, "model": ["2", 0]}),
    "11": ("SplitSigmas", {"sigmas": ["10", 0], "step": 8}),
    "12": (
        "SamplerCustomAdvanced",
        {"noise": ["7", 0], "guider": ["8", 0], "sampler": ["9", 0], "sigmas": ["11", 0], "latent_image": ["6", 0]},
    ),
    "13": (
        "SamplerCustomAdvanced",
        {"noise": ["18", 0], "guider": ["8", 0], "sampler": ["9", 0], "sigmas": ["11", 1], "latent_image": ["17", 0]},
    ),
    "14": ("PrimitiveString", {"value": "a {{ env.HOME }} hill"}),
    "15": (
        "ControlNetApplyAdvanced",
        {
            "positive": ["4", 0], "negative": ["5", 0], "control_net": ["16", 0], "image": ["19", 0],
            "strength": 0.7, "start_percent": 0, "end_percent": 0.5,
        },
    ),
    "16": ("ControlNetLoader", {"control_net_name": "cn.safetensors"}),
    "17": ("LatentFlip", {"samples": ["12", 0], "flip_method": "y-axis: horizontally"}),
    "18": ("DisableNoise", {}),
    "19": ("LoadImage", {"image": "lines.png"}),
    "20": ("VAEDecode", {"samples": ["13", 0], "vae": ["1", 2]}),
    "21": ("FancyFilter", {"image": ["20", 0]}),
    "22": ("SaveImage", {"images": ["21", 0]}),
    "23": ("OddNode", {}),
}  # fmt: skip


def comfy(nodes: dict[str, Any]) -> Recipe:
    graph = {number: {"class_type": kind, "inputs": inputs} for number, (kind, inputs) in nodes.items()}
    return recipe_of({"prompt": json.dumps(graph)}, "it")


def test_split_sigmas_loras_controlnets_and_custom_nodes() -> None:
    first, second = stages(found := comfy(NODES))
    assert (first.window, second.window) == (Window(end=0.4), Window(0.4))
    assert (first.seed, first.batch_size, first.size, first.clip_skip) == (9, 2, Size(512, 640), 1)
    assert first.prompt == Prompt("a {{ env.HOME }} hill", "bad")
    assert (first.model.name, first.guidance_scale) == ("xl.safetensors", 6.0)
    assert list(map(str, first.model.loras)) == ["l.safetensors;scale=0.5"]
    assert list(map(str, first.model.control_nets)) == ["cn.safetensors;scale=0.7;end=0.5"]
    assert first.image_seed is not None
    assert first.image_seed.controls[0].text == "lines.png"
    assert str(first.scheduler) == "DPMSolverMultistepScheduler;use-karras-sigmas=true"
    assert second.image_seed is not None
    assert second.image_seed.latents[0].text == "made_17"
    assert "not covered: node: FancyFilter, on a picture" in remarks(found)
    assert "not covered: node: OddNode" in remarks(found)


def test_a_way_to_enlarge_latents_that_is_none_here_is_a_comment() -> None:
    larger = {"samples": ["12", 0], "upscale_method": "bislerp", "width": 1024, "height": 1024}
    found = comfy({**NODES, "17": ("LatentUpscale", larger)})
    assert "not covered: upscale_method: bislerp; bilinear is taken" in remarks(found)
    assert "upscale_method" not in remarks(
        comfy({**NODES, "17": ("LatentUpscale", larger | {"upscale_method": "bilinear"})})
    )


def test_a_strength_runs_the_steps_that_another_program_ran() -> None:
    for of in range(1, 80):
        for steps in range(1, of + 1):
            assert min(int(of * strength_of(steps, of)), of) == steps
    for steps, of in ((20, 22), (9, 16), (13, 20), (10, 25)):  # as SD3 and Flux count them
        assert int(of - of * strength_of(steps, of)) == of - steps


@pytest.mark.parametrize(
    "prompt",
    [
        "", "[]", "{}", '{"1": 3}', '{"1": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}',
        json.dumps({"1": {"class_type": "KSampler", "inputs": {"latent_image": ["1", 0], "x": ["1", 1]}}}),
        json.dumps({str(n): {"class_type": "Odd", "inputs": {"samples": [str(n + 1), 0]}} for n in range(400)}),
    ],
)  # fmt: skip
def test_a_graph_that_is_none_is_refused(prompt: str) -> None:
    with pytest.raises(NameNotFoundError):
        recipe_of({"prompt": prompt}, "it")


def test_a_picture_that_says_nothing_is_told() -> None:
    with pytest.raises(NameNotFoundError, match="does not say how it was made"):
        recipe_of({"Title": "x"}, "it")
