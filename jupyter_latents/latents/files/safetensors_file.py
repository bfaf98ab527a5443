"""`.safetensors` files: the tensor under the key ``latents``, everything else beside it.

Extra tensors are ``denoised``, ``resume.generator`` and ``resume.scheduler...``; metadata holds the facts and
their checksum (`metadata`), the resume state's outline as JSON and the layout of its tensors. Other programs read the
tensor and never notice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.latents.facts import Resume
from jupyter_latents.latents.files import records
from jupyter_latents.latents.files.caches import cached_content
from jupyter_latents.latents.files.content import COMFY_KEY, Codec, Content, TensorFile, others, pick_key, plain, warn
from jupyter_latents.latents.files.memory_order import laid_out, orders_record
from jupyter_latents.latents.files.metadata import (
    DAMAGED,
    LAYOUT_KEY,
    RESUME_KEY,
    VERSION,
    Facts,
    checksum,
    dump,
    facts_metadata,
    is_ours,
    read_facts,
    reason,
)
from jupyter_latents.latents.tensors import tensor_digest

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = [
    "CODEC",
    "content_of",
    "parts_of",
    "read_safetensors",
    "read_safetensors_bytes",
    "safetensors_bytes",
    "with_file",
]


def _resume_digest(outline: Any, tensors: Mapping[str, torch.Tensor]) -> str:
    parts = [dump({"outline": outline}), *(f"{name} {tensor_digest(tensors[name])}" for name in sorted(tensors))]
    return checksum("\n".join(parts))


def _resume_parts(resume: Resume) -> tuple[dict[str, torch.Tensor], str, dict[str, list[int]]]:
    tensors: dict[str, torch.Tensor] = {}
    outline = {
        "scheduler": records.state_record(resume.scheduler, "resume.scheduler", tensors),
        "generator": records.state_record(resume.generator, "resume.generator", tensors),
    }
    orders = orders_record(tensors)
    tensors = {name: plain(tensor) for name, tensor in tensors.items()}
    digest = _resume_digest(outline, tensors)
    versions = {str(name): str(value) for name, value in resume.versions.items()}
    return tensors, dump({"version": VERSION, "digest": digest, "outline": outline, "versions": versions}), orders


def parts_of(latents: Latents) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors of a file and the metadata texts that stand beside the facts. The trajectory is not kept.

    Warns:
        LatentsWarning: The resume state holds something that no file can keep; the rest is written.
    """
    tensors, beside = {"latents": plain(latents.tensor)}, {}
    if latents.denoised is not None:
        tensors["denoised"] = plain(latents.denoised)
    if latents.resume is not None:
        try:
            extra, beside[RESUME_KEY], orders = _resume_parts(latents.resume)
            tensors.update(extra)
            beside[LAYOUT_KEY] = json.dumps({**orders_record({"latents": latents.tensor}), **orders})
        except (TypeError, ValueError) as error:
            warn(
                f"the scheduler's history is not saved, as no file can hold it ({error}); "
                "the file continues without history."
            )
    return tensors, beside


def safetensors_bytes(latents: Latents) -> bytes:
    """A whole file as bytes.

    Warns:
        LatentsWarning: See `parts_of`.
    """
    tensors, beside = parts_of(latents)
    return safetensors.torch.save(tensors, {"format": "pt", **facts_metadata(latents, latents.tensor, beside)})


