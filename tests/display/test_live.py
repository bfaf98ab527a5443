"""Every message between the live view and its kernel."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jupyter_latents.display import live, payload, widget
from jupyter_latents.display.actions import answer, cell_asked
from jupyter_latents.display.live import LiveScreen
from jupyter_latents.display.view import RunView, view_of
from jupyter_latents.errors import RunError, SettingError
from jupyter_latents.session.runs.executor import LocalExecutor
from jupyter_latents.session.runs.run import Run
from tests.display.conftest import Recorder
from tests.display.fake_run import Drawn, fake_work, kept_result, latents_at, stage, start, step_event, two_stages

VIEW = "application/vnd.jupyter.widget-view+json"


def shown(view: RunView) -> LiveScreen:
    view.show()
    screen = view._screens[-1]
    assert isinstance(screen, LiveScreen)
    if screen.widget is None:
        screen._shown -= 0.3
        view.pump()
        view._pumped = 0.0
    return screen


def tell(screen: LiveScreen, **content: Any) -> None:
    """A message of the front end."""
    screen._receive(screen.widget, content, [])


def finished_run(view: RunView, stages: list[Any]) -> Run:
    run = start(view, stages)
    assert run.wait(20)
    view.finish()
    return run


class Gate:
    """Holds a fake run at each step until it is let through."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)

    def __call__(self) -> None:
        assert self.steps.acquire(timeout=20)

    def open(self, count: int = 1000) -> None:
        self.steps.release(count)


def let_go(view: RunView, run: Run, gate: Gate) -> None:
    """Lets a held run and its view end."""
    run.stop()
    gate.open()
    assert run.wait(20)
    view.finish()


def test_a_page_that_hears_nothing_gets_another_widget(front_end: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "_DEAF_SECONDS", 3600.0)
    gate, view = Gate(), RunView()
    run = start(view, [stage()], gate)
    try:
        screen = shown(view)
        first = screen.widget
        tell(screen, cmd="sync", page="a")
        tell(screen, cmd="sync", page="a")  # sent before the answer came
        screen.update()
        assert screen.widget is first
        monkeypatch.setattr(widget, "_DEAF_SECONDS", -1.0)
        tell(screen, cmd="sync", page="a")
        screen.update()
        assert screen.widget is not first
        assert first.comm is None
        kinds = [next(iter(bundle)) for _, bundle, _ in front_end.bundles[-2:]]
        assert kinds == ["text/plain", "application/vnd.jupyter.widget-view+json"]  # else its place stays hidden
        monkeypatch.setattr(widget, "_DEAF_SECONDS", 3600.0)
        tell(screen, cmd="sync", page="b")
        screen.update()
        assert screen._told["title"]
    finally:
        let_go(view, run, gate)


def until(view: RunView, steps: int) -> None:
    """Waits until so many steps are recorded."""
    deadline = time.monotonic() + 20
    while sum(item.done for item in view.record.stages) < steps:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_one_output_is_text_then_a_widget_then_html(front_end: Recorder) -> None:
    view = RunView()
    shown(view)
    finished_run(view, two_stages())
    assert [(VIEW in bundle, update) for _, bundle, update in front_end.bundles] == [
        (False, False), (True, True), (False, True)
    ]  # fmt: skip
    assert len({display_id for display_id, _, _ in front_end.bundles}) == 1
    assert all("text/plain" in bundle for _, bundle, _ in front_end.bundles)
    last = front_end.bundles[-1][1]
    assert set(last) == {"text/html", "image/png", "text/plain"}


