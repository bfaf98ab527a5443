"""A script is evaluated once: what is foreseen is what runs, and a plan changes, fetches and tells nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from jupyter_latents.display.tables.plan import plan_html
from jupyter_latents.engine.models import describe as describe_module
from jupyter_latents.errors import StoppedError
from jupyter_latents.session import Task
from jupyter_latents.stage import Stage
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes

SHORT = "--prompts cat --inference-steps 2 --output-size 64"


class Stages(Notes):
    """Keeps the stages that were told at the start, and those that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.planned: list[list[Stage]] = []
        self.ran: list[Stage] = []

    def plan(self, stages: Any) -> None:
        self.planned.append(list(stages))

    def stage(self, index: int, stage: Stage, name: str) -> None:
        self.ran.append(stage)


def watched(desk: Desk, text: str) -> Stages:
    observer = Stages()
    run = desk.session.start(Task(Script(desk.text(text), 2)), observer)
    assert run.wait(SECONDS)
    if run.error is not None:
        raise run.error
    return observer


def test_seeds_told_at_the_start_are_those_that_run(desk: Desk) -> None:
    observer = watched(desk, f"<sd15> {SHORT} --gen-seeds 2")
    (planned,) = observer.planned
    assert [stage.seed for stage in planned] == [stage.seed for stage in observer.ran]
    assert None not in [stage.seed for stage in planned]


def test_a_run_evaluates_and_prints_each_line_once(desk: Desk) -> None:
    asked: list[str] = []
    environment = desk.session.environment

    def counting(*arguments: Any) -> Any:
        made = environment(*arguments)
        made.have_feature = lambda name: bool(asked.append(name)) or True
        return made

    desk.session.environment = counting  # type: ignore[method-assign]
    script = f"\\print start {{{{ have_feature('a') }}}}\n<sd15> {SHORT} --seeds {{{{ have_feature('b')|int }}}}\n\n"
    script += "\\print {{ last_images[0].shape[0] }} {{ have_feature('c') }}"
    observer = watched(desk, script)
    assert asked == ["a", "b", "c"]
    assert [line for line in observer.lines if line in {"start True", "1 True"}] == ["start True", "1 True"]


def test_a_line_that_waits_is_named_by_the_plan_and_runs(desk: Desk) -> None:
    script = f"<sd15> {SHORT} --seeds 1 --into base\n\n<sd15> {SHORT} --seeds {{{{ last_images[0].shape[1] }}}}"
    plan = desk.plan(script)
    why = "line 4 depends on what line 2 is yet to make (last_images); it is planned when that is there"
    assert (len(plan.stages), plan.waiting) == (1, why)
    assert repr(plan).splitlines()[-2] == why
    assert f"</table><div>{why}</div>" in plan_html(plan)
    observer = watched(desk, script)
    assert [stage.seed for stage in observer.ran] == [1, 4]
    assert [len(stages) for stages in observer.planned] == [1, 2]


def test_a_stage_that_takes_what_a_template_hands_over_is_judged_before_the_run(desk: Desk) -> None:
    first = f"<sd15> {SHORT} --seeds 1 --denoising-end 0.5"
    taken = '--image-seeds "latents: {{ quote(last_images) }}"'
    script = f"{first}\n\n<sd15> {SHORT} --denoising-start 0.5 {taken}"
    assert desk.plan(script).stages[1].verdict == "exact continuation"
    assert desk.session.engine.cache.loads == 0
    desk.run(script)
    assert desk.notes.lines[0].startswith("stage 2")
    assert desk.notes.lines[0].endswith("exact continuation")


def test_a_sequence_is_handed_over_by_last_images_and_by_name(desk: Desk) -> None:
    script = f"<sd15> {SHORT} --seeds 1 2 --denoising-end 0.5 --into many\n\n"
    script += f'<sd15> {SHORT} --image-seeds "latents: many"\n\n\\print {{{{ last_images|length }}}}'
    plan = desk.plan(script)
    assert [stage.verdict for stage in plan.stages] == ["", "", *["exact continuation"] * 2]
    assert "2" in watched(desk, script).lines


