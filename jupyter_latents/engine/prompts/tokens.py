"""A weighted text as tokens: chunks for CLIP, all of it for T5, and a tokenizer that hands them to a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jupyter_latents.prompts import BREAK, WeightedText

__all__ = ["ChunkOf", "Token", "Tokens", "chunks_of", "whole_of"]

_BACK = 20
"""How many of its last tokens a full chunk may leave to the next, to end after a comma."""


class Token(NamedTuple):
    """A token and its weight."""

    number: int
    weight: float


class ChunkOf(str):
    """A text that stands for one chunk of weighted texts; what is not read in chunks reads all of it.

    Attributes:
        texts: The weighted texts.
        chunk: Which of their chunks.
        commas: Whether full chunks end after commas.
    """

    __slots__ = ("chunk", "commas", "texts")

    texts: Sequence[WeightedText]
    chunk: int
    commas: bool

    @classmethod
    def of(cls, texts: Sequence[WeightedText], chunk: int, *, commas: bool) -> ChunkOf:
        """Makes one.

        Args:
            texts: See the class.
            chunk: See the class.
            commas: See the class.
        """
        made = cls("".join(text for text, _ in texts) or " ")  # pipelines take an empty text for none
        made.texts, made.chunk, made.commas = texts, chunk, commas
        return made


def chunks_of(tokenizer: Any, texts: Iterable[WeightedText], *, commas: bool) -> list[list[Token]]:
    """The tokens of a text in chunks, without those that begin, end and fill a chunk.

    A chunk is full at two tokens less than the tokenizer's ``model_max_length``, 75 for CLIP. ``BREAK`` ends a chunk.

    Args:
        tokenizer: A CLIP tokenizer.
        texts: The weighted texts; each is read by itself.
        commas: Whether a full chunk ends after its last comma where that is one of its last 20 tokens.

    Returns:
        At least one chunk; an empty one at the end is left out.
    """
    size, comma = int(tokenizer.model_max_length) - 2, _comma(tokenizer) if commas else None
    found: list[list[Token]] = [[]]
    for token in _tokens(tokenizer, texts):
        if token is None:
            found.append([])
            continue
        if len(found[-1]) == size:
            cut = size if token.number == comma else _cut(found[-1], comma)
            found.append(found[-1][cut:])
            del found[-2][cut:]
        found[-1].append(token)
    return found if found[-1] or len(found) == 1 else found[:-1]


def whole_of(tokenizer: Any, texts: Iterable[WeightedText]) -> list[Token]:
    """All tokens of a text, without the one that ends it; ``BREAK`` is left out.

    Args:
        tokenizer: A T5 tokenizer.
        texts: The weighted texts; each is read by itself.
    """
    return [token for token in _tokens(tokenizer, texts) if token is not None]


def _tokens(tokenizer: Any, texts: Iterable[WeightedText]) -> Iterator[Token | None]:
    """The tokens of all texts; None where a chunk ends."""
    for text, weight in texts:
        if text == BREAK:
            yield None
        else:
            for number in tokenizer(_with_vectors(tokenizer, text), add_special_tokens=False, verbose=False).input_ids:
                yield Token(int(number), weight)


def _with_vectors(tokenizer: Any, text: str) -> str:
    """A text in which the word of a textual inversion of several vectors is followed by what stands for the others."""
    if not any(word.endswith("_1") for word in getattr(tokenizer, "added_tokens_encoder", ())):
        return text
    from diffusers.loaders import TextualInversionLoaderMixin

    longer: str = TextualInversionLoaderMixin().maybe_convert_prompt(text, tokenizer)
    return longer


def _comma(tokenizer: Any) -> int | None:
    numbers = tokenizer(",", add_special_tokens=False).input_ids
    return int(numbers[0]) if len(numbers) == 1 and numbers[0] != tokenizer.unk_token_id else None


def _cut(chunk: Sequence[Token], comma: int | None) -> int:
    """How many tokens of a full chunk stay in it."""
    last = next((place for place in range(len(chunk) - 1, -1, -1) if chunk[place].number == comma), -1)
    return last + 1 if last >= len(chunk) - _BACK else len(chunk)


class Tokens:
    """A pipeline's tokenizer that also reads `ChunkOf`; all else goes to the tokenizer itself.

    Args:
        tokenizer: The tokenizer.
        whole: Whether it gives all of a text, and not its chunk.
    """

    def __init__(self, tokenizer: Any, *, whole: bool) -> None:
        self._tokenizer, self._whole = tokenizer, whole

    def __call__(self, text: Any = None, *args: Any, **options: Any) -> Any:
        """What the tokenizer gives for texts, or for chunks."""
        texts = [text] if isinstance(text, str) else text or ()
        chunks = [one for one in texts if isinstance(one, ChunkOf)]
        if not chunks or len(chunks) < len(texts):
            return self._tokenizer(text, *args, **options)
        return self._encoded([self.tokens(one) for one in chunks], **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def tokenize(self, text: str, *args: Any, **options: Any) -> Any:
        """The tokenizer's own; nothing of a chunk, in which pipelines would write out textual inversions again."""
        return [] if isinstance(text, ChunkOf) else self._tokenizer.tokenize(text, *args, **options)

    def tokens(self, text: ChunkOf) -> list[Token]:
        """The tokens of a chunk, those that begin and end it among them, none that fill it.

        Args:
            text: The chunk.
        """
        end = Token(self._tokenizer.eos_token_id, 1.0)
        if self._whole:
            return [*whole_of(self._tokenizer, text.texts), end]
        chunks = chunks_of(self._tokenizer, text.texts, commas=text.commas)
        own = chunks[text.chunk] if text.chunk < len(chunks) else []
        return [Token(self._tokenizer.bos_token_id, 1.0), *own, end]

    def _encoded(self, rows: list[list[Token]], **options: Any) -> Any:
        """The rows as a tokenizer gives them for a pipeline."""
        import torch
        from transformers import BatchEncoding

        most = int(options.get("max_length") or self._tokenizer.model_max_length)
        cut = [[*row[: most - 1], row[-1]] if len(row) > most and options.get("truncation") else row for row in rows]
        longest = max(map(len, cut))
        length = most if options.get("padding") == "max_length" else longest
        fill = self._tokenizer.pad_token_id
        numbers = [[*(token.number for token in row), *[fill] * (length - len(row))] for row in cut]
        mask = [[*[1] * len(row), *[0] * (length - len(row))] for row in cut]
        return BatchEncoding({"input_ids": torch.tensor(numbers), "attention_mask": torch.tensor(mask)})
