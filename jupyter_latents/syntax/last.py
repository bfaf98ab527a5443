"""What templates read of the invocation before, by dgenerate's names: ``last_seeds``, ``last_output_size``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from jupyter_latents.stage import Size

from .invocation import Invocation
from .options.fields import default
from .options.option import Option
from .options.table import OPTIONS
from .templates.marks import Undrawn

__all__ = ["NOTHING_YET", "last_names"]

_NAMES = MappingProxyType(
    {
        "control_nets": "controlnet_uris",
        "image_encoder": "image_encoder_uri",
        "ip_adapters": "ip_adapter_uris",
        "loras": "lora_uris",
        "offline": "offline_mode",
        "prompt_weighter": "prompt_weighter_uri",
        "quantizer": "quantizer_uri",
        "schedulers": "scheduler_uri",
        "strengths": "image_seed_strengths",
        "t2i_adapters": "t2i_adapter_uris",
        "text_encoders": "text_encoder_uris",
        "textual_inversions": "textual_inversion_uris",
        "transformer": "transformer_uri",
        "unet": "unet_uri",
        "vae": "vae_uri",
    }
)
"""Options by their `dest` to what dgenerate calls them there; others have the same name."""

_LEFT_OUT = frozenset({"prompts", "auth_token", "into", "force", "gen_seeds"})
"""Options that are not among them: what the language has itself, and what nobody is to read."""

_ROWS: Mapping[str, Option] = MappingProxyType(
    {f"last_{_NAMES.get(row.dest, row.dest)}": row for row in OPTIONS if row.dest not in _LEFT_OUT}
)


def _usual(row: Option) -> Any:
    """What an option is where it is not given."""
    if row.flag:
        return False
    usual = default(row.field) if row.field else None
    if not row.many:
        return usual
    return [] if usual in (None, (), "") else [usual]


_USUAL: Mapping[str, Any] = MappingProxyType({name: _usual(row) for name, row in _ROWS.items()})


def last_names(invocation: Invocation, veiled: Callable[[str], object]) -> dict[str, Any]:
    """The names with the values of an invocation; those of options that take several values are lists.

    Args:
        invocation: The invocation.
        veiled: Gives texts as templates may see them.
    """
    given = {name: _value(row, invocation, veiled) for name, row in _ROWS.items() if invocation.values.get(row.dest)}
    return {**_USUAL, **given, "last_model_path": veiled(invocation.model), "last_animations": []}


def _value(row: Option, invocation: Invocation, veiled: Callable[[str], object]) -> Any:
    given = invocation.values[row.dest]
    if row.flag:
        return True
    words = invocation.arguments.words.get(row.dest, ())
    texts = [word.text for word in words] if len(words) == len(given) else [str(one) for one in given]
    values = [_plain(one, text, veiled) for one, text in zip(given, texts, strict=True)]
    return values if row.many else values[0]


def _plain(value: Any, text: str, veiled: Callable[[str], object]) -> Any:
    """A value as plain data: numbers and sizes as they are, all else as it was written."""
    if isinstance(value, Undrawn):
        return veiled(str(value))
    if isinstance(value, Size):
        return value.width, value.height
    return value if isinstance(value, bool | int | float) else veiled(text)


NOTHING_YET: Mapping[str, Any] = MappingProxyType(
    {
        **{name: [] if row.many else False if row.flag else None for name, row in _ROWS.items()},
        "last_model_path": None,
        "last_animations": [],
        "injected_device": None,
        "injected_verbose": None,
        "injected_plugin_modules": [],
    }
)
"""What they are before the first invocation, with what dgenerate's command line gives and here nobody does."""
