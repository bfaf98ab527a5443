"""Writing the demo models as ordinary ``StableDiffusionPipeline`` folders."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from jupyter_latents.demo.train_unet import NOISE


def export(
    folder: Path, vae: AutoencoderKL, unet: UNet2DConditionModel, text: CLIPTextModel, tokenizer: CLIPTokenizer
) -> None:
    """Write a pipeline's folder in half precision, replacing what was there only once the new one is whole."""
    halves = [copy.deepcopy(part).to(torch.float16) for part in (vae, unet, text)]
    pipeline = StableDiffusionPipeline(
        vae=halves[0],
        unet=halves[1],
        text_encoder=halves[2],
        tokenizer=tokenizer,
        scheduler=EulerDiscreteScheduler(**NOISE, timestep_spacing="leading", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as spare:
        whole, old = Path(spare) / "new", Path(spare) / "old"
        pipeline.save_pretrained(whole, safe_serialization=True)
        for name in ("vocab.json", "merges.txt"):  # read by transformers before version 5
            shutil.copyfile(Path(tokenizer.name_or_path) / name, whole / "tokenizer" / name)
        for file in whole.rglob("*.json"):
            if "config" in file.name:
                _tidy(file)
        for file in whole.rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o644)
        if folder.exists():
            folder.rename(old)
        whole.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _tidy(file: Path) -> None:
    """Take from a part's configuration where it was loaded from, as that is a folder of the training machine.

    The text encoder's type becomes float32, so that transformers loads it as diffusers does the rest where no type is
    asked for: otherwise it would stay in half precision and meet a float32 denoiser.
    """
    config = json.loads(file.read_text("utf-8"))
    for key in ("_name_or_path", "is_local", "local_files_only"):
        config.pop(key, None)
    if "dtype" in config:
        config["dtype"] = "float32"
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
