"""The training loop of the demo models: optimiser, learning rate, averaged weights, checkpoints.

A step draws all its chance from a generator seeded by (seed, step, process), so a checkpoint needs no generator
state and a run that was stopped and resumed is, step for step, the run that went straight through.

Where ``torch.distributed`` is initialised, each process works on its own share of a batch with one thread and the
gradients are averaged: on a few CPU cores that is about twice as fast as one process with as many threads.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

LossFunction = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast to train.

    Attributes:
        steps: optimiser steps, or None to go by `minutes`.
        minutes: wall time, resumed runs counted together, or None to go by `steps`.
        learning_rate: peak rate of AdamW, reached after `warmup` steps.
        decay_from: share of the run after which the rate falls along a cosine to a fiftieth.
        average: decay of the exponential moving average of the weights, per step.
        save_every: steps from checkpoint to checkpoint.
        seed: of everything.
    """

    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 1e-3
    decay_from: float = 0.3
    warmup: int = 100
    average: float = 0.999
    save_every: int = 200
    seed: int = 0

    def progress(self, step: int, seconds: float) -> float:
        """Return how much of the run is over, from 0 to 1."""
        shares = []
        if self.steps is not None:
            shares.append(step / max(self.steps, 1))
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        if not shares:
            raise ValueError("a training plan needs steps or minutes: neither was given")
        return min(max(shares), 1.0)

    def rate(self, step: int, progress: float) -> float:
        """Return the learning rate at a step."""
        late = max(progress - self.decay_from, 0) / (1 - self.decay_from)
        fall = 0.02 + 0.98 * (1 + math.cos(math.pi * late)) / 2
        return self.learning_rate * min((step + 1) / self.warmup, 1) * fall


class Trainer:
    """Trains the parts of a model together, and keeps an average of their weights."""

    def __init__(self, parts: dict[str, nn.Module], plan: TrainingPlan, checkpoint: Path) -> None:
        self.parts, self.plan, self.checkpoint = parts, plan, checkpoint
        self.weights = [weight for part in parts.values() for weight in part.parameters() if weight.requires_grad]
        self.averages = [weight.detach().clone() for weight in self.weights]
        self.optimizer = torch.optim.AdamW(self.weights, lr=plan.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
        self.step, self.seconds = 0, 0.0
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.processes = dist.get_world_size() if dist.is_initialized() else 1

    def save(self) -> None:
        """Write the checkpoint, whole or not at all; of several processes the first one does."""
        if self.rank:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        values: dict[str, Any] = {"parts": state, "averages": self.averages, "optimizer": self.optimizer.state_dict()}
        values.update(step=self.step, seconds=self.seconds)
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(values, partial)
        partial.replace(self.checkpoint)

    def resume(self) -> bool:
        """Go on from the checkpoint where there is one; return whether there was."""
        if not self.checkpoint.exists():
            return False
        values = torch.load(self.checkpoint, weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(values["parts"][name])
        for average, stored in zip(self.averages, values["averages"], strict=True):
            average.copy_(stored)
        self.optimizer.load_state_dict(values["optimizer"])
        self.step, self.seconds = int(values["step"]), float(values["seconds"])
        return True

    def run(self, loss_function: LossFunction, stop_after: int | None = None) -> None:
        """Train to the plan's end, or for `stop_after` steps only, and write a checkpoint."""
        generator, started, shown = torch.Generator(), time.monotonic() - self.seconds, 0.0
        last = None if stop_after is None else self.step + stop_after
        while (progress := self.plan.progress(self.step, self.seconds)) < 1 and self.step != last:
            generator.manual_seed((self.plan.seed * 64 + self.rank) * 1_000_003 + self.step)
            for group in self.optimizer.param_groups:
                group["lr"] = self.plan.rate(self.step, progress)
            loss = loss_function(self.step, generator)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.seconds = self._share(time.monotonic() - started)
            torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
            self.optimizer.step()
            self._average()
            self.step += 1
            shown = loss.item() if shown == 0 else 0.98 * shown + 0.02 * loss.item()
            if self.step % 50 == 0 and self.rank == 0:
                print(f"step {self.step}  loss {shown:.4f}  {self.seconds / 60:.1f} min  {progress:.0%}", flush=True)
            if self.step % self.plan.save_every == 0:
                self.save()
        self.save()

    def _share(self, seconds: float) -> float:
        """Average the gradients over the processes; return the time, averaged too so that all of them agree on it."""
        if self.processes == 1:
            return seconds
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor([seconds])])
        dist.all_reduce(flat)
        flat /= self.processes
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()
        return float(flat[-1])

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.averages, list[Tensor](self.weights), 1 - keep)

    @torch.no_grad()
    def use_averages(self) -> None:
        """Put the averaged weights into the parts, for export; training does not go on from there."""
        for weight, average in zip(self.weights, self.averages, strict=True):
            weight.copy_(average)


def together(work: Callable[[Any], None], options: Any, processes: int) -> None:
    """Call ``work(options)`` in `processes` processes that share their gradients, each with one thread.

    With one process it is called here, with as many threads as torch chooses.
    """
    if processes == 1:
        work(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        spawn(_join, (work, options, processes, f"{folder}/meeting"), processes)  # type: ignore[no-untyped-call]


def _join(rank: int, work: Callable[[Any], None], options: Any, processes: int, meeting: str) -> None:
    """Do one process's part of the work and end that process.

    It ends without Python's own clearing up: the threads of the process group may hold the last tensor that was
    shared, and a thread that lets go of it while the interpreter goes away aborts the process.
    """
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=processes)
    work(options)
    dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
