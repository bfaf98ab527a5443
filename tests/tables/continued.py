"""Continues latents in a new process: ``python -m tests.tables.continued LIST.json``.

The list holds one object for each stage, the fields of `Half`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Half", "in_a_new_process"]


@dataclass(frozen=True)
class Half:
    """The second half of a run, to be made elsewhere.

    Attributes:
        folder: The model.
        mode: txt2img, img2img or inpaint.
        scheduler: With its settings.
        file: The latents at half.
    """

    folder: str
    mode: str
    scheduler: str
    file: str

    @property
    def final(self) -> Path:
        """Where the end of the run is written."""
        return Path(f"{self.file}.final.safetensors")


def in_a_new_process(halves: list[Half], scratch: Path) -> None:
    """Makes all of them in one child process."""
    listed = scratch / "halves.json"
    listed.write_text(json.dumps([asdict(half) for half in halves]), "utf-8")
    subprocess.run([sys.executable, "-m", "tests.tables.continued", str(listed)], check=True, capture_output=True)


def main(listed: str) -> None:
    """What the child does."""
    import torch

    from jupyter_latents.engine.local import LocalEngine
    from jupyter_latents.latents import Latents
    from jupyter_latents.stage import ModelSource, Prompt, Size, Stage
    from tests.engine.cases import PROMPT, inputs

    torch.set_num_threads(1)
    engine = LocalEngine()
    for half in (Half(**found) for found in json.loads(Path(listed).read_text("utf-8"))):
        stage = Stage(
            model=ModelSource(half.folder),
            prompt=Prompt(PROMPT),
            num_inference_steps=10,
            guidance_scale=3.0,
            size=Size(64, 64),
            scheduler=half.scheduler,
        )
        engine.run(stage, inputs(half.mode, Latents.load(half.file))).latents.save(half.final)


if __name__ == "__main__":
    main(sys.argv[1])
