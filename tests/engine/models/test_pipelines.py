"""Every pipeline class of diffusers is described as one that runs and can, or is refused by name with the reason."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch

from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.families import FAMILIES
from jupyter_latents.engine.models.pipelines import reason_against
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource
from tests.tiny import FAMILIES as TINY

NAMES = [name for name in dir(diffusers) if name.endswith("Pipeline")]
ROWS = {name for family in FAMILIES for name in family.made_as}
# What stage_run's tap and call have to find in a class.
CALLBACKS = {"callback_on_step_end", "callback"}
OF_PARTS = ("; a part is written as its library", " runs one with ", "time_cond_proj_dim", "names no text_enc")
GIVEN = {"batch_size": 1, "height": 64, "width": 64, "dtype": torch.float32, "device": torch.device("cpu")}
CHANNELS = ("num_channels_latents", "num_latents_channels", "latent_channels")


@pytest.fixture(scope="module")
def folder(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model of which only the class's name changes."""
    return Path(shutil.copytree(tiny("sd15"), tmp_path_factory.mktemp("named") / "model"))


def named(folder: Path, name: str) -> ModelSource:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": name}))
    return ModelSource(str(folder))


def refusal(source: ModelSource) -> str:
    """Why a class does not run; that its folder has not the parts which other classes take is no reason."""
    try:
        describe(source)
    except ModelError as error:
        return "" if any(words in error.message for words in OF_PARTS) else error.message
    return ""


def prepared(kind: Any) -> torch.Tensor:
    """What a class's ``prepare_latents`` makes for 64 pixels, called on an object that has its scale alone."""

    class Bare(kind):
        vae_scale_factor = 8

        def __init__(self) -> None:
            object.__setattr__(self, "scheduler", SimpleNamespace(init_noise_sigma=1.0, order=1))

    parameters = inspect.signature(kind.prepare_latents).parameters
    given = {**GIVEN, **dict.fromkeys(CHANNELS, 4), "generator": torch.Generator().manual_seed(0), "latents": None}
    made = Bare().prepare_latents(**{name: value for name, value in given.items() if name in parameters})
    return made[0] if isinstance(made, tuple) else made


def flaws(kind: Any) -> list[str]:
    """Why a class cannot be tapped, called with a prompt alone, or give latents of a picture."""
    parts, call = (inspect.signature(method).parameters for method in (kind.__init__, kind.__call__))
    found = [name for name in ("scheduler", "vae") if name not in parts]
    found += [] if {"unet", "transformer"} & set(parts) else ["denoiser"]
    found += [] if CALLBACKS & set(call) else ["callback"]
    found += [] if "prompt" in call else ["prompt"]
    shape = tuple(prepared(kind).shape)
    return found if shape == (1, 4, 8, 8) else [*found, f"latents {shape}"]


def test_no_pipeline_of_diffusers_is_promised_that_cannot_run(folder: Path) -> None:
    promised = [name for name in NAMES if not refusal(named(folder, name))]
    assert set(promised) >= ROWS
    assert {name: found for name in promised if name not in ROWS and (found := flaws(getattr(diffusers, name)))} == {}
    assert {"PixArtAlphaPipeline", "SanaPipeline", "HunyuanDiTPipeline", "HiDreamImagePipeline"} <= set(promised)
    assert {"CogView4Pipeline", "LatentConsistencyModelPipeline", "StableDiffusionPAGPipeline"} <= set(promised)


@pytest.mark.parametrize("family", TINY)
def test_what_runs_is_described(family: str, tiny: Callable[[str], Path]) -> None:
    assert describe(ModelSource(str(tiny(family)))).pipeline_class


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("AudioLDM2Pipeline", "it makes sound"),
        ("StableAudioPipeline", "it makes sound"),
        ("MochiPipeline", "it makes video"),
        ("AnimateDiffPipeline", "it makes video"),
        ("LattePipeline", "it makes video"),
        ("LLaDA2Pipeline", "it makes text"),
        ("MarigoldDepthPipeline", "it takes no prompt"),
        ("DDPMPipeline", "it takes no prompt"),
        ("StableDiffusionLatentUpscalePipeline", "it is an upscaler"),
        ("StableDiffusionDiffEditPipeline", "it edits a picture by its inversion"),
        ("StableDiffusionLDM3DPipeline", "it makes depth"),
        ("StableDiffusionDepth2ImgPipeline", "it starts from a picture"),
        ("FluxFillPipeline", "it starts from a picture"),
        ("StableDiffusionControlNetPipeline", "use it on its base model with ControlNets"),
        ("StableDiffusionAdapterPipeline", "T2I adapter"),
        ("IFPipeline", "it has no vae"),
        ("Kandinsky3Pipeline", "it has no vae"),
        ("StableDiffusionAttendAndExcitePipeline", "its call needs token_indices"),
        ("ErnieImagePipeline", "it tells nobody its steps"),
        ("ChromaPipeline", "it holds its latents as tokens"),
        ("Ideogram4Pipeline", "it holds its latents as tokens"),
        ("Cosmos2TextToImagePipeline", "an axis of frames"),
        ("AnimaModularPipeline", "only as a modular pipeline"),
        ("PipelineOfTomorrow", "has no such class; a newer version may"),
    ],
)
def test_a_refusal_says_what_it_is_what_runs_and_what_to_do(name: str, reason: str, folder: Path) -> None:
    message = refusal(named(folder, name))
    assert message.startswith(f"{folder} is a {name}, which does not run here: ")
    assert reason in message
    assert message.endswith("(batch, channels, height, width). Use such a model.")


def test_reasons_by_name_are_of_classes_that_diffusers_has() -> None:
    from jupyter_latents.engine.models import pipelines

    assert set(pipelines._BY_NAME) <= set(NAMES)
    assert all(reason_against(name) for name in pipelines._BY_NAME)


def test_a_modular_folder_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "modular_model_index.json").write_text(json.dumps({"_class_name": "AnimaModularPipeline"}))
    message = refusal(ModelSource(str(tmp_path)))
    assert "comes only as a modular pipeline (AnimaModularPipeline); these do not run here yet" in message
    assert message.endswith("Use such a model.")


# U-Nets that take more than latents.


def with_channels(folder: Path, channels: int, target: Path) -> ModelSource:
    copied = Path(shutil.copytree(folder, target))
    path = copied / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "in_channels": channels}))
    return ModelSource(str(copied))


def test_an_inpainting_unet_needs_a_mask(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    assert describe(with_channels(tiny("sd15"), 9, tmp_path / "nine")).needs_mask
    assert not any(describe(ModelSource(str(tiny(name)))).needs_mask for name in ("sd15", "sdxl", "flux", "sd3"))


@pytest.mark.parametrize("channels", [5, 7, 8])
def test_a_unet_that_takes_something_else_is_refused(
    channels: int, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    message = refusal(with_channels(tiny("sd15"), channels, tmp_path / "more"))
    assert f"takes {channels - 4} channels beside the 4 of the latents" in message
