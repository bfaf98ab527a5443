"""Single-file checkpoints in the original key layouts: LDM (Stable Diffusion), SGM (SDXL, refiner), SD3.

Load them with ``from_single_file(path, config=<diffusers folder of the same family>, local_files_only=True)``: the
folder gives the configurations, the scheduler and the tokenizers, the file the weights. diffusers guesses the family of
these files from their keys as of published ones, except SD3's, which it knows by its size. It leaves a T5 it loads this
way in training mode. Flux cannot be had tiny: the converter has its width of 3072 written in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.tiny.registry import build

if TYPE_CHECKING:
    from torch import Tensor

Rules = tuple[tuple[str, str], ...]

RESNET: Rules = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
)
UNET_ENDS: Rules = (
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
    ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
)
VAE: Rules = (
    (r"up_blocks\.(\d)\.resnets\.(\d)", "up.{}.block.{}"),
    (r"up_blocks\.(\d)\.upsamplers\.0", "up.{}.upsample"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    ("conv_shortcut", "nin_shortcut"),
    ("conv_norm_out", "norm_out"),
)
OPEN_CLIP: Rules = (
    (r"text_model\.embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm", "ln_final"),
    (r"text_model\.encoder\.layers", "transformer.resblocks"),
    ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"),
    (r"mlp\.fc1", "mlp.c_fc"),
    (r"mlp\.fc2", "mlp.c_proj"),
    (r"self_attn\.out_proj", "attn.out_proj"),
    (r"text_projection\.weight", "text_projection"),
)
SD3_ENDS: Rules = (
    (r"pos_embed\.pos_embed", "pos_embed"),
    (r"pos_embed\.proj", "x_embedder.proj"),
    (r"time_text_embed\.timestep_embedder\.linear_1", "t_embedder.mlp.0"),
    (r"time_text_embed\.timestep_embedder\.linear_2", "t_embedder.mlp.2"),
    (r"time_text_embed\.text_embedder\.linear_1", "y_embedder.mlp.0"),
    (r"time_text_embed\.text_embedder\.linear_2", "y_embedder.mlp.2"),
    (r"norm_out\.linear", "final_layer.adaLN_modulation.1"),
    ("proj_out", "final_layer.linear"),
)
SD3_BLOCK: Rules = (
    (r"norm1\.linear", "x_block.adaLN_modulation.1"),
    (r"norm1_context\.linear", "context_block.adaLN_modulation.1"),
    (r"attn\.to_out\.0", "x_block.attn.proj"),
    (r"attn\.to_add_out", "context_block.attn.proj"),
    (r"ff\.net\.0\.proj", "x_block.mlp.fc1"),
    (r"ff\.net\.2", "x_block.mlp.fc2"),
    (r"ff_context\.net\.0\.proj", "context_block.mlp.fc1"),
    (r"ff_context\.net\.2", "context_block.mlp.fc2"),
)


def single_file(name: str, path: str | Path, seed: int = 0) -> Path:
    """Write a family's tiny pipeline as one ``.safetensors`` file in its original layout and return the path.

    Args:
        name: ``sd15``, ``sdxl``, ``sdxl-refiner`` or ``sd3``.
        path: The file to write.
        seed: Seed of the weights, as for ``build``.

    Raises:
        KeyError: The family has no single-file layout here.
    """
    from safetensors.torch import save_file

    layout = LAYOUTS[name]
    tensors = {key: tensor.contiguous().clone() for key, tensor in layout(build(name, seed))}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(path))
    return path


def _renamed(key: str, rules: Rules) -> str:
    """Apply every rule to a key, each at most once."""
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key, count=1)
    return key


def _unet(state: Mapping[str, Tensor], layers_per_block: int) -> Iterator[tuple[str, Tensor]]:
    """A U-Net's weights under ``model.diffusion_model``: blocks counted through, attention after its resnet."""
    step = layers_per_block + 1
    attended = {int(key.split(".")[1]) for key in state if key.startswith("up_blocks") and ".attentions." in key}
    for key, tensor in state.items():
        parts = key.split(".")
        if parts[0] == "mid_block":
            place = f"middle_block.{1 if parts[1] == 'attentions' else 2 * int(parts[2])}"
            name = f"{place}.{_renamed('.'.join(parts[3:]), RESNET if parts[1] == 'resnets' else ())}"
        elif parts[0] in ("down_blocks", "up_blocks"):
            block, kind, layer, rest = int(parts[1]), parts[2], int(parts[3]), ".".join(parts[4:])
            index = step * block + layer + (parts[0] == "down_blocks")
            side = "input_blocks" if parts[0] == "down_blocks" else "output_blocks"
            if kind == "downsamplers":
                name = f"{side}.{step * (block + 1)}.0.op.{parts[-1]}"
            elif kind == "upsamplers":
                name = f"{side}.{step * block + layers_per_block}.{2 if block in attended else 1}.{rest}"
            elif kind == "resnets":
                name = f"{side}.{index}.0.{_renamed(rest, RESNET)}"
            else:
                name = f"{side}.{index}.1.{rest}"
        else:
            name = _renamed(key, UNET_ENDS)
        yield f"model.diffusion_model.{name}", tensor


