"""Scripts: the text of a cell or file, checked as a whole and read invocation by invocation."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from jupyter_latents.errors import HelpAskedError, NameNotFoundError, ScriptError
from jupyter_latents.paths import explain, opened

from .directives import check_directive, run_directive
from .expand import UNKNOWN, expand
from .invocation import Invocation
from .last import NOTHING_YET, last_names
from .options.arguments import VeiledError, read_arguments
from .options.rules.module_sets import parts_of
from .options.rules.remarks import remarks
from .pairs import of_pair
from .patterns import matched
from .refiner import StageWords, in_two_stages
from .templates.environment import Environment
from .templates.marks import veiled_names
from .templates.template import check_template, render_block
from .text.lines import Block, LineReader, Logical, nothing
from .text.located import Line, Located
from .text.quoting import Word, read_words, rendered

__all__ = ["Script", "parse"]

_NEWLINE = re.compile(r"\r\n|\r|\n")
_HELP = ("help", "helpargs")
_SETS = re.compile(r"\\(?:set[pe]?|gen_seeds)\s+(\w+)|\{%[-+]?\s*(set|for|endfor|macro)\b\s*(\w*)")

_INTO = re.compile(r"(?:^|\s)--into\s+([A-Za-z_]\w*)")
_TITLE = 48
_MAGIC = "%%dgen"


@dataclass(frozen=True)
class Script:
    """The text of a cell or file.

    Attributes:
        text: The script.
        first_line: Number of its first line; 2 for the body of a cell, whose ``%%dgen`` line is 1.
        source: Where it comes from, ``cell`` or a file name.
    """

    text: str
    first_line: int = 1
    source: str = "cell"

    @property
    def title(self) -> str:
        """What to call it before it is read: the names that it binds, else its first words; ``$NAME`` stays."""
        lines = [line.strip() for line in self.text.splitlines()]
        said = [line for line in lines if line and not line.startswith(("#", "\\", "{"))]
        bound = dict.fromkeys(name for line in said for name in _INTO.findall(line))
        return " \u2192 ".join(bound) or "".join(said[:1])[:_TITLE]

    @staticmethod
    def in_file(name: str) -> Script:
        """The script in a file.

        Args:
            name: Its path, as a person writes it.

        Raises:
            NameNotFoundError: It is not there, or is no text in UTF-8.
            ScriptError: See `whole`.
        """
        path = opened(name)
        try:
            content = path.read_bytes()
        except (OSError, ValueError) as error:
            raise NameNotFoundError(f"the script {str(path)!r} cannot be read: {explain(error)}.") from error
        return Script.in_bytes(content, str(path))

    @staticmethod
    def in_bytes(content: bytes, source: str) -> Script:
        """The script in the bytes of a file.

        Args:
            content: Text in UTF-8.
            source: Where it comes from.

        Raises:
            NameNotFoundError: It is no text in UTF-8.
            ScriptError: See `whole`.
        """
        try:
            return Script.whole(content.decode("utf-8-sig"), source)
        except UnicodeDecodeError as error:
            raise NameNotFoundError(f"the script {source} cannot be read: it is no text in UTF-8 ({error}).") from error

    @staticmethod
    def whole(text: str, source: str = "cell") -> Script:
        """The script in a text that nothing stands beside; a ``%%dgen`` line may stand above it.

        Args:
            text: The text.
            source: Where it comes from.

        Raises:
            ScriptError: Its ``%%dgen`` line has options, or there is nothing but comments in it.
        """
        head, _, rest = text.lstrip().partition("\n")
        script = Script(text, source=source)
        if head.startswith(_MAGIC):
            if head.removeprefix(_MAGIC).strip():
                raise ScriptError(
                    f"{head.strip()!r}: in a file or text this line takes no options; give them to what runs it."
                )
            script = Script(rest, text[: text.index(_MAGIC)].count("\n") + 2, source)
        if all(line.strip()[:1] in ("", "#") for line in script.text.splitlines()):
            raise ScriptError("the script is empty; name a model in it, such as demo/scenes, with its --prompts.")
        return script

    def _lines(self) -> Iterator[Line]:
        for number, text in enumerate(_NEWLINE.split(self.text), self.first_line):
            yield Line(number, text, text)

    def check(self, *, schedulers: Collection[str] = (), stopped: Callable[[], None] = nothing) -> None:
        """Finds what can be found wrong without running: quotes, blocks, directives, options, values.

        Values that a template makes are not known yet and are checked when their line is reached.

        Args:
            schedulers: Known scheduler names; where none are given, any name will do.
            stopped: Called for each line; it raises to stop.

        Raises:
            ScriptError: Something is wrong, and where.
        """
        after_block, others = False, 0
        asked: HelpAskedError | None = None
        for part in LineReader(self._lines(), check=stopped):
            if isinstance(part, Block):
                _check_block(part)
            elif part.directive:
                check_directive(part)
            else:
                words = read_words(expand(part, None))
                if after_block and words and words[0].text.startswith("-"):
                    words.insert(0, rendered(UNKNOWN, words[0]))  # the block may have made the model
                pair = list(in_two_stages(words)) if words else []
                help_ = _help(pair, schedulers)
                asked, others = asked or help_, others + (help_ is None)
                for one in pair if help_ is None else ():
                    read_arguments(one.words, schedulers=schedulers)
            after_block = isinstance(part, Block)
            others += after_block
        if asked is not None and not others:
            raise asked

    def invocations(self, environment: Environment, *, schedulers: Collection[str] = ()) -> Iterator[Invocation]:
        """Runs directives and templates, and yields each invocation when its line is reached.

        Tell the environment what an invocation made (:meth:`Environment.finished`) before asking for the next.

        Args:
            environment: What the script sees, and what it changes.
            schedulers: Known scheduler names; where none are given, any name will do.

        Raises:
            ScriptError: Something is wrong, and where.
        """
        environment.mentioned = frozenset(_mentioned(self.text))
        environment.last = NOTHING_YET
        for part in LineReader(self._lines(), lambda lines: render_block(lines, environment), environment.check):
            if isinstance(part, Block):
                continue
            environment.place = part.text.place(0, len(part.text))
            if part.directive:
                run_directive(part, environment)
            else:
                words = list(matched(read_words(expand(part, environment)), environment))
                pair = list(in_two_stages(words, environment.random_seed)) if words else []
                if asked := _help(pair, schedulers):
                    environment.print(asked.message)
                made: list[Invocation] = []
                for one in pair if asked is None else ():
                    if one.note:
                        environment.note(one.note, one.words[0].place)
                    made.append(_invocation(one.words, environment, schedulers))
                    if len(made) == 1:
                        environment.sets.taken(parts_of(made[0].model, made[0].values))
                    yield of_pair(made[-1], one.pair, lambda word: _opened(word, environment))
                    if environment.exited:
                        return
                if made:
                    environment.last = {**NOTHING_YET, **last_names(made[0], environment.veiled)}
                    if made[0].first("animation_format") not in (None, "frames"):
                        del environment.last["last_animations"]  # no list of them is foreseen: a reader is told
            if environment.exited:
                return


def _mentioned(text: str) -> Iterator[str]:
    """Names that a line of a script sets, reached or not; what a loop of a template sets is gone with its turn."""
    loops = 0
    for found in _SETS.finditer(text):
        loops += {"for": 1, "endfor": -1}.get(found[2], 0)
        if found[1] or (found[2] in ("set", "macro") and loops <= 0):
            yield found[1] or found[3]


def parse(text: str, environment: Environment | None = None, *, first_line: int = 1) -> tuple[Invocation, ...]:
    """Reads a whole script at once, for scripts that need nothing of what they made before.

    Raises:
        ScriptError: Something is wrong, and where.
    """
    script = Script(text, first_line)
    script.check()
    return tuple(script.invocations(environment or Environment()))


def _help(pair: Sequence[StageWords], schedulers: Collection[str]) -> HelpAskedError | None:
    """The help that an invocation asks for in dgenerate's way, ``--scheduler help``; it then runs nothing."""
    for one in pair if any(word.text.lower() in _HELP for made in pair for word in made.words) else ():
        try:
            read_arguments(one.words, schedulers=schedulers)
        except HelpAskedError as asked:
            return None if asked.alone else asked
        except (ScriptError, VeiledError):
            continue  # said where it is read to be run
    return None


