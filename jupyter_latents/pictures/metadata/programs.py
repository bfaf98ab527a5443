"""The programs whose pictures are read: which text is whose, and who reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata import a1111, comfy, plain_records
from jupyter_latents.pictures.metadata.recipe import Recipe
from jupyter_latents.pictures.metadata.texts import PARAMETERS

__all__ = ["PROGRAMS", "Program", "recipe_of"]


@dataclass(frozen=True, slots=True)
class Program:
    """A row.

    Attributes:
        name: What people call it.
        keys: The texts that it writes.
        read: A recipe of these texts; it is told what the picture is called.
        wrote: Whether texts under these keys are its own.
    """

    name: str
    keys: tuple[str, ...]
    read: Callable[[Mapping[str, str], str], Recipe]
    wrote: Callable[[Mapping[str, str]], bool] = lambda _texts: True


PROGRAMS: tuple[Program, ...] = (
    Program("ComfyUI", ("prompt",), lambda texts, name: comfy.recipe_of(texts["prompt"], name)),
    Program("InvokeAI", ("invokeai_metadata",), plain_records.invokeai),
    Program("InvokeAI 2", ("sd-metadata",), plain_records.invokeai_second),
    Program("InvokeAI 1", ("Dream",), plain_records.invokeai_dream),
    Program("NovelAI", ("Comment", "Description", "Source"), plain_records.novelai),
    Program("Fooocus", (PARAMETERS,), plain_records.fooocus, lambda texts: texts[PARAMETERS].lstrip().startswith("{")),
    Program("A1111", (PARAMETERS,), lambda texts, _name: a1111.recipe_of(texts[PARAMETERS])),
)
"""Every program; the first that wrote all of its texts is asked."""


def recipe_of(texts: Mapping[str, str], name: str) -> Recipe:
    """How a picture was made, by the program that wrote its texts.

    Args:
        texts: The texts of its file.
        name: What to call it.

    Raises:
        NameNotFoundError: None of them is known, or it cannot be read.
    """
    for program in PROGRAMS:
        if all(key in texts for key in program.keys) and program.wrote(texts):
            return program.read(texts, name)
    known = ", ".join(dict.fromkeys(program.name.removesuffix(" 1").removesuffix(" 2") for program in PROGRAMS))
    raise NameNotFoundError(
        f"{name} does not say how it was made: it holds no text of jupyter_latents or of {known}. Pictures that were "
        "edited, or sent by a messenger, often lost theirs; ask for the file as it was written. A Pillow picture of "
        "decode() has none: latents.save() writes it.",
        name=name,
    )
