"""Where a model is and what its configuration says, before any weights load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_latents import demo
from jupyter_latents.engine.models.addons.table import with_addons
from jupyter_latents.engine.models.facts import DENOISERS, ModelFacts
from jupyter_latents.engine.models.families import FAMILIES, family_of
from jupyter_latents.engine.models.files.digests import FileMark, folder_marks
from jupyter_latents.engine.models.files.index_rows import check_rows
from jupyter_latents.engine.models.files.settings_check import check_settings
from jupyter_latents.engine.models.files.single_files import inspect_checkpoint, is_checkpoint
from jupyter_latents.engine.models.files.variants import check_variant, lacks_variant, no_variant
from jupyter_latents.engine.models.files.weights import variants
from jupyter_latents.engine.models.guiders import check_guider
from jupyter_latents.engine.models.parts import PartSource, parts_of, read_json, with_defaults
from jupyter_latents.engine.models.pipelines import RUNS, reason_against
from jupyter_latents.engine.models.places.find import find
from jupyter_latents.engine.models.places.hub import HubFiles, fetch, hub_is_off, settings_of, why
from jupyter_latents.engine.models.places.names import MODULAR, Wanted, cached_models, download_line, known_models
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
    if source not in known:
        known[source] = _read(source)
    return known[source]


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
    if facts.absent:
        _fetch(source, facts)
    for files in facts.hub:
        files.fetch()
    known = _described.get()
    if known is not None:
        known.pop(source, None)
    facts = describe(source)
    if facts.lacking:
        raise ModelError(f"{source.name} at {facts.folder} is not whole: {'; '.join(facts.lacking)}.")
    return facts


def _fetch(source: ModelSource, facts: ModelFacts) -> None:
    """Fetches the weights of a model's repository."""
    try:
        fetch(Wanted.model(source), lambda: _downloaded(source))
    except ModelError as error:
        raise _partly(source, facts.absent, unasked=error.unasked) from error


def _read(source: ModelSource) -> ModelFacts:
    wanted = Wanted.model(source)
    place = find(wanted, lambda: settings_of(wanted))
    if isinstance(place, HubFiles) and not place.readable:
        place = place.fetch()  # only the file itself says what it is
    if isinstance(place, HubFiles) or place.is_file():
        facts = _of_checkpoint(source, place)
    else:
        facts = _of_folder(source, place)
    _check_type(source, facts)
    complete = with_addons(source, facts)
    if complete.addons:
        check_settings(complete)
    return complete


def _downloaded(source: ModelSource) -> Path:
    from diffusers import DiffusionPipeline

    unused: dict[str, Any] = {"safety_checker": None, "feature_extractor": None}
    if not _sees(source):
        unused["image_encoder"] = None
    return Path(
        DiffusionPipeline.download(
            source.name, revision=source.revision, variant=source.variant, token=source.auth_token, **unused
        )
    )


def _sees(source: ModelSource) -> bool:
    """Whether a model of the hub has a picture encoder that its pipeline uses."""
    folder = find(Wanted.model(source), lambda: settings_of(Wanted.model(source)))
    index = folder / "model_index.json" if isinstance(folder, Path) else None
    if index is None or not index.is_file():
        return False
    said = read_json(index)
    return family_of(str(said.get("_class_name")), said).sees


def _of_folder(source: ModelSource, place: Path) -> ModelFacts:
    folder = _subfolder(source, place)
    # Taken first: what changes from here on is read anew by whoever asks next. Not of a folder that is no model's.
    marks = folder_marks(folder) if (folder / "model_index.json").is_file() else None
    facts = _whole_folder(_in_folder(source), folder, marks) if marks is not None else None
    if facts is not None:
        return facts
    index = _index(source, folder)
    parts = parts_of(folder, index, source.variant, source.name)
    lacking = _lacking(source, parts)
    if lacking and (is_there(opened(source.name)) or source.name in demo.MODELS):
        raise ModelError(f"{source.name} at {folder} is not whole: {'; '.join(lacking)}.")
    if not lacking and not lacks_variant(source, parts):
        return _facts(source, folder, index, parts)  # only a folder that changes meanwhile comes here
    if not lacking and (source.offline or hub_is_off() or not Wanted.model(source).on_hub):
        absent = no_variant(source, [variants(part.folder) for part in parts.values()], "here are")
        absent.unasked = Wanted.model(source).on_hub and not hub_is_off()
        raise absent
    lacking = lacking or [f"{source.name} has no weights of {option('variant')} {source.variant} here"]
    if source.offline or hub_is_off():
        raise _partly(source, lacking, unasked=not hub_is_off())
    wanted = Wanted.model(source)
    if not all(part.folder.is_dir() for part in parts.values()):
        folder = _subfolder(source, fetch(wanted, lambda: settings_of(wanted)))
        parts = parts_of(folder, index, source.variant, source.name)
    try:
        check_variant(source, parts)
    except ModelError as error:
        if error.option == "variant":
            raise
        raise _without_variant(source, parts, error) from error
    return replace(_facts(source, folder, index, parts), absent=tuple(lacking))


