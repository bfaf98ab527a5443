"""IP-Adapters: pictures that steer a model as a prompt does, put on a copy of its denoiser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.given.inputs import Call, Inputs
from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, locate, part_at
from jupyter_latents.engine.models.addons.ip_shapes import FAMILIES, misfit, shapes_in
from jupyter_latents.engine.models.addons.ip_windows import some_adapters
from jupyter_latents.engine.models.addons.weight_file import WeightFile, weight_file
from jupyter_latents.engine.models.facts import DENOISERS, ModelFacts
from jupyter_latents.engine.models.files.digests import FileMark
from jupyter_latents.engine.models.files.weights import weight_files
from jupyter_latents.engine.models.parts import PartSource
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.engine.models.readers import assemble, translation_of_errors
from jupyter_latents.stage import Address, ModelSource, Window, settings_of
from jupyter_latents.wording import option

__all__ = ["Adapter", "IpAdapters", "find_addon"]

_KEYS = settings_of("ip_adapters")
_ENCODER_KEYS = settings_of("image_encoder")
_FILES = (
    "ip-adapter_sd15.safetensors",
    "ip-adapter_sdxl.safetensors",
    "ip-adapter.safetensors",
    "ip_adapter.safetensors",
)
_DEST = "ip_adapters"
_ENCODER = "image_encoder"
_EXTRACTOR = "feature_extractor"


@dataclass(frozen=True, slots=True)
class Adapter:
    """An IP-Adapter, how strongly it works, and for which steps."""

    file: WeightFile
    scale: float = 1.0
    window: Window = field(default_factory=Window)


@dataclass(frozen=True)
class IpAdapters(Addon):
    """The IP-Adapters of a stage.

    Attributes:
        found: Each, in the order of their images.
        kind: A value of `ip_shapes.FAMILIES`.
        encoder: What sees the images.
        extractor: What brings them to its size; None for CLIP's usual one.
    """

    found: tuple[Adapter, ...]
    kind: str
    encoder: PartSource
    extractor: PartSource | None = None

    mark = "ip-adapters"
    field = _DEST
    last = True
    dest = _DEST

    def __str__(self) -> str:
        return ", ".join(one.file.path.name for one in self.found)

    @property
    def digest(self) -> str:
        """Files, scales and windows, with the image encoder."""
        return self.key + "".join(one.window.words for one in self.found)

    @property
    def key(self) -> str:
        """Without the windows: the adapters lie in the denoiser and are switched on and off there."""
        rows = [(one.file.digest, one.scale) for one in self.found]
        return repr((rows, [(part.digest, part.dtype) for part in self.parts]))

    @property
    def story(self) -> str:
        """Files, scales and windows."""
        return " ".join(f"{one.file.path.name};scale={one.scale:g}{one.window.words}" for one in self.found)

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """The image encoder, and what prepares images for it."""
        return (self.encoder,) if self.extractor is None else (self.encoder, self.extractor)

    @property
    def marks(self) -> frozenset[FileMark]:
        """Those of the files."""
        return frozenset(mark for one in self.found for mark in one.file.marks)

    @property
    def hub(self) -> tuple[HubFiles, ...]:
        """Those of the files that are on the hub alone."""
        files = (*(one.file.hub for one in self.found), self.encoder.hub)
        return tuple(file for file in files if file is not None)

    def changes(self, facts: ModelFacts, /) -> tuple[str, ...]:
        """The denoiser."""
        return (facts.denoiser,)

    def put_on(self, facts: ModelFacts, parts: Mapping[str, Any], own: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Loads the files into the copy as diffusers' ``load_ip_adapter`` does, and sets their scales.

        Raises:
            ModelError: One does not fit.
        """
        import diffusers

        pipeline: Any = assemble(getattr(diffusers, facts.pipeline_class), facts, {**parts, **own})
        folders = [str(one.file.path.parent) for one in self.found]
        names = [one.file.path.name for one in self.found]
        with translation_of_errors(f"{option(_DEST)} {self}", dest=_DEST):
            if self.kind == "sd3":
                pipeline.load_ip_adapter(folders[0], weight_name=names[0], subfolder="", image_encoder_folder=None)
            elif self.kind == "flux":
                pipeline.load_ip_adapter(
                    folders, weight_name=names, subfolder="", image_encoder_pretrained_model_name_or_path=None
                )
            else:
                pipeline.load_ip_adapter(folders, subfolder="", weight_name=names, image_encoder_folder=None)
            scales: Any = [one.scale for one in self.found]
            layers = int(facts.config(facts.denoiser).get("num_layers") or 1)
            by_kind = {"unet": scales, "sd3": scales[0], "flux": [[scale] * layers for scale in scales]}
            pipeline.set_ip_adapter_scale(by_kind[self.kind])
        lacking = [name for name, one in own[facts.denoiser].named_parameters() if one.is_meta]
        if lacking:  # diffusers leaves them without values
            raise fault(_DEST, f"{self} lacks {len(lacking)} tensors, such as {lacking[0]}; fetch it again.")
        return {name: part.eval() for name, part in own.items()}

    def components(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The image encoder, with CLIP's usual processor where none came with it."""
        if self.extractor is not None:
            return dict(own)
        from transformers import CLIPImageProcessor

        side = int(own[_ENCODER].config.image_size)
        return {**own, _EXTRACTOR: CLIPImageProcessor(size=side, crop_size=side)}

    def objection(self, call: Call, /) -> str:
        """Images and adapters differ in number, or the pipeline takes none."""
        if "ip_adapter_image" not in parameters_of(call.pipeline.__call__):
            return f"{call.pipeline.__name__} takes no IP-Adapters in diffusers; leave {option(_DEST)} out."
        images, count = call.given.adapters, len(self.found)
        if len(images) != count:
            needs = "IP-Adapter needs images of its" if count == 1 else "IP-Adapters need images of their"
            example = ", ".join(f"{letter}.png" for letter in "abcdefgh"[:count])
            return (
                f"{count} {needs} own, and there are those of {len(images)}: write {option('image_seeds')} "
                f'"adapter: {example}"; a.png + b.png are two of one.'
            )
        if self.kind != "unet" and any(several > 1 for several in images):
            return f"an IP-Adapter of {_MANY[self.kind]} takes one image; give it one, not a.png + b.png."
        return ""

    @contextmanager
    def during(self, parts: Mapping[str, Any], active: tuple[int, ...], /) -> Iterator[None]:
        """Only some of the adapters work; without any, the denoiser is as it was before them."""
        with some_adapters(next(parts[name] for name in DENOISERS if name in parts), active):
            yield

    def arguments(self, call: Call, inputs: Inputs, /) -> dict[str, Any]:
        """The images of each adapter that holds."""
        seen = [inputs.adapters[place] for place in self.holds(call, len(self.found))]
        if not seen:
            return {}
        if self.kind == "sd3":
            return {"ip_adapter_image": seen[0][0]}
        return {"ip_adapter_image": [list(images) if len(images) > 1 else images[0] for images in seen]}


_MANY = MappingProxyType({"sd3": "SD3", "flux": "Flux.1"})


def find_addon(source: ModelSource, facts: ModelFacts) -> IpAdapters:
    """The IP-Adapters that a stage names.

    Raises:
        ModelError: The family takes none or not so many, one or its image encoder cannot be found, or was made for
            another.
    """
    kind = FAMILIES.get(facts.family.name)
    if kind is None:
        raise fault(_DEST, f"{facts.name} ({facts.family.name}) takes no IP-Adapters in diffusers; leave them out.")
    entries = [entry_of(_DEST, address, _KEYS) for address in source.ip_adapters]
    if kind == "sd3" and len(entries) > 1:
        raise fault(_DEST, f"SD3 takes one IP-Adapter, and there are {len(entries)}; give one.")
    files = [weight_file(entry, source, _FILES) for entry in entries]
    encoder = _encoder(source, facts, entries[0], files[0])
    for file in files:
        with translation_of_errors(f"{option(_DEST)} {file.path.name}", dest=_DEST):
            shapes = file.shapes if file.hub is not None else shapes_in(file.path)
        if reason := misfit(facts, shapes, encoder.config):
            raise fault(
                _DEST,
                f"{file.path.name} does not fit {facts.name} ({facts.family.name}): {reason}. Use one made for it.",
            )
    found = tuple(
        Adapter(file, entry.number("scale", 1.0, -100, 100), entry.window())
        for file, entry in zip(files, entries, strict=True)
    )
    return IpAdapters(found, kind, encoder, _extractor(facts, encoder))


def _encoder(source: ModelSource, facts: ModelFacts, adapter: OptionAddress, file: WeightFile) -> PartSource:
    """What sees the images: what the option names, else the model's own, else what lies beside the first adapter."""
    if source.image_encoder is not None:
        entry = entry_of(_ENCODER, source.image_encoder, _ENCODER_KEYS)
        return _encoder_at(entry, source, "give a folder of transformers that holds one.")
    own = facts.folder / _ENCODER
    if isinstance(facts.index.get(_ENCODER), list) and (own / "config.json").is_file() and weight_files(own):
        library, class_name = facts.index[_ENCODER]
        return PartSource(_ENCODER, str(library), str(class_name), own, weight_files(own))
    advice = f"name it by {option(_ENCODER)}."
    if file.path.is_file() and Path(adapter.name).suffix:
        place = Address(str(file.path.parent))
    else:
        place = Address(adapter.name, adapter.address.settings)
    inside = "/".join(filter(None, (place.get("subfolder"), _ENCODER)))
    revision = place.get("revision")
    settings = {"subfolder": inside, **({} if revision is None else {"revision": revision})}
    return _encoder_at(
        OptionAddress(_DEST, Address(place.name, MappingProxyType(settings))), source, f"beside it is none; {advice}"
    )


def _encoder_at(entry: OptionAddress, source: ModelSource, advice: str) -> PartSource:
    place = locate(entry, entry.name, source, ("config.json", f"{_ENCODER}/config.json"))
    folder = place.folder
    if folder is not None and not (folder / "config.json").is_file() and (folder / _ENCODER).is_dir():
        folder = folder / _ENCODER
    if folder is None or not (folder / "config.json").is_file():
        raise fault(entry.dest, f"{entry.name} needs an image encoder: {advice}")
    part = part_at(entry, place, folder, _ENCODER, "transformers")
    if "Vision" not in part.class_name:
        raise fault(entry.dest, f"{entry.name} is a {part.class_name}, which sees no images; {advice}")
    return part


def _extractor(facts: ModelFacts, encoder: PartSource) -> PartSource | None:
    """What prepares images: the model's own, else what lies with the encoder where that is none of CLIP's."""
    own, named = facts.folder / _EXTRACTOR, facts.index.get(_EXTRACTOR)
    if isinstance(named, list) and named[0] and (own / "preprocessor_config.json").is_file():
        kind = str(named[1]).replace("CLIPFeatureExtractor", "CLIPImageProcessor")
        return PartSource(_EXTRACTOR, "transformers", kind, own)
    if encoder.class_name.startswith("CLIP"):
        return None
    kind = encoder.class_name.replace("VisionModel", "ImageProcessor")
    return PartSource(_EXTRACTOR, "transformers", kind, encoder.folder)
