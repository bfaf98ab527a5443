"""Previews by tiny autoencoders: diffusers' class, and decoder files as the TAESD family publishes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from huggingface_hub import constants

from jupyter_latents.engine import checked_preview_vae
from jupyter_latents.engine.vae import preview
from jupyter_latents.engine.vae.preview import LinearPreviewer, TinyPreviewer
from jupyter_latents.engine.vae.tiny import TinyDecoder
from jupyter_latents.errors import ModelError
from jupyter_latents.latents.spaces import Space
from tests.engine.cases import Bench, inputs
from tests.engine.schedule.test_handover import Notes

TAEF2 = Path(__file__).parents[4] / "shared" / "weights" / "taef2_decoder.pth"


@pytest.fixture(scope="module")
def tiny_vae(tmp_path_factory: pytest.TempPathFactory) -> AutoencoderTiny:
    """A random one of SD's channels, saved under ``config["_name_or_path"]``."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("taesd")
    AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).save_pretrained(folder)
    return AutoencoderTiny.from_pretrained(folder)


def folder_of(vae: AutoencoderTiny) -> str:
    return str(vae.config["_name_or_path"])


def published(vae: AutoencoderTiny) -> dict[str, torch.Tensor]:
    """Its decoder's tensors under the names of the TAESD files, which count the clamp as a layer."""
    layers = {str(place + 1): layer for place, layer in enumerate(vae.decoder.layers)}
    return {f"{place}.{name}": tensor for place, layer in layers.items() for name, tensor in layer.state_dict().items()}


def refusal(space: str, bench: Bench, name: str) -> str:
    model = bench.engine.cache.load(bench.stage(space).model)
    with pytest.raises(ModelError) as caught:
        model.previewer(name)
    return caught.value.message


def test_a_preview_is_what_the_tiny_autoencoder_decodes(bench: Bench, tiny_vae: AutoencoderTiny) -> None:
    model = bench.engine.cache.load(bench.stage("sd15").model)
    latents = torch.randn(2, 4, 64, 48, generator=torch.Generator().manual_seed(1))
    shown = model.previewer(folder_of(tiny_vae)).pictures(latents)
    with torch.no_grad():
        assert torch.equal(shown, tiny_vae.decode(F.avg_pool2d(latents, 2)).sample.clamp(-1, 1))


def test_a_published_file_decodes_as_diffusers_does(tmp_path: Path, tiny_vae: AutoencoderTiny) -> None:
    latents = torch.randn(1, 4, 8, 6, generator=torch.Generator().manual_seed(1)) * 4
    with torch.no_grad():
        assert torch.equal(TinyDecoder(published(tiny_vae))(latents), tiny_vae.decode(latents).sample)


def test_a_run_with_tiny_previews_is_the_run_without(bench: Bench, tmp_path: Path, tiny_vae: AutoencoderTiny) -> None:
    torch.save(published(tiny_vae), tmp_path / "taesd_decoder.pth")

    class Looking(Notes):
        def step(self, event, look) -> None:
            self.notes.append(str(look.preview(str(tmp_path / "taesd_decoder.pth"))[0].size))

    watch = Looking()
    result = bench.engine.run(bench.stage("sd15"), inputs(), watch)
    assert torch.equal(result.latents.tensor, bench.whole("sd15").latents.tensor)
    assert watch.notes.count("(64, 64)") == result.evaluations


def test_the_published_one_of_a_space_is_found_where_the_vae_is_not_small(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_vae: AutoencoderTiny
) -> None:
    vae, named = bench.engine.cache.load(bench.stage("sd15").model).vae, Space("SD", 4)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert not isinstance(preview.previewer_of(vae, named), TinyPreviewer)
    snapshot = tmp_path / "models--madebyollin--taesd" / "snapshots" / "one"
    tiny_vae.save_pretrained(snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("one")
    assert not isinstance(preview.previewer_of(vae, named), TinyPreviewer)  # small enough itself
    monkeypatch.setattr(preview, "_SMALL", 0)
    assert isinstance(preview.previewer_of(vae, named), TinyPreviewer)
    assert isinstance(preview.previewer_of(vae, named, "off"), LinearPreviewer)


def test_what_cannot_be_used_is_refused(bench: Bench, tmp_path: Path, tiny_vae: AutoencoderTiny) -> None:
    with pytest.raises(ModelError, match=r"no tiny autoencoder on this machine.*hf download"):
        checked_preview_vae("madebyollin/nothing")
    assert checked_preview_vae(folder_of(tiny_vae)) == folder_of(tiny_vae)
    assert "decodes latents of 4 channels, and these have 16" in refusal("sd3", bench, folder_of(tiny_vae))
    (tmp_path / "no.pth").write_bytes(b"nothing")
    assert "is no decoder of a tiny autoencoder" in refusal("sd15", bench, str(tmp_path / "no.pth"))
    torch.save({"1.weight": torch.zeros(8, 4, 3, 3)}, tmp_path / "few.pth")
    assert "is no decoder of a tiny autoencoder" in refusal("sd15", bench, str(tmp_path / "few.pth"))


@pytest.mark.skipif(not TAEF2.is_file(), reason="the weights of TAEF2 are not on this machine")
def test_taef2_decodes_the_patched_latents_of_flux2() -> None:
    decoder = TinyDecoder(torch.load(TAEF2, weights_only=True, map_location="cpu")).float()
    assert decoder.channels == 32
    assert decoder(torch.zeros(1, 32, 4, 6)).shape == (1, 3, 32, 48)
