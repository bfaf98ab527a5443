"""Options of the magic's own line: ``%%dgen --dry-run``, ``%dgen --file script.dgen``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_latents.errors import HelpAskedError, JupyterLatentsError, ScriptError, nearest
from jupyter_latents.syntax.quoting import Word, read_words
from jupyter_latents.syntax.text import Line, Located, Locator

from . import parsers
from .table import BY_NAME

__all__ = ["MAGIC_NAMES", "MAGIC_OPTIONS", "MagicOption", "MagicOptions", "parse_magic_line"]


@dataclass(frozen=True, slots=True)
class MagicOptions:
    """What the magic's line says.

    Attributes:
        dry_run: Show the plan and run nothing.
        background: Return at once and run in the background.
        preview_every: Show a preview each so many steps; 0 for none, None for the default.
        file: Run this file instead of the cell.
        help: Show help; the text names an option, empty for all of it, None for no help.
        verbose: Let libraries say all they have to say.
        force: Run again, even where kept results would answer.
        panel: Show the control panel, filled from the cell.
        models: List the models that the session holds.
        unload: Let go of this model, empty for all, None for none.
        store: Folder to keep results in from now on; ``off`` for none.
        arguments: Words put at the end of every invocation, such as ``--output-path out`` (``injected_args``).
    """

    dry_run: bool = False
    background: bool = False
    preview_every: int | None = None
    file: str | None = None
    help: str | None = None
    verbose: bool = False
    force: bool = False
    panel: bool = False
    models: bool = False
    unload: str | None = None
    store: str | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MagicOption:
    """One row of the table.

    Attributes:
        names: The long name first.
        dest: Field of MagicOptions.
        metavar: Name of the value; empty for a switch.
        parse: How the value is read.
        help: What it does.
        optional: Whether the value may be left out.
        completion: What the value completes to.
        choices: Values to offer.
    """

    names: tuple[str, ...]
    dest: str
    metavar: str
    parse: parsers.Parser
    help: str
    optional: bool = False
    completion: str = ""
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The long name."""
        return self.names[0]


def _preview(value: str, locate: Locator) -> int:
    if value.lower() in {"off", "none"}:
        return 0
    steps: int = parsers.whole(1, "steps, or off")(value, locate)
    return steps


def _about(value: str, _locate: Locator) -> str:
    return value


MAGIC_OPTIONS: tuple[MagicOption, ...] = (
    MagicOption(("--dry-run", "-n"), "dry_run", "", _about, "Show the plan: stages, windows, memory. Nothing runs."),
    MagicOption(("--background", "-b"), "background", "", _about, "Return at once; the run goes on in the background."),
    MagicOption(
        ("--preview-every",), "preview_every", "N", _preview,
        "Show a preview every N steps, or off. Default: often enough to watch, seldom enough to cost nothing.",
        choices=("1", "5", "off"),
    ),
    MagicOption(("--file",), "file", "NAME", parsers.text, "Run a script file.", completion="path"),
    MagicOption(
        ("--help", "-h"), "help", "OPTION", _about,
        "Show this help, or the help of one option: --help denoising-end.", optional=True, completion="option",
    ),
    MagicOption(("--verbose", "-v"), "verbose", "", _about, "Let the libraries say all they have to say."),
    MagicOption(("--panel",), "panel", "", _about, "Show the control panel: the same with the mouse."),
    MagicOption(("--models",), "models", "", _about, "List what is loaded: parts, sizes, where, last use."),
    MagicOption(
        ("--unload",), "unload", "MODEL", _about, "Let go of one model, or of all.", optional=True, completion="model",
    ),
    MagicOption(
        ("--store",), "store", "DIR", parsers.text,
        "Keep results in this folder from now on, so that another kernel repeats none; off for none.",
        completion="path",
    ),
    MagicOption(("--force", "-f"), "force", "", _about, "Run again, even where kept results would answer."),
)  # fmt: skip
"""Every option of the magic's line, in the order of help."""

MAGIC_NAMES: Mapping[str, MagicOption] = {name: option for option in MAGIC_OPTIONS for name in option.names}


def parse_magic_line(line: str, *, magic: str = "%%dgen", expand: Callable[[str], str] | None = None) -> MagicOptions:
    """Reads the line of the magic itself.

    Options of the script (``--output-path out``) are kept as words for every invocation of it.

    Args:
        line: What follows the magic's name.
        magic: The magic's name, for the place of an error.
        expand: Changes a file name, for instance to its home folder.

    Raises:
        ScriptError: An option is unknown or repeated, lacks its value, or its value is not allowed.
    """
    shown = f"{magic} {line}"
    words = read_words(Located.of(Line(1, shown, shown), len(magic) + 1))
    values: dict[str, Any] = {}
    arguments: list[str] = []
    while words:
        word = words.pop(0)
        option = MAGIC_NAMES.get(word.text)
        if option is None:
            _script_option(word, words, arguments)
            continue
        if option.dest in values:
            raise ScriptError(f"'{option.name}' is given twice.", place=word.place)
        values[option.dest] = _value(option, word, words)
    if expand is not None and "file" in values:
        values["file"] = expand(values["file"])
    return MagicOptions(**values, arguments=tuple(arguments))


def _value(option: MagicOption, word: Word, words: list[Word]) -> Any:
    if not option.metavar:
        return True
    if not words or (words[0].text.startswith("-") and not words[0].quoted and option.dest != "help"):
        if option.optional:
            return ""
        raise ScriptError(f"'{option.name}' needs a value: {option.metavar}. {option.help}", place=word.place)
    value = words.pop(0)
    try:
        return option.parse(value.text, value.locate)
    except JupyterLatentsError as error:
        error.message = f"{option.name}: {error.message}"
        error.args = (error.message,)
        raise


def _script_option(word: Word, words: list[Word], arguments: list[str]) -> None:
    """Moves an option of the script and its values to `arguments`."""
    if word.text.startswith("-") and word.text.endswith("?"):
        from .help import option_help

        raise HelpAskedError(option_help(word.text.rstrip("?")), place=word.place)
    if word.quoted or word.text not in BY_NAME:
        what = "no option of the magic's line" if word.text.startswith("-") else "not expected on the magic's line"
        hint = (
            nearest(word.text, [*MAGIC_NAMES, *BY_NAME])
            or "; the script begins on the line below, options are listed by --help."
        )
        raise ScriptError(f"'{word.text}' is {what}{hint}", place=word.place)
    option = BY_NAME[word.text]
    arguments.append(word.text)
    taken = 0
    while words and not option.flag and (option.many or taken == 0):
        if not words[0].quoted and (words[0].text in BY_NAME or words[0].text in MAGIC_NAMES):
            break
        arguments.append(words.pop(0).text)
        taken += 1
    if not taken and not option.flag:
        raise ScriptError(f"'{option.name}' needs a value: {option.metavar}. {option.help}", place=word.place)
