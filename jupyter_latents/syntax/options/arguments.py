"""From the words of one invocation to its model and option values."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_latents.errors import HelpAskedError, JupyterLatentsError, Place, ScriptError
from jupyter_latents.stage import CONTROL_FIELDS
from jupyter_latents.syntax.expand import UNKNOWN
from jupyter_latents.syntax.seeds import parse_seed
from jupyter_latents.syntax.templates.environment import CAPTURED
from jupyter_latents.syntax.templates.marks import drawn_later, undrawn_in, veiled_names
from jupyter_latents.syntax.text.quoting import Word, unquote
from jupyter_latents.wording import option as reference

from . import parsers
from .faults import fault, named, spelling
from .option import Option
from .rules.checks import check
from .rules.lookup import answer, is_option, option_at
from .rules.refused import HARMLESS, SHORT_HARMLESS
from .second_stage import SECOND, SHORT
from .table import BY_NAME, OPTIONS

__all__ = ["Arguments", "VeiledError", "read_arguments"]

_EQUALS = re.compile(r"(--[A-Za-z][\w-]*)=")
_CURLY = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"  # quotation marks of printed text
_TEXTS = (parsers.text, parsers.prompt, parsers.address)
_CAPTURED = re.compile(re.escape(CAPTURED) + r"\d+")


class VeiledError(Exception):
    """An option's value can only be read with the environment's values in it.

    Args:
        word: The value as it is known.
    """

    def __init__(self, word: Word) -> None:
        super().__init__(word.text)
        self.word, self.text = word, word.text


@dataclass
class Arguments:
    """The words of an invocation, sorted by option.

    Attributes:
        model: The model's word.
        values: Parsed values by option; an option whose values are only known when its line is reached is left out.
        words: The words the values were read from.
        options: The word of each option itself.
        unknown: Options of which some value is only known when the line is reached.
        open: Whether a template may still add options.
        notes: What is worth a line and no error, and where.
    """

    model: Word
    values: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    words: dict[str, tuple[Word, ...]] = field(default_factory=dict)
    options: dict[str, Word] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    open: bool = False
    notes: list[tuple[str, Place | None]] = field(default_factory=list)

    def first(self, dest: str, default: Any = None) -> Any:
        """The first value of an option, or `default`."""
        values = self.values.get(dest)
        return values[0] if values else default

    def spelling(self, dest: str) -> str:
        """An option as the script wrote it where that is another name, of a refiner's; else as scripts write it."""
        word = self.options.get(dest)
        written = word.written.text if word is not None else ""
        return written if SHORT.get(written, written) in SECOND else spelling(dest)

    def place(self, dest: str, index: int = 0) -> Place | None:
        """Where a value of an option stands; the option where it has none, the model where it was not given."""
        words = self.words.get(dest, ())
        if index < len(words):
            return words[index].place
        return self.options.get(dest, self.model).place


def _split_equals(word: Word) -> list[Word]:
    """``--name=value`` as two words."""
    match = _EQUALS.match(word.text)
    if not match or word.quoted or match[1] not in BY_NAME:
        return [word]
    name, value = word.value[: len(match[1])], word.value[match.end() :]
    if unquote(value.text) != value.text:
        return [Word(name, name), Word(value[1:-1], value, quoted=True)]
    return [Word(name, name), Word(value, value)]


def _straight(word: Word) -> None:
    """Raises where a word begins with a quotation mark of printed text, which ends at no space."""
    if not word.quoted and not word.value.dynamic and word.text[:1] in tuple(_CURLY):
        raise ScriptError(
            f"{word.text[0]} is a letter here and quotes nothing; write straight quotes, ' or \", around a text.",
            place=word.locate(0, 1),
        )


def _unsure(word: Word) -> bool:
    return UNKNOWN in word.text


def read_arguments(
    words: Sequence[Word], injected: Sequence[Word] = (), *, schedulers: Collection[str] = ()
) -> Arguments:
    """Sorts the words of one invocation by option and reads the values.

    Args:
        words: The words; the first is the model.
        injected: Words added from outside; they replace what the script says.
        schedulers: Known scheduler names; where none are given, any name will do.

    Raises:
        ScriptError: An option is unknown, repeated, lacks a value or has one that is not allowed.
    """
    if len(words) > 1 and words[0].text == "dgenerate" and not is_option(words[1]):
        words = words[1:]
    if not words or is_option(words[0]):
        for word in words:
            answer(word)  # a question needs no model
        raise ScriptError(
            "An option stands here without a model before it; a blank line ends an invocation. Put the model's name on "
            "the line before, or end that line with \\.",
            place=words[0].place if words else None,
        )
    arguments = Arguments(words[0])
    try:
        _read(arguments, words, injected)
        check(arguments, schedulers)
    except HelpAskedError:
        raise
    except ScriptError as error:
        error.spelled(arguments.spelling)
        error.args = (error.message,)
        raise
    return arguments


