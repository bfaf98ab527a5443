"""Values of the environment as templates hold them: whole, and never taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from jupyter_latents.errors import ScriptError

from .limits import check_length
from .marks import drawn_later, veiled_names
from .promises import Drawn, Promise

__all__ = ["Veiled", "names_within", "read", "refuse"]

_MOST = 10_000
"""Parts of a value that are looked through for values of the environment."""


def refuse(names: Iterable[str], what: str) -> NoReturn:
    """Raises the error for a value of the environment that is taken apart.

    Args:
        names: The variables.
        what: What would take it apart, as the script writes it.
    """
    name = next(iter(names), "NAME")
    raise ScriptError(
        f"{what} takes ${name} apart, and text made from a value of the environment could show it. A script may hand "
        "the value on whole, join it to other text and compare it. For more, read it in a Python cell, "
        f'part = os.environ["{name}"], make the part there, and write {{{{ part }}}} here.'
    )


class Veiled(Promise):
    """A text that holds values of the environment.

    It can be handed on, written out whole, joined to other text, and asked what shows nothing of it but an answer:
    whether it equals another text, lies before it or holds it, how long it is, which number it is. A question waits
    for the run. All else is refused. `look` gives the text itself, since nobody looks into it.

    Args:
        text: The text, with `veil` in place of the values.
        opens: Gives a text with the values in it; waits for the run.
        value: Gives the present values without waiting, to be measured.
    """

    def __init__(self, text: str, opens: Callable[[Veiled], str], value: Callable[[str], str]) -> None:
        super().__init__(" ".join(f"${name}" for name in veiled_names(text)))
        self.text, self._opens, self._value = text, opens, value
        check_length(len(value(text)))

    @property
    def reason(self) -> str:
        """What a line that asks something of it waits for."""
        if drawn_later(self.text):
            return "a seed, which is drawn at the run"
        return f"a value of the environment ({self.name}), which is read at the run"

    def look(self) -> Veiled:
        """Itself."""
        return self

    def read(self) -> str:
        """The text with its values, for a question; nothing may be made of it but the answer."""
        return self._opens(self)

    def refuse(self, what: str) -> NoReturn:
        """Raises the error for taking it apart by `what`."""
        refuse(veiled_names(self.text), what)

    def with_text(self, text: str) -> Veiled | str:
        """Another text of the same values."""
        return Veiled(text, self._opens, self._value) if veiled_names(text) else text

    def strip(self, *characters: str | None) -> Veiled | str:
        """Without white space at its ends, so far as that stands outside the values; or an empty text."""
        if any(part is not None for part in characters):
            self.refuse("'.strip' of characters")
        return self.with_text(self.text.strip()) if self._value(self.text).strip() else ""

    lstrip = rstrip = strip

    def startswith(self, start: str | tuple[str, ...]) -> bool:
        """Whether it begins so."""
        return self.read().startswith(read(start))

    def endswith(self, end: str | tuple[str, ...]) -> bool:
        """Whether it ends so."""
        return self.read().endswith(read(end))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return repr(self.text)

    def __format__(self, form: str) -> str:
        if form:
            self.refuse(f"'{{:{form}}}'")
        return self.text

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self.read())

    def __int__(self) -> int:
        return int(self._number(int, "whole number"))

    def __float__(self) -> float:
        return float(self._number(float, "number"))

    def _number(self, kind: Callable[[str], Any], what: str) -> Any:
        with suppress(ValueError):  # its error would quote the value
            return kind(self.read())
        raise ValueError(f"'{self.name}' is no {what}")

    def __hash__(self) -> int:
        return hash(self.read())

    def __eq__(self, other: object) -> bool:
        return bool(self.read() == read(other))

    def __ne__(self, other: object) -> bool:
        return bool(self.read() != read(other))

    def __lt__(self, other: Any) -> Any:
        return self.read() < read(other)

    def __le__(self, other: Any) -> Any:
        return self.read() <= read(other)

    def __gt__(self, other: Any) -> Any:
        return self.read() > read(other)

    def __ge__(self, other: Any) -> Any:
        return self.read() >= read(other)

    def __contains__(self, other: Any) -> bool:
        return read(other) in self.read()

    def __add__(self, other: object) -> Any:
        return self.with_text(self.text + self._text(other))

    def __radd__(self, other: object) -> Any:
        return self.with_text(self._text(other) + self.text)

    def _text(self, other: object) -> str:
        if isinstance(other, (str, Veiled, Drawn)):
            return str(other)
        raise ScriptError(f"{self.name} is a text, and + joins it to text; write ~ for any value, int() for a number.")


def _refusal(what: str) -> Callable[..., Any]:
    def refused(self: Veiled, *_: object) -> NoReturn:
        self.refuse(what)

    return refused


_OPERATORS = {
    "*": "mul", "%": "mod", "-": "sub", "/": "truediv", "//": "floordiv", "**": "pow", "@": "matmul",
    "<<": "lshift", ">>": "rshift", "&": "and", "|": "or", "^": "xor",
}  # fmt: skip
_REFUSED = {
    **{f"__{side}{name}__": f"'{sign}'" for sign, name in _OPERATORS.items() for side in ("", "r")},
    "__getitem__": "'[…]'",
    "__iter__": "Going through its letters",
    "__reversed__": "'reversed'",
    "__neg__": "'-'",
    "__pos__": "'+'",
    "__invert__": "'~'",
    "__abs__": "'abs'",
    "__round__": "'round'",
    "__index__": "Using it as a number without int()",
    "__divmod__": "'divmod'",
    "__rdivmod__": "'divmod'",
}
for _name, _what in _REFUSED.items():
    setattr(Veiled, _name, _refusal(_what))


def read(value: Any) -> Any:
    """What a question compares with: a veiled text with its values, anything else as it is."""
    return value.read() if isinstance(value, Veiled) else value


def names_within(value: Any) -> list[str]:
    """The environment variables whose values a value holds, in lists and dicts too."""
    waiting, count, names = [value], 0, list[str]()
    while waiting and count < _MOST:
        part, count = waiting.pop(), count + 1
        if isinstance(part, (Veiled, str)):
            names += veiled_names(str(part))
        elif isinstance(part, Mapping):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple, set, frozenset)):
            waiting += part
    return names
