"""LoRAs, put on copies of their own of the parts they change: shared parts never know of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, story_of
from jupyter_latents.engine.models.addons.lora_shapes import misfit
from jupyter_latents.engine.models.addons.weight_file import WeightFile, weight_file
from jupyter_latents.engine.models.experts import EXPERTS, LEVELS
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.digests import FileMark, files_digest
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.engine.models.readers import assemble, translation_of_errors
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Address, ModelSource, Window, settings_of
from jupyter_latents.wording import option

__all__ = ["Lora", "Loras", "find_addon"]

_KEYS = settings_of("loras")
_EXPERTS: Mapping[str, str] = MappingProxyType(dict(zip(LEVELS, EXPERTS, strict=True)))
_MOST = 100  # the largest scale, of either sign
_FILES = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file and how strongly it works.

    Attributes:
        path: Its file.
        scale: Its weight.
        digest: Digest of file and scale.
        hub: The file, where it is on the hub alone.
        window: The steps for which it works, as its address says.
        expert: The denoiser that it is put on, of a model with two; empty for the one that there is.
        story: What results say of it.
        marks: Of its file; see `WeightFile`.
    """

    path: Path
    scale: float
    digest: str
    hub: HubFiles | None = None
    window: Window = field(default_factory=Window)
    expert: str = ""
    story: str = ""
    marks: frozenset[FileMark] = frozenset()


