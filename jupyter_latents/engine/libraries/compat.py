"""Where diffusers and transformers disagree, bridged by composition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["with_clip_skip"]


class _FlatTextEncoder:
    """A CLIP text encoder seen as diffusers' ``clip_skip`` code expects it, with its layers below ``text_model``.

    transformers 5 holds them in the encoder itself; diffusers 0.42 reads ``text_encoder.text_model.final_layer_norm``.
    """

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder

    @property
    def text_model(self) -> Any:
        return self._encoder

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._encoder(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


def with_clip_skip(components: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline's components, its CLIP text encoder in the shape that ``clip_skip`` needs.

    Args:
        components: The pipeline's components.
    """
    encoder = components.get("text_encoder")
    if encoder is None or hasattr(encoder, "text_model") or not hasattr(encoder, "final_layer_norm"):
        return dict(components)
    return {**components, "text_encoder": _FlatTextEncoder(encoder)}
