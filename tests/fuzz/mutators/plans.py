"""Plans of scripts on the demo models: what the language lets through is judged, not met."""

from __future__ import annotations

from functools import cache
from random import Random

import torch
from PIL import Image

from jupyter_latents import Latents
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script
from tests.fuzz.frame import Mutator
from tests.fuzz.mutators.options import options
from tests.fuzz.mutators.scripts import script


@cache
def _session() -> Session:
    names = {
        "base": Latents(torch.zeros(1, 4, 8, 8)),
        "photo": Image.new("RGB", (64, 48)),
        "x": torch.zeros(1, 4, 8, 8),
        "many": [torch.zeros(1, 4, 8, 8)] * 2,
        "odd": object(),
        "text": "a\x1bb",
    }
    return Session(names)


def planned(source: Random) -> str:
    """A script, its models those that are here."""
    text = script(source) if source.random() < 0.5 else options(source)
    lines = [
        source.choice(("demo/scenes", "demo/flow", "demo/paper")) + line[1:] if line[:2] in ("m", "m ") else line
        for line in text.split("\n")
    ]
    return "\n".join(lines).replace("a.png", source.choice(("base", "photo", "x", "many", "odd", "text", "a.png")))


def plan(text: str) -> None:
    """Plans a script and writes the plan out."""
    repr(_session().plan(Task(Script(text))))


MUTATORS = (Mutator("plans", planned, plan, quick=60),)
