"""Pictures of InvokeAI, Fooocus and NovelAI, built as these programs write them, or their samples."""

from __future__ import annotations

import contextlib
import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata.programs import recipe_of
from jupyter_latents.pictures.metadata.recipe import Recipe, StagePart
from jupyter_latents.pictures.metadata.texts import picture_bytes, read_texts
from jupyter_latents.stage import Prompt, Size, Stage

SAMPLES = Path(__file__).parents[4] / "shared" / "pictures"
FOOOCUS = {
    "prompt": "a cat", "negative_prompt": "rain", "full_prompt": ["a cat, fine", "sharp"],
    "full_negative_prompt": ["rain"],
    "styles": "['Fooocus V2']", "performance": "Speed", "steps": 30, "resolution": "(1152, 896)", "guidance_scale": 4.0,
    "sharpness": 2.0, "base_model": "juggernautXL", "base_model_hash": "aeb7e9e689", "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras", "seed": "123", "loras": [["offset.safetensors", 0.1, "abc"]], "metadata_scheme": "fooocus",
    "version": "Fooocus v2.5.5",
}  # fmt: skip
SECOND = {
    "model_weights": "sd-1.5", "app_version": "2.3",
    "image": {
        "prompt": [{"prompt": "a cat [rain, fog] outside", "weight": 1.0}], "steps": 40, "cfg_scale": 6.5,
        "sampler": "k_euler_a", "seed": 7, "width": 512, "height": 640, "perlin": 0.1,
    },
}  # fmt: skip
NOVEL = {
    "Comment": json.dumps({"steps": 28, "sampler": "k_euler_ancestral", "seed": 9, "scale": 11.0, "uc": "rain",
                           "width": 640, "height": 960, "noise_schedule": "native", "sm": True}),
    "Description": "a cat", "Source": "Stable Diffusion 81274D13", "Software": "NovelAI",
}  # fmt: skip


def the_stage(recipe: Recipe) -> Stage:
    (part,) = recipe.parts
    assert isinstance(part, StagePart)
    return part.stage


def remarks(recipe: Recipe) -> str:
    return "\n".join([*recipe.remarks, *(remark for part in recipe.parts for remark in part.remarks)])


def again(texts: dict[str, str]) -> dict[str, str]:
    """The texts after another reader has agreed that they are this program's."""
    content = picture_bytes(Image.new("RGB", (4, 4)), "PNG", texts)
    reader = pytest.importorskip("sd_parsers", reason="pip install sd-parsers")
    assert reader.ParserManager().parse(BytesIO(content)).samplers
    return dict(read_texts(content, "it").texts)


def test_invokeai() -> None:
    path = SAMPLES / "invokeai.png"
    if not path.exists():
        pytest.skip("the sample is not on this machine")
    found = recipe_of(read_texts(path, "it").texts, "it")
    stage = the_stage(found)
    assert stage.prompt.positive == "digital artwork, oil painting. painterly brushstrokes, holidays,"
    assert (stage.seed, stage.num_inference_steps, stage.guidance_scale) == (3293022630, 35, 8.0)
    assert (stage.size, str(stage.scheduler), str(stage.model.vae)) == (
        Size(1024, 1024),
        "EulerDiscreteScheduler",
        "VAEFix",
    )
    assert "not covered: ipAdapters" in remarks(found)


def test_invokeai_with_addons() -> None:
    record = {
        "positive_prompt": "a", "seed": 1, "steps": 9, "scheduler": "dpmpp_2m_k", "width": 64, "height": 64,
        "model": {"name": "m"}, "loras": [{"model": {"name": "l"}, "weight": 0.5}], "strength": 0.6,
        "init_image": "x.png",
        "controlnets": [{"control_model": {"model_name": "c"}, "image": {"image_name": "e.png"},
                         "control_weight": 0.7}],
    }  # fmt: skip
    stage = the_stage(recipe_of({"invokeai_metadata": json.dumps(record)}, "it"))
    assert list(map(str, (*stage.model.loras, *stage.model.control_nets))) == ["l;scale=0.5", "c;scale=0.7"]
    assert stage.image_seed is not None
    assert (stage.image_seed.images[0].text, stage.image_seed.controls[0].text, stage.strength) == (
        "x.png",
        "e.png",
        0.6,
    )
    assert str(stage.scheduler) == "DPMSolverMultistepScheduler;use-karras-sigmas=true"


def test_the_generations_of_invokeai_before() -> None:
    found = recipe_of(again({"sd-metadata": json.dumps(SECOND)}), "it")
    stage = the_stage(found)
    assert (stage.prompt, stage.seed, stage.guidance_scale) == (Prompt("a cat  outside", "rain, fog"), 7, 6.5)
    assert (stage.model.name, str(stage.scheduler)) == ("sd-1.5", "EulerAncestralDiscreteScheduler")
    assert "not covered: perlin: 0.1" in remarks(found)
    stage = the_stage(recipe_of(again({"Dream": '"a cat [rain]" -s 20 -S 5 -W 512 -H 768 -C 7.5 -A k_lms'}), "it"))
    assert (stage.prompt, stage.seed, stage.num_inference_steps) == (Prompt("a cat", "rain"), 5, 20)
    assert (stage.size, str(stage.scheduler)) == (Size(512, 768), "LMSDiscreteScheduler")


def test_fooocus() -> None:
    found = recipe_of(again({"parameters": json.dumps(FOOOCUS)}), "it")
    stage = the_stage(found)
    assert stage.prompt == Prompt("a cat, fine, sharp", "rain")
    assert (stage.size, stage.seed, stage.guidance_scale) == (Size(1152, 896), 123, 4.0)
    assert str(stage.scheduler) == "DPMSolverMultistepScheduler;algorithm-type=sde-dpmsolver++;use-karras-sigmas=true"
    assert list(map(str, stage.model.loras)) == ["offset.safetensors;scale=0.1"]
    assert "not covered: sharpness: 2.0" in remarks(found)
    alone = {key: value for key, value in FOOOCUS.items() if key != "loras"}
    alone |= {"lora_combined_1": "offset.safetensors : 0.1", "lora_combined_2": "odd"}
    found = recipe_of({"parameters": json.dumps(alone)}, "it")
    assert list(map(str, the_stage(found).model.loras)) == ["offset.safetensors;scale=0.1"]
    assert [line for line in remarks(found).splitlines() if "lora_combined" in line] == [
        "not covered: lora_combined_2: odd"
    ]


def test_novelai() -> None:
    found = recipe_of(again(NOVEL), "it")
    stage = the_stage(found)
    assert (stage.prompt, stage.seed, stage.guidance_scale) == (Prompt("a cat", "rain"), 9, 11.0)
    assert (stage.size, stage.model.name) == (Size(640, 960), "Stable Diffusion")
    assert "not covered: sm: True" in remarks(found)


@pytest.mark.parametrize("key", ["invokeai_metadata", "sd-metadata", "parameters"])
@pytest.mark.parametrize("content", ["{", '{"seed": []}', '{"loras": 3, "model": []}', "{" * 5000])
def test_records_of_anybody_make_a_stage_or_are_refused(key: str, content: str) -> None:
    with contextlib.suppress(NameNotFoundError):
        the_stage(recipe_of({key: content}, "it"))
