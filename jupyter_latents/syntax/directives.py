r"""Directives: the lines that start with a backslash."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from jupyter_latents.errors import JupyterLatentsError, ScriptError, nearest
from jupyter_latents.formats import format_of

from .dgenerate_directives import IDLE, REFUSED
from .expand import expand
from .image_process import ImageProcess, is_question, read_image_process
from .patterns import matched
from .templates.environment import Environment
from .templates.expression import evaluate
from .text.lines import Logical
from .text.quoting import read_words

__all__ = ["DIRECTIVES", "Directive", "check_directive", "run_directive"]

_NAME = re.compile(r"\\([\w?]*)\s*")
_TARGET = re.compile(r"(\{\{.*?\}\}|\S+)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Directive:
    """One row of the directive table.

    Attributes:
        run: What it does; None where dgenerate has it and this project does not.
        usage: How it is written.
        help: One sentence.
        arguments: Least number of arguments.
        idle: Whether it is dgenerate's, does nothing here and changes nothing: it is told.
    """

    run: Callable[[Logical, int, Environment], None] | None
    usage: str
    help: str
    arguments: int = 0
    idle: bool = False


def _assignment(line: Logical, start: int, environment: Environment) -> tuple[str, int]:
    """The name that a line sets, and the offset of its value."""
    target = _TARGET.match(line.text.text, start)
    end = target.end() if target else start
    name = expand(Logical(line.text[:end]), environment, start=start, raw=True).text.strip()
    return name, end


def _set(line: Logical, start: int, environment: Environment) -> None:
    name, at = _assignment(line, start, environment)
    value = expand(line, environment, start=at, raw=True).text.strip()
    environment.set(name, value, line.text.place(start, len(name)))


def _setp(line: Logical, start: int, environment: Environment) -> None:
    name, at = _assignment(line, start, environment)
    value = evaluate(
        expand(line, environment, start=at, raw=True).text,
        environment.visible,
        line.text.place(at),
        functions=environment.functions.values(),
        check=environment.check,
        environment=environment,
    )
    environment.set(name, value, line.text.place(start, len(name)))
    environment.ending = name


def _sete(line: Logical, start: int, environment: Environment) -> None:
    name, at = _assignment(line, start, environment)
    words = matched(read_words(expand(line, environment, start=at)), environment, "*?[")
    environment.set(name, [environment.veiled(word.text) for word in words], line.text.place(start, len(name)))


def _unset(line: Logical, start: int, environment: Environment) -> None:
    for word in read_words(expand(line, environment, start=start)):
        if word.text not in environment.names:
            hint = nearest(word.text, environment.names) or "."
            raise ScriptError(f"'{word.text}' was not set by this script{hint}", place=word.place)
        del environment.names[word.text]


def _env(line: Logical, start: int, environment: Environment) -> None:
    words = read_words(expand(line, environment, start=start))
    if not words:
        changed = environment.changed or "\\env changed nothing in this script"
        environment.print(f"{changed}; what else is in the environment is not shown")
    for word in words:
        name, equals, value = word.text.partition("=")
        if not equals or not name.strip():
            raise ScriptError(f"\\env takes NAME=value, not '{word.text}'.", place=word.place)
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        environment.change_environ(name.strip(), value[1:-1] if quoted else value)


def _unset_env(line: Logical, start: int, environment: Environment) -> None:
    for word in read_words(expand(line, environment, start=start)):
        environment.change_environ(word.text, "")


def _gen_seeds(line: Logical, start: int, environment: Environment) -> None:
    name, at = _assignment(line, start, environment)
    written = expand(line, environment, start=at, raw=True).text.strip()
    count, place = environment.open(written), line.text.place(at)
    if not re.fullmatch(r"\d{1,9}", count) or not int(count):
        raise ScriptError(
            f"'{environment.shown(written)}' is no number of seeds; write {DIRECTIVES['gen_seeds'].usage}.", place=place
        )
    environment.set(name, environment.gen_seeds(int(count)), line.text.place(start, len(name)))


@contextmanager
def _telling(environment: Environment) -> Iterator[None]:
    """Templates write values as people read them."""
    environment.telling = True
    try:
        yield
    finally:
        environment.telling = False


def _print(line: Logical, start: int, environment: Environment) -> None:
    with _telling(environment):
        text = expand(line, environment, start=start, raw=True).text.strip()
    environment.print(text)


def _echo(line: Logical, start: int, environment: Environment) -> None:
    with _telling(environment):
        text = expand(line, environment, start=start)
    asked = list(read_words(text))
    if any(not word.quoted and re.match(r"~(/|\Z)", word.text) for word in asked):
        environment.note("~ stays as it is: the home folder is of the environment, which is not shown", text.place())
    words = matched(asked, environment)
    environment.print(" ".join(word.text for word in words))


def _exit(_line: Logical, _start: int, environment: Environment) -> None:
    environment.exited = True


def _import(line: Logical, start: int, environment: Environment) -> None:
    words = read_words(expand(line, environment, start=start))
    texts = [word.text for word in words]
    if texts[0] not in environment.modules or texts[1:2] not in ([], ["as"]) or len(texts) not in (1, 3):
        known = ", ".join(f"\\import {name} as NAME" for name in environment.modules) or "nothing"
        text = f"'{' '.join(texts)}' is not imported from scripts; there is {known}. Import others in Python, and"
        raise ScriptError(f"{text} name the variables that they make.", place=words[0].place)
    environment.set(texts[-1], environment.modules[texts[0]], words[-1].place)


def _download(line: Logical, start: int, environment: Environment) -> None:
    name, at = _assignment(line, start, environment)
    words = read_words(expand(line, environment, start=at))
    address, *more = words
    kind = format_of(Path(urlsplit(address.text).path).suffix)
    if not address.text.startswith(("http://", "https://")) or kind is None or kind.holds == "latents":
        raise ScriptError(
            f"'{environment.shown(address.text)}' is no address of a picture, and others are not fetched by a cell: "
            "models are named by their hub name or file. Fetch it in a cell of its own.",
            place=address.place,
        )
    for word in more:
        if word.text not in ("-x", "--overwrite", "-t", "--text"):
            raise ScriptError(
                f"'{word.text}' of \\download does not run here: the picture is fetched where an image seed names it; "
                "take it away.",
                place=word.place,
            )
    environment.note(f"{name} is an address, which is fetched where an image seed names it", line.text.place(0, 9))
    environment.set(name, environment.veiled(address.text), line.text.place(start, len(name)))


def _image_process(line: Logical, start: int, environment: Environment) -> None:
    place = line.text.place(0, len("\\image_process"))
    words = list(matched(read_words(expand(line, environment, start=start)), environment))
    if is_question(words):
        environment.note(f"\\image_process: {DIRECTIVES['image_process'].usage}", place)
        return
    asked = read_image_process(words, place, environment.note)
    environment.at_run("\\image_process", place)
    try:
        files = environment.image_process(_opened(asked, environment))
    except JupyterLatentsError as error:
        if place is not None:
            error.at(place)
        raise
    environment.last_images[:] = [environment.values.veiled_again(file) for file in files]
    environment.whole = None


def _opened(asked: ImageProcess, environment: Environment) -> ImageProcess:
    """The same with the environment's values in the names of files."""
    inputs, outputs = (tuple(map(environment.open, names)) for names in (asked.inputs, asked.outputs))
    return replace(asked, inputs=inputs, outputs=outputs)