def with_file(path: Path, read: Callable[[Any, Mapping[str, str], list[str]], Content]) -> Content:
    """Opens a safetensors file and hands it to `read` with its metadata and keys.

    Raises:
        LatentsFileError: Truncated, damaged or no safetensors file.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            return read(file, file.metadata() or {}, list(file.keys()))
    except LatentsFileError as error:
        raise LatentsFileError(f"{path}: {error.template}") from error
    except (safetensors.SafetensorError, OSError, *DAMAGED) as error:
        raise LatentsFileError(
            f"{path} is damaged or no safetensors file ({reason(error)}). Copy or save it again."
        ) from error


def read_safetensors(path: Path, *, verify: bool = True, size: tuple[int, int] | None = None) -> Content:
    """Reads a file of ours, of dgenerate's or any with latents in it.

    Args:
        path: A plain file.
        verify: Whether checksums must agree.
        size: (width, height) in pixels of the picture, where the file holds latents of several.

    Raises:
        LatentsFileError: Truncated, damaged, no safetensors file, or none of its tensors are latents.
    """

    def read(file: Any, metadata: Mapping[str, str], keys: list[str]) -> Content:
        return cached_content(file, metadata, keys, path, size) or content_of(file, metadata, keys, verify=verify)

    return with_file(path, read)


def read_safetensors_bytes(content: bytes) -> Content:
    """Reads what `safetensors_bytes` made, with all checksums; nothing is written to disk for it.

    The library tells the metadata of a file on disk only, so those of bytes in memory are read here, after the library
    has found the whole of it sound.

    Raises:
        LatentsFileError: Truncated or damaged.
    """
    try:
        file = _Tensors(safetensors.torch.load(content))
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
        return content_of(file, metadata, list(file.tensors), verify=True)
    except (safetensors.SafetensorError, *DAMAGED) as error:
        raise LatentsFileError(f"these bytes are damaged or no safetensors file ({error}).") from error


@dataclass(frozen=True)
class _Tensors:
    """Tensors in memory, as `safetensors.safe_open` hands them out."""

    tensors: Mapping[str, torch.Tensor]

    def get_tensor(self, name: str) -> torch.Tensor:
        return self.tensors[name]


def content_of(file: TensorFile, metadata: Mapping[str, str], keys: list[str], *, verify: bool) -> Content:
    """What an open file holds, of ours or of others.

    Args:
        file: Hands out its tensors.
        metadata: Its texts.
        keys: Names of its tensors.
        verify: Whether checksums must agree.

    Raises:
        LatentsFileError: None of its tensors are latents, or they are damaged.
    """
    ours = is_ours(metadata)
    if COMFY_KEY in keys and "latents" not in keys:  # whose values may be on another scale
        raise LatentsFileError("it is a .latent file of ComfyUI's by its tensors; give it the ending .latent.")
    key, assumed = pick_key(name for name in keys if not (ours and name != "latents"))
    tensor = plain(file.get_tensor(key))
    if not ours:
        return Content(tensor, assumed=assumed, left_out=others(keys, key))
    facts = read_facts(metadata, tensor, verify=verify)
    left_out = list(facts.content.left_out)
    return replace(
        facts.content,
        tensor=laid_out(tensor, "latents", metadata.get(LAYOUT_KEY, "")),
        resume=_resume(file, keys, metadata, facts, left_out, verify=verify),
        denoised=_denoised(file, keys, facts, left_out, verify=verify),
        left_out=tuple(left_out),
    )


def _denoised(
    file: TensorFile, keys: list[str], facts: Facts, left_out: list[str], *, verify: bool
) -> torch.Tensor | None:
    if facts.estimate is None:
        return None
    denoised = plain(file.get_tensor("denoised")) if "denoised" in keys else None
    sound = denoised is not None and denoised.shape == facts.content.tensor.shape
    if denoised is None or not sound or (verify and tensor_digest(denoised) != facts.estimate):
        left_out.append("the clean estimate of these latents, which is damaged or missing in the file")
        return None
    return denoised


def _resume(
    file: TensorFile, keys: list[str], metadata: Mapping[str, str], facts: Facts, left_out: list[str], *, verify: bool
) -> Resume | None:
    if RESUME_KEY not in metadata and RESUME_KEY not in facts.beside:
        return None
    try:
        record = json.loads(metadata[RESUME_KEY])
        if record["version"] != VERSION:
            raise ValueError(f"it has version {record['version']}, this package reads {VERSION}")
        tensors = {name: plain(file.get_tensor(name)) for name in keys if name.startswith("resume.")}
        sound = record["digest"] == _resume_digest(record["outline"], tensors) and facts.agree(metadata)
        if verify and not sound:
            raise ValueError("its checksum differs")
        tensors = {name: laid_out(tensor, name, metadata.get(LAYOUT_KEY, "")) for name, tensor in tensors.items()}
        scheduler = records.state_from(record["outline"]["scheduler"], tensors)
        generator = records.state_from(record["outline"]["generator"], tensors)
        if not isinstance(scheduler, dict):
            raise TypeError("it is no mapping")
        versions = MappingProxyType({str(name): str(value) for name, value in record["versions"].items()})
        return Resume(MappingProxyType(scheduler), generator, versions)
    except DAMAGED as error:
        left_out.append(
            f"the scheduler's history in the file, which cannot be used ({reason(error)}); these latents continue "
            "without history"
        )
        return None


CODEC = Codec(read_safetensors, safetensors_bytes)
