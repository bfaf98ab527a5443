"""How loops hold latents: against diffusers' own functions of each pipeline."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_latents.engine.layout import LAYOUTS
from jupyter_latents.engine.models.families import FAMILIES

EVEN = st.integers(1, 6).map(lambda half: 2 * half)


def values(*shape: int) -> torch.Tensor:
    """Numbers that are all different, so that a wrong order shows."""
    return torch.arange(torch.tensor(shape).prod().item(), dtype=torch.float32).reshape(shape)


@settings(deadline=None)  # the first example imports diffusers
@given(st.integers(1, 3), st.sampled_from([4, 16]), EVEN, EVEN)
def test_packed_is_flux_own_packing(batch, channels, height, width) -> None:
    from diffusers import FluxPipeline

    latents = values(batch, channels, height, width)
    packed = LAYOUTS["packed"].pack(latents)
    assert torch.equal(packed, FluxPipeline._pack_latents(latents, batch, channels, height, width))
    assert torch.equal(LAYOUTS["packed"].unpack(packed, (batch, 0, height, width)), latents)
    assert torch.equal(FluxPipeline._unpack_latents(packed, height * 8, width * 8, 8), latents)


@settings(deadline=None)  # the first example imports diffusers
@given(st.integers(1, 3), EVEN, EVEN)
def test_packed_is_qwen_own_packing(batch, height, width) -> None:
    from diffusers import QwenImagePipeline

    latents = values(batch, 16, height, width)
    packed = QwenImagePipeline._pack_latents(latents.unsqueeze(1), batch, 16, height, width)
    assert torch.equal(LAYOUTS["packed"].pack(latents), packed)
    own = QwenImagePipeline._unpack_latents(packed, height * 8, width * 8, 8)
    assert torch.equal(LAYOUTS["packed"].unpack(packed, (batch, 0, height, width)), own.squeeze(2))


@settings(deadline=None)  # the first example imports diffusers
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
def test_tokens_are_flux2_own_packing(batch, height, width) -> None:
    from diffusers import Flux2Pipeline

    latents = values(batch, 128, height, width)
    packed = Flux2Pipeline._pack_latents(latents)
    assert torch.equal(LAYOUTS["tokens"].pack(latents), packed)
    ids = Flux2Pipeline._prepare_latent_ids(latents)
    own = Flux2Pipeline._unpack_latents_with_ids(packed, ids)
    assert torch.equal(LAYOUTS["tokens"].unpack(packed, (batch, 0, height, width)), own)


@given(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5))
def test_plain_is_left_alone(batch, height, width) -> None:
    latents = values(batch, 4, height, width)
    assert LAYOUTS["plain"].pack(latents) is latents
    assert LAYOUTS["plain"].unpack(latents, (batch, 4, height, width)) is latents


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_names_a_layout(family) -> None:
    assert family.layout in LAYOUTS
