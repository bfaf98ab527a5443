"""Imports that a kernel makes while its first cell is typed."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.events import EventManager, available_events

from jupyter_latents.ahead import Ahead
from jupyter_latents.engine import import_libraries
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
    monkeypatch.syspath_prepend(str(tmp_path))
    held: Any = SimpleNamespace(begun=threading.Event(), opened=threading.Event())
    monkeypatch.setitem(sys.modules, "gates", held)
    yield held
    held.opened.set()
    sys.modules.pop("gated", None)


def end_of_cell(shell: Any) -> None:
    shell.events.trigger("post_run_cell", None)
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


def test_in_a_kernel_torch_comes_after_the_loading_cell(cold_kernel: KernelSession) -> None:
    loaded = cold_kernel.execute("%load_ext jupyter_latents\nimport sys\nprint('torch' in sys.modules)")
    assert loaded.text() == "False\n"
    waited = f"import threading\n[t.join() for t in threading.enumerate() if t.name == {THREAD!r}]\n"
    after = cold_kernel.execute(waited + "print('torch' in sys.modules, 'jupyter_latents.display.view' in sys.modules)")
    assert after.text() == "True True\n"
