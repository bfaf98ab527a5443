"""Latents whose model has another VAE now: told or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.vae.decoder import Decoder
from jupyter_latents.errors import LatentsWarning, ModelError
from jupyter_latents.latents.facts import CLEAN, Provenance
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import ModelSource
from tests.tiny import save_folder


@pytest.fixture
def made(tmp_path: Path) -> Latents:
    name = str(save_folder("sd15", tmp_path / "model"))
    torch.manual_seed(0)
    return Latents(torch.randn(1, 4, 4, 4), describe(ModelSource(name)).space, CLEAN, provenance=Provenance(name))


def _invert_weights(folder: str) -> None:
    path = next(Path(folder, "vae").glob("*.safetensors"))
    save_file({name: -value for name, value in load_file(path).items()}, path)


def test_changed_weights_are_told(made: Latents) -> None:
    _invert_weights(made.provenance.model)
    with pytest.warns(LatentsWarning, match="was changed since these latents were made"):
        Decoder(ModelCache()).decode(made)


def test_another_scale_is_refused(made: Latents) -> None:
    path = Path(made.provenance.model, "vae", "config.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scaling_factor": 0.5}))
    with pytest.raises(ModelError, match="its VAE would give a wrong picture"):
        Decoder(ModelCache()).decode(made)


def test_a_space_that_the_maker_does_not_have_is_refused(made: Latents) -> None:
    with pytest.raises(ModelError, match=r"SDXL space .* works in SD space"):
        Decoder(ModelCache()).decode(made.replace(space="sdxl"))
