"""Reads the command line: files, the options of the command, and options for every model of the scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from keyword import iskeyword
from types import MappingProxyType
from typing import Any

from jupyter_latents.errors import HelpAskedError, ScriptError, nearest
from jupyter_latents.syntax.options.help import option_help
from jupyter_latents.syntax.options.magic_options import MAGIC_OPTIONS
from jupyter_latents.syntax.options.table import BY_NAME

__all__ = ["COMMAND_OPTIONS", "CommandLine", "CommandOption", "read_line"]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What the command line asks for.

    Attributes:
        files: Scripts to run, in order; ``-`` is standard input.
        arguments: Words put at the end of every invocation, such as ``--output-path out``.
        dry_run: Print the plan and run nothing.
        values: What templates see by name, a number or text each.
        store: Folder to keep results in; None for none.
        executor: Where stages run; None for this process.
        force: Run again, even where kept results would answer.
        verbose: Let libraries say all they have to say.
        help: Show help; the text names an option, empty for the command's own, None for no help.
        version: Print the version.
    """

    files: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    dry_run: bool = False
    values: Mapping[str, int | float | str] = field(default_factory=lambda: MappingProxyType({}))
    store: str | None = None
    executor: str | None = None
    force: bool = False
    verbose: bool = False
    help: str | None = None
    version: bool = False


@dataclass(frozen=True, slots=True)
class CommandOption:
    """One option of the command.

    Attributes:
        names: The long name first.
        dest: Field of `CommandLine`.
        metavar: Name of the value; empty for a switch.
        help: What it does.
    """

    names: tuple[str, ...]
    dest: str
    metavar: str
    help: str


_MAGIC = {option.dest: option for option in MAGIC_OPTIONS}


def _shared(dest: str, about: str = "") -> CommandOption:
    """An option that the magic's line has, too."""
    option = _MAGIC[dest]
    return CommandOption(option.names, dest, option.metavar, about or option.help)


COMMAND_OPTIONS: tuple[CommandOption, ...] = (
    _shared("dry_run"),
    _shared("store", "Keep results in this folder, and answer from it: what was stopped goes on where it was."),
    CommandOption(
        ("--set",),
        "values",
        "NAME=VALUE",
        "Give templates a value: {{ NAME }} is the number, or the text. May be given several times.",
    ),
    _shared("executor", "Run stages there: local, ray for workers on this machine, or HOST:PORT of a cluster."),
    _shared("force"),
    _shared("verbose"),
    _shared("help", "Show this help, or the help of one option: --help denoising-end."),
    CommandOption(("--version",), "version", "", "Print the version."),
)
"""Every option of the command, in the order of help."""

_NAMES = {name: option for option in COMMAND_OPTIONS for name in option.names}
_NOTEBOOK = {name for option in MAGIC_OPTIONS for name in option.names} - set(_NAMES)


def read_line(words: Sequence[str]) -> CommandLine:
    """Reads the words of a command line.

    Args:
        words: Those behind the command's name.

    Raises:
        ScriptError: An option is unknown or repeated, or lacks its value.
        HelpAskedError: The help of an option of scripts was asked for, ``--seeds?``.
    """
    left = [part for word in words for part in _split(word)]
    values: dict[str, Any] = {}
    files: list[str] = []
    arguments: list[str] = []
    while left:
        word = left.pop(0)
        if word == "--":
            files += left
            break
        if word in _NAMES:
            _own(_NAMES[word], left, values)
        elif word in BY_NAME:
            _of_scripts(word, left, arguments)
        elif word.startswith("-") and word != "-":
            raise _unknown(word)
        else:
            files.append(word)
    return CommandLine(tuple(files), tuple(arguments), **values)


def _split(word: str) -> list[str]:
    """``--name=value`` as two words."""
    name, mark, value = word.partition("=")
    return [name, value] if mark and (name in _NAMES or name in BY_NAME) else [word]


def _own(option: CommandOption, left: list[str], values: dict[str, Any]) -> None:
    if option.dest == "values" and left:
        name, value = _value(left.pop(0))
        values["values"] = MappingProxyType({**values.get("values", {}), name: value})
        return
    if option.dest in values:
        raise ScriptError(f"'{option.names[0]}' is given twice.")
    if not option.metavar:
        values[option.dest] = True
    elif left and not left[0].startswith("-"):
        values[option.dest] = left.pop(0)
    elif option.dest == "help":
        values[option.dest] = ""
    else:
        raise ScriptError(f"'{option.names[0]}' needs a value: {option.metavar}. {option.help}")


def _value(text: str) -> tuple[str, int | float | str]:
    """A name and its value: a number where it reads as one.

    Raises:
        ScriptError: It names nothing that a template could see.
    """
    name, mark, value = text.partition("=")
    if not mark or not name.isidentifier() or iskeyword(name):
        raise ScriptError(
            f"'--set' needs NAME=VALUE with a name that templates can say, such as seed=7; given {text!r}."
        )
    for kind in (int, float):
        with suppress(ValueError):
            return name, kind(value)
    return name, value


def _of_scripts(word: str, left: list[str], arguments: list[str]) -> None:
    """Moves an option of scripts and its values to `arguments`."""
    option, first = BY_NAME[word], len(arguments)
    arguments.append(word)
    while left and not option.flag and (option.many or len(arguments) - first == 1):
        if left[0] in BY_NAME or left[0] in _NAMES or left[0] == "--":
            break
        arguments.append(left.pop(0))
    if not option.flag and len(arguments) - first == 1:
        raise ScriptError(f"'{option.name}' needs a value: {option.metavar}. {option.help}")


def _unknown(word: str) -> ScriptError:
    if word.endswith("?"):
        return HelpAskedError(option_help(word.rstrip("?")))
    if word in _NOTEBOOK:
        return ScriptError(f"'{word}' is for notebooks and does nothing here; leave it out.")
    hint = nearest(word, [*_NAMES, *BY_NAME]) or "; --help lists the options."
    return ScriptError(f"'{word}' is no option{hint}")
