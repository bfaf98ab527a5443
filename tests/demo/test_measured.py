"""The weights present are those that were measured; where they are not, the measurement of test_quality runs."""

import json
import re
from pathlib import Path

import pytest

from tests.demo import measured


def test_the_weights_present_are_those_that_were_measured() -> None:
    """Stands for the measurement of test_quality, which runs beside this where it fails, and under ``slow`` always."""
    assert not measured.CHANGED, (
        f"{', '.join(measured.CHANGED)}: not as it was measured. The measurement of tests/demo/test_quality.py runs "
        "beside this test. Run `python -m tests.demo.measured`: it measures and, where all passes, writes the digests "
        "to tests/demo/measured.json; commit that file with the change."
    )


@pytest.mark.parametrize("change", ["another digest", "a file more", "a file less"])
def test_a_change_of_any_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    recorded = json.loads(measured.RECORD.read_text("utf-8"))
    name = "demo/scenes/unet/diffusion_pytorch_model.safetensors"
    altered = {
        "another digest": recorded | {name: "0" * 64},
        "a file more": recorded | {"demo/scenes/more.json": "0" * 64},
        "a file less": {one: digest for one, digest in recorded.items() if one != name},
    }[change]
    monkeypatch.setattr(measured, "RECORD", tmp_path / "measured.json")
    measured.RECORD.write_text(json.dumps(altered), "utf-8")
    assert measured.changed() == (["demo/scenes/more.json"] if change == "a file more" else [name])


def test_all_that_draws_is_watched() -> None:
    """A new module of drawing code must be named in ``DRAWING``."""
    watched = {module.__name__.rpartition(".")[2] for module in measured.DRAWING}
    sources = " ".join(Path(str(module.__file__)).read_text("utf-8") for module in measured.DRAWING)
    assert set(re.findall(r"^(?:from|import) jupyter_latents\.demo\S*\.(\w+) import", sources, re.MULTILINE)) <= watched
