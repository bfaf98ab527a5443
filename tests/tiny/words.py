"""Real tokenizer classes over tiny vocabularies: every byte or letter, plus a few whole words."""

from __future__ import annotations

import atexit
import functools
import io
import shutil
import string
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = (
    "a an the of in on at with and near by over under red blue green yellow cat dog horse fox bird tree house barn "
    "door car boat mountain mountains sunset sky clouds field sunny day beautiful photo painting high resolution "
    "person woman man city street night light water river sea standing open forest snow castle robot flower portrait"
).split()
"""Words that are one token each; everything else is spelled in letters."""

TEMPLATE_WORDS = (
    "system user assistant Describe the image by detailing the color shape size texture quantity text spatial "
    "relationships of the objects and background"
).split()
"""The words of Qwen-Image's prompt template, so that its prefix is 34 tokens long as in the published vocabulary."""

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

MISTRAL_CHAT = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}[INST]"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}[IMG]{% endif %}"
    "{% endfor %}[/INST]{% endif %}{% endfor %}"
)
"""Only what the user says: the published system message would fill the 512 tokens of a letter-by-letter vocabulary."""


def byte_letters() -> list[str]:
    """The 256 printable stand-ins for bytes that byte-level BPE uses, sorted."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def merges_for(words: Sequence[str], end: str = "") -> list[tuple[str, str]]:
    """Return BPE merges, in rank order, that join each word of ``words`` to one token.

    Args:
        words: Words spelled in the alphabet of the tokenizer.
        end: Suffix on the last letter of a word (``</w>`` for CLIP).
    """
    merges: list[tuple[str, str]] = []
    for word in words:
        pieces = [*word[:-1], word[-1] + end]
        for left, right in merges:
            joined: list[str] = []
            for piece in pieces:
                if joined and (joined[-1], piece) == (left, right):
                    joined[-1] += piece
                else:
                    joined.append(piece)
            pieces = joined
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    return merges


def vocabulary(letters: Sequence[str], merges: Sequence[tuple[str, str]], special: Sequence[str]) -> dict[str, int]:
    """Number the special tokens, the letters and the merged pieces, each once, in this order."""
    tokens = dict.fromkeys([*special, *letters, *(left + right for left, right in merges)])
    return {token: index for index, token in enumerate(tokens)}


def clip_tokenizer(pad_token: str = "<|endoftext|>") -> Any:
    """``CLIPTokenizer`` of 77 tokens; the start and end tokens are the last two ids, as in the published one."""
    from transformers import CLIPTokenizer

    letters = byte_letters()
    merges = merges_for(WORDS, "</w>")
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges)]
    vocab = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    for token in ("<|startoftext|>", "<|endoftext|>"):
        vocab[token] = len(vocab)
    return CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad_token, model_max_length=77)


def t5_tokenizer(model_max_length: int = 512) -> Any:
    """``T5Tokenizer``, a unigram model over printable ASCII and ``WORDS``."""
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [(letter, -8.0) for letter in string.printable if not letter.isspace()]
    pieces += [("▁" + word, -5.0) for word in WORDS]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=model_max_length)


def qwen2_tokenizer(model_max_length: int = 1024) -> Any:
    """``Qwen2Tokenizer`` with ChatML tokens and template."""
    from transformers import Qwen2Tokenizer

    words = [*TEMPLATE_WORDS, *(f"Ġ{word}" for word in (*TEMPLATE_WORDS, *WORDS)), *WORDS]
    merges = merges_for(list(dict.fromkeys(words)))
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocab = vocabulary(byte_letters(), merges, special)
    tokenizer = Qwen2Tokenizer(
        vocab=vocab,
        merges=merges,
        extra_special_tokens=["<|im_start|>", "<|im_end|>"],
        model_max_length=model_max_length,
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def gemma_tokenizer() -> Any:
    """``GemmaTokenizer`` over printable ASCII and ``WORDS``."""
    from transformers import GemmaTokenizer

    merges = merges_for([f"▁{word}" for word in WORDS])
    letters = ["▁", *(letter for letter in string.printable if not letter.isspace())]
    vocab = vocabulary(letters, merges, ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    return GemmaTokenizer(vocab=vocab, merges=merges, model_max_length=512)


def mistral_tokenizer() -> Any:
    """A byte-level BPE tokenizer with the chat template that Flux.2 asks for.

    The published model wraps it in a ``PixtralProcessor``, which needs torchvision; the pipeline calls only what the
    tokenizer has as well.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]"]
    merges = merges_for([*WORDS, *(f"Ġ{word}" for word in WORDS)])
    vocab = vocabulary(byte_letters(), merges, special)
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=special[4:],
        model_max_length=512,
        padding_side="left",
    )
    tokenizer.chat_template = MISTRAL_CHAT
    return tokenizer


@functools.cache
def _sentencepiece_model() -> Path:
    """Train a sentencepiece model on ``WORDS`` once a process; return its file, removed at exit."""
    import sentencepiece

    model = io.BytesIO()
    sentences = [" ".join(WORDS), string.printable, *WORDS]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=True,
        num_threads=1,
        minloglevel=2,
    )
    folder = Path(tempfile.mkdtemp(prefix="tiny-sentencepiece-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "tokenizer.model"
    path.write_bytes(model.getvalue())
    return path


def chatglm_tokenizer() -> Any:
    """Kolors' own ``ChatGLMTokenizer`` over a tiny sentencepiece model."""
    from diffusers.pipelines.kolors.tokenizer import ChatGLMTokenizer

    return ChatGLMTokenizer(vocab_file=str(_sentencepiece_model()), model_max_length=256)
