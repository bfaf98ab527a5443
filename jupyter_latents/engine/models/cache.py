"""The model cache: parts of models, loaded once and shared by every model that has the same files."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jupyter_latents.engine.answers import PartRow
from jupyter_latents.engine.listening import listening
from jupyter_latents.engine.models.budget import ModelBudget
from jupyter_latents.engine.models.describe import describe, whole
from jupyter_latents.engine.models.encodings import Encodings
from jupyter_latents.engine.models.load import LoadPlan, Part, PartKey, dtype_of, plan_of, size_of
from jupyter_latents.engine.models.memory import device_of, is_out_of_memory, is_ram
from jupyter_latents.engine.models.model import LoadedModel, vae_with_switches
from jupyter_latents.engine.models.readers import place, read_checkpoint, read_part
from jupyter_latents.engine.models.shelf import Shelf
from jupyter_latents.engine.observer import Reading
from jupyter_latents.engine.vae.preview import Previewer, previewer_of
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
        self.loads = 0
        self.encodings = Encodings()
        self.budget = ModelBudget(settings)
        self._shelf = Shelf(self.budget)
        self._previewers: dict[tuple[str, str], Previewer] = {}
        self._loading = threading.RLock()
        self._fitting = threading.Lock()

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

    def load(self, source: ModelSource, tell: Callable[[Reading], None] = _silent) -> LoadedModel:
        """A model ready to run; only parts not held yet are read.

        Args:
            source: Which model, and how.
            tell: Is told what is read, a part at a time.

        Raises:
            ModelError: It cannot be found or loaded.
        """
        with self._loading:
            plan, device, offload = _plan(source)
            values = self._fill(plan, tell)
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
            missing = [name for name, key in plan.keys.items() if key not in self.parts]
            if not self._shelf.fits(plan.home, plan.memory(missing)):
                return False
            self._fill(plan, tell)
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

    def previewer(self, space: Space, vae: Any) -> Previewer:
        """The preview map of a latent space, fitted to its VAE when first asked for; one for each dtype of it."""
        key = space.vae, str(vae.dtype)
        with self._fitting:
            if key not in self._previewers:
                self._previewers[key] = previewer_of(vae, space.factor)
            return self._previewers[key]

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
            vae = self._fill(alone, _silent)["vae"]
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
                if key.digest == digest and (not same or key.dtype in same)]  # fmt: skip
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

        def previewer() -> Previewer:
            return self.previewer(facts.space, self._decoding(key, vae, device))

        model = LoadedModel(facts, values, device, plan.dtype, previewer, decoder, self.encodings, offload)
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
            if wanted not in self.parts:
                self._shelf.make_room(device, size_of(vae) * dtype.itemsize // vae.dtype.itemsize, {wanted, key})
                made = copy.deepcopy(vae).to(device=device)
                made = made.float() if overflows else made
                models = set(self.parts[key].models) if key in self.parts else set()
                self._shelf.put(wanted, made, "vae", models)
            part = self.parts[wanted]
            part.used = time.time()
            return part.value

    def _fill(self, plan: LoadPlan, tell: Callable[[Reading], None]) -> dict[str, Any]:
        """Every part of a plan, read where it is not held."""
        held = self.parts
        values = {name: held[key].value for name, key in plan.keys.items() if key in held}
        for name, key in plan.keys.items():
            if name not in values and (waiting := self._fetched(plan, name, key)) is not None:
                values[name] = waiting
        missing = [name for name in plan.keys if name not in values]
        last = list(plan.last)
        plain = [name for name in missing if name not in last]
        inside = [name for name in plain if plan.part(name).form == "checkpoint"]
        read = 0
        for names in (*([name] for name in plain if name not in inside), inside):
            if names:
                tell(_reading(plan, names, read, missing))
                read += plan.file_bytes(names)
                self._keep(plan, self._read(plan, names, values), values)
        if any(name in last for name in missing):
            tell(_reading(plan, last, read, missing, plan.late_addons))
            self._keep(plan, self._read(plan, last, values), values)
        return values

    def _keep(self, plan: LoadPlan, read: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Puts addons on parts that were read for them, and holds what was read."""
        ready = dict(read)
        for addon, names in plan.changes:
            own = {name: ready[name] for name in names if name in ready}
            ready |= addon.put_on(plan.facts, values, own) if own else {}
        values.update(ready)
        for name, value in ready.items():
            self._shelf.put(plan.keys[name], value, name)

    def _fetched(self, plan: LoadPlan, name: str, key: PartKey) -> Any | None:
        """A part that waits in RAM for the accelerator, moved there after making room."""
        if not plan.part(name).weights or key._replace(device="cpu") not in self.parts or is_ram(plan.home):
            return None
        self._shelf.make_room(plan.home, plan.memory([name]), set(plan.keys.values()))
        return self._shelf.fetch(key)

    def _read(self, plan: LoadPlan, names: list[str], held: Mapping[str, Any]) -> dict[str, Any]:
        """Reads parts and puts them on their device, after making room; where that fails, after letting all idle go."""
        keep = set(plan.keys.values())
        self._shelf.make_room(plan.home, plan.memory(names), keep)
        try:
            with listening():
                return self._read_now(plan, names, held)
        except ModelError as error:
            if error.__cause__ is None or not is_out_of_memory(error.__cause__):
                raise
        self._shelf.make_room(plan.home, None, keep)
        with listening():
            return self._read_now(plan, names, held)

    def _read_now(self, plan: LoadPlan, names: list[str], held: Mapping[str, Any]) -> dict[str, Any]:
        self.loads += len(names)
        model = plan.facts.name
        inside = [name for name in names if plan.part(name).form == "checkpoint"]
        own = [name for name in names if name not in inside]
        values = {name: read_part(plan.part(name), plan.dtype_of(name), model, plan.reading(name)) for name in own}
        if inside:
            absent = {name: None for name in plan.facts.sources if name != "scheduler"}
            values |= read_checkpoint(plan.facts, inside, {**absent, **held, **values}, plan.dtype)
        return {name: place(value, plan.home, f"{name} of {model}") for name, value in values.items()}


def _plan(source: ModelSource) -> tuple[LoadPlan, Any, str | None]:
    """What a load needs, the device that the model runs on, and how it is offloaded from it, which a CPU is not."""
    facts = whole(source)
    device = device_of(source.device)
    offload = None if device.type == "cpu" else source.offload
    home = device_of("cpu") if offload else device
    return plan_of(source, facts, home, dtype_of(source, facts, device)), device, offload


def _reading(plan: LoadPlan, names: list[str], read: int, missing: list[str], upon: tuple[str, ...] = ()) -> Reading:
    """Some parts are read: how much their files hold, and how much of all that is missing was read before them."""
    return Reading(plan.facts.name, tuple(names), upon, plan.file_bytes(names), read, plan.file_bytes(missing))