def _vae(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """A VAE's weights under ``first_stage_model``: decoder blocks counted from below, attention as 1x1 convolutions."""
    for key, weight in state.items():
        name = _renamed(key, VAE)
        if found := re.search(r"up_blocks\.(\d)\.(?:resnets\.(\d))?", key):
            name = name.replace("{}", str(3 - int(found[1])), 1).replace("{}", found[2] or "")
        is_matrix = "attentions" in key and "group_norm" not in key and key.endswith("weight")
        yield f"first_stage_model.{name}", weight[:, :, None, None] if is_matrix else weight


def _clip(state: Mapping[str, Tensor], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """A CLIP text encoder's weights as transformers names them, with ``text_model`` whatever its version."""
    for key, tensor in state.items():
        plain = key.startswith(("text_model.", "text_projection"))
        yield f"{prefix}.{key if plain else 'text_model.' + key}", tensor


def _open_clip(state: Mapping[str, Tensor], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """A CLIP text encoder's weights as OpenCLIP names them: query, key and value in one matrix."""
    import torch

    for key, tensor in state.items():
        if ".q_proj." in key:
            parts = [state[key.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            block = _renamed(key.split("self_attn")[0], OPEN_CLIP)
            yield f"{prefix}.{block}attn.in_proj_{key.rsplit('.', 1)[1]}", torch.cat(parts)
        elif not re.search(r"\.[kv]_proj\.", key):
            yield f"{prefix}.{_renamed(key, OPEN_CLIP)}", tensor.T if key == "text_projection.weight" else tensor


def _swapped(tensor: Tensor) -> Tensor:
    """The original order of the last modulation: shift before scale."""
    import torch

    scale, shift = tensor.chunk(2)
    return torch.cat([shift, scale])


def _sd3_transformer(state: Mapping[str, Tensor], layers: int) -> Iterator[tuple[str, Tensor]]:
    """SD3's transformer under ``model.diffusion_model``: joint blocks with query, key and value in one matrix."""
    swapped = ("final_layer.adaLN", f"joint_blocks.{layers - 1}.context_block.adaLN")
    for key, tensor in state.items():
        found = re.match(r"transformer_blocks\.(\d+)\.(.+)", key)
        name = f"joint_blocks.{found[1]}.{_renamed(found[2], SD3_BLOCK)}" if found else _renamed(key, SD3_ENDS)
        if not re.search(r"attn\.(to_[qkv]|add_[qkv]_proj)\.", name):
            yield f"model.diffusion_model.{name}", _swapped(tensor) if name.startswith(swapped) else tensor
    for key in state:
        if found := re.match(r"transformer_blocks\.(\d+)\.attn\.(to_q|add_q_proj)\.(\w+)", key):
            yield f"model.diffusion_model.{_sd3_qkv_name(*found.groups())}", _stacked(state, key, found[2])


def _sd3_qkv_name(block: str, projection: str, kind: str) -> str:
    """The name of a joint matrix: images project ``to_q``, text ``add_q_proj``."""
    return f"joint_blocks.{block}.{'x_block' if projection == 'to_q' else 'context_block'}.attn.qkv.{kind}"


def _stacked(state: Mapping[str, Tensor], key: str, projection: str) -> Tensor:
    """Query, key and value below each other, found from the query's key."""
    import torch

    names = [projection.replace("q", letter) for letter in "qkv"]
    return torch.cat([state[key.replace(projection, name)] for name in names])


def _stable_diffusion(pipeline: Any) -> Iterator[tuple[str, Tensor]]:
    """The LDM layout of Stable Diffusion 1."""
    yield from _unet(pipeline.unet.state_dict(), pipeline.unet.config.layers_per_block)
    yield from _vae(pipeline.vae.state_dict())
    yield from _clip(pipeline.text_encoder.state_dict(), "cond_stage_model.transformer")


def _sdxl(pipeline: Any) -> Iterator[tuple[str, Tensor]]:
    """The SGM layout of SDXL and of its refiner, whose only text encoder is the first embedder."""
    yield from _unet(pipeline.unet.state_dict(), pipeline.unet.config.layers_per_block)
    yield from _vae(pipeline.vae.state_dict())
    if pipeline.text_encoder is not None:
        yield from _clip(pipeline.text_encoder.state_dict(), "conditioner.embedders.0.transformer")
    second = 0 if pipeline.text_encoder is None else 1
    yield from _open_clip(pipeline.text_encoder_2.state_dict(), f"conditioner.embedders.{second}.model")


def _sd3(pipeline: Any) -> Iterator[tuple[str, Tensor]]:
    """The layout of Stable Diffusion 3 with its three text encoders."""
    yield from _sd3_transformer(pipeline.transformer.state_dict(), pipeline.transformer.config.num_layers)
    yield from _vae(pipeline.vae.state_dict())
    for key, tensor in _clip(pipeline.text_encoder.state_dict(), "text_encoders.clip_l.transformer"):
        if not key.endswith("text_projection.weight"):
            yield key, tensor
    yield from _clip(pipeline.text_encoder_2.state_dict(), "text_encoders.clip_g.transformer")
    for key, tensor in pipeline.text_encoder_3.state_dict().items():
        yield f"text_encoders.t5xxl.transformer.{key}", tensor


LAYOUTS: dict[str, Callable[[Any], Iterator[tuple[str, Any]]]] = {
    "sd15": _stable_diffusion,
    "sdxl": _sdxl,
    "sdxl-refiner": _sdxl,
    "sd3": _sd3,
}
"""Families that have a single-file layout here."""
