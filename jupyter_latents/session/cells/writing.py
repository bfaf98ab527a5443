"""The texts that leave with a picture: A1111's, and the record with the cell that leads back to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jupyter_latents.errors import SettingError
from jupyter_latents.pictures.metadata.parameters import Parameters, write_parameters
from jupyter_latents.pictures.metadata.record import Record, write_record
from jupyter_latents.pictures.metadata.texts import OURS, PARAMETERS
from jupyter_latents.samplers import sampler_name
from jupyter_latents.session.cells.chain import Chain, chain_of
from jupyter_latents.session.cells.shortened import public_name
from jupyter_latents.session.cells.sources import Elsewhere, Source
from jupyter_latents.session.cells.text import cell_text
from jupyter_latents.stage import address_of
from jupyter_latents.syntax.options.writers import plain

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.settings import MetadataLevel

__all__ = ["cell_of", "parameters_of", "texts_of", "texts_of_sheet"]


def texts_of(latents: Latents, source: Source, level: MetadataLevel, item: int = 0) -> dict[str, str]:
    """The texts of a picture of latents, by their keys.

    Args:
        latents: The latents.
        source: What made them.
        level: How much is said.
        item: Which of the batch the picture is of.
    """
    if level == "none":
        return {}
    texts = {PARAMETERS: parameters_of(latents)}
    return texts if level == "parameters" else {OURS: _record(latents.digest, chain_of(source), item), **texts}


def texts_of_sheet(several: Sequence[Latents], sources: Sequence[Source], level: MetadataLevel) -> dict[str, str]:
    """The texts of a sheet of pictures: the cell that makes all of them, and what A1111 says of the first.

    Args:
        several: The latents, at least one.
        sources: What made each.
        level: How much is said.
    """
    if level == "none":
        return {}
    texts = {PARAMETERS: parameters_of(several[0])}
    digest = hashlib.sha256("".join(latents.digest for latents in several).encode()).hexdigest()[:32]
    return texts if level == "parameters" else {OURS: _record(digest, chain_of(*sources), 0), **texts}


def parameters_of(latents: Latents) -> str:
    """A1111's text of latents: what they say of themselves, in its names."""
    origin, (width, height) = latents.provenance, latents.size
    sampler, schedule = _sampler(origin.options.get("scheduler", ""))
    values = {
        "Steps": origin.options.get("steps", ""),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": "" if origin.guidance_scale is None else plain(float(origin.guidance_scale)),
        "CFG schedule": origin.options.get("guidance_scale", ""),
        "Seed": "" if origin.seed is None else str(origin.seed),
        "Size": f"{width}x{height}",
        "Model hash": origin.revision[:10],
        "Model": public_name(origin.model),
        "Denoising strength": origin.options.get("strength", ""),
        "Version": f"jupyter_latents {_libraries().get('jupyter-latents', '')}".strip(),
    }
    said = {key: value for key, value in values.items() if value}
    return write_parameters(Parameters(origin.prompt, origin.negative_prompt, said))


def _sampler(text: str) -> tuple[str, str]:
    """A scheduler as A1111 calls it; what is no scheduler's address, as a file may say, is its own name."""
    try:
        address = address_of(text, "schedulers")
    except SettingError:
        return text, ""
    return sampler_name(address.name, address.settings) if address is not None else ("", "")


def cell_of(sources: Sequence[Source]) -> str:
    """The cell that makes latents, as their pictures say it; empty where nobody knows what made them.

    Args:
        sources: What made each; those of one sweep are written as one.
    """
    if all(isinstance(source, Elsewhere) for source in sources):
        return ""
    return _cell(chain_of(*sources))


def _cell(chain: Chain) -> str:
    program = f"jupyter_latents {_libraries().get('jupyter-latents', '')}".strip()
    return cell_text(chain.recipe(program), variables=True)


def _record(digest: str, chain: Chain, item: int) -> str:
    return write_record(Record(_cell(chain), digest, item, chain.models, chain.inputs, _libraries()))


def _libraries() -> Mapping[str, str]:
    from jupyter_latents.latents.files.metadata import libraries

    return libraries()
