"""``--prompt-weighter`` in scripts: read, refused at its place, told, kept."""

from __future__ import annotations

import pytest
import torch

from jupyter_latents.errors import JupyterLatentsError, ScriptError, SettingError
from jupyter_latents.settings import Settings
from jupyter_latents.stage import Prompt
from jupyter_latents.syntax import parse
from jupyter_latents.syntax.compose import compose, from_provenance
from tests.session.conftest import Desk

START = "<sd3> --seeds 3 --inference-steps 6 --output-size 64"


def prompts(script: str) -> list[Prompt]:
    return [stage.prompt for invocation in parse(script) for stage in invocation.stages()]


def test_the_option_and_the_head_of_a_prompt_say_what_reads_weights() -> None:
    tagged, plain = prompts(
        "m --prompts '<weighter: a1111;schedules=false> (a:2); b' 'c; d' --prompt-weighter sd-embed"
    )
    assert tagged == Prompt("(a:2)", "b", weighter="a1111;schedules=false")
    assert plain == Prompt("c", "d", weighter="sd-embed")
    assert prompts("m --prompts a -pw none") == [Prompt("a")]
    assert prompts("m --prompts a -pw A1111")[0].weighter is not None


def test_stages_with_a_weighter_are_written_as_script() -> None:
    stages = [
        stage
        for invocation in parse("m --prompts '(a:2)' --prompt-weighter 'a1111;schedules=false'")
        for stage in invocation.stages()
    ]
    assert [s for i in parse(compose(stages)) for s in i.stages()] == stages


def test_a_default_can_be_set_and_overridden(desk: Desk) -> None:
    desk.session.settings = Settings(prompt_weighter="a1111")
    (planned,) = desk.plan(f"{START} --prompts '[cat:dog:0.5]'").stages
    assert planned.course is not None
    assert len(planned.course.windows) == 2
    (planned,) = desk.plan(f"{START} --prompts '[cat:dog:0.5]' --prompt-weighter none").stages
    assert planned.course is not None
    assert len(planned.course.windows) == 1


def test_what_is_painted_as_text_is_told_once_and_not_where_it_is_read(desk: Desk) -> None:
    (told,) = desk.plan(f"{START} --prompts '[cat:dog:0.5] (red:1.2)'").printed
    assert told == "line 2: '[cat:dog:0.5]' is painted as text: --prompt-weighter a1111 reads it"
    assert not desk.plan(f"{START} --prompts '[cat:dog:0.5]' --prompt-weighter a1111").printed
    assert not desk.plan(f"{START} --prompts '<weighter: a1111> [cat:dog:0.5]'").printed
    assert desk.plan(f"{START} --prompts '[cat:dog:0.5]' --prompt-weighter none").printed


def test_the_plan_lists_the_windows_and_the_run_tells_the_change(desk: Desk) -> None:
    script = f"{START} --prompts 'a [cat:dog:0.5]; [sea::2]' --prompt-weighter a1111 --into made"
    plan = desk.plan(script)
    _, *rows = plan.rows()
    assert [row[:3] for row in rows] == [
        ("1.1", "'a cat; sea'", "0–2 of 6"),
        ("1.2", "'a cat'", "2–3 of 6"),
        ("1.3", "'a dog'", "3–6 of 6"),
    ]
    assert [row[4] for row in rows] == ["2", "1", "3"]
    assert rows[0][3].startswith("σ 1 (flow) → σ ")
    assert "the prompt changes after step 2, 3" in plan.stages[0].notes
    (result,) = desk.run(script).results
    assert result.latents.provenance.prompt == "a [cat:dog:0.5]"
    assert result.latents.provenance.options["prompt_weighter"] == "a1111"
    assert from_provenance(result.latents).prompt == Prompt("a [cat:dog:0.5]", "[sea::2]", weighter="a1111")


