"""`.safetensors` files: the tensor under the key ``latents``, everything else beside it.

Extra tensors are ``denoised``, ``resume.generator`` and ``resume.scheduler...``; metadata holds three texts: the facts
as JSON (`FACTS_KEY`), their checksum and the resume state's outline as JSON. Other programs read the tensor and never
notice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata as installed
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.latents.facts import Provenance, Resume
from jupyter_latents.latents.files import records
from jupyter_latents.latents.files.content import Content, pick_key, plain, warn
from jupyter_latents.latents.tensors import tensor_digest

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = [
    "CHECK_KEY",
    "FACTS_KEY",
    "checksum",
    "facts_metadata",
    "read_facts",
    "read_safetensors",
    "read_safetensors_bytes",
    "safetensors_bytes",
    "with_file",
]

VERSION = 1
FACTS_KEY = "jupyter_latents"
CHECK_KEY = "jupyter_latents.check"
RESUME_KEY = "jupyter_latents.resume"
LAYOUT_KEY = "jupyter_latents.layout"  # names of the tensors that were laid out channels last
DAMAGED = (KeyError, TypeError, ValueError, OverflowError, RecursionError, AttributeError, RuntimeError)


def _libraries() -> dict[str, str]:
    names = ("torch", "diffusers", "safetensors", "jupyter-latents")
    found = {
        distribution.metadata["Name"]: distribution.version for name in names for distribution in _distribution(name)
    }
    return dict(sorted(found.items()))


def _distribution(name: str) -> list[installed.Distribution]:
    return list(installed.distributions(name=name))[:1]


def _dump(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False, sort_keys=True)


def checksum(text: str) -> str:
    """The first 32 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def facts_metadata(latents: Latents, stored: torch.Tensor) -> dict[str, str]:
    """The metadata texts of everything but the resume state.

    Args:
        latents: The value.
        stored: The tensor as the file holds it, whose digest is kept.
    """
    record = {
        "version": VERSION,
        "digest": tensor_digest(stored),
        "denoised": None if latents.denoised is None else tensor_digest(latents.denoised),
        "space": None if latents.space is None else records.space_record(latents.space),
        "noise": None if latents.noise is None else records.noise_record(latents.noise),
        "position": None if latents.position is None else asdict(latents.position),
        "provenance": records.provenance_record(latents.provenance),
        "libraries": _libraries(),
    }
    text = _dump(record)
    return {FACTS_KEY: text, CHECK_KEY: checksum(text)}


def _resume_digest(outline: Any, tensors: Mapping[str, torch.Tensor]) -> str:
    parts = [_dump({"outline": outline}), *(f"{name} {tensor_digest(tensors[name])}" for name in sorted(tensors))]
    return checksum("\n".join(parts))


