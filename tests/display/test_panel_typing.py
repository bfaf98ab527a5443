"""What is typed while the panel shows something else is kept: front end and threads come at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_latents.display.panel import panel
from jupyter_latents.display.panel.opening import close_open
from jupyter_latents.display.panel.plans.outlook import Planner
from jupyter_latents.display.panel.rest import Clicks
from jupyter_latents.session import Session

SECONDS = 30
ONE = 'demo/scenes\n--prompts "a hill"\n--seeds 7\n--inference-steps 4\n--into base'


@pytest.fixture
def opened() -> Iterator[Any]:
    """The panel's control, at rest."""
    made = panel(ONE, session=Session({})).panel
    made.wait()
    yield made
    close_open()


def type_while_it_shows(opened: Any, monkeypatch: pytest.MonkeyPatch, at: str, name: str, value: Any) -> None:
    """Types in one thread while another one stands before the editor's method `at`, in the midst of showing the forms.

    As in a kernel, the control has its new value at once, and what the panel makes of it waits for its lock.
    """
    reached, released, real = threading.Event(), threading.Event(), getattr(opened.editor, at)
    control = opened.editor.controls[name]

    def held(*arguments: Any) -> None:
        if threading.current_thread() is shower:
            reached.set()
            assert released.wait(SECONDS)
        real(*arguments)

    monkeypatch.setattr(opened.editor, at, held)
    shower = threading.Thread(target=opened.refresh)
    typist = threading.Thread(target=setattr, args=(control, "value", value))
    shower.start()
    assert reached.wait(SECONDS)
    typist.start()
    deadline = time.monotonic() + SECONDS
    while control.value != value and time.monotonic() < deadline:
        time.sleep(0.001)
    released.set()
    shower.join(SECONDS)
    typist.join(SECONDS)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("prompt", "a lake", '--prompts "a lake"'),
        ("window", (0, 2), "--denoising-end 0.5"),
        ("scheduler", "DDIMScheduler", "--scheduler DDIMScheduler"),
    ],
)
@pytest.mark.parametrize("at", ["propose", "show", "_show_window", "mark"])
def test_what_is_typed_while_a_thread_shows_the_forms_is_never_taken_back(
    opened: Any, monkeypatch: pytest.MonkeyPatch, at: str, name: str, value: Any, line: str
) -> None:
    control, values = opened.editor.controls[name], []
    control.observe(lambda change: values.append(change["new"]), "value")
    type_while_it_shows(opened, monkeypatch, at, name, value)
    assert line in opened.text.split("\n")
    assert set(values) == {value}, "the next letter would have gone into the old text"
    opened.model.form.prompt = "a sea"
    opened.refresh()
    assert opened.editor.controls["prompt"].value == "a sea", "what was taken in gives way to the forms again"


def test_a_script_that_is_typed_stays_until_it_is_applied_or_discarded(opened: Any) -> None:
    typed = "demo/paper\n--sedes 9"
    opened.widgets.text.value = typed
    opened.refresh()  # as after each cell and at a run's end
    assert opened.widgets.text.value == typed
    opened.widgets.buttons["apply"].click()
    opened.wait()
    opened.refresh()
    assert opened.widgets.text.value == typed
    assert "did you mean --seeds" in opened.widgets.text_error.value, "the text is there, so is what is wrong with it"
    opened.widgets.text.value = f"{ONE}\n"
    opened.widgets.buttons["apply"].click()
    opened.wait()
    assert (opened.widgets.text.value, opened.widgets.text_error.value) == (ONE, "")
    opened.widgets.text.value = typed
    opened.editor.controls["seed"].value = "8"
    assert opened.widgets.text.value == typed, "a field that changes takes nothing away that was typed"
    assert opened.model.form.seed == "8"
    opened.widgets.buttons["discard"].click()
    assert opened.widgets.text.value == ONE.replace("7", "8")
    assert opened.widgets.buttons["discard"].disabled


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_was_clicked_is_done_though_what_came_before_it_failed() -> None:
    done, clicks = threading.Event(), Clicks()

    def fails() -> None:
        raise ZeroDivisionError

    clicks.ask("one", fails)
    clicks.ask("two", done.set)
    assert done.wait(SECONDS)


def test_a_question_that_comes_as_the_planner_ends_is_answered() -> None:
    """Its thread saw that nothing was asked; the one who then asked saw that there was a thread, and started none."""
    answered: list[str] = []
    planner = Planner(answered.append)
    lock, late = planner._lock, ["second"]

    class Turns:
        """The planner's lock; the second question comes just before its thread takes it to end."""

        def __enter__(self) -> None:
            mine = threading.current_thread() is planner._thread
            if mine and late and answered and planner._asked is None:
                planner.ask(late.pop())
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

    planner._lock = Turns()  # type: ignore[assignment]
    planner.ask("first")
    planner.wait(SECONDS)
    planner.wait(SECONDS)
    assert answered == ["first", "second"]
