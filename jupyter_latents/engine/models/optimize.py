"""Optimizations: puts choices on a denoiser of its own, through the switches of diffusers and torch alone."""

from __future__ import annotations

import importlib.util
import inspect
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.single_files import is_gguf
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.models.parts import PartSource, with_defaults
from jupyter_latents.errors import ModelError, SettingError
from jupyter_latents.optimizations import OPTIMIZATIONS, Choice, choices_of
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["WAYS", "apply_choices", "check_optimize", "denoiser_of", "has_step_cache", "step_cache"]

_UNET, _SD3 = "UNet2DConditionModel", "SD3Transformer2DModel"
_FLUX, _FLUX2 = "FluxTransformer2DModel", "Flux2Transformer2DModel"
_QWEN, _ZIMAGE = "QwenImageTransformer2DModel", "ZImageTransformer2DModel"

# What TaylorSeer leaves out of a predicted step, and whose output it predicts, where its own lite mode does not fit.
_BLOCKS = r"(?:(?:down|up)_blocks\.\d+|mid_block)"
_PREDICTED = {
    _UNET: (
        [rf"{_BLOCKS}\.resnets\.\d+", rf"{_BLOCKS}\.attentions\.\d+\.transformer_blocks\.\d+"],
        ["conv_out"],
    ),
    _SD3: ([r"transformer_blocks\.\d+\.(?:attn2?|ff|ff_context)"], ["proj_out"]),
}


_SHAPES = 64
"""Shapes that torch.compile compiles a block for; a U-Net has several a picture size. Others run as they are."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What a choice is checked against.

    Attributes:
        source: What the stage asks for.
        part: The denoiser on disk.
    """

    source: ModelSource
    part: PartSource


@dataclass(frozen=True, slots=True)
class _Way:
    """How a choice is put on a denoiser.

    Attributes:
        apply: Does it.
        classes: Classes of denoisers that it is known to work with; empty for all.
        objection: Why this installation or stage cannot have it; empty when it can.
    """

    apply: Callable[[Any, Mapping[str, float]], object]
    classes: tuple[str, ...] = ()
    objection: Callable[[_Case], str] = lambda _case: ""


def _channels_last(denoiser: Any, _settings: Mapping[str, float]) -> None:
    import torch

    denoiser.to(memory_format=torch.channels_last)


def _fuse(denoiser: Any, _settings: Mapping[str, float]) -> None:
    denoiser.fuse_qkv_projections()


def _float8(denoiser: Any, _settings: Mapping[str, float]) -> None:
    import torch

    denoiser.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=denoiser.dtype)


def _first_block_cache(denoiser: Any, settings: Mapping[str, float]) -> None:
    from diffusers import FirstBlockCacheConfig

    denoiser.enable_cache(FirstBlockCacheConfig(threshold=settings["threshold"]))


def _taylorseer(denoiser: Any, settings: Mapping[str, float]) -> None:
    from diffusers import TaylorSeerCacheConfig
    from diffusers.hooks import apply_taylorseer_cache

    skipped, predicted = _PREDICTED.get(type(denoiser).__name__, (None, None))
    config = TaylorSeerCacheConfig(
        cache_interval=int(settings["interval"]),
        max_order=int(settings["order"]),
        disable_cache_before_step=int(settings["warmup"]),
        taylor_factors_dtype=denoiser.dtype,
        skip_predict_identifiers=skipped,
        cache_identifiers=predicted,
        use_lite_mode=predicted is None,
    )
    apply_taylorseer_cache(denoiser, config)


def _compile(denoiser: Any, _settings: Mapping[str, float]) -> None:
    """Each size is compiled for itself: a kernel for any size would round otherwise than the one before it."""
    import torch

    more = {"recompile_limit": _SHAPES} if "recompile_limit" in inspect.signature(torch.compile).parameters else {}
    if type(denoiser).__name__ != _SD3:
        denoiser.compile_repeated_blocks(dynamic=False, **more)
        return
    for block in denoiser.transformer_blocks:  # diffusers names no repeated blocks of this class
        block.compile(dynamic=False, **more)


def _no_fusion(case: _Case) -> str:
    if case.source.quantizer:
        return f"it would not find the weights that {option('quantizer')} packs"
    if (other := getattr(case.source, case.part.name)) and is_gguf(file := other.get("weight-name") or other.name):
        return f"it would not find the weights that {Path(file).name} packs"
    if case.source.loras:
        return "fused products would leave the LoRAs out"
    if case.source.ip_adapters:
        return "fused products would leave the IP-Adapters out"
    normed = case.part.class_name == _SD3 and with_defaults(case.part, case.part.name).get("qk_norm")
    return "diffusers' fused attention of SD3 leaves out the query and key norms that it has" if normed else ""


def _no_quantizer(case: _Case) -> str:
    return f"{option('quantizer')} packs the weights already" if case.source.quantizer else ""


def _newer_diffusers(name: str) -> Callable[[_Case], str]:
    def objection(_case: _Case) -> str:
        import diffusers

        return "" if hasattr(diffusers, name) else f"diffusers {diffusers.__version__} has no {name}, a newer one has"

    return objection


