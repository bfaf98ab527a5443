"""What a first user gets wrong: one clean message each, pointing at the cell, and nothing bound before is lost."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_latents import errors
from tests.tiny.fixtures import one_thread, tiny  # noqa: F401

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Code:
    """Runs a command where it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.target}",)


@pytest.fixture
def model(tiny: Callable[[str], Path]) -> Path:  # noqa: F811
    return tiny("sd15")


@pytest.fixture
def cell(shell: InteractiveShell, model: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Any]:
    """Runs a cell whose line 2 is the model, and gives back the error that the shell showed, and the shell's text."""
    import torch

    from jupyter_latents import Latents
    from jupyter_latents.latents import CLEAN, Noise
    from jupyter_latents.latents.spaces import SPACES

    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    shell.user_ns |= {
        "base": Latents(noise, SPACES["sd"], Noise(1.2, "ve")),
        "finished": Latents(noise, SPACES["sd"], CLEAN),
        "flat": noise[0, 0],
        "sixteen": torch.zeros(1, 16, 8, 8),
        "numbers": torch.zeros((1, 4, 8, 8), dtype=torch.int64),
        "broken": torch.full((1, 4, 8, 8), float("nan")),
        "empty": torch.zeros(0, 4, 8, 8),
        "number": 3,
        "ours": Latents(noise),
    }
    whole = Path("whole.safetensors")
    shell.user_ns["base"].save(whole)
    Path("truncated.safetensors").write_bytes(whole.read_bytes()[:-100])
    Path("corrupt.safetensors").write_bytes(b"\xff" * 400)
    Path("code.pt").write_bytes(pickle.dumps(Code(Path("ran").absolute())))
    torch.save(Code(Path("ran").absolute()), "code2.pt")
    torch.save(noise, "bare.pt")
    Path("notes.txt").write_text("no picture")

    def run(text: str) -> Any:
        capsys.readouterr()
        result = shell.run_cell(f"%%dgen\n{text}")
        shown = capsys.readouterr().out
        assert "Traceback" not in shown
        return result.error_in_exec, shown

    return run


HEAD = '--prompts "a cat" --seeds 7 --inference-steps 4'
START = "--denoising-start 0.5"

