"""Hand-over between the demo models on pictures: who is recognised in them, and whose layout they have.

``python -m tests.demo.handover`` prints the table of docs/demo-models.md; with ``--sheet FILE`` it also draws a row of
pictures for each line.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from jupyter_latents.demo.training.data import tensor
from jupyter_latents.demo.training.scenes import Scene
from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.engine.local import LocalEngine
from jupyter_latents.latents import Latents
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage, Window
from tests.demo.classifier import Classifier, Drawings, accuracy, labels, trained
from tests.demo.prompts import prompts

CHAINS = (("demo/scenes", "demo/flow"), ("demo/flow", "demo/scenes"), ("demo/scenes", "demo/flow", "demo/scenes"))
"""Who begins, and who goes on: two that go on share evenly what is left."""
FRACTIONS = (0.3, 0.5, 0.7)
STEPS = 20


@dataclass(frozen=True)
class Figures:
    """What a hand-over did.

    Attributes:
        chain: The models, one after the other.
        fraction: Where the first one handed over.
        time: Share of pictures whose time of day is recognised.
        land: The same of the land.
        correlation: Mean correlation of a blurred picture with that of the giver alone, same prompt and seed.
        unrelated: The same with the giver's picture of the next prompt.
        givers: The giver's pictures (count, 3, 128, 128), -1 to 1.
        pictures: The pictures handed over.
    """

    chain: tuple[str, ...]
    fraction: float
    time: float
    land: float
    correlation: float
    unrelated: float
    givers: Tensor
    pictures: Tensor


def measure(
    count: int, classifier: Classifier, fractions: tuple[float, ...] = FRACTIONS, seed: int = 11
) -> Iterator[Figures]:
    """Figures of every chain and fraction on `count` prompts."""
    chosen, said = prompts(count, seed)
    engine = LocalEngine()
    whole = {
        giver: [_run(engine, giver, prompt, seed=100 + number) for number, prompt in enumerate(said)]
        for giver in dict.fromkeys(chain[0] for chain in CHAINS)
    }
    for chain in CHAINS:
        begun = whole[chain[0]]
        givers = _pictures(engine, begun)
        for fraction in fractions:
            handed = [latents.at(fraction) for latents in begun]
            for number, model in enumerate(chain[1:]):
                end = fraction + (1 - fraction) * (number + 1) / (len(chain) - 1)
                window = Window(None, end if number + 2 < len(chain) else None)
                handed = [
                    _run(engine, model, prompt, one, window=window) for prompt, one in zip(said, handed, strict=True)
                ]
            yield _figures((chain, fraction), classifier, chosen, givers, _pictures(engine, handed))


def _run(engine: LocalEngine, model: str, prompt: str, *given: Latents, **options: Any) -> Latents:
    settings = {"num_inference_steps": STEPS, "guidance_scale": 4.0, "size": Size(128, 128), **options}
    return engine.run(Stage(model=ModelSource(model), prompt=Prompt(prompt), **settings), Inputs(given)).latents


def _pictures(engine: LocalEngine, made: list[Latents]) -> Tensor:
    return tensor(np.stack([np.asarray(engine.decode(latents)[0]) for latents in made]))


def _figures(
    what: tuple[tuple[str, ...], float], classifier: Classifier, chosen: list[Scene], givers: Tensor, pictures: Tensor
) -> Figures:
    time, land = accuracy(classifier, Drawings(pictures, *labels(chosen)))
    own, others = _correlation(givers, pictures), _correlation(givers.roll(1, 0), pictures)
    return Figures(*what, time, land, own, others, givers, pictures)


def _correlation(first: Tensor, second: Tensor) -> float:
    """Mean correlation of pictures (count, 3, 128, 128) blurred to 8 × 8, over their brightness and colours."""
    flat = [F.adaptive_avg_pool2d(pictures, 8).flatten(1) for pictures in (first, second)]
    centred = [F.normalize(pictures - pictures.mean(1, keepdim=True), dim=1) for pictures in flat]
    return float((centred[0] * centred[1]).sum(1).mean())


def sheet(found: list[Figures], columns: int = 7) -> Image.Image:
    """For each chain the giver alone, then a row for each fraction."""
    rows = []
    for figures in found:
        if not rows or figures.fraction == found[0].fraction:
            rows.append(figures.givers[:columns])
        rows.append(figures.pictures[:columns])
    lines = [torch.cat([F.pad(picture, (2, 2, 2, 2), value=1.0) for picture in row], 2) for row in rows]
    grid = torch.cat(lines, 1).permute(1, 2, 0)
    return Image.fromarray((np.asarray((grid + 1) * 127.5 + 0.5, np.uint8) // 3 * 3).astype(np.uint8))


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m tests.demo.handover", description="Hand-over between demo models.")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args(arguments)
    print("| models | at | time | land | correlation with the giver's picture | with another picture |")
    print("|---|---|---|---|---|---|")
    found = []
    for figures in measure(given.count, trained()):
        found.append(figures)
        shares = f"{figures.time:.0%} | {figures.land:.0%} | {figures.correlation:.2f} | {figures.unrelated:.2f}"
        print(f"| {' → '.join(figures.chain)} | {figures.fraction} | {shares} |", flush=True)
    if given.sheet is not None:
        sheet(found).save(given.sheet, optimize=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
