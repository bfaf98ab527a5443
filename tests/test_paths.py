"""Whatever takes a path refuses what no path can be with an error of ours, in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from jupyter_latents import cell_from, compare
from jupyter_latents.completer import list_path
from jupyter_latents.engine import Silent, checked_preview_vae
from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.latents import Latents
from jupyter_latents.paths import opened
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script

PATHS = {
    "a NUL": "a\0b",
    "half a surrogate pair": "a\ud800b",
    "a long name": "x" * 300,
    "a long path": "/".join(["y" * 200] * 30),
    "nothing": "",
    "nobody's home": "~nobody-of-this-name/x",
    "below a file": "file/x",
    "a link to itself": "loop/x",
}
REPOSITORIES = {
    "two dashes": "a/b--c",
    "git's ending": "a/b.git",
    "letters that are not allowed": "a/é",
    "97 letters": f"a/{'x' * 97}",
    "a dash at the end": "a/b-",
    "a dot at the start": "a/.b",
}
RUN = "demo/scenes --prompts x --inference-steps 1 --seeds 1"
LATENTS = Latents(torch.zeros(1, 4, 8, 8))
SCRIPTS = {
    "an image": f'{RUN} --image-seeds "PATH.png"',
    "latents": f'{RUN} --image-seeds "latents: PATH.safetensors"',
    "a mask": f'{RUN} --image-seeds "base;mask=PATH.png"',
    "a model": '"PATH" --prompts x',
    "a checkpoint": '"PATH.safetensors" --prompts x',
    "a VAE": f'{RUN} --vae "PATH"',
    "a LoRA": f'{RUN} --loras "PATH"',
    "a subfolder": f'{RUN} --subfolder "PATH"',
    "a U-Net": f'{RUN} --unet "PATH"',
    "a pattern": f"{RUN} --image-seeds PATH/*.png",
}
CALLS: dict[str, Callable[[Session, str], Any]] = {
    "keep_in": lambda session, path: session.keep_in(path),
    "save": lambda _, path: LATENTS.save(f"{path}.safetensors" if path else path),
    "save for ComfyUI": lambda _, path: LATENTS.save(f"{path}.latent" if path else path),
    "load": lambda _, path: Latents.load(f"{path}.pt"),
    "load a variable": lambda session, path: session.load("other", f"{path}.safetensors"),
    "load a picture's latents": lambda _, path: Latents.load(f"{path}.png"),
    "compare": lambda _, path: compare(f"{path}.png", LATENTS),
    "a picture's cell": lambda _, path: cell_from(f"{path}.png"),
    "fits": lambda session, path: known(session.fits(LATENTS, path)),
}


def known(verdict: str) -> None:
    """Raises the verdict that says why a model is not there."""
    assert verdict.startswith("impossible: ")
    raise JupyterLatentsError(verdict)


def plan(session: Session, text: str) -> None:
    """Raises what a script's plan says of its first stage."""
    planned = session.plan(Task(Script(text)))
    if planned.stages and planned.stages[0].error is not None:
        raise planned.stages[0].error


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    Path("loop").symlink_to("loop")
    return Session({"base": LATENTS})


def is_ours(call: Callable[[], Any]) -> None:
    with pytest.raises(JupyterLatentsError) as caught:
        call()
    assert "unexpectedly" not in caught.value.message
    assert "Errno" not in caught.value.message


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("call", CALLS)
def test_calls_refuse_it(session: Session, call: str, path: str) -> None:
    is_ours(lambda: CALLS[call](session, PATHS[path]))


@pytest.mark.parametrize("path", sorted(PATHS.keys() - {"nothing"}))
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_refuse_it_in_the_plan(session: Session, script: str, path: str) -> None:
    is_ours(lambda: plan(session, SCRIPTS[script].replace("PATH", PATHS[path])))


@pytest.mark.parametrize("name", REPOSITORIES)
@pytest.mark.parametrize("script", ["a model", "a VAE", "a LoRA", "a U-Net"])
def test_what_the_hub_takes_for_no_name_is_refused_in_words(session: Session, script: str, name: str) -> None:
    run = session.start(Task(Script(SCRIPTS[script].replace("PATH", REPOSITORIES[name]))), Silent())
    assert run.wait(60)
    with pytest.raises(JupyterLatentsError, match="no folder or file in "):
        run.check()


@pytest.mark.parametrize("path", sorted(PATHS.keys() - {"nothing"}))
@pytest.mark.parametrize("kind", ["png", "safetensors"])
def test_an_output_that_cannot_be_written_is_refused_before_a_step(session: Session, path: str, kind: str) -> None:
    text = f'{RUN} --into made --image-format {kind} --output-path "{PATHS[path]}"'
    run = session.start(Task(Script(text)), Silent())
    assert run.wait(60)
    assert run.model_evaluations == 0
    is_ours(lambda: (_ for _ in ()).throw(run.error))
    is_ours(lambda: plan(session, text))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("line", ["--store", "--file"])
def test_magics_refuse_it(shell: Any, session: Session, line: str, path: str) -> None:
    is_ours(lambda: shell.magics_manager.magics["line"]["dgen"](f'{line} "{PATHS[path]}"'))


@pytest.mark.parametrize("name", [*PATHS.values(), *REPOSITORIES.values()])
def test_a_tiny_autoencoder_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(JupyterLatentsError, match="is no tiny autoencoder on this machine"):
        checked_preview_vae(name)


@pytest.mark.parametrize("path", PATHS)
def test_completion_offers_nothing_there(session: Session, path: str) -> None:
    assert list_path(f"{PATHS[path]}/") == [] or not PATHS[path]


def test_a_home_that_is_not_there_stays_as_it_was_written() -> None:
    assert opened("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    assert opened("~/x") == Path.home() / "x"
