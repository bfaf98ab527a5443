"""What leaves this machine of a stage names no path of it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from jupyter_latents.session.cells.shortened import public_stage
from jupyter_latents.stage import LatentsProcessor, ModelSource, Stage

ADDRESSES = {row.name: "tuple" in str(row.type) for row in fields(ModelSource) if "Address" in str(row.type)}
"""Fields of addresses, and whether they hold several."""
CHAINS = [row.name for row in fields(Stage) if "LatentsProcessor" in str(row.type)]
PATH = "/home/me/it.safetensors;subfolder=/home/me/inner"


@pytest.mark.parametrize("name", ADDRESSES)
def test_no_address_of_a_model_leaves_with_its_path(name: str) -> None:
    model = ModelSource("demo/scenes", **{name: (PATH,) if ADDRESSES[name] else PATH})
    made, remarks = public_stage(Stage(model=model), "")
    found = getattr(made.model, name)
    assert str(found[0] if ADDRESSES[name] else found) == "it.safetensors;subfolder=inner"
    assert [remark.split(":")[0] for remark in remarks] == ["fill in inner", "fill in it.safetensors"]


@pytest.mark.parametrize("chain", CHAINS)
def test_no_network_of_a_latents_processor_leaves_with_its_path(chain: str) -> None:
    link = LatentsProcessor("upscaler", {"model": "/home/me/it.safetensors", "tone": "0.5"})
    made, remarks = public_stage(Stage(model=ModelSource("demo/scenes"), **{chain: (link,)}), "")
    assert dict(getattr(made, chain)[0].arguments) == {"model": "it.safetensors", "tone": "0.5"}
    assert remarks == ("fill in it.safetensors: the file or folder of that name",)