def _nothing(_line: Logical, _start: int, _environment: Environment) -> None:
    """Accepted; there is nothing to do."""


def _of_modules(name: str, line: Logical, start: int, environment: Environment) -> None:
    """Keeps which parts of models go by which names."""
    sets, words = environment.sets, read_words(expand(line, environment, start=start))
    texts, place = [word.text for word in words], line.text.place(0, len(name) + 1)
    if name == "clear_modules":
        sets.clear(texts)
    elif len(texts) < 2 if name == "save_modules" else len(texts) != 1:
        usage = "\\save_modules NAME MODULE..." if name == "save_modules" else "\\use_modules NAME"
        raise ScriptError(f"'\\{name}' is written {usage}.", place=place)
    elif name == "save_modules":
        sets.save(texts[0], texts[1:], place)
    else:
        sets.use(texts[0], place)


def _told(name: str, why: str) -> Callable[[Logical, int, Environment], None]:
    """Accepted, and told."""

    def run(line: Logical, start: int, environment: Environment) -> None:
        if name.endswith("_modules"):
            _of_modules(name, line, start, environment)
        environment.note(f"\\{name} changes nothing: {why}", line.text.place(0, len(name) + 1))

    return run


DIRECTIVES: dict[str, Directive] = {
    "set": Directive(_set, r"\set NAME TEXT", "Sets a name to text, after expansion.", 2),
    "setp": Directive(
        _setp,
        r"\setp NAME EXPRESSION",
        "Sets a name to the value of a Python expression; latents set behind the last stage become a variable.",
        2,
    ),
    "sete": Directive(_sete, r"\sete NAME WORD...", "Sets a name to a list of words; file patterns are expanded.", 2),
    "gen_seeds": Directive(_gen_seeds, r"\gen_seeds NAME COUNT", "Sets a name to a list of seeds at random.", 2),
    "unset": Directive(_unset, r"\unset NAME...", "Forgets names.", 1),
    "env": Directive(_env, r"\env NAME=VALUE...", "Sets environment variables for the rest of the script."),
    "unset_env": Directive(_unset_env, r"\unset_env NAME...", "Forgets environment variables for this script.", 1),
    "print": Directive(_print, r"\print TEXT", "Prints text as it is, after expansion."),
    "echo": Directive(_echo, r"\echo WORD...", "Prints words, after expansion and unquoting."),
    "exit": Directive(_exit, r"\exit", "Ends the script; what ran before stays."),
    "import": Directive(_import, r"\import numpy as NAME", "Gives numpy's functions of numbers a name.", 1),
    "download": Directive(
        _download,
        r"\download NAME ADDRESS",
        "Sets a name to the address of a picture, which is fetched where an image seed names it.",
        2,
    ),
    "image_process": Directive(
        _image_process,
        r"\image_process FILE... --output FILE... --processors PROCESSOR...",
        r"Changes pictures by image processors; last_images names what it has written.",
        1,
    ),
    "reset_lineno": Directive(_nothing, r"\reset_lineno", "Accepted and ignored."),
    **{name: Directive(_told(name, why), f"\\{name}", why, idle=True) for name, why in IDLE.items()},
    **{name: Directive(None, f"\\{name}", reason) for name, reason in REFUSED.items()},
}
"""The directives; those without `run` are dgenerate's and are refused with the reason."""


