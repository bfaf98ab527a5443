"""From stages back to script text: what reads back as the same stages, one option a line, defaults left out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from jupyter_latents.errors import SettingError
from jupyter_latents.points import scales_in
from jupyter_latents.prompts import weighter_of
from jupyter_latents.stage import (
    Address,
    ImageSeed,
    ModelSource,
    Prompt,
    Reference,
    Scales,
    Stage,
    Window,
    address_of,
    read_address,
)
from jupyter_latents.wording import UNSEEN

from .options.fields import default
from .options.table import NAMES, OPTIONS
from .text.segments import segments

__all__ = [
    "ORDER",
    "Made",
    "Progress",
    "Rows",
    "compose",
    "done_fraction",
    "from_provenance",
    "lines",
    "literal",
    "plain_dollars",
    "rows_of",
    "word",
]

Rows = Mapping[str, Sequence[str]]
"""The words of each option, by the option table's `dest`; a switch has none. Templates in words are live."""

_FIRST = (
    "prompts", "negative_prompts", "second_prompts", "third_prompts", "image_seeds", "strengths", "latents_processors",
    "img2img_latents_processors", "seeds",
    "inference_steps", "sigmas", "guidance_scales", "guidance_rescales", "denoising_start", "denoising_end",
    "schedulers", "output_size", "batch_size", "batch_seeds", "clip_skips",
)  # fmt: skip
_LAST = ("into", "force")
ORDER = [*_FIRST, *(dest for dest in NAMES if dest not in {*_FIRST, *_LAST}), *_LAST]
"""The options, by `dest`, in the order in which people read them."""
_ALWAYS_QUOTED = {"prompts", "negative_prompts", "second_prompts", "third_prompts", "image_seeds"}

_PLAIN = re.compile(r"[\w@+:,./~^][\w@+=:,./~^-]*")
_SPECIAL = re.compile(r"""(?<!\\)(\\*)(["'$%])""")
_ENVIRON = re.compile(r"\$\{?[A-Za-z_]|%[A-Za-z_]\w*%")
_VARIABLE = re.compile(r"\$[A-Za-z_]\w*|\$\{[A-Za-z_]\w*\}|%[A-Za-z_]\w*%")
_DOLLAR = re.compile(r"(?<!\\)(\\*)([$%])")
_NEEDS_TEMPLATE = re.compile(rf"\{{(?=[{{%#\n]|{UNSEEN.pattern})|\n|{UNSEEN.pattern}")
_AS_TEMPLATE = {"\n": "\\n", "\r": "\\r", "{": "{"}


def word(text: str, *, quoted: bool = False, variables: bool = False) -> str:
    r"""One word of a script, quoted where needed; its template parts stay as they are.

    Args:
        text: The word's content.
        quoted: Quote it even where it need not be.
        variables: Whether ``$NAME`` in it means the environment's value, and ``\$NAME`` the text; see `plain_dollars`.
    """
    if not quoted and (_PLAIN.fullmatch(text) or (variables and _VARIABLE.fullmatch(text))):
        return text
    parts = [(part.kind, text[part.start : part.end]) for part in segments(text)]
    live = "".join(content for kind, content in parts if kind != "text")
    deciding = live if re.search("[\"']", live) else text
    named = variables and _ENVIRON.search(text) is not None
    mark = "'" if '"' in deciding and "'" not in deciding and not named else '"'
    made = "".join(_escaped(content, mark, variables=named) if kind == "text" else content for kind, content in parts)
    return mark + made + "\\" * (len(made) - len(made.rstrip("\\"))) + mark


def plain_dollars(text: str, *, named: bool = False) -> str:
    r"""A text in which ``$NAME`` is only text, as it stands where it would mean the environment's value: ``\$NAME``.

    Args:
        text: The text.
        named: Whether names of variables are going to be put into it.
    """
    if not named and not _ENVIRON.search(text):
        return text

    def escape(match: re.Match[str]) -> str:
        needed = match[1] or _ENVIRON.match(text, match.start(2))
        return match[1] * 2 + ("\\" if needed else "") + match[2]

    return _DOLLAR.sub(escape, text)


def _escaped(text: str, mark: str, *, variables: bool = False) -> str:
    """Escapes as little as reads back the same inside quotes of one kind; names of variables stay as they are."""
    live = {mark, "$", "%"} if _ENVIRON.search(text) else {mark}

    def escape(match: re.Match[str]) -> str:
        if variables and match[2] in "$%":
            return match[0]
        return match[1] * 2 + ("\\" if match[2] in live else "") + match[2]

    return _SPECIAL.sub(escape, text)


def literal(text: str) -> str:
    """Returns `text` so that a script takes it letter by letter: braces open no template, a line's end is kept.

    What no reader sees, marks of direction among it, stands as its number.
    """
    return _NEEDS_TEMPLATE.sub(
        lambda match: "{{ '" + (_AS_TEMPLATE.get(match[0]) or f"\\u{ord(match[0]):04x}") + "' }}", text
    )


