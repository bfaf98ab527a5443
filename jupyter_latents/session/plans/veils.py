"""What a plan shows in place of values that it does not tell: the environment's, and seeds that a run draws."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from itertools import count
from operator import is_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Environment
from jupyter_latents.syntax.templates.marks import Undrawn, veiled_names
from jupyter_latents.syntax.templates.values import written_forms
from jupyter_latents.wording import visible, without_advice

if TYPE_CHECKING:
    from jupyter_latents.engine import ItemEvent, Look, Observer, Phase, StageResult, StepEvent, WorkerRow

__all__ = ["Hidden", "expand_names", "hider", "is_stand_in", "rewrite", "stand_ins"]

_SHORT = 4
_WITHOUT_TEXT = frozenset({type(None), bool, int, float})
_NAMES = re.compile(r"\$(?:(\w+)|\{([^}]+)\})", re.ASCII)  # as `os.path.expandvars` reads them


def stand_ins() -> Callable[[], int]:
    """Makes what stands for seeds that a run draws; a plan draws none."""
    numbers = count(1)
    return lambda: Undrawn(next(numbers))


def is_stand_in(seed: int | None) -> bool:
    """Whether a seed stands for one that a run draws."""
    return isinstance(seed, Undrawn)


def rewrite(value: Any, text: Callable[[str], str]) -> Any:
    """A value of `jupyter_latents.stage` with each text in it as people are to see it; itself where none changes.

    Args:
        value: The value.
        text: Makes a text one to show; `str` changes none.
    """
    if text is str or type(value) in _WITHOUT_TEXT:
        return value
    if isinstance(value, str):
        return text(value) if value else value
    if isinstance(value, tuple):
        if not value:
            return value
        items = tuple(rewrite(item, text) for item in value)
        return value if all(map(is_, items, value)) else items
    if isinstance(value, Mapping):
        entries = {key: rewrite(item, text) for key, item in value.items()}
        return value if all(map(is_, entries.values(), value.values())) else MappingProxyType(entries)
    changed = {}
    kind: Any = type(value)
    for name in _names(kind):
        item = getattr(value, name)
        if type(item) not in _WITHOUT_TEXT and (shown := rewrite(item, text)) is not item:
            changed[name] = shown
    return replace(value, **changed) if changed else value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """Names of the fields of a dataclass; none of another class."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def hider(veiled: Any, environment: Environment) -> Callable[[str], str]:
    """What puts ``$NAME`` in place of the environment's values, in texts about something that was asked for.

    Args:
        veiled: What was asked for, with its values veiled.
        environment: Knows the values.
    """
    words = list(dict.fromkeys(_texts(veiled)))
    expanded = expand_names(veiled, environment)
    if not words and not expanded:
        return str
    pairs = {environment.unveiled(word): environment.shown(word) for word in words}
    for name in expanded.union(*map(veiled_names, words)):
        pairs.setdefault(environment.environ.get(name, ""), f"${name}")
    written = {form: instead for real, instead in pairs.items() for form in written_forms(real, keys=True)}
    return _Replacing(tuple(sorted(written.items(), key=lambda pair: -len(pair[0]))))


def expand_names(stage: Stage, environment: Environment) -> set[str]:
    """Names that stand as text, ``'$NAME/x'``, in what names the model; the engine reads their values there.

    Args:
        stage: What is asked for.
        environment: Hides their values from now on.
    """
    found: set[str] = set()

    def take(text: str) -> str:
        found.update(name or braced for name, braced in _NAMES.findall(text))
        return text

    rewrite(stage.model, take)
    environment.values.expanded |= found
    return found


@dataclass(frozen=True, slots=True)
class _Replacing:
    """Puts one text in place of another; short ones only where they are words."""

    pairs: tuple[tuple[str, str], ...]

    def __call__(self, text: str) -> str:
        for real, instead in self.pairs:
            if len(real) >= _SHORT:
                text = text.replace(real, instead)
            elif real:
                text = re.sub(rf"(?<!\w){re.escape(real)}(?!\w)", instead.replace("\\", r"\\"), text)
        return text


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value that hold veiled values."""
    found: list[str] = []

    def take(text: str) -> str:
        if veiled_names(text):
            found.append(text)
        return text

    rewrite(value, take)
    return iter(found)


class Hidden:
    """An observer that is told ``$NAME`` in place of the environment's values, and each note of a stage once.

    Args:
        observer: Is told the rest.
        text: Makes a text one to show.
    """

    def __init__(self, observer: Observer, text: Callable[[str], str]) -> None:
        self._observer, self._text = observer, text
        self._notes: set[str] = set()

    def plan(self, stages: Sequence[Stage]) -> None:
        """See `Observer.plan`."""
        self._observer.plan([rewrite(stage, self._text) for stage in stages])

    def stage(self, index: int, stage: Stage, name: str) -> None:
        """See `Observer.stage`."""
        self._notes.clear()
        self._observer.stage(index, rewrite(stage, self._text), self._text(name))

    def phase(self, phase: Phase) -> None:
        """See `Observer.phase`."""
        reading, subject = (rewrite(value, self._text) for value in (phase.reading, phase.subject))
        self._observer.phase(replace(phase, reading=reading, subject=subject))

    def step(self, event: StepEvent, look: Look) -> None:
        """See `Observer.step`."""
        self._observer.step(event, look)

    def note(self, text: str, *, warning: bool = False) -> None:
        """See `Observer.note`."""
        line = visible(without_advice(self._text(text)))
        if line not in self._notes:
            self._notes.add(line)
            self._observer.note(line, warning=warning)

    def result(self, result: StageResult) -> None:
        """See `Observer.result`."""
        self._observer.result(result)

    def item(self, event: ItemEvent, workers: Sequence[WorkerRow], look: Look | None = None) -> None:
        """See `Observer.item`."""
        text = self._text
        rows = [replace(row, model=text(row.model), item=text(row.item)) for row in workers]
        self._observer.item(replace(event, name=text(event.name)), rows, look)
