"""Programs that write a flat record: InvokeAI (its three generations), Fooocus and NovelAI, each as one stage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_latents.pictures.metadata.bounds import json_of, mapping, real, text, whole
from jupyter_latents.pictures.metadata.foreign import (
    NOISE,
    STEPS,
    Remarks,
    addon,
    file_name,
    leftovers,
    not_covered,
)
from jupyter_latents.pictures.metadata.recipe import Recipe, StagePart, fill_in
from jupyter_latents.stage import Address, ImageSeed, ModelSource, Prompt, Reference, Stage

__all__ = ["fooocus", "invokeai", "invokeai_dream", "invokeai_second", "novelai"]

_MOST_ITEMS = 50
_DREAM = re.compile(r'"((?:[^"\\]|\\.)*)"([^"]*)')
_OPTION = re.compile(r"\s-(\w+)\s+(\S+)")
_UNWANTED = re.compile(r"\[([^\[\]]*)\]")
_COMBINED = re.compile(r"(.{1,300}) : (-?\d{1,9}(?:\.\d{1,9})?)")
_HASH = re.compile(r"\s+([0-9A-F]{6,64})\Z")


@dataclass(slots=True)
class _Flat:
    """A record while its stage is made.

    Attributes:
        program: Who wrote it.
        values: Its values; anybody may have written them.
        remarks: What is to be said of it.
        used: The keys that the stage covers.
    """

    program: str
    values: Mapping[str, Any]
    remarks: Remarks = field(default_factory=Remarks)
    used: set[str] = field(default_factory=set)

    def text(self, *keys: str) -> str:
        """The first text of these keys."""
        self.used.update(keys)
        return next((found for key in keys if (found := text(self.values.get(key)))), "")

    def whole(self, key: str, least: int, most: int) -> int | None:
        """A whole number; what is none, or beyond the bounds, is remarked on."""
        found = whole(self.values.get(key), least, most)
        return found if self._is_said(key, found) else None

    def real(self, key: str, least: float, most: float) -> float | None:
        """A number; see `whole`."""
        found = real(self.values.get(key), least, most)
        return found if self._is_said(key, found) else None

    def items(self, key: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        self.used.add(key)
        value = self.values.get(key)
        return [mapping(item) for item in value[:_MOST_ITEMS]] if isinstance(value, list) else []

    def _is_said(self, key: str, found: object) -> bool:
        self.used.add(key)
        if found is None and self.values.get(key) not in (None, ""):
            self.remarks.add(not_covered(key, str(self.values[key])))
        return found is not None

    def recipe(self, stage: Stage) -> Recipe:
        """The recipe of the one stage; what it does not cover is remarked on."""
        said = {key: value for key, value in self.values.items() if value not in (None, "", [], {}, False)}
        rest = leftovers(said, frozenset(self.used))
        return Recipe(
            self.program,
            (StagePart(stage, self.remarks.take()),),
            (NOISE.format(program=self.program), *list(rest)[:200]),
        )


def _stage(record: _Flat, model: str, prompt: Prompt, scheduler: Address | None, guidance: float | None) -> Stage:
    return Stage(
        model=ModelSource(record.remarks.model(model)),
        prompt=replace(
            prompt, positive=record.remarks.prompt(prompt.positive), negative=record.remarks.prompt(prompt.negative)
        ),
        seed=record.whole("seed", 0, 2**64 - 1),
        num_inference_steps=record.whole("steps", 1, STEPS) or 30,
        guidance_scale=7.5 if guidance is None else guidance,
        scheduler=scheduler,
        size=record.remarks.size(record.text("width"), record.text("height")),
    )


def invokeai(texts: Mapping[str, str], name: str) -> Recipe:
    """InvokeAI since 3.0: ``invokeai_metadata``."""
    record = _Flat("InvokeAI", mapping(json_of(texts["invokeai_metadata"], name)))
    model = mapping(record.values.get("model"))
    record.used |= {"model", "generation_mode", "rand_device"}
    second, hidden = record.text("positive_style_prompt"), record.text("negative_style_prompt")
    prompt = Prompt(record.text("positive_prompt"), record.text("negative_prompt"), second or None)
    prompt = replace(prompt, second_negative=hidden or None) if second else prompt
    scheduler = record.remarks.scheduler(record.text("scheduler"))
    stage = _stage(record, _name(model), prompt, scheduler, record.real("cfg_scale", 0, 1000))
    rescale, skipped = record.real("cfg_rescale_multiplier", 0, 1), record.whole("clip_skip", 0, 12)
    stage = replace(stage, guidance_rescale=rescale or None, clip_skip=skipped or None)
    return record.recipe(_with_addons(record, stage))


def _name(model: Mapping[str, Any]) -> str:
    return text(model.get("model_name")) or text(model.get("name"))


def _with_addons(record: _Flat, stage: Stage) -> Stage:
    """InvokeAI's VAE, LoRAs and ControlNets, and the picture that it began from."""
    vae = mapping(record.values.get("vae"))
    record.used |= {"vae"}
    name = _name(vae)
    if name:
        record.remarks.add(fill_in(file_name(name), "the VAE, as a hub name, a folder or a file"))
    loras, nets, controls = list[Address](), list[Address](), list[Reference]()
    for item in record.items("loras"):
        known = mapping(item.get("lora")) or mapping(item.get("model"))
        lora = addon(_name(known), {"scale": real(item.get("weight"), -100, 100)})
        record.remarks.add(fill_in(lora.name, "a LoRA, as a hub name or a file"))
        loras.append(lora)
    for item in record.items("controlnets"):
        known = mapping(item.get("control_model"))
        settings = {
            "scale": real(item.get("control_weight"), 0, 100),
            "start": real(item.get("begin_step_percent"), 0, 1),
            "end": real(item.get("end_step_percent"), 0, 1),
        }
        net = addon(_name(known), settings)
        picture = file_name(text(mapping(item.get("image")).get("image_name"))) or f"control{len(nets) + 1}.png"
        record.remarks.add(
            fill_in(net.name, "a ControlNet, as a hub name or a folder"), fill_in(picture, "its picture")
        )
        nets.append(net)
        controls.append(Reference(picture, "path"))
    strength = record.real("strength", 0.001, 1)
    began = record.text("init_image")
    seed = record.remarks.picture(began) if began or (strength is not None and strength < 1) else None
    if controls:
        seed = replace(seed or ImageSeed(), controls=tuple(controls))
    model = replace(
        stage.model, vae=Address(file_name(name)) if name else None, loras=tuple(loras), control_nets=tuple(nets)
    )
    return replace(stage, model=model, image_seed=seed, strength=strength if seed is not None and seed.images else None)


