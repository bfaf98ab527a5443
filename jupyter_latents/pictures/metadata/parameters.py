"""A1111's text of a picture: the prompt, a line ``Negative prompt: …``, a line ``Steps: 20, Sampler: Euler, …``.

It is read as A1111 reads it (``parse_generation_parameters``), in one pass over the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Parameters", "is_parameters", "read_parameters", "write_parameters"]

_NEGATIVE = "Negative prompt:"
_KEY = re.compile(r"\w[\w \-/+]{0,80}")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_LEAST = 3  # settings of a line that is one of settings
_PLAIN = re.compile(r'[^,:"\n]*')


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the text says.

    Attributes:
        positive: The prompt.
        negative: The negative prompt.
        values: The settings, by their names there.
    """

    positive: str
    negative: str
    values: Mapping[str, str]


def write_parameters(parameters: Parameters) -> str:
    """The text; values with commas or colons stand in quotes."""
    values = (f"{key}: {_quoted(value)}" for key, value in parameters.values.items())
    negative = [f"{_NEGATIVE} {parameters.negative}"] if parameters.negative else []
    return "\n".join([parameters.positive, *negative, ", ".join(values)])


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def read_parameters(text: str) -> Parameters:
    """What a text says; one without settings is a prompt alone."""
    *lines, last = text.strip().split("\n")
    values = dict(_pairs(last))
    if len(values) < _LEAST:
        lines, values = [*lines, last], {}
    positive: list[str] = []
    negative: list[str] = []
    for line in lines:
        if negative or line.strip().startswith(_NEGATIVE):
            negative.append(line if negative else line.strip().removeprefix(_NEGATIVE))
        else:
            positive.append(line)
    return Parameters("\n".join(positive).strip(), "\n".join(negative).strip(), values)


def is_parameters(text: str) -> bool:
    """Whether a text has settings as A1111 writes them."""
    return bool(read_parameters(text).values)


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """The settings of a line, ``Name: value`` between commas; a value may be a JSON string or object."""
    position, last = 0, line.rfind("}")
    while (colon := line.find(":", position)) >= 0:
        key = line[position:colon].rpartition(",")[2].strip()
        start = colon + 1
        while line[start : start + 1] == " ":
            start += 1
        value, end = _value(line, start, last)
        comma = line.find(",", end)
        position = len(line) if comma < 0 else comma + 1
        if _KEY.fullmatch(key):
            yield key, value
        if comma < 0:
            return


def _value(line: str, start: int, last: int) -> tuple[str, int]:
    """A value that begins at an offset, and the offset behind it.

    Args:
        line: The line.
        start: The offset.
        last: Where the line's last brace is that closes an object.
    """
    string = _STRING.match(line, start)
    if string and line[string.end() : string.end() + 1] in (",", "", " "):
        try:
            return str(json.loads(string[0], strict=False)), string.end()
        except ValueError:
            return string[0][1:-1], string.end()
    if line.startswith("{", start) and start < last:
        close = line.find("}", start) + 1
        return line[start:close], close
    comma = line.find(",", start)
    end = len(line) if comma < 0 else comma
    return line[start:end].strip(), end
