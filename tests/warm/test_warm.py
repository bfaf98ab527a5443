"""A warm process is like any other, but for what it need not import."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.warm import Command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all processes start cold")

SELF = """
import os, sys
libraries = [name for name in ("torch", "diffusers", "jupyter_latents") if name in sys.modules]
print(libraries, sys.argv, os.environ["COLOUR"], os.getcwd(), __name__)
print(sys.stdin.read(), file=sys.stderr)
sys.exit(3)
"""
WAITS = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"


def ended(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)  # type: ignore[call-overload]


def test_it_has_the_libraries_and_all_else_of_its_own(warm: Command, tmp_path: Path) -> None:
    done = ended(warm("-c", SELF, "word"), input="given", cwd=tmp_path, env={**os.environ, "COLOUR": "blue"})
    assert done.stdout == f"['torch', 'diffusers'] ['-c', 'word'] blue {tmp_path} __main__\n"
    assert (done.returncode, done.stderr) == (3, "given\n")
    failed = ended(warm("-c", "1 / 0"))
    assert failed.returncode == 1
    assert failed.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert ended(warm("-m", "platform", "--terse")).stdout.startswith("Linux-")


def test_what_tells_the_libraries_something_else_starts_cold(warm: Command, tmp_path: Path) -> None:
    asked = "import sys; print('torch' in sys.modules)"
    assert ended(warm("-c", asked), env={**os.environ, "HF_HOME": str(tmp_path)}).stdout == "False\n"
    assert ended(warm("-c", asked), env={**os.environ, "WARM_SERVER": str(tmp_path / "none")}).stdout == "False\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_it_and_its_end_is_told(warm: Command, number: signal.Signals) -> None:
    process = subprocess.Popen(warm("-c", WAITS), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    fork = psutil.Process(int(process.stdout.readline()))
    assert fork.pid != process.pid
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    fork.wait(60)


def test_who_is_killed_before_it_hears_an_answer_ends_nobody_else(warm: Command) -> None:
    content = json.dumps({"argv": ["-c", WAITS], "env": dict(os.environ), "cwd": str(Path.cwd())}).encode()
    with socket.socket(socket.AF_UNIX) as server, Path(os.devnull).open("r+") as nothing:
        server.connect(os.environ["WARM_SERVER"])
        socket.send_fds(server, [len(content).to_bytes(8, "big")], [nothing.fileno()] * 3)
        server.sendall(content)
    assert ended(warm("-c", "import sys; print('torch' in sys.modules)")).stdout == "True\n"
