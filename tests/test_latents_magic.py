"""``%latents``: what a session holds, saved, loaded and dropped by name."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from jupyter_latents import Latents
from jupyter_latents.display.wiring import session_with_display
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.latents import CLEAN, SPACES, LatentsSequence, Noise, Position, services

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@pytest.fixture
def held(shell: InteractiveShell) -> InteractiveShell:
    noisy = Latents(torch.ones(1, 4, 8, 8), SPACES["sd"], Noise(1.5, "ve"), Position(3, 10))
    parts = LatentsSequence((noisy, noisy.flip()), ("a", "b"))
    shell.user_ns |= {"base": noisy, "parts": parts, "number": 3, "_private": noisy}
    return shell


def rows(shell: InteractiveShell) -> list[list[str]]:
    table = repr(shell.run_line_magic("latents", "")).splitlines()
    starts = [table[0].index(heading) for heading in table[0].split()]
    ends = [*starts[1:], None]
    return [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in table]


def test_the_list_tells_name_space_noise_shape_size_and_age(held: InteractiveShell) -> None:
    headings, *found = rows(held)
    assert headings == ["name", "space", "noise", "shape", "size", "age"]
    assert [row[0] for row in found] == ["base", "parts[0]", "parts[1]"]
    assert found[0][1:5] == ["SD", "σ 1.5 (VE), step 3 of 10", "1 × 4 × 8 × 8", "1.02 kB"]
    html = held.run_line_magic("latents", "list")._repr_html_()
    assert all(f"<code>{name}</code>" in html for name in ("base", "parts[0]", "parts[1]"))
    assert "picture" in html


def test_what_operations_make_has_an_age_too(held: InteractiveShell) -> None:
    base = held.user_ns["base"]
    held.user_ns["made"] = base.scale(0.5)
    held.user_ns["said"] = base.replace(noise=CLEAN)
    ages = {row[0]: row[-1] for row in rows(held)[1:]}
    assert all(age.endswith(" s") for age in ages.values()), ages


def test_latents_know_when_they_were_made() -> None:
    before = time.time()
    made = Latents(torch.ones(1, 4, 8, 8), noise=CLEAN)
    assert before <= made.made_at <= time.time()
    assert copy.deepcopy(made).made_at == made.made_at
    assert made.flip().made_at >= made.made_at


def test_latents_are_saved_loaded_and_dropped_by_name(
    held: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    names = held.user_ns
    held.run_line_magic("latents", "save parts[1] 'two words.safetensors'")
    assert capsys.readouterr().out == "written: two words.safetensors\n"
    held.run_line_magic("latents", "load again 'two words.safetensors'")
    assert torch.equal(names["again"].tensor, names["parts"][1].tensor)
    assert names["again"].noise == Noise(1.5, "ve")
    held.run_line_magic("latents", "drop again parts")
    assert [row[0] for row in rows(held)[1:]] == ["base"]
    assert names["number"] == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sav base x.pt", "has no 'sav'; did you mean save"),
        ("save base", "takes a name and a file"),
        ("save bas x.pt", "variable 'bas'; did you mean base"),
        ("save parts[5] x.pt", r"variable 'parts\[5\]'"),
        ("save base x.txt", "'.txt'"),
        ("save base 'x.pt", "No closing quotation"),
        ("load 3x none.pt", "cannot be a variable"),
        ("load x none.pt", "no file none.pt"),
        ("drop", "takes the names of variables"),
        ("drop base number", "no latents in a variable 'number'"),
        ("drop base parts[0]", r"no latents in a variable 'parts\[0\]'"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_lost(held: InteractiveShell, line: str, message: str) -> None:
    with pytest.raises(JupyterLatentsError, match=message):
        held.run_line_magic("latents", line)
    assert {"base", "parts", "number"} <= set(held.user_ns)


def test_a_shell_that_shows_text_alone_has_nothing_decoded(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def decoded(*_: object) -> list[object]:
        raise AssertionError("decoded for a shell that shows no pictures")

    session = session_with_display(shell.user_ns)
    shell.run_cell_magic("dgen", "", "demo/scenes --prompts x --seeds 1 --inference-steps 2 --into base")
    for what in ("decode", "preview"):
        monkeypatch.setattr(f"jupyter_latents.session.session.Session.{what}", decoded)
    provided = [replace(one, decode=decoded, preview=decoded) for one in services._services]
    monkeypatch.setattr(services, "_services", provided)
    monkeypatch.setattr("jupyter_latents.display.wiring.session_with_display", lambda _: session)
    monkeypatch.setattr(shell.display_formatter, "active_types", ["text/plain"])
    parts = LatentsSequence((shell.user_ns["base"],), ("a",))
    for value in (shell.user_ns["base"], parts, shell.run_line_magic("latents", "list")):
        shell.display_formatter.format(value)
    shell.user_ns["base"].save("b.safetensors")
    shell.display_formatter.format(shell.run_line_magic("latents", "load again b.safetensors"))
    shell.user_ns["base"].view()._ipython_display_()
    assert "demo/scenes, steps 0–2 of 2" in capsys.readouterr().out


def test_an_empty_session_says_how_latents_come_to_be(shell: InteractiveShell) -> None:
    assert "--into NAME" in repr(shell.run_line_magic("latents", ""))
