r"""``\save_modules`` and ``\use_modules``: parts of one invocation for another that has the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from jupyter_latents.errors import Place, ScriptError, nearest

__all__ = ["MODULES", "ModuleSets", "parts_of"]

Parts: TypeAlias = Mapping[str, Any]

_MODEL = ("model", "revision", "variant", "subfolder", "dtype", "quantizer", "loras", "lora_fuse_scale")
_TEXT = (*_MODEL, "text_encoders", "textual_inversions")
MODULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "unet": (*_MODEL, "unet"),
        "transformer": (*_MODEL, "transformer"),
        "vae": (*_MODEL, "vae"),
        **dict.fromkeys(("text_encoder", "text_encoder_2", "text_encoder_3"), _TEXT),
        **dict.fromkeys(("tokenizer", "tokenizer_2", "tokenizer_3"), _TEXT),
        "scheduler": (*_MODEL, "schedulers"),
        "image_encoder": (*_MODEL, "image_encoder", "ip_adapters"),
        "controlnet": (*_MODEL, "control_nets"),
        "adapter": (*_MODEL, "t2i_adapters"),
        "safety_checker": (),
        "feature_extractor": (),
    }
)
"""The parts that dgenerate saves, each with what an invocation says of it; the last two change no result here."""


@dataclass(slots=True)
class ModuleSets:
    """The sets of a script.

    Attributes:
        latest: What the latest invocation said of its parts; None before the first.
        saved: What was said of each set, and its parts, by its name.
        used: The set that the next invocation uses, and where that is said.
    """

    latest: Parts | None = None
    saved: dict[str, tuple[Parts, tuple[str, ...]]] = field(default_factory=dict)
    used: tuple[str, Place | None] | None = None

    def save(self, name: str, modules: Sequence[str], place: Place | None) -> None:
        """Keeps parts of the latest invocation's model under a name; before the first one there are none.

        Raises:
            ScriptError: There is no such part.
        """
        for module in modules:
            if module not in MODULES:
                known = nearest(module, MODULES) or f"; there are {', '.join(MODULES)}."
                raise ScriptError(f"'{module}' is no part of a model{known}", place=place)
        if self.latest is not None:
            self.saved[name] = (self.latest, tuple(modules))

    def use(self, name: str, place: Place | None) -> None:
        """Has the next invocation use a set.

        Raises:
            ScriptError: There is none of this name.
        """
        if name not in self.saved:
            hint = nearest(name, self.saved) or f"; write \\save_modules {name} vae behind an invocation first."
            raise ScriptError(f"no parts are saved as '{name}'{hint}", place=place)
        self.used = (name, place)

    def clear(self, names: Sequence[str]) -> None:
        """Forgets sets; all where none is named."""
        for name in names or tuple(self.saved):
            self.saved.pop(name, None)

    def taken(self, parts: Parts) -> None:
        """An invocation comes, which has the parts that it is to use by itself.

        Args:
            parts: What it says of its parts.

        Raises:
            ScriptError: It has others.
        """
        self.latest = parts
        if self.used is None:
            return
        (name, place), self.used = self.used, None
        before, modules = self.saved[name]
        other = [key for key in dict.fromkeys(key for module in modules for key in MODULES[module])
                 if before.get(key) != parts.get(key) and not _leaves_out(key, before, parts)]  # fmt: skip
        if other:
            said = " and ".join(key if key == "model" else f"--{key.replace('_', '-')}" for key in other)
            raise ScriptError(
                f"'\\use_modules {name}' has this invocation use parts of another one ({', '.join(modules)}), and its "
                f"{said} is not the same: models of one name and options share their parts here, others do not. Name "
                "the parts by --vae, --unet, --transformer and --text-encoders, and take the line away.",
                place=place,
            )


def _leaves_out(key: str, before: Parts, parts: Parts) -> bool:
    """Whether the text encoders are the same but for those that are left out, which dgenerate leaves out, too."""
    given = parts.get(key) or ()
    return key == "text_encoders" and not before.get(key) and all(one.name in ("+", "null") for one in given)


def parts_of(model: str, values: Mapping[str, tuple[Any, ...]]) -> Parts:
    """What an invocation says of its parts.

    Args:
        model: Its model.
        values: The values of its options.
    """
    return MappingProxyType({**{key: values.get(key) for key in {k for row in MODULES.values() for k in row}},
                             "model": model})  # fmt: skip
