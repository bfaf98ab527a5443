"""A model that is not on this machine: its configuration is fetched, it is judged, and then its weights are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.session import Session
from tests.session.conftest import Desk
from tests.tiny.hub_server import Hub, serving

BASE = "<sd15> --prompts cat --seeds 3 --inference-steps 2 --output-size 64 --denoising-end 0.5 --into base"
FINAL = "some/sd --prompts cat --inference-steps 2 --image-seeds 'latents: base' --into final"


@pytest.fixture
def hub(tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with two models, none of them on this machine."""
    from huggingface_hub import constants, hf_api

    with serving({"some/sd": tiny("sd15"), "some/sdxl": tiny("sdxl")}) as made:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", made.address)
        monkeypatch.setattr(hf_api.api, "endpoint", made.address)  # what diffusers asks
        files = f"{made.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        yield made


def test_weights_are_fetched_after_the_verdict(desk: Desk, hub: Hub) -> None:
    plan = desk.plan(f"{BASE}\n\n{FINAL}")
    assert plan.stages[1].later == "some/sd is fetched at the run, then judged"
    assert hub.fetched == [], "a plan asks no network"
    desk.run(f"{BASE}\n\n{FINAL}")
    settings = [path for path in hub.fetched if path not in hub.weights]
    assert hub.fetched[: len(settings)] == settings, "configurations come first"
    assert any(path.startswith("unet/") for path in hub.weights)
    assert any(line.startswith("stage 2, some/sd: same schedule") for line in desk.notes.lines)
    own = Desk(desk.models)
    own.run(f"{BASE}\n\n{FINAL.replace('some/sd', '<sd15>')}")
    assert torch.equal(desk["final"].tensor, own["final"].tensor)


def test_what_was_fetched_is_remembered_like_any_other(desk: Desk, hub: Hub) -> None:
    script = f"{BASE}\n\n{FINAL}"
    desk.run(script)
    given = len(hub.fetched)
    assert desk.run(script).model_evaluations == 0
    assert len(hub.fetched) == given


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (f"{FINAL} --output-size 128", HandoffError),
        (f"{FINAL} --second-prompts dog", ModelError),
        ("some/sd --model-type sdxl --prompts cat", ModelError),
    ],
)
def test_nothing_is_fetched_for_a_stage_that_is_refused(
    desk: Desk, hub: Hub, line: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk.run(f"{BASE}\n\n{line}")
    assert "model_index.json" in hub.fetched
    assert hub.weights == []
    assert desk["base"] is not None


def test_no_model_is_fetched_ahead_of_its_verdict(desk: Desk, hub: Hub) -> None:
    with pytest.raises(HandoffError):
        desk.run(f"{BASE.replace('steps 2', 'steps 4')}\n\n{FINAL} --output-size 128")
    assert hub.weights == []


def test_a_hub_that_goes_away_after_the_verdict_is_told(desk: Desk, hub: Hub) -> None:
    with pytest.raises(HandoffError):
        desk.run(f"{BASE}\n\n{FINAL} --output-size 128")
    later = Desk(desk.models, Session())
    hub.folders = {}
    with pytest.raises(ModelError, match="only partly in the hub's cache"):
        later.run(f"{BASE}\n\n{FINAL}")
