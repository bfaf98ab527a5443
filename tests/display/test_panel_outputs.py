"""What stands under a panel: its results, and its text where it was saved open."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_latents.display import screens, view
from jupyter_latents.display.panel import panel, results
from jupyter_latents.display.screens import OutputScreen
from jupyter_latents.session import Session
from jupyter_latents.settings import SETTINGS
from tests.display.panels import TWO, click

pytestmark = pytest.mark.usefixtures("at_rest_soon")


def outputs(opened: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """What stands in each output of the panel."""
    shown: dict[str, dict[str, str]] = {}

    def publish(data: dict[str, str], display_id: str, *, update: bool = False, by: object = None) -> None:
        shown[display_id] = data

    monkeypatch.setattr(results, "publish", publish)
    monkeypatch.setattr(screens, "publish", publish)
    opened.results.show()
    return shown


def test_a_dry_run_shows_the_plan(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = outputs(opened, monkeypatch)
    assert "stay in the notebook" in str(shown)
    click(opened, "dry_run")
    opened.wait()
    data, earlier = shown.values()
    assert "nothing was run" in data["text/plain"]
    assert "<table>" in data["text/html"]
    assert earlier["text/html"] == ""


def test_results_stay_below_those_that_come_after_them(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "choose_screen", OutputScreen)
    shown = outputs(opened, monkeypatch)
    for name in ("dry_run", "run", "dry_run", "run"):
        click(opened, name)
        opened.wait()
    newest, earlier = shown.values()
    assert "jl-large" in newest["text/html"]
    titles = earlier["text/plain"].split("\n")
    assert [title.split(":")[0] for title in titles] == ["dry run", "base → final", "dry run"]
    assert earlier["text/html"].count("<details><summary") == 3
    assert "4 steps" in titles[1]
    assert 'class="jl-large"' in earlier["text/html"]
    for _ in range(8):
        click(opened, "dry_run")
        opened.wait()
    titles = list(shown.values())[1]["text/plain"].split("\n")
    assert len(titles) == 8, "the oldest leave"
    assert titles[-1].startswith("base → final")
    earlier = list(shown.values())[1]
    assert earlier["text/html"].count("<details>") == 8
    assert sum(len(part.encode()) for part in earlier.values()) <= SETTINGS.output_size
    monkeypatch.setattr(SETTINGS, "output_size", 12_000)  # as one output may weigh: the oldest keep their lines alone
    click(opened, "dry_run")
    opened.wait()
    earlier = list(shown.values())[1]
    assert sum(len(part.encode()) for part in earlier.values()) <= 12_000
    assert 0 < earlier["text/html"].count("<details>") < 8
    assert earlier["text/html"].count("cursor: pointer") == earlier["text/html"].count("<details>")
    assert len(earlier["text/plain"].split("\n")) == 8


def test_a_dry_run_beside_a_run_leaves_its_view_in_place(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "choose_screen", OutputScreen)
    shown = outputs(opened, monkeypatch)
    monkeypatch.setattr(type(opened.results), "busy", property(lambda _: True))
    click(opened, "dry_run")
    opened.wait()
    newest, earlier = shown.values()
    assert "stay in the notebook" in newest["text/plain"]
    assert earlier["text/plain"].startswith("dry run: 2 stages")


def test_a_panel_that_is_saved_open_shows_its_text(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    made = panel(TWO, session=session)
    shown = outputs(made.panel, monkeypatch)
    shown.clear()
    made._ipython_display_()
    live = next(iter(shown.values()))
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "demo/scenes" in live["text/html"], "for those who know no widgets"
    made.panel.editor.controls["prompt"].value = "</pre><script>"
    ids = list(shown)
    assert "&lt;/pre&gt;&lt;script&gt;" in shown[ids[1]]["text/html"]
    assert "<script" not in shown[ids[1]]["text/html"]
    made.close()
    assert shown[ids[1]]["text/html"] == ""
    assert "&lt;script&gt;" in shown[ids[0]]["text/html"]
