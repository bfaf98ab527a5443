"""The table of ``--optimize`` and how its choices are read."""

import pytest

from jupyter_latents.errors import SettingError
from jupyter_latents.optimizations import OPTIMIZATIONS, choice_of, choices_of, keeps_law, notes


@pytest.mark.parametrize("name", OPTIMIZATIONS)
def test_a_name_alone_has_the_defaults(name: str) -> None:
    choice = choice_of(name)
    assert choice.settings == {key: setting.default for key, setting in OPTIMIZATIONS[name].settings.items()}
    assert choice_of(str(choice)) == choice, "what is printed reads back"


def test_settings_replace_the_defaults() -> None:
    assert str(choice_of(" taylorseer; order = 2;interval=5 ")) == "taylorseer;interval=5;order=2;warmup=3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("taylorser", "did you mean taylorseer\\? Known: channels-last, fuse-projections"),
        ("", "is no optimization. Known"),
        ("compile;mode=fast", "'mode' is no setting of compile; it has none"),
        ("taylorseer;intervall=3", "did you mean interval\\? allowed: interval, order, warmup"),
        ("taylorseer;interval=3;interval=4", "given twice"),
        ("taylorseer;interval=1", "whole number from 2 to 20"),
        ("taylorseer;interval=2.5", "'2.5' is not allowed as interval of taylorseer"),
        ("taylorseer;interval", "'interval' should be key=value"),
        ("first-block-cache;threshold=much", "number from 0 to 1"),
        ("first-block-cache;threshold=nan", "number from 0 to 1"),
    ],
)
def test_what_is_not_in_the_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        choice_of(text)


def test_choices_come_in_the_order_of_the_table() -> None:
    assert [choice.row.name for choice in choices_of(("compile", "taylorseer", "channels-last"))] == [
        "channels-last",
        "taylorseer",
        "compile",
    ]


def test_a_choice_twice_and_two_step_caches_are_refused() -> None:
    with pytest.raises(SettingError, match="taylorseer is given twice"):
        choices_of(("taylorseer", "taylorseer;interval=4"))
    with pytest.raises(SettingError, match="first-block-cache and taylorseer exclude each other"):
        choices_of(("first-block-cache", "taylorseer"))


def test_what_breaks_the_law_is_approximate_and_says_so() -> None:
    for row in OPTIMIZATIONS.values():
        (note,) = notes((row.name,))
        assert row.approximate or row.keeps_law
        assert note.startswith("approximate: " if row.approximate else "optimized: ")
        assert ("the split law holds" in note) == row.keeps_law == keeps_law((row.name,))
        assert row.measured in note