def _find(line: Logical) -> tuple[str, Directive, int]:
    match = _NAME.match(line.text.text)
    name, start = (match[1], match.end()) if match else ("", 1)
    known = [key for key, directive in DIRECTIVES.items() if directive.run and not directive.idle]
    if name not in DIRECTIVES:
        name = name or line.text.text[1:].partition(" ")[0]
        raise ScriptError(
            f"'\\{name}' is no directive{nearest(name, known) or '.'}", place=line.text.place(0, len(name) + 1)
        )
    directive = DIRECTIVES[name]
    if directive.run is None:
        raise ScriptError(
            f"'\\{name}' is dgenerate's and does not run here: {directive.help}.",
            place=line.text.place(0, len(name) + 1),
        )
    return name, directive, start


def check_directive(line: Logical) -> None:
    """Checks a directive without running it.

    Raises:
        ScriptError: It is unknown, refused, or lacks an argument.
    """
    name, directive, start = _find(line)
    rest = line.text.text[start:]
    target = _TARGET.match(rest)
    given = 0 if not target else 1 if target.end() == len(rest) else 2
    if given < directive.arguments:
        raise ScriptError(f"'\\{name}' needs more: {directive.usage}.", place=line.text.place())
    expanded = expand(line, None, start=start, raw=name in {"set", "setp", "print"})
    if name not in {"set", "setp", "print"}:
        read_words(expanded)


def run_directive(line: Logical, environment: Environment) -> None:
    """Runs a directive.

    Raises:
        ScriptError: It is unknown, refused, lacks an argument, or fails.
    """
    name, directive, start = _find(line)
    rest = line.text.text[start:]
    target = _TARGET.match(rest)
    # `\set token %HF_TOKEN%` inside a rendered block may have lost its value: that is an empty text.
    rendered = bool(line.text.origins) and line.text.origins[0].line.depth > 0
    given = 0 if not target else 1 if target.end() == len(rest) and not (rendered and name == "set") else 2
    if given < directive.arguments:
        raise ScriptError(f"'\\{name}' needs more: {directive.usage}.", place=line.text.place())
    if directive.run is not None:
        directive.run(line, start, environment)
