"""``transformer``: another transformer; see `denoiser`."""

from __future__ import annotations

from jupyter_latents.engine.models.addons.denoiser import Denoiser, denoiser_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.stage import Address, ModelSource

__all__ = ["find_addon"]


def find_addon(source: ModelSource, facts: ModelFacts) -> Denoiser:
    """The transformer that a stage names.

    Raises:
        ModelError: See `denoiser_of`.
    """
    return denoiser_of("transformer", source.transformer or Address(""), source, facts)
