"""The model cache: parts of models, loaded once and shared by every model that has the same files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_latents.engine.catalog import ModelFacts, describe
from jupyter_latents.engine.preview import Previewer
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource

__all__ = ["LoadedModel", "ModelCache", "Part"]


@dataclass(slots=True)
class Part:
    """A loaded part and when it was used.

    Attributes:
        value: The module, tokenizer or processor.
        size: Bytes of its weights.
        used: Time of the last use, seconds.
        models: Names of the models that use it.
    """

    value: Any
    size: int
    used: float
    models: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to run.

    Attributes:
        facts: What its folder says.
        parts: Part name to the loaded part, without the scheduler.
        device: Torch device its modules are on.
        dtype: Torch dtype of its weights.
        previewer: Makes small pictures of its latents.
    """

    facts: ModelFacts
    parts: Mapping[str, Any]
    device: Any
    dtype: Any
    previewer: Callable[[], Previewer]

    @property
    def vae(self) -> Any:
        """The VAE."""
        return self.parts["vae"]


class ModelCache:
    """Loads models and keeps their parts by content, so that what two models share is held once."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, ...], Part] = {}
        self._previewers: dict[str, Previewer] = {}
        self._lock = threading.RLock()
        self.loads = 0

    @property
    def parts(self) -> Mapping[tuple[str, ...], Part]:
        """The parts held: (digest, class, dtype, device) to part."""
        return dict(self._parts)

    def unload(self) -> None:
        """Lets go of all parts."""
        with self._lock:
            self._parts.clear()
            self._previewers.clear()

    def load(self, source: ModelSource, tell: Callable[[str], None] = lambda text: None) -> LoadedModel:
        """A model ready to run; only parts not held yet are read.

        Args:
            source: Which model, and how.
            tell: Is told what is read.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        with self._lock:
            facts = describe(source)
            device, dtype = _device(source), _dtype(source, facts)
            keys = {name: self._key(facts, name, source, device, dtype) for name in facts.parts if name != "scheduler"}
            missing = [name for name, key in keys.items() if key not in self._parts]
            if missing:
                tell(f"{facts.name}: {', '.join(missing)}")
                self._read(facts, source, keys, missing, device, dtype)
            for key in keys.values():
                self._parts[key].used = time.monotonic()
                self._parts[key].models.add(facts.name)
            parts = {name: self._parts[key].value for name, key in keys.items()}
            return LoadedModel(facts, parts, device, dtype, lambda: self.previewer(facts, parts["vae"]))

    def previewer(self, facts: ModelFacts, vae: Any) -> Previewer:
        """The preview map of a VAE, fitted when first asked for."""
        with self._lock:
            digest = facts.digests["vae"]
            if digest not in self._previewers:
                self._previewers[digest] = Previewer.fit(vae, facts.space.factor)
            return self._previewers[digest]

    def find_vae(self, digest: str) -> Any | None:
        """A held VAE by the digest of its files, or None."""
        for key, part in self._parts.items():
            if key[0] == digest and hasattr(part.value, "decode"):
                return part.value
        return None

    @staticmethod
    def _key(facts: ModelFacts, name: str, source: ModelSource, device: Any, dtype: Any) -> tuple[str, ...]:
        weighty = facts.parts[name][1].startswith(("CLIPTokenizer", "T5Tokenizer")) is False
        return (facts.digests[name], facts.parts[name][1], *((str(dtype), str(device), source.quantizer or "") if weighty else ()))

    def _read(self, facts: ModelFacts, source: ModelSource, keys: Mapping[str, Any], missing: list[str], device: Any, dtype: Any) -> None:
        import diffusers

        held = {name: self._parts[key].value for name, key in keys.items() if key in self._parts}
        absent = {name: None for name in ("safety_checker", "feature_extractor", "image_encoder") if name in facts.index}
        own = getattr(diffusers, facts.pipeline_class, None)
        if own is None:
            raise ModelError(f"{facts.name} is a {facts.pipeline_class}, which diffusers {diffusers.__version__} does not have.")
        try:
            pipeline = own.from_pretrained(
                facts.folder, dtype=dtype, variant=source.variant, local_files_only=True, **held, **absent
            )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise ModelError(f"{facts.name} at {facts.folder} cannot be loaded: {error}") from error
        self.loads += 1
        for name in missing:
            value = pipeline.components[name]
            if hasattr(value, "parameters"):
                value = value.to(device).eval().requires_grad_(False)
            self._parts[keys[name]] = Part(value, _size(value), time.monotonic())


def _size(part: Any) -> int:
    if not hasattr(part, "parameters"):
        return 0
    return sum(tensor.numel() * tensor.element_size() for tensor in (*part.parameters(), *part.buffers()))


def _device(source: ModelSource) -> Any:
    import torch

    if source.device:
        try:
            return torch.device(source.device)
        except RuntimeError as error:
            raise ModelError(f"--device {source.device} is no torch device; use cpu, cuda, cuda:1 or mps.") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _dtype(source: ModelSource, facts: ModelFacts) -> Any:
    import torch

    if source.dtype != "auto":
        return getattr(torch, source.dtype)
    return torch.float32 if _device(source).type == "cpu" else getattr(torch, facts.family.half)
