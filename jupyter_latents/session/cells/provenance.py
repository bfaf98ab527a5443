"""The cell that latents say of themselves: written when a stage has run, and read again by whoever opens them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jupyter_latents.errors import ScriptError
from jupyter_latents.stage import Reference, Stage
from jupyter_latents.syntax.compose import (
    ORDER,
    Made,
    compose,
    done_fraction,
    from_provenance,
    lines,
    literal,
    plain_dollars,
    stage_lines,
)
from jupyter_latents.syntax.expand import expand
from jupyter_latents.syntax.script import Script
from jupyter_latents.syntax.seeds import format_seed, parse_seed
from jupyter_latents.syntax.templates.environment import CAPTURED
from jupyter_latents.syntax.templates.marks import named, unveil, veiled_names
from jupyter_latents.syntax.text.lines import Block, LineReader
from jupyter_latents.syntax.text.located import Line
from jupyter_latents.syntax.text.quoting import read_words

__all__ = ["cell_lines", "cell_of", "ending_at"]

_END, _SEED = "denoising_end", "image_seeds"
_POST = ("latents_post_processors", "post_processors")


def cell_lines(stage: Stage) -> dict[str, str]:
    """The lines that make a stage, by the option's `dest`; the model's is under ``model``.

    Args:
        stage: A stage of a script; veiled values of the environment in it become ``$NAME``. A token that opens the hub
            is left out, unless it is such a value, and so is that it runs again whatever is kept.
    """
    token = stage.model.auth_token
    if token and unveil(token, lambda *_: "").strip():
        stage = replace(stage, model=replace(stage.model, auth_token=None))
    return stage_lines(replace(stage, force=False), _live, variables=True)


def _live(text: str) -> str:
    """A text with ``$NAME`` for what it stands for; other dollars in it are only text."""
    return named(plain_dollars(text, named=bool(veiled_names(text))))


def ending_at(cell: Mapping[str, str], latents: Made) -> dict[str, str]:
    """The lines of a stage that ends where latents are.

    Args:
        cell: The lines of the stage.
        latents: Latents that it made on its way.
    """
    end = done_fraction(latents.position) if latents.position is not None else None
    made = {dest: line for dest, line in cell.items() if dest not in (_END, *_POST)}
    if end is not None:
        made |= lines("-", {_END: (f"{end:g}",)})
        made["model"] = cell["model"]
    return {dest: made[dest] for dest in ("model", *ORDER) if dest in made}


def cell_of(latents: Made, known: Mapping[str, Made]) -> str:
    """The text of a cell that makes latents again, as far as they say it.

    Args:
        latents: Latents with a provenance. One without a cell tells less; see `from_provenance`.
        known: Kernel variables that may be their parents, by name.
    """
    found = _lines_of(latents.provenance.cell)
    if found is None:
        return compose([from_provenance(latents, known)])
    names = {other.digest: name for name, other in known.items()}
    parents = [names[digest] for digest in latents.provenance.parents if digest in names]
    whole = len(parents) == len(latents.provenance.parents)
    made = [_with_parents(line, parents if whole else []) for line in found]
    return "\n".join(line for line in made if line) + "\n"


def _lines_of(cell: str) -> list[str] | None:
    """The lines of one model with its options; None for anything else, since a file may say anything."""
    try:
        Script(cell).check()
        parts = list(LineReader(iter([Line(number, text, text) for number, text in enumerate(cell.split("\n"), 1)])))
    except ScriptError:
        return None
    return cell.split("\n") if len(parts) == 1 and not isinstance(parts[0], Block) and not parts[0].directive else None


def _with_parents(line: str, parents: list[str]) -> str:
    """The line of an image seed with the present names of its latents; a name that a template made up is left out."""
    (part,) = LineReader(iter([Line(1, f"- {line}", f"- {line}")]))
    if isinstance(part, Block):
        return line
    words = read_words(expand(part, None))
    if len(words) != 3 or words[1].text != "--image-seeds":
        return line
    if parents and not words[2].value.dynamic:
        seed = parse_seed(words[2].text)
        if len(seed.latents) == len(parents):
            seed = replace(seed, latents=tuple(Reference(name, "variable") for name in parents))
            return lines("-", {_SEED: (literal(format_seed(seed)),)})[_SEED]
    return "" if CAPTURED in words[2].text else line
