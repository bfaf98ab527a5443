"""A recipe as the text of a cell. What anybody wrote stays text in it: no template, directive or variable of theirs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace

from jupyter_latents.pictures.metadata.recipe import Operation, Recipe, StagePart, fill_in
from jupyter_latents.stage import Reference, Stage
from jupyter_latents.syntax.compose import rows_of, stage_lines
from jupyter_latents.syntax.sweeps import rows_of_sweep
from jupyter_latents.wording import visible

__all__ = ["MAGIC", "cell_text", "comments"]

MAGIC = "%%dgen"
_WIDTH = 116
_VARIABLE = re.compile(r"(?<!\\)(?:\\\\)*\$\{?([A-Za-z_]\w*)")


def cell_text(recipe: Recipe, *, variables: bool = False) -> str:
    r"""The whole cell, its magic first.

    Args:
        recipe: What the cell does.
        variables: Whether ``$NAME`` in its texts means the environment's value, and ``\$NAME`` the text.
    """
    made = {part.name for part in recipe.parts if isinstance(part, Operation)}
    blocks = ["\n".join(_lines(part, made, variables=variables)) for part in recipe.parts]
    named = dict.fromkeys(name for block in blocks if variables for name in _variables(block))
    wanted = (fill_in(f"${name}", "a variable of the environment, read when the cell runs") for name in named)
    head = "\n".join([MAGIC, *comments((recipe.program, *recipe.remarks, *wanted))])
    return "\n\n".join([head, *blocks]) + "\n"


def _variables(block: str) -> Iterator[str]:
    """The variables of the environment that lines of a script read."""
    for line in block.split("\n"):
        if not line.startswith("#"):
            yield from (found[1] for found in _VARIABLE.finditer(line))


def comments(remarks: Iterable[str]) -> Iterator[str]:
    """Lines of comment; whatever stands in a remark, it cannot end its line."""
    for remark in remarks:
        plain = visible(" ".join(remark.split()))
        yield from (f"# {line}" for line in textwrap.wrap(plain, _WIDTH, break_on_hyphens=False))


def _lines(part: StagePart | Operation, made: set[str], *, variables: bool) -> Iterator[str]:
    yield from comments(part.remarks)
    if isinstance(part, Operation):
        yield from [f"\\setp {part.name} {part.expression}"] if part.expression else []
        return
    stage, marks = _marked(part.stage, made)
    rows = dict((part.more and rows_of_sweep((stage, *_alike(stage, part.more)))) or rows_of(stage))
    if marks:
        rows["image_seeds"] = tuple(_named(text, marks) for text in rows["image_seeds"])
    yield from stage_lines(stage, rows=rows, variables=variables).values()


def _alike(stage: Stage, more: Iterable[Stage]) -> Iterator[Stage]:
    """Further stages of a sweep, which take in what the first one does."""
    yield from (replace(one, image_seed=stage.image_seed) for one in more)


def _marked(stage: Stage, made: set[str]) -> tuple[Stage, dict[str, str]]:
    r"""A stage whose image seed names, in place of what ``\setp`` sets, marks that stand nowhere else in it."""
    seed = stage.image_seed
    if seed is None:
        return stage, {}
    told = repr(seed)
    mark = next(f"set{number}_" for number in range(len(told) + 1) if f"set{number}_" not in told)
    marks = {name: f"{mark}{number}_" for number, name in enumerate(sorted(made))}

    def named(reference: Reference) -> Reference:
        known = reference.kind == "variable" and reference.text in marks
        return replace(reference, text=marks[reference.text]) if known else reference

    fresh = seed.renamed(lambda reference: (named(reference),))
    return replace(stage, image_seed=fresh), marks if fresh != seed else {}


def _named(text: str, marks: dict[str, str]) -> str:
    r"""A text with the names of what ``\setp`` sets, as templates, in place of their marks."""
    names = {mark: name for name, mark in marks.items()}
    return re.sub("|".join(map(re.escape, names)), lambda found: f"{{{{ quote({names[found[0]]}) }}}}", text)
