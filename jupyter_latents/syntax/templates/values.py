"""The environment's values: which texts stand for them, which hold them, and what people are shown instead."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from urllib.parse import quote as quote_url

from jupyter_latents.errors import ScriptError
from jupyter_latents.syntax.options.table import BY_NAME
from jupyter_latents.syntax.text.located import Line, Located
from jupyter_latents.syntax.text.quoting import escape, read_words

from .marks import unveil, veil, veiled_parts, without_draws

__all__ = ["Values", "written_forms"]

_SHORT = 4
_LONG = 16
"""From this length on, the beginning of a value that a message cuts off is hidden, too."""


class Values:
    """The environment's values.

    Args:
        environ: Environment variables.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.opened: set[str] = set()  # names whose values the script, or a stage of it, had
        self.expanded: set[str] = set()  # names that stand as text in the names of models, where the engine reads them
        self._words: dict[str, list[str]] = {}
        self._lines: dict[str, str] = {}

    def value(self, name: str, part: int | None = None) -> str:
        """The value of a variable, or a word of it."""
        return self.environ.get(name, "") if part is None else self._words[name][part]

    def within(self, text: str) -> str:
        """A text with the values in it, to be measured; nothing is told of it."""
        return unveil(text, self.value)

    def unveiled(self, text: str) -> str:
        """A text with the values in it."""
        self.opened.update(name for name, _ in veiled_parts(text))
        return self.within(text)

    def words(self, name: str) -> str:
        """Marks for the words of a value that stands in a script without quotes; options in it stand as they are."""
        self.opened.add(name)
        if name not in self._lines:
            self._lines[name] = self._split(name)
        return self._lines[name]

    def _split(self, name: str) -> str:
        value, texts, parts = self.value(name), list[str](), list[str]()
        try:
            words = read_words(Located.of(Line(1, value, value)))
        except ScriptError:
            return f"'{veil(name)}'"  # an open quote ends nowhere: the whole is one word
        for word in words:
            option, equals, rest = word.text.partition("=")
            known = option in BY_NAME and not word.quoted
            plain = option + equals if known else ""
            if not known or equals:
                mark = veil(name, len(texts))
                plain += f"'{mark}'" if word.quoted else mark
                texts.append(rest if known else word.text)
            parts.append(plain)
        self._words[name] = texts
        before, after = value[: value[:1].isspace()], value[len(value) - value[-1:].isspace() :]
        return before + " ".join(parts) + after

    def shown(self, text: str) -> str:
        """A text for people: ``$NAME`` in place of the values, as far as they are veiled."""
        return without_draws(unveil(text, lambda name, _: f"${name}"))

    def hidden(self, text: str, *, keys: bool = False) -> str:
        """A text for people that may hold values which the script had: ``$NAME`` in their place.

        Values of fewer than four characters are words of any text, and stay, but for those that a message quotes.

        Args:
            text: The text.
            keys: Whether it is a message: it quotes values, and may hold some that were read as keys of settings.
        """
        for value, name, _ in self._open(self.expanded):
            for form in written_forms(value, keys=keys):
                text = text.replace(form, f"${name}")
            if len(value) >= _LONG:
                text = _without_beginning(text, value, f"${name}")
        for name in sorted(self.opened | self.expanded) if keys else ():
            if 0 < len(value := self.value(name)) < _SHORT:
                text = text.replace(f"'{value}'", f"'${name}'")
        return self.shown(text)

    def veiled_again(self, text: str, source: str | None = None) -> str:
        """A text with marks in place of the values in it.

        Args:
            text: The text, such as the name of a file.
            source: What it was made of, such as the name of a folder: only values in this count; None for all.
        """
        for value, name, part in self._open():
            if source is None or value in source:
                text = text.replace(value, veil(name, part))
        return text

    def _open(self, more: AbstractSet[str] = frozenset()) -> list[tuple[str, str, int | None]]:
        """Values that the script had, and words of them, with their names and places; the longest first."""
        wholes = [(self.value(name), name, None) for name in self.opened | more]
        words = [(word, name, part) for name in self.opened for part, word in enumerate(self._words.get(name, ()))]
        return sorted((one for one in [*wholes, *words] if len(one[0]) >= _SHORT), key=lambda one: -len(one[0]))


def written_forms(value: str, *, keys: bool = False) -> Iterator[str]:
    """A value as messages write it: as it is, as Python, JSON and scripts quote it, in an address.

    Args:
        value: The value.
        keys: Whether as the key of a setting, too, which is read in small letters.
    """
    forms = (value, value.strip(), repr(value)[1:-1], json.dumps(value)[1:-1], escape(value))
    addresses = (quote_url(value, errors="replace"), quote_url(value, safe="", errors="replace"))
    small = value.strip().lower() if keys else ""
    read = (small, small.replace("_", "-"), small.replace("-", "_"))
    yield from dict.fromkeys(form for form in (*forms, *addresses, *read) if len(form) >= min(_SHORT, len(value)))


def _without_beginning(text: str, value: str, instead: str) -> str:
    """A text with another in place of the first characters of a value, where the rest of it is cut off."""
    while (start := text.find(value[: _LONG // 2])) >= 0:
        end = start
        while end < len(text) and text[end : end + 1] == value[end - start : end - start + 1]:
            end += 1
        text = text[:start] + instead + text[end:]
    return text
