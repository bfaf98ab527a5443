"""The table of image processors: what each is called, what it takes and what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import jupyter_latents.processing.settings as kind
from jupyter_latents.addresses import Address
from jupyter_latents.errors import SettingError, nearest

from .work import (
    blurred,
    cropped,
    cropped_size,
    edged,
    framed,
    framed_size,
    letterboxed,
    letterboxed_size,
    lined,
    resized,
    resized_size,
    simple,
    spread,
)

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ELSEWHERE", "IDLE", "PROCESSORS", "Processor", "check_processor", "settings_of"]

Size: TypeAlias = tuple[int, int]
Work: TypeAlias = "Callable[[Image, Mapping[str, Any]], Image]"


def _kept(size: Size, _settings: Mapping[str, Any]) -> Size:
    return size


@dataclass(frozen=True, slots=True)
class Processor:
    """One row of the table.

    Attributes:
        about: What it does, in a clause.
        work: A picture in RGB, and the settings that are given or have defaults, to what becomes of it.
        reads: Settings to how their text is read.
        defaults: Values of settings that are not given.
        size: (width, height) of a picture to that of what becomes of it.
        needs: Settings of which one must be given.
    """

    about: str
    work: Work
    reads: Mapping[str, kind.Read] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    size: Callable[[Size, Mapping[str, Any]], Size] = _kept
    needs: tuple[str, ...] = ()


PROCESSORS: Mapping[str, Processor] = MappingProxyType(
    {
        "canny": Processor(
            "edges, white on black; lower=50, upper=100",
            edged,
            {
                "lower": kind.number(0, 100_000),
                "upper": kind.number(0, 100_000),
                "aperture-size": kind.whole(3, 7, odd=True),
                "l2-gradient": kind.truth,
                "blur": kind.truth,
                "gray": kind.truth,
                "sigma": kind.number(0, 1),
                "threshold-algo": kind.choice("otsu", "triangle", "median"),
                "detect-resolution": kind.size,
                "detect-aspect": kind.truth,
                "detect-align": kind.whole(1, 1024),
            },
            {"lower": 50.0, "upper": 100.0, "aperture-size": 3, "sigma": 0.33, "detect-aspect": True,
             "detect-align": 1},
        ),
        "crop": Processor("a part of it, black beyond its sides; box=LEFTxTOPxRIGHTxBOTTOM", cropped, {"box": kind.box},
                          size=cropped_size, needs=("box",)),
        "dilate": Processor(
            "its bright parts grown, size=3, steps=1; for masks",
            spread,
            {
                "size": kind.kernel,
                "steps": kind.whole(1, 1000),
                "shape": kind.choice("rectangle", "rect", "r", "ellipse", "circle", "c", "cross", "+"),
            },
            {"size": (3, 3), "steps": 1, "shape": "rectangle"},
        ),
        "flip": Processor("turned upside down", simple("flip")),
        "gaussian-blur": Processor(
            "smoothed, size=5; for masks",
            blurred,
            {"size": kind.kernel, "sigma-x": kind.number(0, 1000), "sigma-y": kind.number(0, 1000)},
            {"size": (5, 5), "sigma-x": 0.0, "sigma-y": 0.0},
        ),
        "grayscale": Processor("without colours", simple("grayscale")),
        "invert": Processor("its negative", simple("invert")),
        "letterbox": Processor(
            "on a larger ground, box-size=768x512",
            letterboxed,
            {
                "box-size": kind.sides(1, 2, 4),
                "box-is-padding": kind.truth,
                "box-color": kind.colour,
                "inner-size": kind.size,
                "aspect-correct": kind.truth,
            },
            {"aspect-correct": True},
            letterboxed_size,
            ("box-size",),
        ),
        "lineart-standard": Processor(
            "its dark lines, white on black; gaussian-sigma=6",
            lined,
            {
                "gaussian-sigma": kind.number(0, 100),
                "intensity-threshold": kind.whole(0, 255),
                "detect-resolution": kind.size,
                "detect-aspect": kind.truth,
                "detect-align": kind.whole(1, 1024),
            },
            {"gaussian-sigma": 6.0, "intensity-threshold": 8, "detect-aspect": True, "detect-align": 1},
        ),
        "mirror": Processor("left and right changed over", simple("mirror")),
        "outpaint-mask": Processor("a mask to paint around it, box=64 or LEFTxTOPxRIGHTxBOTTOM pixels", framed,
                                   {"box": kind.sides(1, 2, 4)}, size=framed_size, needs=("box",)),
        "posterize": Processor("of fewer colours, bits=1 to 8", simple("posterize", "bits"), {"bits": kind.whole(1, 8)},
                               needs=("bits",)),
        "resize": Processor(
            "at another size, size=512, scale=0.5 or align=64",
            resized,
            {
                "size": kind.size,
                "scale": kind.number(0.001, 100),
                "align": kind.whole(1, 1024),
                "aspect-correct": kind.truth,
                "algo": kind.choice("auto", "nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"),
            },
            {"aspect-correct": True, "algo": "auto"},
            resized_size,
            ("size", "scale", "align"),
        ),
        "solarize": Processor("its bright parts inverted, threshold=128", simple("solarize", "threshold"),
                              {"threshold": kind.whole(0, 255)}, {"threshold": 128}),
    }
)  # fmt: skip
"""Every processor that runs here, by its name."""

_NETWORK = "it takes a network of its own; make the picture with it elsewhere, and name its file"
_LATER = "not yet; change the picture in Python, and name the variable"
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("adetailer", "anyline", "hed", "inpaint", "leres", "lineart", "lineart-anime", "midas",
             "mlsd", "normal-bae", "openpose", "pidi", "sam", "teed", "u-sam", "upscaler", "upscaler-ncnn", "yolo",
             "yolo-sam", "zoe"),
            _NETWORK,
        ),
        **dict.fromkeys(
            ("crop-to-mask", "paste", "patchmatch"), _LATER
        ),
    }
)  # fmt: skip
"""dgenerate's others, with the reason."""

