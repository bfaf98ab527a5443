"""Previews: small pictures without the VAE, fitted to any VAE."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from jupyter_latents.engine.vae.codec import decode, encode
from jupyter_latents.engine.vae.preview import LinearPreviewer
from tests.engine.cases import Bench, inputs
from tests.engine.schedule.test_handover import Notes

MODELS = ("sd15", "sd3", "flux2", "qwen-image")


def test_previews_of_the_demo_model_show_its_shapes(bench: Bench) -> None:
    """On a trained VAE: as light and dark as the decoded picture, place by place."""
    model = bench.engine.cache.load(bench.stage("demo/scenes").model)
    latents = encode(scenes(), model.vae)
    shown = model.previewer(None).pictures(latents)
    small = F.interpolate(decode(latents, model.vae), shown.shape[-2:], mode="area")
    for preview, picture in zip(shown.mean(1), small.mean(1), strict=True):
        together = torch.stack([preview.flatten(), picture.flatten()])
        assert torch.corrcoef(together)[0, 1] > 0.8


def scenes() -> torch.Tensor:
    """Four drawn landscapes, (4, 3, 128, 128), -1 to 1."""
    import numpy as np

    from jupyter_latents.demo.training.scenes import draw, random_scene

    source = np.random.default_rng(0)
    pictures = np.stack([draw(random_scene(source)) for _ in range(4)])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.mark.parametrize("family", MODELS)
def test_any_vae_gets_previews(bench: Bench, family: str) -> None:
    model = bench.engine.cache.load(bench.stage(family).model)
    space = model.facts.space
    latents = torch.randn(2, space.channels, 8, 6, generator=torch.Generator().manual_seed(1))
    shown = model.previewer(None).images(latents)
    assert [picture.size for picture in shown] == [(6 * space.factor, 8 * space.factor)] * 2  # small VAEs decode
    fitted = LinearPreviewer.fit(model.vae, space.factor).images(latents)
    assert [picture.size for picture in fitted] == [(6 * 4, 8 * 4)] * 2


def test_fitting_is_deterministic_and_leaves_the_random_stream_alone(bench: Bench) -> None:
    vae = bench.engine.cache.load(bench.stage("sd15").model).vae
    before = torch.get_rng_state()
    first, second = LinearPreviewer.fit(vae, 8), LinearPreviewer.fit(vae, 8)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_preview_costs_only_when_asked_for_and_changes_nothing(bench: Bench) -> None:
    class Looking(Notes):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[int, int]] = []

        def step(self, event, look) -> None:
            self.seen.append(look.preview()[0].size)

    watch = Looking()
    result = bench.engine.run(bench.stage("sd15"), inputs(), watch)
    assert torch.equal(result.latents.tensor, bench.whole("sd15").latents.tensor)
    assert set(watch.seen) == {(64, 64)}
    assert len(watch.seen) == result.evaluations


def test_two_models_with_one_vae_share_their_preview(bench: Bench) -> None:
    first, second = (bench.engine.cache.load(bench.stage(name).model) for name in ("sd15", "sd2"))
    assert first.facts.space.vae == second.facts.space.vae
    assert first.previewer(None) is second.previewer(None)
