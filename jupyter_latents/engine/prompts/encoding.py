"""Weights of a prompt put on its embeddings, around a pipeline's own ``encode_prompt``.

Each chunk is encoded by the pipeline as it encodes a text of that length. The vectors of its tokens are then
multiplied by their weights, and, where the weighter restores means, the chunk of each CLIP encoder is multiplied by
the quotient of its means before and after. The arithmetic is written down in ``docs/prompts.md``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from jupyter_latents.engine.prompts.compel import CompelEncoder
from jupyter_latents.engine.prompts.composition import Composed, Composition, listening
from jupyter_latents.engine.prompts.layouts import TEXT_LAYOUTS, TextLayout
from jupyter_latents.engine.prompts.tokens import ChunkOf, Token, Tokens, chunks_of
from jupyter_latents.engine.prompts.windows import parts_of
from jupyter_latents.prompts import WeightedText, Weighter, attention, prompt_parts, weighter_of
from jupyter_latents.stage import Stage

__all__ = ["PromptEncoder", "prompt_encoder"]

_ENDINGS = ("", "_2", "_3")
_DENOISERS = ("unet", "transformer")

_Texts: TypeAlias = Mapping[str, tuple[WeightedText, ...]]


@dataclass(frozen=True, slots=True)
class PromptEncoder:
    """Encodes the prompts of a run with their weights.

    Attributes:
        weighter: How weights are put on embeddings.
        layout: Where these stand.
        composition: Takes what becomes of texts that steer together; None where there is one.
    """

    weighter: Weighter
    layout: TextLayout
    composition: Composition | None = None

    def components(self, components: Mapping[str, Any]) -> dict[str, Any]:
        """A pipeline's components with tokenizers that read chunks, and networks that heed all texts.

        Args:
            components: The pipeline's components.
        """
        own = {f"tokenizer{ending}": ending == self.layout.whole for ending in _ENDINGS}
        made: dict[str, Any] = {
            name: Tokens(part, whole=own[name]) if name in own and part is not None else part
            for name, part in components.items()
        }
        if self.composition is None:
            return made
        made = {name: Composed(part, self.composition) if name in _DENOISERS else part for name, part in made.items()}
        nets = made.get("controlnet")
        if isinstance(nets, list):
            made["controlnet"] = [listening(net, self.composition) for net in nets]
        elif nets is not None:
            made["controlnet"] = listening(nets, self.composition)
        return made

    def encode(self, method: Callable[..., Any], pipeline: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """What ``encode_prompt`` returns, its prompts read with weights; texts without any are the pipeline's own.

        Args:
            method: The pipeline class's ``encode_prompt``.
            pipeline: The pipeline.
            args: The arguments that the pipeline gives it.
            options: Those with names.
        """
        bound = inspect.signature(method).bind(pipeline, *args, **options)
        bound.apply_defaults()
        given = dict(bound.arguments)
        parts = [given] if self.composition is None else [{**given, **part} for part in _parts(given)]
        texts = [self._texts(part) for part in parts]
        count = max(self._chunks(pipeline, own) for own in texts)
        encoded = []
        for part, own in zip(parts, texts, strict=True):
            bound.arguments.update(part)
            encoded.append(self._encoded(method, bound, own, count))
        if self.composition is not None:
            self.composition.encoded[:] = encoded
        return encoded[0]

    def _encoded(self, method: Callable[..., Any], bound: inspect.BoundArguments, texts: _Texts, count: int) -> Any:
        """What ``encode_prompt`` returns for texts in so many chunks."""
        given, pipeline = dict(bound.arguments), bound.args[0]
        if count == 1 and all(_is_plain(pieces) for pieces in texts.values()):
            _give(bound.arguments, {name: pieces[0].text for name, pieces in texts.items()})
            return method(*bound.args, **bound.kwargs)
        made = []
        for chunk in range(count):
            commas = self.weighter.breaks_at_commas
            bound.arguments.update(given)
            _give(bound.arguments, {name: ChunkOf.of(texts[name], chunk, commas=commas) for name in texts})
            made.append(method(*bound.args, **bound.kwargs))
        signs = self.layout.signs
        joined = [self._joined(pipeline, [one[at] for one in made], texts, sign) for at, sign in enumerate(signs)]
        return (*joined, *made[0][len(signs) :])

    def _texts(self, given: Mapping[str, Any]) -> dict[str, tuple[WeightedText, ...]]:
        """The weighted texts of each argument that is a text."""
        found = {}
        guided = given.get("do_classifier_free_guidance", True)
        for sign in self.layout.signs if guided else ("",):
            for ending in _ENDINGS:
                text = given.get(name := f"{sign}prompt{ending}")
                if text:
                    found[name] = attention(text if isinstance(text, str) else text[0])
        return found

    def _chunks(self, pipeline: Any, texts: Mapping[str, tuple[WeightedText, ...]]) -> int:
        """Chunks of the longest text."""
        counts = [
            len(self._chunks_of(pipeline, own, ending))
            for sign in self.layout.signs
            for ending in self.layout.chunked
            if (own := _own(texts, sign, ending)) and getattr(pipeline, f"tokenizer{ending}") is not None
        ]
        return max(counts, default=1)

    def _chunks_of(self, pipeline: Any, texts: Sequence[WeightedText], ending: str) -> list[list[Token]]:
        return chunks_of(getattr(pipeline, f"tokenizer{ending}"), texts, commas=self.weighter.breaks_at_commas)

    def _joined(
        self, pipeline: Any, made: Sequence[Any], texts: Mapping[str, tuple[WeightedText, ...]], sign: str
    ) -> Any:
        """The embeddings of all chunks with their weights, shape (batch, tokens of all chunks, channels)."""
        if made[0] is None:
            return None
        parts, length = [], self._length(pipeline)
        for chunk, embeds in enumerate(made):
            part, start = embeds[:, :length], 0
            for ending in self.layout.chunked:
                encoder = getattr(pipeline, f"text_encoder{ending}")
                if encoder is None:
                    continue
                stop = start + int(encoder.config.hidden_size)
                weights = self._weights(pipeline, _own(texts, sign, ending), ending, chunk)
                own = _weighed(part[..., start:stop], weights, restore=self.weighter.restores)
                part = torch.cat([part[..., :start], own, part[..., stop:]], dim=-1)
                start = stop
            parts.append(part)
        if self.layout.whole is not None:
            weights = self._weights(pipeline, _own(texts, sign, self.layout.whole), self.layout.whole, 0)
            parts.append(_weighed(made[0][:, length:], weights, restore=False))
        return torch.cat(parts, dim=1)

    def _length(self, pipeline: Any) -> int:
        """Tokens of a chunk in the embeddings; 0 where there are no chunks."""
        tokenizers = (getattr(pipeline, f"tokenizer{ending}") for ending in self.layout.chunked)
        return next((int(tokenizer.model_max_length) for tokenizer in tokenizers if tokenizer is not None), 0)

    def _weights(
        self, pipeline: Any, texts: tuple[WeightedText, ...] | None, ending: str, chunk: int
    ) -> Sequence[float]:
        """The weights of the tokens of a chunk."""
        tokenizer = getattr(pipeline, f"tokenizer{ending}")
        if texts is None or tokenizer is None:
            return ()
        text = ChunkOf.of(texts, chunk, commas=self.weighter.breaks_at_commas)
        return [token.weight for token in tokenizer.tokens(text)]


def prompt_encoder(stage: Stage, text: str) -> PromptEncoder | CompelEncoder | None:
    """What encodes the prompts of a stage with their weights; None where no weights are read.

    Args:
        stage: What is asked for, prepared.
        text: The layout of the embeddings of its model's family.
    """
    if stage.prompt.weighter is None:
        return None
    weighter = weighter_of(stage.prompt.weighter)
    if weighter.library:
        return CompelEncoder(weighter)
    parts = parts_of(stage)
    composition = Composition([part.weight for part in parts]) if len(parts) > 1 else None
    return PromptEncoder(weighter, TEXT_LAYOUTS[text], composition)


def _parts(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The prompt of a call for each of the texts that it joins, as many as there were."""
    prompt = given["prompt"]
    texts = [part.text.strip() for part in prompt_parts(prompt if isinstance(prompt, str) else prompt[0])]
    return [{"prompt": text if isinstance(prompt, str) else [text] * len(prompt)} for text in texts]


