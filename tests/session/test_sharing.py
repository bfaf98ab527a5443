"""Sessions of one process share its models, their budget and the queue; names and results are each one's own."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_latents.display.view import RunView
from jupyter_latents.engine import local_engine
from jupyter_latents.engine.models.budget import ModelBudget
from jupyter_latents.errors import ModelError
from jupyter_latents.session import Session, current
from jupyter_latents.settings import SETTINGS, Settings
from tests.session.conftest import SECONDS, Desk
from tests.session.engines import FarEngine

SCRIPT = "<sd15> --prompts cat --seeds 3 --inference-steps 2 --output-size 64 --into base"


def test_a_second_session_reads_no_model_again(desk: Desk) -> None:
    desk.run(SCRIPT)
    loads, other = desk.session.engine.cache.loads, Desk(desk.models, Session())
    other.run(SCRIPT.replace("cat", "dog"))
    assert other.session.engine.cache.loads == loads
    assert other.session.holdings() == desk.session.holdings()
    assert desk["base"].provenance.prompt == "cat"


def test_what_one_session_unloads_is_gone_for_all(desk: Desk) -> None:
    desk.run(SCRIPT)
    other = Session()
    assert other.unload() != "0 B"
    assert not desk.session.holdings()
    with pytest.raises(ModelError, match="no model 'sd15' is held"):
        desk.session.unload("sd15")


def test_runs_of_two_sessions_wait_for_each_other(desk: Desk) -> None:
    opened, begun = threading.Event(), threading.Event()

    def gate(_run: Any) -> None:
        begun.set()
        opened.wait(SECONDS)

    first = desk.session.executor.submit(gate)
    assert begun.wait(SECONDS)
    second = Session().executor.submit(lambda run: None)
    assert second.state == "queued"
    opened.set()
    assert first.wait(SECONDS)
    assert second.wait(SECONDS)


def test_the_smallest_budget_holds_for_all_as_long_as_its_session_lives() -> None:
    budget, one, two = ModelBudget(Settings()), Settings(model_memory=5), Settings(model_memory=3, device_memory=7)
    assert (budget.model_memory, budget.device_memory) == (None, None)
    for settings in (one, two, one):
        budget.heed(settings)
    assert (budget.model_memory, budget.device_memory) == (3, 7)
    two.model_memory = 9
    assert budget.model_memory == 5
    del settings, two
    gc.collect()
    assert (budget.model_memory, budget.device_memory) == (5, None)


def test_a_budget_that_one_session_sets_holds_for_the_other(desk: Desk) -> None:
    desk.run(SCRIPT)
    held = sum(row.size for row in desk.session.holdings())
    other = Session(settings=Settings(model_memory=held))
    other.holdings()
    desk.run(SCRIPT.replace("sd15", "sd2"))
    assert sum(row.size for row in desk.session.holdings()) <= held


def test_an_engine_of_its_own_shares_nothing_but_its_own_queue(desk: Desk) -> None:
    engine = local_engine(SETTINGS)
    own, beside = Session(engine=engine), Session(engine=FarEngine(engine))
    desk.run(SCRIPT)
    assert not own.holdings()
    assert own.executor is Session(engine=engine).executor
    assert len({own.executor, beside.executor, desk.session.executor}) == 3
    assert Session(engine=desk.session.engine).executor is desk.session.executor


def test_each_shell_binds_its_own_names_and_finds_its_results_again(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config()
    config.HistoryManager.enabled = False
    second = InteractiveShell(config=config, user_ns={})
    second.run_line_magic("load_ext", "jupyter_latents")
    cell = "demo/scenes --prompts x --seeds 1 --inference-steps 1 --output-size 64 --into base"
    shell.run_cell_magic("dgen", "", cell)
    first, views = current(shell.user_ns), list[RunView]()
    with monkeypatch.context() as patched:
        patched.setattr(RunView, "show", lambda view, *_: views.append(view))
        second.run_cell_magic("dgen", "", cell.replace("--into base", "--into own"))
    assert views[0].bind is not None
    views[0].bind("branch", second.user_ns["own"])
    assert second.user_ns["branch"] is second.user_ns.pop("own")
    gate = threading.Event()
    first.executor.submit(lambda run: gate.wait(SECONDS))
    shell.run_cell_magic("dgen", "--background", cell.replace("--into base", "--into late"))
    second.run_line_magic("dgen", "--models")  # the other shell is the present one when the run ends
    gate.set()
    assert all(run.wait(SECONDS) for run in first.executor.waiting)
    assert "late" in shell.user_ns
    assert "base" not in second.user_ns
    assert "late" not in second.user_ns
    second.run_cell_magic("dgen", "", cell)
    assert "base" in second.user_ns
    assert current(shell.user_ns) is first
    shell.run_cell_magic("dgen", "", cell)
    assert first.executor is current(second.user_ns).executor
