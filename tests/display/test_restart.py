"""Run again, and go on from the step at which a run ended: buttons where the kernel lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from jupyter_latents.display.records.ways import advice, ways
from jupyter_latents.display.restart import Restart, port
from jupyter_latents.display.static_html import key_of
from jupyter_latents.display.view import RunView
from jupyter_latents.session import Session, Task
from jupyter_latents.session.runs.run import Run
from jupyter_latents.syntax.script import Script
from tests.display.conftest import Recorder

SCRIPT = 'demo/scenes\n--prompts "a hill"\n--seeds 7\n--inference-steps 4\n--into base'


@dataclass
class Ended:
    """A cell whose run was stopped after its first steps, and what the page was told."""

    session: Session
    front_end: Recorder
    view: RunView

    @property
    def told(self) -> dict[str, Any]:
        """What the buttons are, and what was said of the last one."""
        return [content for content, _ in self.front_end.messages if "ways" in content][-1]

    @property
    def buttons(self) -> list[str]:
        return [button for _, button, _ in self.told["ways"]]

    def send(self, **content: Any) -> None:
        """A message of the page."""
        port._open[-1]._receive(content)

    def press(self, kind: str, *, placed: bool = True) -> tuple[dict[str, Any], Run | None]:
        """What a button has the page put into the notebook, and, where the page could, the run at its end."""
        self.send(cmd=kind)
        place = [content for content, _ in self.front_end.messages if "place" in content][-1]
        assert self.session.executor.waiting == (), "what nobody sees cannot be stopped"
        self.send(placed=place["id"], done=placed)
        if not placed:
            return place, None
        run = self.session.executor.waiting[-1]
        assert run.wait(60)
        run.watcher.finish()
        return place, run


def stopped(session: Session, restart: dict[str, Any] | None = None) -> RunView:
    """A run of four steps that was stopped after its first ones, in a view that is shown."""
    settings = {"bind": session.names.__setitem__}
    view, task, runs = RunView(**settings), Task(Script(SCRIPT)), []
    view.show()
    runs.append(session.start(task, view, lambda _: runs[0].stop()))
    view.attach(runs[0], Restart(session, task, settings, **(restart or {})))
    assert runs[0].wait(60)
    view.finish()
    return view


@pytest.fixture
def ended(session: Session, front_end: Recorder) -> Ended:
    return Ended(session, front_end, stopped(session))


def test_the_buttons_are_those_of_the_advice(ended: Ended) -> None:
    record = ended.view.record
    step = record.stages[-1].points[-1].step
    assert ended.buttons == ["Run again", f"Go on from step {step}"]
    assert all(way.words in advice(record) for way in ways(record))
    assert ended.told["key"] == key_of(ended.front_end.bundles[-1][1])
    ended.session.names["base"] = "something else"
    port._open[-1]._ran()
    assert ended.buttons == ["Run again"]
    ended.send(cmd="onward")
    assert "holds something else" in ended.told["said"]


def test_both_buttons_lead_to_the_run_that_was_never_stopped(ended: Ended) -> None:
    part, before = ended.session.names["base"], len(ended.front_end.bundles)
    place, run = ended.press("onward")
    assert run is not None
    assert place["cell"].startswith("%%dgen\n")
    assert '--image-seeds "latents: base"' in place["cell"]
    assert run.bound == ["base_rest"]
    assert ended.session.names["base"] is part, "what was made stays as it is"
    place, run = ended.press("again")
    assert run is not None
    assert place["cell"] == ""
    assert run.saved_evaluations == part.position.step, "what was kept is not made again"
    assert torch.equal(ended.session.names["base"].tensor, ended.session.names["base_rest"].tensor)
    assert len(ended.front_end.bundles) == before, "the output of the run that was stopped stays"


def test_nothing_is_lost_where_the_next_run_fails(ended: Ended) -> None:
    before = len(ended.front_end.bundles)
    ended.session.names |= {"base_rest": 1, "base": 7}  # what no script made is not overwritten
    _, run = ended.press("again")
    assert run is not None
    assert "base" in str(run.error)
    assert ended.session.names["base"] == 7
    assert len(ended.front_end.bundles) == before
    assert ended.buttons == ["Run again"], "it can be tried once more"


def test_no_run_begins_where_the_page_has_no_place_for_it(ended: Ended) -> None:
    ended.session.names["base_rest"] = 1
    place, _ = ended.press("onward", placed=False)
    assert "--into base_rest_2" in place["cell"], "another name is found"
    assert "by hand" in ended.told["said"]
    assert ended.session.executor.waiting == ()
    ended.send(placed=place["id"], done=True)
    assert ended.session.executor.waiting == (), "an answer counts once"
    for _ in range(3):
        ended.send(cmd="onward")  # no page answers
    assert len(port._open[-1]._unplaced) == 1


def test_messages_may_hold_anything(ended: Ended) -> None:
    count = len(ended.front_end.messages)
    for content in (None, 3, {"cmd": 7}, {"placed": "nobody", "done": True}, {"placed": [], "done": 1}, {"cmd": "x"}):
        port._open[-1]._receive(content)
    assert len(ended.front_end.messages) == count
    ended.send(cmd="ask")
    assert len(ended.front_end.messages) == count + 1


def test_where_results_have_a_place_the_page_makes_none(session: Session, front_end: Recorder) -> None:
    started: list[Task] = []
    here = Ended(session, front_end, stopped(session, {"start": lambda task, _: started.append(task)}))
    here.send(cmd="again")
    here.send(cmd="onward")
    assert started[0].script.text == SCRIPT
    assert "--denoising-start 0.25" in started[1].script.text
    assert here.told["said"] == "it runs"


def test_the_buttons_of_an_earlier_run_go(ended: Ended) -> None:
    first = port._open[-1]
    stopped(ended.session)
    assert first not in port._open
    assert first.widget.comm is None
    assert len(port._open) == 1