def lines(model: str, rows: Rows, *, variables: bool = False) -> dict[str, str]:
    """The lines of one invocation, in the order of reading.

    Args:
        model: The model's name.
        rows: The words of its options.
        variables: See `word`.

    Returns:
        Line by the option's `dest`; the model's own line is under ``model``.
    """
    made = {"model": word(model, variables=variables)}
    for dest in ORDER:
        if dest in rows:
            words = [word(text, quoted=dest in _ALWAYS_QUOTED, variables=variables) for text in rows[dest]]
            made[dest] = " ".join([NAMES[dest], *words])
    return made


def stage_lines(
    stage: Stage, write: Callable[[str], str] = str, rows: Rows | None = None, *, variables: bool = False
) -> dict[str, str]:
    """The lines of a stage; see `lines`. All cells are written by it.

    Args:
        stage: The stage.
        write: How each word is written.
        rows: The words of its options, where they are not its own alone.
        variables: See `word`.
    """
    words = rows_of(stage) if rows is None else rows
    made = {dest: tuple(map(write, texts)) for dest, texts in words.items()}
    return lines(write(literal(stage.model.name)), made, variables=variables)


def compose(stages: Iterable[Stage]) -> str:
    """The script that reads back as these stages, for the body of a ``%%dgen`` cell.

    Args:
        stages: Stages as scripts make them.
    """
    blocks = ["\n".join(stage_lines(stage).values()) for stage in stages]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def rows_of(stage: Stage) -> dict[str, tuple[str, ...]]:
    """The words of all options of a stage that are not at their defaults.

    Args:
        stage: The stage.
    """
    found = {option.dest: option.words(stage) for option in OPTIONS}
    covered = {option.covers for option in OPTIONS if found[option.dest] is not None}
    covered -= {"inference_steps"} if isinstance(stage.sigmas, str) else set()
    return {
        dest: tuple(literal(text) for text in words)
        for dest, words in found.items()
        if words is not None and dest not in covered
    }


class Progress(Protocol):
    """A place in a schedule; `jupyter_latents.latents.facts.Position` is one."""

    @property
    def step(self) -> int:
        """Whole steps done."""

    @property
    def of(self) -> int:
        """Whole steps of the schedule."""


class Made(Protocol):
    """What `from_provenance` reads of latents; `jupyter_latents.Latents` has it."""

    @property
    def provenance(self) -> Any:
        """Model, prompt, seed, options and the digests of the parents."""

    @property
    def position(self) -> Progress | None:
        """Step of how many, or None."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def digest(self) -> str:
        """What tells these latents from others."""


def from_provenance(latents: Made, known: Mapping[str, Made] | None = None) -> Stage:
    """The stage that latents say they come from.

    A provenance knows the model, prompts, seed, steps, guidance and scheduler. Where the latents end before the
    schedule does, so does the stage; where a parent is among the known variables, the stage starts from it.

    Args:
        latents: Latents with a provenance.
        known: Kernel variables that may be parents, by name.
    """
    origin, position = latents.provenance, latents.position
    names = {other.digest: name for name, other in (known or {}).items()}
    parents = [names[digest] for digest in origin.parents if digest in names]
    seed = ImageSeed(latents=tuple(Reference(name, "variable") for name in parents)) if parents else None
    began = (known or {})[parents[0]].position if parents else None
    start = done_fraction(began) if began is not None else None
    steps = origin.options.get("steps", "")
    whole = steps.isascii() and steps.isdigit() and len(steps) < 6  # a file may say anything
    return Stage(
        model=ModelSource(origin.model, optimize=tuple(map(read_address, origin.options.get("optimize", "").split()))),
        prompt=Prompt(origin.prompt, origin.negative_prompt, weighter=_weighter(origin.options)),
        seed=origin.seed,
        num_inference_steps=max(1, int(steps)) if whole else default("num_inference_steps"),
        guidance_scale=_guidance(origin),
        scheduler=_scheduler(origin.options.get("scheduler", "")),
        window=Window(start, done_fraction(position) if position is not None else None),
        image_seed=seed,
        batch_size=_batch(origin.options),
    )


def _weighter(options: Mapping[str, str]) -> Address | None:
    """What reads weights in prompts as a file says it, which may say anything."""
    try:
        address = address_of(options.get("prompt_weighter", ""), "prompt_weighter")
        if address is not None:
            weighter_of(address)
        return address
    except SettingError:
        return None


def _guidance(origin: Any) -> float | Scales:
    own = default("guidance_scale") if origin.guidance_scale is None else origin.guidance_scale
    return scales_in(origin.options.get("guidance_scale"), own)


def _batch(options: Mapping[str, str]) -> int:
    """How many latents the batch had of which these are an item; what a file says may be anything."""
    of = options.get("of", "") if "item" in options else ""
    return max(1, int(of)) if of.isascii() and of.isdigit() and len(of) < 6 else 1


def _scheduler(text: str) -> Address | None:
    """A scheduler as a file says it, which may say anything: what is no address is a name, for the script to refuse."""
    try:
        return address_of(text, "schedulers")
    except SettingError:
        return Address(text)


def done_fraction(position: Progress) -> float | None:
    """How much of its schedule a position has behind it, in four digits that mean the same step; None for all of it.

    Args:
        position: Whole steps done (`step`) and of the schedule (`of`).
    """
    if position.step >= position.of:
        return None
    return math.ceil(position.step / position.of * 10_000 - 1e-6) / 10_000
