"""Values of the environment stay out of what a run tells and keeps; where a cell says ``$NAME``, kept text says so."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents import Latents
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.session import Task
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes

SECRET = "s3cret-v4lue"
SHORT = "--inference-steps 2 --output-size 64 --seeds 1"


class Everything(Notes):
    """Keeps all that a run tells, as bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []

    def plan(self, stages: Any) -> None:
        self.told.append(list(stages))

    def stage(self, index: int, stage: Any, name: str) -> None:
        self.told.append((index, stage, name))

    def phase(self, phase: Any) -> None:
        self.told.append(phase)

    def step(self, event: Any, look: Any) -> None:
        self.told.append(event)

    def result(self, result: Any) -> None:
        self.told.append((result.latents.facts(), [one.provenance for one in result.latents.trajectory]))


def ran(desk: Desk, text: str) -> tuple[Everything, JupyterLatentsError | None]:
    observer = Everything()
    run = desk.session.start(Task(Script(desk.text(text), 2)), observer)
    assert run.wait(SECONDS)
    assert run.error is None or isinstance(run.error, JupyterLatentsError)
    return observer, run.error


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)


@pytest.mark.usefixtures("secret")
def test_a_secret_is_in_no_byte_of_what_is_told_kept_and_written(desk: Desk, tmp_path: Path) -> None:
    desk.session.keep_in(str(tmp_path / "store"))
    observer, error = ran(
        desk,
        "\\print $TOKEN {{ env.TOKEN }}\n"
        f'<sd15> --prompts "a $TOKEN b; $TOKEN" "{{{{ env.TOKEN ~ \'!\' }}}}" {SHORT}\n'
        f"--auth-token $TOKEN --into base --output-path {tmp_path}/out --denoising-end 0.5 --image-format safetensors",
    )
    assert error is None
    base = desk["base"]
    assert [one.provenance.prompt for one in base] == ["a $TOKEN b", "$TOKEN!"]
    assert [one.provenance.negative_prompt for one in base] == ["$TOKEN", ""]
    assert base.labels[0].count("$TOKEN") == 2
    told = pickle.dumps([observer.told, observer.lines, [one.facts() for one in base], base.labels])
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) >= 4
    for content in (told, repr(base).encode(), *(file.read_bytes() for file in files)):
        assert SECRET.encode() not in content
    assert any("$TOKEN" in line for line in observer.lines)
    assert Latents.load(next(tmp_path.glob("out/*"))).provenance.prompt.count("$TOKEN") == 1


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    "line",
    [
        f"<sd15> --prompts cat {SHORT} --image-seeds $TOKEN.png",
        f"<sd15> --prompts cat {SHORT} --image-seeds http://127.0.0.1:9/$TOKEN.png",
        f"<sd15> --prompts cat {SHORT} --scheduler $TOKEN",
        f"<sd15> --prompts cat {SHORT} --vae no/such-$TOKEN",
        f"<sd15> --prompts cat {SHORT} --auth-token $TOKEN $TOKEN",
        f"no/such-$TOKEN --prompts cat {SHORT}",
        f"<sd15> --prompts cat {SHORT}\n\n\\setp x int(env.TOKEN)",
        f"<sd15> --prompts cat {SHORT}\n\n<sd15> --seeds $TOKEN {{{{ last_images[0].shape[0] }}}}",
        f"<sd15> --prompts cat {SHORT} --output-path /proc/$TOKEN",
    ],
)
def test_a_secret_is_in_no_byte_of_an_error(line: str, desk: Desk) -> None:
    observer, error = ran(desk, line)
    assert error is not None
    told = f"{error} {error.template} {error.args} {error._render_traceback_()} {observer.lines} {observer.told}"
    assert SECRET not in told
    assert "$TOKEN" in told


def test_a_model_named_by_the_environment_is_found_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Path(desk.text("<sd15>"))
    monkeypatch.setenv("MODELS", str(model.parent))
    desk.run(f"$MODELS/{model.name} --prompts cat {SHORT} --into a")
    assert desk["a"].provenance.model == f"$MODELS/{model.name}"
    desk.session.unload()
    assert desk.session.decode(desk["a"])[0].size == (64, 64)
    desk.run(f"$MODELS/{model.name} --prompts cat {SHORT} --image-seeds a --into b")
    assert str(model.parent) not in str(desk["b"].facts())
