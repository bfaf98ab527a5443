"""Another VAE in the place of the model's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.addons.address import OptionAddress, entry_of, fault, locate, part_at
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.single_files import is_weight_file
from jupyter_latents.engine.models.parts import PartSource, with_defaults
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.engine.vae.codec import space_of
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import Address, ModelSource, settings_of
from jupyter_latents.wording import option

__all__ = ["Vae", "find_addon"]

_KEYS = settings_of("vae")


@dataclass(frozen=True)
class Vae(Addon):
    """Another VAE.

    Attributes:
        part: The VAE.
    """

    part: PartSource

    @property
    def digest(self) -> str:
        """Its files and the dtype of its own."""
        return repr((self.part.digest, self.part.dtype))

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """The VAE, in the place of the model's own."""
        return (self.part,)


def find_addon(source: ModelSource, facts: ModelFacts) -> Vae:
    """The VAE that a stage names: ``Class;model=NAME;...`` or a plain name.

    Args:
        source: The stage's model.
        facts: What its files say; a VAE in a single file has the configuration of the model's own VAE.

    Raises:
        ModelError: It cannot be found, is of another class than given, or is of another latent space.
    """
    own = facts.own["vae"]
    entry = entry_of("vae", source.vae or Address(""), _KEYS)
    model = entry.get("model")
    wanted, name = (None, entry.name) if model is None else (entry.name, model)
    if wanted is None and name.startswith(("AutoencoderKL", "AutoencoderTiny")):
        raise ModelError(f"{option('vae')} {source.vae}: say which one, {entry.name};model=NAME.", option="vae")
    found = _part(entry, name, source, own)
    if not found.class_name.startswith(("Autoencoder", "AsymmetricAutoencoder")):
        raise fault("vae", f"{name} is a {found.class_name}, which does not run here; use an AutoencoderKL or kin.")
    if wanted and wanted != found.class_name:
        raise fault("vae", f"{name} is a {found.class_name}, not a {wanted}; write {found.class_name};model={name}.")
    _check_space(source, own, found)
    return Vae(found)


def _part(entry: OptionAddress, name: str, source: ModelSource, own: PartSource) -> PartSource:
    place = locate(entry, name, source, ("config.json", "vae/config.json"))
    folder, file = place.folder, place.file
    if folder is None:
        hub = file if isinstance(file, HubFiles) else None
        path = Path(hub.names[0]) if hub is not None else place.root
        if not is_weight_file(path):
            raise fault("vae", f"{path} is no weight file; give a .safetensors file or a diffusers folder.")
        return replace(own, weights=(path,), variant=None, form="file", dtype=entry.dtype, hub=hub)
    inner = folder if (folder / "config.json").is_file() else folder / "vae"
    if not (inner / "config.json").is_file():
        raise fault("vae", f"{folder} has neither a config.json nor a vae folder; add ;subfolder=NAME.")
    return part_at(entry, place, inner, "vae")


def _check_space(source: ModelSource, own: PartSource, vae: PartSource) -> None:
    """A VAE fits when its latents are the model's: as many channels, the same scale (a tiny one takes the model's)."""
    ours = space_of(own.class_name, with_defaults(own, "vae"))
    theirs = space_of(vae.class_name, with_defaults(vae, option("vae")))
    fits = ours.same_as(replace(theirs, scaling_factor=ours.scaling_factor, shift_factor=ours.shift_factor))
    if not fits or (vae.class_name != "AutoencoderTiny" and not ours.same_as(theirs)):
        raise ModelError(
            f"{option('vae')} {source.vae} is of another latent space: {theirs}, scale {theirs.scaling_factor:g}; "
            f"{source.name} has {ours}, scale {ours.scaling_factor:g}. Use a VAE made for this family.",
            option="vae",
        )
