"""What operations on latents do to real pictures: ``python -m tests.tables.real_latents PICTURE PICTURE``.

The latents are those of a trained VAE, TAEF2, the tiny autoencoder of Flux.2's space. An operation on latents, decoded,
is held against the same operation on the decoded picture, in decibels; beside it stands the way through pixels:
decoded, changed, encoded, decoded.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from jupyter_latents.engine.vae.tiny import TinyBlock, TinyDecoder
from jupyter_latents.latents import Latents
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.operations.geometry import ResizeMode
from jupyter_latents.latents.spaces import Space

WEIGHTS = Path(__file__).parents[3] / "shared" / "weights"
SPACE = Space("own", 32, 8)
SIDE = 384
MODES: tuple[ResizeMode, ...] = ("nearest", "bilinear", "bicubic")

Operation = Callable[[Latents], Latents]
InPixels = Callable[[torch.Tensor], torch.Tensor]


def encoder(tensors: dict[str, torch.Tensor]) -> nn.Module:
    """TAEF2's encoder: pictures (batch, 3, height, width), 0 to 1, to latents."""
    width, channels = 64, tensors["14.weight"].shape[0]
    layers: dict[int, nn.Module] = {0: nn.Conv2d(3, width, 3, padding=1), 14: nn.Conv2d(width, channels, 3, padding=1)}
    layers |= {place: nn.Conv2d(width, width, 3, padding=1, stride=2, bias=False) for place in (2, 6, 10)}
    for place in set(range(14)) - set(layers):
        gate = tensors.get(f"{place}.pool.0.weight")
        layers[place] = TinyBlock(width, 0 if gate is None else gate.shape[0])
    made = nn.Sequential(*(layers[place] for place in range(15)))
    made.load_state_dict(tensors)
    return made.float().eval()


class Tiny:
    """The autoencoder, both ways."""

    def __init__(self) -> None:
        halves = {
            n: torch.load(WEIGHTS / f"taef2_{n}.pth", weights_only=True, map_location="cpu")
            for n in ("encoder", "decoder")
        }
        self._encoder = encoder(halves["encoder"])
        self._decoder = TinyDecoder(halves["decoder"]).float().eval()

    @torch.no_grad()
    def latents(self, picture: torch.Tensor) -> Latents:
        """Clean latents of a picture (1, 3, height, width), 0 to 1."""
        return Latents(self._encoder(picture), SPACE, Noise(0.0, "clean"))

    @torch.no_grad()
    def picture(self, latents: Latents) -> torch.Tensor:
        """The picture of latents, 0 to 1."""
        return (self._decoder(latents.tensor) / 2 + 0.5).clamp(0, 1)


def decibels(one: torch.Tensor, two: torch.Tensor) -> float:
    """Peak signal-to-noise ratio of pictures from 0 to 1."""
    error = float((one - two).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def scaled(factor: float) -> InPixels:
    """Bicubic in pixels."""
    return lambda p: F.interpolate(p, scale_factor=factor, mode="bicubic", antialias=factor < 1).clamp(0, 1)


def resized(factor: float, mode: ResizeMode) -> Operation:
    """The same size by an interpolation of latents."""

    def resize(latents: Latents) -> Latents:
        width, height = SPACE.size_of(latents.tensor.shape)
        return latents.resize((int(width * factor), int(height * factor)), mode=mode)

    return resize


def rows(first: torch.Tensor, second: torch.Tensor) -> Iterator[tuple[str, float, float]]:
    """Operation, decibels on latents, decibels through pixels; a row of neither begins: what the way itself costs.

    Args:
        first: A picture (1, 3, SIDE, SIDE), 0 to 1.
        second: Another.
    """
    tiny = Tiny()
    one, two = tiny.latents(first), tiny.latents(second)
    shown, other = tiny.picture(one), tiny.picture(two)
    yield "nothing", math.inf, decibels(tiny.picture(tiny.latents(shown)), shown)
    side = first.shape[-1]
    box = (0, side // 6, side * 2 // 3, side * 5 // 6)
    cases: list[tuple[str, Operation, InPixels]] = [
        ("`crop` at whole latent pixels", lambda x: x.crop(box), lambda p: p[..., box[1] : box[3], box[0] : box[2]]),
        ("`flip` left and right", lambda x: x.flip(), lambda p: p.flip(-1)),
        ("`flip` top and bottom", lambda x: x.flip(horizontal=False, vertical=True), lambda p: p.flip(-2)),
        *((f"`resize` to twice the size, {mode}", resized(2, mode), scaled(2)) for mode in MODES),
        *((f"`resize` to half the size, {mode}", resized(0.5, mode), scaled(0.5)) for mode in MODES),
        ("`blend` with another, half and half", lambda x: x.blend(two, 0.5), lambda p: (p + other) / 2),
        ("`slerp` with another, half and half", lambda x: x.slerp(two, 0.5), lambda p: (p + other) / 2),
        (
            "`composite`, left half of another",
            lambda x: x.composite(two, half(x.tensor.shape)),
            lambda p: halves(p, other),
        ),
    ]
    for name, operation, in_pixels in cases:
        made, wanted = tiny.picture(operation(one)), in_pixels(shown)
        yield name, decibels(made, wanted), decibels(tiny.picture(tiny.latents(wanted)), wanted)


def half(shape: tuple[int, ...]) -> torch.Tensor:
    """A mask of the left half."""
    mask = torch.zeros(shape[-2:])
    mask[:, : shape[-1] // 2] = 1
    return mask


def halves(picture: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The left half of another picture beside the right one of a picture."""
    middle = picture.shape[-1] // 2
    return torch.cat([other[..., :middle], picture[..., middle:]], -1)


def read(path: Path) -> torch.Tensor:
    """The middle of a picture."""
    import numpy as np

    image = Image.open(path).convert("RGB")
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    values = torch.from_numpy(np.array(image.crop((left, top, left + SIDE, top + SIDE))))
    return values.permute(2, 0, 1)[None].float() / 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs=2, type=Path)
    first, second = map(read, parser.parse_args().pictures)
    print("| | on latents | through pixels |\n|---|---|---|")
    for (name, *one), (_, *other) in zip(rows(first, second), rows(second, first), strict=True):
        print(f"| {name} | " + " | ".join(f"{a:.1f}, {b:.1f}" for a, b in zip(one, other, strict=True)) + " |")


if __name__ == "__main__":
    main()
