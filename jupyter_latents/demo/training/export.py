"""Writing the demo models as ordinary pipeline folders."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, T5Config, T5EncoderModel

from jupyter_latents.demo.training.train_unet import NOISE

FLOW_SHIFT = 1.5


def export(
    folder: Path, vae: AutoencoderKL, unet: UNet2DConditionModel, text: CLIPTextModel, tokenizer: CLIPTokenizer
) -> None:
    """Write a ``StableDiffusionPipeline`` folder in half precision."""
    vae, unet, text = (copy.deepcopy(part).to(torch.float16) for part in (vae, unet, text))
    pipeline = StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        text_encoder=text,
        tokenizer=tokenizer,
        scheduler=EulerDiscreteScheduler(**NOISE, timestep_spacing="leading", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    _write(pipeline, folder, Path(tokenizer.name_or_path))


def export_flow(folder: Path, work: Path, tokenizer: CLIPTokenizer) -> None:
    """Write the ``StableDiffusion3Pipeline`` folder in half precision from the parts in the folder `work`."""
    first, second = (
        CLIPTextModelWithProjection.from_pretrained(work / "flow" / name, dtype=torch.float16)
        for name in ("text_encoder", "text_encoder_2")
    )
    transformer = SD3Transformer2DModel.from_pretrained(work / "flow" / "transformer", torch_dtype=torch.float16)
    pipeline = StableDiffusion3Pipeline(
        vae=AutoencoderKL.from_pretrained(work / "flow-vae", torch_dtype=torch.float16),
        transformer=transformer,
        text_encoder=first,
        text_encoder_2=second,
        text_encoder_3=silent_t5(tokenizer, transformer.config.joint_attention_dim),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        tokenizer_3=tokenizer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=FLOW_SHIFT),
    )
    _write(pipeline, folder, Path(tokenizer.name_or_path))


def silent_t5(tokenizer: CLIPTokenizer, width: int) -> T5EncoderModel:
    """Return a small T5 text encoder that says nothing: its embeddings are zeros, as those of a pipeline without one.

    The model learnt without T5; a pipeline's folder that names none cannot be read without saying so, and this one can.
    """
    config = T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=16, d_ff=32, num_layers=1, num_heads=1)
    encoder = T5EncoderModel(config).to(torch.float16)
    torch.nn.init.zeros_(encoder.encoder.final_layer_norm.weight)
    return encoder


def _write(pipeline: DiffusionPipeline, folder: Path, vocabulary: Path) -> None:
    """Write a pipeline's folder, replacing what was there only once the new one is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as spare:
        whole, old = Path(spare) / "new", Path(spare) / "old"
        pipeline.save_pretrained(whole, safe_serialization=True)
        for tokenizer in whole.glob("tokenizer*"):
            for name in ("vocab.json", "merges.txt"):  # read by transformers before version 5
                shutil.copyfile(vocabulary / name, tokenizer / name)
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
