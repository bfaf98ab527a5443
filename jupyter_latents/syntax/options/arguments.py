"""From the words of one invocation to its model and option values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_latents.errors import HelpAskedError, JupyterLatentsError, Place, ScriptError, SettingError, nearest
from jupyter_latents.optimizations import choices_of
from jupyter_latents.syntax.expand import UNKNOWN
from jupyter_latents.syntax.prompts import split_prompt
from jupyter_latents.syntax.quoting import Word, unquote
from jupyter_latents.syntax.templates.environment import CAPTURED
from jupyter_latents.syntax.templates.promises import veiled_names

from . import parsers
from .magic_options import MAGIC_NAMES
from .refused import refusal
from .table import BY_NAME, OPTIONS, Option

__all__ = ["Arguments", "VeiledError", "read_arguments"]

_OPTION = re.compile(r"--?[A-Za-z]")
_EQUALS = re.compile(r"(--[A-Za-z][\w-]*)=")
_TEXTS = (parsers.text, parsers.prompt, parsers.address)
_CAPTURED = re.compile(re.escape(CAPTURED) + r"\d+")


class VeiledError(Exception):
    """An option's value can only be read with the environment's values in it.

    Args:
        text: The value as it is known.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


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
    """

    model: Word
    values: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    words: dict[str, tuple[Word, ...]] = field(default_factory=dict)
    options: dict[str, Word] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    open: bool = False

    def first(self, dest: str, default: Any = None) -> Any:
        """The first value of an option, or `default`."""
        values = self.values.get(dest)
        return values[0] if values else default

    def place(self, dest: str, index: int = 0) -> Place | None:
        """Where a value of an option stands; the option where it has none, the model where it was not given."""
        words = self.words.get(dest, ())
        if index < len(words):
            return words[index].place
        return self.options.get(dest, self.model).place


def _is_option(word: Word) -> bool:
    return not word.quoted and bool(_OPTION.match(word.text))


def _split_equals(word: Word) -> list[Word]:
    """``--name=value`` as two words."""
    match = _EQUALS.match(word.text)
    if not match or word.quoted or match[1] not in BY_NAME:
        return [word]
    name, value = word.value[: len(match[1])], word.value[match.end() :]
    if unquote(value.text) != value.text:
        return [Word(name, name), Word(value[1:-1], value, quoted=True)]
    return [Word(name, name), Word(value, value)]


def _answer(word: Word) -> None:
    """Raises the help of an option with a question mark behind it."""
    name = word.text.partition("=")[0]
    if not name.endswith("?"):
        return
    from .help import option_help

    try:
        text = option_help(name.rstrip("?"))
    except ScriptError as error:
        raise ScriptError(error.message, place=word.place) from error
    raise HelpAskedError(text, place=word.place)


def _find(word: Word) -> Option:
    option = BY_NAME.get(word.text)
    if option is not None:
        return option
    name = word.text.partition("=")[0]
    _answer(word)
    if name in MAGIC_NAMES:
        raise ScriptError(f"'{name}' belongs on the magic's own line, behind %%dgen.", place=word.place)
    reason = refusal(name)
    if reason:
        raise ScriptError(f"'{name}' is dgenerate's and does not run here: {reason}.", place=word.place)
    long = [known for known in BY_NAME if known.startswith("--")] if name.startswith("--") else BY_NAME
    hint = nearest(name, long) or "; %%dgen --help lists them all."
    raise ScriptError(f"'{name}' is no option{hint}", place=word.place)


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
    if len(words) > 1 and words[0].text == "dgenerate" and not _is_option(words[1]):
        words = words[1:]
    if not words or _is_option(words[0]):
        for word in words:
            _answer(word)  # a question needs no model
        raise ScriptError(
            "An option stands here without a model before it; a blank line ends an invocation. Put the model's name on "
            "the line before, or end that line with \\.",
            place=words[0].place if words else None,
        )
    arguments = Arguments(words[0])
    _sort([part for word in words[1:] for part in _split_equals(word)], arguments, replace=False)
    _sort([part for word in injected for part in _split_equals(word)], arguments, replace=True)
    for option in OPTIONS:
        if option.dest in arguments.options:
            _parse(option, arguments)
    _check(arguments, schedulers)
    return arguments


def _sort(words: list[Word], arguments: Arguments, *, replace: bool) -> None:
    """Gives each option the words that follow it."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not _is_option(word):
            if _unsure(word):
                arguments.open = True
                continue
            raise ScriptError(
                f"'{word.text}' belongs to no option; quote values that hold spaces, "
                "and put each model on a line of its own.",
                place=word.place,
            )
        option = _find(word)
        if option.dest in arguments.options and not replace:
            raise ScriptError(f"'{option.name}' is given twice for this model.", place=word.place)
        stop = position
        while (
            stop < len(words) and not _is_option(words[stop]) and (option.many or stop == position) and not option.flag
        ):
            stop += 1
        taken = tuple(words[position:stop])
        if not taken and not option.flag:
            raise ScriptError(f"'{option.name}' needs a value: {option.metavar}. {option.help}", place=word.place)
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
        if veiled_names(word.text) and option.parse not in _TEXTS:
            raise VeiledError(word.text)
        if option.completion != "seed" and _CAPTURED.search(word.text):
            raise ScriptError(
                f"The template gives an object, and '{option.name}' takes a text; only --image-seeds takes objects.",
                place=word.place,
            )
        if option.dest == "latents_processors" and word.text == "+":
            raise ScriptError("One chain of processors serves all latents here; take the + away.", place=word.place)
        try:
            values.append(option.parse(word.text, word.locate))
        except JupyterLatentsError as error:
            error.message = f"{option.name}: {error.message}"
            error.args = (error.message,)
            raise
    if option.dest in arguments.unknown:
        return
    if option.dest == "sigmas" and len(values) > 1 and all(len(value) == 1 for value in values):
        joined = ",".join(word.text for word in words)
        values = [option.parse(joined, lambda _start, _length: words[0].place)]
    arguments.values[option.dest] = tuple(values)


