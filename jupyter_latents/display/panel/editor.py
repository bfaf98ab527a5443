"""The widgets of one stage: thin, they show a form and tell which field was changed."""

from __future__ import annotations

import html
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ipywidgets
from traitlets import TraitError

from jupyter_latents.syntax.options.fields import default

from .drops import Drops
from .fields import FIELDS, FieldRow
from .form import StageForm
from .plans.outlook import Schedule

__all__ = ["Choices", "StageEditor"]

_OWN_SCHEDULER = "the model's own"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the controls propose.

    Attributes:
        models: Model names.
        schedulers: Scheduler names.
        latents: Variables with latents.
        pictures: Variables with pictures.
    """

    models: Sequence[str] = ()
    schedulers: Sequence[str] = ()
    latents: Sequence[str] = ()
    pictures: Sequence[str] = ()


class StageEditor:
    """Shows one form at a time.

    Args:
        changed: Is told of each change: the field's name and its new text, or two steps for ``window``.
        uploaded: Is given a field's name, the file's name and its bytes.
    """

    def __init__(
        self, changed: Callable[[str, Any], None], uploaded: Callable[[str, str, bytes], None] = lambda *_: None
    ) -> None:
        self.controls: dict[str, Any] = {}
        self.errors: dict[str, Any] = {}
        self.uploads: dict[str, Any] = {}
        self._changed, self._uploaded = changed, uploaded
        self._quiet = threading.local()  # what one thread shows must not hide what comes to another meanwhile
        self._heard: dict[str, Any] = {}  # the last content of each field that came from the front end
        self._taken: dict[str, Any] = {}  # the value of each control that was last shown or told
        self.note = ipywidgets.HTML()
        self.dice = ipywidgets.Button(icon="random", tooltip="Another seed at random")
        self.dice.add_class("dgp-do-dice")
        self.dice.on_click(lambda _: self._roll())
        boxes = [self._box(row) for row in FIELDS]
        self.drops = Drops(tuple(self.uploads), uploaded)
        self.box = ipywidgets.Box([*boxes, self.drops])
        self.box.add_class("dgp-grid")

    def _box(self, row: FieldRow) -> Any:
        control = self.controls[row.name] = _control(row)
        self._taken[row.name] = control.value
        control.observe(lambda change: self._tell(row.name, change["new"]), "value")
        error = self.errors[row.name] = ipywidgets.HTML()
        beside = [control]
        if row.name == "seed":
            beside.append(self.dice)
        if row.upload:
            beside.append(self._upload(row))
        line = ipywidgets.HBox(beside)
        line.add_class("dgp-row")
        below = [self.note, error] if row.name == "window" else [error]
        box = ipywidgets.VBox([line, *below])
        box.add_class("dgp-field")
        if row.wide:
            box.add_class("dgp-wide")
        if row.upload:
            box.add_class("dgp-drop")
            box.add_class(f"dgp-drop-{row.name}")
        return box

    def _upload(self, row: FieldRow) -> Any:
        upload = ipywidgets.FileUpload(
            accept=row.upload,
            multiple=False,
            description="File",
            tooltip=f"{row.label} from a file ({row.upload}), or drop one here",
        )
        upload.observe(lambda change: self._take(row.name, change["new"]), "value")
        self.uploads[row.name] = upload
        return upload

    def show(self, form: StageForm, schedule: Schedule) -> None:
        """Shows a form; controls that show it already, or hold what is not accepted yet, are left as they are.

        Args:
            form: The form.
            schedule: Its steps, for the window.
        """
        with self._silent():
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
        return [control for row in FIELDS if row.kind != "list" for control in (self.controls[row.name],)]

    def take_typed(self, typed: Mapping[str, Any]) -> None:
        """Takes what came with a click, where it has not come before: it may be old by now.

        What has come before and waits in another thread is told here: the click shall find it in the form.

        Args:
            typed: Content by the field's model. What a field does not take is refused where its own message comes, too.
        """
        for name, control in self.controls.items():
            given = typed.get(control.model_id)
            given = tuple(given) if isinstance(given, list) else given
            if given is not None and given != self._heard.get(name):
                with suppress(TraitError):
                    control.value = given
            elif given is not None and self.waits(name, given):
                self._changed(name, given)

    def propose(self, choices: Choices) -> None:
        """Renews what the controls propose."""
        with self._silent():
            self._options("model", choices.models)
            self._options("latents", choices.latents)
            for name in ("image", "mask"):
                self._options(name, [*choices.pictures, *choices.latents])
            self._list("scheduler", choices.schedulers, self.controls["scheduler"].value)

    def tell(self, text: str) -> None:
        """Shows in words what the stage will do."""
        _say(self.note, text, "dgp-note")

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
        control = self.controls[row.name]
        if self._is_on_its_way(row.name):
            return
        if row.kind == "list":
            self._list(row.name, [value for _, value in control.options if value], text)
        typed = control.value
        if (typed.strip() if row.name == "model" else typed) != text:  # blanks typed around a name are no part of it
            control.value = typed = text
        self._taken[row.name] = typed

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

    def _options(self, name: str, values: Sequence[str]) -> None:
        wanted = tuple(dict.fromkeys(values))
        if self.controls[name].options != wanted:
            self.controls[name].options = wanted

    def _list(self, name: str, values: Sequence[str], chosen: str) -> None:
        """Renews a list; the choice is set again, since new options take it back."""
        wanted = tuple(_listed(values, chosen))
        if self.controls[name].options != wanted:
            self.controls[name].options = wanted
        self.controls[name].value = chosen

    def _roll(self) -> None:
        self.controls["seed"].value = str(secrets.randbelow(2**32))

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


def _control(row: FieldRow) -> Any:
    common = {"description": row.label, "continuous_update": True}
    if row.kind == "list":
        return ipywidgets.Dropdown(description=row.label, options=_listed((), ""))
    if row.kind == "range":
        steps = default("num_inference_steps")
        return ipywidgets.IntRangeSlider(value=(0, steps), min=0, max=steps, **common)
    if row.kind == "area":
        return ipywidgets.Textarea(placeholder=row.hint, rows=2, **common)
    kind = ipywidgets.Combobox if row.kind == "choice" else ipywidgets.Text
    return kind(placeholder=row.hint, **common)


def _listed(values: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    """Scheduler names with the model's own first, and a chosen one with settings of its own."""
    names = dict.fromkeys([*values, *([chosen] if chosen else [])])
    return [(_OWN_SCHEDULER, ""), *((name, name) for name in names)]


def _say(widget: Any, text: str, style: str) -> None:
    made = f'<span class="{style}" role="status">{html.escape(text)}</span>' if text else ""
    if widget.value != made:
        widget.value = made
