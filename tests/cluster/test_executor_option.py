"""Where stages run is said on the magic's line, by ``%config``, to `run`, and on the command line."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

import jupyter_latents
from jupyter_latents.cluster.crew import version_faults
from jupyter_latents.cluster.orders import _sent
from jupyter_latents.cluster.starting import Connection, _own_folder
from jupyter_latents.engine import WorkerRow, local_engine
from jupyter_latents.errors import SettingError
from jupyter_latents.session import Session
from jupyter_latents.session.process import Process
from jupyter_latents.settings import SETTINGS, Settings
from jupyter_latents.stage import ModelSource, Stage

ROW = WorkerRow("lab-3", 4711, "cpu", "free")
SCRIPT = "demo/scenes --prompts cat --seeds 3 --inference-steps 1 --output-size 64 --into base"


class Crew:
    """An engine of this process that passes for one of workers."""

    def __init__(self) -> None:
        self.engine = local_engine(Settings())
        self.stages: list[Stage] = []
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def workers(self) -> list[WorkerRow]:
        return [ROW]

    def run(self, stage: Stage, *given: Any) -> Any:
        self.stages.append(stage)
        return self.engine.run(stage, *given)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Crew]:
    """The crews that were asked for, by place."""
    crews: dict[str, Crew] = {}

    def workers(_process: Process, executor: str, _settings: Settings) -> Crew:
        return crews.setdefault(executor, Crew())

    monkeypatch.setattr(Process, "workers", workers)
    monkeypatch.setattr(SETTINGS, "executor", "local")
    return crews


def test_the_magic_says_where_stages_run(
    shell: Any, asked: dict[str, Crew], capsys: pytest.CaptureFixture[str]
) -> None:
    table = shell.run_line_magic("dgen", "--executor ray")
    assert "lab-3  4711" in repr(table)
    shell.run_cell_magic("dgen", "", SCRIPT)
    assert len(asked["ray"].stages) == 1
    shell.run_cell_magic("dgen", "--executor 10.0.0.5:6379", SCRIPT.replace("--seeds 3", "--seeds 4"))
    assert len(asked["10.0.0.5:6379"].stages) == 1
    capsys.readouterr()
    assert shell.run_line_magic("dgen", "--executor local") is None
    assert capsys.readouterr().out == "stages run in this process\n"
    shell.run_cell_magic("dgen", "--force", SCRIPT)
    assert sum(len(crew.stages) for crew in asked.values()) == 2


def test_config_says_where_stages_run(shell: Any, asked: dict[str, Crew], capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("config", "JupyterLatents.executor = 'ray'")
    assert Session().place == "ray"
    shell.run_line_magic("config", "JupyterLatents.executor = 'everywhere'")
    assert Session().place == "ray"
    shell.run_line_magic("config", "JupyterLatents.executor = 'local'")
    assert Session().place == "local"


def test_run_says_where_its_stages_run(asked: dict[str, Crew]) -> None:
    made = jupyter_latents.run(SCRIPT, names={}, executor="ray", force=True)
    assert len(asked["ray"].stages) == 1
    with jupyter_latents.start(Stage.of("demo/scenes", prompt="a", seed=1, num_inference_steps=1), executor="ray"):
        pass
    assert made.position is not None
    with pytest.raises(SettingError, match="the executor 'ray://x' is none; give local, ray for workers"):
        jupyter_latents.run(SCRIPT, names={}, executor="ray://x")


def test_the_command_says_where_stages_run(asked: dict[str, Crew], tmp_path: Any, monkeypatch: Any) -> None:
    from jupyter_latents.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.dgen").write_text(SCRIPT)
    assert main(["cat.dgen", "--executor", "ray"]) == 0
    assert len(asked["ray"].stages) == 1
    assert main(["cat.dgen", "--executor", "everywhere"]) == 2


def test_a_session_with_an_engine_of_its_own_stays_on_it() -> None:
    with pytest.raises(SettingError, match="an engine of its own"):
        Session(engine=local_engine(Settings())).run_on("ray")


def test_where_ray_is_missing_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest))
    with pytest.raises(SettingError, match=r'pip install "jupyter-latents\[cluster\]"'):
        Connection.start(None)


def test_another_version_is_told_by_machine() -> None:
    own = {"host": "here", "Python": "3.11.7", "torch": "2.13.0", "jupyter-latents": "0.1.0"}
    assert version_faults(own, own | {"host": "lab-3"}) == []
    assert version_faults(own, {"host": "lab-3", "Python": "3.11.7", "torch": "2.12.0", "jupyter-latents": ""}) == [
        "lab-3 has torch 2.12.0, here is 2.13.0",
        "lab-3 has no jupyter-latents",
    ]


def test_no_token_goes_to_a_worker() -> None:
    stage = Stage(model=ModelSource("someone/model", auth_token="hf_secret"))
    assert "hf_secret" not in repr(_sent(stage).model.auth_token)
    assert _sent(stage).model.name == "someone/model"


def test_what_a_killed_process_left_of_ray_is_deleted() -> None:
    place = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
    left, own = place / "jl-ray-999999999-left", place / f"jl-ray-{os.getpid()}-own"
    for folder in (left, own):
        (folder / "logs").mkdir(parents=True)
    try:
        made = Path(_own_folder())
        assert (left.exists(), own.exists(), made.exists()) == (False, True, True)
        made.rmdir()
    finally:
        shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(own)
