"""Other text encoders in the place of the model's own, which read its tokenizers' tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, locate, part_at
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import PartSource, class_of
from jupyter_latents.engine.models.readers import translation_of_errors
from jupyter_latents.stage import Address, ModelSource, settings_of
from jupyter_latents.wording import option

__all__ = ["TextEncoders", "find_addon"]

_DEST = "text_encoders"
_KEYS = settings_of("text_encoders")
_OWN, _NONE = "+", "null"
_THIRD = 2
_SAME = ("hidden_size", "d_model", "projection_dim", "vocab_size", "max_position_embeddings", "num_hidden_layers")
"""What of its configuration decides which tokens it reads and what it gives the denoiser."""


@dataclass(frozen=True)
class TextEncoders(Addon):
    """The text encoders of a stage that are not the model's own.

    Attributes:
        found: Each, by the name of the part whose place it takes.
        names: How the stage names them.
        left_out: Names of the model's parts that do without them.
    """

    found: tuple[PartSource, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    dest = _DEST

    @property
    def digest(self) -> str:
        """Their files and dtypes."""
        return repr([*((part.name, part.digest, part.dtype) for part in self.found), *self.left_out])

    @property
    def story(self) -> str:
        """The last parts of their names, ``+`` for the model's own."""
        return " ".join(self.names)

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """Those, in the place of the model's own."""
        return self.found

    @property
    def without(self) -> tuple[str, ...]:
        """The third text encoder of SD3 and its tokenizer, where it is left out."""
        return self.left_out


def find_addon(source: ModelSource, facts: ModelFacts) -> TextEncoders:
    """The text encoders that a stage names, ``Class;model=NAME`` or a plain name each, ``+`` for the model's own.

    ``null`` leaves the third one of SD3 out, which diffusers then puts zeros in the place of.

    Raises:
        ModelError: The model has not so many, or one cannot be found, is of another class, or reads or gives
            something else.
    """
    own = [facts.own[name] for name in sorted(facts.own) if name.startswith("text_encoder")]
    asked = source.text_encoders
    left_out = _left_out(asked, facts)
    asked = tuple(address for number, address in enumerate(asked) if not left_out or number != _THIRD)
    if len(asked) > len(own):
        have = f"has {len(own)}" if own else "has none of its own"
        raise fault(_DEST, f"{len(asked)} are named, and {facts.name} ({facts.family.name}) {have}; give no more.")
    found = [_found(address, part, source, facts) for address, part in zip(asked, own, strict=False)]
    names = tuple(_OWN if address.name == _OWN else Path(_name(address)).name for address in source.text_encoders)
    return TextEncoders(tuple(part for part in found if part is not None), names, left_out)


def _left_out(asked: tuple[Address, ...], facts: ModelFacts) -> tuple[str, ...]:
    """The parts that a ``null`` in the third place leaves out; empty where there is none."""
    third = asked[_THIRD].name.lower() if len(asked) > _THIRD else ""
    return ("text_encoder_3", "tokenizer_3") if third == _NONE and facts.family.name == "SD3" else ()


def _found(address: Address, own: PartSource, source: ModelSource, facts: ModelFacts) -> PartSource | None:
    """A text encoder; None for the model's own."""
    if address.name == _OWN and not address.settings:
        return None
    if address.name.lower() == _NONE:
        raise fault(
            _DEST,
            f"null leaves out the third text encoder of SD3 alone, and this is the {own.name} of {facts.name} "
            f"({facts.family.name}). Write + for its own.",
        )
    entry = entry_of(_DEST, address, _KEYS)
    name = _name(address)
    part = _part(entry, name, own, source)
    wanted = entry.name if entry.get("model") is not None else own.class_name
    if part.class_name != wanted or wanted != own.class_name:
        raise fault(
            _DEST, f"{name} is a {part.class_name}, and the {own.name} of {facts.name} a {own.class_name}; use one."
        )
    if other := _difference(part, own):
        raise fault(_DEST, f"{name} does not fit the {own.name} of {facts.name}: {other}. Use one made for it.")
    return part


def _name(address: Address) -> str:
    return address.get("model") or address.name


def _part(entry: OptionAddress, name: str, own: PartSource, source: ModelSource) -> PartSource:
    place = locate(entry, name, source, ("config.json", f"{own.name}/config.json"))
    folder = place.folder
    if folder is None:
        raise fault(_DEST, f"{name} is one file, and those are not read yet; give a folder of transformers.")
    inner = folder if (folder / "config.json").is_file() else folder / own.name
    if not (inner / "config.json").is_file():
        raise fault(_DEST, f"{folder} has neither a config.json nor a {own.name} folder; add ;subfolder=NAME.")
    return part_at(entry, place, inner, own.name, own.library)


def _difference(part: PartSource, own: PartSource) -> str:
    """The first setting in which two text encoders differ, in words; empty where they are exchangeable."""
    theirs, ours = (_settings(one) for one in (part, own))
    for key in _SAME:
        if theirs.get(key) != ours.get(key):
            return f"{key} {theirs.get(key)}, and that has {ours.get(key)}"
    return ""


def _settings(part: PartSource) -> Mapping[str, Any]:
    """Its configuration with the defaults of its class, which transformers does not write."""
    kind = getattr(class_of(part.library, part.class_name, part.name), "config_class", None)
    with translation_of_errors(f"{option(_DEST)} {part.folder}", dest=_DEST):
        found: Mapping[str, Any] = kind(**part.config).to_dict() if kind is not None else part.config
    return found
