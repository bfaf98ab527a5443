"""The channels of latents, small enough to send: 8 bits a value, at most so many values."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Channels", "quantise"]

MOST_VALUES = 16384


@dataclass(frozen=True, slots=True)
class Channels:
    """One item's channels as bytes, channel by channel, row by row.

    Attributes:
        count: Channels.
        height: Rows kept.
        width: Columns kept.
        stride: Latent pixels from one kept value to the next; 1 when all are kept.
        low: Smallest value of each channel, which byte 0 stands for.
        high: Largest value of each channel, which byte 255 stands for.
        content: The bytes.
    """

    count: int
    height: int
    width: int
    stride: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    content: bytes

    def described(self) -> dict[str, Any]:
        """Everything but the bytes, for a message."""
        return {
            "c": self.count,
            "h": self.height,
            "w": self.width,
            "d": self.stride,
            "lo": [round(value, 4) for value in self.low],
            "hi": [round(value, 4) for value in self.high],
        }

    def embedded(self) -> dict[str, Any]:
        """Everything, the bytes as base64."""
        return {**self.described(), "b": base64.b64encode(self.content).decode()}

    def tiles(self, columns: int = 8, gap: int = 1) -> bytes:
        """The tiles as one grey PNG, for readers without scripts."""
        from PIL import Image

        columns = min(columns, self.count)
        rows = -(-self.count // columns)
        sheet = Image.new("L", (columns * (self.width + gap) - gap, rows * (self.height + gap) - gap), 128)
        size = self.height * self.width
        for index in range(self.count):
            tile = Image.frombytes("L", (self.width, self.height), self.content[index * size : (index + 1) * size])
            sheet.paste(tile, (index % columns * (self.width + gap), index // columns * (self.height + gap)))
        content = io.BytesIO()
        sheet.save(content, "PNG", optimize=True)
        return content.getvalue()


def quantise(values: np.ndarray[Any, Any], most: int = MOST_VALUES) -> Channels:
    """The channels of one item of a batch; of a clip those of the frame in its middle.

    Args:
        values: Shape (channels, height, width) or (channels, frames, height, width), floating point.
        most: Values to keep at most; more are thinned by a whole stride.
    """
    import numpy as np

    if values.ndim > 3:
        values = values[:, values.shape[1] // 2]
    stride = max(1, math.ceil(math.sqrt(values.size / most)))
    kept = np.asarray(values, dtype=np.float32)[:, ::stride, ::stride]
    low, high = kept.min(axis=(1, 2)), kept.max(axis=(1, 2))
    extent = np.maximum(high - low, 1e-12)[:, None, None]
    content = np.rint((kept - low[:, None, None]) / extent * 255).astype(np.uint8)
    count, height, width = kept.shape
    return Channels(count, height, width, stride, tuple(map(float, low)), tuple(map(float, high)), content.tobytes())
