"""Captions whose pictures a classifier can judge."""

from __future__ import annotations

import numpy as np

from jupyter_latents.demo.training.captions import LAND_NOUNS, caption
from jupyter_latents.demo.training.data import scenes
from jupyter_latents.demo.training.scenes import Scene


def prompts(count: int, seed: int) -> tuple[list[Scene], list[str]]:
    """Captions that name both the time and the land, and the scenes they were made for."""
    rng = np.random.default_rng(seed)
    chosen, said = [], []
    for scene in scenes(3 * count, seed):
        text = caption(scene, rng)
        if any(noun in text for noun in (scene.land, *LAND_NOUNS[scene.land])):
            chosen.append(scene)
            said.append(text)
    return chosen[:count], said[:count]
