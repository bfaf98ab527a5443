"""Pictures of latents outside a run's steps: which VAE makes them, and what is tried where memory runs out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine.failures.relief import let_go
from jupyter_latents.engine.given.incoming import is_raw
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.models.cache import ModelCache
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.load import dtype_of
from jupyter_latents.engine.models.memory import device_of, is_out_of_memory
from jupyter_latents.engine.models.model import vae_with_switches
from jupyter_latents.engine.rules.origin import fps_of, source_of
from jupyter_latents.engine.vae import codec
from jupyter_latents.engine.vae.receiving import decoding
from jupyter_latents.errors import JupyterLatentsError, LatentsWarning, ModelError, RunError, cause
from jupyter_latents.latents.clip import FPS, Clip
from jupyter_latents.latents.files.comfy_file import model_from_raw
from jupyter_latents.latents.spaces import Space, for_shape
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option, readable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

__all__ = ["Decoder"]

_CALLER = 4  # frames up to who asked for pictures


class Decoder:
    """Decodes by VAEs of a cache.

    Args:
        cache: The models.
    """

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache

    def decode(self, latents: Latents, receiver: ModelSource | None = None) -> list[Image | Clip]:
        """Pictures of latents by their own VAE, from the clean estimate where they are still noisy.

        Args:
            latents: The latents.
            receiver: The model of the stage in whose picture's place they stand; `decoding` says which VAE it is then.

        Raises:
            ModelError: The VAE that they belong to is not at hand.
            HandoffError: No VAE is known that decodes them for the receiver.
            RunError: It failed, or ran out of memory whatever was tried.
        """
        clean = _clean(latents)
        if receiver is None:
            return self._pictures(clean, self.vae_of(latents), fps_of(latents.provenance))
        facts = describe(receiver)
        by_receiver = decoding(latents, facts, receiver).by_receiver
        clean = model_from_raw(clean, facts.space) if is_raw(latents, facts) else clean
        return self._pictures(clean, self._cache.load_vae(receiver) if by_receiver else self.vae_of(latents))

    def digest(self, latents: Standing, facts: ModelFacts, receiver: ModelSource) -> str:
        """What tells the VAE of another model that decodes latents in the place of a picture; empty for the receiver's.

        Args:
            latents: The latents, or their outline.
            facts: The receiving model's.
            receiver: That model, as its stage names it.

        Raises:
            HandoffError: No VAE is known that decodes them.
        """
        if decoding(latents, facts, receiver).by_receiver:
            return ""
        try:
            maker = source_of(latents.provenance)
            made = describe(maker)
        except ModelError:
            return ""  # it is not at hand: a VAE of the digest that the latents' space says decodes them, or none
        return repr((made.digests["vae"], str(dtype_of(maker, made, device_of(maker.device)))))

    def preview(self, latents: Latents, tiny: str | None = None) -> list[Image | Clip]:
        """Small pictures of latents, or of their clean estimate, by the map fitted to their own VAE.

        Args:
            latents: The latents.
            tiny: A tiny autoencoder that makes them; None for what the settings say.

        Raises:
            ModelError: The model that made them is not at hand.
        """
        if not latents.provenance.model:
            raise ModelError("these latents do not say which model made them, so there is no preview of them.")
        clean = _clean(latents)
        vae = self.vae_of(latents)
        space = latents.space if latents.space and latents.space.vae else describe(source_of(latents.provenance)).space
        return self._cache.previewer(space, vae, tiny).images(clean)

    def vae_of(self, latents: Latents) -> Any:
        """The VAE that latents belong to: that of the model that made them, in the dtype of its run, and only that.

        Raises:
            ModelError: It is not at hand, or the model of that name works in another space.

        Warns:
            LatentsWarning: The model's VAE is of other files than the one that they belong to.
        """
        space, name = latents.space, latents.provenance.model
        if name:
            maker = source_of(latents.provenance)
            try:
                vae = self._cache.load_vae(maker)
                now = describe(maker).space
            except ModelError as error:
                held = self._cache.find_vae(space.vae, maker.dtype) if space is not None and space.vae else None
                if held is not None:
                    return held
                raise ModelError(
                    f"latents of {name} are decoded by its own VAE ({space or 'space not known'}), and that model "
                    f"is not at hand; another VAE would give a wrong picture. {error.template}",
                    option=error.option,
                ) from error
            _check_same(latents, now)
            return vae
        raise ModelError(
            "these latents do not say which model made them, so no VAE can decode them. Put them in the image position "
            f"of a stage ({option('image_seeds', 'image')} NAME): its model's VAE decodes them."
        )

    def _pictures(self, clean: torch.Tensor, vae: Any, fps: float = FPS) -> list[Image | Clip]:
        """Decodes; where memory runs out, in the ways of a run's own decoding, the mildest first."""
        tried: list[str] = []
        for what, decoder in self._ways(vae):
            if what:
                tried.append(what)
                warnings.warn(f"out of memory while latents were decoded: {what}; it goes on", LatentsWarning, _CALLER)
            try:
                return codec.to_pil(codec.decode(clean, decoder), fps)
            except JupyterLatentsError:
                raise
            except Exception as error:
                if not is_out_of_memory(error):
                    raise RunError(f"the VAE failed while it decoded: {cause(error)}") from error
                let_go(error)
                failure = error
        raise RunError(
            f"the VAE ran out of memory while it decoded latents of {tuple(clean.shape)}, though {', '.join(tried)}. "
            f"Use fewer or smaller ones, or {option('dtype')} float16 or bfloat16.",
            option="dtype",
        ) from failure

    def _ways(self, vae: Any) -> Iterator[tuple[str, Any]]:
        """What is done first, in words, and the VAE that decodes then."""
        yield "", vae
        freed = self._cache.let_idle_go(vae.device, at_work=vae)
        yield f"models not in use were let go of ({readable(freed)})", vae
        if hasattr(vae, "enable_tiling") and not getattr(vae, "use_tiling", False):
            yield "the VAE works in tiles", vae_with_switches(vae, ModelSource("these latents", vae_tiling=True))


def _check_same(latents: Latents, now: Space) -> None:
    """Tells, or refuses, where the model that latents name has another VAE now than theirs.

    Args:
        latents: Latents that name the model which made them.
        now: The space of the model that stands under that name now.

    Raises:
        ModelError: Its numbers mean something else.

    Warns:
        LatentsWarning: They mean the same, and its files are others.
    """
    space, name = latents.space, latents.provenance.model
    if space is None or space.vae == now.vae:
        return
    if not space.same_as(now):
        raise ModelError(
            f"these latents are of {space} and say that {name} made them, which works in {now} now: its VAE would give "
            "a wrong picture. Put the model's old files back, or say what they are with replace(space=...)."
        )
    if space.vae:
        warnings.warn(
            f"the VAE of {name} was changed since these latents were made: the picture is that of the new one, and may "
            "be wrong. Make them again, or put its old files back",
            LatentsWarning,
            _CALLER,
        )


def _clean(latents: Latents) -> torch.Tensor:
    """Clean latents or their clean estimate, without frames that nobody sees."""
    clean = latents.tensor if latents.is_clean or latents.denoised is None else latents.denoised
    seen: torch.Tensor = for_shape(latents.space, latents.shape).seen(clean)
    return seen