# options of line 4, error, what the message says, what the caret underlines
OPTIONS = {
    "an unknown option": (
        '--image-seedz "latents: base"',
        "ScriptError",
        ["'--image-seedz' is no option", "did you mean --image-seeds?"],
        "--image-seedz",
    ),
    "an unknown variable": (
        '--image-seeds "latents: bsae"',
        "NameNotFoundError",
        ["no variable 'bsae'", "did you mean base?", "Variables that can go here: base"],
        '"latents: bsae"',
    ),
    "a missing file": (
        '--image-seeds "latents: whole.safetensor"',
        "NameNotFoundError",
        ["no file whole.safetensor", "did you mean whole.safetensors?", "Paths are taken from"],
        '"latents: whole.safetensor"',
    ),
    "a missing picture": (
        "--image-seeds ./photo.png",
        "NameNotFoundError",
        ["no file ./photo.png", "Paths are taken from"],
        "./photo.png",
    ),
    "a picture that is none": (
        "--image-seeds ./notes.txt",
        "NameNotFoundError",
        ["notes.txt cannot be read as a picture"],
        "./notes.txt",
    ),
    "a fraction above one": (
        "--denoising-end 1.5",
        "ScriptError",
        ["--denoising-end", "'1.5'", "at most 1"],
        "1.5",
    ),
    "a fraction below zero": (
        "--denoising-end -0.5",
        "ScriptError",
        ["--denoising-end", "'-0.5'", "0 or more"],
        "-0.5",
    ),
    "a fraction that is no number": (
        "--denoising-end half",
        "ScriptError",
        ["--denoising-end", "'half'", "give a fraction"],
        "half",
    ),
    "a window that ends where it starts": (
        '--denoising-start 0.5 --denoising-end 0.5 --image-seeds "latents: base"',
        "ScriptError",
        ["--denoising-start 0.5 is not before --denoising-end 0.5"],
        "0.5",
    ),
    "a window that ends before it starts": (
        '--denoising-start 0.8 --denoising-end 0.5 --image-seeds "latents: base"',
        "ScriptError",
        ["--denoising-start 0.8 is not before --denoising-end 0.5"],
        "0.8",
    ),
    "a window without a step": (
        "--denoising-end 0.1",
        "WindowError",
        ["no step to run", "--denoising-end 0.1 is step 0", "Use more --inference-steps"],
        None,
    ),
    "a start without latents": (
        "--denoising-start 0.5",
        "ScriptError",
        ["--denoising-start", "latents: NAME"],
        None,
    ),
    "latents that are fully denoised": (
        '--image-seeds "latents: finished"',
        "HandoffError",
        ["fully denoised", "--denoising-end", "image position"],
        '"latents: finished"',
    ),
    "latents without a batch and channels": (
        f'--image-seeds "latents: flat" {START}',
        "LatentsError",
        ["shape (8, 8)", "(batch, channels, height/factor, width/factor)"],
        '"latents: flat"',
    ),
    "an empty batch of latents": (
        f'--image-seeds "latents: empty" {START}',
        "LatentsError",
        ["shape (0, 4, 8, 8)", "no dimension may be empty"],
        '"latents: empty"',
    ),
    "latents of another space": (
        f'--image-seeds "latents: sixteen" {START}',
        "HandoffError",
        ["(1, 16, 8, 8)", "16 channels", "SD space (4 channels, factor 8)"],
        '"latents: sixteen"',
    ),
    "latents of whole numbers": (
        f'--image-seeds "latents: numbers" {START}',
        "LatentsError",
        ["torch.int64", ".float()"],
        '"latents: numbers"',
    ),
    "latents with NaN": (
        f'--image-seeds "latents: broken" {START}',
        "LatentsError",
        ["256 NaN or infinite values of 256"],
        '"latents: broken"',
    ),
    "a number for latents": (
        f'--image-seeds "latents: number" {START}',
        "HandoffError",
        ["number is an int", "`latents:` takes Latents, tensors, arrays, files"],
        '"latents: number"',
    ),
    "latents whose noise nobody knows": (
        '--image-seeds "latents: ours"',
        "HandoffError",
        ["noise level of these latents is not known", "--denoising-start"],
        '"latents: ours"',
    ),
    "latents of another size than asked for": (
        '--image-seeds "latents: base" --output-size 128',
        "HandoffError",
        ["--output-size 128x128", "64x64 pixels"],
        "128",
    ),
    "a truncated file": (
        '--image-seeds "latents: truncated.safetensors"',
        "LatentsFileError",
        ["truncated.safetensors is damaged", "Copy or save it again"],
        '"latents: truncated.safetensors"',
    ),
    "a corrupt file": (
        '--image-seeds "latents: corrupt.safetensors"',
        "LatentsFileError",
        ["corrupt.safetensors is damaged"],
        '"latents: corrupt.safetensors"',
    ),
    "a pickle with code": (
        '--image-seeds "latents: code.pt"',
        "LatentsFileError",
        ["code.pt was refused", "could run its writer's code"],
        '"latents: code.pt"',
    ),
    "a torch file with code": (
        '--image-seeds "latents: code2.pt"',
        "LatentsFileError",
        ["code2.pt was refused", "could run its writer's code"],
        '"latents: code2.pt"',
    ),
    "a file without facts": (
        '--image-seeds "latents: bare.pt"',
        "HandoffError",
        ["noise level of these latents is not known", "Latents.load(path, sigma=...)"],
        '"latents: bare.pt"',
    ),
    "a picture file for latents": (
        '--image-seeds "latents: notes.txt"',
        "LatentsFileError",
        ["notes.txt holds no latents", ".safetensors"],
        '"latents: notes.txt"',
    ),
    "an unknown scheduler": (
        "--scheduler EulrDiscreteScheduler",
        "ScriptError",
        ["EulrDiscreteScheduler", "did you mean EulerDiscreteScheduler?"],
        "EulrDiscreteScheduler",
    ),
    "a device that is not here": (
        "--device cuda:99",
        "ModelError",
        ["--device cuda:99 is not on this machine; here are cpu"],
        "cuda:99",
    ),
    "a variant that the model has not": (
        "--variant fp8",
        "ModelError",
        ["has no weights of --variant fp8", "plain files (no --variant)"],
        "fp8",
    ),
    "a model type that the model is not": (
        "--model-type torch-sdxl",
        "ModelError",
        ["--model-type is sdxl", "give --model-type sd or leave it out"],
        "torch-sdxl",
    ),
    "a quantizer with settings that are not allowed": (
        "--quantizer bnb;bits=3",
        "ModelError",
        ["--quantizer: bits=3 is not allowed; use 4 or 8."],
        "bnb;bits=3",
    ),
    "no steps": (
        "--seeds-to-images --inference-steps 0",
        "ScriptError",
        ["--inference-steps"],
        None,
    ),
}


