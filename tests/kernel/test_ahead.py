"""Imports that a kernel makes while its first cell is typed."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.events import EventManager, available_events

from jupyter_latents.ahead import Ahead
from jupyter_latents.engine import await_imports, import_libraries
from jupyter_latents.errors import StoppedError
from jupyter_latents.settings import SETTINGS
from jupyter_latents.stopping import StopFlag, heeding
from tests.kernel.session import KernelSession

GATED = """
import gates
gates.begun.set()
gates.opened.wait(60)
"""
THREAD = "jupyter_latents imports"


def shell_of(kernel: object) -> Any:
    return SimpleNamespace(events=EventManager(None, available_events), kernel=kernel)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What `import_libraries` was asked for beside the libraries."""
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr("jupyter_latents.engine.import_libraries", lambda _tell, *more: calls.append(more))
    return calls


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A module ``gated`` whose import waits to be let go on."""
    (tmp_path / "gated.py").write_text(GATED)
    (tmp_path / "gated_after.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    held: Any = SimpleNamespace(begun=threading.Event(), opened=threading.Event())
    monkeypatch.setitem(sys.modules, "gates", held)
    yield held
    held.opened.set()
    for name in ("gated", "gated_after"):
        sys.modules.pop(name, None)


def end_of_cell(shell: Any) -> None:
    shell.events.trigger("post_execute")
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join()


def test_a_kernel_imports_once_when_the_loading_cell_has_ended(asked: list[tuple[str, ...]]) -> None:
    shell = shell_of(kernel=object())
    Ahead(shell)
    assert asked == []
    end_of_cell(shell)
    end_of_cell(shell)
    assert len(asked) == 1
    assert "jupyter_latents.display.view" in asked[0]


def test_nothing_is_imported_between_the_cells_of_a_cell(asked: list[tuple[str, ...]]) -> None:
    shell = shell_of(kernel=object())
    Ahead(shell)
    shell.events.trigger("pre_execute")
    shell.events.trigger("pre_execute")
    end_of_cell(shell)
    assert asked == []
    end_of_cell(shell)
    assert len(asked) == 1


def test_a_cell_that_runs_the_loading_one_comes_to_its_end_first(asked: list[tuple[str, ...]]) -> None:
    shell = shell_of(kernel=object())

    async def cell() -> None:
        Ahead(shell)
        end_of_cell(shell)  # of the one within: `%run setup.ipynb`
        assert asked == []
        await asyncio.sleep(0)  # its own end: the kernel's loop goes on
        end_of_cell(shell)

    asyncio.run(cell())
    assert len(asked) == 1


def test_a_cell_waits_for_one_import_and_the_others_come_after_it(
    gates: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_latents.ahead._FIRST_CELL", ("gated", "gated_after"))
    shell = shell_of(kernel=object())
    Ahead(shell)
    shell.events.trigger("post_execute")
    gates.begun.wait(60)
    cell = threading.Thread(target=shell.events.trigger, args=("pre_execute",))
    cell.start()
    cell.join(0.3)
    assert cell.is_alive()
    gates.opened.set()
    cell.join()
    assert not [name for name in sys.modules if name == "gated_after"]
    end_of_cell(shell)
    assert "gated_after" in sys.modules


def test_a_cell_waits_for_the_imports_of_a_background_run_and_is_told_of_a_long_wait(
    gates: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[str]()

    def tell(what: str) -> None:
        told.append(what)
        gates.opened.set()

    monkeypatch.setattr("jupyter_latents.ahead._TOLD_AFTER", 0.0)
    monkeypatch.setattr("builtins.print", tell)
    shell = shell_of(kernel=None)  # a terminal's too
    Ahead(shell)
    run = threading.Thread(target=import_libraries, args=(lambda _: None, "gated"))
    run.start()
    gates.begun.wait(60)
    shell.events.trigger("pre_execute")
    run.join()
    assert told == ["this cell begins when jupyter_latents is imported, for the stages."]


def test_an_interrupt_does_not_let_a_cell_begin_beside_an_import(gates: SimpleNamespace) -> None:
    run = threading.Thread(target=import_libraries, args=(lambda _: None, "gated"))
    run.start()
    gates.begun.wait(60)
    told = list[str]()

    def interrupt(what: str) -> None:
        told.append(what)
        gates.opened.set()
        if len(told) == 1:
            raise KeyboardInterrupt

    await_imports(0.0, interrupt)
    run.join()
    assert told[1:] == [
        "interrupted before it began, in an import that must not be cut; interrupt this cell again then."
    ]


def test_an_import_that_fails_ahead_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jupyter_latents.ahead._FIRST_CELL", ("no_module_of_this_name",))
    shell = shell_of(kernel=object())
    Ahead(shell)
    end_of_cell(shell)
    assert capfd.readouterr() == ("", "")


def test_a_terminal_and_whoever_switched_it_off_import_nothing(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, unloaded, off = shell_of(kernel=None), shell_of(kernel=object()), shell_of(kernel=object())
    Ahead(terminal)
    Ahead(unloaded).cancel()
    Ahead(off)
    end_of_cell(terminal)
    end_of_cell(unloaded)
    monkeypatch.setattr(SETTINGS, "import_ahead", False)
    end_of_cell(off)
    assert asked == []


def test_a_run_waits_for_imports_under_way_says_so_and_hears_a_stop(gates: SimpleNamespace) -> None:
    first = threading.Thread(target=import_libraries, args=(lambda _: None, "gated"))
    first.start()
    gates.begun.wait(60)
    told, flag = [], StopFlag()

    def tell(what: str) -> None:
        assert what.endswith(" of 5")
        told.append("importing")
        flag.stop()

    with heeding(flag), pytest.raises(StoppedError):
        import_libraries(tell)
    assert told == ["importing"]
    gates.opened.set()
    first.join()
    import_libraries(lambda _: told.append("again"))
    assert told == ["importing"]


@pytest.fixture
def cold_kernel(tmp_path: Path) -> Iterator[KernelSession]:
    """A kernel that has imported nothing."""
    session = KernelSession(tmp_path)
    yield session
    session.close()


def test_in_a_kernel_imports_come_between_cells_and_beside_none(cold_kernel: KernelSession) -> None:
    loaded = cold_kernel.execute("%load_ext jupyter_latents\nimport sys\nprint('torch' in sys.modules)")
    assert loaded.text() == "False\n"
    time.sleep(0.2)  # on a machine at rest torch is half imported by now
    early = cold_kernel.execute("import torch.nn.functional\nfrom diffusers import StableDiffusionPipeline as found")
    assert early.error == ""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if cold_kernel.execute("print('jupyter_latents.display.wiring' in sys.modules)").text() == "True\n":
            return
        time.sleep(0.5)
    pytest.fail("not imported ahead in 60 s")
