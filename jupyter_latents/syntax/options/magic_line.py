"""Reads the magic's own line."""

from __future__ import annotations

from typing import Any

from jupyter_latents.errors import HelpAskedError, JupyterLatentsError, ScriptError, nearest
from jupyter_latents.syntax.text.located import Line, Located
from jupyter_latents.syntax.text.quoting import Word, read_words

from .help import option_help
from .magic_options import MAGIC_NAMES, MagicOption, MagicOptions
from .table import BY_NAME

__all__ = ["parse_magic_line"]


def parse_magic_line(line: str, *, magic: str = "%%dgen") -> MagicOptions:
    """Reads the line of the magic itself.

    Options of the script (``--output-path out``) are kept as words for every invocation of it.

    Args:
        line: What follows the magic's name.
        magic: The magic's name, for the place of an error.

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
        raise HelpAskedError(option_help(word.text.rstrip("?")), place=word.place)
    if word.quoted or word.text not in BY_NAME:
        what = "no option of the magic's line" if word.text.startswith("-") else "not expected on the magic's line"
        hint = (
            nearest(word.text, [*MAGIC_NAMES, *BY_NAME])
            or "; the script begins on the line below %%dgen, options are listed by --help."
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