@pytest.mark.parametrize("mistake", OPTIONS)
def test_a_wrong_option_gets_one_message_with_line_and_caret(
    cell: Callable[[str], Any], model: Path, shell: InteractiveShell, mistake: str
) -> None:
    options, kind, fragments, blamed = OPTIONS[mistake]
    before = dict(shell.user_ns)
    error, shown = cell(f"{model}\n{HEAD if mistake != 'no steps' else '--prompts cat'}\n{options} --into final")
    assert type(error) is getattr(errors, kind)
    for fragment in fragments:
        assert fragment in error.message
    assert "\n" not in error.message
    assert error.place is not None
    assert error.place.line == 4
    assert error.place.text == f"{options} --into final"
    assert shown.rstrip().endswith(str(error).rstrip()), "what is shown last is the message with its caret"
    line, caret = shown.rstrip().splitlines()[-2:]
    underlined = line[caret.index("^") : len(caret)]
    assert set(caret.strip()) == {"^"}
    assert blamed is None or underlined == blamed
    assert "final" not in shell.user_ns
    assert all(shell.user_ns[name] is before[name] for name in ("base", "finished", "ours"))
    assert not Path("ran").exists(), "nothing in a file runs"


# the model's line, error, what the message says
MODELS = {
    "a demo model misspelt": ("demo/scene", ["no demo model 'demo/scene'", "did you mean demo/scenes?"]),
    "a folder that is not there": ("./models/mine", ["'./models/mine'", "no folder", "Known here: demo/scenes"]),
    "a hub model that is not in the cache": (
        "somebody/some-model",
        ["'somebody/some-model'", "neither a demo model, a folder nor in the hub's cache", "hf download somebody/some"],
    ),
    "a folder that holds no model": ("./", ["model_index.json"]),
}


@pytest.mark.parametrize("mistake", MODELS)
def test_a_model_that_is_not_there_is_named_with_what_to_do(
    cell: Callable[[str], Any], shell: InteractiveShell, mistake: str
) -> None:
    line, fragments = MODELS[mistake]
    error, shown = cell(f"{line}\n{HEAD}")
    assert isinstance(error, errors.ModelError)
    for fragment in fragments:
        assert fragment in error.message
    assert (error.place.line, error.place.column) == (2, 1)
    assert shown.rstrip().endswith(str(error).rstrip())
    assert "base" in shell.user_ns


def test_an_option_with_an_empty_cell_says_what_a_cell_needs(cell: Callable[[str], Any]) -> None:
    error, _ = cell("--prompts cat")
    assert type(error) is errors.ScriptError
    assert error.place.line == 2
    assert "model" in error.message


def test_a_mistake_in_the_second_stage_is_found_before_the_first_runs(
    cell: Callable[[str], Any], model: Path, shell: InteractiveShell
) -> None:
    error, _ = cell(f"{model}\n{HEAD} --into first\n\n{model}\n{HEAD} --image-seedz x")
    assert type(error) is errors.ScriptError
    assert error.place.line == 6
    assert "first" not in shell.user_ns


def test_a_second_stage_that_fails_keeps_what_the_first_made(
    cell: Callable[[str], Any], model: Path, shell: InteractiveShell
) -> None:
    second = f'{model}\n{HEAD} --image-seeds "latents: nobody" --into second'
    error, _ = cell(f"{model}\n{HEAD} --output-size 64 --denoising-end 0.5 --into first --output-path out\n\n{second}")
    assert type(error) is errors.NameNotFoundError
    assert error.place.line == 6
    assert shell.user_ns["first"].position.step == 2
    assert "second" not in shell.user_ns
    assert "did you mean" not in error.message or "first" in error.message
