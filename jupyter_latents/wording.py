"""Words inside messages: references to options, sizes, and what of foreign text may stand in them.

The rooms that raise errors know no option by its spelling. They write `option("denoising_start")` into the message; the
reference reads ``denoising start`` wherever the message is shown, and ``--denoising-start`` to whoever typed a script.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = [
    "as_html",
    "ended",
    "hub_command",
    "kind_of",
    "option",
    "plain",
    "readable",
    "spell",
    "visible",
    "without_advice",
]

# What reads otherwise than the option's name.
_WORDS = {
    "control_nets": "ControlNets",
    "image_seeds": "image seed",
    "ip_adapters": "IP-Adapters",
    "loras": "LoRAs",
    "model_cpu_offload": "model CPU offload",
    "preview_vae": "preview VAE",
    "schedulers": "scheduler",
    "pag_adaptive_scales": "PAG adaptive scale",
    "pag_scales": "PAG scale",
    "strengths": "strength",
    "t2i_adapters": "T2I-Adapters",
    "unet": "U-Net",
    "vae": "VAE",
    "vae_slicing": "VAE slicing",
    "vae_tiling": "VAE tiling",
}
_REFERENCE = re.compile(r"⟦([a-z0-9_]+)(?:\.([a-z]+))?⟧")


def option(dest: str, part: str = "") -> str:
    """A reference to an option, to be put into a message.

    Args:
        dest: The option's name in the table of options, such as ``image_seeds``, ``denoising_start``, ``schedulers``.
        part: The part of an image seed that is meant, ``image``, ``mask`` or ``latents``; only those who have a field
            for each part speak of it.
    """
    return f"⟦{dest}.{part}⟧" if part else f"⟦{dest}⟧"


def plain(dest: str) -> str:
    """An option in words: ``denoising start``."""
    return _WORDS.get(dest, dest.replace("_", " "))


def spell(template: str, spelling: Callable[[str], str] = plain, parts: Mapping[str, str] | None = None) -> str:
    """A message with its references written out.

    Args:
        template: The message, with what `option` made in it.
        spelling: How an option is written.
        parts: How parts of an image seed are written; None to write the option instead.
    """
    return _REFERENCE.sub(lambda found: (parts or {}).get(found[2]) or spelling(found[1]), template)


def readable(size: float) -> str:
    """Bytes as people write them: ``3.4 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB" if size < 999.5 else f"{size:,.0f} TB"


def ended(text: str) -> str:
    """A clause as a sentence: with a full stop, unless it asks."""
    return text if text.endswith("?") else f"{text}."


def kind_of(value: Any) -> str:
    """What a value is, in words: ``an empty list``, ``an int``, ``a picture``, ``Latents``.

    Args:
        value: Any.
    """
    kind = type(value)
    if value is None or kind.__name__ == "Latents":
        return "None" if value is None else "Latents"
    if any(f"{base.__module__}.{base.__qualname__}" == "PIL.Image.Image" for base in kind.__mro__):
        return "a picture"
    name = "text" if kind is str else kind.__qualname__
    if kind in (str, list, tuple, dict, set) and not value:
        return f"an empty {name}"
    return f"an {name}" if name[:1].lower() in "aeio" else f"a {name}"


# Control characters, and those that change the direction or the lines of the text around them.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SWITCHES = re.compile(
    r"weights_only|trust_remote_code|allow_pickle|(?:use_safetensors|safe_serialization)\s*=\s*False"
    r"|only if you (?:got|trust)",
    re.IGNORECASE,
)
_CLAUSES = re.compile(r"(?<=[.!?;])(?:\s+(?=\S)|(?=[A-Z]))|(?<=: )(?=\S)|\n+")


def visible(text: str) -> str:
    r"""A text for terminals and pages: control characters and marks of direction as ``\x1b``, ``\u202e``.

    Args:
        text: Any text; tabs and ends of lines stay.
    """
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def as_html(text: str) -> str:
    """A text as HTML shows it, in attributes too: its tags are text, and what cannot be seen is written out.

    Args:
        text: Any text; see `visible`.
    """
    return html.escape(visible(text))


def hub_command(wanted: str, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> str:
    """The line for a terminal that fetches from the hub; its options are those of the hub's own command.

    Args:
        wanted: A repository, or one with a file of it.
        include: Patterns of the files that are fetched; none for all.
        exclude: Patterns of those that are not.
    """
    patterns = (("include", include), ("exclude", exclude))
    return " ".join(
        [f"hf download {wanted}", *(f'--{key} "{pattern}"' for key, several in patterns for pattern in several)]
    )


def without_advice(text: str) -> str:
    """A message of a library without its advice to switch off a guard against foreign code.

    Args:
        text: The message, or one of ours that quotes it.
    """
    if not _SWITCHES.search(text):
        return text
    kept = [clause for clause in _CLAUSES.split(text) if not _SWITCHES.search(clause)]
    return " ".join([*map(str.strip, kept), "It would run foreign code, which is not done here."])
