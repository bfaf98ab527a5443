"""The panel without widgets: forms, the text they stand for, and where its faults belong."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jupyter_latents.errors import JupyterLatentsError, NameNotFoundError, ScriptError
from jupyter_latents.session.cells.provenance import cell_of
from jupyter_latents.syntax.compose import Made
from jupyter_latents.syntax.expand import expand
from jupyter_latents.syntax.options.arguments import Arguments, read_arguments
from jupyter_latents.syntax.options.table import NESTING
from jupyter_latents.syntax.script import Script
from jupyter_latents.syntax.text.lines import Block, LineReader, Logical
from jupyter_latents.syntax.text.located import Line
from jupyter_latents.syntax.text.quoting import read_words

from .fields import FIELD_OF_OPTION, beside, label
from .form import StageForm
from .reading import read_forms

__all__ = ["Mark", "PanelModel"]

_OTHERS_NEED = {"image_seeds", "more"}  # without these lines others would be wrong that are not
_LEANING = frozenset({"strength", "window"})  # namely these
_NAMES = ("base", "final")
_NAMELESS = frozenset({"", "more"})  # messages of the other options name the option
_HANDOVER = "0.8"


@dataclass(frozen=True, slots=True)
class Mark:
    """A fault and where it belongs.

    Attributes:
        index: Which form, 0 for the first.
        field: The form's field; ``window`` for both ends of it, empty where it belongs to none.
        message: What is wrong, in the words of the panel, without the field's label.
    """

    index: int
    field: str
    message: str

    @property
    def alone(self) -> str:
        """What is wrong where the field's label does not stand beside it."""
        name = label(self.field) if self.field not in _NAMELESS else ""
        return self.message if name in self.message else f"{name}: {self.message}"


