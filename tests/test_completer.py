"""Tab in a real IPython shell: what IPython itself offers at the cursor, marked ‸ here."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from jupyter_latents import completer


@pytest.fixture
def registered(shell: InteractiveShell) -> InteractiveShell:
    completer.register(shell)
    return shell


def tab(shell: InteractiveShell, text: str) -> dict[str, tuple[str, str]]:
    """Completion to the whole text it makes and its kind."""
    cursor = text.index("‸")
    code = text.replace("‸", "")
    with provisionalcompleter():
        found = list(shell.Completer.completions(code, cursor))
    made = {one.text: (code[: one.start] + one.text + "‸" + code[one.end :], one.type) for one in found}
    return {key: value for key, value in made.items() if value[0] != text}


def latents() -> Any:
    import torch

    from jupyter_latents.latents import Latents

    return Latents(torch.zeros(1, 4, 2, 2))


def test_options_are_offered_with_their_dashes(registered: InteractiveShell) -> None:
    found = tab(registered, "%%dgen\ndemo/scenes\n--denoising-‸")
    assert found == {
        "--denoising-start": ("%%dgen\ndemo/scenes\n--denoising-start‸", "option"),
        "--denoising-end": ("%%dgen\ndemo/scenes\n--denoising-end‸", "option"),
    }


def test_models_stand_at_the_start_of_a_line(registered: InteractiveShell) -> None:
    found = tab(registered, "%%dgen\ndemo/s‸\n--seeds 1")
    assert found["demo/scenes"] == ("%%dgen\ndemo/scenes‸\n--seeds 1", "model")


def test_schedulers_are_offered(registered: InteractiveShell) -> None:
    assert set(tab(registered, "%%dgen\ndemo/scenes --scheduler DDI‸")) == {
        "DDIMInverseScheduler", "DDIMParallelScheduler", "DDIMScheduler",
    }  # fmt: skip


def test_seed_names_latents_of_the_kernel_and_of_the_cell(registered: InteractiveShell) -> None:
    registered.user_ns.update(base=latents(), banner="text", bands=3)
    text = '%%dgen\ndemo/scenes --into bare\n\ndemo/paper --image-seeds "latents: ba‸'
    found = tab(registered, text)
    assert set(found) == {"bare", "base"}
    assert found["base"][0] == text.replace("ba‸", "base‸")


def test_template_names_attributes_of_a_variable(registered: InteractiveShell) -> None:
    registered.user_ns["base"] = latents()
    found = tab(registered, '%%dgen\ndemo/paper --image-seeds "latents: {{ base.dec‸ }}"')
    assert set(found) == {"decode"}


def test_files_complete_in_a_seed_and_folders_end_with_a_slash(registered: InteractiveShell) -> None:
    Path("pictures").mkdir()
    for name in ("photo.png", "my photo.png", ".hidden.png", "pictures/one.png"):
        Path(name).touch()
    assert set(tab(registered, "%%dgen\ndemo/scenes --image-seeds p‸")) == {"photo.png", "pictures/"}
    assert set(tab(registered, '%%dgen\ndemo/scenes --image-seeds "m‸"')) == {"my photo.png"}
    assert set(tab(registered, "%%dgen\ndemo/scenes --image-seeds my‸")) == set()
    assert set(tab(registered, "%%dgen\ndemo/scenes --image-seeds pictures/‸")) == {"pictures/one.png"}
    assert set(tab(registered, "%%dgen\ndemo/scenes --image-seeds nowhere/‸")) == set()


def test_the_magics_own_line_has_its_options(registered: InteractiveShell) -> None:
    assert "--dry-run" in tab(registered, "%%dgen --d‸")
    Path("script.dgen").touch()
    found = tab(registered, "x = 1\n  %dgen --file sc‸")
    assert found["script.dgen"] == ("x = 1\n  %dgen --file script.dgen‸", "path")


def test_python_names_stay_out_of_scripts(registered: InteractiveShell) -> None:
    assert tab(registered, '%%dgen\ndemo/scenes --prompts "a prin‸') == {}
    assert tab(registered, '%%dgen\ndemo/scenes --prompts "a ‸') == {}


def test_python_cells_are_left_alone(registered: InteractiveShell) -> None:
    assert "--dry-run" not in tab(registered, "x = 1\n--d‸")
    assert "print" in tab(registered, "prin‸")


def test_what_runs_over_several_lines_is_replaced_whole(registered: InteractiveShell) -> None:
    registered.user_ns["base"] = latents()
    text = '%%dgen\ndemo/paper --image-seeds "photo.png;\\\nlatents=ba‸"'
    assert tab(registered, text)["base"][0] == text.replace("ba‸", "base‸")


def test_registering_twice_keeps_one_and_unregistering_none(registered: InteractiveShell) -> None:
    before = len(registered.Completer.custom_matchers)
    completer.register(registered)
    assert len(registered.Completer.custom_matchers) == before
    completer.unregister(registered)
    completer.unregister(registered)
    assert len(registered.Completer.custom_matchers) == before - 1
    assert "--denoising-end" not in tab(registered, "%%dgen\ndemo/scenes\n--denoising-‸")


def test_only_usable_variables_go_into_a_seed() -> None:
    import numpy as np
    import torch
    from PIL import Image

    class Proxy:
        """Answers to any name, as lazy modules and remote objects do."""

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was looked at")

    names = {
        "base": latents(), "photo": Image.new("RGB", (2, 2)), "noise": torch.zeros(1), "array": np.zeros(2),
        "parts": [latents()], "file": Path("a.png"), "text": "b.safetensors", "_hidden": latents(),
        "number": 3, "words": "words", "empty": [], "proxy": Proxy(), "nested": [[[[latents()]]]],
    }  # fmt: skip
    assert completer.seed_names(names) == ["array", "base", "file", "noise", "parts", "photo", "text"]


def test_completing_loads_no_torch(tmp_path: Path) -> None:
    code = """
import sys
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from jupyter_latents import completer
shell = InteractiveShell.instance()
completer.register(shell)
with provisionalcompleter():
    assert list(shell.Completer.completions("%%dgen\\n", 7))
    assert list(shell.Completer.completions("%%dgen\\ndemo/scenes\\n--de", 23))
print([name for name in ("torch", "diffusers") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
