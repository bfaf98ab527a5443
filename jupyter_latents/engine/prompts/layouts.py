"""Where the embeddings of each text encoder stand in what a pipeline's ``encode_prompt`` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["TEXT_LAYOUTS", "TextLayout"]


@dataclass(frozen=True, slots=True)
class TextLayout:
    """How a pipeline lays out the embeddings of its text encoders.

    An encoder is named by the ending of its parts: that of ``text_encoder_2``, ``tokenizer_2`` and ``prompt_2`` is
    ``_2``.

    Attributes:
        chunked: The encoders that read chunks of 75 tokens; their embeddings stand side by side.
        whole: The encoder that reads all of a text at once; its embeddings stand after the chunks. None without one.
        signs: What is before ``prompt`` in the names of the texts whose embeddings come first.
    """

    chunked: tuple[str, ...]
    whole: str | None = None
    signs: tuple[str, ...] = ("", "negative_")


TEXT_LAYOUTS: Mapping[str, TextLayout] = MappingProxyType(
    {
        "clip": TextLayout(("",)),
        "two clips": TextLayout(("", "_2")),
        "two clips and t5": TextLayout(("", "_2"), "_3"),
        "t5": TextLayout((), "_2", ("",)),
    }
)
"""Name, as a family's row says it, to layout. A CLIP that gives no more than its pooled embedding is in none."""