def test_a_plan_draws_no_seed(desk: Desk) -> None:
    script = f"\\setp s gen_seeds(2)\n\\print {{{{ s[0] }}}}\n<sd15> {SHORT} --gen-seeds 2\n\n"
    script += f"<sd15> {SHORT} --seeds {{{{ s[1] }}}}"
    first, second = desk.plan(script), desk.plan(script)
    assert repr(first) == repr(second)
    assert first.printed == ("(drawn at the run)",)
    assert [stage.stage.seed for stage in first.stages] == [None] * 3
    assert all("seed drawn at the run" in row[-1] for row in first.rows())


def test_a_seed_that_is_not_given_is_drawn_or_comes_with_latents(desk: Desk) -> None:
    script = f"<sd15> {SHORT} --denoising-end 0.5 --into base\n\n<sd15> {SHORT} --image-seeds 'latents: base'"
    assert [row[-1] for row in desk.plan(script).rows()] == ["seed drawn at the run", "exact continuation"]
    watched(desk, script)
    assert desk["base"].provenance.seed is not None
    for name, seed in (("one", 3), ("two", 4)):
        watched(desk, f"<sd15> {SHORT} --seeds {seed} --denoising-end 0.5 --into {name}")
    (joined,) = desk.plan(f"<sd15> {SHORT} --image-seeds 'latents: one, two'").rows()
    assert joined[-1].endswith("seed drawn at the run"), "of two seeds none is the batch's"


def test_a_seed_that_a_template_works_with_is_drawn_at_the_run(desk: Desk) -> None:
    plan = desk.plan(f"<sd15> {SHORT} --seeds {{{{ gen_seeds(2)|join(' ') }}}}")
    assert [row[-1] for row in plan.rows()] == ["seed drawn at the run"] * 2
    plan = desk.plan(f"<sd15> {SHORT} --seeds {{{{ gen_seeds(1)[0]|int % 7 }}}}")
    assert plan.waiting.startswith("line 2 depends on a seed, which is drawn at the run")
    observer = watched(desk, f"<sd15> {SHORT} --seeds {{{{ gen_seeds(1)[0]|int % 7 }}}}")
    assert observer.ran[0].seed in range(7)


SECRET = "s3cret-value"


