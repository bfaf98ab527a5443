"""The browser helper itself, on plain Python cells."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab_page import LabPage

pytestmark = pytest.mark.browser


def test_plain_notebook_renders_and_is_saved(lab: LabPage, tmp_path: Path) -> None:
    lab.write("plain.ipynb", "1 + 1", "print('from the second cell')")
    lab.open("plain.ipynb")
    assert lab.said(0) == "2"
    assert "from the second cell" in lab.said(1)
    assert lab.save().cells[0].outputs[0].data["text/plain"] == "2"
    assert lab.screenshot(tmp_path / "plain.png").stat().st_size > 10_000


def test_interrupt_ends_a_running_cell(lab: LabPage) -> None:
    lab.write("sleep.ipynb", "import time\nprint('up')\ntime.sleep(60)")
    lab.open("sleep.ipynb")
    run = lab.start_cell(0)
    lab.output(0).get_by_text("up").wait_for()
    lab.interrupt()
    lab.wait_for(run, timeout=20)
    expect(lab.output(0)).to_contain_text("KeyboardInterrupt")
