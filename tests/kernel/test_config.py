"""``%config``: a person's sizes and budgets."""

import subprocess
import sys

SCRIPT = """
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
shell.run_line_magic("load_ext", "jupyter_latents")
shell.run_line_magic("config", "JupyterLatents")
shell.run_line_magic("config", "JupyterLatents.output_size = 500000")
from jupyter_latents.display.view import RunView
from jupyter_latents.session import Session
print("view", RunView().size, "session", Session().settings.output_size)
shell.run_line_magic("config", "JupyterLatents.output_size = 5")
print("after a bad value", RunView().size)
shell.run_line_magic("unload_ext", "jupyter_latents")
print("left", [held for held in shell.configurables if type(held).__name__ == "JupyterLatents"])
"""


def test_config_lists_sets_and_refuses() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert "JupyterLatents.trajectory_memory=<Int>" in said.stdout
    assert "view 500000 session 500000" in said.stdout
    assert "should not be less than 30000" in said.stderr
    assert "after a bad value 500000" in said.stdout
    assert "left []" in said.stdout
