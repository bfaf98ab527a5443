"""The widgets of one stage: thin, they show a form and tell which field was changed."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ipywidgets
from traitlets import TraitError

from jupyter_latents.display.words import tip
from jupyter_latents.wording import as_html

from .choices import Choices, samplers
from .fields import FIELDS, FieldRow
from .form import StageForm
from .front.controls import all_of, control, offer, sections, seed_buttons, slide, upload
from .front.drops import Drops
from .front.maker import Maker, with_breaks
from .plans.outlook import Schedule

__all__ = ["StageEditor"]


class StageEditor:
    """Shows one form at a time.

    Attributes:
        controls: What holds each field's content.
        errors: What is wrong with each field.
        lists: All that a field can be, where there is such a list.
        uploads: The fields' buttons for files.
        buttons: Those beside the seed, by name.

    Args:
        changed: Is told of each change: the field's name and its new text, or two steps for ``window``.
        uploaded: Is given a field's name, the file's name and its bytes.
        last_seed: Gives the seed that the stage's last result was made with; empty where there is none.
    """

    def __init__(
        self,
        changed: Callable[[str, Any], None],
        uploaded: Callable[[str, str, bytes], None] = lambda *_: None,
        last_seed: Callable[[], str] = lambda: "",
    ) -> None:
        self.controls: dict[str, Any] = {}
        self.errors: dict[str, Any] = {}
        self.lists: dict[str, Any] = {}
        self.uploads: dict[str, Any] = {}
        self._slides: dict[str, Any] = {}
        self._schedulers: tuple[str, ...] = ()
        self._changed, self._uploaded, self._last_seed = changed, uploaded, last_seed
        self._quiet = threading.local()  # what one thread shows must not hide what comes to another meanwhile
        self._heard: dict[str, Any] = {}  # the last content of each field that came from the front end
        self._taken: dict[str, Any] = {}  # the value of each control that was last shown or told
        self._make = Maker()
        self.notes = {name: self._make(ipywidgets.HTML, "dgp-said") for name in ("window", "model", "mask")}
        self.buttons = seed_buttons(self._make, self._roll, self._reuse)
        boxes = {row.name: self._box(row) for row in FIELDS}
        self.drops = Drops(tuple(self.uploads), uploaded)
        self.box = self._make.box(ipywidgets.VBox, "dgp-sections", *sections(self._make, boxes), self.drops)

    def _box(self, row: FieldRow) -> Any:
        held = self.controls[row.name] = control(self._make, row)
        self._taken[row.name] = held.value
        held.observe(lambda change: self._tell(row.name, change["new"]), "value")
        error = self.errors[row.name] = self._make(ipywidgets.HTML, "dgp-said")
        beside = [held, *(self.buttons.values() if row.name == "seed" else ())]
        if row.kind == "choice":
            self.lists[row.name] = all_of(self._make, row, lambda value: setattr(held, "value", value))
            beside.append(self.lists[row.name])
        if made := slide(self._make, row):
            self._slides[row.name] = made
            beside.append(made)
        if row.upload:
            beside.append(self._upload(row))
        line = self._make.box(ipywidgets.HBox, "dgp-row", *beside)
        note = [self.notes[row.name]] if row.name in self.notes else []
        style = f"dgp-field{' dgp-wide' * row.wide}{f' dgp-drop dgp-drop-{row.name}' if row.upload else ''}"
        return self._make.box(ipywidgets.VBox, style, line, *note, error)

    def _upload(self, row: FieldRow) -> Any:
        tip = f"{row.label} from a file ({row.upload}), or drop one here"
        name = f"{row.label} from a file"
        made = upload(self._make, name, row.upload, tip, lambda files: self._take(row.name, files))
        self.uploads[row.name] = made
        return made

    def show(self, form: StageForm, schedule: Schedule) -> None:
        """Shows a form; controls that show it already, or hold what is not accepted yet, are left as they are.

        Args:
            form: The form.
            schedule: Its steps, for the window.
        """
        _say(self.notes["mask"], "what is white in it is painted anew" if form.mask else "", "dgp-note")
        with self._silent():
            self.controls["strength"].disabled = not (form.seed_text() or form.strength)  # of nothing it has no meaning
            for row in FIELDS:
                if row.kind != "range":
                    self._set(row, getattr(form, row.name))
            self._show_window(form, schedule)

    def accept(self, name: str, value: Any) -> None:
        """Notes that a change has been put into the form: from now on the control shows the form again.

        Args:
            name: The field's name.
            value: What `changed` was told.
        """
        self._taken[name] = value

    def waits(self, name: str, value: Any) -> bool:
        """Whether a change is still to be put into the form: no newer one has come, and nobody has put it in meanwhile.

        Args:
            name: The field's name.
            value: What `changed` was told.
        """
        return bool(self.controls[name].value == value) and self._is_on_its_way(name)

    @property
    def typed_in(self) -> list[Any]:
        """The fields whose content a front end may keep back while a person types."""
        return [self.controls[row.name] for row in FIELDS if row.kind != "list"]

    def take_typed(self, typed: Mapping[str, Any]) -> None:
        """Takes what came with a click, where it has not come before: it may be old by now.

        What has come before and waits in another thread is told here: the click shall find it in the form.

        Args:
            typed: Content by the field's model. What a field does not take is refused where its own message comes, too.
        """
        for name, held in self.controls.items():
            given = typed.get(held.model_id)
            given = tuple(given) if isinstance(given, list) else given
            if given is not None and given != self._heard.get(name):
                with suppress(TraitError):
                    held.value = given
            elif given is not None and self.waits(name, given):
                self._changed(name, given)

    def propose(self, choices: Choices) -> None:
        """Renews what the controls propose."""
        pictures = [*choices.pictures, *choices.latents]
        proposals = {"model": choices.models, "latents": choices.latents, "image": pictures, "mask": pictures}
        with self._silent():
            for name, values in proposals.items():
                wanted = tuple(dict.fromkeys(values))
                if self.controls[name].options != wanted:
                    self.controls[name].options = wanted
                offer(self.lists[name], wanted)
            self._schedulers = tuple(choices.schedulers)
            self._list("scheduler", self.controls["scheduler"].value)

    def tell(self, text: str, model: str = "") -> None:
        """Shows in words what the stage will do.

        Args:
            text: Its steps.
            model: What its model is.
        """
        _say(self.notes["window"], text, "dgp-note")
        _say(self.notes["model"], model, "dgp-note")

    def mark(self, marks: Mapping[str, str]) -> None:
        """Marks fields with their messages, and unmarks all others.

        Args:
            marks: Message by field.
        """
        for name, error in self.errors.items():
            message = marks.get(name, "")
            _say(error, message, "dgp-error")
            mark = self.controls[name].add_class if message else self.controls[name].remove_class
            mark("dgp-bad")

    def _set(self, row: FieldRow, text: str) -> None:
        held = self.controls[row.name]
        if self._is_on_its_way(row.name):
            return
        if row.kind == "list":
            self._list(row.name, text)
        typed = held.value
        if (typed.strip() if row.name == "model" else typed) != text:  # blanks typed around a name are no part of it
            held.value = typed = text
        self._taken[row.name] = typed
        if row.name in self._slides:
            self._slides[row.name].follow(text, on=not held.disabled)

    def _is_on_its_way(self, name: str) -> bool:
        """Whether a control holds what a person has typed and no form has yet: it must not be overwritten."""
        return bool(self.controls[name].value != self._taken[name])

    def _show_window(self, form: StageForm, schedule: Schedule) -> None:
        if self._is_on_its_way("window"):
            return
        slider, steps = self.controls["window"], schedule.steps
        start, end = (
            schedule.step_of_text(text, otherwise) for text, otherwise in ((form.start, 0), (form.end, steps))
        )
        wanted = (min(start, end), max(start, end))
        slider.max = max(slider.max, steps)
        slider.value = wanted
        slider.max = steps
        self._taken["window"] = slider.value

    def _list(self, name: str, chosen: str) -> None:
        """Renews a list; the choice is set again, since new options take it back."""
        wanted = tuple(samplers(self._schedulers, chosen))
        if self.controls[name].options != wanted:
            self.controls[name].options = wanted
        self.controls[name].value = chosen

    def _roll(self) -> None:
        self.controls["seed"].value = str(secrets.randbelow(2**32))

    def _reuse(self) -> None:
        if seed := self._last_seed():
            self.controls["seed"].value = seed

    def _tell(self, name: str, value: Any) -> None:
        if not self._is_quiet():
            self._heard[name] = value
            self._changed(name, value)

    def _take(self, name: str, files: Sequence[Mapping[str, Any]]) -> None:
        if files and not self._is_quiet():
            self._uploaded(name, str(files[0]["name"]), bytes(files[0]["content"]))
            with self._silent():
                self.uploads[name].value = ()

    @contextmanager
    def _silent(self) -> Iterator[None]:
        before, self._quiet.on = self._is_quiet(), True
        try:
            yield
        finally:
            self._quiet.on = before

    def _is_quiet(self) -> bool:
        return getattr(self._quiet, "on", False)


def _say(widget: Any, text: str, style: str) -> None:
    told = as_html(tip(text)) if style == "dgp-note" else ""
    made = f'<span class="{style}" role="status" title="{told}">{with_breaks(text)}</span>' if text else ""
    if widget.value != made:
        widget.value = made