def _check_block(block: Block) -> None:
    check_template("\n".join(line.text for line in block.lines), block.lines[0], lines=list(block.lines))
    for line in block.lines:
        start = line.text.lstrip()
        if start.startswith("\\") and "{" not in start.split(None, 1)[0]:
            check_directive(Logical(Located.of(line).strip()))


def _invocation(words: list[Word], environment: Environment, schedulers: Collection[str]) -> Invocation:
    if any(word.text.startswith("[") and word.value.dynamic and not word.quoted for word in words):
        found = next(word for word in words if word.text.startswith("[") and word.value.dynamic and not word.quoted)
        text = f"A template gives a list here, {found.text}…; write {{{{ quote(...) }}}} around it for its items."
        raise ScriptError(text, place=found.place)
    injected = [
        rendered(str(text), words[0], quoted=not str(text).startswith("-")) for text in environment.injected_args
    ]
    while True:
        try:
            arguments = read_arguments(words, injected, schedulers=schedulers)
            break
        except VeiledError as veiled:
            environment.open(veiled.text)
            known, more = (
                [_opened(word, environment) if _holds(word, veiled.word) else word for word in some]
                for some in (words, injected)
            )
            if [word.text for word in [*known, *more]] == [word.text for word in [*words, *injected]]:
                text = f"'{environment.shown(veiled.text)}' is known at the run alone, and is wanted here before."
                raise ScriptError(text, place=words[0].place) from veiled
            words, injected = known, more
    for text, place in (*arguments.notes, *remarks(arguments, environment.defaults.get("prompt.weighter"))):
        environment.note(text, place)
    values: dict[str, tuple[Any, ...]] = dict(arguments.values)
    if "gen_seeds" in values:
        values["seeds"] = tuple(environment.random_seed() for _ in range(values["gen_seeds"][0]))
    made = Invocation(
        arguments.model.text, MappingProxyType(values), arguments, environment.check, environment.defaults
    )
    if not any(veiled_names(word.text) for word in [*words, *injected]):
        return made

    def opened() -> Invocation:
        real, more = ([_opened(word, environment) for word in some] for some in (words, injected))
        read = read_arguments(real, more, schedulers=schedulers)
        drawn = {"seeds": values["seeds"]} if "gen_seeds" in values else {}
        return Invocation(
            read.model.text, MappingProxyType({**read.values, **drawn}), read, environment.check, environment.defaults
        )

    return replace(made, opens=opened)


def _holds(word: Word, value: Word) -> bool:
    """Whether a word of a line is an option's value, or ``--name=value`` with it."""
    return word is value or ("=" in word.text and not word.quoted and value.text in word.text)


def _opened(word: Word, environment: Environment) -> Word:
    """A word with the environment's values in it; what was no option before is none then."""
    if not veiled_names(word.text):
        return word
    text = environment.unveiled(word.text)
    value = text.startswith("-") and not word.text.startswith("-")
    return Word(rendered(text, word).value, word.written, word.quoted or value)
