"""``--sigmas "expr: ..."`` works noise levels out of those of the schedule: the same as the levels written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler

from jupyter_latents.engine.schedule.expressions import levels_of
from jupyter_latents.errors import JupyterLatentsError, ModelError
from jupyter_latents.syntax import parse
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 6 --guidance-scales 1 --seeds 3 --output-size 64"
EULER = f"<sd15> {RUN} --scheduler EulerDiscreteScheduler"


def levels(desk: Desk, family: str, kind: type) -> list[float]:
    own = kind.from_pretrained(desk.models(family), subfolder="scheduler")
    own.set_timesteps(6)
    return [float(level) for level in own.sigmas if level > 0]


@pytest.mark.parametrize(
    ("family", "kind"), [("sd15", EulerDiscreteScheduler), ("sd3", FlowMatchEulerDiscreteScheduler)]
)
def test_an_expression_is_its_levels(desk: Desk, family: str, kind: type) -> None:
    script = f"<{family}> {RUN} --scheduler {kind.__name__}"
    written = ",".join(repr(float(np.float32(level) * 0.95)) for level in levels(desk, family, kind))
    (planned,) = desk.plan(f'{script} --sigmas "expr: sigmas * 0.95"').stages
    assert planned.evaluations == 6, planned.refused
    desk.run(f'{script} --sigmas "expr: sigmas * 0.95" --into ours')
    desk.run(f"{script} --sigmas {written} --into theirs")
    desk.run(f"{script} --into plain")
    assert torch.equal(desk["ours"].tensor, desk["theirs"].tensor)
    assert not torch.equal(desk["ours"].tensor, desk["plain"].tensor)
    assert "expr: sigmas * 0.95" in desk["ours"].provenance.cell
    assert "--inference-steps 6" in desk["ours"].provenance.cell


def test_the_law_holds_and_another_expression_is_another_stage(desk: Desk) -> None:
    sigmas = '--sigmas "expr: sigmas ** 0.9"'
    desk.run(f"{EULER} {sigmas} --into whole")
    desk.run(f"{EULER} {sigmas} --denoising-end 0.5 --into part")
    desk.run(f"{EULER} {sigmas} --denoising-start 0.5 --image-seeds 'latents: part' --into ours")
    assert torch.equal(desk["ours"].tensor, desk["whole"].tensor)
    assert desk.run(f"{EULER} {sigmas}").model_evaluations == 0
    assert desk.run(f'{EULER} --sigmas "expr: sigmas ** 0.8"').model_evaluations > 0


FALLING = np.array([8.0, 4.0, 1.0, 0.0], dtype="float32")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("sigmas", (8, 4, 1)),
        ("sigmas[1:]", (4, 1)),
        ("sigmas[::2]", (8, 1)),
        ("np.linspace(9, 3, 3)", (9, 6, 3)),
        ("np.exp(np.linspace(np.log(8), np.log(2), len(sigmas) - 1))", (8, 4, 2)),
        ("-(-sigmas) + 1", (9, 5, 2, 1)),
        ("[3, 2.5, 1]", (3, 2.5, 1)),
        ("np.flip(np.sort(sigmas))", (8, 4, 1)),
    ],
)
def test_what_expressions_can_say(text: str, right: tuple[float, ...]) -> None:
    assert levels_of(f"expr: {text}", FALLING) == pytest.approx(right)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sigma * 2", "'sigma' is not known here"),
        ("__import__('os').system('x')", "not known here"),
        ("np.load(3)", "'np.load' is not known here"),
        ("np.linspace(0, 1, 10**9)", "numbers up to 100000 are the most"),
        ("np.sum([sigmas] * 10**12)", "makes no list of numbers"),
        ("np.sort(sigmas)", "do not fall from step to step"),
        ("sigmas * -1", "do not fall"),
        ("sigmas / 0", "no list of numbers"),
        ("sigmas[9]", "cannot be worked out"),
        ("3", "makes no list of numbers"),
        ("[x for x in sigmas]", "is not known here"),
        ("(lambda: 3)()", "is not known here"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_they_cannot_is_refused(text: str, says: str) -> None:
    with pytest.raises(ModelError) as refused:
        levels_of(f"expr: {text}", FALLING)
    assert says in refused.value.message


@pytest.mark.kept_models(False)
def test_a_wrong_one_is_located_before_weights_load(desk: Desk) -> None:
    for sigmas, says in (("expr: sigmas *", "is no expression"), ("expr: sigma * 2", "'sigma' is not known here")):
        with pytest.raises(JupyterLatentsError, match=says) as refused:
            desk.run(f'{EULER} --sigmas "{sigmas}"')
        assert refused.value.place is not None
    with pytest.raises(JupyterLatentsError, match="has no sigmas to work with"):
        desk.run(f'<sd15> {RUN} --scheduler DDIMScheduler --sigmas "expr: sigmas"')
    assert desk.session.engine.cache.loads == 0
    assert parse('m --sigmas "expr: sigmas * 0.9"')[0].stages()[0].num_inference_steps == 30
