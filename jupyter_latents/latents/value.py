"""`Latents`: a tensor with the facts that let any model continue it.

The methods are the functions of the rooms below, which know the type by name only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.errors import LatentsError, nearest
from jupyter_latents.latents import forms, packing, services, trajectory
from jupyter_latents.latents.data import LatentsData
from jupyter_latents.latents.files import reading
from jupyter_latents.latents.operations import batches, cutting, geometry, levels, mixing, pasting
from jupyter_latents.latents.spaces import find_space, for_shape
from jupyter_latents.wording import visible

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Latents"]


@dataclass(frozen=True, eq=False, repr=False)
class Latents(LatentsData):
    """Latents between diffusion stages: a frozen value.

    Attributes:
        tensor: Shape (batch, channels, height/factor, width/factor), of clips (batch, channels, frames, height/factor,
            width/factor), unpacked, on the CPU, in the form `noise` names.
        space: The latent space; None when nobody said (a bare tensor file).
        noise: How noisy; None when nobody said.
        position: Step of which schedule; None for foreign latents.
        resume: Scheduler and generator state for exact continuation, or None.
        provenance: Model, prompt, seed and parents.
        denoised: The model's last clean estimate (x0), same shape; None when not known.
        trajectory: The latents after each step of the run that made these, first to last; empty when not kept.
    """

    save = reading.save
    load = classmethod(reading.load)
    from_bytes = classmethod(reading.from_bytes)
    from_tensor = classmethod(reading.from_tensor)

    at = trajectory.at
    decode = services.decode
    preview = services.preview
    fits = services.fits
    view = services.view
    packed = packing.packed
    to_diffusers = services.to_diffusers

    blend = mixing.blend
    slerp = mixing.slerp
    composite = mixing.composite
    paste = pasting.paste
    crop = geometry.crop
    pad = geometry.pad
    flip = geometry.flip
    resize = geometry.resize
    split = batches.split
    __getitem__ = cutting.cut
    add_noise = levels.add_noise
    scale = levels.scale
    to_form = forms.to_form

    def replace(self, **changes: Any) -> Latents:
        """A copy with some attributes changed; see the class for their names. A space may be given by its name.

        Another tensor of other values has no history: ``resume`` is None then, unless it is given too. At another
        noise they stand at no step of the schedule either: ``position`` is None then, too.

        Raises:
            LatentsError: No such attribute, or a value of another kind.
            SettingError: No space has that name.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in names:
                hint = nearest(name, names) or "."
                raise LatentsError(f"latents have no attribute {name!r}{hint} replace() takes {', '.join(names)}.")
        if isinstance(changes.get("space"), str):
            given = changes.get("tensor", self.tensor)
            changes["space"] = for_shape(find_space(changes["space"]), getattr(given, "shape", self.shape))
        if self.changed_in_place or ("tensor" in changes and not _same_values(changes["tensor"], self.tensor)):
            changes.setdefault("resume", None)
        made = dataclasses.replace(self, **changes)
        if made.noise == self.noise:
            return made
        elsewhere: dict[str, Any] = {"resume": None, "position": None}
        return dataclasses.replace(made, **{name: none for name, none in elsewhere.items() if name not in changes})

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.tensor.float().numpy() if self.tensor.dtype == torch.bfloat16 else self.tensor.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy is not False else array

    def __dlpack__(self, **arguments: Any) -> Any:
        return self.tensor.__dlpack__(**arguments)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()

    # numpy's arrays and numbers leave arithmetic to us, or they would make plain arrays of latents, noisy ones too.
    __array_priority__ = 1000

    def __add__(self, other: object) -> Latents:
        return levels.calculate(self, "+", other)

    def __radd__(self, other: object) -> Latents:
        return levels.calculate(self, "+", other)

    def __sub__(self, other: object) -> Latents:
        return levels.calculate(self, "-", other)

    def __mul__(self, other: object) -> Latents:
        return levels.calculate(self, "*", other)

    def __rmul__(self, other: object) -> Latents:
        return levels.calculate(self, "*", other)

    def __truediv__(self, other: object) -> Latents:
        return levels.calculate(self, "/", other)

    def facts(self) -> dict[str, str]:
        """The facts as short texts, in the order in which they are shown."""
        shape = " × ".join(str(n) for n in self.shape)
        rows = {"latents": f"{shape}, {self.space.name} space" if self.space else f"{shape}, space not known"}
        if self.moves:
            rows["frames"] = f"{self.frames} of {self.size[0]} × {self.size[1]} pixels"
        rows["model"] = self.provenance.model
        rows["noise"] = str(self.noise) if self.noise else "not known"
        if self.position:
            rows["noise"] += f", {self.position}"
            rows["schedule"] = f"{self.position.scheduler}, {self.position.of} steps"
        rows["prompt"] = self.provenance.prompt
        rows["negative prompt"] = self.provenance.negative_prompt
        if self.provenance.seed is not None:
            guidance, said = self.provenance.guidance_scale, self.provenance.options.get("guidance_scale")
            rows["seed"] = f"{self.provenance.seed}{self._place()}"
            rows["guidance"] = "" if guidance is None else said or f"{guidance:g}"
        if self.provenance.operation != "denoise":
            rows["made by"] = self.provenance.operation
        rows["assumed"] = self.provenance.options.get("assumed", "")
        if self.noise is not None and not self.is_clean:
            own = self.resume is not None and not self.changed_in_place
            rows["continues"] = "exactly, with its history" if own else "without history"
        return {name: text for name, text in rows.items() if text}

    def _place(self) -> str:
        """Which of a batch's draws from one seed these latents are, as the rest of the seed's text."""
        made = self.provenance
        if self.shape[0] > 1 and made.operation == "denoise":
            return f", drawn from in turn by {self.shape[0]} items"
        item, of = made.number("item", 0, 1e6), made.number("of", 1, 1e6)
        if made.operation != "split" or item is None or of is None:
            return ""
        return f", item {int(item) + 1} of the {int(of)} that draw from it in turn"

    def __repr__(self) -> str:
        facts = [f"{name}: {text}" for name, text in self.facts().items() if name != "latents"]
        return visible(f"Latents({', '.join(facts)}, shape {self.shape})")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return services.mimebundle(self)


def _same_values(tensor: object, other: torch.Tensor) -> bool:
    if not isinstance(tensor, torch.Tensor) or tensor is other:
        return tensor is other
    alike = (tensor.dtype, tensor.shape, tensor.device) == (other.dtype, other.shape, other.device)
    return alike and torch.equal(tensor, other)
