"""The demo models' tokenizer: an ordinary ``CLIPTokenizer`` whose vocabulary holds the captions' words whole.

Anything else falls back to pieces and at last to single bytes, so that every text has tokens.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from jupyter_latents.demo.training.captions import words

MAX_LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_symbols() -> list[str]:
    """Return the 256 printable symbols that stand for bytes, in the order of GPT-2's ``bytes_to_unicode``."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(len(others))]


def merges(vocabulary: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return byte-pair merges, most frequent pair first, after which every word is one token ``word</w>``."""
    spelled = [[*word[:-1], word[-1] + "</w>"] for word in vocabulary]
    found: list[tuple[str, str]] = []
    while any(len(pieces) > 1 for pieces in spelled):
        pairs = Counter(pair for pieces in spelled for pair in pairwise(pieces))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        found.append(best)
        spelled = [_merge(pieces, best) for pieces in spelled]
    return found


def _merge(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def build(folder: Path) -> CLIPTokenizer:
    """Write the tokenizer's files into `folder`, and return it as read back from there."""
    folder.mkdir(parents=True, exist_ok=True)
    symbols, pairs = byte_symbols(), merges(words())
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols), *(a + b for a, b in pairs), START, END]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}), "utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in pairs)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_LENGTH, "do_lower_case": True}
    marks = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, **marks}, indent=2) + "\n", "utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(marks, indent=2) + "\n", "utf-8")
    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
