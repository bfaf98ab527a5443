"""What a load needs: the key of every part, and how the model is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jupyter_latents.engine.models.adapters import changed_parts
from jupyter_latents.engine.models.describe import ModelFacts
from jupyter_latents.engine.models.optimize import check_optimize, denoiser_of
from jupyter_latents.engine.models.parts import PartSource
from jupyter_latents.engine.models.quantizers import check_quantizer, is_quantized
from jupyter_latents.errors import ModelError
from jupyter_latents.optimizations import Choice
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["HeldPart", "Part", "PartKey", "Plan", "dtype_of", "plan_of", "size_of"]

_DTYPES = ("auto", "float32", "float16", "bfloat16")


class PartKey(NamedTuple):
    """What makes two parts the same.

    Attributes:
        digest: Digest of the files.
        class_name: The class they are loaded as.
        dtype: Of the weights; empty for a part without weights.
        device: Where the weights are; empty likewise.
        made: What was done to it besides: a quantizer, LoRAs, optimizations, ``decodes``; empty for nothing.
    """

    digest: str
    class_name: str
    dtype: str = ""
    device: str = ""
    made: str = ""


@dataclass(slots=True)
class Part:
    """A loaded part and when it was used.

    Attributes:
        value: The module, tokenizer or processor.
        size: Bytes of its weights.
        used: Time of the last use, seconds since 1970.
        models: Names of the models that use it.
        name: Its name in the pipeline.
    """

    value: Any
    size: int
    used: float
    models: set[str] = field(default_factory=set)
    name: str = ""


@dataclass(frozen=True, slots=True)
class HeldPart:
    """One row of what the cache holds.

    Attributes:
        what: Name in the pipeline and class, such as ``unet (UNet2DConditionModel)``.
        size: Bytes of its weights.
        where: Device and dtype; empty for a part without weights.
        used: Time of the last use, seconds since 1970.
        models: Names of the models that use it.
        busy: Whether a run holds it now.
    """

    what: str
    size: int
    where: str
    used: float
    models: tuple[str, ...]
    busy: bool

    @staticmethod
    def of(key: PartKey, part: Part, *, busy: bool) -> HeldPart:
        """The row of a part."""
        where = (key.device, key.dtype.removeprefix("torch."), key.made.partition(":")[0])
        models = tuple(sorted(part.models))
        what = f"{part.name} ({key.class_name})"
        return HeldPart(what, part.size, " ".join(filter(None, where)), part.used, models, busy)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load needs.

    Attributes:
        source: What the stage names.
        facts: What the files say.
        home: Torch device the parts are kept on.
        dtype: Torch dtype of the weights.
        keys: Part name to its key.
        changed: The parts that LoRAs change.
        optimize: What is put on the denoiser.
    """

    source: ModelSource
    facts: ModelFacts
    home: Any
    dtype: Any
    keys: dict[str, PartKey]
    changed: tuple[str, ...]
    optimize: tuple[Choice, ...] = ()

    @property
    def denoiser(self) -> str:
        """Name of the part that `optimize` is put on; empty where nothing is."""
        return denoiser_of(self.facts) if self.optimize else ""

    def part(self, name: str) -> PartSource:
        """A part of the model, or one of its ControlNets."""
        controls = {control.part.name: control.part for control in self.facts.controls}
        return controls[name] if name in controls else self.facts.sources[name]

    def dtype_of(self, name: str) -> Any:
        """Torch dtype of a part's weights."""
        import torch

        own = self.part(name).dtype
        return getattr(torch, own) if own and own != "auto" else self.dtype

    def memory(self, names: list[str]) -> int:
        """Bytes that parts need."""
        return sum(self.part(name).values * int(self.dtype_of(name).itemsize) for name in names)

    def file_bytes(self, names: list[str]) -> int:
        """Bytes of the files that parts are read from; a file that holds several counts once."""
        return sum(path.stat().st_size for path in {path for name in names for path in self.part(name).weights})


def plan_of(source: ModelSource, facts: ModelFacts, home: Any, dtype: Any) -> Plan:
    """What a load needs; what the stage asks for is checked before anything is read.

    Raises:
        ModelError: A quantizer, LoRA or optimization that cannot be had.
    """
    if source.quantizer:
        check_quantizer(source.quantizer)
    optimize = check_optimize(source, facts)
    changed = tuple(changed_parts(facts))
    loras = "+".join(lora.digest for lora in facts.loras)
    plan = Plan(source, facts, home, dtype, {}, changed, optimize)
    parts = [part for name, part in facts.sources.items() if name != "scheduler"]
    for part in (*parts, *(control.part for control in facts.controls)):
        plan.keys[part.name] = PartKey(part.digest, part.class_name)
        if part.weights:
            quantized = bool(source.quantizer) and is_quantized(part.name, part.library)
            made = [f"quantized:{source.quantizer}"] if quantized else []
            made += [f"loras:{loras}"] if part.name in changed else []
            made += [f"optimized:{'+'.join(map(str, optimize))}"] if part.name == plan.denoiser else []
            dtype_name = str(plan.dtype_of(part.name))
            plan.keys[part.name] = PartKey(part.digest, part.class_name, dtype_name, str(home), " ".join(made))
    return plan


def size_of(part: Any) -> int:
    """Bytes of a loaded part's weights."""
    if not hasattr(part, "parameters"):
        return 0
    return sum(tensor.numel() * tensor.element_size() for tensor in (*part.parameters(), *part.buffers()))


def dtype_of(source: ModelSource, facts: ModelFacts, device: Any) -> Any:
    """The torch dtype of a model's weights: as asked for, else float32 on the CPU and the family's half elsewhere.

    Raises:
        ModelError: No such dtype.
    """
    import torch

    if source.dtype not in _DTYPES:
        allowed = ", ".join(_DTYPES)
        raise ModelError(f"{option('dtype')} {source.dtype} is not allowed; use {allowed}.", option="dtype")
    if source.dtype != "auto":
        return getattr(torch, source.dtype)
    return torch.float32 if device.type == "cpu" else getattr(torch, facts.family.half)
