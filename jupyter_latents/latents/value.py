"""`Latents`: a tensor with the facts that let any model continue it."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from jupyter_latents.errors import LatentsError, SettingError, nearest
from jupyter_latents.latents import services
from jupyter_latents.latents.arguments import number, shown, whole
from jupyter_latents.latents.facts import UNKNOWN_SPACE, Form, Noise, Position, Provenance, Resume, Space
from jupyter_latents.latents.forms import check_level
from jupyter_latents.latents.kinds import check_facts
from jupyter_latents.latents.spaces import find_space, likely_spaces
from jupyter_latents.latents.trajectory import Trajectory

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from jupyter_latents.latents.geometry import PadMode, ResizeMode
    from jupyter_latents.latents.masks import Mask

__all__ = ["FLOAT_DTYPES", "Latents", "check_tensor", "tensor_digest"]

FLOAT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_tensor(tensor: torch.Tensor, what: str = "latents") -> None:
    """Raises unless `tensor` can be latents.

    Args:
        tensor: Any tensor.
        what: What to call it in the message.

    Raises:
        LatentsError: No tensor, not four dimensions, an empty one, not floating point, or with NaN or infinite values.
    """
    if not isinstance(tensor, torch.Tensor):
        raise LatentsError(f"{what} are a {type(tensor).__name__}; they are a tensor: give torch.as_tensor(...) of it.")
    shape = tuple(tensor.shape)
    if tensor.dtype not in FLOAT_DTYPES:
        raise LatentsError(
            f"{what} have dtype {tensor.dtype}; latents are float16, bfloat16, float32 or float64. "
            "Convert with .float()."
        )
    if len(shape) != 4:
        raise LatentsError(f"{what} have shape {shape}; expected (batch, channels, height/factor, width/factor).")
    if 0 in shape:
        raise LatentsError(f"{what} have shape {shape}; no dimension may be empty.")
    if not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise LatentsError(
            f"{what} hold {bad} NaN or infinite values of {tensor.numel()}; they cannot be denoised. "
            "Run the stage that made them again."
        )


def tensor_digest(tensor: torch.Tensor) -> str:
    """SHA-256 of a tensor's dtype, shape and bytes, as 32 hexadecimal digits."""
    raw = tensor.detach().to("cpu").contiguous().flatten().view(torch.uint8).numpy().tobytes()
    head = f"{tensor.dtype}{tuple(tensor.shape)}".encode()
    return hashlib.sha256(head + raw).hexdigest()[:32]


