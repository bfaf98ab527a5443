"""The tiny pipelines themselves: real classes that build, save, load offline and denoise deterministically."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import tiny as tinies
from tests.tiny.fixtures import one_thread, tiny, tiny_hub  # noqa: F401

if TYPE_CHECKING:
    from torch import Tensor

SPACES = {
    "sd15": (4, 0.18215, None),
    "sd2": (4, 0.18215, None),
    "sdxl": (4, 0.13025, None),
    "sdxl-refiner": (4, 0.13025, None),
    "kolors": (4, 0.13025, None),
    "sd3": (16, 1.5305, 0.0609),
    "flux": (16, 0.3611, 0.1159),
    "z-image": (16, 0.3611, 0.1159),
    "pixart-sigma": (4, 0.13025, None),
    "lumina2": (16, 0.3611, 0.1159),
    "auraflow": (4, 0.13025, None),
}


def denoise(pipeline: Any, prompt: str = "a red cat on a mountain", **options: Any) -> Tensor:
    """Two steps at 64 pixels, seeded; the latents as the pipeline returns them."""
    import torch

    pipeline.set_progress_bar_config(disable=True)
    kind = type(pipeline).__name__
    if "Img2Img" in kind:
        options |= {"image": torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64), "strength": 1.0}
    else:
        options |= {"height": 64, "width": 64}
    if kind == "PixArtSigmaPipeline":
        options["use_resolution_binning"] = False
    generator = torch.Generator().manual_seed(1)
    return pipeline(
        prompt=prompt, num_inference_steps=2, generator=generator, output_type="latent", return_dict=False, **options
    )[0]


def load(where: str | Path, **options: Any) -> Any:
    """Load a pipeline in the way a user without a network does."""
    import torch
    from diffusers import DiffusionPipeline

    options = {"torch_dtype": torch.float32, "local_files_only": True, **options}
    return DiffusionPipeline.from_pretrained(where, **options)


def test_importing_the_builders_imports_no_torch() -> None:
    code = "import sys, tests.tiny; sys.exit(sum(name in sys.modules for name in ('torch', 'diffusers')))"
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("name", tinies.FAMILIES)
def test_family_loads_from_its_folder_and_denoises_deterministically(name: str, tiny: Callable[[str], Path]) -> None:  # noqa: F811
    import torch

    folder = tiny(name)
    built, first, second = tinies.build(name), load(folder), load(folder)
    assert type(first) is type(built)
    latents = denoise(first)
    assert torch.isfinite(latents).all()
    assert torch.equal(latents, denoise(second))
    # Loaded weights lie at other addresses than built ones, which can move the last bit of vector kernels.
    torch.testing.assert_close(latents, denoise(built), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(latents, denoise(second, prompt="a green dog"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", tinies.FAMILIES)
def test_family_stays_below_a_megabyte_and_a_half(name: str, tiny: Callable[[str], Path]) -> None:  # noqa: F811
    weights = [path.stat().st_size for path in tiny(name).rglob("*.safetensors")]
    assert sum(weights) < 1_500_000


@pytest.mark.parametrize(("name", "space"), SPACES.items())
def test_vae_has_the_published_space(name: str, space: tuple[int, float, float | None]) -> None:
    config = tinies.build(name).vae.config
    assert (config.latent_channels, config.scaling_factor, config.shift_factor) == space
    assert len(config.block_out_channels) == 4


def test_building_leaves_the_global_generator_alone() -> None:
    import torch

    before = torch.get_rng_state()
    tinies.build("sd15")
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_changes_the_model_but_not_its_latent_space() -> None:
    import torch

    first, again, other = tinies.build("sd15"), tinies.build("sd15"), tinies.build("sd15", seed=1)
    assert torch.equal(first.unet.conv_in.weight, again.unet.conv_in.weight)
    assert not torch.equal(first.unet.conv_in.weight, other.unet.conv_in.weight)
    assert torch.equal(first.vae.quant_conv.weight, other.vae.quant_conv.weight)
    assert not any(module.training for module in first.unet.modules())


@pytest.mark.parametrize("repo_id", tinies.PUBLISHED)
def test_published_name_loads_from_the_hub_cache(repo_id: str, tiny_hub: Path) -> None:  # noqa: F811
    import torch

    published = tinies.PUBLISHED[repo_id]
    plain = load(repo_id, cache_dir=tiny_hub)
    assert {plain.dtype} == {torch.float32}
    if "fp16" in published.variants:
        half = load(repo_id, cache_dir=tiny_hub, variant="fp16", torch_dtype=torch.float16)
        assert half.dtype == torch.float16
        weight = next(plain.vae.parameters())
        assert torch.equal(next(half.vae.parameters()), weight.half())


def test_hub_cache_links_names_to_blobs(tmp_path: Path) -> None:
    root = tinies.hub_cache(tmp_path, {"someone/model": "pixart-sigma"})
    home = root / "models--someone--model"
    commit = (home / "refs" / "main").read_text()
    index = home / "snapshots" / commit / "model_index.json"
    assert index.is_symlink()
    assert index.resolve().parent == (home / "blobs").resolve()


def test_sharded_folder_loads(tmp_path: Path) -> None:
    import torch

    folder = tinies.save_folder("sd15", tmp_path, max_shard_size="100KB")
    assert len(list((folder / "unet").glob("*.safetensors"))) > 1
    assert torch.equal(load(folder).unet.conv_in.weight, tinies.build("sd15").unet.conv_in.weight)


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sdxl-refiner", "sd3"])
def test_single_file_holds_the_same_weights(name: str, tmp_path: Path, tiny: Callable[[str], Path]) -> None:  # noqa: F811
    import torch

    built = tinies.build(name)
    path = tinies.single_file(name, tmp_path / "model.safetensors")
    loaded = type(built).from_single_file(
        str(path), config=str(tiny(name)), local_files_only=True, torch_dtype=torch.float32
    )
    for part, module in built.components.items():
        if isinstance(module, torch.nn.Module):
            weights = getattr(loaded, part).state_dict()
            assert all(torch.equal(tensor, weights[key]) for key, tensor in module.state_dict().items()), part


def test_controlnet_has_an_effect() -> None:
    import torch
    from diffusers import StableDiffusionControlNetPipeline

    parts = tinies.build("sd15").components
    parts.pop("image_encoder", None)
    pipeline = StableDiffusionControlNetPipeline(**parts, controlnet=tinies.controlnet(), requires_safety_checker=False)
    control = torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    strong, none = (denoise(pipeline, image=control, controlnet_conditioning_scale=scale) for scale in (1.0, 0.0))
    assert torch.isfinite(strong).all()
    assert not torch.allclose(strong, none)


def test_lora_has_an_effect(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    import torch

    pipeline = tinies.build("sd15")
    plain = denoise(pipeline)
    path = tinies.lora(tmp_path / "style.safetensors")
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    assert not torch.allclose(denoise(pipeline), plain)


def test_image_template_prefix_is_as_long_as_published() -> None:
    pipeline = tinies.build("qwen-image")
    prefix = pipeline.prompt_template_encode.split("{}")[0]
    assert len(pipeline.tokenizer(prefix).input_ids) == pipeline.prompt_template_encode_start_idx
