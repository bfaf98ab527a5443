"""What docs/video.md shows runs, on a tiny model, and its figures are those of the published configurations."""

from __future__ import annotations

import re
from pathlib import Path

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


def test_the_memory_table_is_that_of_the_published_configurations() -> None:
    from tests.tables.video_memory import table

    assert table() in MEMORY.read_text(encoding="utf-8")


def test_the_arithmetic_of_weights_is_what_the_tiny_model_takes(desk: Desk) -> None:
    from jupyter_latents.engine.models.describe import describe
    from jupyter_latents.stage import ModelSource

    desk.run("<wan22> --prompts cat --inference-steps 2 --output-size 32 --num-frames 5 --seeds 1")
    name = str(desk.models("wan22"))
    counted = describe(ModelSource(name)).values * 4
    held = sum(row.size for row in desk.session.engine.holdings() if name in row.models)
    assert abs(held - counted) <= 0.02 * held  # what is held besides are buffers that no file has