def test_a_run_of_a_moment_gets_no_widget(front_end: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_WIDGET_SECONDS", 3600.0)  # a moment, however busy the machine is
    view = RunView()
    view.show()
    finished_run(view, [stage("base", end=0.1)])
    assert not any(VIEW in bundle for _, bundle, _ in front_end.bundles)


def test_nothing_is_sent_before_the_front_end_asks(front_end: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_UNASKED_SECONDS", (3600.0,))
    view = RunView()
    shown(view)
    finished_run(view, two_stages())
    assert front_end.messages == []


def test_a_front_end_that_cannot_be_heard_is_told_everything_after_a_while(
    front_end: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_UNASKED_SECONDS", (1.5, 3600.0))
    view = RunView()
    screen = shown(view)
    screen._shown -= 2
    view.pump()
    view.pump()
    assert [content.get("all") for content, _ in front_end.messages] == [True]


def test_sync_is_answered_with_everything_then_only_news(front_end: Recorder) -> None:
    view, gate = RunView(preview_every=1), Gate()
    screen = shown(view)
    run = start(view, [stage("base", end=0.4)], gate)
    gate.open(6)
    until(view, 5)
    tell(screen, cmd="sync", page="1")
    view.pump()
    everything, buffers = front_end.messages[-1]
    assert everything["all"]
    assert [point["i"] for point in everything["points"]] == [0, 1, 2, 3, 4]
    assert buffers[everything["points"][0]["fb"]].startswith(b"\xff\xd8")
    gate.open(1)
    until(view, 6)
    view.pump()
    news = front_end.messages[-1][0]
    assert "all" not in news
    assert [point["i"] for point in news["points"]] == [5]
    tell(screen, cmd="sync", page="1")
    view.pump()
    assert len(front_end.messages[-1][0]["points"]) == 6
    let_go(view, run, gate)


def test_head_tells_stages_plan_and_status(front_end: Recorder) -> None:
    view, gate = RunView(), Gate()
    view.plan(two_stages())
    screen = shown(view)
    run = start(view, two_stages(), gate)
    gate.open(4)
    until(view, 3)
    tell(screen, cmd="sync", page="1")
    view.pump()
    content = front_end.messages[-1][0]
    assert content["title"] == "base → final"
    assert content["state"] == "running"
    assert content["status"].startswith("denoising 3 of 30 · ")
    assert [item["where"] for item in content["stages"]] == [
        "demo/scenes, steps 0–24 of 30",
        "demo/paper, steps 24–30 of 30",
    ]
    assert content["stages"][0]["sigma"] == "14.6"
    assert content["stages"][1]["coming"]
    let_go(view, run, gate)


def test_decoded_pictures_are_sent_once(front_end: Recorder) -> None:
    view = RunView()
    screen = shown(view)
    tell(screen, cmd="sync", page="1")
    view.pump()
    run = start(view, [stage("out", batch_size=2)])
    assert run.wait(20)
    view.pump()
    view.finish()
    found = [content["pictures"] for content, _ in front_end.messages if "pictures" in content]
    assert [[len(entry["b"]) for entry in entries] for entries in found] == [[2]]


def test_stop_pause_and_resume_act_on_the_run(front_end: Recorder) -> None:
    view, gate = RunView(), Gate()
    screen = shown(view)
    run = start(view, two_stages(), gate)
    gate.open(3)
    until(view, 2)
    tell(screen, cmd="pause")
    assert run.state == "paused"
    view.pump()
    assert view.record.state == "paused"
    tell(screen, cmd="resume")
    assert run.state == "running"
    tell(screen, cmd="stop")
    assert run.state == "stopping"
    gate.open(1)
    assert run.wait(20)
    view.finish()
    assert view.record.state == "stopped"
    assert view.record.stages[-1].done == 3


def test_branch_binds_the_step(front_end: Recorder) -> None:
    bound: dict[str, Any] = {}
    view = view_of(latents_at(stage(), 24).replace(trajectory=tuple(latents_at(stage(), n) for n in range(1, 25))))
    view.bind = bound.__setitem__
    view.record.stages[0].name = "base"
    screen = shown(view)
    tell(screen, cmd="branch", point=11)
    assert list(bound) == ["base_12"]
    assert bound["base_12"].position.step == 12
    assert front_end.messages[-1][0]["said"] == "base_12 is bound (base.at(step=12))"


@pytest.mark.parametrize("paused", [False, True])
def test_a_stage_that_runs_can_be_branched_and_exported(
    front_end: Recorder, paused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bound: dict[str, Any] = {}
    view, gate = RunView(bind=bound.__setitem__), Gate()
    screen = shown(view)
    run = start(view, two_stages(), gate)
    gate.open(4)
    until(view, 3)
    tell(screen, cmd="sync", page="1")
    if paused:
        tell(screen, cmd="pause")
    tell(screen, cmd="branch", point=1)
    for kind in ("safetensors", "png"):
        tell(screen, cmd="export", point=1, kind=kind)
    view.pump()
    said = [content["said"] for content, _ in front_end.messages if "said" in content]
    assert said == [
        "base_2 is bound",
        "saved base_2.safetensors",
        "saved base_2.png: the preview of this step, 64 × 64 pixels",
    ]
    assert bound["base_2"].position.step == 2
    assert [one.position.step for one in bound["base_2"].trajectory] == [1, 2]
    assert (tmp_path / "base_2.png").stat().st_size > 0
    let_go(view, run, gate)
    assert not any(point.look for item in view.record.stages for point in item.points), "no run is held on to"


def test_a_step_that_had_no_time_for_a_picture_gets_it_when_it_is_asked_for(
    front_end: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_latents.display.records.pace.PreviewPace.wants", lambda *_: False)
    view, gate = RunView(), Gate()
    screen = shown(view)
    run = start(view, two_stages(), gate)
    gate.open(4)
    until(view, 3)
    tell(screen, cmd="sync", page="1")
    view.pump()
    assert not any("fb" in point for content, _ in front_end.messages for point in content.get("points", []))
    tell(screen, cmd="picture", point=1)
    view.pump()
    content, buffers = front_end.messages[-1]
    (point,) = content["points"]
    assert point["i"] == 1
    assert buffers[point["fb"]].startswith(b"\xff\xd8")
    assert "vb" in point
    let_go(view, run, gate)


def test_a_stage_that_failed_can_be_branched_at_what_it_had_done(front_end: Recorder) -> None:
    bound: dict[str, Any] = {}
    view = RunView(bind=bound.__setitem__)
    made = latents_at(stage(), 3).replace(trajectory=tuple(latents_at(stage(), n) for n in (1, 2, 3)))

    def work(run: Run) -> None:
        view.stage(0, stage(), "base")
        for one in made.trajectory:
            view.step(step_event(one.position.step), Drawn(list, (one,)))
        raise RunError("it broke", partial=kept_result(made))

    run = LocalExecutor().submit(work)
    view.attach(run)
    assert run.wait(20)
    view.finish()
    assert answer(view, {"cmd": "branch", "point": 1}) == "base_2 is bound (base.at(step=2))"
    assert bound["base_2"].position.step == 2


@pytest.mark.parametrize("kind", ["safetensors", "pt", "latent", "png"])
def test_export_writes_beside_the_notebook(
    front_end: Recorder, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    view = view_of(latents_at(stage(), 24))
    view.record.stages[0].name = "base"
    view.record.stages[0].points[0].frame = front_end_frame()
    screen = shown(view)
    for name in (f"base_24.{kind}", f"base_24_2.{kind}"):
        tell(screen, cmd="export", point=0, kind=kind)
        small = ": the preview of this step, 64 × 64 pixels" if kind == "png" else ""
        assert front_end.messages[-1][0]["said"] == f"saved {name}{small}"
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize(("picture", "size"), [(-1, (258, 258)), (2, (128, 128))])
def test_export_of_a_batch_is_what_is_shown(
    front_end: Recorder, picture: int, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    view = RunView()
    screen = shown(view)
    tell(screen, cmd="sync", page="1")
    finished_run(view, [stage("many", batch_size=4)])
    view.show()
    tell(view._screens[-1], cmd="export", point=29, kind="png", picture=picture)
    assert Image.open("many_30.png").size == size


@pytest.mark.parametrize(
    "content",
    [
        {"cmd": "export", "kind": "exe", "point": 0},
        {"cmd": "export", "kind": "png", "point": 0, "picture": "x"},
        {"cmd": "export", "kind": "png", "point": 0, "picture": float("nan")},
        {"cmd": "export", "kind": ["png"], "point": 0},
        {"cmd": "export", "kind": "png", "point": True},
        {"cmd": "branch", "point": 99},
        {"cmd": "branch", "point": 10**5000},
        {"cmd": "branch"},
        {"cmd": "picture", "point": -1},
        {"cmd": "?"},
        {"cmd": {}},
    ],
)
def test_messages_that_make_no_sense_do_no_harm(
    front_end: Recorder, content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    screen = shown(view_of(latents_at(stage(), 24)))
    tell(screen, **content)
    for no_message in (None, [], "stop", 1):
        screen._receive(screen.widget, no_message, [])
    assert all(set(said) == {"said"} for said, _ in front_end.messages)
    assert not list(tmp_path.iterdir())


def test_background_run_sends_and_finishes_itself(front_end: Recorder) -> None:
    view = RunView()
    screen = shown(view)
    tell(screen, cmd="sync", page="1")
    start(view, two_stages(), lambda: time.sleep(0.01))
    deadline = time.monotonic() + 20
    while "text/html" not in front_end.bundles[-1][1]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(front_end.messages) > 2


def test_updates_are_throttled_where_nobody_pumps(front_end: Recorder) -> None:
    view = RunView(preview_every=1)
    screen = shown(view)
    tell(screen, cmd="sync", page="1")
    began = time.monotonic()
    run = start(view, [stage()], lambda: time.sleep(0.005))
    assert run.wait(20)
    view.finish()
    assert len(front_end.messages) <= (time.monotonic() - began) / 0.1 + 12


def test_fifty_runs_leave_no_widgets(front_end: Recorder) -> None:
    from ipywidgets.widgets.widget import _instances

    before = len(_instances)
    for _ in range(50):
        view = RunView(preview_every=0)
        tell(shown(view), cmd="sync", page="1")
        finished_run(view, [stage("base", end=0.1)])
    assert len(_instances) <= before + 2, "the last one's at most, and its layout"
    tell(view._screens[-1], cmd="left", page="1")
    assert len(_instances) == before


def test_an_older_view_becomes_static_when_a_new_one_opens(front_end: Recorder) -> None:
    first = shown(view_of(latents_at(stage(), 24)))
    shown(view_of(latents_at(stage(), 12)))
    assert first.widget is None
    assert (first.display_id, True) in [(shown_id, update) for shown_id, _, update in front_end.bundles]


def test_a_reloaded_page_is_given_the_lasting_output_to_put_in_its_place(front_end: Recorder) -> None:
    view = RunView()
    screen = shown(view)
    tell(screen, cmd="sync", page="1")
    tell(screen, cmd="sync", page="2")
    view.pump()
    finished_run(view, two_stages())
    news, given = (content for content, _ in front_end.messages[-2:])
    assert news["state"] == "done", "for front ends that cannot put it there"
    assert given == {"lasting": front_end.bundles[-1][1], "model": screen.widget.model_id, "later": False}
    tell(screen, cmd="left", page="2")
    assert screen.widget is not None, "the first page has not said that it has it"
    shown(RunView())
    assert screen.widget is None


def test_a_page_that_opens_after_the_end_is_given_the_lasting_output(front_end: Recorder) -> None:
    view = RunView()
    screen = shown(view)
    tell(screen, cmd="sync", page="1")
    finished_run(view, two_stages())
    tell(screen, cmd="sync", page="2")
    given, everything = (content for content, _ in front_end.messages[-2:])
    assert everything["all"]
    assert set(given["lasting"]) == {"text/html", "image/png", "text/plain"}


def test_a_view_of_latents_gives_its_lasting_output_for_when_the_notebook_is_saved(front_end: Recorder) -> None:
    screen = shown(view_of(latents_at(stage(), 24)))
    tell(screen, cmd="sync", page="1")
    given, everything = (content for content, _ in front_end.messages)
    assert everything["all"]
    assert given["later"]
    assert "text/html" in given["lasting"]
    tell(screen, cmd="left", page="1")
    assert screen.widget is not None, "the page may be opened again"


def test_the_widget_of_an_ended_run_is_closed_when_no_page_shows_it(front_end: Recorder) -> None:
    view = RunView()
    screen = shown(view)
    tell(screen, cmd="sync", page="1")
    tell(screen, cmd="left", page="1")
    assert screen.widget is not None, "the run goes on, and a page may come"
    tell(screen, cmd="sync", page="2")
    finished_run(view, two_stages())
    tell(screen, cmd="left", page="2")
    assert screen.widget is None


def test_an_older_view_of_latents_stays_closed(front_end: Recorder) -> None:
    view = view_of(latents_at(stage(), 24))
    first = shown(view)
    second = shown(view)
    tell(second, cmd="sync", page="1")
    assert first.widget is None
    assert view._screens == [second]


def test_a_run_shows_its_view_once_more_and_both_end_whole(front_end: Recorder) -> None:
    view, gate = RunView(), Gate()
    first = shown(view)
    run = start(view, two_stages(), gate)
    gate.open(4)
    until(view, 2)
    run.view()._ipython_display_()
    second = view._screens[-1]
    second._shown -= 0.3
    view.pump()
    tell(second, cmd="sync", page="1")
    view.pump()
    assert front_end.messages[-1][0]["all"]
    let_go(view, run, gate)
    last = {display_id: bundle for display_id, bundle, _ in front_end.bundles}
    assert set(last) == {first.display_id, second.display_id}
    assert all("text/html" in bundle for bundle in last.values())
    run.view()._ipython_display_()
    assert len(view._screens) == 1, "what has its lasting output is let go of"


def test_a_run_without_a_view_says_so() -> None:
    with pytest.raises(SettingError, match=r"run\.result\.view\(\)"):
        Run().view()


def test_subshell_routing_is_switched_off_only_where_it_exists() -> None:
    from types import SimpleNamespace

    from jupyter_latents.display.widget import answer_on_the_asking_thread

    new, old = SimpleNamespace(_reply_subshell_for=print), SimpleNamespace()
    answer_on_the_asking_thread(SimpleNamespace(comm=new))
    answer_on_the_asking_thread(SimpleNamespace(comm=old))
    answer_on_the_asking_thread(SimpleNamespace(comm=None))
    assert new._reply_subshell_for is None
    assert vars(old) == {}


def front_end_frame() -> bytes:
    from jupyter_latents.display.pictures.images import jpeg
    from tests.display.fake_run import landscape

    return jpeg(landscape(64))


def test_the_cell_of_a_step_is_asked_of_the_kernel(front_end: Recorder) -> None:
    view = RunView()
    screen = shown(view)
    finished_run(view, two_stages())
    tell(screen, cmd="sync", page="a")
    tell(screen, cmd="cell", point=11, new=True)
    view.poke()
    told = [message for message, _ in front_end.messages if "cell" in message]
    assert told == [{"cell": cell_asked(view, {"point": 11})["cell"], "new": True}]
    assert told[0]["cell"].splitlines()[-1] == "--denoising-end 0.4"
    assert "no step is selected" in cell_asked(view, {"point": "x", "whole": 1})["said"]


def test_latents_from_elsewhere_have_no_cell(front_end: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    del front_end
    view = RunView()
    finished_run(view, two_stages())
    monkeypatch.setattr("jupyter_latents.latents.services.cell", lambda *_: "")
    assert "come from elsewhere" in cell_asked(view, {"point": 0})["said"]


def test_the_queue_is_told_cut_and_ordered(front_end: Recorder) -> None:
    gate, queue = Gate(), LocalExecutor()
    views = [RunView() for _ in range(3)]
    runs = [queue.submit(fake_work(view, [stage(f"made{n}", end=0.1)], gate)) for n, view in enumerate(views)]
    for view, run, number in zip(views, runs, range(3), strict=True):
        view.plan([stage(f"made{number}")])
        view.attach(run)
    screen = shown(views[0])
    tell(screen, cmd="sync", page="a")
    views[0].pump()
    assert [one.title for one in views[0].record.queue] == ["made1", "made2"]
    tell(screen, cmd="advance", place=1)
    assert queue.waiting == (runs[0], runs[2], runs[1])
    tell(screen, cmd="cancel", place=1)
    assert runs[1].wait(20)
    assert (views[2].queue.ahead, views[0].queue.ahead) == ("made0", "")
    runs[0].pause()
    views[2].show()
    assert (views[2].queue.held_up, views[0].queue.held_up) == ("made0", "")
    views[2].queue.free(stop=False)
    assert runs[0].state == "running"
    views[2].queue.free(stop=True)  # it is paused no more: who presses too late ends nothing
    assert not runs[0].flag.asked
    tell(screen, cmd="cancel", place=7)
    tell(screen, cmd="advance", place="x")
    gate.open()
    assert all(run.wait(20) for run in runs)
    assert [run.state for run in runs] == ["done", "stopped", "done"]
    for view in views:
        view.finish()
    assert payload.head(views[0].record)["queue"] == []


def test_runs_of_the_same_name_are_numbered() -> None:
    gate, queue = Gate(), LocalExecutor()
    views = [RunView() for _ in range(3)]
    runs = [queue.submit(fake_work(view, [stage("made", end=0.1)], gate)) for view in views]
    for view, run in zip(views, runs, strict=True):
        view.plan([stage("made")])
        view.attach(run)
    assert [one.title for one in views[2].queue.waiting] == ["made (2)", "made (3)"]
    assert [one.own for one in views[2].queue.waiting] == [False, True]
    assert views[2].queue.ahead == "made"
    gate.open()
    assert all(run.wait(20) for run in runs)


def test_each_step_has_its_picture_from_when_somebody_chooses_so(front_end: Recorder) -> None:
    gate, view = Gate(), RunView(preview_every=0)
    run = start(view, [stage("base", end=0.2)], gate)
    screen = shown(view)
    gate.open(4)
    until(view, 3)
    tell(screen, cmd="each", on=True)
    tell(screen, cmd="each", on="yes")
    gate.open(2)
    until(view, 5)
    pictured = [point.frame is not None for point in view.record.stages[0].points]
    let_go(view, run, gate)
    assert pictured == [False, False, False, True, True]
