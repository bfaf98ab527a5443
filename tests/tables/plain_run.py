"""What plain diffusers says of a scheduler on a model: a case that it cannot run is no case of the law."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tests.engine.cases import PROMPT, plain

__all__ = ["complaint", "scheduler_of"]


@cache
def _pipeline(folder: Path) -> Any:
    return plain(folder)


def scheduler_of(address: str, own: Any) -> Any:
    """The scheduler that ``--scheduler`` names, swapped in as diffusers documents it."""
    import diffusers

    name, *pairs = address.split(";")
    settings: dict[str, Any] = {}
    for key, _, text in (pair.partition("=") for pair in pairs):
        try:
            settings[key] = json.loads(text)
        except json.JSONDecodeError:
            settings[key] = text
    return getattr(diffusers, name).from_config(own.config, **settings)


def complaint(folder: Path, address: str) -> str:
    """Why plain diffusers cannot run a scheduler on a model, or an empty string when it can."""
    pipeline = _pipeline(folder)
    own = pipeline.scheduler
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.scheduler = scheduler_of(address, own)
            size = {"use_resolution_binning": False} if "PixArt" in type(pipeline).__name__ else {}
            made = pipeline(
                prompt=PROMPT,
                num_inference_steps=10,
                width=64,
                height=64,
                output_type="latent",
                generator=torch.Generator().manual_seed(7),
                **size,
            ).images
    except Exception as error:  # noqa: BLE001 - whatever it is, it is diffusers' own answer
        said = str(error).strip().splitlines()
        return f"{type(error).__name__}: {said[0] if said else 'no text'}"
    finally:
        pipeline.scheduler = own
    return "" if bool(torch.isfinite(made).all()) else "NaN or infinite latents"