def invokeai_second(texts: Mapping[str, str], name: str) -> Recipe:
    """InvokeAI 2: ``sd-metadata``."""
    whole_record = mapping(json_of(texts["sd-metadata"], name))
    record = _Flat("InvokeAI 2", mapping(whole_record.get("image")))
    prompts = record.values.get("prompt")
    record.used |= {"prompt", "type"}
    pieces = prompts if isinstance(prompts, list) else [prompts]
    parts = [text(mapping(piece).get("prompt")) or text(piece) for piece in pieces[:_MOST_ITEMS]]
    scheduler = record.remarks.scheduler(record.text("sampler"))
    model = text(whole_record.get("model_weights"))
    stage = _stage(record, model, _split(", ".join(parts)), scheduler, record.real("cfg_scale", 0, 1000))
    return record.recipe(stage)


def invokeai_dream(texts: Mapping[str, str], _name: str) -> Recipe:
    """InvokeAI 1: ``Dream``, a command line."""
    found = _DREAM.match(texts["Dream"][:100_000])
    prompt, options = (found[1], found[2]) if found else (texts["Dream"], "")
    names = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"}
    record = _Flat("InvokeAI 1", {names.get(key, key): value for key, value in _OPTION.findall(options)})
    scheduler = record.remarks.scheduler(record.text("sampler"))
    return record.recipe(_stage(record, "", _split(prompt), scheduler, record.real("cfg_scale", 0, 1000)))


def _split(prompt: str) -> Prompt:
    """A prompt whose unwanted parts stand in square brackets."""
    return Prompt(_UNWANTED.sub("", prompt).strip(" ,"), ", ".join(part.strip() for part in _UNWANTED.findall(prompt)))


def fooocus(texts: Mapping[str, str], name: str) -> Recipe:
    """Fooocus: ``parameters`` as JSON; its styles add to the prompt."""
    record = _Flat("Fooocus", mapping(json_of(texts["parameters"], name)))
    record.used |= {"metadata_scheme", "version", "created_by", "base_model_hash", "loras"}
    prompt = Prompt(
        _joined(record, "full_prompt") or record.text("prompt"),
        _joined(record, "full_negative_prompt") or record.text("negative_prompt"),
    )
    record.used |= {"prompt", "negative_prompt"}
    scheduler = record.remarks.scheduler(record.text("sampler"), record.text("scheduler"))
    guidance = record.real("guidance_scale", 0, 1000)
    stage = _stage(record, record.text("base_model"), prompt, scheduler, guidance)
    sides = re.findall(r"\d{1,5}", record.text("resolution"))
    loras = list[Address]()
    combined = _combined(record)
    given = record.values.get("loras") or combined
    for item in given[:_MOST_ITEMS] if isinstance(given, list) else []:
        if isinstance(item, list) and len(item) > 1:
            loras.append(addon(text(item[0]), {"scale": real(item[1], -100, 100)}))
            record.remarks.add(fill_in(loras[-1].name, "a LoRA, as a hub name or a file"))
    size = record.remarks.size(*sides[:2]) if len(sides) >= 2 else stage.size
    return record.recipe(replace(stage, size=size, model=replace(stage.model, loras=tuple(loras))))


def _combined(record: _Flat) -> list[list[Any]]:
    """LoRAs as ``lora_combined_1: NAME : WEIGHT``, which stand for those of a list, too."""
    keys = [key for key in record.values if key.startswith("lora_combined_")][:_MOST_ITEMS]
    found = {key: _COMBINED.fullmatch(text(record.values[key])) for key in keys}
    record.used |= {key for key, match in found.items() if match}
    return [[match[1], float(match[2])] for match in found.values() if match]


def _joined(record: _Flat, key: str) -> str:
    """The lines of a prompt to which styles have added."""
    record.used.add(key)
    several = record.values.get(key)
    lines = [text(one) for one in several[:_MOST_ITEMS]] if isinstance(several, list) else []
    return ", ".join(filter(None, lines))


def novelai(texts: Mapping[str, str], name: str) -> Recipe:
    """NovelAI: ``Comment`` as JSON, ``Description`` the prompt, ``Source`` the model."""
    record = _Flat("NovelAI", mapping(json_of(texts["Comment"], name)))
    record.used |= {"prompt"}
    source = texts.get("Source", "")
    prompt = Prompt(text(texts.get("Description")).strip() or record.text("prompt"), record.text("uc"))
    scheduler = record.remarks.scheduler(record.text("sampler"), record.text("noise_schedule").replace("native", ""))
    stage = _stage(record, _HASH.sub("", source), prompt, scheduler, record.real("scale", 0, 1000))
    strength = record.real("strength", 0.001, 1) if "noise" in record.values else None
    if strength is None:
        return record.recipe(stage)
    return record.recipe(replace(stage, image_seed=record.remarks.picture(), strength=strength))
