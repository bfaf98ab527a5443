"""Train the embedded demo models from nothing: ``python -m jupyter_latents.demo.training.train``.

Stages, each resumed from its checkpoint in ``--work`` when the command is given again:

- ``vae``: the VAE, on drawings of both styles.
- ``scenes``: the denoiser of `demo/scenes` together with the text encoder.
- ``paper``: the denoiser of `demo/paper`, fine-tuned from that of `demo/scenes`; VAE and text encoder stay as they are.
- ``decoder``: the VAE's decoder a little further, its encoder and so the latents as they are.
- ``flow-vae``: the VAE of `demo/flow`, begun from that of `demo/scenes` as it is shipped.
- ``flow``: the transformer of `demo/flow` together with its text encoders, the first begun from that of `demo/scenes`.
- ``export``: the pipeline folders in half precision, under ``--out``; models whose parts are not in ``--work`` stay.
  `keep` puts them into the package.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from jupyter_latents.demo import path
from jupyter_latents.demo.training.export import export, export_flow
from jupyter_latents.demo.training.loop import TrainingPlan, together
from jupyter_latents.demo.training.scenes import STYLES
from jupyter_latents.demo.training.tokenizer import build
from jupyter_latents.demo.training.train_flow import flow_material, train_flow
from jupyter_latents.demo.training.train_unet import fine_tune, material, train_unet
from jupyter_latents.demo.training.train_vae import drawings, refine_decoder, train_flow_vae, train_vae

STAGES = ("vae", "scenes", "paper", "decoder", "flow-vae", "flow", "export")
MINUTES = {"vae": 36.0, "scenes": 43.0, "paper": 6.0, "decoder": 6.0, "flow-vae": 14.0, "flow": 50.0}
RATES = {"vae": 1.5e-3, "scenes": 1e-3, "paper": 8e-4, "decoder": 1e-3, "flow-vae": 1.5e-3, "flow": 1.5e-3}
AVERAGES = {"vae": 0.998, "scenes": 0.999, "paper": 0.998, "decoder": 0.998, "flow-vae": 0.998, "flow": 0.999}


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        work: folder of drawings, checkpoints and finished parts.
        out: folder that gets the pipelines' folders ``scenes`` and ``paper``.
        plan: how long to train a stage.
        pictures: drawings a stage learns from, per style.
        batch: latents a step and process.
    """

    work: Path
    out: Path
    plan: TrainingPlan
    pictures: int
    batch: int


def run_vae(options: Options) -> None:
    """Train the VAE and keep it as ``work/vae``."""
    vae = train_vae(options.work, options.plan, options.pictures)
    if _first():
        vae.save_pretrained(options.work / "vae")


def run_scenes(options: Options) -> None:
    """Train the scenes' denoiser and the text encoder; keep them as ``work/unet-scenes`` and ``work/text_encoder``."""
    vae = AutoencoderKL.from_pretrained(options.work / "vae").requires_grad_(False)
    tokenizer = CLIPTokenizer.from_pretrained(options.work / "tokenizer", local_files_only=True)
    learnt = material(options.work, vae, tokenizer, "scenes", options.pictures, options.plan.seed)
    unet, text = train_unet(options.work, options.plan, learnt, options.batch)
    if _first():
        unet.save_pretrained(options.work / "unet-scenes")
        text.save_pretrained(options.work / "text_encoder")


def run_paper(options: Options) -> None:
    """Fine-tune the scenes' denoiser on cut paper and keep it as ``work/unet-paper``."""
    vae = AutoencoderKL.from_pretrained(options.work / "vae").requires_grad_(False)
    tokenizer = CLIPTokenizer.from_pretrained(options.work / "tokenizer", local_files_only=True)
    learnt = material(options.work, vae, tokenizer, "paper", options.pictures, options.plan.seed)
    unet = UNet2DConditionModel.from_pretrained(options.work / "unet-scenes").train()
    text = CLIPTextModel.from_pretrained(options.work / "text_encoder")
    fine_tune(options.work, options.plan, learnt, unet, text, options.batch)
    if _first():
        unet.save_pretrained(options.work / "unet-paper")


