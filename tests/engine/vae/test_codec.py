"""Between latents and pictures: every VAE class, against the pipelines' own arithmetic."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jupyter_latents.engine.vae import codec
from jupyter_latents.latents.spaces import SPACES
from tests.engine.cases import Bench, plain
from tests.tiny import FAMILIES


@cache
def pipeline(folder: Path) -> Any:
    return plain(folder)


def latents_of(space: Any, batch: int = 1) -> torch.Tensor:
    side = 64 // space.factor
    return torch.randn(batch, space.channels, side, side, generator=torch.Generator().manual_seed(4))


def model(bench: Bench, family: str) -> Any:
    return bench.engine.cache.load(bench.stage(family).model)


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(6)) * 2 - 1


def own_raw(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Raw latents by the last lines of each pipeline's ``__call__``, written out again."""
    name, config = type(vae).__name__, vae.config
    if name == "AutoencoderKLFlux2":
        from diffusers import Flux2Pipeline

        mean = vae.bn.running_mean.view(1, -1, 1, 1)
        std = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + config.batch_norm_eps)
        return Flux2Pipeline._unpatchify_latents(latents * std + mean)
    if name == "AutoencoderKLQwenImage":
        mean = torch.tensor(config.latents_mean).view(1, config.z_dim, 1, 1, 1)
        std = 1.0 / torch.tensor(config.latents_std).view(1, config.z_dim, 1, 1, 1)
        return latents.unsqueeze(2) / std + mean
    return latents / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_is_the_pipelines_own(bench: Bench, family: str) -> None:
    vae, space = model(bench, family).vae, model(bench, family).facts.space
    latents = latents_of(space, 2)
    made = pipeline(bench.folder(family))
    with torch.no_grad():
        decoded = made.vae.decode(own_raw(made.vae, latents), return_dict=False)[0]
    decoded = decoded[:, :, 0] if decoded.dim() == 5 else decoded
    ours = codec.decode(latents, vae)
    assert ours.shape == (2, 3, 64, 64)
    assert torch.equal(ours, decoded)
    shown = made.image_processor.postprocess(decoded, output_type="np")
    for picture, reference in zip(codec.to_pil(ours), shown, strict=True):
        assert np.abs(np.asarray(picture) - reference * 255.0).max() <= 0.5 + 5e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_encoding_inverts_the_model_space(bench: Bench, family: str) -> None:
    """The VAE's own posterior mean comes back as raw latents from what encoding gives."""
    vae = model(bench, family).vae
    encoded = codec.encode(pictures(), vae)
    with torch.no_grad():
        given = pictures().unsqueeze(2) if "z_dim" in vae.config else pictures()
        raw = vae.encode(given).latent_dist.mode()
    assert torch.allclose(own_raw(vae, encoded), raw, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_survives_the_numbers_of_its_space(bench: Bench, family: str) -> None:
    """Decode after encode equals the VAE's own decode of its own encode: scale, shift and statistics cancel."""
    vae = model(bench, family).vae
    with torch.no_grad():
        given = pictures().unsqueeze(2) if "z_dim" in vae.config else pictures()
        own = vae.decode(vae.encode(given).latent_dist.mode(), return_dict=False)[0]
    own = own[:, :, 0] if own.dim() == 5 else own
    assert torch.allclose(codec.decode(codec.encode(pictures(), vae), vae), own, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("sd15", "sd"),
        ("sdxl", "sdxl"),
        ("kolors", "sdxl"),
        ("pixart-sigma", "sdxl"),
        ("sd3", "sd3"),
        ("flux", "flux"),
        ("z-image", "flux"),
        ("lumina2", "flux"),
        ("flux2", "flux2"),
        ("qwen-image", "wan"),
    ],
)
def test_the_space_is_read_from_the_vae(bench: Bench, family: str, name: str) -> None:
    found = model(bench, family).facts.space
    assert found.same_as(SPACES[name])
    assert found.name == SPACES[name].name
    assert found.vae


def test_a_vae_with_other_numbers_has_a_space_of_its_own() -> None:
    space = codec.space_of(
        "AutoencoderKL", {"latent_channels": 4, "scaling_factor": 0.5, "block_out_channels": [8] * 4}
    )
    assert space.name == "own"
    assert not space.same_as(SPACES["sd"])


def test_pictures_round_as_diffusers_does(bench: Bench) -> None:
    processor = pipeline(bench.folder("sd15")).image_processor
    values = torch.linspace(-1.2, 1.2, 3 * 64 * 64).reshape(1, 3, 64, 64)
    (expected,) = processor.postprocess(values, output_type="pil")
    assert np.array_equal(np.asarray(codec.to_pil(values)[0]), np.asarray(expected))
