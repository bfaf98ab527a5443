"""Lists, tuples and dicts of latents or pictures, steps of a result and comparisons as the last line of a cell."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from jupyter_latents import compare
from jupyter_latents.display.pictures.comparing import Comparison
from jupyter_latents.display.values import bundle_of, show_values
from jupyter_latents.errors import NameNotFoundError, SettingError
from jupyter_latents.latents.trajectory import Trajectory
from tests.display.fake_run import landscape, latents_at, stage

ONE, TWO = (latents_at(stage(seed=seed), 30) for seed in (1, 2))
STEPS = Trajectory(latents_at(stage(), step) for step in range(1, 6))
PICTURES = [landscape(64, number) for number in range(3)]


class Own(dict[str, Any]):
    """A dict that shows itself."""

    def _repr_mimebundle_(self) -> dict[str, Any]:
        return {"text/html": "its own"}


@pytest.fixture
def cells() -> DisplayFormatter:
    """What shows the last line of a cell."""
    formatter = DisplayFormatter()
    names = {"several": [ONE, TWO]}
    shell = SimpleNamespace(display_formatter=formatter)
    show_values(shell, lambda value: bundle_of(value, lambda _: PICTURES[:1], names, 300_000))
    return formatter


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ([ONE, TWO], 2),
        ((ONE, TWO), 2),
        ({"before": ONE, "after": TWO}, 2),
        (PICTURES, 3),
        ({"a": PICTURES[0]}, 1),
        (STEPS, 1),
    ],
    ids=["list", "tuple", "dict", "pictures", "named pictures", "steps"],
)
def test_several_latents_or_pictures_are_shown_as_pictures(cells: DisplayFormatter, value: Any, count: int) -> None:
    bundle, _ = cells.format(value)
    assert {"text/plain", "text/html", "image/png"} <= set(bundle)
    assert bundle["text/html"].count("<img") >= count
    assert sum(map(len, bundle.values())) < 300_000
    for name in value if isinstance(value, dict) else ():
        assert name in bundle["text/html"]


@pytest.mark.parametrize("value", [[], {}, (), [1, 2], [ONE, 1], {"a": ONE, "b": PICTURES[0]}, ["text"], [[ONE]]])
def test_all_else_is_shown_as_before(cells: DisplayFormatter, value: Any) -> None:
    bundle, _ = cells.format(value)
    assert set(bundle) == {"text/plain"}
    assert bundle["text/plain"] == DisplayFormatter().format(value)[0]["text/plain"]


def test_what_shows_itself_still_does(cells: DisplayFormatter) -> None:
    assert cells.format(Own(a=ONE))[0]["text/html"] == "its own"


def test_a_list_is_called_by_its_variable() -> None:
    several = [ONE, TWO]
    bundle = bundle_of(several, lambda _: PICTURES[:1], {"_1": several, "several": several}, 300_000)
    assert bundle is not None
    assert "several[1]" in bundle["text/html"]


def test_the_steps_of_a_result_are_called_by_its_variable_and_say_their_form() -> None:
    held = STEPS[-1].replace(trajectory=STEPS)
    bundle = bundle_of(held.trajectory, lambda _: [], {"_1": held, "base": held}, 300_000)
    assert bundle is not None
    assert "base.trajectory" in bundle["text/html"]
    assert '"line":"base.",' in bundle["text/html"]
    assert '"form":"VE"' in bundle["text/html"]
    bare = bundle_of(STEPS, lambda _: [], {}, 300_000)
    assert bare is not None
    assert '"line":"base.",' not in bare["text/html"]


def test_two_of_any_kind_are_compared_under_their_names(tmp_path: Path) -> None:
    PICTURES[0].save(tmp_path / "x.png")
    made = compare(ONE, PICTURES[1], ("old", "<new>"))
    html = made._repr_mimebundle_()["text/html"]
    assert repr(made) == "compare(old, <new>)"
    assert html.count('<th scope="col">') == 2
    assert "&lt;new&gt;" in html
    assert "<new>" not in html
    assert isinstance(compare(str(tmp_path / "x.png"), tmp_path / "x.png"), Comparison)
    assert compare(ONE, TWO).first.choice == (("", "first"),)


def test_what_cannot_be_compared_is_told() -> None:
    with pytest.raises(SettingError, match="3 cannot be compared; give latents, a Pillow picture, or the path"):
        compare(ONE, 3)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="labels are"):
        compare(ONE, TWO, "ab")  # type: ignore[arg-type]
    with pytest.raises(NameNotFoundError, match="nowhere"):
        compare(ONE, "nowhere.png")
    with pytest.raises(NameNotFoundError):
        compare(ONE, Image.new("F", (8, 8)))
