"""A small classifier that tells time of day and land apart, trained on drawings of both styles; not shipped.

``classifier.safetensors`` holds it as `train_anew` made it; ``python -m tests.demo.measured`` makes it anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jupyter_latents.demo.training.data import tensor
from jupyter_latents.demo.training.scenes import LANDS, STYLES, TIMES, Scene, draw, random_scene

FILE = Path(__file__).with_name("classifier.safetensors")


class Classifier(nn.Module):
    """Pictures (batch, 3, 128, 128) from -1 to 1 to scores (batch, times) and (batch, lands)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 24), (24, 48), (48, 64), (64, 96)):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.time = nn.Linear(96 * 4, len(TIMES))
        self.land = nn.Linear(96 * 4, len(LANDS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        found = self.features(F.avg_pool2d(pictures, 2))  # 4 × 4 cells, then four rows: a land stands low, a sky high
        rows = F.adaptive_avg_pool2d(found, (4, 1)).flatten(1)
        return self.time(rows), self.land(rows)


@dataclass(frozen=True)
class Drawings:
    """Drawings with what they show: pictures (count, 3, 128, 128), times (count,), lands (count,)."""

    pictures: Tensor
    times: Tensor
    lands: Tensor


def labels(scenes: list[Scene]) -> tuple[Tensor, Tensor]:
    """Return the class numbers of the scenes' times and lands."""
    times = torch.tensor([TIMES.index(scene.time) for scene in scenes])
    return times, torch.tensor([LANDS.index(scene.land) for scene in scenes])


def drawings(count: int, seed: int) -> Drawings:
    """Draw `count` random scenes, the styles in turn."""
    rng = np.random.default_rng([seed, 77])
    scenes = [random_scene(rng) for _ in range(count)]
    pictures = np.stack([draw(scene, STYLES[number % 2]) for number, scene in enumerate(scenes)])
    return Drawings(tensor(pictures), *labels(scenes))


def train(drawn: Drawings, epochs: int = 6, seed: int = 0) -> Classifier:
    """Train a classifier; pictures are mirrored, blurred and made noisy at random, as generated ones are soft."""
    torch.manual_seed(seed)
    model = Classifier().train()
    batches = -(-len(drawn.times) // 32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, epochs * batches)
    for _ in range(epochs):
        for rows in torch.randperm(len(drawn.times)).split(32):
            batch = drawn.pictures[rows]
            if torch.rand(()) < 0.5:
                batch = batch.flip(-1)
            if torch.rand(()) < 0.5:
                batch = F.interpolate(F.avg_pool2d(batch, 4), scale_factor=4.0, mode="bilinear")
            batch = batch + 0.05 * torch.rand(()) * torch.randn_like(batch)
            times, lands = model(batch)
            loss = F.cross_entropy(times, drawn.times[rows]) + F.cross_entropy(lands, drawn.lands[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def train_anew() -> Classifier:
    """Train on 1800 drawings: half a minute."""
    return train(drawings(1800, seed=1))


def trained() -> Classifier:
    """The classifier of the file."""
    model = Classifier()
    model.load_state_dict(safetensors.torch.load_file(FILE))
    return model.eval()


@torch.no_grad()
def accuracy(model: Classifier, drawn: Drawings) -> tuple[float, float]:
    """Return the shares of pictures whose time and whose land are recognised."""
    times, lands = model(drawn.pictures)
    right_times, right_lands = times.argmax(1) == drawn.times, lands.argmax(1) == drawn.lands
    return float(right_times.float().mean()), float(right_lands.float().mean())
