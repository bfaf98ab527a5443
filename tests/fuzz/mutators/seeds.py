"""Values of options: image seeds above all, which have a grammar of their own."""

from __future__ import annotations

from random import Random

from jupyter_latents.syntax import format_seed, parse_seed
from tests.fuzz.frame import Mutator

_PIECES = (
    "a.png", "base", "parts[0]", "images:", "latents:", "adapter:", "control:", "mask=", "latents=", "control=",
    "adapter=", "floyd=", "resize=", "align=", "aspect=", "frame-start=", "frame-end=", ";", ",", "|", "+", " ", '"',
    "'", "\\", "512", "512x768", "14", "0", "true", "https://a.b/c,d", "C:\\\\x", "=", ":", "\n", "\x00", "é", "\\n",
    "\u202e", "__latents_1", "extract=",
)  # fmt: skip
_WHOLE = (
    "photo.png;mask=m.png;control=c1.png, c2.png;latents=z.pt;resize=512x512;align=8;aspect=false",
    "images: a.png, 'b, c.png';mask=m.png;latents=z1.pt, z2.pt",
    "latents: a, b;control=c.png",
    "adapter: a.png + b.png|resize=512|aspect=no, c.png",
    "\"a\\\\b.png\";'m.png';64x32",
)


def seed(source: Random) -> str:
    """An image seed of pieces, or a whole one with changes."""
    if source.random() < 0.5:
        return "".join(source.choice(_PIECES) for _ in range(source.randrange(12)))
    text = source.choice(_WHOLE)
    for _ in range(source.randrange(1, 5)):
        at = source.randrange(len(text) + 1)
        text = text[:at] + source.choice(_PIECES) * source.randrange(2) + text[at + source.randrange(3) :]
    return text


def read(text: str) -> None:
    """Reads an image seed; what is written of it reads back the same."""
    found = parse_seed(text)
    assert parse_seed(format_seed(found)) == found, format_seed(found)


MUTATORS = (Mutator("seeds", seed, read, quick=1_000),)
