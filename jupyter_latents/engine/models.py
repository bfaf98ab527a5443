"""The model cache: parts of models, loaded once and shared by every model that has the same files."""

from __future__ import annotations

import copy
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jupyter_latents.engine.adapters import changed_parts, with_loras
from jupyter_latents.engine.catalog import ModelFacts, describe
from jupyter_latents.engine.loaded import LoadedModel, switched_vae
from jupyter_latents.engine.memory import device_of, free_memory
from jupyter_latents.engine.parts import PartSource
from jupyter_latents.engine.preview import Previewer
from jupyter_latents.engine.quantizers import check_quantizer, is_quantized
from jupyter_latents.engine.readers import read_checkpoint, read_part
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.stage import ModelSource

__all__ = ["HeldPart", "LoadedModel", "ModelCache", "Part", "PartKey"]

_SHARE_OF_FREE = 0.9
_DTYPES = ("auto", "float32", "float16", "bfloat16")


class PartKey(NamedTuple):
    """What makes two parts the same.

    Attributes:
        digest: Digest of the files.
        class_name: The class they are loaded as.
        dtype: Of the weights; empty for a part without weights.
        device: Where the weights are; empty likewise.
        made: What was done to it besides: a quantizer, LoRAs, ``decodes``; empty for nothing.
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a load needs: every part's key, and how the model is read."""

    source: ModelSource
    facts: ModelFacts
    home: Any
    dtype: Any
    keys: dict[str, PartKey]
    changed: tuple[str, ...]

    def part(self, name: str) -> PartSource:
        return next((c.part for c in self.facts.controls if c.part.name == name), None) or self.facts.sources[name]

    def dtype_of(self, name: str) -> Any:
        import torch

        own = self.part(name).dtype
        return getattr(torch, own) if own and own != "auto" else self.dtype