@pytest.mark.parametrize(
    "line",
    [
        '<sd15> --prompts "$TOKEN {{ env.TOKEN }}" --seeds 1',
        "<sd15> --prompts cat --seeds 1 --auth-token $TOKEN --into made",
        "$TOKEN --prompts cat",
        "no/such-$TOKEN --prompts cat",
        "<sd15> --prompts cat --image-seeds $TOKEN.png",
        "<sd15> --prompts cat --image-seeds ./$TOKEN/a.png",
        '<sd15> --prompts cat --image-seeds "latents: ./$TOKEN.pt"',
        "<sd15> --prompts cat --image-seeds http://127.0.0.1:9/$TOKEN.png",
        "<sd15> --prompts cat --scheduler $TOKEN",
        "\\print $TOKEN {{ env.TOKEN }}",
    ],
)
def test_no_value_of_the_environment_is_in_a_plan(line: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    plan = desk.plan(line)
    assert SECRET not in repr(plan) + plan_html(plan) + repr(plan.stages)
    assert SECRET not in "".join(str(stage.error) for stage in plan.stages)
    if "prompts" not in line or "no/such" in line:
        assert "$TOKEN" in repr(plan)


def test_a_plan_stops_when_asked(desk: Desk) -> None:
    def check() -> None:
        if describe_module._described.get():
            raise StoppedError("the first stage is planned.")

    with pytest.raises(StoppedError):
        desk.session.plan(Task(Script(desk.text(f"<sd15> {SHORT} --seeds 1 2"))), check)
    desk.session.plan(Task(Script(desk.text(f"<sd15> {SHORT} --seeds 1"))), check)


def test_a_run_that_is_stopped_while_it_is_foreseen_ends(desk: Desk) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    run = desk.start(f"{endless}\n<sd15> {SHORT}")
    run.stop()
    assert run.wait(SECONDS)
    assert (run.state, run.results, run.error) == ("stopped", [], None)


def test_each_model_is_described_once_a_plan_and_a_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[str] = []
    read = describe_module._read

    def counting(source: Any) -> Any:
        described.append(source.name)
        return read(source)

    monkeypatch.setattr(describe_module, "_read", counting)
    seeds = " ".join(map(str, range(10)))
    script = f"<sd15> {SHORT} --seeds {seeds}\n\n<sd2> {SHORT} --seeds {seeds}"
    plan = desk.plan(script)
    assert (len(plan.stages), len(described)) == (20, 2)
    described.clear()
    desk.run(script.replace("steps 2", "steps 1"))
    assert len(described) == 2
    describe_module.describe(plan.stages[0].model)
    describe_module.describe(plan.stages[0].model)
    assert len(described) == 4, "nothing is kept outside a plan or a run"


class Pictures(BaseHTTPRequestHandler):
    """Gives a picture, and counts."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        file = BytesIO()
        Image.new("RGB", (64, 64), "red").save(file, "png")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(file.getvalue())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address() -> Any:
    server = HTTPServer(("127.0.0.1", 0), Pictures)
    Pictures.asked.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a.png"
    server.shutdown()
    server.server_close()


def test_an_address_is_fetched_once_in_a_run_and_never_in_a_plan(desk: Desk, address: str) -> None:
    script = f"<sd15> {SHORT} --image-seeds {address} --seeds 1 2 --into made\n\n<sd15> {SHORT} --image-seeds made"
    plan = desk.plan(script)
    assert Pictures.asked == []
    assert [stage.later for stage in plan.stages[:2]] == [f"judged at the run: {address} is fetched then"] * 2
    assert plan.stages[2].later == "judged at the run: it takes what line 2 is yet to make"
    assert "3 judged at the run" in plan.summary
    assert plan.refused == ()
    assert len(desk.run(script).results) >= 3
    assert Pictures.asked == ["/a.png"]
    assert desk.plan(script).stages[0].mode == "img2img", "the file of the last run tells the size"
    desk.run(script)
    assert Pictures.asked == ["/a.png"] * 2


OFFLINE = """
import socket
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script

def guard(*_):
    raise AssertionError("the network was asked")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = guard
script = '''someone/model-elsewhere --prompts cat --into base

demo/scenes --prompts cat --loras someone/lora-elsewhere

demo/scenes --prompts cat --image-seeds https://example.org/a.png

someone/model-elsewhere --prompts cat --offline-mode
'''
from jupyter_latents.display.panel.plans.outlook import look
plan = Session().plan(Task(Script(script)))
print(*(stage.later for stage in plan.stages), *plan.refused, sep="\\n")
print([(one.text, one.error is not None) for one in look(Session(), script, [1, 1, 1, 1])])
"""


def test_a_plan_asks_no_network(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    model, lora, picture, _, refused, outlooks = done.stdout.splitlines()
    assert model == "someone/model-elsewhere is fetched at the run, then judged"
    assert "fetched at the run, then judged" in lora
    assert picture == "judged at the run: https://example.org/a.png is fetched then"
    assert "the hub is not asked (offline)" in refused
    assert outlooks.count("fetched at the run") == 2


def test_an_outlook_stops_when_the_panel_has_changed(desk: Desk) -> None:
    from jupyter_latents.display.panel.plans.outlook import Planner, look

    looked: list[str] = []

    def answer(text: str) -> None:
        if not looked:
            planner.ask("newer")
        try:
            look(desk.session, desk.text(f"<sd15> {SHORT}"), [1], planner.check)
        except StoppedError:
            looked.append("stopped")
        else:
            looked.append(text)

    planner = Planner(answer)
    planner.ask("older")
    planner.wait()
    assert looked == ["stopped", "newer"]