def _kept(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as a value keeps it: on the CPU and without its gradient; itself where it is so already."""
    return tensor.detach().to("cpu") if tensor.requires_grad or tensor.device.type != "cpu" else tensor


def _calculate(first: Latents, symbol: str, second: object) -> Latents:
    from jupyter_latents.latents import operations

    if isinstance(second, Latents):
        return operations.calculate(first, symbol, second)
    wanted = f"'{symbol}' takes clean latents of the same space, or a number."
    return operations.calculate(first, symbol, number(second, "the other operand", wanted))


@dataclass(frozen=True, eq=False, repr=False)
class Latents:
    """Latents between diffusion stages: a frozen value.

    Attributes:
        tensor: Shape (batch, channels, height/factor, width/factor), unpacked, on the CPU, in the form `noise` names.
        space: The latent space; None when nobody said (a bare tensor file).
        noise: How noisy; None when nobody said.
        position: Step of which schedule; None for foreign latents.
        resume: Scheduler and generator state for exact continuation, or None.
        provenance: Model, prompt, seed and parents.
        denoised: The model's last clean estimate (x0), same shape; None when not known.
        trajectory: The latents after each step of the run that made these, first to last; empty when not kept.
    """

    tensor: torch.Tensor
    space: Space | None = None
    noise: Noise | None = None
    position: Position | None = None
    resume: Resume | None = None
    provenance: Provenance = dataclasses.field(default_factory=Provenance)
    denoised: torch.Tensor | None = None
    trajectory: Trajectory = dataclasses.field(default=Trajectory(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_made_at", time.time())
        check_tensor(self.tensor)
        check_facts(self)
        object.__setattr__(self, "tensor", _kept(self.tensor))
        if self.denoised is not None:
            object.__setattr__(self, "denoised", _kept(self.denoised))
        if self.noise is not None:
            check_level(self.noise.sigma, self.noise.form)
        steps: Sequence[Latents] = self.trajectory
        if not isinstance(steps, Trajectory):
            object.__setattr__(self, "trajectory", Trajectory(steps))
        if self.space is not None and not self.space.holds(self.shape):
            raise LatentsError(
                f"latents of shape {self.shape} have {self.shape[1]} channels{likely_spaces(self.shape[1])}; "
                f"they are not of {self.space}."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(batch, channels, height/factor, width/factor)."""
        return tuple(self.tensor.shape)

    @property
    def size(self) -> tuple[int, int]:
        """Picture size in pixels as (width, height)."""
        return (self.space or UNKNOWN_SPACE).size_of(self.shape)

    @property
    def made_at(self) -> float:
        """When this value was made, by a stage, an operation or from a file: seconds of `time.time`."""
        made: float = self.__dict__["_made_at"]
        return made

    @property
    def is_clean(self) -> bool:
        """Whether the latents are known to be fully denoised."""
        return self.noise is not None and self.noise.is_clean

    @property
    def has_estimate(self) -> bool:
        """Whether the model's last clean estimate is known."""
        return self.denoised is not None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tensor's dtype, shape and bytes (32 hexadecimal digits)."""
        return tensor_digest(self.tensor)

    def replace(self, **changes: Any) -> Latents:
        """A copy with some attributes changed; see the class for their names. A space may be given by its name.

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
            changes["space"] = find_space(changes["space"])
        return dataclasses.replace(self, **changes)

    def save(self, path: str | Path) -> Path:
        """Writes the latents whole or not at all; the format follows the ending.

        Args:
            path: ``.safetensors`` (everything), ``.pt``/``.pth`` (the bare tensor) or ``.latent`` (ComfyUI).

        Returns:
            The path written.

        Raises:
            LatentsFileError: Unknown ending, or the file cannot be written.
        """
        from jupyter_latents.latents.files.reading import save

        return save(self, path)

    @staticmethod
    def load(path: str | Path, **facts: Any) -> Latents:
        """Reads latents; see `jupyter_latents.latents.files.reading.load`.

        Args:
            path: A ``.safetensors``, ``.pt``, ``.pth`` or ``.latent`` file.
            facts: What a foreign file does not say, such as ``space="sdxl"`` or ``sigma=0.5``.

        Raises:
            LatentsFileError: Missing, damaged, unsafe, or no latents in it.
        """
        from jupyter_latents.latents.files.reading import load

        loaded: Latents = load(path, **facts)
        return loaded

    def at(self, fraction: float | None = None, *, step: int | None = None) -> Latents:
        """The latents as they were after a part of the run that made them, an exact starting point.

        Args:
            fraction: Fraction of the whole schedule's steps, 0 to 1.
            step: Or the number of whole steps.

        Raises:
            LatentsError: Both or neither given, no trajectory kept, or that step was not run here.
            SettingError: A fraction that is no number of 0 to 1, or a step that is no whole number.
        """
        if (fraction is None) == (step is None):
            raise LatentsError("at() takes a fraction or step=, one of the two: base.at(0.5) or base.at(step=12).")
        wanted_part = "it is a part of the schedule, 0 to 1."
        part = 0.0 if fraction is None else number(fraction, "fraction", wanted_part)
        if not 0.0 <= part <= 1.0:
            raise SettingError(f"fraction is {shown(fraction)}; {wanted_part}")
        steps = None if step is None else whole(step, "step", "it is a whole number of steps, 0 or more.")
        if not self.trajectory or self.position is None:
            raise LatentsError(
                "these latents carry no trajectory: only latents that a stage of this session made have their steps."
            )
        wanted = steps if steps is not None else int(part * self.position.of + 1e-6)
        by_step = {latents.position.step: latents for latents in self.trajectory if latents.position}
        if wanted not in by_step:
            raise LatentsError(
                f"step {wanted} was not run here: "
                f"this run kept steps {min(by_step)} to {max(by_step)} of {self.position.of}."
            )
        return by_step[wanted]

    def decode(self) -> list[Image]:
        """Decodes to pictures with the latents' own VAE, one for each item of the batch.

        Partly denoised latents are decoded from their clean estimate where it is known.

        Raises:
            ModelError: The VAE is not at hand.
        """
        return services.decode(self)

    def preview(self) -> list[Image]:
        """Small approximate pictures without running the VAE, or the decoded ones where it is at hand and cheap."""
        return services.preview(self)

    def fits(self, model: str) -> str:
        """How these latents would enter a model, told without loading its weights.

        Args:
            model: A model's name, as in a script.

        Returns:
            A verdict: exact continuation, same schedule, same space, converted form, bridged space, or impossible with
            the reason.
        """
        if not isinstance(model, str):
            raise SettingError(f"model is {shown(model)}; give its name as in a script, such as 'demo/paper'.")
        return services.fits(self, model)

    def view(self) -> Any:
        """A live view of the steps that made these latents."""
        return services.view(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.tensor.float().numpy() if self.tensor.dtype == torch.bfloat16 else self.tensor.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy is not False else array

    def __dlpack__(self, **arguments: Any) -> Any:
        return self.tensor.__dlpack__(**arguments)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()

    def blend(self, other: Latents, weight: float = 0.5, *, seed: int | None = None) -> Latents:
        """A mix at the same noise level; see `jupyter_latents.latents.mixing.blend`."""
        from jupyter_latents.latents import operations

        return operations.blend(self, other, weight, seed=seed)

    def slerp(self, other: Latents, weight: float = 0.5, *, seed: int | None = None) -> Latents:
        """A mix whose noise goes over the sphere; see `jupyter_latents.latents.mixing.slerp`."""
        from jupyter_latents.latents import operations

        return operations.slerp(self, other, weight, seed=seed)

    def composite(self, other: Latents, mask: Mask, feather: float = 0.0, *, seed: int | None = None) -> Latents:
        """`other` where the mask is white; see `jupyter_latents.latents.mixing.composite`."""
        from jupyter_latents.latents import operations

        return operations.composite(self, other, mask, feather, seed=seed)

    def crop(self, box: Sequence[int]) -> Latents:
        """The part (left, top, right, bottom) in picture pixels; see `jupyter_latents.latents.geometry.crop`."""
        from jupyter_latents.latents import operations

        return operations.crop(self, box)

    def pad(self, edges: int | Sequence[int], *, mode: PadMode | None = None, seed: int | None = None) -> Latents:
        """A larger picture around this one; see `jupyter_latents.latents.geometry.pad`."""
        from jupyter_latents.latents import operations

        return operations.pad(self, edges, mode=mode, seed=seed)

    def flip(self, *, horizontal: bool = True, vertical: bool = False) -> Latents:
        """The mirror image; see `jupyter_latents.latents.geometry.flip`."""
        from jupyter_latents.latents import operations

        return operations.flip(self, horizontal=horizontal, vertical=vertical)

    def resize(self, size: Sequence[int], *, mode: ResizeMode = "bilinear", seed: int | None = None) -> Latents:
        """Another picture size (width, height) in pixels; see `jupyter_latents.latents.geometry.resize`."""
        from jupyter_latents.latents import operations

        return operations.resize(self, size, mode=mode, seed=seed)

    def split(self) -> list[Latents]:
        """The items of the batch; see `jupyter_latents.latents.batches.split`."""
        from jupyter_latents.latents import operations

        return operations.split(self)

    def add_noise(self, to: float, *, seed: int | None = None, form: Form | None = None) -> Latents:
        """The latents at a higher sigma; see `jupyter_latents.latents.levels.add_noise`."""
        from jupyter_latents.latents import operations

        return operations.add_noise(self, to, seed=seed, form=form)

    def scale(self, factor: float, *, seed: int | None = None) -> Latents:
        """The signal made stronger or weaker; see `jupyter_latents.latents.levels.scale`."""
        from jupyter_latents.latents import operations

        return operations.scale(self, factor, seed=seed)

    def to_form(self, form: Form) -> Latents:
        """The same latents in another form; see `jupyter_latents.latents.forms.to_form`."""
        from jupyter_latents.latents import operations

        return operations.to_form(self, form)

    # numpy's arrays and numbers leave arithmetic to us, or they would make plain arrays of latents, noisy ones too.
    __array_priority__ = 1000

    def __add__(self, other: object) -> Latents:
        return _calculate(self, "+", other)

    def __radd__(self, other: object) -> Latents:
        return _calculate(self, "+", other)

    def __sub__(self, other: object) -> Latents:
        return _calculate(self, "-", other)

    def __mul__(self, other: object) -> Latents:
        return _calculate(self, "*", other)

    def __rmul__(self, other: object) -> Latents:
        return _calculate(self, "*", other)

    def __truediv__(self, other: object) -> Latents:
        return _calculate(self, "/", other)

    def facts(self) -> dict[str, str]:
        """The facts as short texts, in the order in which they are shown."""
        shape = " × ".join(str(n) for n in self.shape)
        rows = {"latents": f"{shape}, {self.space.name} space" if self.space else f"{shape}, space not known"}
        rows["model"] = self.provenance.model
        rows["noise"] = str(self.noise) if self.noise else "not known"
        if self.position:
            rows["noise"] += f", {self.position}"
            rows["schedule"] = f"{self.position.scheduler}, {self.position.of} steps"
        rows["prompt"] = self.provenance.prompt
        if self.provenance.seed is not None:
            guidance = self.provenance.guidance_scale
            rows["seed"] = f"{self.provenance.seed}" + (f"   guidance {guidance:g}" if guidance is not None else "")
        if self.provenance.operation != "denoise":
            rows["made by"] = self.provenance.operation
        if self.noise is not None and not self.is_clean:
            rows["continues"] = "exactly, with its history" if self.resume else "without history"
        return {name: text for name, text in rows.items() if text}

    def __repr__(self) -> str:
        facts = [f"{name}: {text}" for name, text in self.facts().items() if name != "latents"]
        return f"Latents({', '.join(facts)}, shape {self.shape})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return services.mimebundle(self)
