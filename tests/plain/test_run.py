"""`run` and `start`: results, names, steps, and every way in which a run ends."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import pkgutil
import signal
import threading
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

import jupyter_latents as jl
from jupyter_latents.errors import (
    HandoffError,
    JupyterLatentsError,
    NameNotFoundError,
    RunError,
    ScriptError,
    SettingError,
    StoppedError,
)
from jupyter_latents.latents import Latents, LatentsSequence
from jupyter_latents.plain import calls
from jupyter_latents.session import Session
from jupyter_latents.session.runs import waiting
from jupyter_latents.session.runs.run import Run
from jupyter_latents.session.runs.steps import Step
from tests.plain.conftest import MODEL, SECONDS, STEPS

SCRIPT = f"{MODEL}\n--prompts cat --seeds 7 --inference-steps {STEPS}"
GO_ON = f"{MODEL}\n--prompts cat --inference-steps {STEPS} --image-seeds"
HALF = jl.Stage.of(MODEL, prompt="cat", seed=7, num_inference_steps=STEPS, denoising_end=0.5)
WHOLE = jl.Stage.of(MODEL, prompt="cat", seed=7, num_inference_steps=STEPS)
REST = jl.Stage.of(MODEL, prompt="cat", latents=HALF, num_inference_steps=STEPS)


def same(first: Latents, second: Latents) -> bool:
    return torch.equal(first.tensor, second.tensor)


# What it gives


def test_no_module_stands_in_the_place_of_a_public_function() -> None:
    for module in pkgutil.walk_packages(jl.__path__, "jupyter_latents."):
        if "training" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for _ in range(2):
        assert jl.run(SCRIPT).is_clean
        assert jl.start(SCRIPT).get().is_clean
        assert type(jl.panel).__name__ == type(jl.register_converter).__name__ == "function"
    names = {module.name for module in pkgutil.iter_modules(jl.__path__)}
    assert not names & set(jl.__all__)


def test_a_script_gives_what_its_last_model_makes() -> None:
    made = jl.run(f"{SCRIPT} --denoising-end 0.5 --into base\n\n{GO_ON} 'latents: base'")
    assert isinstance(made, Latents)
    assert made.is_clean


def test_a_script_whose_options_multiply_gives_a_labelled_sequence() -> None:
    made = jl.run(f"{MODEL}\n--prompts cat --inference-steps 2 --seeds 1 2")
    assert isinstance(made, LatentsSequence)
    assert [made.label(number) for number in range(2)] == ["seed 1", "seed 2"]


def test_a_stage_equals_its_script_and_a_chain_of_stages_the_whole() -> None:
    whole = jl.run(SCRIPT)
    assert isinstance(whole, Latents)
    assert same(jl.run(WHOLE), whole)
    assert same(jl.run(REST, force=True), whole)


def test_a_list_of_stages_gives_one_for_each() -> None:
    half, rest = jl.run([HALF, REST])
    assert half.position is not None
    assert half.position.step == STEPS // 2
    assert same(rest, jl.run(WHOLE))
    (only,) = jl.run([WHOLE])
    assert same(only, rest)


def test_stages_of_a_list_are_labelled_by_what_tells_them_apart() -> None:
    named = jl.Stage.of(MODEL, prompt="cat", seed=8, num_inference_steps=1, into="mine")
    seeds = [jl.Stage.of(MODEL, prompt="cat", seed=seed, num_inference_steps=1) for seed in (7, 9)]
    made = jl.run([*seeds, named])
    assert [made.label(number) for number in range(3)] == ["seed 7", "seed 9", "mine"]
    same_twice = jl.run([seeds[0], seeds[0]])
    assert [same_twice.label(number) for number in range(2)] == ["0", "1"]


def test_a_stage_that_is_given_twice_runs_once() -> None:
    run = jl.start([REST, HALF, REST])
    assert len(run.get()) == 3
    assert len(run.results) == 2


def test_a_whole_cell_and_a_file_are_taken(tmp_path: Path) -> None:
    cell = str(WHOLE)
    assert cell.startswith("%%dgen\n")
    (tmp_path / "cat.dgen").write_text(SCRIPT)
    (tmp_path / "cell.dgen").write_text(f"\ufeff\n{cell}")
    whole = jl.run(cell)
    assert isinstance(whole, Latents)
    for file in ("cat.dgen", "cell.dgen"):
        assert same(whole, jl.run(tmp_path / file))  # type: ignore[arg-type]
    with pytest.raises(ScriptError, match="takes no options"):
        jl.run(f"%%dgen --force\n{SCRIPT}")


@pytest.mark.parametrize("given", [5, [], [5], None])
def test_what_is_no_script_is_refused(given: Any) -> None:
    with pytest.raises(SettingError, match=r"is no script; give"):
        jl.run(given)


def test_a_script_without_a_model_has_nothing_to_give() -> None:
    with pytest.raises(ScriptError, match="ran no stage; name a model"):
        jl.run("\\print hello")


def test_the_name_of_a_file_is_no_script() -> None:
    with pytest.raises(ScriptError, match=r"give pathlib\.Path"):
        jl.run("cat.dgen")


def test_an_error_has_the_traceback_of_who_waits() -> None:
    text = f"{GO_ON} 'latents: nobody'"
    with pytest.raises(NameNotFoundError) as told:
        jl.run(text)
    assert {entry.path.name for entry in told.traceback} <= {
        *("test_run.py", "calls.py", "waiting.py", "run.py", "conftest.py")
    }


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NameNotFoundError, match=r"none\.dgen' cannot be read"):
        jl.run(tmp_path / "none.dgen")


# Names


def test_names_are_read_and_bound_and_bound_again() -> None:
    names: dict[str, Any] = {"half": jl.run(HALF)}
    for _ in range(2):
        jl.run(f"{GO_ON} 'latents: half' --into whole", names=names)
    assert sorted(names) == ["half", "whole"]
    assert same(names["whole"], jl.run(WHOLE))


def test_a_name_that_holds_something_else_is_kept() -> None:
    names: dict[str, Any] = {"whole": "precious"}
    with pytest.raises(ScriptError, match="would overwrite"):
        jl.run(f"{SCRIPT} --into whole", names=names)
    jl.run(f"{SCRIPT} --into whole", names=names, force=True)
    assert isinstance(names["whole"], Latents)


@pytest.mark.parametrize("given", [{"names": "base"}, {"names": MappingProxyType({})}, {"on_step": 3}])
def test_what_cannot_be_bound_to_or_called_is_refused_before_anything_runs(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"^(names|on_step) is a \w+; give a "):
        jl.start(f"{SCRIPT} --into whole", **given)


def test_without_names_each_run_has_its_own(session: Session) -> None:
    jl.run(f"{SCRIPT} --into base")
    with pytest.raises(NameNotFoundError, match="no variable 'base'"):
        jl.run(f"{GO_ON} 'latents: base'")
    assert not session.names


def test_in_a_shell_its_variables_are_the_names(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the shell's session, as the magics find it
    shell.run_cell_magic("dgen", "", f"{SCRIPT} --denoising-end 0.5 --into base")
    jl.run(f"{GO_ON} 'latents: base' --into final")
    final = shell.user_ns["final"]
    shell.run_cell_magic("dgen", "", f"{GO_ON} 'latents: base' --into final")
    assert same(final, shell.user_ns["final"])
    stage = jl.Stage.of(MODEL, prompt="cat", latents=shell.user_ns["base"], num_inference_steps=STEPS, into="ours")
    assert "latents: base" in str(stage)
    assert same(jl.run(stage), final)
    assert same(shell.user_ns["ours"], final)
    assert "latents" not in shell.user_ns


def test_handed_over_results_leave_no_names_behind() -> None:
    names: dict[str, Any] = {}
    jl.run(REST, names=names)
    assert names == {}


# Steps


def test_each_step_tells_what_the_live_view_gets() -> None:
    steps: list[Step] = []
    jl.run([HALF, REST], on_step=steps.append)
    assert [(step.index, step.total, step.stage_index) for step in steps] == [
        (1, STEPS, 0), (2, STEPS, 0), (3, STEPS, 1), (4, STEPS, 1)
    ]  # fmt: skip
    sigmas = [step.sigma for step in steps]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] == 0
    assert steps[0].stage.seed == 7
    positions = [step.latents.position for step in steps]
    assert [position.step for position in positions if position] == [1, 2, 3, 4]


def test_latents_of_a_step_are_those_of_a_run_that_ends_there() -> None:
    seen: list[Latents] = []
    steps: list[Step] = []

    def look(step: Step) -> None:
        steps.append(step)
        seen.append(step.latents)

    jl.run(WHOLE, on_step=look)
    half = jl.run(HALF, force=True)
    assert same(seen[1], half)
    assert same(steps[1].latents, half)


def test_a_stage_that_is_kept_tells_its_steps_again() -> None:
    jl.run(WHOLE)
    run = jl.start(WHOLE)
    assert [step.index for step in run] == [1, 2, 3, 4]
    assert run.model_evaluations == 0


class LampError(Exception):
    """Nobody's error but the caller's."""


@pytest.mark.parametrize("at", [2, STEPS])
def test_an_exception_in_on_step_stops_there_and_loses_nothing(at: int) -> None:
    names: dict[str, Any] = {}
    called: list[int] = []

    def look(step: Step) -> None:
        called.append(step.index)
        if step.index == at:
            raise LampError("the lamp went out")

    with pytest.raises(LampError, match="the lamp went out"):
        jl.run(f"{SCRIPT} --into part\n\n{SCRIPT} --force --into never", names=names, on_step=look)
    assert called == list(range(1, at + 1))
    assert names["part"].position.step == at
    assert "never" not in names
    run = jl.start(f"{SCRIPT} --into part", names=names)
    run.get()
    assert run.model_evaluations == STEPS - at


def test_what_a_run_says_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jupyter_latents")
    jl.run(f"\\print hello\n{SCRIPT}")
    assert "hello" in caplog.messages


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--prompts '(cat:1.3)'", "is painted as text"),
        ("--prompts 'a {{ colour }} cat'", "'colour' is not there"),
        ("--prompts cat --image-seeds photo --image-seed-strengths 1", "hardly anything of the picture is kept"),
        ("--prompts cat --image-seeds photo;32 --output-size 64", "is resized to 32x32 by its seed and then to"),
    ],
)
def test_what_is_done_otherwise_than_written_is_shown_by_itself(
    options: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    size = "" if "--output-size" in options else "--output-size 64"
    jl.run(f"{MODEL} {options} {size} --seeds 7 --inference-steps 2", names={"photo": Image.new("RGB", (64, 64))})
    assert any(record.levelno == logging.WARNING and told in record.message for record in caplog.records)


# Ends


def test_iteration_yields_steps_as_they_come() -> None:
    gates = [threading.Semaphore(0) for _ in range(STEPS)]
    run = jl.start(WHOLE, on_step=lambda step: gates[step.index - 1].acquire(timeout=SECONDS))
    seen = []
    for step in run:
        seen.append(step.index)
        assert len(run.log._steps) == len(seen), "a later step is there, though its gate is closed"
        gates[step.index - 1].release()
    assert seen == [1, 2, 3, 4]
    assert [step.index for step in run] == seen, "a second look begins at the first step"


def test_iteration_and_get_raise_what_the_run_failed_with() -> None:
    text = f"{SCRIPT}\n\n{GO_ON} 'latents: nobody'"
    with pytest.raises(NameNotFoundError):
        list(jl.start(text))
    with pytest.raises(NameNotFoundError) as told:
        jl.start(text).get()
    assert told.value.place is not None
    assert told.value.place.line == 5


def test_a_stop_iteration_of_on_step_ends_the_iteration_with_an_error_of_ours() -> None:
    def enough(_step: Step) -> None:
        raise StopIteration

    with pytest.raises(RunError, match="on_step raised StopIteration"):
        list(jl.start(f"{SCRIPT} --force", on_step=enough))


def test_files_go_where_the_run_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "then").mkdir()
    monkeypatch.chdir(tmp_path / "first")
    jl.run(f"{SCRIPT.replace('7', '7 8')} --output-path made", on_step=lambda _step: os.chdir(tmp_path / "then"))
    assert len(list((tmp_path / "first" / "made").iterdir())) == 2
    assert not list((tmp_path / "then").iterdir())


def test_a_context_stops_its_run_at_the_end() -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold(step: Step) -> None:
        reached.set()
        assert opened.wait(SECONDS)

    with jl.start(WHOLE, on_step=hold) as run:
        assert reached.wait(SECONDS)
        run.flag.on_stop(opened.set)
    assert run.state == "stopped"
    assert run.result is not None
    assert run.result.position is not None
    assert run.result.position.step == 1
    with pytest.raises(StoppedError, match="ended at a whole step"):
        run.get()


def test_a_context_whose_run_has_ended_changes_nothing() -> None:
    with jl.start(WHOLE) as run:
        made = run.get()
    assert run.state == "done"
    assert run.get() is made


def test_a_context_raises_what_nobody_has_seen() -> None:
    def fail(step: Step) -> None:
        raise LampError

    with pytest.raises(LampError), jl.start(WHOLE, on_step=fail) as run:
        run.wait()


def test_await_gives_what_run_gives_and_leaves_the_loop_free() -> None:
    async def main() -> tuple[Any, list[int]]:
        beats: list[int] = []
        opened = threading.Event()
        run = jl.start(WHOLE, on_step=lambda _step: opened.wait(SECONDS))

        async def beat() -> None:
            for number in range(20):
                beats.append(number)
                await asyncio.sleep(0)
            opened.set()

        made, _ = await asyncio.gather(run, beat())
        return made, beats

    made, beats = asyncio.run(main())
    assert beats == list(range(20)), "the run ends only after the loop went on"
    assert same(made, jl.run(WHOLE))


def test_async_for_yields_the_steps() -> None:
    async def main() -> list[int]:
        return [step.index async for step in jl.start(WHOLE)]

    assert asyncio.run(main()) == [1, 2, 3, 4]


def test_an_awaited_run_raises_and_one_that_is_cancelled_stops() -> None:
    async def fails() -> None:
        await jl.start(f"{GO_ON} 'latents: nobody'")

    with pytest.raises(NameNotFoundError):
        asyncio.run(fails())
    opened = threading.Event()

    async def cancelled() -> Run:
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold(step: Step) -> None:
            loop.call_soon_threadsafe(reached.set)
            assert opened.wait(SECONDS)

        run = jl.start(WHOLE, on_step=hold)
        task = asyncio.ensure_future(run)
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        opened.set()
        return run

    run = asyncio.run(cancelled())
    assert run.wait(SECONDS)
    assert run.state == "stopped"
    assert run.results


def test_an_interrupt_stops_at_a_whole_step_and_what_was_made_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    runs: list[Run] = []
    waits, stopped = threading.Event(), threading.Event()

    def attend(run: Run) -> None:
        runs.append(run)
        run.flag.on_stop(stopped.set)
        waits.set()
        waiting.attend(run)

    def interrupt(step: Step) -> None:
        assert waits.wait(SECONDS)
        if step.index == 2:
            signal.raise_signal(signal.SIGINT)
            assert stopped.wait(SECONDS)

    monkeypatch.setattr(calls, "attend", attend)
    with pytest.raises(KeyboardInterrupt, match=r"is bound \(part\) and can be continued"):
        jl.run(f"{SCRIPT} --into part", names=names, on_step=interrupt)
    assert names["part"].position.step == 2
    run = jl.start(f"{SCRIPT} --into part", names=names)
    run.get()
    assert run.model_evaluations == STEPS - 2


def test_a_run_from_inside_a_run_is_refused() -> None:
    with pytest.raises(SettingError, match="cannot start another run"):
        jl.run(WHOLE, on_step=lambda _step: jl.run(WHOLE))


def test_errors_of_stages_speak_python_and_say_which_stage() -> None:
    lacking = jl.Stage.of(MODEL, prompt="cat", latents="none.safetensors", num_inference_steps=STEPS)
    with pytest.raises(NameNotFoundError) as told:
        jl.run([WHOLE, lacking])
    assert told.value.message.startswith(f"stage 2, {MODEL}: no file none.safetensors")
    assert told.value.place is None
    clean = jl.run(WHOLE)
    with pytest.raises(JupyterLatentsError) as refused:
        jl.run(jl.Stage.of(MODEL, prompt="cat", latents=clean, denoising_start=0.5, num_inference_steps=STEPS))
    assert "--" not in str(refused.value)


def test_a_hand_over_that_can_never_be_is_refused_before_anything_runs() -> None:
    steps: list[Step] = []
    odd = jl.Stage.of(MODEL, prompt="cat", latents=torch.zeros(1, 7, 16, 16), num_inference_steps=STEPS)
    with pytest.raises((HandoffError, JupyterLatentsError)):
        jl.run(odd, on_step=steps.append)
    assert not steps


def test_an_interrupted_start_has_ended_its_run_before_other_code_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Run] = []
    begin = calls._begin

    def noted(*given: Any, **options: Any) -> Any:
        made = begin(*given, **options)
        begun.append(made[0])
        return made

    def interrupted(_session: Session) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(calls, "_begin", noted)
    monkeypatch.setattr(Session, "imports", property(interrupted))
    with pytest.raises(KeyboardInterrupt, match="the run"):
        jl.start(f"{MODEL}\n--prompts cat --inference-steps 900")
    (run,) = begun
    assert run.wait(0), "what it imports is whole"
