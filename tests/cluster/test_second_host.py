"""Workers on a second host: a network namespace with a name of its own, where that is allowed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

OWN = ["unshare", "--net", "--uts"]


@pytest.mark.slow
def test_a_sweep_on_two_hosts_is_the_local_one() -> None:
    missing = [name for name in ("unshare", "nsenter", "ip", "hostname") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not here, which makes a second host")
    tried = subprocess.run([*OWN, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no network namespace may be made: {tried.stderr.strip()}")
    if (os.cpu_count() or 1) < 2:
        pytest.skip("two workers need two cores")
    folder = tempfile.mkdtemp(prefix="jl-two-", dir="/tmp")  # short: Ray's sockets lie in it
    try:
        command = [*OWN, sys.executable, "-m", "tests.cluster.two_hosts", folder]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=900
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["equal"] == [True] * 4
    assert sorted(host for host, _ in found["rows"]) == ["first", "second"]
    assert all(evaluations > 0 for _, evaluations in found["rows"]), "both have worked"
    assert sum(evaluations for _, evaluations in found["rows"]) == found["evaluations"][0] == found["evaluations"][1]
