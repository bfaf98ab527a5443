"""Textual inversions: words of their own, put on copies of the tokenizers and text encoders that read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.given.inputs import Call
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import entry_of, fault
from jupyter_latents.engine.models.addons.weight_file import WeightFile, weight_file
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.digests import FileMark
from jupyter_latents.engine.models.parts import PartSource, read_json
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.engine.models.readers import assemble, translation_of_errors
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.stage import Address, ModelSource, Prompt, settings_of
from jupyter_latents.wording import option

__all__ = ["MARKED", "Inversion", "Inversions", "find_addon", "vocabulary"]

_KEYS = settings_of("textual_inversions")
_FILES = ("learned_embeds.safetensors", "learned_embeds.bin")
_DEST = "textual_inversions"
_ENDINGS = ("", "_2")
_CLIPS = {"clip_l": "", "clip_g": "_2"}  # how files for SDXL call the encoders
_PROMPTS = {
    "positive": "prompts",
    "negative": "negative_prompts",
    "second": "second_prompts",
    "second_negative": "second_prompts",
}
MARKED = re.compile(r"<[^<>\s|:]+>")  # as inversions' words are mostly written; no tag and no token of CLIP's own
"""What looks like the word of an inversion."""
_NAMELESS = ("emb_params", "*", "")


@dataclass(frozen=True, slots=True)
class Inversion:
    """A textual inversion.

    Attributes:
        file: Its file.
        token: The word that stands for it in a prompt.
        vectors: How many tokens the word is, by the ending of each text encoder that reads it; empty where only the
            file says it, and that is on the hub alone.
    """

    file: WeightFile
    token: str
    vectors: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Inversions(Addon):
    """The textual inversions of a stage, in their order."""

    found: tuple[Inversion, ...]

    mark = "inversions"
    last = True
    dest = _DEST

    def __str__(self) -> str:
        return ", ".join(one.file.path.name for one in self.found)

    @property
    def digest(self) -> str:
        """Those of the files with their tokens."""
        return repr([(one.file.digest, one.token) for one in self.found])

    @property
    def marks(self) -> frozenset[FileMark]:
        """Those of the files."""
        return frozenset(mark for one in self.found for mark in one.file.marks)

    @property
    def story(self) -> str:
        """Files and words."""
        return " ".join(f"{one.file.path.name};token={one.token}" for one in self.found)

    @property
    def hub(self) -> tuple[HubFiles, ...]:
        """Those of the files that are on the hub alone."""
        return tuple(one.file.hub for one in self.found if one.file.hub is not None)

    def changes(self, facts: ModelFacts, /) -> tuple[str, ...]:
        """The tokenizers and text encoders that learn a word."""
        endings = {ending for one in self.found for ending, _ in one.vectors}
        wanted = {f"{kind}{ending}" for ending in endings for kind in ("tokenizer", "text_encoder")}
        return tuple(name for name in facts.sources if name in wanted)

    def put_on(self, facts: ModelFacts, parts: Mapping[str, Any], own: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Teaches the copies the words, as diffusers' ``load_textual_inversion`` does.

        Raises:
            ModelError: A file does not fit.
        """
        pipeline = assemble(_pipeline_class(facts), facts, {**parts, **own})
        for one in self.found:
            tensors = _read(one.file, facts)[1]
            for ending, _ in one.vectors:
                with translation_of_errors(f"{option(_DEST)} {one.file.path.name}", dest=_DEST):
                    pipeline.load_textual_inversion(
                        tensors[ending],
                        token=one.token,
                        tokenizer=own[f"tokenizer{ending}"],
                        text_encoder=own[f"text_encoder{ending}"],
                    )
        return {name: part.eval() if hasattr(part, "eval") else part for name, part in own.items()}

    def objection(self, call: Call, /) -> str:
        """Raises where a prompt holds ``<word>``, and no inversion has that; the prompt is to blame.

        Raises:
            ModelError: One does.
        """
        tokens = [one.token for one in self.found]
        for name, text in _texts(call.stage.prompt):
            for word in MARKED.findall(text):
                if word not in tokens:
                    hint = nearest(word, tokens) or "."
                    have = f"The words are {', '.join(tokens)}" if len(tokens) > 1 else f"The word is {tokens[0]}"
                    said = f"the prompt holds {word}, the word of no textual inversion{hint} {have}."
                    raise ModelError(said, option=_PROMPTS[name])
        return ""

    def notes(self, call: Call, /) -> tuple[str, ...]:
        """That a prompt does not name a word."""
        text = " ".join(text for _, text in _texts(call.stage.prompt))
        return tuple(_unnamed(one.token, text) for one in self.found if one.token not in text)


def find_addon(source: ModelSource, facts: ModelFacts) -> Inversions:
    """The textual inversions that a stage names.

    Raises:
        ModelError: The family takes none, one cannot be found or was made for another family, or a word is there
            already.
    """
    _pipeline_class(facts)
    found: list[Inversion] = []
    for address in source.textual_inversions:
        found.append(_inversion(address, source, facts, [one.token for one in found]))
    return Inversions(tuple(found))