def _in_folder(source: ModelSource) -> ModelSource:
    """What of a source decides what its folder says."""
    return ModelSource(
        source.name, variant=source.variant, vae=source.vae, unet=source.unet, transformer=source.transformer
    )


@lru_cache(maxsize=32)
def _whole_folder(source: ModelSource, folder: Path, _marks: frozenset[FileMark]) -> ModelFacts | None:
    """What a folder says that has all its files; None for another.

    Args:
        source: See `_in_folder`.
        folder: The folder.
        _marks: Of its files as they are now: what is known of others is known no more.
    """
    index = _index(source, folder)
    parts = parts_of(folder, index, source.variant, source.name)
    if _lacking(source, parts) or lacks_variant(source, parts):
        return None
    return _facts(source, folder, index, parts)


def _without_variant(source: ModelSource, parts: Mapping[str, PartSource], asked: ModelError) -> ModelError:
    """The error for a variant that is not on this machine, where the hub was asked in vain."""
    have = [variants(part.folder) for part in parts.values()]
    if not any(have):
        return asked
    line = download_line(source.name, ("model_index.json",), source.variant)
    reason = why(asked.__cause__) if asked.__cause__ is not None else "the hub was not asked"
    more = f"{reason[0].upper()}{reason[1:]}; where there is a network, this fetches them: {line}"
    return no_variant(source, have, "here are").with_more(more)


def _partly(source: ModelSource, lacking: Sequence[str], *, unasked: bool) -> ModelError:
    """The error for a model of the hub that is here in part."""
    absent = ModelError(
        f"{source.name} is only partly in the hub's cache on this machine: {'; '.join(lacking)}. "
        f"Fetch the rest where there is a network: {download_line(source.name, ('model_index.json',), source.variant)}"
    )
    absent.unasked = unasked
    return absent


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
    denoiser = next(parts[part].config for part in DENOISERS if part in parts)
    family = family_of(name, {**denoiser, **index})
    facts = ModelFacts(source.name, folder, name, index, family, parts, checkpoint=checkpoint)
    check_settings(facts)
    check_guider(facts)
    _check_channels(facts)
    if facts.denoiser == "unet" and source.unet is None:
        _check_unet(facts)
    return facts


def _check_channels(facts: ModelFacts) -> None:
    """A U-Net may take a mask and a masked picture beside the latents, and nothing else."""
    more = facts.further_channels
    if more not in (0, facts.mask_channels):
        raise ModelError(
            f"the unet of {facts.name} takes {more} channels beside the {facts.space.channels} of the latents: an "
            f"image to edit, a depth map or a small picture, which stages do not give. {RUNS}"
        )


def _check_unet(facts: ModelFacts) -> None:
    """A U-Net is given latents, texts and, in SDXL and its kin, sizes: nothing else."""
    unet = with_defaults(facts.sources["unet"], f"unet of {facts.name}")
    sized = "text_time" if "XL" in facts.pipeline_class or facts.family.name == "Kolors" else None
    wants = (
        ("class_embed_type", (None,)),
        ("num_class_embeds", (None,)),
        ("encoder_hid_dim_type", (None, "text_proj")),
        ("addition_embed_type", (sized,)),
        ("out_channels", (facts.space.channels,)),
    )
    if facts.pipeline_class.startswith("LatentConsistency") and not unet.get("time_cond_proj_dim"):
        raise ModelError(
            f"the unet of {facts.name} takes no guidance scale as an input (time_cond_proj_dim), which a "
            f"{facts.pipeline_class} gives it. {RUNS}"
        )
    for name, allowed in wants:
        if unet.get(name) not in allowed:
            said = " or ".join("none" if one is None else str(one) for one in allowed)
            raise ModelError(
                f"the unet of {facts.name} has {name} {unet.get(name)}, and a {facts.pipeline_class} runs one with "
                f"{said}. {RUNS}"
            )


def _lacking(source: ModelSource, parts: Mapping[str, PartSource]) -> list[str]:
    replaced = {name for name in ("vae", "unet", "transformer") if getattr(source, name)}
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
    check_rows(index, source.name)
    return index


def _of_checkpoint(source: ModelSource, file: Path | HubFiles) -> ModelFacts:
    hub = file if isinstance(file, HubFiles) else None
    if isinstance(file, Path) and not is_checkpoint(file):
        raise ModelError(f"{file} is no model: give a diffusers folder, or a .safetensors or .ckpt file.")
    checkpoint = inspect_checkpoint(file, Wanted.model(source), source.model_type)
    path, index = checkpoint.path, _index(source, checkpoint.folder)
    parts = {}
    for name, part in parts_of(checkpoint.folder, index, None, source.name).items():
        has_weights = bool(part.weights) or (part.folder / "config.json").is_file()
        inside = checkpoint.prefixes(name, part.class_name) if has_weights and "tokenizer" not in name else ()
        held = replace(part, weights=(path,), form="checkpoint", prefixes=inside, hub=hub)
        parts[name] = held if inside else part
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
