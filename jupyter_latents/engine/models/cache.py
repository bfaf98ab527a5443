"""The model cache: parts of models, loaded once and shared by every model that has the same files."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from jupyter_latents.engine.answers import PartRow
from jupyter_latents.engine.models.budget import ModelBudget
from jupyter_latents.engine.models.describe import describe, whole
from jupyter_latents.engine.models.encodings import Encodings
from jupyter_latents.engine.models.files.digests import FileMark
from jupyter_latents.engine.models.filler import Filler
from jupyter_latents.engine.models.load import LoadPlan, Part, PartKey, dtype_of, plan_of, size_of
from jupyter_latents.engine.models.memory import device_of
from jupyter_latents.engine.models.model import LoadedModel, vae_with_switches
from jupyter_latents.engine.models.shelf import Shelf
from jupyter_latents.engine.observer import Reading
from jupyter_latents.engine.vae.preview import DecodedPreviewer, Previewer, previewer_of
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.latents.spaces import Space
from jupyter_latents.settings import SETTINGS, Settings
from jupyter_latents.stage import ModelSource

__all__ = ["LoadedModel", "ModelCache", "Part", "PartKey"]


def _silent(_reading: Reading) -> None:
    """Tells nobody."""


class ModelCache:
    """Loads models and keeps their parts by content, so that what two models share is held once.

    Args:
        settings: Say how many bytes parts may take in RAM and on each accelerator; see `Shelf`.

    Attributes:
        budget: Heeds the settings of all who share the cache.
    """

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.encodings = Encodings()
        self.budget = ModelBudget(settings)
        self._shelf = Shelf(self.budget)
        self._filler = Filler(self._shelf)
        self._previewers: dict[tuple[str, str, str], Previewer] = {}
        self._loading = threading.RLock()
        self._fitting = threading.Lock()

    @property
    def loads(self) -> int:
        """How many parts were read so far."""
        return self._filler.loads

    @property
    def parts(self) -> Mapping[PartKey, Part]:
        """The parts held."""
        return self._shelf.parts

    def rows(self) -> list[PartRow]:
        """What is held, most recently used first."""
        return self._shelf.rows()

    def unload(self, name: str | None = None) -> int:
        """Lets go of a model's parts that no other model uses, or of all parts. A run that goes on keeps its own.

        Args:
            name: The model as a stage named it; None for all.

        Returns:
            Bytes let go of.

        Raises:
            ModelError: No such model is held.
        """
        known = sorted({model for part in self.parts.values() for model in part.models})
        if name is not None and name not in known:
            hint = nearest(name, known) or "."
            raise ModelError(f"no model {name!r} is held{hint} Held are: {', '.join(known) or 'none'}.")
        if name is None:
            self._previewers.clear()
        return self._shelf.drop(name)

    def load(
        self, source: ModelSource, tell: Callable[[Reading], None] = _silent, without: Collection[str] = ()
    ) -> LoadedModel:
        """A model ready to run; only parts not held yet are read.

        Args:
            source: Which model, and how.
            tell: Is told what is read, a part at a time.
            without: Names of parts that are left out.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        with self._loading:
            plan, device, offload = _plan(source)
            plan = replace(plan, keys={name: key for name, key in plan.keys.items() if name not in without})
            values = self._filler.fill(plan, tell)
            self._shelf.use(plan.keys.values(), plan.facts.name)
            return self._hand_out(plan, values, device, offload)

    def read_ahead(self, source: ModelSource, tell: Callable[[Reading], None] = _silent) -> bool:
        """Reads what is not held of a model that will be wanted, where it fits with nothing leaving.

        Args:
            source: Which model, and how.
            tell: Is told what is read; what it raises ends the reading.

        Returns:
            Whether all of the model is held now.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        if describe(source).lacking:
            return False  # nothing is fetched for a stage that is not judged yet
        with self._loading:
            plan, _, _ = _plan(source)
            missing = [name for name, key in plan.keys.items() if self._shelf.get(key) is None]
            if not self._shelf.fits(plan.home, plan.memory(missing)):
                return False
            self._filler.fill(plan, tell)
            self._shelf.use(plan.keys.values(), plan.facts.name)
            return True

    def let_idle_go(self, device: Any, but: ModelSource | None = None, at_work: Any = None) -> int:
        """Lets all parts leave a device that no run holds, and what torch keeps in reserve there; says how many bytes.

        Args:
            device: The torch device.
            but: A model that stays, since it is wanted again at once.
            at_work: A module that stays, itself or one that it is a second face of.

        Raises:
            ModelError: That model is not there.
        """
        import gc

        import torch

        before = sum(row.size for row in self.rows())
        with self._loading:
            keep = set(_plan(but)[0].keys.values()) if but is not None else set()
            inside = getattr(at_work, "_modules", self)
            keep |= {key for key, part in self.parts.items() if getattr(part.value, "_modules", None) is inside}
            self._shelf.make_room(device, None, keep)
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return before - sum(row.size for row in self.rows())

    def previewer(self, space: Space, vae: Any, tiny: str | None = None) -> Previewer:
        """The previews of a latent space, made ready when first asked for; for each dtype of its VAE.

        Args:
            space: The space.
            vae: Its VAE.
            tiny: The tiny autoencoder of a run; None for what the settings say. See `previewer_of`.

        Raises:
            ModelError: The tiny autoencoder is not there or does not fit.
        """
        tiny = tiny or SETTINGS.preview_vae
        key = space.vae, str(vae.dtype), tiny
        with self._fitting:
            found = self._previewers.get(key)
            if found is None or (isinstance(found, DecodedPreviewer) and found.vae is not vae):
                found = self._previewers[key] = previewer_of(vae, space, tiny)
            return found

    def load_vae(self, source: ModelSource) -> Any:
        """The VAE of a model, to decode and encode with; nothing else of the model is read.

        Args:
            source: Which model, and how.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        with self._loading:
            plan, device, _ = _plan(source)
            alone = replace(plan, keys={"vae": plan.keys["vae"]}, changes=())
            vae = self._filler.fill(alone, _silent)["vae"]
            self._shelf.use(alone.keys.values(), plan.facts.name)
            return vae_with_switches(self._decoding(plan.keys["vae"], vae, device), source)

    def find_vae(self, digest: str, dtype: str = "auto") -> Any | None:
        """A held VAE by the digest of its files, one that decodes without overflow where there is one, or None.

        Args:
            digest: Digest of its files.
            dtype: The dtype of its weights, as a stage names it.
        """
        same = (f"torch.{dtype}", "torch.float32") if dtype != "auto" else ()
        held = [(key, part.value) for key, part in self.parts.items()
                if key.digest == digest and (not same or key.dtype in same) and part.is_as_read]  # fmt: skip
        found = [(key, value) for key, value in held if hasattr(value, "decode") and hasattr(value, "parameters")]
        found.sort(key=lambda pair: (pair[0].made != "decodes", pair[0].dtype != "torch.float32"))
        return found[0][1] if found else None

    def _hand_out(self, plan: LoadPlan, values: dict[str, Any], device: Any, offload: str | None) -> LoadedModel:
        facts, source = plan.facts, plan.source
        for addon in facts.addons:
            brought = {part.name: values.pop(part.name) for part in addon.parts}
            values |= addon.components(brought)
        vae, key = values["vae"], plan.keys["vae"]
        values["vae"] = vae_with_switches(vae, source)

        def decoder() -> Any:
            return vae_with_switches(self._decoding(key, vae, device), source)

        def previewer(tiny: str | None) -> Previewer:
            return self.previewer(facts.space, self._decoding(key, vae, device), tiny)

        held = (part.marks for key in plan.keys.values() if (part := self.parts.get(key)) is not None)
        marks = frozenset[FileMark]().union(*held)
        model = LoadedModel(facts, values, device, plan.dtype, previewer, decoder, self.encodings, offload, marks)
        self._shelf.hand(model, frozenset(plan.keys.values()))
        return model

    def _decoding(self, key: PartKey, vae: Any, device: Any) -> Any:
        """The VAE to decode with; a copy is a part of its own."""
        import torch

        overflows = vae.dtype == torch.float16 and bool(vae.config.get("force_upcast"))
        if not overflows and vae.device.type == device.type:
            return vae
        dtype = torch.float32 if overflows else vae.dtype
        wanted = key._replace(dtype=str(dtype), device=str(device), made="decodes")
        with self._loading:
            part = self._shelf.get(wanted)
            if part is None:
                self._shelf.make_room(device, size_of(vae) * dtype.itemsize // vae.dtype.itemsize, {wanted, key})
                made = copy.deepcopy(vae).to(device=device)
                made = made.float() if overflows else made
                own = self.parts.get(key)
                if own is None or own.is_as_read:  # else what was written over meanwhile may have been copied
                    self._shelf.put(wanted, made, "vae", frozenset(), own.models if own else ())
                return made
            part.used = time.time()
            return part.value


def _plan(source: ModelSource) -> tuple[LoadPlan, Any, str | None]:
    """What a load needs, the device that the model runs on, and how it is offloaded from it, which a CPU is not."""
    facts = whole(source)
    device = device_of(source.device)
    offload = None if device.type == "cpu" else source.offload
    home = device_of("cpu") if offload else device
    return plan_of(source, facts, home, dtype_of(source, facts, device)), device, offload
