"""The live view in marimo, played by the test: a widget is what a cell shows, and it stays."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import jupyter_latents
from jupyter_latents.display.marimo import MarimoScreen, refuse_to_bind
from jupyter_latents.display.view import RunView
from jupyter_latents.errors import SettingError
from jupyter_latents.session.runs.run import Run
from tests.display.conftest import Recorder
from tests.display.fake_run import fake_previews, start, two_stages


@pytest.fixture
def marimo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of marimo runs."""
    monkeypatch.setitem(sys.modules, "marimo", SimpleNamespace(running_in_notebook=lambda: True))


def test_a_view_is_a_widget_that_answers_and_stays(front_end: Recorder) -> None:
    fake_previews(64)
    view = RunView(preview_every=1)
    run = start(view, two_stages())
    assert run.wait(60)
    view.finish()
    widget = view._display_()
    assert "data:image/" in widget.still
    assert "<script" not in widget.still
    (screen,) = [one for one in view._screens if isinstance(one, MarimoScreen)]
    screen._receive(widget, {"cmd": "sync", "page": "a"}, [])
    told = [content for content, _ in front_end.messages if content.get("all")]
    assert told[-1]["title"] == "base → final"
    assert not [content for content, _ in front_end.messages if "lasting" in content]
    screen.retire()
    assert screen.open, "nothing takes its place"
    screen.close()


@pytest.mark.usefixtures("marimo")
def test_a_started_run_is_shown_by_its_view(front_end: Recorder) -> None:
    run = jupyter_latents.start("demo/scenes --prompts cat --seeds 1 --inference-steps 1 --output-size 64")
    view = run._display_()
    assert isinstance(view, RunView)
    run.get()
    view.finish()  # as its thread does a moment later
    assert "1 step" in view._display_().still
    with pytest.raises(SettingError, match="marimo makes variables in cells alone; copy the line for base_2"):
        refuse_to_bind("base_2", run.result)
    del front_end


def test_a_run_without_a_view_is_shown_as_text() -> None:
    assert Run()._display_().startswith("<Run")


def test_the_panel_says_where_it_runs() -> None:
    opened = jupyter_latents.panel("demo/scenes --seeds 7")
    shown = opened._display_()
    opened.close()
    assert "it runs in JupyterLab, Notebook 7, VS Code and Colab" in shown
    assert "--seeds 7" in shown