@dataclass(slots=True)
class PanelModel:
    """The stages of a panel.

    Attributes:
        forms: At least one.
        selected: The one that is shown.
    """

    forms: list[StageForm] = field(default_factory=lambda: [StageForm()])
    selected: int = 0

    @property
    def form(self) -> StageForm:
        """The selected form."""
        return self.forms[self.selected]

    @property
    def text(self) -> str:
        """The body of the equivalent cell."""
        blocks = ["\n".join(form.lines().values()) for form in self.forms]
        return "\n\n".join(block for block in blocks if block)

    def lines(self) -> dict[int, tuple[int, str]]:
        """Line number of the text, 1 for the first, to the form and the option that stand there."""
        found: dict[int, tuple[int, str]] = {}
        number = 1
        for index, form in enumerate(self.forms):
            made = form.lines()
            found |= {number + offset: (index, dest) for offset, dest in enumerate(made)}
            number += len(made) + 1 if made else 0
        return found

    def add(self) -> None:
        """Adds a stage after the selected one that goes on from its latents.

        Where the selected one runs to the end, both get the window of a hand-over.
        """
        before = self.form
        before.into = before.into or self._free_name()
        before.end = before.end or _HANDOVER
        made = StageForm(model=before.model, prompt=before.prompt, negative=before.negative, steps=before.steps)
        made.latents, made.start, made.into = before.into, before.end, self._free_name()
        self._insert(made)

    def duplicate(self) -> None:
        """Adds a copy of the selected stage after it, with a name of its own."""
        made = copy.copy(self.form)
        made.into = self._free_name() if made.into else ""
        self._insert(made)

    def remove(self) -> None:
        """Takes the selected stage away; the last one is emptied instead."""
        del self.forms[self.selected]
        if not self.forms:
            self.forms.append(StageForm())
        self.selected = min(self.selected, len(self.forms) - 1)

    def move(self, by: int) -> None:
        """Moves the selected stage up (-1) or down (1)."""
        target = self.selected + by
        if 0 <= target < len(self.forms):
            self.forms.insert(target, self.forms.pop(self.selected))
            self.selected = target

    def apply(self, text: str) -> None:
        """Fills the forms from a script.

        Args:
            text: The script; a ``%%dgen`` line may stand above it.

        Raises:
            ScriptError: It is wrong, or cannot be shown; the forms stay as they are.
        """
        self.put(read_forms(text))

    def put(self, given: Sequence[StageForm], selected: int | None = None) -> None:
        """Fills the forms from others; each stays the same stage as far as there are as many.

        Args:
            given: The others.
            selected: Which one is shown; the present one by default.
        """
        made = list(given) or [StageForm()]
        for form, other in zip(self.forms, made, strict=False):
            form.take(other)
        self.forms[len(made) :] = []
        self.forms.extend(made[len(self.forms) :])
        self.selected = min(self.selected if selected is None else selected, len(self.forms) - 1)

    def copied(self) -> PanelModel:
        """The same stages as values of their own."""
        return PanelModel([copy.copy(form) for form in self.forms], self.selected)

    def fill(self, latents: Made, known: Mapping[str, Made]) -> None:
        """Fills the selected form from what latents say they come from; its own name stays.

        Args:
            latents: Latents with a provenance.
            known: Kernel variables that may be their parents.
        """
        (made,) = read_forms(cell_of(latents, known))
        made.into = self.form.into
        self.form.take(made)

    def index(self, form: StageForm) -> int:
        """Which stage a form is, -1 where it is none any more."""
        return next((index for index, own in enumerate(self.forms) if own is form), -1)

    def take_latents(self, name: str, fraction: float | None, form: StageForm | None = None) -> None:
        """Sets the latents to go on from, and the window's start where none is set.

        Args:
            name: The variable or path.
            fraction: How far they are; None where nobody knows, or nothing is left to do.
            form: Of which stage; the selected one by default.
        """
        form = form or self.form
        form.latents = name
        if not name:
            form.start = ""
        elif not form.start:
            earlier = next((one.end for one in self.forms[: self.index(form)] if one.into == name), "")
            form.start = earlier or ("" if fraction is None else f"{fraction:g}")

    def marks(self, schedulers: Collection[str] = ()) -> list[Mark]:
        """The faults that can be seen without running, stage by stage.

        Args:
            schedulers: Known scheduler names; where none are given, any name will do.
        """
        where, text = self.lines(), self.text.split("\n")
        return [
            mark
            for index in range(len(self.forms))
            for mark in self._marks_of(index, {n: text[n - 1] for n in where if where[n][0] == index}, schedulers)
        ]

    def _marks_of(self, index: int, numbered: dict[int, str], schedulers: Collection[str]) -> Iterator[Mark]:
        """The first fault of a stage; then, without the line it stands in, the next one."""
        where = self.lines()
        left, hidden = dict(numbered), frozenset[str]()
        if not _is_one(self.forms[index]):
            yield Mark(index, "more", "options such as --dtype float16 stand here; this begins something else.")
            left, hidden = {n: line for n, line in left.items() if where[n][1] != "more"}, _LEANING
        while left:
            try:
                Script("\n".join(left.get(n, "# blamed") for n in numbered), min(numbered)).check(schedulers=schedulers)
            except ScriptError as error:
                if not self.forms[index].model.strip():
                    yield Mark(index, "model", beside(error, "model"))
                    return
                mark = self.mark(error, index)
                if mark.field not in hidden:
                    yield mark
                number = error.place.line if error.place is not None else 0
                if number not in left or where[number][1] == "model":
                    return
                hidden = _LEANING if where[number][1] in _OTHERS_NEED else hidden
                del left[number]
            else:
                return

    def mark(self, error: JupyterLatentsError, index: int = 0) -> Mark:
        """Where an error belongs: to the field of the option that stands at its place, or of the option to blame.

        Args:
            error: An error of the text. One that names neither a place nor an option belongs to no field.
            index: The stage that is to blame where the error has no place.
        """
        here = self.lines().get(error.place.line) if error.place is not None else None
        owner, dest = here or (index, "")
        if dest in {"", "model"} and error.option:
            dest = error.option if error.option in FIELD_OF_OPTION else "more"
        name = FIELD_OF_OPTION.get(dest, "more") if dest else ""
        if dest == "image_seeds":
            name = self._input(owner, error)
        return Mark(owner, name, beside(error, name))

    def counts(self) -> list[int]:
        """How many stages each form makes, where its options multiply; 1 where that is not known yet."""
        return [_count(form) for form in self.forms]

    def _input(self, index: int, error: JupyterLatentsError) -> str:
        """Which of the three inputs is to blame: the one that holds the name or the part that the error points at."""
        form, place = self.forms[index], error.place
        given = {name: getattr(form, name) for name in ("latents", "mask", "image") if getattr(form, name)}
        part = error.name if isinstance(error, NameNotFoundError) else ""
        if not part and place is not None:
            part = place.text[place.column - 1 : place.column - 1 + place.length]
        for name, text in given.items():
            if part in {text, f"{name}={text}", f"{name}: {text}", name}:
                return name
        return next(iter([*(name for name, text in given.items() if part and part in text), *given]), "latents")

    def _insert(self, form: StageForm) -> None:
        self.selected += 1
        self.forms.insert(self.selected, form)

    def _free_name(self) -> str:
        used = {form.into for form in self.forms}
        wanted = [*_NAMES, *(f"stage_{number}" for number in range(3, len(self.forms) + 5))]
        return next(name for name in wanted if name not in used)


def _count(form: StageForm) -> int:
    arguments = _arguments(form)
    if arguments is None:
        return 1
    dests = [dest for dest in NESTING if not ("seeds_to_images" in arguments.options and dest == "seeds")]
    several = math.prod(max(1, len(arguments.words.get(dest, ()))) for dest in dests)
    return several * int(arguments.first("gen_seeds", 1))


def _is_one(form: StageForm) -> bool:
    """Whether a form's lines are one stage: a line under More that is no option would begin another."""
    try:
        parts = list(_parts(form))
    except ScriptError:
        return True  # marked at its field already
    return not form.more.strip() or (len(parts) == 1 and not isinstance(parts[0], Block) and not parts[0].directive)


def _parts(form: StageForm) -> Iterator[Block | Logical]:
    return iter(LineReader(Line(number, line, line) for number, line in enumerate(form.lines().values(), 1)))


def _arguments(form: StageForm) -> Arguments | None:
    try:
        for part in _parts(form):
            if not isinstance(part, Block) and not part.directive:
                return read_arguments(read_words(expand(part, None)))
    except ScriptError:
        return None  # marked at its field already
    return None
