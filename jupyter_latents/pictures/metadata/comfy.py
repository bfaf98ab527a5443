"""ComfyUI's pictures: the graph that ran, as stages with windows and operations on latents between them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata.comfy_graph import Graph, Node, graph_of
from jupyter_latents.pictures.metadata.comfy_models import Conditioning, clip_skip, conditioning, model_of
from jupyter_latents.pictures.metadata.comfy_samplers import SAMPLINGS, GraphSampling
from jupyter_latents.pictures.metadata.foreign import (
    NOISE,
    PHOTO,
    Remarks,
    file_name,
    not_covered,
    picture_size,
    strength_of,
)
from jupyter_latents.pictures.metadata.recipe import Operation, Part, Recipe, StagePart, fill_in
from jupyter_latents.stage import Address, ImageSeed, ModelSource, Prompt, Reference, Size, Stage, Window

__all__ = ["recipe_of"]

_DEEPEST = 120
_MODES = {"nearest-exact": "nearest", "nearest": "nearest", "bilinear": "bilinear", "bicubic": "bicubic"}
_PASSED = ("samples", "latent", "latent_image", "samples_to", "samples1", "latents")
_IMAGES = ("images", "image", "pixels", "upscale_image", "input_image")


def recipe_of(content: str, name: str) -> Recipe:
    """The stages that ComfyUI's graph tells of.

    Args:
        content: The text under ``prompt``.
        name: What the picture is called.

    Raises:
        NameNotFoundError: It is no graph, one too deep, or nothing is sampled in it.
    """
    reading = _Reading(graph_of(content, name), name)
    return reading.recipe()


@dataclass(frozen=True, slots=True)
class _Into:
    """What goes into a sampling node as its latents.

    Attributes:
        reference: What the cell calls it; None for nothing but a size.
        size: Its size, where that is known.
        batch: How many pictures.
        mask: Its mask.
        picture: Whether it is a picture, or a decoded one.
        resize: The size that the picture is brought to.
    """

    reference: Reference | None = None
    size: Size | None = None
    batch: int = 1
    mask: Reference | None = None
    picture: bool = False
    resize: Size | None = None


@dataclass(slots=True)
class _Reading:
    """A graph while its stages are made."""

    graph: Graph
    name: str
    remarks: Remarks = field(default_factory=Remarks)
    parts: list[Part] = field(default_factory=list)
    made: dict[str, _Into] = field(default_factory=dict)
    above: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def recipe(self) -> Recipe:
        for node in sorted(self.graph.ends(), key=lambda node: (len(node.number), node.number)):
            if node.kind in SAMPLINGS:
                self._latents(node)
            elif self.graph.behind(node, *_IMAGES, *_PASSED) is not None:
                self._picture(node)
        if not any(isinstance(part, StagePart) for part in self.parts):
            raise NameNotFoundError(
                f"{self.name} holds a graph of ComfyUI in which no known node samples; there is no stage to write.",
                name=self.name,
            )
        late = self.remarks.take()
        left = [node.kind for node in self.graph.nodes.values() if node.number not in self.seen]
        others = [not_covered("node", kind) for kind in dict.fromkeys(left) if kind not in _HARMLESS]
        return Recipe("ComfyUI", tuple(self.parts), (NOISE.format(program="ComfyUI"), *late, *others))

    def _enter(self, node: Node) -> None:
        if node.number in self.above or len(self.above) > _DEEPEST:
            raise NameNotFoundError(
                f"{self.name} holds a graph of ComfyUI that goes round, or is more than {_DEEPEST} nodes deep.",
                name=self.name,
            )
        self.above.append(node.number)
        self._mark(node)

    def _mark(self, node: Node) -> None:
        """Marks a node and all that goes into it: each of them is covered, or remarked on, where it is read."""
        level = [node]
        while level:
            self.seen |= {one.number for one in level}
            links = [self.graph.at(link) for one in level for link in one.inputs.values()]
            level = [one for one in links if one is not None and one.number not in self.seen]

    def _picture(self, node: Node | None) -> _Into:
        """What a node of pictures shows."""
        if node is None:
            self.remarks.add(fill_in(PHOTO, "a picture that the graph does not name"))
            return _Into(Reference(PHOTO, "path"), picture=True)
        self._enter(node)
        try:
            return self._shown(node)
        finally:
            self.above.pop()

    def _shown(self, node: Node) -> _Into:
        if node.kind.startswith("VAEDecode"):
            found = self._latents(self.graph.behind(node, "samples"))
            self._decoded_by(node, found)
            return replace(found, picture=True)
        if node.kind.startswith("LoadImage"):
            name = file_name(node.text("image").partition(" [")[0]) or PHOTO
            self.remarks.add(fill_in(name, "a picture that went in"))
            return _Into(Reference(name, "path"), picture=True)
        behind = self.graph.behind(node, *_IMAGES)
        if behind is None:
            latents = self.graph.behind(node, *_PASSED)
            return self._latents(latents) if latents is not None else _Into()
        found = self._picture(behind)
        if node.kind.startswith("ImageScale") and "width" in node.inputs:
            size, note = picture_size(node.inputs.get("width"), node.inputs.get("height"))
            self.remarks.add(note)
            return replace(found, resize=size, size=size)
        if not node.kind.startswith(("SaveImage", "PreviewImage")):
            self.remarks.add(not_covered("node", f"{node.kind}, on a picture"))
        return found

    def _decoded_by(self, node: Node, found: _Into) -> None:
        """Puts a VAE that is loaded on its own on the stage that it decodes."""
        loader = self.graph.behind(node, "vae")
        name = self.graph.said(loader, "vae_name") if loader is not None else ""
        if not name or found.reference is None:
            return
        vae = file_name(name) or "VAE"
        remark = fill_in(vae, "the VAE, as a hub name, a folder or a file")
        for index, part in enumerate(self.parts):
            if isinstance(part, StagePart) and part.stage.into == found.reference.text and part.stage.model.vae is None:
                stage = replace(part.stage, model=replace(part.stage.model, vae=Address(vae)))
                self.parts[index] = replace(part, stage=stage, remarks=(*part.remarks, remark))

    def _latents(self, node: Node | None) -> _Into:
        """What a node of latents holds; each is made once."""
        if node is None:
            return _Into()
        if node.number not in self.made:
            self._enter(node)
            try:
                self.made[node.number] = self._held(node)
            finally:
                self.above.pop()
        return self.made[node.number]

    def _held(self, node: Node) -> _Into:
        if node.kind in SAMPLINGS:
            return self._sampled(node, SAMPLINGS[node.kind](self.graph, node))
        if node.kind.startswith("Empty"):
            size, note = picture_size(self.graph.said(node, "width"), self.graph.said(node, "height"))
            self.remarks.add(note)
            return _Into(size=size, batch=node.whole("batch_size", 1, 10_000) or 1)
        if node.kind.startswith("VAEEncode"):
            found = self._picture(self.graph.behind(node, "pixels", "image"))
            return replace(found, mask=self._mask(node)) if "mask" in node.inputs else found
        if node.kind == "LoadLatent":
            name = file_name(node.text("latent")) or "found.latent"
            self.remarks.add(fill_in(name, "a file of latents"))
            return _Into(Reference(name, "path"))
        return self._operated(node)

    def _mask(self, node: Node) -> Reference:
        behind = self.graph.behind(node, "mask")
        name = file_name(behind.text("image").partition(" [")[0]) if behind is not None else ""
        self.remarks.add(fill_in(name or "mask.png", "the mask, white where it is painted anew"))
        return Reference(name or "mask.png", "path")

    def _operated(self, node: Node) -> _Into:
        """Latents out of a node that makes others of them."""
        first = self._latents(self.graph.behind(node, *_PASSED))
        if node.kind == "SetLatentNoiseMask":
            return replace(first, mask=self._mask(node))
        found = self._expression(node, first) if first.reference is not None and not first.picture else None
        if found is None:
            if first.reference is not None or first.size is not None:
                self.remarks.add(not_covered("node", f"{node.kind}, on latents"))
            return first
        name = f"made_{_identifier(node.number)}"
        self.parts.append(Operation(name, found[0], self.remarks.take()))
        return replace(first, reference=Reference(name, "variable"), size=found[1] or first.size)

    def _expression(self, node: Node, first: _Into) -> tuple[str, Size | None] | None:
        """How a script calls an operation, and the size that it makes; None where there is no such operation."""
        one = first.reference.text if first.reference is not None else ""
        if node.kind in ("LatentUpscale", "LatentUpscaleBy"):
            return self._upscaled(node, first, one)
        if node.kind == "LatentFlip":
            vertical = "x-axis" in node.text("flip_method")
            return f"{one}.flip(horizontal={not vertical}, vertical={vertical})", None
        if node.kind not in ("LatentComposite", "LatentBlend"):
            return None
        other = self._latents(self.graph.behind(node, "samples_from", "samples2"))
        if other.reference is None or other.picture:
            return None
        if node.kind == "LatentBlend":
            share = node.real("blend_factor", 0, 1)
            return f"{one}.blend({other.reference.text}, {1 - (0.5 if share is None else share):.6g})", None
        x, y = (node.whole(name, 0, 100_000) or 0 for name in ("x", "y"))
        feather = node.whole("feather", 0, 4096) or 0
        return f"{one}.paste({other.reference.text}, ({x // 8 * 8}, {y // 8 * 8}), feather={feather})", None

    def _upscaled(self, node: Node, first: _Into, one: str) -> tuple[str, Size | None] | None:
        width, height = (self.graph.said(node, name) for name in ("width", "height"))
        factor = node.real("scale_by", 0.01, 100)
        if factor is not None and first.size is not None:
            width, height = str(first.size.width * factor), str(first.size.height * factor)
        size, note = picture_size(width, height)
        if size is None:
            return None
        method = node.text("upscale_method")
        mode = _MODES.get(method, "bilinear")
        if method not in _MODES:
            self.remarks.add(not_covered("upscale_method", method, f"{mode} is taken"))
        self.remarks.add(note)
        return f'{one}.resize(({size.width}, {size.height}), mode="{mode}")', size

    def _sampled(self, node: Node, found: GraphSampling) -> _Into:
        """A stage."""
        going = self._latents(found.latents)
        positive = conditioning(self.graph, found.positive, self.remarks)
        negative = conditioning(self.graph, found.negative, self.remarks)
        name, loras, skipped = model_of(self.graph, found.model, self.remarks)
        pictures = [self._picture(picture).reference for picture in positive.pictures]
        guidance = positive.guidance if positive.guidance is not None else found.guidance
        stage = Stage(
            model=ModelSource(name, loras=loras, control_nets=tuple(positive.nets)),
            prompt=_prompt(positive, negative),
            seed=found.seed,
            num_inference_steps=found.steps,
            guidance_scale=1.0 if guidance is None else guidance,
            scheduler=self.remarks.scheduler(found.sampler, found.schedule),
            batch_size=going.batch if going.reference is None else 1,
            size=going.size if going.reference is None else None,
            clip_skip=clip_skip(self.graph, positive.clip) or skipped,
            into=f"stage_{_identifier(node.number)}",
        )
        stage = self._windowed(stage, found, going)
        if controls := tuple(one for one in pictures if one is not None):
            stage = replace(stage, image_seed=replace(stage.image_seed or ImageSeed(), controls=controls))
        self.parts.append(StagePart(stage, self.remarks.take()))
        return _Into(Reference(stage.into or "", "variable"), going.size, going.batch)

    def _windowed(self, stage: Stage, found: GraphSampling, going: _Into) -> Stage:
        """A stage with the part of its schedule, and with what goes into it."""
        end = None if found.end is None or not found.end else _fraction(found.end, found.steps)
        if end is not None and not found.leaves:
            self.remarks.add(not_covered("return_with_leftover_noise: disable", "the noise that is left is kept here"))
        if going.reference is None:
            if found.start:
                self.remarks.add(not_covered("start_at_step", f"{found.start}, of nothing but noise"))
            return replace(stage, window=Window(end=end))
        if not found.adds and not going.picture:
            start = _fraction(found.start, found.steps)
            seed = ImageSeed(latents=(going.reference,))
            return replace(stage, window=Window(start, end), image_seed=seed)
        strength, steps = 1.0, found.steps
        if found.start:
            strength = strength_of(max(found.steps - found.start, 0), found.steps)
        elif found.denoise < 1:  # ComfyUI runs all of its steps, the last ones of a longer schedule
            steps = int(found.steps / found.denoise)
            strength = strength_of(found.steps, steps)
        resize = going.resize
        seed = ImageSeed(
            images=(going.reference,),
            masks=(going.mask,) if going.mask is not None else (),
            resize=resize,
            aspect=False if resize is not None else None,
        )
        strength = max(0.001, strength)
        return replace(stage, strength=strength, num_inference_steps=steps, image_seed=seed, window=Window(end=end))


_HARMLESS = frozenset({"Note", "MarkdownNote", "Reroute", "PrimitiveNode"})


def _prompt(positive: Conditioning, negative: Conditioning) -> Prompt:
    """The texts; a second encoder's is written where it says something else."""
    first, *more = [*positive.texts, ""][:3]
    hidden, *more_hidden = [*negative.texts, ""][:3]
    second = more[0] if len(positive.texts) > 1 and more[0] != first else None
    second_hidden = more_hidden[0] if second is not None and len(negative.texts) > 1 else None
    weighter = Remarks.weighter(*positive.texts, *negative.texts, schedules=False)
    return Prompt(first, hidden, second, second_hidden, weighter=weighter)


def _fraction(step: int, of: int) -> float:
    """A part of the schedule in four digits that mean the same step."""
    return min(1.0, math.ceil(step / of * 10_000 - 1e-6) / 10_000)


def _identifier(number: str) -> str:
    """A node's number as a part of a name."""
    return re.sub(r"\W", "_", number, flags=re.ASCII)[:40]