def _inversion(address: Address, source: ModelSource, facts: ModelFacts, before: list[str]) -> Inversion:
    entry = entry_of(_DEST, address, _KEYS)
    file = weight_file(entry, source, _FILES)
    name, tensors = ("", {}) if file.hub is not None else _read(file, facts)
    token = entry.get("token") or name or file.path.stem
    if not token.strip() or any(letter.isspace() for letter in token):
        raise fault(_DEST, f"the word {token!r} of {entry.name} is no single word; name one with ;token=<WORD>.")
    vocabularies = [vocabulary(facts.sources.get(f"tokenizer{ending}")) for ending in _ENDINGS]
    if token in before or any(token in vocabulary for vocabulary in vocabularies):
        whose = "another textual inversion" if token in before else f"the tokenizer of {facts.name}"
        raise fault(_DEST, f"{whose} has the word {token!r} already; name another with ;token=<WORD>.")
    return Inversion(file, token, tuple((ending, _count(tensor)) for ending, tensor in tensors.items()))


def _read(file: WeightFile, facts: ModelFacts) -> tuple[str, dict[str, Any]]:
    """The word that a file itself gives, empty where it gives none, and its vectors by the encoder's ending.

    Raises:
        ModelError: It holds no vectors, or not those of this model's text encoders.
    """
    import safetensors.torch
    import torch

    with translation_of_errors(f"{option(_DEST)} {file.path.name}", dest=_DEST):
        if file.path.suffix.lower() == ".safetensors":
            held: Any = safetensors.torch.load_file(file.path)
        else:
            held = torch.load(file.path, map_location="cpu", weights_only=True)
    name, tensors = _named(held)
    if not tensors or any(not isinstance(one, torch.Tensor) or one.ndim not in (1, 2) for one in tensors.values()):
        raise fault(_DEST, f"{file.path.name} is no textual inversion; give a file that holds the vectors of one word.")
    widths = {ending: int(facts.config(f"text_encoder{ending}").get("hidden_size") or 0) for ending in _ENDINGS}
    widths = {ending: width for ending, width in widths.items() if width}
    placed = _placed(tensors, widths)
    halved = "clip_g" in tensors and "_2" not in widths  # of SDXL, and SD would read one half
    if placed.keys() != widths.keys() or halved:
        theirs = " and ".join(str(one.shape[-1]) for one in tensors.values())
        ours = " and ".join(str(width) for width in widths.values())
        raise fault(
            _DEST,
            f"{file.path.name} is of another family: its vectors have {theirs} values, and the text encoders of "
            f"{facts.name} ({facts.family.name}) read {ours}. Use one made for it.",
        )
    return name, placed


def _named(held: Any) -> tuple[str, dict[str, Any]]:
    """The word in a file, and its tensors by their names in it."""
    if not isinstance(held, Mapping):
        return "", {"": held}
    inside = held.get("string_to_param")
    if isinstance(inside, Mapping):  # A1111's
        return str(held.get("name") or ""), {"": inside.get("*")}
    if _CLIPS.keys() & held.keys():
        return "", {name: held[name] for name in _CLIPS if name in held}
    if len(held) != 1:
        return "", {}
    ((name, tensor),) = held.items()
    return "" if name in _NAMELESS else str(name), {"": tensor}


def _placed(tensors: Mapping[str, Any], widths: Mapping[str, int]) -> dict[str, Any]:
    """The vectors by the ending of the encoder that reads them; what fits none is left out."""
    wanted = {name: _CLIPS.get(name, next(iter(widths), "")) for name in tensors}
    found = {wanted[name]: tensor for name, tensor in tensors.items()}
    return {ending: found[ending] for ending in widths if ending in found and found[ending].shape[-1] == widths[ending]}


def _count(tensor: Any) -> int:
    return int(tensor.shape[0]) if tensor.ndim > 1 else 1


def vocabulary(part: PartSource | None) -> frozenset[str]:
    """The words of a tokenizer that its files tell, those that were added to it among them.

    Args:
        part: The tokenizer; None where the model has none.

    Raises:
        ModelError: A file is damaged.
    """
    if part is None:
        return frozenset()
    vocab, whole, beside, config = (
        read_json(part.folder / name) if (part.folder / name).is_file() else {}
        for name in ("vocab.json", "tokenizer.json", "added_tokens.json", "tokenizer_config.json")
    )
    words = vocab or (whole.get("model") or {}).get("vocab") or ()
    rows = (*(whole.get("added_tokens") or ()), *(config.get("added_tokens_decoder") or {}).values())
    return frozenset(
        (
            *(word if isinstance(word, str) else word[0] for word in words),  # T5's have a score each
            *(row["content"] for row in rows),
            *beside,
            *(one for one in config.get("additional_special_tokens") or () if isinstance(one, str)),
        )
    )


def _pipeline_class(facts: ModelFacts) -> Any:
    import diffusers

    found = getattr(diffusers, facts.pipeline_class, None)
    if not hasattr(found, "load_textual_inversion") or facts.family.text not in ("clip", "two clips"):
        raise ModelError(
            f"{facts.name} is a {facts.pipeline_class} ({facts.family.name}); textual inversions are read by SD and "
            f"SDXL alone. Leave {option(_DEST)} out.",
            option=_DEST,
        )
    return found


def _texts(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """The names and texts of the prompts that SD and SDXL read."""
    return ((name, text) for name in _PROMPTS if (text := getattr(prompt, name)))


def _unnamed(token: str, text: str) -> str:
    words = {word.strip(".,;:()[]") for word in text.split()}
    return f"no prompt holds {token}, the word of a textual inversion{nearest(token, sorted(words)) or '.'}"
