"""The session remembers its results: newest first, nothing large, and cells that make them or go on from them."""

from __future__ import annotations

import gc
import io

import pytest
from PIL import Image

from jupyter_latents.errors import LatentsError, NameNotFoundError, ScriptError
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

FEW = "--inference-steps 4 --output-size 64"
BASE = f'demo/scenes --prompts "a sunset" {FEW} --seeds 7 --denoising-end 0.5 --into base'
FINAL = f'demo/paper --prompts clouds {FEW} --image-seeds "latents: base" --denoising-start 0.5 --into final'


@pytest.fixture
def desk_with(desk: Desk) -> Desk:
    """A session that has made two stages and a sweep."""
    desk.run(f"{BASE}\n\n{FINAL}")
    desk.run(f"demo/scenes --prompts night {FEW} --seeds 3 4 --into xy")
    return desk


def test_results_are_remembered_newest_first_with_what_tells_them_apart(desk_with: Desk) -> None:
    found = desk_with.session.results.newest()
    assert [one.name for one in found] == ["xy[1]", "xy[0]", "final", "base"]
    assert [one.seed for one in found] == [4, 3, 7, 7]
    assert found[2].prompt == "clouds"
    assert found[2].model == "demo/paper"
    assert [bool(one.noise) for one in found] == [False, False, False, True]
    pictures = [desk_with.session.results.picture(one) for one in found]
    assert [bool(one) for one in pictures] == [True, True, True, False]
    assert max(Image.open(io.BytesIO(pictures[0])).size) <= 192


def test_the_same_result_stands_there_once(desk_with: Desk) -> None:
    desk_with.run(BASE)
    assert [one.name for one in desk_with.session.results.newest()] == ["base", "xy[1]", "xy[0]", "final"]


def test_the_cell_of_a_result_makes_it_again_though_it_is_gone(desk_with: Desk) -> None:
    final = desk_with.session.results.newest()[2]
    desk_with.session.memo._kept.clear()
    desk_with.session.drop("base", "final", "xy")
    gc.collect()
    assert final.latents is None
    with pytest.raises(LatentsError, match="makes them again"):
        desk_with.session.bind_result("again", final)
    other = Desk(desk_with.models)
    other.run(desk_with.session.cell_of_result(final).partition("\n")[2])
    assert other["final"].digest == final.digest


@pytest.mark.parametrize("held", [True, False], ids=["held", "gone"])
def test_going_on_from_a_noisy_result_ends_where_the_whole_run_does(desk_with: Desk, held: bool) -> None:
    base = desk_with.session.results.newest()[3]
    cell = desk_with.session.cell_onward(base, "base" if held else "")
    assert cell.count("demo/scenes") == (1 if held else 2)
    where = desk_with if held else Desk(desk_with.models)
    made = where.run(cell.partition("\n")[2]).result
    whole = Desk(desk_with.models).run(BASE.replace("--denoising-end 0.5", "")).result
    assert made is not None
    assert whole is not None
    assert made.digest == whole.digest


def test_going_on_from_a_clean_result_takes_it_as_a_picture(desk_with: Desk) -> None:
    cell = desk_with.session.cell_onward(desk_with.session.results.newest()[0], "xy[1]")
    assert '--image-seeds "xy[1]"' in cell
    run = desk_with.run(cell.partition("\n")[2])
    assert run.model_evaluations == 3


def test_a_result_is_bound_to_a_name_that_is_free(desk_with: Desk) -> None:
    final = desk_with.session.results.newest()[2]
    assert desk_with.session.bind_result("mine", final) == "mine"
    assert desk_with["mine"].digest == final.digest
    desk_with.session.names["other"] = 3
    with pytest.raises(ScriptError):
        desk_with.session.bind_result("other", final)
    with pytest.raises(NameNotFoundError, match="cannot be a variable"):
        desk_with.session.bind_result("my picture", final)


def test_only_so_many_are_remembered(desk_with: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_latents.session.results._MOST", 2)
    desk_with.run(f"demo/scenes --prompts night {FEW} --seeds 5 --into xy --force")
    assert [one.seed for one in desk_with.session.results.newest()] == [5, 4]
    assert len(desk_with.session.results._small) == 2
