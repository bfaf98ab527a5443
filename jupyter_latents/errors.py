"""The errors of the package: one root, a leaf for each thing a person can mend.

```
JupyterLatentsError
├── ScriptError        the text of a cell or script is at fault (line, column, caret)
│   └── HelpAskedError no fault: an option's help was asked for
├── NameNotFoundError  a kernel variable, file or address that a stage names is not there
├── ModelError         a model cannot be found, loaded or used in this mode
├── WindowError        a denoising window is outside the schedule, or empty
├── HandoffError       latents cannot go into this model, and why
├── LatentsError       a tensor is no usable latents (shape, dtype, NaN)
├── LatentsFileError   a latents file is missing, damaged, unsafe or cannot be written
├── SettingError       a setting or argument of the Python API is outside what is allowed
├── StoppedError       a stage was stopped before its first step, or a run while somebody waited for what it makes
└── RunError           a stage failed while it ran; what was computed is kept
```

Every message says what was given, what is allowed and what to do next. IPython shows the message alone, without a
traceback of the package's own frames, through ``_render_traceback_``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from jupyter_latents.wording import spell, visible, without_advice

__all__ = [
    "HandoffError",
    "HelpAskedError",
    "JupyterLatentsError",
    "LatentsError",
    "LatentsFileError",
    "LatentsWarning",
    "ModelError",
    "NameNotFoundError",
    "Place",
    "RunError",
    "ScriptError",
    "SettingError",
    "StoppedError",
    "WindowError",
    "cause",
    "nearest",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a script something stands.

    Attributes:
        line: Line number, 1 for the first; in a notebook cell the ``%%dgen`` line is line 1.
        column: Column number, 1 for the first character.
        text: The whole line, for the caret.
        length: How many characters are meant, at least 1.
    """

    line: int
    column: int
    text: str
    length: int = 1


class JupyterLatentsError(Exception):
    """Root of all errors that this package raises for its users.

    Args:
        message: What was given, what is allowed, what to do next; options stand in it as `wording.option` writes them.
        option: The option that is to blame, by its name in the table of options (``denoising_start``); None where
            none is, or where the one who raises it cannot know.
        place: Where in the script it stands, when a script is to blame.

    Attributes:
        template: The message as given.
        message: The message with its options spelled out: in words, or as scripts write them after `spelled`.
    """

    def __init__(self, message: str, *, option: str | None = None, place: Place | None = None) -> None:
        message = without_advice(message)
        super().__init__(message)
        self.template = message
        self.message = spell(message)
        self.option = option
        self.place = place

    def __str__(self) -> str:
        message, place = visible(self.message), self.place
        if place is None:
            return message
        start = place.column - 1
        before, meant = visible(place.text[:start]), visible(place.text[start : start + place.length])
        caret = " " * max(start, len(before)) + "^" * max(1, place.length, len(meant))
        where = f"line {place.line}, column {place.column}"
        return f"{message}\n  {where}\n    {visible(place.text)}\n    {caret}"

    def spelled(self, spelling: Callable[[str], str]) -> JupyterLatentsError:
        """Returns this error with the options in its message written by `spelling`."""
        self.message = spell(self.template, spelling)
        return self

    def rewritten(self, rewrite: Callable[[str], str]) -> JupyterLatentsError:
        """Returns this error with other texts, its message and its values; options stay spelled as they are.

        So do the errors that it came from; one of somebody else that would be rewritten is no longer named as a cause,
        as a traceback shows it.

        Args:
            rewrite: Makes a text of a text; it is given the message and its template.
        """
        error: BaseException = self
        seen = set[int]()
        while id(error) not in seen:
            seen.add(id(error))
            if isinstance(error, JupyterLatentsError):
                texts = {key: text for key, text in vars(error).items() if isinstance(text, str) and key != "option"}
                vars(error).update({key: rewrite(text) for key, text in texts.items()})
                error.args = (error.message,)
            before = error.__cause__ or error.__context__
            if before is None:
                break
            if not isinstance(before, JupyterLatentsError) and rewrite(str(before)) != str(before):
                error.__cause__ = error.__context__ = None
                break
            error = before
        return self

    def with_more(self, sentence: str) -> Self:
        """Returns this error with a sentence more."""
        self.template, self.message = f"{self.template} {sentence}", f"{self.message} {sentence}"
        self.args = (self.message,)
        return self

    def at(self, place: Place) -> JupyterLatentsError:
        """Returns this error with `place` set, when it had none."""
        if self.place is None:
            self.place = place
        return self

    def _render_traceback_(self) -> list[str]:
        """The lines IPython shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ScriptError(JupyterLatentsError):
    """The text of a cell or script is at fault."""


class HelpAskedError(ScriptError):
    """A script asks for an option's help, ``--seeds?``; the message is the help. A cell shows it and runs nothing.

    Attributes:
        alone: Whether the rest of the script waits. In dgenerate's own ``--scheduler help`` it goes on.
    """

    alone = True


class NameNotFoundError(JupyterLatentsError):
    """A kernel variable, file or address that a stage names is not there.

    Args:
        message: What was given, what there is, what to do.
        name: The name that was given; empty where a stage gave none.
        option: See `JupyterLatentsError`.
        place: Where in the script it stands.
    """

    def __init__(self, message: str, *, name: str = "", option: str | None = None, place: Place | None = None) -> None:
        super().__init__(message, option=option, place=place)
        self.name = name


class ModelError(JupyterLatentsError):
    """A model cannot be found, loaded or used in this mode.

    Attributes:
        unasked: Whether it is not on this machine, or not whole, and the hub, which can be asked, was not asked for it.
    """

    unasked = False


class WindowError(JupyterLatentsError):
    """A denoising window is outside the schedule, or empty."""


class HandoffError(JupyterLatentsError):
    """Latents cannot go into this model."""


class LatentsError(JupyterLatentsError):
    """A tensor is no usable latents."""


class LatentsFileError(JupyterLatentsError):
    """A latents file is missing, damaged, unsafe or cannot be written."""


class SettingError(JupyterLatentsError):
    """A setting or argument of the Python API is outside what is allowed."""


class StoppedError(JupyterLatentsError):
    """A stage was stopped before its first step, with nothing of it to keep; or a run whose result somebody awaits."""


class RunError(JupyterLatentsError):
    """A stage failed while it ran; what was computed before is kept.

    Args:
        message: What went wrong.
        partial: The result of the steps done before, or None.
        option: See `JupyterLatentsError`.
        place: Where in the script it stands.
    """

    def __init__(
        self, message: str, *, partial: object | None = None, option: str | None = None, place: Place | None = None
    ) -> None:
        super().__init__(message, option=option, place=place)
        self.partial = partial


class LatentsWarning(UserWarning):
    """Latents were read or written with something missing or assumed; the message says what."""

    def __str__(self) -> str:
        return visible(super().__str__())


def cause(error: BaseException) -> str:
    """What somebody else's error says: its kind and, where it has one, its message."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def nearest(given: str, known: Iterable[str], alike: float = 0.6) -> str:
    """Returns ``"; did you mean X?"`` for the nearest known name, or an empty string.

    Args:
        given: The unknown name.
        known: The names that are allowed.
        alike: How like it a name must be, 0 to 1: the share of their characters that they have in common.
    """
    names = {name.casefold(): name for name in reversed([*known])}
    match = difflib.get_close_matches(given.casefold(), list(names), n=1, cutoff=alike)
    return f"; did you mean {names[match[0]]}?" if match else ""
