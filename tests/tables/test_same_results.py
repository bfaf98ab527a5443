"""The comparison of two checkouts finds what differs, and its rows reach all that latents can do."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest
import torch

from jupyter_latents.latents import Latents
from jupyter_latents.session import Session
from tests.tables.same.child import run_row
from tests.tables.same.row import Row
from tests.tables.same_results import ALL_ROWS, EXPECTED, Difference, Side, chosen, differences, table

ROW = Row("operation/ones", ("x = Latents(torch.ones(1, 4, 8, 8))\ny = x.flip()",))
WORDS = {"view", "from_bytes", "from_tensor", "packed", "paste", "to_diffusers"}
"""Methods that have no row: a widget is no result, bytes and tensors are read as files are, and three are newer."""


def side(*cells: str) -> Side:
    """What a checkout makes whose code does what these cells do."""
    tensors: dict[str, torch.Tensor] = {}
    outcome = run_row(cells or ROW.cells, Session({}), tensors)
    return Side({ROW.name: asdict(outcome)}, {f"{ROW.name}: {place}": tensor for place, tensor in tensors.items()})


def found(theirs: Side, *expected: str) -> list[Difference]:
    return list(differences(side(), theirs, [ROW], expected))


def test_equal_code_makes_no_difference() -> None:
    assert found(side()) == []


def test_one_changed_value_is_found_with_its_size() -> None:
    changed = ROW.cells[0] + "\n_t = x.tensor.clone()\n_t[0, 0, 0, 0] += 0.25\nx = Latents(_t)"
    assert found(side(changed)) == [Difference(ROW.name, "x", 0.25)]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("x = Latents(torch.ones(1, 4, 8, 8).double())\ny = Latents(torch.ones(1, 4, 8, 8)).flip()", "x"),
        ("x = Latents(torch.ones(1, 4, 8, 8))\ny = x", "y origin: ours"),
        ("x = Latents(torch.ones(1, 4, 8, 8))", "y: only in ours"),
        (ROW.cells[0] + "\nz = 3", "z: only in theirs"),
        ("x = Latents(torch.ones(1, 4, 8))", "ours runs, theirs LatentsError in cell 1"),
    ],
    ids=["dtype", "fact", "missing", "more", "refusal"],
)
def test_whatever_else_differs_is_found(changed: str, what: str) -> None:
    assert any(difference.what.startswith(what) for difference in found(side(changed)))


def test_a_row_that_fails_on_both_sides_is_no_agreement() -> None:
    broken = side("x = Latents(torch.ones(1, 4, 8))")
    (only,) = differences(broken, broken, [ROW])
    assert only.what.startswith("both: LatentsError in cell 1")
    (only,) = differences(side(), side(), [Row(ROW.name, ROW.cells, refused=True)])
    assert only.what == "both run it"


def test_an_expected_difference_must_be_there() -> None:
    assert found(side("x = Latents(torch.zeros(1, 4, 8, 8))"), ROW.name) == []
    assert found(side(), ROW.name) == [Difference(ROW.name, "was expected to differ and does not")]


def test_the_table_counts_what_it_leaves_out() -> None:
    lines = list(table([Difference("row", f"place {number}", number / 8) for number in range(6)], most=2))
    assert lines == ["row | place 0 | 0", "row | place 1 | 0.125", "row | 4 more places |"]


def test_there_are_two_hundred_rows_of_different_names() -> None:
    assert len({row.name for row in ALL_ROWS}) == len(ALL_ROWS) >= 200
    assert set(EXPECTED) <= {row.name for row in ALL_ROWS}
    assert 20 <= len(chosen(ALL_ROWS, quick=True)) <= 100


def test_every_method_of_latents_stands_in_a_row() -> None:
    public = {name for name in vars(Latents) if not name.startswith("_") and callable(getattr(Latents, name))}
    text = "\n".join(cell for row in ALL_ROWS for cell in row.cells)
    missing = {name for name in public - WORDS if not re.search(rf"\.{name}\(", text)}
    assert missing == set()
