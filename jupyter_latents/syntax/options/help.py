"""Help from the option tables: the whole of it, or one option."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator

from jupyter_latents.errors import ScriptError, nearest
from jupyter_latents.samplers import SAMPLERS, sampler
from jupyter_latents.syntax.directives import DIRECTIVES
from jupyter_latents.syntax.seeds import SEED_KEYS

from .magic_options import MAGIC_OPTIONS, MagicOption
from .option import Option
from .rules.refused import ELSEWHERE, HARMLESS, SHORT, instead, is_of_dgenerate, refusal
from .second_stage import REWRITTEN, refiner_help
from .table import BY_NAME, GROUPS, OPTIONS

__all__ = ["full_help", "help_text", "option_help"]

_INTRO = """\
A model and its options, in dgenerate's script language; a blank line ends it, and several may follow each other.
A line goes on when the next one starts with - or when it ends with \\. # starts a comment. {{ }} and {% %} are Jinja
templates; last_images names what ran before, kernel variables are readable. Several values multiply."""

_EXAMPLE = """\
demo/scenes
--prompts "a beautiful sunset over the mountains"
--seeds 7 --denoising-end 0.8 --into base

demo/paper
--prompts "clouds in the sky on a sunny day"
--image-seeds "latents: base" --denoising-start 0.8 --into final"""


def _head(option: Option | MagicOption) -> str:
    many = isinstance(option, Option) and option.many
    value = f" {option.metavar}" + (" ..." if many else "") if option.metavar else ""
    if isinstance(option, MagicOption) and option.optional:
        value = f" [{option.metavar}]"
    return ", ".join(option.names) + value


def _entry(head: str, text: str, width: int, indent: str = "  ") -> str:
    body = textwrap.fill(text, max(40, width), initial_indent=indent * 3, subsequent_indent=indent * 3)
    return f"{indent}{head}\n{body}"


def _sections(width: int) -> Iterator[tuple[str, list[str]]]:
    yield "The magic's own line", [_entry(_head(option), option.help, width) for option in MAGIC_OPTIONS]
    for group in GROUPS:
        yield group, [_entry(_head(option), _help(option), width) for option in OPTIONS if option.group == group]
    yield "dgenerate's refiner", [_entry(name, text, width) for name, text in refiner_help().items()]
    known = [directive for directive in DIRECTIVES.values() if directive.run and not directive.idle]
    yield "Directives", [_entry(directive.usage, directive.help, width) for directive in known]


def _help(option: Option) -> str:
    return option.help + (" Several values multiply." if option.multiplies and "multipl" not in option.help else "")


def full_help(width: int | None = None) -> str:
    """Returns the help of everything.

    Args:
        width: Characters a line; None for the terminal's, 100 at most.
    """
    width = width or min(100, shutil.get_terminal_size((100, 24)).columns)
    parts = ["%%dgen [options]", textwrap.fill(" ".join(_INTRO.split()), max(40, width))]
    parts.append(textwrap.indent(_EXAMPLE, "    "))
    for title, entries in _sections(width):
        parts.append("\n".join([title.upper(), *entries]))
    return "\n\n".join(parts)


def option_help(name: str, width: int | None = None) -> str:
    """Returns the help of one option, named with or without its dashes.

    Raises:
        ScriptError: There is no such option.
    """
    width = width or min(100, shutil.get_terminal_size((100, 24)).columns)
    bare = name.lstrip("-").lower()
    if name.startswith("\\") and (directive := DIRECTIVES.get(name[1:])) and directive.run:
        return _entry(directive.usage, directive.help, width, indent="")
    magic = {known.lstrip("-"): option for option in MAGIC_OPTIONS for known in option.names if known.startswith("--")}
    found = BY_NAME.get(name) or BY_NAME.get(f"--{bare}") or BY_NAME.get(f"--{bare}s") or magic.get(bare)
    if found is None and (text := refiner_help().get(f"--{bare}")):
        return _entry(f"--{bare}", text, width, indent="")
    if found is None:
        reason = refusal(f"--{bare}")
        if reason:
            whose = "dgenerate's" if is_of_dgenerate(f"--{bare}") else "another program's"
            return f"--{bare}\n      {whose}; it does not run here: {reason}."
        if harmless := HARMLESS.get(SHORT.get(name, f"--{bare}")):
            return f"--{bare}\n      dgenerate's; it is taken and changes nothing: {harmless[0]}."
        if f"--{bare}" in ELSEWHERE:
            words = instead(f"--{bare}")
            ours = re.search(r"--[\w-]+", words)
            more = f"\n{option_help(ours[0], width)}" if ours else ""
            return f"--{bare}\n      another program's; {words}.{more}"
        known = {**{n.lstrip("-"): None for n in (*BY_NAME, *REWRITTEN)}, **magic}
        raise ScriptError(f"'{name}' is no option{nearest(bare, known) or '; %%dgen --help lists them all.'}")
    text = _help(found) if isinstance(found, Option) else found.help
    if found.choices:
        text += f" Values: {', '.join(found.choices)}."
    lines = [_head(found), textwrap.fill(text, max(40, width), initial_indent=" " * 4, subsequent_indent=" " * 4)]
    if isinstance(found, Option) and found.completion == "seed":
        lines += [f"    ;{key + '=':<13} {meaning}" for key, (_, _, meaning) in SEED_KEYS.items()]
    if isinstance(found, Option) and found.completion == "scheduler":
        lines += [
            "    Samplers of A1111 and ComfyUI by their own names, with Karras, Exponential or Beta behind A1111's:"
        ]
        lines += [f"    {row.name:<18} {sampler(row.name)}" for row in SAMPLERS if not row.near]
        lines += ["    Samplers that diffusers does not have, with the nearest in kind, which you write yourself:"]
        lines += [f"    {row.name:<31} {sampler(row.name)}; it {row.near}" for row in SAMPLERS if row.near]
    return "\n".join(lines)


def help_text(topic: str = "", width: int | None = None) -> str:
    """Returns the help of one option, or of everything when `topic` is empty."""
    return option_help(topic, width) if topic else full_help(width)
