"""Latents decode, preview and judge in any Python, however they came about."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_latents.latents import Latents
from jupyter_latents.session import Session
from tests.session.conftest import Desk
from tests.tiny.fixtures import one_thread, tiny  # noqa: F401
from tests.warm import Command

ASK = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    base = pickle.load(file)
print(base.decode()[0].size, base.preview()[0].size, base.fits(base.provenance.model).split(";")[0])
print(*base._repr_mimebundle_())
"""


@pytest.fixture
def base(tiny: Callable[[str], Path]) -> Latents:  # noqa: F811
    desk = Desk(tiny, Session())
    desk.run("<sd15>\n--prompts cat --inference-steps 2 --output-size 64 --seeds 7 --into base")
    made: Latents = desk["base"]
    return made


def test_latents_of_a_pickle_need_no_magic_and_no_import(base: Latents, tmp_path: Path, warm: Command) -> None:
    (tmp_path / "base.pickle").write_bytes(pickle.dumps(base))
    command = warm("-c", ASK, str(tmp_path / "base.pickle"))  # where nothing of ours is imported
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("(64, 64)")
    assert "image/png" in ended.stdout or "text/html" in ended.stdout
