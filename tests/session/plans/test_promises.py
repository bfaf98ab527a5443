"""Of stages that go on from each other the dry run promises what the run does, in its words."""

from __future__ import annotations

import pytest

from jupyter_latents.errors import JupyterLatentsError
from tests.engine.cases import mask, picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

FIRST = "demo/scenes --prompts a --seeds 1 --inference-steps 3 --output-size 64"
MASKED = "'photo;mask=hole;latents=base'"


def told(desk: Desk, script: str) -> tuple[list[str], list[str], str, str]:
    """Notes of the last stage that the plan tells, those of them that the run tells, and how both end."""
    desk.session.names.update(photo=picture(64), hole=mask(64))
    last = desk.plan(script).stages[-1]
    try:
        desk.run(script)
        ended = ""
    except JupyterLatentsError as error:
        ended = error.message
    notes = [note for note in last.notes if note != "seed drawn at the run"]
    return notes, [note for note in notes if note in desk.notes.lines], last.refused, ended


@pytest.mark.parametrize(
    ("seed", "strength"), [(MASKED, "0.1"), ("'photo;latents=base'", "0.5"), ("'photo;latents=base'", "1")]
)
def test_a_strength_beside_latents_is_told_to_do_nothing(desk: Desk, seed: str, strength: str) -> None:
    onward = f"demo/scenes --prompts a --seeds 1 --inference-steps 3 --image-seeds {seed}"
    script = f"{FIRST} --denoising-end 0.34 --into base\n\n{onward} --image-seed-strengths {strength} --into made"
    notes, said, refused, ended = told(desk, script)
    none = f"strength {strength} has no effect beside latents, which carry their noise"
    assert (refused, ended) == ("", "")
    assert notes == said
    assert (none in notes) == (strength != "1")  # which is what the pipeline is given
    assert desk["made"].provenance.number("strength", 0.0, 1.0) == 1.0


@pytest.mark.parametrize("option", ["--latents-processors", "--latents-post-processors"])
def test_a_timestep_without_a_level_is_refused_in_words(desk: Desk, option: str) -> None:
    scheduler = "--scheduler EDMEulerScheduler"
    onward = f"demo/scenes --prompts a --inference-steps 3 --image-seeds 'latents: base' {scheduler}"
    script = f"{FIRST} {scheduler} --denoising-end 0.5 --into base\n\n{onward} {option} 'noise;timestep=600'"
    _, _, refused, ended = told(desk, script)
    assert refused == ended
    assert "EDMEulerScheduler has no noise level for a timestep. Give sigma=" in refused


def test_what_post_processors_change_has_no_clean_estimate(desk: Desk) -> None:
    first = f"{FIRST} --denoising-end 2 --latents-post-processors 'scale;factor=1.1' --into base"
    crossing = f"{first}\n\ndemo/flow --prompts b --inference-steps 3 --image-seeds 'latents: base'"
    _, _, refused, ended = told(desk, crossing)
    assert refused == ended
    assert "after post-processors" in refused
    notes, said, *ends = told(desk, f"{first}\n\ndemo/paper --prompts b --inference-steps 3 --image-seeds base")
    assert ends == ["", ""]
    assert notes == said
    assert any("decoded with their noise" in note for note in notes)


@pytest.mark.parametrize("seeds", ["--gen-seeds 2", "--seeds 1 2"])
def test_seeds_that_run_alone_are_told_of_whoever_chooses_them(desk: Desk, seeds: str) -> None:
    notes, said, *ends = told(
        desk, f"demo/scenes --prompts a {seeds} --inference-steps 2 --image-seeds photo --batch-seeds"
    )
    assert ends == ["", ""]
    assert notes == said
    assert any("seeds run one after another, not as one batch" in note for note in notes)