def _check(arguments: Arguments, schedulers: Collection[str]) -> None:
    """Checks what one option says about another."""
    _check_window(arguments)
    _check_seeds(arguments)
    _check_prompts(arguments)
    _check_images(arguments)
    _check_optimize(arguments)
    if {"model_cpu_offload", "model_sequential_offload"} <= arguments.values.keys():
        raise ScriptError(
            "--model-cpu-offload and --model-sequential-offload exclude each other; keep one.",
            place=arguments.options["model_sequential_offload"].place,
        )
    for index, given in enumerate(arguments.values.get("schedulers", ())):
        if schedulers and given.name not in schedulers:
            raise ScriptError(
                f"--scheduler: '{given.name}' is no scheduler{nearest(given.name, schedulers) or '.'}",
                place=arguments.place("schedulers", index),
            )


def _check_window(arguments: Arguments) -> None:
    starts, ends = arguments.values.get("denoising_start", ()), arguments.values.get("denoising_end", ())
    if 0 in ends:
        raise ScriptError(
            "--denoising-end 0 leaves nothing to run; give a fraction above 0.",
            place=arguments.place("denoising_end", ends.index(0)),
        )
    if 1 in starts:
        raise ScriptError(
            "--denoising-start 1 leaves nothing to run; give a fraction below 1.",
            place=arguments.place("denoising_start", starts.index(1)),
        )
    for start, end in itertools.product(starts, ends):
        if start >= end:
            raise ScriptError(
                f"--denoising-start {start:g} is not before --denoising-end {end:g}; a stage runs from start to end.",
                place=arguments.place("denoising_start", starts.index(start)),
            )


def _check_seeds(arguments: Arguments) -> None:
    if "seeds" in arguments.options and "gen_seeds" in arguments.options:
        raise ScriptError(
            "--seeds and --gen-seeds exclude each other; keep one.", place=arguments.options["gen_seeds"].place
        )
    if "seeds_to_images" not in arguments.options or arguments.unknown & {"seeds", "image_seeds", "gen_seeds"}:
        return
    seeds = len(arguments.values.get("seeds", ())) or arguments.first("gen_seeds", 0)
    images = len(arguments.values.get("image_seeds", ()))
    if seeds != images or not seeds:
        raise ScriptError(
            f"--seeds-to-images pairs seeds with image seeds, and there are {seeds} and {images}; give equally many.",
            place=arguments.options["seeds_to_images"].place,
        )


def _check_prompts(arguments: Arguments) -> None:
    if "negative_prompts" not in arguments.options:
        return
    for index, prompt in enumerate(arguments.values.get("prompts", ())):
        if split_prompt(prompt)[1] is not None:
            raise ScriptError(
                "This prompt has its own negative after the semicolon, and --negative-prompts gives another; keep one.",
                place=arguments.place("prompts", index),
            )


def _check_optimize(arguments: Arguments) -> None:
    given = arguments.values.get("optimize", ())
    for count in range(1, len(given) + 1):
        try:
            choices_of(given[:count])
        except SettingError as error:
            raise ScriptError(f"--optimize: {error.message}", place=arguments.place("optimize", count - 1)) from error


def _check_images(arguments: Arguments) -> None:
    """Checks the options that need image seeds, and the counts inside them."""
    if "image_seeds" not in arguments.options:
        if arguments.open:
            return
        for dest, wanted in (("denoising_start", "'latents: NAME'"), ("strengths", "IMAGE")):
            given = arguments.values.get(dest, ())
            if given and any(given):
                raise ScriptError(
                    f"'{arguments.options[dest].text}' has nothing to begin from; add --image-seeds {wanted}.",
                    place=arguments.place(dest),
                )
    batch = arguments.first("batch_size")
    nets = len(arguments.values.get("control_nets", ()))
    for index, seed in enumerate(arguments.values.get("image_seeds", ())):
        inputs = len(seed.images or seed.latents)
        if batch is not None and inputs > 1 and batch % inputs:
            raise ScriptError(
                f"--batch-size {batch} cannot be shared by {inputs} inputs; give a multiple of {inputs}.",
                place=arguments.place("batch_size"),
            )
        controls = len(seed.controls)
        if controls != nets and controls and not arguments.open and "control_nets" not in arguments.unknown:
            raise ScriptError(
                f"There are {controls} control images for {nets} ControlNets; give one for each of --control-nets.",
                place=arguments.place("image_seeds", index),
            )