def test_many_windows_are_listed_in_part(desk: Desk) -> None:
    rows = desk.plan(f"{START} --prompts '[a|b]' -pw a1111".replace("6", "20", 1)).rows()
    assert [row[0] for row in rows] == ["1", *(f"1.{n}" for n in range(1, 9)), "1.…"]
    assert rows[-1][1] == "12 more windows"


@pytest.mark.parametrize(
    ("options", "message", "part"),
    [
        ("--prompts cat --prompt-weighter a1112", "is no prompt weighter; did you mean a1111?", "a1112"),
        ("--prompts cat --prompt-weighter 'compel;x=1'", "is no setting of compel; allowed: syntax", "compel;x=1"),
        ("--prompts '(cat' -pw a1111", "'(' at character 1 of the prompt is never closed", "'(cat'"),
        ("--prompts 'cat; dog)' -pw a1111", "')' at character 4 of the prompt closes no bracket", "'cat; dog)'"),
        ("--prompts 'cat' --negative-prompts '(dog' -pw a1111", "'(' at character 1 of the prompt", "'(dog'"),
    ],
)
def test_what_is_wrong_has_its_place(desk: Desk, options: str, message: str, part: str) -> None:
    with pytest.raises((ScriptError, SettingError)) as caught:
        desk.run(f"{START} {options}")
    assert message in caught.value.message
    place = caught.value.place
    assert place is not None
    assert place.text[place.column - 1 :].startswith(part)
    assert desk.session.engine.cache.loads == 0


def test_no_prompt_of_a_script_runs_where_a_later_one_cannot_be_read(desk: Desk) -> None:
    with pytest.raises(JupyterLatentsError, match="never closed"):
        desk.run(f"{START} --prompts cat --into one\n\n{START} --prompts '(cat' -pw a1111")
    assert "one" not in desk.session.names


def test_the_same_stage_again_is_remembered_and_another_weighter_is_another_stage(desk: Desk) -> None:
    script = f"{START} --prompts '(cat:1.3)' --prompt-weighter a1111"
    (first,) = desk.run(script).results
    (again,) = desk.run(script).results
    (other,) = desk.run(script.replace("a1111", "sd-embed")).results
    assert first.evaluations == 6
    assert again.evaluations == 0
    assert other.evaluations == 6


def test_a_sweep_over_the_step_of_a_change_runs_the_common_steps_once(desk: Desk) -> None:
    texts = " ".join(f"'a [cat:dog:{step}]'" for step in (2, 4, 3))
    script = f"{START} --prompts {texts} --prompt-weighter a1111 --into swept"
    plan = desk.plan(script)
    assert [stage.saved for stage in plan.stages] == [0, 2, 3]
    results = desk.run(script).results
    assert [result.evaluations for result in results] == [6, 4, 3]
    assert [result.saved for result in results] == [0, 2, 3]
    forced = desk.run(f"{script} --force").results
    assert [result.evaluations for result in forced] == [6, 6, 6]
    for result, again in zip(results, forced, strict=True):
        assert torch.equal(result.latents.tensor, again.latents.tensor)
        assert result.latents.provenance.prompt == again.latents.provenance.prompt
        assert result.latents.provenance.parents == again.latents.provenance.parents
        assert len(result.latents.trajectory) == len(again.latents.trajectory) == 6


def test_another_text_before_the_change_has_nothing_in_common(desk: Desk) -> None:
    script = f"{START} --prompts '[cat:dog:2]' '[fox:dog:4]' '[cat:dog:2] ' -pw a1111"
    assert [result.evaluations for result in desk.run(script).results][:2] == [6, 6]


def test_a_second_change_is_swept_from_the_first_on(desk: Desk) -> None:
    script = f"{START} --prompts '[[cat:dog:2]:bird:4]' '[[cat:dog:2]:bird:5]' -pw a1111"
    assert [stage.saved for stage in desk.plan(script).stages] == [0, 4]
    assert [result.evaluations for result in desk.run(script).results] == [6, 2]