_MISNAMED = MappingProxyType(
    dict.fromkeys(
        ("image", "picture", "control", "file", "load"),
        "it is none of dgenerate's either: a picture is named in the image seed, 'photo.png;control=lines.png'",
    )
)
"""What is taken for a processor, with what to write."""

BEFORE = "pre-resize"
"""The setting that has a processor work before the picture is brought to its size."""

IDLE: Mapping[str, str] = MappingProxyType(
    {
        "output-file": "what a processor makes is not written by itself",
        "output-overwrite": "what a processor makes is not written by itself",
        "device": "it runs on the CPU",
        "model-offload": "it has no model",
    }
)
"""Settings of dgenerate's that change nothing of the result: why."""


def check_processor(address: Address) -> None:
    """Sees that an image processor can run.

    Args:
        address: Its name with its settings.

    Raises:
        SettingError: There is none of this name, or it does not take such a setting.
    """
    settings_of(address)


def settings_of(address: Address) -> dict[str, Any]:
    """The settings of a processor, read, with the defaults of those that are not given.

    Raises:
        SettingError: See `check_processor`.
    """
    name = address.name.lower()
    if name in ELSEWHERE:
        raise SettingError(f"the image processor {name} does not run here: {ELSEWHERE[name]}.")
    if name in _MISNAMED:
        raise SettingError(
            f"'{address.name}' is no image processor: {_MISNAMED[name]}. Known: {', '.join(PROCESSORS)}."
        )
    if name not in PROCESSORS:
        raise SettingError(
            f"'{address.name}' is no image processor{nearest(name, PROCESSORS) or '.'} Known: {', '.join(PROCESSORS)}."
        )
    row = PROCESSORS[name]
    found = {**row.defaults, BEFORE: False}
    for key, text in address.settings.items():
        read = kind.truth if key == BEFORE else row.reads.get(key)
        if read is None:
            known = [*row.reads, BEFORE]
            hint = nearest(key, known) or f"; it takes {', '.join(known)}."
            raise SettingError(f"'{key}' is no setting of {name}{hint}")
        try:
            found[key] = read(text.strip())
        except ValueError as error:
            raise SettingError(f"{name}: {key}={text} is not allowed; give {error}.") from error
    if row.needs and not found.keys() & set(row.needs):
        raise SettingError(f"{name} needs {' or '.join(f'{key}=' for key in row.needs)}.")
    if {"size", "scale"} <= found.keys():
        raise SettingError(f"{name}: size= and scale= exclude each other; keep one.")
    if "box-size" in found and len(found["box-size"]) == 4 and not found.get("box-is-padding"):
        raise SettingError(f"{name}: box-size= of four numbers is padding; add box-is-padding=true.")
    return found