def _read(arguments: Arguments, words: Sequence[Word], injected: Sequence[Word]) -> None:
    """Sorts the words by option and reads the values."""
    _sort([part for word in words[1:] for part in _split_equals(word)], arguments, replace=False)
    _sort([part for word in injected for part in _split_equals(word)], arguments, replace=True)
    for option in OPTIONS:
        if option.dest in arguments.options:
            _parse(option, arguments)


def _sort(words: list[Word], arguments: Arguments, *, replace: bool) -> None:
    """Gives each option the words that follow it."""
    for word in words:
        _straight(word)
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if _unsure(word):  # an option at the run, perhaps, with what follows as its values
            arguments.open = True
            while position < len(words) and not is_option(words[position]):
                position += 1
            continue
        if not is_option(word):
            secret = "auth_token" in arguments.options and arguments.words["auth_token"][-1:] == (words[position - 2],)
            raise ScriptError(
                f"{'A second token' if secret else repr(word.text)} belongs to no option; quote values that hold "
                "spaces, and put each model on a line of its own.",
                place=word.place,
            )
        idle = SHORT_HARMLESS.get(word.text, word.text)
        if idle in HARMLESS:
            why, valued = HARMLESS[idle]
            arguments.notes.append((f"{word.text} changes nothing: {why}", word.place))
            position += int(valued and position < len(words) and not is_option(words[position]))
            continue
        option = option_at(words, position - 1)
        if option.dest in arguments.options and not replace:
            if option.many or option.flag:
                raise fault(f"'{reference(option.dest)}' is given twice for this model.", option.dest, word.place)
            arguments.notes.append((f"{option.name} is given twice, and the last one counts", word.place))
        stop = position
        while (
            stop < len(words) and not is_option(words[stop]) and (option.many or stop == position) and not option.flag
        ):
            stop += 1
        taken = tuple(words[position:stop])
        if not taken and not option.flag:
            text = f"'{reference(option.dest)}' needs a value: {option.metavar}. {option.help}"
            raise fault(text, option.dest, word.place)
        arguments.options[option.dest] = word
        arguments.words[option.dest] = taken
        arguments.open |= option.many and any(_unsure(part) and not part.quoted for part in taken)
        position = stop


def _parse(option: Option, arguments: Arguments) -> None:
    words = arguments.words[option.dest]
    if option.flag:
        arguments.values[option.dest] = (True,)
        return
    values: list[Any] = []
    for word in words:
        if _unsure(word):
            arguments.unknown.add(option.dest)
            continue
        hides = bool(veiled_names(word.text)) or (drawn_later(word.text) and undrawn_in(word.text) is None)
        if option.parse not in _TEXTS and (hides or (drawn_later(word.text) and option.parse is not parsers.seed)):
            raise VeiledError(word)
        if option.completion != "seed" and _CAPTURED.search(word.text):
            raise fault(
                f"The template gives an object, and '{reference(option.dest)}' takes a text; only "
                f"{reference('image_seeds')} takes objects.",
                option.dest,
                word.place,
            )
        try:
            values.append(_value(option, word, arguments))
        except JupyterLatentsError as error:
            named(error, option.dest)
            raise
    if option.dest in arguments.unknown:
        return
    if option.dest == "sigmas" and len(values) > 1 and all(len(value) == 1 for value in values):
        joined = ",".join(word.text for word in words)
        values = [option.parse(joined, lambda _start, _length: words[0].place)]
    arguments.values[option.dest] = tuple(values)


def _value(option: Option, word: Word, arguments: Arguments) -> Any:
    """One value, read; images alone are control images beside what takes these, as in dgenerate."""
    if option.dest != "image_seeds":
        return option.parse(word.text, word.locate)
    steered, sized = any(dest in arguments.options for dest in CONTROL_FIELDS), "output_size" in arguments.options
    seed = parse_seed(word.text, word.locate, steered=steered, sized=sized)
    if seed.plain:
        several = len(seed.controls) > 1
        text = f"{word.text} {'are the control images' if several else 'is the control image'}, and no picture goes in"
        arguments.notes.append((text, word.place))
    return seed
