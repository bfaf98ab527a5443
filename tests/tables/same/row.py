"""A row of `tests.tables.same_results`, and the cells it is written with.

``<sd15>`` and the like stand for tiny models, ``<scratch>`` for a folder of the row's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.engine.cases import PROMPT

__all__ = ["STEPS", "Row", "go_on", "script", "seeded"]

STEPS = 6
SEEDS = {"txt2img": "", "img2img": "picture", "inpaint": "picture;mask=mask"}


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        name: Its group and what it is, ``group/what``.
        cells: Scripts, whose first line is ``%%dgen`` or ``%%dgen --force``, and Python.
        refused: Whether it must end with an error.
    """

    name: str
    cells: tuple[str, ...]
    refused: bool = False


def script(
    model: str,
    options: str = "",
    into: str = "final",
    *,
    prompt: str = f'"{PROMPT}"',
    steps: int = STEPS,
    size: int | str = 64,
    magic: str = "%%dgen --force",
) -> str:
    """A cell of one invocation at guidance 3 and seed 7, unless `options` name others; latents bring their own seed."""
    words = [f"--prompts {prompt} --inference-steps {steps} --into {into}"]
    words += [f"--output-size {size}"] if size else []
    words += [] if "--seeds" in options or "latents" in options else ["--seeds 7"]
    words += [] if "--guidance-scales" in options else ["--guidance-scales 3"]
    name = model if "/" in model else f"<{model}>"
    return "\n".join([magic, name, " ".join(words), options]).rstrip() + "\n"


def go_on(model: str, options: str = "", into: str = "final", latents: str = "base", **more: object) -> str:
    """A cell that goes on from latents."""
    return script(model, f'--image-seeds "latents: {latents}" {options}'.rstrip(), into, **more)  # type: ignore[arg-type]


def seeded(mode: str, latents: str = "") -> str:
    """``--image-seeds`` of a mode."""
    seed = ";latents=".join(filter(None, (SEEDS[mode], latents)))
    if mode == "txt2img":
        return f'--image-seeds "latents: {latents}"' if latents else ""
    return f'--image-seeds "{seed}" --image-seed-strengths 0.7'