class ModelCache:
    """Loads models and keeps their parts by content, so that what two models share is held once.

    Args:
        budget: Bytes that parts may take on each device: a number for all, or by device type; where none is given, nine
            tenths of what is free when a part is loaded. Parts least recently used leave first, those in use never.
    """

    def __init__(self, budget: int | Mapping[str, int] | None = None) -> None:
        self.budget = budget
        self.loads = 0
        self._parts: dict[PartKey, Part] = {}
        self._previewers: dict[str, Previewer] = {}
        self._handed: weakref.WeakKeyDictionary[LoadedModel, frozenset[PartKey]] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()
        self._loading = threading.RLock()

    @property
    def parts(self) -> Mapping[PartKey, Part]:
        """The parts held."""
        with self._lock:
            return dict(self._parts)

    def held(self) -> list[HeldPart]:
        """What is held, most recently used first."""
        with self._lock:
            busy = self._busy()
            rows = [
                HeldPart(
                    f"{part.name} ({key.class_name})",
                    part.size,
                    " ".join(filter(None, (key.device, key.dtype.removeprefix("torch."), key.made.partition(":")[0]))),
                    part.used,
                    tuple(sorted(part.models)),
                    key in busy,
                )
                for key, part in self._parts.items()
            ]
        return sorted(rows, key=lambda row: (-row.used, row.what))

    def unload(self, name: str | None = None) -> int:
        """Lets go of a model's parts that no other model uses, or of all parts. A run that goes on keeps its own.

        Args:
            name: The model as a stage named it; None for all.

        Returns:
            Bytes let go of.

        Raises:
            ModelError: No such model is held.
        """
        with self._lock:
            known = sorted({model for part in self._parts.values() for model in part.models})
            if name is not None and name not in known:
                hint = nearest(name, known) or "."
                raise ModelError(f"no model {name!r} is held{hint} Held are: {', '.join(known) or 'none'}.")
            leaving = [key for key, part in self._parts.items() if name is None or part.models <= {name}]
            size = sum(self._parts.pop(key).size for key in leaving)
            for part in self._parts.values():
                part.models.discard(name or "")
            if name is None:
                self._previewers.clear()
        return size

    def load(self, source: ModelSource, tell: Callable[[str], None] = lambda text: None) -> LoadedModel:
        """A model ready to run; only parts not held yet are read.

        Args:
            source: Which model, and how.
            tell: Is told what is read, a part at a time.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        with self._loading:
            facts = describe(source)
            device, offload = device_of(source.device), source.offload
            if offload and device.type == "cpu":
                tell(
                    f"--model-{'cpu' if offload == 'model' else offload}-offload changes nothing here: there is no accelerator"
                )
                offload = None
            home = device_of("cpu") if offload else device
            plan = _plan(source, facts, home, _dtype(source, facts, device))
            values = self._fill(plan, tell)
            with self._lock:
                now = time.time()
                for key in plan.keys.values():
                    self._parts[key].used = now
                    self._parts[key].models.add(facts.name)
                return self._hand_out(plan, values, device, offload)

    def _hand_out(self, plan: _Plan, values: dict[str, Any], device: Any, offload: str | None) -> LoadedModel:
        facts, source = plan.facts, plan.source
        controls = [values.pop(control.part.name) for control in facts.controls]
        if controls:
            values["controlnet"] = controls[0] if len(controls) == 1 else controls
        plain, vae_key = values["vae"], plan.keys["vae"]
        values["vae"] = switched_vae(plain, source)

        def decoder() -> Any:
            return switched_vae(self._decoding(vae_key, plain, device), source)

        def previewer() -> Previewer:
            return self.previewer(facts, self._decoding(vae_key, plain, device))

        model = LoadedModel(facts, values, device, plan.dtype, previewer, decoder, offload)
        self._handed[model] = frozenset(plan.keys.values())
        return model

    def previewer(self, facts: ModelFacts, vae: Any) -> Previewer:
        """The preview map of a VAE, fitted when first asked for."""
        with self._lock:
            digest = facts.digests["vae"]
            if digest not in self._previewers:
                self._previewers[digest] = Previewer.fit(vae, facts.space.factor)
            return self._previewers[digest]

    def find_vae(self, digest: str) -> Any | None:
        """A held VAE by the digest of its files, one that decodes without overflow where there is one, or None."""
        with self._lock:
            found = [
                (key, part)
                for key, part in self._parts.items()
                if key.digest == digest and hasattr(part.value, "decode")
            ]
        found.sort(key=lambda pair: (pair[0].made != "decodes", pair[0].dtype != "torch.float32"))
        return found[0][1].value if found else None

    def _decoding(self, key: PartKey, vae: Any, device: Any) -> Any:
        """The VAE to decode with; a copy is a part of its own."""
        import torch

        overflows = vae.dtype == torch.float16 and bool(vae.config.get("force_upcast"))
        if not overflows and vae.device.type == device.type:
            return vae
        dtype = torch.float32 if overflows else vae.dtype
        wanted = key._replace(dtype=str(dtype), device=str(device), made="decodes")
        with self._loading:
            with self._lock:
                if wanted in self._parts:
                    self._parts[wanted].used = time.time()
                    return self._parts[wanted].value
            self._make_room(device, _size(vae) * dtype.itemsize // vae.dtype.itemsize, {wanted, key})
            made = copy.deepcopy(vae).to(device=device, dtype=dtype)
            with self._lock:
                models = set(self._parts[key].models) if key in self._parts else set()
                self._parts[wanted] = Part(made, _size(made), time.time(), models, "vae")
            return made

    def _fill(self, plan: _Plan, tell: Callable[[str], None]) -> dict[str, Any]:
        """Every part of a plan, read where it is not held."""
        with self._lock:
            values = {name: self._parts[key].value for name, key in plan.keys.items() if key in self._parts}
        missing = [name for name in plan.keys if name not in values]
        plain = [name for name in missing if name not in plan.changed]
        for name in (name for name in plain if plan.part(name).form != "checkpoint"):
            tell(f"{plan.facts.name}: {name}")
            self._take(plan, [name], self._read(plan, [name], values), values)
        inside = [name for name in plain if plan.part(name).form == "checkpoint"]
        if inside:
            tell(f"{plan.facts.name}: {', '.join(inside)}")
            self._take(plan, inside, self._read(plan, inside, values), values)
        changed = [name for name in missing if name in plan.changed]
        if changed:
            tell(
                f"{plan.facts.name}: {', '.join(changed)} with {', '.join(lora.path.name for lora in plan.facts.loras)}"
            )
            copies = self._read(plan, list(plan.changed), values)
            self._take(plan, list(plan.changed), with_loras(plan.facts, values, copies), values)
        return values

    def _read(self, plan: _Plan, names: list[str], held: Mapping[str, Any]) -> dict[str, Any]:
        """Reads parts from disk, after making room for them."""
        keys = set(plan.keys.values())
        self._make_room(plan.home, sum(plan.part(name).values * plan.dtype_of(name).itemsize for name in names), keys)
        self.loads += len(names)
        model, quantizer = plan.facts.name, plan.source.quantizer
        inside = [name for name in names if plan.part(name).form == "checkpoint"]
        values = {n: read_part(plan.part(n), plan.dtype_of(n), model, quantizer) for n in names if n not in inside}
        if inside:
            absent = dict.fromkeys(plan.facts.sources)
            del absent["scheduler"]
            values |= read_checkpoint(plan.facts, inside, {**absent, **held, **values}, plan.dtype)
        return values

    def _take(self, plan: _Plan, names: list[str], read: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Keeps what was read, on its device."""
        for name in names:
            value = read[name]
            placed = getattr(value, "is_quantized", False) or getattr(value, "quantization_method", None) is not None
            if hasattr(value, "parameters") and not (placed and value.device.type == plan.home.type):
                value = value.to(plan.home)
            values[name] = value
            with self._lock:
                self._parts[plan.keys[name]] = Part(value, _size(value), time.time(), set(), name)

    def _busy(self) -> set[PartKey]:
        """Keys of the parts of models that somebody holds."""
        return {key for keys in list(self._handed.values()) for key in keys}

    def _make_room(self, device: Any, size: int, keep: set[PartKey]) -> None:
        """Lets parts go until `size` bytes fit into the budget of a device."""
        with self._lock:
            on_device = {key: part for key, part in self._parts.items() if key.device == str(device) and part.size}
            taken = sum(part.size for part in on_device.values())
            budget = self.budget.get(device.type) if isinstance(self.budget, Mapping) else self.budget
            limit = taken + int(_SHARE_OF_FREE * free_memory(device)) if budget is None else budget
            keep = keep | self._busy()
            for key, part in sorted(on_device.items(), key=lambda item: item[1].used):
                if taken + size <= limit:
                    return
                if key not in keep:
                    del self._parts[key]
                    taken -= part.size


