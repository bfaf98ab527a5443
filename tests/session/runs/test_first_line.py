"""A first run says at once that libraries are imported, which takes seconds; a stop is heard between two of them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from jupyter_latents.engine.libraries import imports as libraries
from jupyter_latents.errors import StoppedError
from jupyter_latents.stopping import StopFlag, heeding

STOPPED = """
import sys, threading
from jupyter_latents.engine import Silent
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script

begun, asked = threading.Event(), threading.Event()

class Watch(Silent):
    def phase(self, phase):
        print(phase.name, "torch" in sys.modules)
        begun.set()
        asked.wait(60)

run = Session().start(Task(Script("demo/scenes --prompts cat")), Watch())
begun.wait(60)
run.stop()
asked.set()
run.wait(60)
print(run.state, "torch" in sys.modules, run.left)
"""
SHOWN = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from jupyter_latents.display.view import RunView

def show(view):
    print("torch" in sys.modules)
    raise SystemExit

RunView.show = show
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "jupyter_latents")
shell.run_cell_magic("dgen", "", "demo/scenes --prompts cat")
"""
STARTED = """
import jupyter_latents as jl
with jl.start("demo/scenes --prompts cat --inference-steps 1"):
    import torch.nn.functional
    from diffusers import StableDiffusionPipeline
"""
BEHIND = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from jupyter_latents.session.session import Session

asked = []
Session.imports = property(lambda self: len(asked) < 3 and not asked.append("imports"))
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "jupyter_latents")
run = shell.run_cell_magic("dgen", "--background", "demo/scenes --prompts cat")
print(asked)
run.stop()
run.wait(60)
"""


def printed(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_first_run_tells_of_imports_before_them_and_can_be_stopped_there() -> None:
    nothing = "the run was stopped before its first step; nothing was made."
    assert printed(STOPPED) == ["importing False", f"stopped False {nothing}"]


def test_a_first_runs_card_is_shown_before_torch_is_there() -> None:
    assert printed(SHOWN) == ["False"]


def test_code_after_a_first_start_can_import_parts_of_the_libraries() -> None:
    assert printed(STARTED) == []


def test_a_run_behind_a_cell_is_handed_out_when_it_imports_nothing_more() -> None:
    assert "['imports', 'imports', 'imports']" in printed(BEHIND)


def test_a_stop_is_heard_between_two_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    flag, told = StopFlag(), list[str]()

    def stopped_in(name: str) -> None:
        told.append(name)
        flag.stop()

    monkeypatch.setattr(libraries, "_LIBRARIES", ("a_library", "another_library"))
    monkeypatch.setattr(libraries, "import_module", stopped_in)
    with heeding(flag), pytest.raises(StoppedError):
        libraries.import_libraries(told.append)
    assert told == ["a_library, 1 of 2", "a_library"]


def test_nothing_is_told_where_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "_LIBRARIES", ("sys",))
    libraries.import_libraries(lambda _: pytest.fail("told"))
