"""File patterns: a bare word with ``*`` stands for the files that it matches, as in dgenerate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from jupyter_latents.errors import ScriptError
from jupyter_latents.paths import opened

from .templates.environment import Environment
from .templates.promises import real
from .text.file_search import search
from .text.located import Located
from .text.quoting import Word, string_end, unquote

__all__ = ["matched"]

_HEAD = re.compile(r"""[^"';:=]*\*[^"';:=]*(?=["'])""")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def matched(words: Iterable[Word], environment: Environment, wild: str = "*") -> Iterator[Word]:
    """Words with the files in place of patterns.

    Quoted words, words with a quoted part and addresses are no patterns, but ``*'.png'`` puts the quoted text behind
    each file, as dgenerate does. Where an earlier stage is yet to write files,
    a pattern waits for it. ``**`` is no more than ``*``, and hidden files are left out.

    Args:
        words: Words of a line, expanded.
        environment: Knows what is yet to be written.
        wild: The marks that make a pattern; one without ``*`` that matches nothing stands for itself.

    Raises:
        ScriptError: No file matches.
    """
    for word in words:
        text = environment.values.within(word.text)
        if not word.quoted and (tailed := _tailed(text)):
            found = _found(word, tailed[0], environment)
            yield from (_file(environment.values.veiled_again(name, text) + tailed[1], word) for name in found)
            continue
        if set("\"'") & set(word.written.text) or _URL.match(text) or not set(wild) & set(text):
            yield word
            continue
        text = environment.open(word.text)
        found = _found(word, text, environment)
        yield from (_file(environment.values.veiled_again(name, text), word) for name in found)
        if not found:
            yield word


def _tailed(text: str) -> tuple[str, str] | None:
    """A pattern and the quoted text behind it, which goes behind each file; None of other words."""
    head = _HEAD.match(text)
    end = head.end() if head else len(text)
    return (text[:end], unquote(text[end:])) if end < len(text) == string_end(text, end) else None


def _found(word: Word, text: str, environment: Environment) -> list[str]:
    """The files that a pattern matches; one with ``*`` must match some."""
    real(environment.written)
    found = _matches(str(opened(text)), environment.check)
    if not found and "*" in text:
        raise ScriptError(
            f"'{word.text}' matches no file in {Path.cwd()}; quote it where it is no file pattern.", place=word.place
        )
    return found


def _file(name: str, word: Word) -> Word:
    """A word that names a file, and cannot be read as a variable or an option."""
    origin = word.written.origin(0, len(word.written))
    text = name if re.search(r"[./\\]", name) else f"./{name}"
    return Word(Located.made(text, origin) if origin else word.value, word.written, quoted=True)


def _matches(pattern: str, check: Callable[[], None]) -> list[str]:
    try:
        return sorted(search(pattern, check))
    except ValueError:  # what no name can hold
        return []
