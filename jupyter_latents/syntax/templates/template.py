"""Jinja templates in a sandbox: expressions inside a line, and blocks of lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError

from jupyter_latents.errors import JupyterLatentsError, Place, ScriptError, nearest
from jupyter_latents.syntax.text.located import Line
from jupyter_latents.syntax.text.segments import Segment, segments
from jupyter_latents.wording import ended

from .environment import Environment
from .limits import LIMIT, joined
from .marks import line_mark, line_numbers, without_lines
from .sandbox import Sandbox
from .veiled import Veiled

__all__ = ["check_template", "render", "render_block"]

_RECENT = 2_000
"""Characters of a block's last lines that are looked at for the option that a template stands in."""

_RAW = re.compile(r"\s*\\(?:setp?|print|gen_seeds)\b")
"""Directives that know no quotes."""

_UNDEFINED = re.compile(r"'(\w+)' is undefined")


def check_template(source: str, line: Line, column: int = 0, *, lines: list[Line] | None = None) -> None:
    """Checks a template's syntax.

    Args:
        source: The template.
        line: The line it starts on.
        column: Where on that line, 0 for the first character.
        lines: The lines of a block, for the place of an error.

    Raises:
        ScriptError: It cannot be read.
    """
    try:
        Sandbox().parse(source)
    except TemplateSyntaxError as error:
        at = lines[min(error.lineno, len(lines)) - 1] if lines else line
        whole = lines is not None or column > len(at.text)
        place = at.place(0, len(at.text)) if whole else at.place(column, min(len(at.text), column + len(source)))
        raise ScriptError(f"The template cannot be read: {error.message}", place=place) from error
    except RecursionError as error:
        raise ScriptError("The template is nested too deeply.", place=line.place(0, len(line.text))) from error


def _translate(error: Exception, environment: Environment, place: Place | None) -> JupyterLatentsError:
    """One of our errors for whatever a template raised."""
    if isinstance(error, JupyterLatentsError):
        return error.at(place) if place else error
    text = str(error) or type(error).__name__
    if isinstance(error, UndefinedError):
        name = _UNDEFINED.search(text)
        hint = nearest(name[1], environment.visible) if name else ""
        return ScriptError(ended(f"The template needs a name that is not there: {text}{hint}"), place=place)
    return ScriptError(f"The template failed: {type(error).__name__}: {text}", place=place)


def render(source: str, environment: Environment, place: Place | None) -> str:
    """Renders the template parts of one line.

    Raises:
        ScriptError: It cannot be read, or its evaluation failed.
    """
    try:
        return joined(Sandbox(environment).from_string(source).generate())
    except TemplateSyntaxError as error:
        raise ScriptError(f"The template cannot be read: {error.message}", place=place) from error
    except Exception as error:
        raise _translate(error, environment, place) from error


def _marked(source: str) -> str:
    """The block with the number of each line written into it, where that cannot change its meaning."""
    parts: list[str] = []
    number = 1
    pieces = list(segments(source))
    for index, part in enumerate(pieces):
        text = source[part.start : part.end]
        if part.kind == "text":
            follower = pieces[index + 1] if index + 1 < len(pieces) else None
            parts.append(_mark_lines(text, number, follower, fresh=part.start == 0 or pieces[index - 1].kind != "{{"))
        else:
            start = part.start == 0 or source[part.start - 1] == "\n"
            parts.append((line_mark(number) if part.kind == "{{" and start else "") + text)
        number += text.count("\n")
    return "".join(parts)


def _mark_lines(text: str, number: int, follower: Segment | None, *, fresh: bool) -> str:
    marked: list[str] = []
    rows = text.split("\n")
    for index, row in enumerate(rows):
        indent = len(row) - len(row.lstrip())
        before_expression = index == len(rows) - 1 and follower is not None and follower.kind == "{{" and bool(row)
        wanted = (row.strip() or before_expression) and (index > 0 or fresh)
        marked.append(row[:indent] + line_mark(number + index) + row[indent:] if wanted else row)
    return "\n".join(marked)


def render_block(lines: list[Line], environment: Environment) -> Iterator[Line]:
    """Renders a block line by line, as lines are asked for, so that later lines see what earlier ones made.

    Names that the block sets with ``{% set %}`` outside loops stay known after it.

    Raises:
        ScriptError: It cannot be read, or its evaluation failed.
    """
    source = _marked("\n".join(line.text.translate({2: None, 3: None}) for line in lines) + "\n")
    check_template(source, lines[0], lines=lines)
    template = Sandbox(environment, environment.snapshot(), block=True).from_string(source)
    context = template.new_context()
    depth = lines[0].depth + 1
    current, count = 1, 0
    buffer: list[str] = []  # the line that is not at its end yet
    chunks = template.root_render_func(context)
    latest, length = "", 0
    while True:
        at = lines[min(current, len(lines)) - 1]
        environment.place = at.place(0, len(at.text))
        environment.preceding = without_lines(latest + "".join(buffer))
        try:
            chunk = next(chunks, None)
        except Exception as error:
            number = _line_of(error.__traceback__, template)
            at = lines[min(number or current, len(lines)) - 1]
            raise _translate(error, environment, at.place(0, len(at.text))) from error
        if chunk is None:
            break
        environment.check()
        if "\n" not in chunk:
            buffer.append(chunk)
            length += len(chunk)
            if length > 10 * LIMIT:
                text = f"The block makes a line of more than {10 * LIMIT} characters."
                raise ScriptError(text, place=environment.place)
            continue
        length = 0
        *whole, rest = ("".join(buffer) + chunk).split("\n")
        buffer, latest = [rest], (latest + "\n".join(whole))[-_RECENT:] + "\n"
        for text in whole:
            count += 1
            current, line = _unmark(text, current, lines, depth)
            if count > LIMIT:
                raise ScriptError(f"The block makes more than {LIMIT} lines.", place=line.place(0, len(line.text)))
            yield _settled(line, environment)
    if (text := "".join(buffer)).strip():
        line = _unmark(text, current, lines, depth)[1]
        yield _settled(line, environment)
    for name in context.exported_vars:
        value = context.vars[name]
        is_text = isinstance(value, (str, Veiled))
        environment.names[name] = environment.veiled(without_lines(str(value))) if is_text else value


def _settled(line: Line, environment: Environment) -> Line:
    """A line that a block has made, with the words of the environment's values; a line of raw text keeps them whole."""
    return line if _RAW.match(line.text) else replace(line, text=environment.settle(line.text))


def _unmark(text: str, current: int, lines: list[Line], depth: int) -> tuple[int, Line]:
    numbers = line_numbers(text)
    number = numbers[0] if numbers else current
    source = lines[min(number, len(lines)) - 1]
    return number, Line(source.number, without_lines(text), source.original, depth)


def _line_of(traceback: TracebackType | None, template: Any) -> int | None:
    """The line of the template that an error came from."""
    number: int | None = None
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__jinja_template__") is template or (
            traceback.tb_frame.f_code.co_filename == "<template>"
        ):
            number = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return number
