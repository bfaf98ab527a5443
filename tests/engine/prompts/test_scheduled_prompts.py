"""A prompt that changes during a run equals the stages that one would write by hand, bit for bit."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.prompts.windows import PromptWindow, prompt_windows
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.errors import ModelError, RunError, SettingError
from jupyter_latents.stage import Address, ModelSource, Prompt, Stage, Window
from tests.engine.cases import MODES, SCHEDULERS, Bench, equal, in_memory, through_file
from tests.engine.prompts.cases import FAMILIES, a1111, by_hand, prepared, run

TEXT = "a [red:blue:{}] (cat:1.2)"
THIN = ("DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "PNDMScheduler")


def halves(of: int, at: float) -> list[tuple[int, Prompt]]:
    """The two stages of `TEXT`."""
    return [(int(at * of + 1e-9), a1111("a red (cat:1.2)")), (of, a1111("a blue (cat:1.2)"))]


def check(bench: Bench, family: str, at: float, carry: Any, mode: str = "txt2img", **options: Any) -> None:
    """Sees that a scheduled prompt equals the stages by hand, and counts as many evaluations."""
    whole = run(bench, family, a1111(TEXT.format(at)), mode=mode, **options)
    parts = by_hand(
        bench, family, halves(whole.span.of, at), lambda latents: carry(latents, bench.scratch), mode=mode, **options
    )
    assert equal(whole, parts[-1])
    assert whole.evaluations == sum(part.evaluations for part in parts)
    if carry is in_memory:  # a file holds no steps before its own
        same = zip(whole.latents.trajectory, parts[-1].latents.trajectory, strict=True)
        assert all(torch.equal(one.tensor, other.tensor) for one, other in same)
    assert whole.latents.provenance.prompt == TEXT.format(at)
    assert whole.latents.provenance.options["prompt_weighter"] == "a1111"


@pytest.mark.parametrize("scheduler", THIN)
def test_a_scheduled_prompt_is_its_stages(bench: Bench, scheduler: str) -> None:
    check(bench, "sd15", 0.5, through_file, scheduler=scheduler, num_inference_steps=6)


@pytest.mark.slow
@pytest.mark.parametrize("carry", [in_memory, through_file])
@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_runs_a_scheduled_prompt(bench: Bench, scheduler: str, at: float, carry: Any) -> None:
    check(bench, "sd15", at, carry, scheduler=scheduler)


@pytest.mark.parametrize(("family", "mode"), [("sdxl", "txt2img"), ("sd3", "img2img"), ("flux", "inpaint")])
def test_families_and_modes_run_scheduled_prompts(bench: Bench, family: str, mode: str) -> None:
    check(bench, family, 0.5, in_memory, mode, num_inference_steps=6)


@pytest.mark.slow
@pytest.mark.parametrize("at", [0.4, 0.5, 0.8])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_mode_runs_scheduled_prompts(bench: Bench, family: str, mode: str, at: float) -> None:
    check(bench, family, at, in_memory, mode)


@pytest.mark.parametrize("family", ["sd15", "flux"])
def test_turns_are_a_stage_a_step(bench: Bench, family: str) -> None:
    options = {"num_inference_steps": 3, **({"scheduler": "DDIMScheduler"} if family == "sd15" else {})}
    whole = run(bench, family, a1111("a [cat|dog]"), **options)
    texts = [(1, a1111("a cat")), (2, a1111("a dog")), (3, a1111("a cat"))]
    assert equal(whole, by_hand(bench, family, texts, **options)[-1])


def test_negative_prompts_change_too(bench: Bench) -> None:
    whole = run(bench, "sdxl", a1111("a cat", "[dog::0.5]", second="[red:3]"), num_inference_steps=4)
    texts = [
        (2, a1111("a cat", "dog", second="")),
        (3, a1111("a cat", "", second="")),
        (4, a1111("a cat", "", second="red")),
    ]
    assert equal(whole, by_hand(bench, "sdxl", texts, num_inference_steps=4)[-1])


@pytest.mark.parametrize("at", [0.3, 0.5])
def test_a_scheduled_prompt_can_itself_be_split(bench: Bench, at: float) -> None:
    prompt = a1111(TEXT.format(0.5))
    whole = run(bench, "sd15", prompt)
    parts = by_hand(bench, "sd15", [(int(at * whole.span.of), prompt), (whole.span.of, prompt)])
    assert equal(whole, parts[-1])


def test_a_run_that_is_stopped_keeps_its_steps_and_goes_on(bench: Bench) -> None:
    from dataclasses import replace

    prompt, steps = a1111(TEXT.format(0.5)), []
    stage = replace(bench.stage("sd15", num_inference_steps=6), prompt=prompt)
    part = bench.engine.run(stage, stopped=lambda: bool(steps.append(1)) or len(steps) == 4)
    assert part.stopped
    assert part.latents.position is not None
    assert part.latents.position.step == 4
    rest = run(bench, "sd15", prompt, part.latents, num_inference_steps=6)
    assert equal(rest, run(bench, "sd15", prompt, num_inference_steps=6))


def test_a_stop_between_two_prompts_keeps_the_steps(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_latents.engine.prompts.encoding import PromptEncoder
    from jupyter_latents.errors import StoppedError

    encode, calls = PromptEncoder.encode, []

    def stopping(self: PromptEncoder, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise StoppedError("stopped")
        return encode(self, *args)

    monkeypatch.setattr(PromptEncoder, "encode", stopping)
    part = run(bench, "sd15", a1111(TEXT.format(0.5)), num_inference_steps=6)
    assert part.stopped
    assert part.latents.position is not None
    assert part.latents.position.step == 3


def test_what_failed_after_a_change_keeps_the_steps_before(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_latents.engine.prompts.encoding import PromptEncoder

    encode, calls = PromptEncoder.encode, []

    def failing(self: PromptEncoder, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("broken")
        return encode(self, *args)

    monkeypatch.setattr(PromptEncoder, "encode", failing)
    with pytest.raises(RunError, match="broken") as caught:
        run(bench, "sd15", a1111(TEXT.format(0.5)), num_inference_steps=6)
    partial: Any = caught.value.partial
    assert partial.latents.position.step == 3


def windows(positive: str, span: Span, **more: Any) -> list[tuple[int, int, str]]:
    stage = Stage(model=ModelSource("m"), prompt=Prompt(positive, weighter="a1111", **more))
    return [(window.start, window.end, window.prompt.positive) for window in prompt_windows(stage, span)]


def test_windows_tile_the_steps_and_only_those(bench: Bench) -> None:
    whole = Span(0, 10, 10, 1, 10)
    assert windows("[a:b:0.4] c", whole) == [(0, 4, "a c"), (4, 10, "b c")]
    assert windows("[a:b:0.4] c", Span(0, 3, 10, 1, 10)) == [(0, 3, "a c")]
    assert windows("[a:b:0.4] c", Span(5, 10, 10, 1, 10)) == [(5, 10, "b c")]
    assert windows("[::0.4] c", whole) == [(0, 10, " c")]
    assert windows("[a|b]", Span(4, 7, 10, 1, 10)) == [(4, 5, "a"), (5, 6, "b"), (6, 7, "a")]


def test_texts_that_would_be_read_by_steps_again_are_not(bench: Bench) -> None:
    stage = Stage(model=ModelSource("m"), prompt=a1111("[x:[y:0.5:0.2]]"))
    first, second = prompt_windows(stage, Span(0, 10, 10, 1, 10))
    assert first == PromptWindow(0, 2, Prompt("[x:y]", weighter="a1111"))
    assert second.prompt == Prompt("[x:0.5]", weighter=Address("a1111", {"schedules": "false"}))
    whole = run(bench, "sd3", stage.prompt, num_inference_steps=5)
    texts = [(1, first.prompt), (5, second.prompt)]
    assert equal(whole, by_hand(bench, "sd3", texts, num_inference_steps=5)[-1])


def test_sd_embed_reads_no_schedule(bench: Bench) -> None:
    plan = prepared(bench, "sd15", Prompt("[red:blue:0.5]", weighter="sd-embed"))
    assert len(plan.windows) == 1


@pytest.mark.parametrize(
    ("prompt", "message", "option"),
    [
        (a1111("a (cat"), r"'\(' at character 3 of the prompt is never closed", "prompts"),
        (a1111("a cat)"), r"'\)' at character 6 of the prompt closes no bracket", "prompts"),
        (a1111("a [cat)]"), r"'\)' at character 7 of the prompt closes no bracket", "prompts"),
        (a1111("cat", "(a:1e9)"), "'1e9' at character 4 of the prompt is no weight", "negative_prompts"),
        (a1111("[a:(b:1e9):0.5]"), "'1e9' at character 4 of the prompt is no weight", "prompts"),
        (a1111("at 12:30"), "':30' at character 6 of the prompt is a weight of the whole prompt", "prompts"),
        (Prompt("a", weighter="compel;syntax=a1111"), "write compel or sdwui", "prompt_weighter"),
        (Prompt("a", weighter="b1111"), "no prompt weighter; did you mean a1111", "prompt_weighter"),
        (Prompt("a", weighter="a1111;schedules=maybe"), "write true or false", "prompt_weighter"),
        (Prompt("a", weighter="a1111;and=maybe"), "write true or false", "prompt_weighter"),
    ],
)
def test_what_cannot_be_read_is_refused_before_weights_load(
    bench: Bench, prompt: Prompt, message: str, option: str
) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        prepared(bench, "sd15", prompt)
    assert caught.value.option == option


def test_compel_that_cannot_be_imported_is_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "compel", None)
    with pytest.raises(ModelError, match=r"cannot be imported .*: pip install -U compel"):
        prepared(bench, "sd15", Prompt("a", weighter="compel"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "compel"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "compel.py").write_text("raise ImportError('cannot import name X\\nand so on')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"cannot be imported \(cannot import name X\): pip install"):
        prepared(bench, "sd15", Prompt("a", weighter="compel"))


def test_a_prompt_that_only_looks_scheduled_is_told(bench: Bench) -> None:
    (note,) = prepared(bench, "sd15", a1111("a | b [c:d:0.5]")).notes
    assert note.startswith("no schedule is read in the prompt: a | in it takes no turns")


def test_changes_are_told(bench: Bench) -> None:
    assert "the prompt changes after step 4, 8" in prepared(bench, "sd15", a1111("[[a:b:4]:c:8]", "d")).notes
    many = prepared(bench, "sd3", a1111("[a|b]")).notes
    assert "the prompt changes after step 1, 2, 3, 4, 5, … (9 times)" in many


def test_a_scheduler_without_a_history_to_carry_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_latents.engine.schedule import state

    monkeypatch.setattr(state, "of", lambda *_: None)
    with pytest.raises(RunError, match="cannot go on with another prompt at step 3"):
        run(bench, "sd15", a1111(TEXT.format(0.5)), num_inference_steps=6)


NEVER = "never painted in a schedule of 10 steps: "


@pytest.mark.parametrize(
    ("prompt", "window", "note"),
    [
        (a1111("a [red:blue:40] cat"), Window(), "blue of [red:blue:40], which begins after step 40"),
        (a1111("a cat", negative="[red::0] x"), Window(), "red of [red::0], which ends after step 0"),
        (
            a1111("a [red:blue:40] AND [c:d:0]"),
            Window(),
            "blue of [red:blue:40], which begins after step 40; c of [c:d:0], which ends after step 0",
        ),
        (a1111("[a:b:40] [c:d:41] [e:f:42] [g:h:43]"), Window(), "which begins after step 42; 1 more"),
        (a1111("a [red:blue:40] cat"), Window(None, 0.5), "blue of [red:blue:40], which begins after step 40"),
        (a1111("a [red:blue:8] [dog:0.9] cat"), Window(None, 0.5), ""),
        (a1111("a [red:blue:8] cat"), Window(), ""),
        (Prompt("[red:blue:40]", weighter=Address("sd-embed")), Window(), ""),
        (Prompt("[red:blue:40]"), Window(), ""),
    ],
    ids=str,
)
def test_what_never_holds_in_the_whole_schedule_is_told_once(
    bench: Bench, prompt: Prompt, window: Window, note: str
) -> None:
    made = prepare(replace(bench.stage("sd15", window=window, scheduler="DDIMScheduler"), prompt=prompt))
    told = [one for one in made.notes if one.startswith(NEVER)]
    assert len(told) == bool(note)
    assert note in "".join(told)
    assert told == [one for one in made.warnings if one.startswith(NEVER)]
