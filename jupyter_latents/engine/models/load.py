"""What a load needs: the key of every part, and how the model is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jupyter_latents.engine.answers import PartRow
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.digests import FileMark, are_as_they_were, marks_of
from jupyter_latents.engine.models.parts import PartSource
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["LoadPlan", "Part", "PartKey", "dtype_of", "is_mapped", "plan_of", "row_of", "size_of"]

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
        marks: Of its files, where its weights are mapped to them: they are what those files hold now.
    """

    value: Any
    size: int
    used: float
    models: set[str] = field(default_factory=set)
    name: str = ""
    marks: frozenset[FileMark] = frozenset()

    @property
    def is_as_read(self) -> bool:
        """Whether it still is what its files held when they were read."""
        return are_as_they_were(self.marks)


def row_of(key: PartKey, part: Part, *, busy: bool) -> PartRow:
    """The row of a part in the list of what is held."""
    where = (key.device, key.dtype.removeprefix("torch."), key.made.partition(":")[0])
    models = tuple(sorted(part.models))
    what = f"{part.name} ({key.class_name})"
    return PartRow(what, part.size, " ".join(filter(None, where)), part.used, models, busy)


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What a load needs.

    Attributes:
        source: What the stage names.
        facts: What the files say.
        home: Torch device the parts are kept on.
        dtype: Torch dtype of the weights.
        keys: Part name to its key.
        changes: Each addon that changes parts, with their names.
    """

    source: ModelSource
    facts: ModelFacts
    home: Any
    dtype: Any
    keys: dict[str, PartKey]
    changes: tuple[tuple[Addon, tuple[str, ...]], ...] = ()

    @property
    def last(self) -> tuple[str, ...]:
        """The parts that are read last, since an addon is put on them with all others at hand."""
        late = {name for addon, names in self.changes if addon.last for name in names}
        return tuple(name for name in self.keys if name in late)

    @property
    def late_addons(self) -> tuple[str, ...]:
        """Names of what is put on them."""
        return tuple(str(addon) for addon, _ in self.changes if addon.last)

    def part(self, name: str) -> PartSource:
        """A part of the model, or one that an addon brings."""
        facts = self.facts
        return facts.sources[name] if name in facts.sources else facts.further[name]

    def reading(self, name: str) -> dict[str, Any]:
        """Further arguments of the ``from_pretrained`` of a part."""
        upon = [addon for addon, names in self.changes if name in names]
        part, dtype = self.part(name), self.dtype_of(name)
        return {key: value for addon in upon for key, value in addon.reading(part, dtype).items()}

    def dtype_of(self, name: str) -> Any:
        """Torch dtype of a part's weights."""
        import torch

        own = self.part(name).dtype
        return getattr(torch, own) if own and own != "auto" else self.dtype

    def marks(self, name: str) -> frozenset[FileMark]:
        """Of the files of a part's weights, and of what is put on it, as they were when they were digested."""
        put_on = (addon.marks for addon, names in self.changes if name in names)
        return self.part(name).marks.union(*put_on)

    def memory(self, names: list[str]) -> int:
        """Bytes that parts need."""
        return sum(self.part(name).values * int(self.dtype_of(name).itemsize) for name in names)

    def file_bytes(self, names: list[str]) -> int:
        """Bytes of the files that parts are read from; a file that holds several counts once."""
        return sum(mark.size for mark in marks_of(path for name in names for path in self.part(name).weights))


def plan_of(source: ModelSource, facts: ModelFacts, home: Any, dtype: Any) -> LoadPlan:
    """What a load needs: the key of every part, and which parts addons change; reads no weights but LoRAs'.

    Raises:
        ModelError: An addon does not fit the model's parts.
    """
    changes = tuple((addon, names) for addon in facts.addons if (names := addon.changes(facts)))
    plan = LoadPlan(source, facts, home, dtype, {}, changes)
    own = (part for name, part in facts.sources.items() if name != "scheduler")
    for part in (*own, *facts.further.values()):
        plan.keys[part.name] = _key(plan, part)
    return plan


def _key(plan: LoadPlan, part: PartSource) -> PartKey:
    made = " ".join(f"{addon.mark}:{addon.key}" for addon, names in plan.changes if part.name in names)
    if not part.weights:
        return PartKey(part.digest, part.class_name, made=made)
    return PartKey(part.digest, part.class_name, str(plan.dtype_of(part.name)), str(plan.home), made)


def is_mapped(part: Any) -> bool:
    """Whether a loaded part's weights are a view into their file, as those that safetensors read and nobody converted.

    Torch cannot resize the storage of such a tensor.
    """
    own = (*part.parameters(), *part.buffers()) if hasattr(part, "parameters") else ()
    return any(tensor.device.type == "cpu" and not _is_resizable(tensor) for tensor in own)


def _is_resizable(tensor: Any) -> bool:
    try:
        return bool(tensor.untyped_storage().resizable())
    except (NotImplementedError, RuntimeError):  # a quantizer's, which holds several tensors
        return True


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