def _two_blocks(case: _Case) -> str:
    config = with_defaults(case.part, case.part.name)
    blocks = int(config.get("num_layers") or 0) + int(config.get("num_single_layers") or 0)
    return "" if blocks > 1 else "it needs a first block and others, and there is one block"


def _no_compiler(case: _Case) -> str:
    """What torch.compile lacks: a C++ compiler and Python's headers, on most accelerators Triton."""
    if device_of(case.source.device).type in ("cuda", "xpu") and importlib.util.find_spec("triton") is None:
        return "torch.compile needs triton, which is not installed"
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX") or usual
    if shutil.which(compiler) is None:
        return f"torch.compile needs a C++ compiler, and {compiler} is not there; install it, or name one in CXX"
    headers = Path(sysconfig.get_path("include"))
    return "" if (headers / "Python.h").is_file() else f"torch.compile needs Python's headers, not found in {headers}"


WAYS: Mapping[str, _Way] = MappingProxyType(
    {
        "channels-last": _Way(_channels_last, (_UNET,)),
        "fuse-projections": _Way(_fuse, (_UNET, _SD3, _FLUX), _no_fusion),
        "float8-weights": _Way(_float8, (_UNET, _SD3, _FLUX, _FLUX2, _QWEN), _no_quantizer),
        "first-block-cache": _Way(
            _first_block_cache,
            (_FLUX, _QWEN),
            lambda case: _newer_diffusers("FirstBlockCacheConfig")(case) or _two_blocks(case),
        ),
        "taylorseer": _Way(_taylorseer, (_UNET, _SD3, _FLUX, _FLUX2, _QWEN), _newer_diffusers("TaylorSeerCacheConfig")),
        "compile": _Way(_compile, (_UNET, _SD3, _FLUX, _FLUX2, _QWEN, _ZIMAGE), _no_compiler),
    }
)
"""Choice to how it is put on; as many rows as `OPTIMIZATIONS` has."""


def denoiser_of(facts: ModelFacts) -> str:
    """Name of the part that a model denoises with.

    Raises:
        ModelError: It has none that is known.
    """
    found = next((name for name in ("unet", "transformer") if name in facts.sources), None)
    if found is None:
        raise _refusal(f": {facts.name} has no unet or transformer to optimize; leave it out.")
    return found


def check_optimize(source: ModelSource, facts: ModelFacts) -> tuple[Choice, ...]:
    """Reads what a stage asks for and sees that this model and this installation can have it; reads no weights.

    Raises:
        ModelError: They cannot, or there is no such choice.
    """
    if not source.optimize:
        return ()
    try:
        choices = choices_of(source.optimize)
    except SettingError as error:
        raise _refusal(f": {error.template}") from error
    case = _Case(source, facts.sources[denoiser_of(facts)])
    for choice in choices:
        reason = _objection(choice.row.name, case)
        if reason:
            others = [name for name in OPTIMIZATIONS if not _objection(name, case)]
            can = f"It can have {', '.join(others)}." if others else "It can have none."
            raise _refusal(f" {choice.row.name} is not for {facts.name}: {reason}. {can}")
    return choices


def _refusal(reason: str) -> ModelError:
    return ModelError(f"{option('optimize')}{reason}", option="optimize")


def _objection(name: str, case: _Case) -> str:
    way = WAYS[name]
    if way.classes and case.part.class_name not in way.classes:
        return f"its {case.part.name} is a {case.part.class_name}, and this is for {', '.join(way.classes)}"
    return way.objection(case)


def apply_choices(denoiser: Any, choices: Sequence[Choice], what: str) -> Any:
    """Puts choices on a denoiser, which is changed and given back.

    Args:
        denoiser: A module that nobody else uses.
        choices: What to put on it, in this order.
        what: Whose it is, for messages.

    Raises:
        ModelError: diffusers or torch will not have it.
    """
    for choice in choices:
        try:
            WAYS[choice.row.name].apply(denoiser, choice.settings)
        except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, ImportError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0]
            raise _refusal(f" {choice.row.name} cannot be put on {what}: {line} Leave it out.") from error
    return denoiser


def has_step_cache(choices: Sequence[Choice]) -> bool:
    """Whether what is remembered from step to step must not outlast a run."""
    return any(choice.row.kind == "step cache" for choice in choices)


@contextmanager
def step_cache(denoiser: Any) -> Iterator[None]:
    """A run of a denoiser with a step cache: it is empty before and after, however the run ends.

    Pipelines that name their calls (``cond``, ``uncond``) do so within; those that do not, such as Stable Diffusion's,
    call the denoiser once a step, which is one name for all. `CacheMixin`'s manager is used on classes without it too:
    all it does is tell the hooks the name.
    """
    from diffusers.hooks import HookRegistry
    from diffusers.models.cache_utils import CacheMixin

    hooks = HookRegistry.check_if_exists_or_initialize(denoiser)
    hooks.reset_stateful_hooks()
    try:
        with CacheMixin.cache_context(denoiser, "run"):
            yield
    finally:
        hooks.reset_stateful_hooks()
