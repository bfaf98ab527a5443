"""A model ready to run: its parts, and how a pipeline of them is prepared for a run."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.encodings import Encodings
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.digests import FileMark
from jupyter_latents.engine.models.offload import offloaded
from jupyter_latents.engine.vae.preview import Previewer
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["LoadedModel", "vae_with_switches"]


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to run. Its parts stay in the cache as long as somebody holds it.

    Attributes:
        facts: What its files say.
        parts: Part name to the loaded part, without the scheduler; ``controlnet`` is a list where there are several.
        device: Torch device it runs on.
        dtype: Torch dtype of its weights.
        previewer: Gives what makes small pictures of its latents, by a tiny autoencoder or None for the settings' way.
        decoder: Gives the VAE that decodes; see `vae_for_decoding`.
        encodings: Remembers what its text encoders made.
        offload: ``model``, ``sequential``, ``group`` or None, where there is an accelerator to offload from.
        marks: Of the files that parts are mapped to, as they were before they were read.
    """

    facts: ModelFacts
    parts: Mapping[str, Any]
    device: Any
    dtype: Any
    previewer: Callable[[str | None], Previewer]
    decoder: Callable[[], Any]
    encodings: Encodings
    offload: str | None = None
    marks: frozenset[FileMark] = frozenset()

    @property
    def vae(self) -> Any:
        """The VAE as pipelines get it."""
        return self.parts["vae"]

    @property
    def vae_for_decoding(self) -> Any:
        """The VAE to decode and encode with outside a pipeline.

        A float32 copy where the VAE is in float16 and its ``force_upcast`` says that this overflows (as diffusers'
        ``StableDiffusionXLPipeline.upcast_vae``), a copy on the accelerator where the model is offloaded from it,
        else the VAE itself.
        """
        return self.decoder()

    def components(self, pipeline_class: type) -> dict[str, Any]:
        """What a pipeline is made of, without its scheduler: the parts, and what the model's index says of the rest.

        Args:
            pipeline_class: The diffusers class.
        """
        parameters = parameters_of(pipeline_class.__init__)  # type: ignore[misc]
        found = {name: part for name, part in self.parts.items() if name in parameters}
        for name, parameter in parameters.items():
            if name in ("self", "scheduler") or name in found:
                continue
            if parameter.default is inspect.Parameter.empty:
                found[name] = None
            elif name in self.facts.index and not isinstance(self.facts.index[name], list):
                found[name] = self.facts.index[name]
        for name in {"add_watermarker", "requires_safety_checker"} & set(parameters):  # pictures are not made there
            found[name] = False
        if self.offload is None:  # diffusers' offload moves modules, which must be the encoders themselves
            found = self.encodings.remembering(found)
        return found

    @contextmanager
    def prepared(self, active: Mapping[str, tuple[int, ...]], pipeline: Any) -> Iterator[Any]:
        """Switches diffusers' offload on for a run of a pipeline made of these parts, and off again.

        Args:
            active: Which addresses of the source's fields hold meanwhile, for fields in which one does not always.
            pipeline: The pipeline, just made.
        """
        with ExitStack() as stack:
            for name, part in self.parts.items():
                if name.startswith(self.facts.denoiser):  # of two experts one alone may be there
                    stack.enter_context(_same_attention(part))
            for addon in self.facts.addons:
                if addon.field in active:
                    stack.enter_context(addon.during(self.parts, active[addon.field]))
                stack.enter_context(addon.around(self.parts))
            if self.offload is None:
                yield pipeline
                return
            yield stack.enter_context(offloaded(pipeline, self.offload, self.device))


@contextmanager
def _same_attention(denoiser: Any) -> Iterator[None]:
    """Takes back what a pipeline has put in the place of a denoiser's attention, as those of PAG do while they run."""
    before = dict(getattr(denoiser, "attn_processors", {}))
    try:
        yield
    finally:
        after = getattr(denoiser, "attn_processors", {})
        if any(after.get(name) is not one for name, one in before.items()):
            denoiser.set_attn_processor(before)


def vae_with_switches(vae: Any, source: ModelSource) -> Any:
    """A VAE with ``--vae-tiling`` and ``--vae-slicing`` as asked for.

    It is a second face of the same modules and weights, so that the shared VAE keeps its own switches.

    Raises:
        ModelError: VAEs of this class have no such switch.
    """
    wanted = [name for name, on in (("tiling", source.vae_tiling), ("slicing", source.vae_slicing)) if on]
    if not wanted:
        return vae
    face = copy.copy(vae)
    for name in wanted:
        if not hasattr(face, f"enable_{name}"):
            raise ModelError(
                f"the VAE of {source.name}, a {type(vae).__name__}, has no {name}; leave {option(f'vae_{name}')} out.",
                option=f"vae_{name}",
            )
        getattr(face, f"enable_{name}")()
    return face
