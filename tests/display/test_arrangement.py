"""Rows, columns and tabs of a sweep."""

import itertools

import pytest

from jupyter_latents.display.pictures.arrangement import arranged
from jupyter_latents.errors import SettingError
from jupyter_latents.stage import Choice


def product(**axes: tuple[object, ...]) -> list[Choice]:
    return [tuple(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]  # type: ignore[arg-type]


XY = product(guidance=(2.0, 4.0, 7.5), seed=(1, 2))
XYZ = product(prompt=("a sunset", "a night"), guidance=(2.0, 4.0), seed=(1, 2, 3))


def test_rows_are_the_slow_option_and_columns_the_fast_one() -> None:
    made = arranged(XY)
    assert (made.rows.name, made.columns.name, made.tabs) == ("guidance", "seed", ("",))
    assert made.places == ((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 2, 0), (0, 2, 1))


def test_a_third_option_makes_tabs() -> None:
    made = arranged(XYZ)
    assert made.tabs == ("a sunset", "a night")
    assert (made.rows.name, made.columns.name) == ("guidance", "seed")
    assert made.places[0] == (0, 0, 0)
    assert made.places[-1] == (1, 1, 2)
    assert len(set(made.places)) == 12


def test_axes_can_be_chosen_in_the_words_of_people_python_and_scripts() -> None:
    for x in ("guidance", "guidance_scale", "guidance_scales", "--guidance-scales"):
        made = arranged(XYZ, x=x, y="prompt")
        assert (made.columns.name, made.rows.name, made.tabs) == ("guidance", "prompt", ("1", "2", "3"))
    assert arranged(XY, x="guidance").rows.name == "seed"
    assert arranged(XY, y="seed").columns.name == "guidance"


def test_one_option_and_none_make_one_row() -> None:
    one = arranged(product(seed=(1, 2, 3)))
    assert (one.flat, one.columns.name, one.places) == (True, "seed", ((0, 0, 0), (0, 0, 1), (0, 0, 2)))
    none = arranged([(), ()])
    assert (none.flat, none.columns.name) == (True, "")


def test_four_options_make_a_tab_of_each_pair_that_there_is() -> None:
    made = arranged(product(prompt=("a", "b"), steps=(2, 3), guidance=(4.0, 5.0), seed=(1, 2))[4:])
    assert made.tabs == ("steps 3, prompt a", "steps 2, prompt b", "steps 3, prompt b")


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ("sede", "", r"x is 'sede', no axis of these results; did you mean seed\?; the axes are guidance, seed"),
        ("seed", "seed", "x and y are both seed"),
        ("", "prompt", "y is 'prompt', no axis of these results; the axes are guidance, seed"),
    ],
)
def test_an_axis_that_is_not_there_is_named(x: str, y: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        arranged(XY, x, y)