def _channels_last(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that are laid out channels last; kernels round by layout, so exact continuation needs it."""
    return sorted(
        name
        for name, tensor in tensors.items()
        if tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)
    )


def _with_layout(tensor: torch.Tensor, name: str, metadata: Mapping[str, str]) -> torch.Tensor:
    """A tensor in the layout that it had when it was written."""
    last = tensor.dim() == 4 and json.dumps(name) in metadata.get(LAYOUT_KEY, "")
    return tensor.contiguous(memory_format=torch.channels_last) if last else tensor


def _resume_parts(resume: Resume) -> tuple[dict[str, torch.Tensor], str, list[str]]:
    tensors: dict[str, torch.Tensor] = {}
    outline = {
        "scheduler": records.state_record(resume.scheduler, "resume.scheduler", tensors),
        "generator": records.state_record(resume.generator, "resume.generator", tensors),
    }
    layout = _channels_last(tensors)
    tensors = {name: plain(tensor) for name, tensor in tensors.items()}
    digest = _resume_digest(outline, tensors)
    versions = {str(name): str(value) for name, value in resume.versions.items()}
    return tensors, _dump({"version": VERSION, "digest": digest, "outline": outline, "versions": versions}), layout


def safetensors_bytes(latents: Latents) -> bytes:
    """A whole file as bytes. The trajectory is not kept.

    Warns:
        LatentsWarning: The resume state holds something that no file can keep; the rest is written.
    """
    tensors = {"latents": plain(latents.tensor)}
    metadata = {"format": "pt", **facts_metadata(latents, latents.tensor)}
    if latents.denoised is not None:
        tensors["denoised"] = plain(latents.denoised)
    if latents.resume is not None:
        try:
            extra, metadata[RESUME_KEY], layout = _resume_parts(latents.resume)
            tensors.update(extra)
            metadata[LAYOUT_KEY] = json.dumps(_channels_last({"latents": latents.tensor}) + layout)
        except (TypeError, ValueError) as error:
            warn(
                f"the scheduler's history is not saved, as no file can hold it ({error}); "
                "the file continues without history."
            )
    return safetensors.torch.save(tensors, metadata)


def with_file(path: Path, read: Callable[[Any, Mapping[str, str], list[str]], Content]) -> Content:
    """Opens a safetensors file and hands it to `read` with its metadata and keys.

    Raises:
        LatentsFileError: Truncated, damaged or no safetensors file.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            return read(file, file.metadata() or {}, list(file.keys()))
    except LatentsFileError as error:
        raise LatentsFileError(f"{path}: {error.message}") from error
    except (safetensors.SafetensorError, OSError, *DAMAGED) as error:
        raise LatentsFileError(f"{path} is damaged or no safetensors file ({error}). Copy or save it again.") from error


def read_safetensors(path: Path, *, verify: bool = True) -> Content:
    """Reads a file of ours, of dgenerate's or any with latents in it.

    Args:
        path: A plain file.
        verify: Whether checksums must agree.

    Raises:
        LatentsFileError: Truncated, damaged, no safetensors file, or none of its tensors are latents.

    Warns:
        LatentsWarning: The resume state or clean estimate is damaged or of another version, and left out.
    """
    return with_file(path, partial(_content, verify=verify))


def read_safetensors_bytes(content: bytes) -> Content:
    """Reads what `safetensors_bytes` made, with all checksums; nothing is written to disk for it.

    The library tells the metadata of a file on disk only, so those of bytes in memory are read here, after the library
    has found the whole of it sound.

    Raises:
        LatentsFileError: Truncated or damaged.

    Warns:
        LatentsWarning: The resume state or clean estimate is damaged or of another version, and left out.
    """
    try:
        file = _Tensors(safetensors.torch.load(content))
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
        return _content(file, metadata, list(file.tensors), verify=True)
    except (safetensors.SafetensorError, *DAMAGED) as error:
        raise LatentsFileError(f"these bytes are damaged or no safetensors file ({error}).") from error


@dataclass(frozen=True)
class _Tensors:
    """Tensors in memory, as `safetensors.safe_open` hands them out."""

    tensors: Mapping[str, torch.Tensor]

    def get_tensor(self, name: str) -> torch.Tensor:
        return self.tensors[name]


def _content(file: Any, metadata: Mapping[str, str], keys: list[str], *, verify: bool) -> Content:
    ours = FACTS_KEY in metadata
    key, assumed = pick_key(name for name in keys if not (ours and name != "latents"))
    tensor = plain(file.get_tensor(key))
    if not ours:
        return Content(tensor, assumed=assumed)
    content, denoised_digest = read_facts(metadata, tensor, verify=verify)
    wanted = denoised_digest if verify else ""
    denoised = None if denoised_digest is None or wanted is None else _denoised(file, keys, tensor, wanted)
    return Content(
        _with_layout(tensor, "latents", metadata),
        content.space,
        content.noise,
        content.position,
        _resume(file, keys, metadata, verify=verify),
        content.provenance,
        denoised,
    )


def read_facts(metadata: Mapping[str, str], tensor: torch.Tensor, *, verify: bool) -> tuple[Content, str | None]:
    """The facts beside a tensor, checked, and the digest of its clean estimate where one is stored.

    Raises:
        LatentsFileError: The tensor or the facts are not what was written.
    """
    text = metadata[FACTS_KEY]
    if verify and metadata.get(CHECK_KEY) != checksum(text):
        raise LatentsFileError("its facts (space, noise, seed) are damaged: their checksum differs. " + _ANYWAY)
    try:
        record = json.loads(text)
        content = Content(
            tensor,
            None if record["space"] is None else records.space_from(record["space"]),
            None if record["noise"] is None else records.noise_from(record["noise"]),
            None if record["position"] is None else records.position_from(record["position"]),
            provenance=records.provenance_from(record["provenance"]),
        )
        digest, denoised = str(record["digest"]), record["denoised"]
    except DAMAGED as error:
        if verify:
            raise LatentsFileError(f"its facts (space, noise, seed) cannot be read ({error}). " + _ANYWAY) from error
        warn(f"the facts of these latents cannot be read ({error}) and are left out.")
        return Content(tensor, provenance=Provenance(operation="load")), None
    if verify and digest != tensor_digest(tensor):
        raise LatentsFileError(
            "the latents are damaged: their checksum differs from the one they were saved with. " + _ANYWAY
        )
    return content, None if denoised is None else str(denoised)


_ANYWAY = "Copy or save it again, or load what is there with Latents.load(path, verify=False)."


def _denoised(file: Any, keys: list[str], like: torch.Tensor, digest: str) -> torch.Tensor | None:
    denoised = plain(file.get_tensor("denoised")) if "denoised" in keys else None
    if denoised is None or denoised.shape != like.shape or (digest and tensor_digest(denoised) != digest):
        warn("the clean estimate of these latents is damaged or missing in the file and left out.")
        return None
    return denoised


def _resume(file: Any, keys: list[str], metadata: Mapping[str, str], *, verify: bool) -> Resume | None:
    if RESUME_KEY not in metadata:
        return None
    try:
        record = json.loads(metadata[RESUME_KEY])
        if record["version"] != VERSION:
            raise ValueError(f"it has version {record['version']}, this package reads {VERSION}")
        tensors = {name: plain(file.get_tensor(name)) for name in keys if name.startswith("resume.")}
        if verify and record["digest"] != _resume_digest(record["outline"], tensors):
            raise ValueError("its checksum differs")
        tensors = {name: _with_layout(tensor, name, metadata) for name, tensor in tensors.items()}
        scheduler = records.state_from(record["outline"]["scheduler"], tensors)
        generator = records.state_from(record["outline"]["generator"], tensors)
        if not isinstance(scheduler, dict):
            raise TypeError("it is no mapping")
        versions = MappingProxyType({str(name): str(value) for name, value in record["versions"].items()})
        return Resume(MappingProxyType(scheduler), generator, versions)
    except DAMAGED as error:
        warn(f"the scheduler's history in the file cannot be used ({error}); these latents continue without history.")
        return None