@dataclass(frozen=True)
class Loras(Addon):
    """The LoRAs of a stage, in their order."""

    files: tuple[Lora, ...]

    mark = "loras"
    field = "loras"
    dest = "loras"
    last = True

    def __str__(self) -> str:
        return ", ".join(lora.path.name for lora in self.files)

    @property
    def digest(self) -> str:
        """Those of the files with their scales and windows."""
        return "+".join(self.weights)

    @property
    def key(self) -> str:
        """Without the windows: the files lie beside the weights and are switched on and off there."""
        return "+".join(lora.digest for lora in self.files)

    @property
    def story(self) -> str:
        """Names, scales, experts and windows."""
        return " ".join(f"{lora.story}{lora.window.words}" for lora in self.files)

    @property
    def weights(self) -> tuple[str, ...]:
        """A model with LoRAs is another model."""
        return tuple(_with_window(lora) for lora in self.files)

    @property
    def marks(self) -> frozenset[FileMark]:
        """Those of the files."""
        return frozenset(mark for lora in self.files for mark in lora.marks)

    @property
    def hub(self) -> tuple[HubFiles, ...]:
        """Those of the files that are on the hub alone."""
        return tuple(lora.hub for lora in self.files if lora.hub is not None)

    def changes(self, facts: ModelFacts, /) -> tuple[str, ...]:
        """The parts that the names of its tensors begin with.

        Raises:
            ModelError: A file is no LoRA, or is one of another architecture.
        """
        found: set[str] = set()
        for lora in self.files:
            with translation_of_errors(f"{option('loras')} {lora.path.name}", dest="loras"):
                read = _pipeline_class(facts).lora_state_dict(
                    str(lora.path.parent), weight_name=lora.path.name, local_files_only=True
                )
            names = read[0] if isinstance(read, tuple) else read
            parts = {name.partition(".")[0] for name in names} & set(facts.sources)
            if not parts:
                raise _unfit(facts, lora, "none of its tensors belongs to a part of this model")
            found |= {lora.expert or name if name == EXPERTS[0] else name for name in parts}
        return tuple(name for name in facts.sources if name in found)

    def put_on(self, facts: ModelFacts, parts: Mapping[str, Any], own: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Loads the files into the copies, and sets their scales.

        Raises:
            ModelError: A LoRA does not fit the model.
        """
        for expert in dict.fromkeys(lora.expert for lora in self.files):
            if not expert:
                self._load(facts, {**parts, **own}, own, expert)
            elif expert in own:  # in the place of the one that diffusers loads into unasked
                one = {EXPERTS[0]: own[expert]}
                self._load(facts, {**parts, EXPERTS[1]: None, **one}, one, expert)
        return {name: part.eval() for name, part in own.items()}

    def _load(self, facts: ModelFacts, parts: Mapping[str, Any], own: Mapping[str, Any], expert: str) -> None:
        """Loads the files of one expert, or all where there is one denoiser."""
        pipeline = assemble(_pipeline_class(facts), facts, parts)
        wanted = {f"lora_{place}": lora for place, lora in enumerate(self.files) if lora.expert == expert}
        for name, lora in wanted.items():
            try:
                pipeline.load_lora_weights(
                    str(lora.path.parent), weight_name=lora.path.name, adapter_name=name, local_files_only=True
                )
            except (RuntimeError, ValueError, KeyError, TypeError) as error:
                raise _unfit(facts, lora, str(error).splitlines()[0][:200]) from error
            if not any(name in getattr(part, "peft_config", {}) for part in own.values()):
                raise _unfit(facts, lora, "none of its tensors found its place")
        pipeline.set_adapters(list(wanted), [lora.scale for lora in wanted.values()])

    @contextmanager
    def during(self, parts: Mapping[str, Any], active: tuple[int, ...], /) -> Iterator[None]:
        """Only some of the LoRAs work; the weights below them stay as they are."""
        own = [part for part in parts.values() if getattr(part, "peft_config", None)]
        try:
            self._switch(own, active)
            yield
        finally:
            self._switch(own, tuple(range(len(self.files))))

    def _switch(self, parts: Iterable[Any], active: tuple[int, ...]) -> None:
        from diffusers.utils.peft_utils import set_adapter_layers, set_weights_and_activate_adapters

        wanted = {f"lora_{place}": self.files[place].scale for place in active}
        for part in parts:
            here = {name: scale for name, scale in wanted.items() if name in part.peft_config or not self._parted}
            set_adapter_layers(part, bool(here))
            if here:
                set_weights_and_activate_adapters(part, list(here), list(here.values()))

    @property
    def _parted(self) -> bool:
        """Whether each is put on one of two experts."""
        return any(lora.expert for lora in self.files)


def find_addon(source: ModelSource, facts: ModelFacts) -> Loras:
    """The LoRAs that a stage names.

    Raises:
        ModelError: peft is not installed, the pipeline takes no LoRAs, one cannot be found or does not fit, or its
            folder holds several files and none is named.
    """
    found = [_lora(address, source, facts) for address in source.loras]
    if importlib.util.find_spec("peft") is None:
        raise fault(
            "loras", 'these need peft, which is not installed: pip install "jupyter-latents[lora]", or leave them out.'
        )
    taking = _pipeline_class(facts)
    for lora, file in found:
        if reason := misfit(facts, taking, file.shapes):
            raise _unfit(facts, lora, reason)
    return Loras(tuple(lora for lora, _ in found))


def _lora(address: Address, source: ModelSource, facts: ModelFacts) -> tuple[Lora, WeightFile]:
    entry = entry_of("loras", address, _KEYS)
    expert = _expert(entry, facts)
    file, scale = weight_file(entry, source, _FILES), entry.number("scale", 1.0, -_MOST, _MOST)
    digest = files_digest([(f"{expert}{scale!r}", file.digest)])
    within = entry.get("weight-name") or file.path.name
    inside = f";weight-name={within}" if Path(entry.name).name != file.path.name else ""
    story = story_of(entry, scale, ("subfolder", "expert")) + inside
    return Lora(file.path, scale, digest, file.hub, entry.window(), expert, story, file.marks), file


def _expert(entry: OptionAddress, facts: ModelFacts) -> str:
    """Name of the denoiser that a LoRA is put on; empty where the model has one.

    Raises:
        ModelError: It names none of two, or one where there is one denoiser.
    """
    named, both = entry.get("expert"), " or ".join(f"{entry.name};expert={name}" for name in _EXPERTS)
    if facts.boundary is None:
        if named is not None:
            raise fault("loras", f"expert={named} of {entry.name} is for models with two experts. Leave it out.")
        return ""
    if named is None or named not in _EXPERTS:
        said = (
            f"expert={named} of {entry.name} is none of" if named is not None else f"{entry.name} does not say which of"
        )
        raise fault("loras", f"{said} the two experts of {facts.name}, for high and low noise levels. Give {both}.")
    return _EXPERTS[named]


def _with_window(lora: Lora) -> str:
    """What tells a LoRA from others, for how long it works too."""
    return lora.digest if lora.window == Window() else f"{lora.digest}@{lora.window.start}-{lora.window.end}"


def _pipeline_class(facts: ModelFacts) -> Any:
    import diffusers

    found = getattr(diffusers, facts.pipeline_class, None)
    if not hasattr(found, "lora_state_dict"):
        raise ModelError(
            f"{facts.name} is a {facts.pipeline_class}, which takes no LoRAs in diffusers; leave {option('loras')} "
            "out.",
            option="loras",
        )
    return found


def _unfit(facts: ModelFacts, lora: Lora, reason: str) -> ModelError:
    return fault(
        "loras",
        f"{lora.path.name} does not fit {facts.name} ({facts.family.name}): {reason}. Use one made for it.",
    )
