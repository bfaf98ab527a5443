"""Raw values to model space and back: to the last bit what each source computes, written out again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from jupyter_latents.engine.vae import codec
from jupyter_latents.latents import SPACES, Space
from jupyter_latents.latents.files.comfy_file import model_from_raw, raw_from_model

MEAN, STD = torch.linspace(-1.3, 1.1, 16), torch.linspace(0.4, 2.7, 16)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def channels(values, like):
    return torch.as_tensor(values, dtype=like.dtype).view(1, -1, 1, 1)


class AutoencoderKLFlux2:
    """What of a VAE the arithmetic reads."""

    bn = SimpleNamespace(running_mean=MEAN, running_var=STD)


class Other:
    pass


class Config(dict):
    __getattr__ = dict.__getitem__


# Raw from latents and latents from raw, as FluxPipeline, SD3's, SDXL's with latents_mean, QwenImagePipeline and
# Flux2Pipeline have it at the end of __call__ and in their image encoders.
SD = {"scaling_factor": 0.18215}
SHIFTED = {"scaling_factor": 0.3611, "shift_factor": 0.1159}
MEANS = {"latents_mean": MEAN.tolist(), "latents_std": STD.tolist(), "scaling_factor": 0.37, "shift_factor": None}
WAN = {"latents_mean": MEAN.tolist(), "latents_std": STD.tolist(), "z_dim": 16}
CASES = {
    "sd": (Other, SD, lambda x: x / 0.18215, lambda x: (x - 0.0) * 0.18215),
    "flux": (Other, SHIFTED, lambda x: x / 0.3611 + 0.1159, lambda x: (x - 0.1159) * 0.3611),
    "means": (
        *(Other, MEANS),
        lambda x: x * channels(STD, x) / 0.37 + channels(MEAN, x),
        lambda x: (x - channels(MEAN, x)) * 0.37 / channels(STD, x),
    ),
    "wan": (
        *(Other, WAN),
        lambda x: x / (1.0 / channels(STD, x)) + channels(MEAN, x),
        lambda x: (x - channels(MEAN, x)) / channels(STD, x),
    ),
    "flux2": (
        *(AutoencoderKLFlux2, {"batch_norm_eps": 1e-4}),
        lambda x: x * torch.sqrt(STD.view(1, -1, 1, 1) + 1e-4).to(x) + channels(MEAN, x),
        lambda x: (x - channels(MEAN, x)) / torch.sqrt(STD.view(1, -1, 1, 1) + 1e-4).to(x),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_the_codec_computes_in_the_pipelines_order(case, dtype):
    kind, config, raw_of, latents_of = CASES[case]
    vae = kind()
    vae.config = Config(config)
    values = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)
    scaling = codec.scaling_of_vae(vae, values)
    assert torch.equal(scaling.raw_from_model(values), raw_of(values))
    assert torch.equal(scaling.model_from_raw(values), latents_of(values))


@pytest.mark.parametrize(
    "space", [*SPACES.values(), Space("own", 16, 8, 0.37, 0.2, tuple(MEAN.tolist()), tuple(STD.tolist()))], ids=str
)
def test_latents_files_keep_their_order(space):
    values = torch.randn(1, space.channels, 8, 8, generator=torch.Generator().manual_seed(2))
    mean = channels(space.channel_mean, values) if space.channel_mean else space.shift_factor
    std = channels(space.channel_std, values) if space.channel_std else 1.0
    assert torch.equal(model_from_raw(values, space), (values - mean) / std * space.scaling_factor)
    assert torch.equal(raw_from_model(values, space), values / space.scaling_factor * std + mean)
