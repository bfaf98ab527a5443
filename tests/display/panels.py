"""What tests of the panel share."""

from __future__ import annotations

from typing import Any

TWO = """\
demo/scenes
--prompts "a hill"
--negative-prompts "rain"
--seeds 7
--inference-steps 4
--denoising-end 0.5
--into base

demo/scenes
--image-seeds "latents: base"
--inference-steps 4
--denoising-start 0.5
--into final"""

SKETCH = """\
demo/scenes
--prompts "a beautiful sunset over the mountains"
--seeds 7
--inference-steps 30
--denoising-end 0.8
--into base

demo/paper
--prompts "clouds in the sky on a sunny day"
--image-seeds "latents: base"
--inference-steps 30
--denoising-start 0.8
--into final"""


def click(opened: Any, name: str) -> None:
    opened.widgets.buttons[name].click()


def errors(opened: Any) -> dict[str, str]:
    return {name: shown.value for name, shown in opened.editor.errors.items() if shown.value}
