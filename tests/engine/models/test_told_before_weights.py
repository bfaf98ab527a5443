"""What a model's files say that its pipeline cannot run with: refused before weights are read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Stage
from tests import tiny as tinies
from tests.engine.cases import Bench, inputs, plain

PICTURE = ((64, 64),)
UNET, INDEX, VAE = "unet/config.json", "model_index.json", "vae/config.json"
TOKENIZER = "tokenizer/tokenizer_config.json"


def written(bench: Bench, family: str, folder: Path, file: str, **settings: Any) -> Stage:
    """A stage of a model with other settings in a file; None takes one out."""
    shutil.copytree(bench.folder(family), folder)
    path = folder / file
    told = {**json.loads(path.read_text("utf-8")), **settings}
    path.write_text(json.dumps({name: value for name, value in told.items() if value is not None}), "utf-8")
    return bench.stage(str(folder))


def put(bench: Bench, **addons: Any) -> Stage:
    stage = bench.stage("sd15")
    return replace(stage, model=replace(stage.model, **addons))


@pytest.mark.parametrize(
    ("where", "settings", "told", "given"),
    [
        (("sd15", UNET), {"class_embed_type": "timestep"}, "class_embed_type timestep", ()),
        (("sd15", UNET), {"num_class_embeds": 10}, "num_class_embeds 10", ()),
        (("sd15", UNET), {"encoder_hid_dim_type": "image_proj"}, "encoder_hid_dim_type image_proj", ()),
        (("sd15", UNET), {"addition_embed_type": "text"}, "addition_embed_type text", ()),
        (("sd15", UNET), {"out_channels": 8}, "out_channels 8", ()),
        (("sdxl", UNET), {"addition_embed_type": None}, "addition_embed_type None", ()),
        (("sdxl-refiner", INDEX), {"requires_aesthetics_score": None}, "requires_aesthetics_score false", PICTURE),
        (("sdxl", INDEX), {"requires_aesthetics_score": True}, "requires_aesthetics_score true", PICTURE),
        (("sd3", VAE), {"shift_factor": None}, "no shift_factor", PICTURE),
        (
            ("sd15", TOKENIZER),
            {"model_max_length": None},
            "nothing of model_max_length, and its text_encoder takes",
            (),
        ),
        (("sd15", INDEX), {"_class_name": "StableDiffusionGLIGENPipeline"}, "boxes", ()),
        (("sd15", INDEX), {"_class_name": "LatentConsistencyModelPipeline"}, "time_cond_proj_dim", ()),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_pipeline_cannot_run_with_is_refused(
    bench: Bench, tmp_path: Path, where: tuple[str, str], settings: dict[str, Any], told: str, given: Any
) -> None:
    family, file = where
    stage = written(bench, family, tmp_path / "model", file, **settings)
    with pytest.raises(ModelError, match=told):
        prepare(stage, Given(images=given))
    prepare(bench.stage(family), Given(images=given))


def test_settings_for_pictures_do_not_keep_a_text_from_running(bench: Bench, tmp_path: Path) -> None:
    prepare(written(bench, "sd3", tmp_path / "a", VAE, shift_factor=None))
    prepare(written(bench, "sdxl", tmp_path / "b", INDEX, requires_aesthetics_score=True))


def test_a_watermark_is_none_of_latents(bench: Bench, tmp_path: Path) -> None:
    stage = written(bench, "sdxl", tmp_path / "model", INDEX, add_watermarker=True)
    made = bench.engine.run(stage, inputs())
    assert torch.equal(made.latents.tensor, bench.engine.run(bench.stage("sdxl"), inputs()).latents.tensor)


def test_a_consistency_model_runs_with_the_schedulers_that_its_pipeline_takes(bench: Bench, tmp_path: Path) -> None:
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler, UNet2DConditionModel

    from tests.tiny import parts

    own = tinies.build("sd15")
    unet = UNet2DConditionModel.from_config(own.unet.config, time_cond_proj_dim=32)
    components = {**own.components, "unet": parts.fill(unet, 0), "scheduler": LCMScheduler()}
    made = LatentConsistencyModelPipeline(**components, requires_safety_checker=False)
    made.save_pretrained(tmp_path)
    stage = bench.stage(str(tmp_path), num_inference_steps=4)
    wanted = plain(tmp_path)(
        stage.prompt.positive, num_inference_steps=4, guidance_scale=stage.guidance_scale, width=64, height=64,
        generator=torch.Generator().manual_seed(stage.seed or 0), output_type="latent",
    ).images  # fmt: skip
    assert torch.equal(bench.engine.run(stage, inputs()).latents.tensor, wanted)
    for other in ("EulerDiscreteScheduler", "TCDScheduler"):
        with pytest.raises(ModelError, match="Use LCMScheduler"):
            prepare(bench.stage(str(tmp_path), scheduler=other))
    with pytest.raises(ModelError, match="no img2img pipeline here"):
        prepare(bench.stage(str(tmp_path)), Given(images=PICTURE))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"layers_per_block": 2}, "layers_per_block 2"),
        ({"block_out_channels": (16, 16)}, "block_out_channels 16"),
        ({"conditioning_embedding_out_channels": (8, 8)}, "shrinks control images to 1/2"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_controlnet_of_another_layout_is_refused(
    bench: Bench, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    net = tinies.controlnet()
    net.register_to_config(**settings)
    net.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=told):
        prepare(put(bench, control_nets=(str(tmp_path),)), Given(controls=1))


def test_a_controlnet_is_judged_by_the_unet_that_runs(bench: Bench, tmp_path: Path) -> None:
    """Not by the one that ``--unet`` takes the place of."""
    from diffusers import UNet2DConditionModel

    from tests.tiny import parts

    net = tinies.controlnet()
    net.save_pretrained(tmp_path / "net")
    two = parts.fill(UNet2DConditionModel.from_config(tinies.build("sd15").unet.config, layers_per_block=2), 0)
    two.save_pretrained(tmp_path / "two")
    tinies.build("sd15").unet.save_pretrained(tmp_path / "one")
    other = shutil.copytree(bench.folder("sd15"), tmp_path / "model")
    shutil.rmtree(other / "unet")
    shutil.copytree(tmp_path / "two", other / "unet")
    addons = {"control_nets": (str(tmp_path / "net"),)}
    model = put(bench, **addons, unet=str(tmp_path / "one")).model
    prepare(replace(put(bench), model=replace(model, name=str(other))), Given(controls=1))
    with pytest.raises(ModelError, match=r"layers_per_block 1, .* has 2"):
        prepare(put(bench, **addons, unet=str(tmp_path / "two")), Given(controls=1))


def test_a_length_by_its_old_name_is_read(bench: Bench, tmp_path: Path) -> None:
    prepare(written(bench, "sd15", tmp_path / "model", TOKENIZER, model_max_length=None, max_len=77))


def test_a_t2i_adapter_is_refused_where_attention_stands_elsewhere(bench: Bench, tmp_path: Path) -> None:
    tinies.t2i_adapter().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="levels without attention: none in its own U-Net, 0 in"):
        prepare(put(bench, t2i_adapters=(str(tmp_path),)), Given(controls=1))


def test_an_old_unet_makes_the_size_that_its_pipeline_makes(bench: Bench, tmp_path: Path) -> None:
    stage = written(bench, "sd15", tmp_path / "old", UNET, sample_size=32, _diffusers_version="0.6.0")
    newer = written(bench, "sd15", tmp_path / "new", UNET, sample_size=32, _diffusers_version="0.9.0")
    assert prepare(replace(stage, size=None)).call.size == (512, 512)
    assert prepare(replace(newer, size=None)).call.size == (256, 256)
