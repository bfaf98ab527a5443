"""Kernels round by memory layout, so the law needs latents and history back in the layout in which they were."""

import pytest
import torch

from jupyter_latents.latents import Latents
from jupyter_latents.stage import Window
from tests.engine.cases import Bench, equal, in_memory, inputs, through_file


@pytest.mark.parametrize("carry", [in_memory, through_file])
@pytest.mark.parametrize("scheduler", ["CMStochasticIterativeScheduler", "DPMSolverSinglestepScheduler"])
@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_img2img_keeps_the_law_where_the_layout_changes(family: str, scheduler: str, carry, bench: Bench) -> None:
    options = {"scheduler": scheduler, "num_inference_steps": 10, "strength": 0.7}
    whole = bench.run(family, "img2img", **options)
    assert equal(bench.split(family, [0.4], mode="img2img", carry=carry, **options)[-1], whole)


def test_a_file_gives_the_layout_back(bench: Bench, tmp_path) -> None:
    options = {"scheduler": "EulerDiscreteScheduler", "num_inference_steps": 10, "strength": 0.7}
    latents = bench.run("sd15", "img2img", window=Window(None, 0.5), **options).latents
    assert not latents.tensor.is_contiguous()
    again = Latents.load(latents.save(tmp_path / "x.safetensors"))
    assert again.tensor.stride() == latents.tensor.stride()
    assert torch.equal(again.tensor, latents.tensor)
    assert inputs("img2img").images
