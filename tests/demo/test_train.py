"""Training on tiny sizes: resuming, sharing work between processes, and the whole command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from torch import nn

from jupyter_latents.demo.training.loop import Trainer, TrainingPlan, together
from jupyter_latents.demo.training.train import main
from jupyter_latents.demo.training.train_flow import NULL_TOKENS, CountedNullToken, build_transformer
from jupyter_latents.demo.training.train_vae import build_vae, loss
from tests.demo.halves import halves


def trainer(folder: Path, steps: int = 6) -> tuple[nn.Module, Trainer]:
    torch.manual_seed(0)
    vae = build_vae((8, 8))
    return vae, Trainer({"vae": vae}, TrainingPlan(steps=steps, warmup=2, save_every=100), folder / "vae.pt")


def picture_loss(vae: nn.Module):
    return lambda step, generator: loss(vae, torch.rand(2, 3, 32, 32, generator=generator) * 2 - 1, generator)


def test_stopped_and_resumed_equals_straight_through(tmp_path: Path) -> None:
    straight, whole = trainer(tmp_path / "whole")
    whole.run(picture_loss(straight))
    first, half = trainer(tmp_path / "half")
    half.run(picture_loss(first), stop_after=3)
    torch.manual_seed(99)
    resumed, rest = trainer(tmp_path / "half")
    assert rest.resume()
    assert rest.step == 3
    rest.run(picture_loss(resumed))
    assert rest.step == whole.step == 6
    for one, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(whole.averages, rest.averages, strict=True):
        assert torch.equal(one, other)


def test_a_finished_run_trains_no_further(tmp_path: Path) -> None:
    vae, done = trainer(tmp_path, steps=2)
    done.run(picture_loss(vae))
    before = [weight.clone() for weight in vae.parameters()]
    done.run(picture_loss(vae))
    assert all(torch.equal(a, b) for a, b in zip(before, vae.parameters(), strict=True))


def test_the_rate_rises_stays_and_falls() -> None:
    plan = TrainingPlan(steps=100, learning_rate=1.0, decay_from=0.5, warmup=10)
    rates = [plan.rate(step, plan.progress(step, 0)) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == pytest.approx([1.0] * 40)
    assert rates[100] == pytest.approx(0.02)
    assert rates[50:] == sorted(rates[50:], reverse=True)


def test_a_plan_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="steps or minutes"):
        TrainingPlan().progress(0, 0)


@pytest.mark.slow
def test_processes_that_share_gradients_stay_equal(tmp_path: Path) -> None:
    together(halves, tmp_path, 2)
    first, second = (torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True) for rank in range(2))
    assert torch.equal(first, second)
    assert float(first) > 0


@pytest.mark.slow
def test_the_command_makes_pipelines_that_load(tmp_path: Path) -> None:
    options = ["--steps", "1", "--pictures", "8", "--batch", "2", "--processes", "1"]
    main([*options, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")])
    for name in ("scenes", "paper", "flow"):
        pipeline = DiffusionPipeline.from_pretrained(tmp_path / "out" / name, local_files_only=True)
        pipeline.set_progress_bar_config(disable=True)
        picture = pipeline("a sunset", num_inference_steps=2, output_type="np").images
        assert picture.shape == (1, 128, 128, 3)
        assert np.isfinite(picture).all()


@torch.no_grad()
def test_one_counted_token_is_as_good_as_all_of_them() -> None:
    """The transformer learns with one null token and is used with as many as the pipeline puts there."""
    torch.manual_seed(0)
    transformer = build_transformer(layers=2)
    noisy, said, pooled = torch.randn(2, 16, 16, 16), torch.randn(2, 8, 192), torch.randn(2, 192)
    given = {"pooled_projections": pooled, "timestep": torch.tensor([500.0, 20.0])}
    many = torch.cat([said, torch.zeros(2, NULL_TOKENS, 192)], 1)
    whole = transformer(noisy, many, **given).sample
    transformer.set_attn_processor(CountedNullToken(NULL_TOKENS))
    one = torch.cat([said, torch.zeros(2, 1, 192)], 1)
    assert torch.allclose(transformer(noisy, one, **given).sample, whole, atol=1e-5)
    transformer.set_attn_processor(CountedNullToken(1))
    assert not torch.allclose(transformer(noisy, one, **given).sample, whole, atol=1e-3)
