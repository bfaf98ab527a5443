"""Points of a run and guidance that changes at them, as people mistype them."""

from __future__ import annotations

from random import Random

from jupyter_latents.errors import ScriptError, SettingError
from jupyter_latents.points import read_point, read_scales
from tests.fuzz.frame import Mutator

_PIECES = (
    "0", "1", "1.0", "2", "7", "12", "0.5", "0.6", ".5", "-1", "1e3", "1e9", "1e999", "nan", "inf", "1_000", "٣", "½",
    "sigma=0.8", "sigma = 3", "SIGMA=1", "σ0.8", "σ=1", "sigma=", "sigma", "boundary", "Boundary", "@", ",", ",,", "@@",
    " ", "\t", "\n", "\x00", "\u202e", "e", "%", "x", "7@0", "2@0.6", "2@12", "3@sigma=0.9", "0x10", "9" * 400,
)  # fmt: skip


def points(source: Random) -> str:
    """A point, or scales at points, mostly wrong."""
    if source.random() < 0.3:
        parts = [f"{source.randrange(9)}@{source.choice(_PIECES)}" for _ in range(source.randrange(1, 6))]
        return ",".join(parts)
    return "".join(source.choice(_PIECES) for _ in range(source.randrange(8)))


def read(text: str) -> None:
    """Reads a text both ways; what is read reads back as the same, and what is wrong lies in the text."""

    def fault(message: str, start: int, length: int) -> Exception:
        if not (0 <= start <= len(text) and length >= 1):
            raise AssertionError(f"{message!r} is said to stand at {start}, {length} long")
        return SettingError(message)

    for reader in (read_point, read_scales):
        try:
            found = reader(text, fault)
        except (SettingError, ScriptError):
            continue
        if reader(str(found)) != found:
            raise AssertionError(f"{text!r} is {found}, which reads back as {reader(str(found))}")


MUTATORS = (Mutator("points", points, read),)