def _plan(source: ModelSource, facts: ModelFacts, home: Any, dtype: Any) -> _Plan:
    """What a load needs; what the stage asks for is checked before anything is read."""
    if source.quantizer:
        check_quantizer(source.quantizer)
    changed = tuple(changed_parts(facts))
    loras = "+".join(lora.digest for lora in facts.loras)
    plan = _Plan(source, facts, home, dtype, {}, changed)
    parts = [part for name, part in facts.sources.items() if name != "scheduler"]
    for part in (*parts, *(control.part for control in facts.controls)):
        key = PartKey(part.digest, part.class_name)
        if part.weights:
            made = (
                [f"quantized:{source.quantizer}"] if source.quantizer and is_quantized(part.name, part.library) else []
            )
            made += [f"loras:{loras}"] if part.name in changed else []
            key = key._replace(dtype=str(plan.dtype_of(part.name)), device=str(home), made=" ".join(made))
        plan.keys[part.name] = key
    return plan


def _size(part: Any) -> int:
    if not hasattr(part, "parameters"):
        return 0
    return sum(tensor.numel() * tensor.element_size() for tensor in (*part.parameters(), *part.buffers()))


def _dtype(source: ModelSource, facts: ModelFacts, device: Any) -> Any:
    import torch

    if source.dtype not in _DTYPES:
        raise ModelError(f"--dtype {source.dtype} is not allowed; use {', '.join(_DTYPES)}.")
    if source.dtype != "auto":
        return getattr(torch, source.dtype)
    return torch.float32 if device.type == "cpu" else getattr(torch, facts.family.half)
