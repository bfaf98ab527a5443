"""A picture that one kernel has written, dropped on the panel of another."""

from pathlib import Path

import pytest

from tests.kernel.session import KernelSession

pytestmark = pytest.mark.kernel

MADE = """%%dgen
demo/scenes
--prompts "a hill"
--inference-steps 6
--denoising-end 0.5
--into base

demo/paper
--prompts "a lake; rain"
--image-seeds "latents: base"
--inference-steps 6
--denoising-start 0.5
--into final"""
DROP = """from pathlib import Path
from jupyter_latents import panel
opened = panel().panel
content = memoryview(Path({file!r}).read_bytes())
opened.editor.drops._handle_msg({{"content": {{"data": {{"method": "custom", "content":
    {{"field": "panel", "file": "made.png"}}}}}}, "buffers": [content]}})
opened.widgets.buttons["run"].click()
opened.wait()
print(final.digest)"""


@pytest.mark.parametrize("ending", ["png", pytest.param("jpg", marks=pytest.mark.slow)])
def test_it_gives_the_same_latents(
    kernel: KernelSession, fresh_kernel: KernelSession, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"made.{ending}"
    for one in (kernel, fresh_kernel):
        assert one.execute("%load_ext jupyter_latents").ok
    assert kernel.execute(MADE).ok
    made = kernel.execute(f"final.save({str(file)!r}); print(final.digest)")
    again = fresh_kernel.execute(DROP.format(file=str(file)))
    assert again.ok, again.error
    assert made.text().strip() == again.text().strip().split("\n")[-1] != ""
