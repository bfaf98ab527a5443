"""The facts beside a tensor, as metadata texts of a safetensors file: how they are written, checked and read.

Three digests keep them together: of the tensor and of the texts beside, in the facts; of the facts, in a text of its
own. Whatever is changed of a file is then told, the names of the texts too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata as installed
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.errors import LatentsError, LatentsFileError, SettingError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.files import records
from jupyter_latents.latents.files.content import Content
from jupyter_latents.latents.tensors import tensor_digest

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = [
    "CHECK_KEY",
    "DAMAGED",
    "FACTS_KEY",
    "LAYOUT_KEY",
    "RESUME_KEY",
    "VERSION",
    "Facts",
    "checksum",
    "dump",
    "facts_metadata",
    "is_ours",
    "libraries",
    "read_facts",
    "reason",
]

VERSION = 1
FACTS_KEY = "jupyter_latents"
CHECK_KEY = "jupyter_latents.check"
RESUME_KEY = "jupyter_latents.resume"
LAYOUT_KEY = "jupyter_latents.layout"  # in which order tensors lay in memory, a JSON object (`memory_order`)
DAMAGED = (
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
    AttributeError,
    RuntimeError,
    LatentsError,
    SettingError,
)
_ANYWAY = "Copy or save it again, or load what is there with Latents.load(path, verify=False)."


@dataclass(frozen=True, slots=True)
class Facts:
    """What the facts' text says.

    Attributes:
        content: The tensor with its facts.
        estimate: Digest of the clean estimate; None where none is stored.
        beside: Name to checksum of the texts beside this one; empty in files of earlier versions.
    """

    content: Content
    estimate: str | None = None
    beside: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def agree(self, metadata: Mapping[str, str]) -> bool:
        """Whether the texts beside are those that were written."""
        return all(checksum(metadata.get(name, "")) == digest for name, digest in self.beside.items())


@cache
def libraries() -> dict[str, str]:
    """Name to version of the libraries that decide what latents are."""
    names = ("torch", "diffusers", "safetensors", "jupyter-latents")
    found = {
        distribution.metadata["Name"]: distribution.version for name in names for distribution in _distribution(name)
    }
    return dict(sorted(found.items()))


def _distribution(name: str) -> list[installed.Distribution]:
    return list(installed.distributions(name=name))[:1]


def dump(record: Mapping[str, Any]) -> str:
    """A record as JSON, the same for equal records."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, sort_keys=True)


def checksum(text: str) -> str:
    """The first 32 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def reason(error: BaseException) -> str:
    """What an error says, to stand in brackets."""
    text = f"no {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
    return text if len(text) <= 200 else f"{text[:200]}…"


def facts_metadata(latents: Latents, stored: torch.Tensor, beside: Mapping[str, str] | None = None) -> dict[str, str]:
    """The metadata texts of the facts and of what stands beside them.

    Args:
        latents: The value.
        stored: The tensor as the file holds it, whose digest is kept.
        beside: Further texts, whose checksums are kept.
    """
    texts = dict(beside or {})
    record = {
        "version": VERSION,
        "digest": tensor_digest(stored),
        "denoised": None if latents.denoised is None else tensor_digest(latents.denoised),
        "space": None if latents.space is None else records.space_record(latents.space),
        "noise": None if latents.noise is None else records.noise_record(latents.noise),
        "position": None if latents.position is None else asdict(latents.position),
        "provenance": records.provenance_record(latents.provenance),
        "libraries": libraries(),
        "beside": {name: checksum(text) for name, text in texts.items()},
    }
    text = dump(record)
    return {FACTS_KEY: text, CHECK_KEY: checksum(text), **texts}


def is_ours(metadata: Mapping[str, str]) -> bool:
    """Whether a file's metadata holds texts of this package, damaged ones too."""
    return any(name in metadata for name in (FACTS_KEY, CHECK_KEY, RESUME_KEY, LAYOUT_KEY))


def read_facts(metadata: Mapping[str, str], tensor: torch.Tensor, *, verify: bool) -> Facts:
    """The facts beside a tensor, checked.

    Args:
        metadata: Of a file of ours.
        tensor: The tensor as the file holds it.
        verify: Whether damage is an error; else what is damaged is left out, and said.

    Raises:
        LatentsFileError: The tensor or the facts are not what was written, or of a version to come.
    """
    try:
        return _facts(metadata, tensor, verify=verify)
    except LatentsFileError as error:
        if verify:
            raise
        return Facts(Content(tensor, left_out=(f"the facts of these latents: {error.message.rstrip('.')}",)))


def _facts(metadata: Mapping[str, str], tensor: torch.Tensor, *, verify: bool) -> Facts:
    again = f" {_ANYWAY}" if verify else ""
    text = metadata.get(FACTS_KEY)
    if text is None or (verify and metadata.get(CHECK_KEY) != checksum(text)):
        found = "are not there under their name" if text is None else "do not have their checksum"
        raise LatentsFileError(f"its facts (space, noise, seed) are damaged: they {found}.{again}")
    try:
        record = json.loads(text)
        if record["version"] != VERSION:
            raise LatentsFileError(
                f"its facts have version {shown(record['version'])}, and this jupyter_latents reads version {VERSION}. "
                f"Update jupyter_latents{', or load the bare tensor with verify=False' if verify else ''}."
            )
        content = Content(
            tensor,
            None if record["space"] is None else records.space_from(record["space"]),
            None if record["noise"] is None else records.noise_from(record["noise"]),
            None if record["position"] is None else records.position_from(record["position"]),
            provenance=records.provenance_from(record["provenance"]),
        )
        digest, estimate = str(record["digest"]), record["denoised"]
        facts = Facts(content, None if estimate is None else str(estimate), dict(record.get("beside", {})))
    except DAMAGED as error:
        raise LatentsFileError(f"its facts (space, noise, seed) cannot be read ({reason(error)}).{again}") from error
    if verify and digest != tensor_digest(tensor):
        raise LatentsFileError(
            f"the latents are damaged: their checksum differs from the one they were saved with.{again}"
        )
    return facts
