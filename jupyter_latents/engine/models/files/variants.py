"""Variants of a model's weights, such as ``fp16``: whether those that a stage names are here, or on the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jupyter_latents.engine.models.files.weights import variants_of
from jupyter_latents.engine.models.parts import PartSource
from jupyter_latents.engine.models.places.hub import files_of
from jupyter_latents.engine.models.places.names import Wanted
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["check_variant", "lacks_variant", "no_variant"]


def lacks_variant(source: ModelSource, parts: Mapping[str, PartSource]) -> bool:
    """Whether no part has weights of the variant that is asked for."""
    return source.variant is not None and all(part.variant != source.variant for part in parts.values())


def check_variant(source: ModelSource, parts: Mapping[str, PartSource]) -> None:
    """Sees that a repository has the variant that is asked for, before any weights of it are fetched.

    Raises:
        ModelError: It has not, or the hub does not say.
    """
    if source.variant is None:
        return
    names = files_of(Wanted.model(source))
    start = f"{source.subfolder}/" if source.subfolder else ""
    folders = [f"{start}{name}/" for name in parts]
    have = [variants_of(name.removeprefix(folder) for name in names if name.startswith(folder)) for folder in folders]
    if not any(source.variant in one for one in have):
        raise no_variant(source, have, "the hub has")


def no_variant(source: ModelSource, have: Sequence[set[str | None]], where: str) -> ModelError:
    """The error for a variant that no part has.

    Args:
        source: What the stage names.
        have: The variants of each part.
        where: Where those are, in words.
    """
    given = option("variant")
    found = sorted({variant or "" for one in have for variant in one})
    names = ", ".join(name or f"plain files (no {given})" for name in found)
    return ModelError(f"{source.name} has no weights of {given} {source.variant}; {where}: {names}.", option="variant")