def run_decoder(options: Options) -> None:
    """Refine the decoder of ``work/vae`` and keep the VAE as ``work/vae-refined``."""
    vae = AutoencoderKL.from_pretrained(options.work / "vae").train()
    refine_decoder(options.work, options.plan, vae, options.pictures)
    if _first():
        vae.save_pretrained(options.work / "vae-refined")


def run_flow_vae(options: Options) -> None:
    """Train the VAE of `demo/flow` and keep it as ``work/flow-vae``."""
    start = AutoencoderKL.from_pretrained(path("demo/scenes") / "vae", torch_dtype=torch.float32)
    vae = train_flow_vae(options.work, options.plan, start, options.pictures)
    if _first():
        vae.save_pretrained(options.work / "flow-vae")


def run_flow(options: Options) -> None:
    """Train the transformer and text encoders of `demo/flow` and keep them in ``work/flow``."""
    vae = AutoencoderKL.from_pretrained(options.work / "flow-vae").requires_grad_(False)
    tokenizer = CLIPTokenizer.from_pretrained(options.work / "tokenizer", local_files_only=True)
    learnt = flow_material(options.work, vae, tokenizer, options.pictures, options.plan.seed)
    parts = train_flow(options.work, options.plan, learnt, options.batch)
    if _first():
        for name, part in parts.items():
            save: Any = part.save_pretrained
            save(options.work / "flow" / name)


def run_export(options: Options) -> None:
    """Write the pipelines whose parts are kept in the folder ``work``."""
    tokenizer = build(options.work / "tokenizer")
    if (options.work / "text_encoder").exists():
        refined = options.work / "vae-refined"
        vae = AutoencoderKL.from_pretrained(refined if refined.exists() else options.work / "vae")
        text = CLIPTextModel.from_pretrained(options.work / "text_encoder")
        for short in STYLES:
            unet = UNet2DConditionModel.from_pretrained(options.work / f"unet-{short}")
            export(options.out / short, vae, unet, text, tokenizer)
    if (options.work / "flow").exists():
        export_flow(options.out / "flow", options.work, tokenizer)


def prepare(stage: str, options: Options) -> None:
    """Draw and encode what a stage learns from, once, before its processes start."""
    seed = options.plan.seed
    if stage in ("vae", "decoder", "flow-vae"):
        drawings(options.work, options.pictures, seed)
    elif stage == "flow":
        vae = AutoencoderKL.from_pretrained(options.work / "flow-vae").requires_grad_(False)
        flow_material(options.work, vae, build(options.work / "tokenizer"), options.pictures, seed)
    elif stage in STYLES:
        vae = AutoencoderKL.from_pretrained(options.work / "vae").requires_grad_(False)
        material(options.work, vae, build(options.work / "tokenizer"), stage, options.pictures, seed)


def _first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m jupyter_latents.demo.training.train", description="Train the demo models."
    )
    parser.add_argument("--stage", choices=(*STAGES, "all"), default="all")
    parser.add_argument("--minutes", type=float, help=f"wall time of each trained stage (default: {MINUTES})")
    parser.add_argument("--steps", type=int, help="steps of each trained stage, instead of minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=10000, help="drawings to learn from, per style")
    parser.add_argument("--batch", type=int, default=16, help="latents a step and process")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, default=Path("build/demo-training"), help="checkpoints, drawings")
    parser.add_argument("--out", type=Path, default=Path("build/demo-models"), help="the finished models")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run the stages that the command line names."""
    given = _parser().parse_args(arguments)
    work = {"vae": run_vae, "scenes": run_scenes, "paper": run_paper, "decoder": run_decoder}
    work |= {"flow-vae": run_flow_vae, "flow": run_flow, "export": run_export}
    for stage in STAGES if given.stage == "all" else (given.stage,):
        minutes = None if given.steps is not None or stage == "export" else given.minutes or MINUTES[stage]
        plan = TrainingPlan(given.steps, minutes, RATES.get(stage, 0), average=AVERAGES.get(stage, 0), seed=given.seed)
        options = Options(given.work, given.out, plan, given.pictures, given.batch)
        print(f"stage {stage}", flush=True)
        torch.manual_seed(given.seed)
        prepare(stage, options)
        together(work[stage], options, 1 if stage == "export" else given.processes)


if __name__ == "__main__":
    main()
