"""The browser helper itself, on plain Python cells."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab_page import LabPage

pytestmark = pytest.mark.browser


def test_a_plain_notebook_renders_is_saved_and_interrupted(lab: LabPage, tmp_path: Path) -> None:
    lab.write("plain.ipynb", "1 + 1", "print('from the second cell')", "import time\nprint('up')\ntime.sleep(60)")
    lab.open("plain.ipynb")
    assert lab.said(0) == "2"
    assert "from the second cell" in lab.said(1)
    assert lab.save().cells[0].outputs[0].data["text/plain"] == "2"
    assert lab.screenshot(tmp_path / "plain.png").stat().st_size > 10_000
    run = lab.start_cell(2)
    lab.output(2).get_by_text("up").wait_for()
    lab.interrupt()
    lab.wait_for(run, timeout=20)
    expect(lab.output(2)).to_contain_text("KeyboardInterrupt")