def _own(texts: Mapping[str, tuple[WeightedText, ...]], sign: str, ending: str) -> tuple[WeightedText, ...] | None:
    """What an encoder reads: its own text, else the first one's."""
    return texts.get(f"{sign}prompt{ending}", texts.get(f"{sign}prompt"))


def _is_plain(texts: Sequence[WeightedText]) -> bool:
    return len(texts) == 1 and texts[0].weight == 1.0


def _give(arguments: dict[str, Any], texts: Mapping[str, str]) -> None:
    """Puts texts in the place of those that were given, as many as there were."""
    for name, text in texts.items():
        arguments[name] = text if isinstance(arguments[name], str) else [text] * len(arguments[name])


def _weighed(embeds: torch.Tensor, weights: Sequence[float], *, restore: bool) -> torch.Tensor:
    """Embeddings multiplied by the weights of their tokens.

    Args:
        embeds: Shape (batch, tokens, channels); the items of the batch are alike.
        weights: Of the first tokens; the rest, which fill the chunk, have 1.
        restore: Whether they are multiplied by the quotient of the means, too.
    """
    known = list(weights[: embeds.shape[1]])
    if len(weights) > len(known):
        known[-1] = weights[-1]  # a text that is cut ends with the token that ends it
    if all(weight == 1.0 for weight in known):
        return embeds
    factors = torch.ones(embeds.shape[1])
    factors[: len(known)] = torch.tensor(known)
    one = embeds[:1].float()
    weighed = one * factors.to(embeds.device)[None, :, None]
    if restore:
        weighed = weighed * (one.mean() / weighed.mean())
    return weighed.to(embeds.dtype).expand_as(embeds).contiguous()
