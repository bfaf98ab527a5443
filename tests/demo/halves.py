"""Training that two processes share; in a module of its own, which a new process reads in a moment."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from jupyter_latents.demo.training.loop import Trainer, TrainingPlan


def halves(folder: Path) -> None:
    """Train one weight on numbers that differ from process to process, and leave it in a file of its own."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    shared = Trainer({"model": model}, TrainingPlan(steps=4, warmup=1), folder / "model.pt")
    shared.run(lambda step, generator: (model(torch.tensor([[shared.rank + 1.0]])) - 1).square().mean())
    torch.save(model.weight.detach(), folder / f"rank-{shared.rank}.pt")
