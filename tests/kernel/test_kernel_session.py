"""The kernel helper itself, on plain Python cells."""

import pytest

from tests.kernel.session import KernelSession

pytestmark = pytest.mark.kernel

DISPLAY_AND_UPDATE = """
from IPython.display import display
handle = display("first", display_id=True)
handle.update("second")
"""


def test_result_and_streams_are_gathered(kernel: KernelSession) -> None:
    execution = kernel.execute("print('said'); 6 * 7")
    assert execution.ok
    assert execution.text() == "said\n"
    assert execution.data() == ["42"]


def test_updated_display_shows_its_last_state(kernel: KernelSession) -> None:
    execution = kernel.execute(DISPLAY_AND_UPDATE)
    assert execution.data() == ["'second'"]
    assert execution.updates == 1


def test_error_is_an_output(kernel: KernelSession) -> None:
    execution = kernel.execute("1 / 0")
    assert not execution.ok
    assert "ZeroDivisionError" in execution.error


def test_interrupt_ends_a_running_cell(kernel: KernelSession) -> None:
    # Not flushed: the text leaves a moment later, when the cell sleeps. ipykernel may lose an interrupt inside a flush.
    started = kernel.start("import time\nprint('up')\ntime.sleep(60)")
    kernel.wait_for_text("up", timeout=20)
    kernel.interrupt()
    execution = kernel.finish(started, timeout=30)  # it would sleep for twice as long
    assert "KeyboardInterrupt" in execution.error


def test_cell_that_runs_on_raises_timeout(fresh_kernel: KernelSession) -> None:
    with pytest.raises(TimeoutError, match="still runs"):
        fresh_kernel.execute("import time; time.sleep(60)", timeout=1)
