"""What docs/video.md shows runs, on a tiny model, and its figures are those of the published configurations."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from tests.session.conftest import Desk

PAGE = Path(__file__).parents[2] / "docs" / "video.md"
MEMORY = PAGE.with_name("video-memory.md")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text(encoding="utf-8").split()) <= 900


def test_what_the_page_shows_runs(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_latents.display.wiring import session_with_display

    monkeypatch.chdir(tmp_path)
    session_with_display(desk.session.names)
    (script, further), (python,) = blocks(""), blocks("python")
    small = script.replace("832x480", "32").replace("81", "9").replace("40", "4")
    desk.run(small.replace("%%dgen\n", "").replace("Wan-AI/Wan2.2-T2V-A14B-Diffusers", "<wan22>"))
    names = dict(desk.session.names)
    exec(python, names)
    small = further.replace("end=80", "end=8").replace("%%dgen\n", "--inference-steps 4\n")
    desk.run(small.replace("--inference-steps 4\nWan-AI/Wan2.1-T2V-1.3B-Diffusers", "<wan21> --inference-steps 4"))
    assert desk.session.names["painted"].frames == 9
    assert (names["high"].position.fraction, len(names["film"])) == (0.5, 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boat.safetensors", "boat.webp"]


@pytest.mark.slow  # some minutes of operations without values
def test_the_memory_tables_are_those_of_the_published_configurations() -> None:
    from tests.tables.video_memory import parts_table, ways_table

    assert all(table() in MEMORY.read_text(encoding="utf-8") for table in (parts_table, ways_table))


def test_the_page_says_what_the_experts_weights_take() -> None:
    from diffusers import WanTransformer3DModel

    from tests.tables.video_memory import BYTES, shell, text_values, values

    weights = (values(shell(WanTransformer3DModel, {})), text_values())
    row = " | ".join(f"{count * BYTES / 1e9:.2f} GB" for count in weights)
    assert f"| Wan 2.2 A14B | {row} |" in MEMORY.read_text(encoding="utf-8")


def test_what_is_counted_without_values_is_what_the_tiny_model_takes() -> None:
    """A step and a decoding: counted of operations without values, with them, and as torch's profiler sees it."""
    import torch

    from tests.tables.peaks import foreseen, measured
    from tests.tiny import build

    pipeline = build("wan22")
    said, latents = torch.zeros(1, 64, 32), torch.zeros(1, 16, 2, 8, 8)

    def work(device: str) -> tuple[Any, Any]:
        denoiser, vae = (copy.deepcopy(part).to(device) for part in (pipeline.transformer, pipeline.vae))
        given, text, timestep = (tensor.to(device) for tensor in (latents, said, torch.zeros(1)))
        return (
            lambda: denoiser(hidden_states=given, timestep=timestep, encoder_hidden_states=text, return_dict=False),
            lambda: vae.decode(given, return_dict=False),
        )

    for without, done in zip(work("meta"), work("cpu"), strict=True):
        counted = foreseen(without)
        assert counted == pytest.approx(foreseen(done), rel=0.02)
        assert counted <= measured(done) <= 5 * counted  # kernels of the CPU unfold what they convolve


def test_the_arithmetic_of_weights_is_what_the_tiny_model_takes(desk: Desk) -> None:
    from jupyter_latents.engine.models.describe import describe
    from jupyter_latents.stage import ModelSource

    desk.run("<wan22> --prompts cat --inference-steps 2 --output-size 32 --num-frames 5 --seeds 1")
    name = str(desk.models("wan22"))
    counted = describe(ModelSource(name)).values * 4
    held = sum(row.size for row in desk.session.engine.holdings() if name in row.models)
    assert abs(held - counted) <= 0.02 * held  # what is held besides are buffers that no file has
