"""Pictures and latents to train the demo models on, drawn once and kept in the working folder."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from jupyter_latents.demo.training.layers import SIZE
from jupyter_latents.demo.training.scenes import Scene, draw, random_scene


def scenes(count: int, seed: int) -> list[Scene]:
    """Return `count` random scenes."""
    rng = np.random.default_rng([seed, 3])
    return [random_scene(rng) for _ in range(count)]


def _draw_all(work: tuple[list[Scene], str]) -> NDArray[np.uint8]:
    chosen, style = work
    return np.stack([draw(scene, style) for scene in chosen])


def pictures(folder: Path, chosen: list[Scene], style: str, name: str) -> NDArray[np.uint8]:
    """Return the drawings (count, 128, 128, 3) of `chosen`, from `folder` where they were drawn before."""
    file = folder / f"{name}-{style}-{len(chosen)}.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        parts = [(chosen[start : start + 250], style) for start in range(0, len(chosen), 250)]
        drawn = np.empty((len(chosen), SIZE, SIZE, 3), np.uint8)
        with ProcessPoolExecutor() as pool:
            for number, part in enumerate(pool.map(_draw_all, parts)):
                drawn[number * 250 : number * 250 + len(part)] = part
        np.save(file.with_suffix(".partial.npy"), drawn)
        file.with_suffix(".partial.npy").replace(file)
    stored: NDArray[np.uint8] = np.load(file, mmap_mode="r")
    return stored


def tensor(batch: NDArray[np.uint8]) -> Tensor:
    """Return pictures (batch, 128, 128, 3) from 0 to 255 as (batch, 3, 128, 128) from -1 to 1."""
    return torch.from_numpy(np.array(batch)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def _encode_all(work: tuple[AutoencoderKL, NDArray[np.uint8]]) -> Tensor:
    vae, drawn = work
    encoded = []
    for start in range(0, len(drawn), 25):
        with torch.autocast("cpu", torch.bfloat16):
            encoded.append(vae.encode(tensor(drawn[start : start + 25])).latent_dist.mean.float())
    return torch.cat(encoded)


def latents(file: Path, vae: AutoencoderKL, drawn: NDArray[np.uint8]) -> Tensor:
    """Return the mean latents (count, 4, 16, 16), unscaled, of drawings, from `file` where encoded before."""
    if not file.exists():
        parts = [(vae, np.array(drawn[start : start + 250])) for start in range(0, len(drawn), 250)]
        processes = min(os.cpu_count() or 1, len(parts))
        if processes == 1:
            encoded = [_encode_all(part) for part in parts]
        else:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
                encoded = list(pool.map(_encode_all, parts))
        torch.save(torch.cat(encoded), file.with_suffix(".partial"))
        file.with_suffix(".partial").replace(file)
    stored: Tensor = torch.load(file, weights_only=True)
    return stored
