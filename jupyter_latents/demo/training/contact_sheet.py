"""A contact sheet of the demo models: ``python -m jupyter_latents.demo.training.contact_sheet OUT.png``.

Times of day from above down, lands from left to right, one model beside the other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from jupyter_latents.demo import MODELS, path
from jupyter_latents.demo.training.captions import LAND_NOUNS, TIME_PHRASES
from jupyter_latents.demo.training.scenes import CLOUDS, LANDS, LIGHTS, STYLES, TIMES, Scene, draw

TAILS = {"none": "with a clear sky", "few": "with a few clouds", "many": "with many clouds"}


def prompts() -> list[str]:
    """Return a prompt for every time and land, row by row; clouds change along the diagonals."""
    return [
        f"{LAND_NOUNS[land][0]} {TIME_PHRASES[time][0]} {TAILS[CLOUDS[(row + column) % 3]]}"
        for row, time in enumerate(TIMES)
        for column, land in enumerate(LANDS)
    ]


def generated(name: str, steps: int, guidance_scale: float, seed: int) -> NDArray[np.uint8]:
    """Return pictures (times × lands, 128, 128, 3) that a demo model makes of `prompts`."""
    pipeline = DiffusionPipeline.from_pretrained(path(name), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    made = []
    for row in range(len(TIMES)):
        said = prompts()[row * len(LANDS) : (row + 1) * len(LANDS)]
        chance = [torch.Generator().manual_seed(seed + row * len(LANDS) + column) for column in range(len(said))]
        options = {"num_inference_steps": steps, "guidance_scale": guidance_scale, "output_type": "np"}
        made.append(pipeline(said, generator=chance, **options).images)
    return np.asarray(np.concatenate(made) * 255 + 0.5, np.uint8)


def drawn(style: str, seed: int) -> NDArray[np.uint8]:
    """Return drawings (times × lands, 128, 128, 3): what the models learnt from."""
    pairs = [(time, land) for time in TIMES for land in LANDS]
    return np.stack(
        [
            draw(Scene(time, land, CLOUDS[number % 3], LIGHTS[time][0], seed + number), style)
            for number, (time, land) in enumerate(pairs)
        ]
    )


def sheet(pictures: NDArray[np.uint8], gap: int = 4) -> NDArray[np.uint8]:
    """Return pictures (times × lands, height, width, 3) as one grid on white."""
    height, width = pictures.shape[1:3]
    grid = np.full((len(TIMES) * (height + gap) - gap, len(LANDS) * (width + gap) - gap, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // len(LANDS) * (height + gap), number % len(LANDS) * (width + gap)
        grid[top : top + height, left : left + width] = picture
    return grid


def main(arguments: list[str] | None = None) -> None:
    """Write the contact sheet that the command line asks for."""
    parser = argparse.ArgumentParser(
        "python -m jupyter_latents.demo.training.contact_sheet", description="Draw a contact sheet."
    )
    parser.add_argument("file", type=Path, nargs="?", default=Path("docs/images/contact-sheet.png"))
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance-scale", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--drawings", action="store_true", help="show the drawings instead of generated pictures")
    given = parser.parse_args(arguments)
    if given.drawings:
        parts = [drawn(style, given.seed) for style in STYLES]
    else:
        parts = [generated(name, given.steps, given.guidance_scale, given.seed) for name in MODELS]
    grids = [sheet(part) for part in parts]
    between = np.full((grids[0].shape[0], 24, 3), 255, np.uint8)
    grid = np.concatenate([piece for part in grids for piece in (part, between)][:-1], 1)
    whole = Image.fromarray(grid // 3 * 3)  # too fine a loss to see, and a file a third smaller
    given.file.parent.mkdir(parents=True, exist_ok=True)
    whole.save(given.file, optimize=True)
    print(f"{given.file}: {given.file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
