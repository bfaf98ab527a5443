"""``--prompt-weighter compel``: prompts in the grammar of the library of that name, encoded by it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import ModelError, SettingError
from jupyter_latents.prompts import Weighter, attention
from jupyter_latents.wording import option

if TYPE_CHECKING:
    import torch

__all__ = ["LAYOUTS", "CompelEncoder", "check_compel", "check_text"]

LAYOUTS = frozenset({"clip", "two clips"})
"""The layouts of embeddings that it makes: SD, SDXL and its refiner."""

_NAMES = ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2")


def check_compel(clip_skip: int | None, text: str, family: str) -> None:
    """Sees that compel is here and can encode for a family.

    Args:
        clip_skip: Layers that the stage skips.
        text: The layout of the family's embeddings.
        family: The family's name.

    Raises:
        ModelError: It cannot be imported, does not know the family, or cannot skip layers.
    """
    dest = "prompt_weighter"
    if text not in LAYOUTS:
        raise ModelError(
            f"compel encodes prompts for SD and SDXL here, and not for {family}; use a1111, which reads (word:1.3).",
            option=dest,
        )
    try:
        importlib.import_module("compel")
    except ImportError as error:
        said = str(error).partition("\n")[0]
        raise ModelError(
            f"{option(dest)} compel needs compel, which cannot be imported ({said}): pip install -U compel.",
            option=dest,
        ) from error
    if clip_skip is not None:
        raise ModelError(
            f"compel takes the layers of the model's own; leave {option('clip_skips')} out, or use another "
            f"{option(dest)}.",
            option="clip_skips",
        )


def check_text(text: str, weighter: Weighter) -> None:
    """Sees that compel can read a prompt, and that it asks for nothing that compel leaves to others.

    Args:
        text: The prompt.
        weighter: Its grammar.

    Raises:
        SettingError: It cannot, or a ``.swap()`` is in it.
    """
    from compel.prompt_parser import CrossAttentionControlSubstitute, PromptParser

    try:
        parsed = PromptParser().parse_conjunction(_written(text, weighter))
    except Exception as error:  # pyparsing's and its own
        raise SettingError(f"compel cannot read the prompt {text!r}: {error}.") from error
    if any(isinstance(one, CrossAttentionControlSubstitute) for one in _pieces(parsed)):
        raise SettingError("swap() in a prompt changes attention, which does not run here; write one of both words.")


def _pieces(parsed: Any) -> list[Any]:
    """All that a parsed prompt holds."""
    found, level = [], [parsed]
    while level:
        one = level.pop()
        found.append(one)
        inner = getattr(one, "prompts", None) or getattr(one, "children", None)
        level += list(inner) if isinstance(inner, list | tuple) else []
    return found


def _written(text: str, weighter: Weighter) -> str:
    """A prompt in compel's grammar; A1111's weights become a ``+`` or ``-`` for each tenth, as in dgenerate."""
    if weighter.syntax != "sdwui":
        return text
    made = []
    for piece in attention(text):
        sign = "-" if piece.weight < 1 else "+"
        count = round(abs(round(piece.weight, 2) - 1) / 0.1)
        made.append(f"({piece.text}){sign * count}" if round(piece.weight, 2) != 1 else piece.text)
    return "".join(made)


@dataclass(frozen=True, slots=True)
class CompelEncoder:
    """Encodes the prompts of a run by compel.

    Attributes:
        weighter: Its grammar.
    """

    weighter: Weighter

    def components(self, components: Mapping[str, Any]) -> dict[str, Any]:
        """A pipeline's components; compel takes them as they are."""
        return dict(components)

    def encode(self, method: Callable[..., Any], pipeline: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What ``encode_prompt`` returns, made by compel.

        Args:
            method: The pipeline class's ``encode_prompt``.
            pipeline: The pipeline.
            args: The arguments that the pipeline gives it.
            options: Those with names.
        """
        bound = inspect.signature(method).bind(pipeline, *args, **options)
        bound.apply_defaults()
        given = bound.arguments
        texts = {name: _first(given.get(name)) for name in _NAMES}
        count = len(given["prompt"]) if isinstance(given["prompt"], list) else 1
        count *= int(given.get("num_images_per_prompt") or 1)
        made = self._made(pipeline, {name: self._text(pipeline, name, text) for name, text in texts.items()})
        guided = bool(given.get("do_classifier_free_guidance", True))
        encoder = pipeline.text_encoder if pipeline.text_encoder is not None else pipeline.text_encoder_2
        kept = [
            None if one is None or (index % 2 and not guided) else _several(one.to(encoder.dtype), count)
            for index, one in enumerate(made)
        ]
        return tuple(kept if "prompt_2" in given else kept[:2])

    def _text(self, pipeline: Any, name: str, text: str) -> str:
        """A text in compel's grammar, with the words of textual inversions as the tokenizer has them."""
        ending = name.removeprefix("negative_").removeprefix("prompt")
        tokenizer = getattr(pipeline, f"tokenizer{ending}", None) or pipeline.tokenizer
        written = _written(text, self.weighter)
        return str(pipeline.maybe_convert_prompt(written, tokenizer)) if tokenizer is not None else written

    def _made(self, pipeline: Any, texts: Mapping[str, str]) -> tuple[torch.Tensor | None, ...]:
        """Embeddings, negative, pooled, negative pooled, of one picture each."""
        from compel import Compel, CompelForSD, CompelForSDXL, ReturnedEmbeddingsType

        positive, negative = texts["prompt"], texts["negative_prompt"]
        device = str(pipeline._execution_device)  # noqa: SLF001 - the pipelines' own name for it
        if not hasattr(pipeline, "text_encoder_2"):
            one = CompelForSD(pipeline, device=device)(positive, negative_prompt=negative)
            return one.embeds, one.negative_embeds, None, None
        if pipeline.text_encoder is not None:
            one = CompelForSDXL(pipeline, device=device)(
                positive, texts["prompt_2"] or None, negative, texts["negative_prompt_2"] or None
            )
            return one.embeds, one.negative_embeds, one.pooled_embeds, one.negative_pooled_embeds
        alone = Compel(
            tokenizer=pipeline.tokenizer_2, text_encoder=pipeline.text_encoder_2, requires_pooled=True, device=device,
            truncate_long_prompts=False,
            returned_embeddings_type=ReturnedEmbeddingsType.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED,
        )  # fmt: skip
        (embeds, pooled), (hidden, hidden_pooled) = alone(positive), alone(negative)
        embeds, hidden = alone.pad_conditioning_tensors_to_same_length([embeds, hidden])
        return embeds, hidden, pooled, hidden_pooled


def _first(text: Any) -> str:
    return str((text[0] if isinstance(text, list) else text) or "")


def _several(embeds: torch.Tensor, count: int) -> torch.Tensor:
    return embeds[:1].repeat(count, *(1 for _ in embeds.shape[1:]))
