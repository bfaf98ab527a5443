"""Some of the IP-Adapters upon a denoiser, for the steps of a window: the others then take no part in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["some_adapters"]

_Plain = Callable[[], Any]


@contextmanager
def some_adapters(denoiser: Any, active: tuple[int, ...]) -> Iterator[None]:
    """Puts only some of its IP-Adapters into a denoiser; all are there again afterwards.

    They share the modules of all, so nothing is read or copied, and no weight changes. Without any, the denoiser is as
    diffusers' ``unload_ip_adapter`` leaves it.

    Args:
        denoiser: A U-Net, or a transformer of SD3 or Flux.1, with IP-Adapters.
        active: The places of those that hold.
    """
    before = dict(denoiser.attn_processors)
    projections = {name: getattr(denoiser, name) for name in _PROJECTIONS if getattr(denoiser, name, None) is not None}
    kind = getattr(denoiser.config, "encoder_hid_dim_type", None)
    try:
        denoiser.set_attn_processor({name: _only(one, active) for name, one in before.items()})
        if active:
            _narrow(denoiser, active)
        else:
            _unload(denoiser)
        yield
    finally:
        for name, one in projections.items():
            setattr(denoiser, name, one)
        denoiser.set_attn_processor(before)  # those of the projections are among them
        if kind is not None:
            denoiser.config.encoder_hid_dim_type = kind


_PROJECTIONS = ("encoder_hid_proj", "image_proj")
"""What brings images into a U-Net or Flux.1's transformer, and into SD3's."""


def _narrow(denoiser: Any, active: tuple[int, ...]) -> None:
    from diffusers.models.embeddings import MultiIPAdapterImageProjection

    whole = getattr(denoiser, "encoder_hid_proj", None)
    if whole is not None:
        layers = [whole.image_projection_layers[place] for place in active]
        denoiser.encoder_hid_proj = MultiIPAdapterImageProjection(layers)


def _unload(denoiser: Any) -> None:
    if getattr(denoiser, "image_proj", None) is not None:
        denoiser.image_proj = None
        return
    texts = getattr(denoiser, "text_encoder_hid_proj", None)  # Kolors' own projection, of texts
    denoiser.encoder_hid_proj = texts
    denoiser.config.encoder_hid_dim_type = None if texts is None else "text_proj"


def _only(processor: Any, active: tuple[int, ...]) -> Any:
    """A processor with some of its IP-Adapters; one that never had any as it is."""
    plain = _plain_processors().get(type(processor).__name__)
    if plain is None:
        return processor
    if not active:
        return plain()
    if not isinstance(processor.scale, list):
        return processor  # SD3's, which has one
    from torch.nn import ModuleList

    made = copy.copy(processor)
    made._modules = dict(processor._modules)  # noqa: SLF001 - torch copies the dict's reference alone
    made.scale = [processor.scale[place] for place in active]
    made.to_k_ip = ModuleList([processor.to_k_ip[place] for place in active])
    made.to_v_ip = ModuleList([processor.to_v_ip[place] for place in active])
    return made


def _plain_processors() -> dict[str, _Plain]:
    """Class of a processor with IP-Adapters to the one without."""
    from diffusers.models.attention_processor import AttnProcessor2_0, JointAttnProcessor2_0
    from diffusers.models.transformers.transformer_flux import FluxAttnProcessor

    return {
        "IPAdapterAttnProcessor2_0": AttnProcessor2_0,
        "SD3IPAdapterJointAttnProcessor2_0": JointAttnProcessor2_0,
        "FluxIPAdapterAttnProcessor": FluxAttnProcessor,
    }
