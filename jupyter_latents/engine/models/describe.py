"""Where a model is and what its configuration says, before any weights load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_latents import demo
from jupyter_latents.engine.models.addons.table import with_addons
from jupyter_latents.engine.models.facts import DENOISERS, ModelFacts
from jupyter_latents.engine.models.families import FAMILIES, family_of
from jupyter_latents.engine.models.find import (
    MODULAR,
    Wanted,
    cached_models,
    fetch,
    find,
    hub_is_off,
    known_models,
    settings_of,
)
from jupyter_latents.engine.models.parts import PartSource, parts_of, read_json
from jupyter_latents.engine.models.pipelines import RUNS, reason_against
from jupyter_latents.engine.models.settings_check import check_settings
from jupyter_latents.engine.models.single_files import inspect_checkpoint, is_checkpoint
from jupyter_latents.engine.models.weights import variants
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.paths import is_folder, is_there, opened
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["ModelFacts", "cached_models", "describe", "description_scope", "known_models", "whole"]

_described: ContextVar[dict[ModelSource, ModelFacts] | None] = ContextVar("described", default=None)


@contextmanager
def description_scope() -> Iterator[None]:
    """A scope in which each model is described once: a plan, or a run.

    A scope within another shares what that one knows; so do threads that start with a copy of its context.
    """
    if _described.get() is not None:
        yield
        return
    token = _described.set({})
    try:
        yield
    finally:
        _described.reset(token)


def describe(source: ModelSource) -> ModelFacts:
    """Finds a model and reads its configuration, and that of what is put on it; once within `description_scope`.

    What is not on this machine is fetched, weights left out: see `whole`.

    Args:
        source: What the stage names.

    Raises:
        ModelError: It is nowhere, not whole, not what ``--model-type`` says, or an addon does not fit.
    """
    known = _described.get()
    if known is None:
        return _read(source)
    key = _key(source)
    if key not in known:
        known[key] = _read(source)
    return known[key]


def whole(source: ModelSource) -> ModelFacts:
    """The same with all weights on this machine: those that it lacks are fetched.

    Args:
        source: What the stage names.

    Raises:
        ModelError: See `describe`; or they cannot be fetched.
    """
    facts = describe(source)
    if not facts.lacking:
        return facts
    try:
        fetch(Wanted.model(source), lambda: _downloaded(source))
    except ModelError as error:
        raise _partly(source, facts.lacking, unasked=error.unasked) from error
    known = _described.get()
    if known is not None:
        known.pop(_key(source), None)
    facts = describe(source)
    if facts.lacking:
        raise ModelError(f"{source.name} at {facts.folder} is not whole: {'; '.join(facts.lacking)}.")
    return facts


def _key(source: ModelSource) -> ModelSource:
    return replace(source, offline=True)  # what is here is the same, whether the hub may be asked or not


def _read(source: ModelSource) -> ModelFacts:
    place = find(Wanted.model(source), lambda: _settings(source))
    facts = _of_checkpoint(source, place) if place.is_file() else _of_folder(source, place)
    _check_type(source, facts)
    return with_addons(source, facts) if not facts.lacking else _with_addons_at_hand(source, facts)


def _with_addons_at_hand(source: ModelSource, facts: ModelFacts) -> ModelFacts:
    """A model without weights, with its addons where they are all here: nothing is fetched for one that may not run."""
    try:
        return with_addons(replace(source, offline=True), facts)
    except ModelError as error:
        if not error.unasked:
            raise
        return facts


def _downloaded(source: ModelSource) -> Path:
    from diffusers import DiffusionPipeline

    unused: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "image_encoder": None}
    return Path(
        DiffusionPipeline.download(
            source.name, revision=source.revision, variant=source.variant, token=source.auth_token, **unused
        )
    )


def _of_folder(source: ModelSource, place: Path) -> ModelFacts:
    folder = _subfolder(source, place)
    index = _index(source, folder)
    parts = parts_of(folder, index, source.variant, source.name)
    lacking = _lacking(source, parts)
    if lacking and (is_there(opened(source.name)) or source.name in demo.MODELS):
        raise ModelError(f"{source.name} at {folder} is not whole: {'; '.join(lacking)}.")
    if not lacking:
        _check_variant(source, parts)
        return _facts(source, folder, index, parts)
    if source.offline or hub_is_off():
        raise _partly(source, lacking, unasked=not hub_is_off())
    if not all(part.folder.is_dir() for part in parts.values()):
        folder = _subfolder(source, fetch(Wanted.model(source), lambda: _settings(source)))
        parts = parts_of(folder, index, source.variant, source.name)
    return replace(_facts(source, folder, index, parts), lacking=tuple(lacking))


def _partly(source: ModelSource, lacking: Sequence[str], *, unasked: bool) -> ModelError:
    """The error for a model of the hub that is here in part."""
    absent = ModelError(
        f"{source.name} is only partly in the hub's cache on this machine: {'; '.join(lacking)}. "
        f"Fetch the rest where there is a network: hf download {source.name}"
    )
    absent.unasked = unasked
    return absent


def _settings(source: ModelSource) -> Path:
    return settings_of(source.name, source.revision, source.auth_token)


def _facts(
    source: ModelSource,
    folder: Path,
    index: Mapping[str, Any],
    parts: dict[str, PartSource],
    checkpoint: Path | None = None,
) -> ModelFacts:
    name = str(index["_class_name"])
    lacking = [part for part in ("scheduler", "vae") if part not in parts]
    lacking += [] if any(part in parts for part in DENOISERS) else ["unet or transformer"]
    if lacking:
        raise ModelError(f"{source.name} ({name}) cannot be run: it has no {' and no '.join(lacking)}. {RUNS}")
    facts = ModelFacts(source.name, folder, name, index, family_of(name), parts, checkpoint=checkpoint)
    _check_channels(facts)
    check_settings(facts)
    return facts


def _check_channels(facts: ModelFacts) -> None:
    """A U-Net may take a mask and a masked picture beside the latents, and nothing else."""
    more = facts.further_channels
    if more not in (0, facts.mask_channels):
        raise ModelError(
            f"the unet of {facts.name} takes {more} channels beside the {facts.space.channels} of the latents: an "
            f"image to edit, a depth map or a small picture, which stages do not give. {RUNS}"
        )


def _lacking(source: ModelSource, parts: Mapping[str, PartSource]) -> list[str]:
    replaced = {"vae"} if source.vae else set()
    return [part.lacking for name, part in parts.items() if part.lacking and name not in replaced]


def _subfolder(source: ModelSource, folder: Path) -> Path:
    if not source.subfolder:
        return folder
    inner = folder / source.subfolder
    if not is_folder(inner) or folder.resolve() not in inner.resolve().parents:
        have = sorted(path.parent.relative_to(folder).as_posix() for path in folder.glob("*/model_index.json"))
        more = f" Folders with a model: {', '.join(have)}." if have else f" Leave {option('subfolder')} out."
        raise ModelError(f"{source.name} has no folder {source.subfolder!r}.{more}", option="subfolder")
    return inner


def _index(source: ModelSource, folder: Path) -> Mapping[str, Any]:
    path = folder / "model_index.json"
    if not path.is_file() and (folder / MODULAR).is_file():
        kind = read_json(folder / MODULAR).get("_class_name") or "no class that it names"
        raise ModelError(
            f"{source.name} comes only as a modular pipeline ({kind}); these do not run here yet. {RUNS} Use such a "
            "model."
        )
    if not path.is_file():
        inner = sorted(found.parent.name for found in folder.glob("*/model_index.json"))
        more = f" Give {option('subfolder')} {' or '.join(inner)}." if inner else " It is no diffusers model folder."
        raise ModelError(f"{source.name} has no model_index.json at {folder}.{more}")
    index = read_json(path)
    if not isinstance(index, dict) or not index.get("_class_name"):
        raise ModelError(f"model_index.json of {source.name} names no pipeline class (_class_name); fetch it again.")
    if not isinstance(index["_class_name"], str):
        raise ModelError(
            f"{source.name} is run by its own pipeline {'.'.join(map(str, index['_class_name']))}, code that "
            "comes with the model; such code never runs here. Use a model that a pipeline of diffusers runs."
        )
    reason = reason_against(index["_class_name"])
    if reason:
        raise ModelError(
            f"{source.name} is a {index['_class_name']}, which does not run here: {reason}. {RUNS} Use such a model."
        )
    return index


def _of_checkpoint(source: ModelSource, path: Path) -> ModelFacts:
    if not is_checkpoint(path):
        raise ModelError(f"{path} is no model: give a diffusers folder, or a .safetensors or .ckpt file.")
    checkpoint = inspect_checkpoint(path, Wanted.model(source), source.model_type)
    index = _index(source, checkpoint.folder)
    parts = {}
    for name, part in parts_of(checkpoint.folder, index, None, source.name).items():
        has_weights = bool(part.weights) or (part.folder / "config.json").is_file()
        inside = checkpoint.prefixes(name, part.class_name) if has_weights and "tokenizer" not in name else ()
        parts[name] = replace(part, weights=(path,), form="checkpoint", prefixes=inside) if inside else part
    lacking = _lacking(source, parts)
    if lacking:
        raise ModelError(
            f"{path} ({checkpoint.layout}) holds only part of a model, and {checkpoint.folder} has not the rest: "
            f"{'; '.join(lacking)}. Fetch that model whole, or use a checkpoint that holds all."
        )
    return _facts(source, checkpoint.folder, index, parts, path)


def _check_type(source: ModelSource, facts: ModelFacts) -> None:
    given = source.model_type
    if given is None or given in facts.family.model_types:
        return
    known = list(dict.fromkeys(name for family in FAMILIES for name in family.model_types))
    if given not in known:
        hint = nearest(given, known) or "."
        raise ModelError(f"no model type {given!r}{hint} Known are {', '.join(known)}.", option="model_type")
    own = facts.family.model_types
    way = f"give {option('model_type')} {own[0]} or leave it out" if own else f"leave {option('model_type')} out"
    raise ModelError(
        f"{option('model_type')} is {given}, but {source.name} is a {facts.pipeline_class} ({facts.family.name}); "
        f"{way}.",
        option="model_type",
    )


def _check_variant(source: ModelSource, parts: Mapping[str, PartSource]) -> None:
    if source.variant is None or any(part.variant == source.variant for part in parts.values()):
        return
    have = sorted({variant or "" for part in parts.values() for variant in variants(part.folder)})
    given = option("variant")
    names = ", ".join(name or f"plain files (no {given})" for name in have)
    raise ModelError(f"{source.name} has no weights of {given} {source.variant}; here are: {names}.", option="variant")
