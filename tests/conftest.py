"""What all tests share: a quiet, offline, private Jupyter, and a real IPython shell."""

import gc
import os
import signal
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.warm import Command, command, serving, write_kernelspec

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

# Set before anything imports IPython or Jupyter, and inherited by the kernels and servers that tests start.
_PRIVATE = tempfile.TemporaryDirectory(prefix="jupyter-latents-tests-")
for _variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
    os.environ[_variable] = str(Path(_PRIVATE.name) / _variable.lower())
for _variable in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
    os.environ.pop(_variable, None)

# jsonschema asks for it where it is there; it compiles a grammar for over a second in each process that imports it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell that starts tests in its background ignores it for them

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores; kernels and children inherit it
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"


_WITHOUT_ONEDNN = (
    "engine/models/",
    "engine/prompts/",
    "engine/schedule/",
    "engine/test_families.py",
    "engine/test_variants.py",
    "engine/test_steering.py",
    "session/plans/test_plan_and_run.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in an order without pattern, so that those that wait run beside those that compute; browser tests last.

    Playwright keeps an event loop on the main thread of a process once started.
    """
    items.sort(key=lambda item: (item.get_closest_marker("browser") is not None, zlib.crc32(item.location[0].encode())))


_IMPORTED = [0]  # how many modules there were when garbage was looked for last


def _look_through_less() -> None:
    """What modules made while they were imported is never garbage: a fifth of all time went into looking through it."""
    if len(sys.modules) >= _IMPORTED[-1] + 150:
        _IMPORTED.append(len(sys.modules))
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Runs of tiny models go without oneDNN in some rooms: it prepares their convolutions longer than it does them.

    In the other rooms they compute as in a person's process, in `test_law.py` and `test_plain_diffusers.py` above all.
    """
    _look_through_less()
    torch: Any = sys.modules.get("torch")
    if torch is None or not item.path.relative_to(Path(__file__).parent).as_posix().startswith(_WITHOUT_ONEDNN):
        return (yield)
    torch.backends.mkldnn.enabled = False
    try:
        return (yield)
    finally:
        torch.backends.mkldnn.enabled = True


def pytest_unconfigure() -> None:
    _PRIVATE.cleanup()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """``warm("-c", code)`` is the command of a process whose libraries are imported already; kernels may be so, too."""
    base = tmp_path_factory.getbasetemp()
    write_kernelspec(Path(os.environ["JUPYTER_DATA_DIR"]))
    with serving((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "warm"):
        yield command


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["InteractiveShell"]:  # noqa: F821
    """A real IPython shell in an empty working directory, with the extension loaded."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # the shell puts its own in that place
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "jupyter_latents")
    yield shell
    shell.user_ns.clear()  # `shell.reset` looks through all of the process for garbage, too
    InteractiveShell.clear_instance()
