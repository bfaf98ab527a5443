"""``interposer;source=v1;target=xl``: a small network converts a clean estimate to another latent space.

Its files are those of SD-Latent-Interposer (city96, Apache-2.0), trained on the values that VAEs give, before any
scaling. The tensors' names and shapes are the file's; they say what the network is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from jupyter_latents.engine.given.upscalers import noised
from jupyter_latents.engine.models.addons.address import fault
from jupyter_latents.engine.models.files.digests import file_digest
from jupyter_latents.engine.models.places.find import find
from jupyter_latents.engine.models.places.names import Wanted
from jupyter_latents.engine.models.readers import translation_of_errors
from jupyter_latents.errors import HandoffError
from jupyter_latents.latents.files.comfy_file import model_from_raw, raw_from_model
from jupyter_latents.latents.spaces import SPACES, Space
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import LatentsProcessor, ModelSource

__all__ = ["Interposer", "interposer_of"]

_DEST, _PUBLISHED, _VERSION = "latents_processors", "city96/SD-Latent-Interposer", "4.0"
_SPACES: Mapping[str, Space] = {"v1": SPACES["sd"], "xl": SPACES["sdxl"], "v3": SPACES["sd3"], "fx": SPACES["flux"]}
_BLOCK = re.compile(r"core\.(\d+)\.long\.0\.weight")


@dataclass(frozen=True, slots=True)
class Interposer:
    """A converter that is found and not read.

    Attributes:
        file: Its weights.
        giver: The space that it goes from.
        receiver: The space that it goes to.
    """

    file: Path
    giver: Space
    receiver: Space

    @property
    def digest(self) -> str:
        """Digest of its file."""
        return file_digest(self.file)

    def foreseen(self, latents: Latents) -> Latents:
        """Latents of the facts of what it will make of these; their values mean nothing."""
        self._check(latents)
        batch, _, height, width = latents.shape
        return self._made(latents, torch.zeros(()).expand(batch, self.receiver.channels, height, width))

    def made(self, latents: Latents) -> Latents:
        """What it makes of the clean estimate, noised again to the sigma of the latents.

        Args:
            latents: Clean ones, or noisy ones with their estimate.

        Raises:
            HandoffError: They are of another space, or their clean estimate is not known.
            ModelError: The file holds no such network.
        """
        self._check(latents)
        known = latents.noise is None or latents.is_clean
        clean = latents.tensor if known else latents.denoised
        if clean is None:
            raise HandoffError(
                "the interposer converts clean latents, and of these the clean estimate is not known; denoise them to "
                "the end first."
            )
        with translation_of_errors(f"the interposer {self.file.name}", 0):
            from safetensors.torch import load_file

            tensors = load_file(self.file)
            network = _network(tensors)
            network.load_state_dict(tensors)
        with torch.no_grad():
            raw = network.eval()(raw_from_model(clean.float().cpu(), self.giver))
        return self._made(latents, model_from_raw(raw, self.receiver).to(latents.tensor.dtype))

    def _made(self, latents: Latents, clean: torch.Tensor) -> Latents:
        if latents.noise is not None and not latents.is_clean and not latents.has_estimate:
            raise HandoffError(
                "the interposer converts clean latents, and of these the clean estimate is not known; denoise them to "
                "the end first."
            )
        nobody = replace(latents.provenance, model="", revision="")  # no model's VAE decodes them
        return noised(latents.replace(space=self.receiver, tensor=clean, denoised=clean, provenance=nobody,
                                      position=None, resume=None, trajectory=()), clean)  # fmt: skip

    def _check(self, latents: Latents) -> None:
        own = latents.space
        if own is not None and own.same_as(self.giver) and latents.shape[1] == self.giver.channels:
            return
        if own is None and len(latents.shape) == 4 and latents.shape[1] == self.giver.channels:
            return
        raise HandoffError(
            f"the interposer goes from {self.giver} to {self.receiver}, and the latents are of "
            f"{own or f'shape {latents.shape}'}; give another source."
        )


def interposer_of(link: LatentsProcessor, source: ModelSource) -> Interposer:
    """The converter that a link names.

    Args:
        link: ``interposer`` with its arguments: ``model`` is a file, or a folder or repository that holds it.
        source: The stage's model, whose token and network are asked with.

    Raises:
        ModelError: It is nowhere, or is no converter between these spaces.
    """
    giver, receiver = link.arguments["source"], link.arguments["target"]
    name = link.arguments.get("model", _PUBLISHED)
    file = f"{giver}-to-{receiver}_interposer-v{_VERSION}.safetensors"
    places = (f"v{_VERSION}/{file}", file)
    wanted = Wanted(name, _DEST, places, token=source.auth_token, offline=source.offline)
    found = find(wanted, partial(_fetched, wanted))
    if not isinstance(found, Path):
        found = found.fetch()
    if found.is_dir():
        there = [found / place for place in places if (found / place).is_file()]
        if not there:
            raise fault(_DEST, f"{name} holds no {file}, which goes from {giver} to {receiver}.")
        found = there[0]
    made = Interposer(found, _SPACES[giver], _SPACES[receiver])
    shapes = _shapes(found)
    ends = [shapes.get(key, (0, 0)) for key in ("head.short.weight", "tail.weight")]
    if (ends[0][1], ends[1][0]) != (made.giver.channels, made.receiver.channels):
        raise fault(
            _DEST,
            f"{found.name} is no converter of {made.giver.channels} channels to {made.receiver.channels}, as from "
            f"{giver} to {receiver}; it is to hold head.short.weight and tail.weight of these.",
        )
    return made


def _fetched(wanted: Wanted) -> Path:
    from huggingface_hub import hf_hub_download

    place = wanted.marks[0]
    return Path(hf_hub_download(wanted.name, place, revision=wanted.revision, token=wanted.token)).parents[1]


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as content:
            return {name: tuple(content.get_slice(name).get_shape()) for name in content.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise fault(_DEST, f"{file.name} is no whole .safetensors file.") from error


class _Way(nn.Module):
    """Two ways through convolutions, added: a long one and a short one; a norm before them where there is one."""

    def __init__(self, long: nn.Sequential, short: nn.Module | None = None, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.long = long
        if short is not None:
            self.short = short
        if norm is not None:
            self.norm = norm

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = self.norm(values) if hasattr(self, "norm") else values
        beside = self.short(values) if hasattr(self, "short") else values
        made: torch.Tensor = torch.relu(self.long(values) + beside)
        return made


class _Network(nn.Module):
    """Head, core and tail, by the names of the file's tensors."""

    def __init__(self, head: nn.Module, core: nn.Module, tail: nn.Module) -> None:
        super().__init__()
        self.head, self.core, self.tail = head, core, tail

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.tail(self.core(self.head(values)))
        return made


def _network(tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """The network that tensors of these names and shapes are of, its weights not set."""
    across, into = tensors["head.short.weight"].shape[:2]
    blocks = [int(found[1]) for key in tensors if (found := _BLOCK.fullmatch(key))]
    core = [_Way(_long(across, across), norm=nn.BatchNorm2d(across)) for _ in blocks]
    return _Network(
        _Way(_long(into, across), short=_conv(into, across)),
        # the first is the change of size for another factor, which these spaces have not
        nn.Sequential(nn.Identity(), *core, nn.BatchNorm2d(across), nn.SiLU()),
        _conv(across, tensors["tail.weight"].shape[0]),
    )


def _conv(into: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, padding=1)


def _long(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(_conv(into, out), nn.SiLU(), _conv(out, out), nn.SiLU(), _conv(out, out))
