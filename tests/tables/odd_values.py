"""Compares plan and run where a setting is odd: ``python -m tests.tables.odd_values [--family X] [--part settings]``.

Each setting of each scheduler, each option with a number and sizes at the edge of what a model has positions for, one
at a time. What a plan promises has to run as told, and what it refuses has to be refused with the same words; an
error of a library is a difference. It prints what differs, then ``N rows, D differences``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.schedule.table import FORMS
from jupyter_latents.errors import JupyterLatentsError
from tests.tables.judgement import judged, said
from tests.tables.pipelines import CLASSES
from tests.tables.plan_and_run import Table, factor, table

__all__ = ["PARTS", "Odd"]

WHOLE = ("1", "2", "3", "7", "500", "999", "1000")
REAL = ("0", "0.001", "0.1", "0.5", "1", "1.5", "3", "50", "999")
OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--max-sequence-length": ("1", "2", "3", "8", "77", "128", "226", "256", "257", "300", "512", "513", "1024"),
        "--clip-skips": ("0", "1", "2", "3", "11", "12", "23"),
        "--guidance-scales": ("0", "0.5", "1", "1.0001", "30", "1e6", "7@0,2@0.6", "0@0,7@0.5"),
        "--guidance-rescales": ("0", "0.5", "1"),
        "--pag-scales": ("0", "3", "1e6"),
        "--pag-adaptive-scales": ("0", "0.5", "100"),
        "--inference-steps": ("1", "2", "999", "1000", "1001"),
        "--num-frames": ("1", "2", "5", "6", "8", "9", "13", "17"),
        "--fps": ("0.5", "7", "120"),
        "--denoising-end": ("0.01", "0.5", "0.99", "1", "2", "sigma=0.9", "sigma=1e-9"),
        "--sigmas": ("1", "1,0.5", "14,7,1", "0.0001", "'expr: sigmas * 0.9'", "'expr: sigmas * 0'", "1e-30"),
        "--batch-size": ("2", "3"),
        "--seeds": ("0", "18446744073709551615"),
        "--image-seed-strengths": ("0.01", "0.34", "1"),
        "--output-size": ("8", "16", "24", "8x64", "16x64", "64x520", "1040x32", "2064x16", "16x2064", "16x4112"),
        "--negative-prompts": ("dog",),
        "--second-prompts": ("dog", "'dog; cat'"),
        "--third-prompts": ("dog",),
        "--dtype": ("float16", "bfloat16"),
    }
)
"""Options to odd values of them that the language takes."""
MANY = ("999", "1000", "1001")
COUNTED = ("sd15", "sd2", "sdxl", "kolors", "demo/scenes")
"""Models of a fixed number of timesteps, on which so many steps are tried; others take any number."""
PICTURED = ("--image-seed-strengths",)
OF_CLIPS = ("--num-frames", "--fps")
CLIPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("cogvideox", "cogvideox15", "hunyuan-video", "hunyuan-video15", "skyreels", "wan22"), ("",)),
        **dict.fromkeys(("ltx", "ltx-condition", "ltx2", "wan21", "wan22-ti2v"), ("", "photo_64_64")),
        **dict.fromkeys(("wan21-i2v", "wan22-i2v"), ("photo_64_64",)),
    }
)
"""Models of clips to the image seeds that they are tried with."""


@dataclass(frozen=True)
class Odd:
    """A stage with one thing that is odd.

    Attributes:
        family: Its model.
        options: What is odd, as the cell has it.
        seed: Its image seed; empty without.
    """

    family: str
    options: str
    seed: str = ""

    @property
    def script(self) -> str:
        """The stage."""
        usual = {"--prompts": "a", "--seeds": "3", "--inference-steps": "3", "--guidance-scales": "3"}
        usual |= {"--output-size": "64"} | ({"--num-frames": "5"} if self.family in CLIPS else {})
        words = [f"{name} {value}" for name, value in usual.items() if name not in self.options]
        seed = f" --image-seeds '{self.seed}'" if self.seed else ""
        return f"<{self.family}> {' '.join(words)} {self.options}{seed}"

    def __str__(self) -> str:
        return f"{self.family}: {self.options}" + (f" ({self.seed})" if self.seed else "")


def differences(made: Table, row: Odd) -> list[str]:
    """In what plan and run of a row differ."""
    names = made.names()
    script = row.script
    if row.family in CLIPS:
        script = script.replace(f"<{row.family}>", str(made.models(row.family)))
    try:
        (planned,) = made.plan(script, names).stages
    except Exception as error:  # noqa: BLE001 - a plan is to tell a refusal, whatever goes wrong
        return [f"plan: raises {type(error).__name__}: {error}"]
    ran = made.run(script, names)
    found = list(judged(planned, ran, 0, None, factor(row.family)))
    found = [line for line in found if not _is_apart(line)]
    error = ran.run.error
    if error is not None and "NaN or infinite" in str(error):
        return []  # only the values themselves tell
    if error is not None and not (planned.refused and isinstance(error, JupyterLatentsError)):
        found.append(f"run: {said(ran)}")
    return found


def _is_apart(line: str) -> bool:
    """Whether a difference is that a denoiser is called twice at the steps with guidance, or that none is counted."""
    told = re.fullmatch(r"run: (\d+) calls of the denoiser, said to be (\d+)", line)
    return told is not None and (told[1] == "0" or int(told[2]) <= int(told[1]) <= 2 * int(told[2]))


def settings(family: str) -> Iterator[Odd]:
    """Each setting of each scheduler, with values of its kind."""
    import diffusers

    for name in sorted(FORMS):
        for setting, parameter in parameters_of(getattr(diffusers, name).__init__).items():
            for value in _values(parameter) if setting not in ("self", "kwargs", "trained_betas") else ():
                yield Odd(family, f"--scheduler '{name};{setting.replace('_', '-')}={value}'")


def _values(parameter: Parameter) -> tuple[str, ...]:
    words = _words(parameter.annotation)
    if "list" in str(parameter.annotation):
        return ("[]", "[0]", "[1]", "[1,2]", "[2,0.5]", "0", "nonsense")
    if isinstance(parameter.default, bool) or "bool" in str(parameter.annotation):
        return ("true", "false")
    if words or isinstance(parameter.default, str):
        return tuple(dict.fromkeys((*words, "nonsense")))
    whole = isinstance(parameter.default, int) or "int" in str(parameter.annotation)
    return ("0", *WHOLE) if whole and "float" not in str(parameter.annotation) else REAL


def _words(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return tuple(word for part in get_args(annotation) for word in _words(part))


def options(family: str) -> Iterator[Odd]:
    """Each option with odd values; from a text, and from a picture where the model has a pipeline for it."""
    for name, values in OPTIONS.items():
        for seed in _seeds(family) if name not in OF_CLIPS or family in CLIPS else ():
            yield from (
                Odd(family, f"{name} {value}", seed)
                for value in values
                if (seed or name not in PICTURED) and (family in COUNTED or value not in MANY)
            )


def _seeds(family: str) -> tuple[str, ...]:
    if family in CLIPS:
        return CLIPS[family]
    _, img2img, inpaint = CLASSES[family]
    return ("", *(["photo_64_64"] if img2img else []), *(["photo_64_64;mask=mask_64_64"] if inpaint else []))


PARTS: Mapping[str, Callable[[str], Iterator[Odd]]] = MappingProxyType({"settings": settings, "options": options})
"""What is odd to the rows of a model."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=sorted({*CLASSES, *CLIPS}), help="rows of this model only")
    parser.add_argument("--part", choices=sorted(PARTS), help="these rows only")
    given = parser.parse_args()
    families = [given.family] if given.family else [*CLASSES, *CLIPS]
    rows = [row for name, part in PARTS.items() if given.part in (None, name) for one in families for row in part(one)]
    with table() as made:
        wrong = 0
        for row in rows:
            found = differences(made, row)
            wrong += bool(found)
            if found:
                print("\n  ".join([str(row), *found]), flush=True)
    print(f"{len(rows)} rows, {wrong} differences")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
