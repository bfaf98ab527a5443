"""From an image seed's names to what goes into a stage: kernel variables, files, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from jupyter_latents.engine import Given, Inputs, asked_size
from jupyter_latents.errors import HandoffError, LatentsError, LatentsFileError, NameNotFoundError, nearest
from jupyter_latents.paths import is_folder, is_there, opened
from jupyter_latents.pictures.arrays import check_numbers
from jupyter_latents.pictures.reading import is_image, is_picture, note_of, read_mask, read_picture
from jupyter_latents.session.names.addresses import download
from jupyter_latents.session.names.changes import as_decoded, changed, changed_sizes
from jupyter_latents.session.names.clips import check_no_film, frames_in, speed_of
from jupyter_latents.session.names.items import expression_hint, item_of
from jupyter_latents.session.names.kinds import (
    TENSOR_ENDINGS,
    is_list,
    is_outline,
    is_standing,
    is_tensor_like,
    is_usable,
)
from jupyter_latents.session.names.positions import Positions
from jupyter_latents.session.names.sizes import bring_to_size, size_in, sizes_of, stage_size, stretch_notes
from jupyter_latents.session.plans.later import Later
from jupyter_latents.stage import ImageSeed, Reference, Stage
from jupyter_latents.stopping import check
from jupyter_latents.syntax import real
from jupyter_latents.wording import kind_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import ModelCard, Standing
    from jupyter_latents.latents.spaces import Space
    from jupyter_latents.latents.value import Latents

__all__ = ["Resolver"]

Read: TypeAlias = Callable[[Any, str, Callable[[], None]], "Image"]


@dataclass(frozen=True)
class Resolver:
    """Looks names up.

    Attributes:
        kernel: Kernel variables.
        captured: Objects that templates handed over, by made name.
        known: Finds the facts of a bare tensor that this session made, by its digest; None when it did not.
        decode: Latents, the receiving stage and what it calls them to pictures.
        foresees: Whether networks that change latents in the place of pictures do not run.
        fetch: An http or https address to a file.
    """

    kernel: Mapping[str, Any]
    captured: Mapping[str, Any]
    known: Callable[[Latents], Latents]
    decode: Callable[[Latents, Stage, str], list[Image]]
    fetch: Callable[[str], Path] = download
    foresees: bool = False

    def inputs(self, stage: Stage, model: ModelCard) -> Inputs:
        """What a stage's image seed stands for; where that is latents to come, their outlines.

        Args:
            stage: The stage.
            model: Its model, which says whether latents in the image position go in undecoded.

        Raises:
            JupyterLatentsError: A name is not there, or is of no use in its position.
        """
        seed, pasted = stage.image_seed, cast("tuple[Latents, ...]", self._pasted(stage))
        if seed is None:
            return Inputs(pasted=pasted)
        seen = self._seen(stage, model)
        size = stage_size(stage)
        latents = [item for value, text in seen.latents for item in self._standing(value, text, size)]
        return Inputs(
            cast("tuple[Latents, ...]", tuple(latents)),  # a run knows no outlines
            tuple(bring_to_size(image, seed)
                  for image in changed(self._read(seen.images, stage, read_picture), stage.seed_image_processors)),
            tuple(changed(self._read(seen.masks, stage, read_mask), stage.mask_image_processors)),
            self._controls(seen, seed, stage),
            self._asked(seen, seed, stage, model.space),
            self._notes(seen, model.space),
            seen.decoded,
            tuple(
                tuple(bring_to_size(image, own)
                      for item, name, own in adapter for image in self._read([(item, name)], stage, read_picture))
                for adapter in seen.adapters
            ),
            self._sized(seen, seed, stage, model.space),
            seen.fps,
            pasted,
        )  # fmt: skip

    def given(self, stage: Stage, model: ModelCard) -> Given:
        """What is known of a stage's inputs before pictures are read and before latents are made.

        Args:
            stage: The stage.
            model: Its model.

        Raises:
            JupyterLatentsError: See `inputs`.
        """
        seed, pasted = stage.image_seed, self._pasted(stage)
        if seed is None:
            return Given(pasted=pasted)
        seen, space = self._seen(stage, model, foresees=True), model.space
        return Given(
            tuple(item for value, text in seen.latents for item in self._standing(value, text, stage_size(stage))),
            tuple(size_in(size, seed)
                  for size in changed_sizes(sizes_of(seen.images, space), stage.seed_image_processors)),
            len(sizes_of(seen.masks, space)),
            len(sizes_of(seen.controls, space)),
            self._asked(seen, seed, stage, space),
            self._notes(seen, space),
            seen.decoded,
            tuple(len(sizes_of([(item, name) for item, name, _ in adapter], space)) for adapter in seen.adapters),
            self._sized(seen, seed, stage, space),
            seen.fps,
            pasted,
        )  # fmt: skip

    def _seen(self, stage: Stage, model: ModelCard, *, foresees: bool = False) -> Positions:
        """What stands in each position of a stage's image seed.

        Latents in the image position of SDXL and Kolors go in undecoded where ``--denoising-start`` is given.
        """
        seed = stage.image_seed or ImageSeed()
        direct = stage.window.start is not None and model.direct_latents
        values = [(self.value(reference), self._called(reference)) for reference in seed.images]
        latents = [(self.value(reference), self._called(reference)) for reference in seed.latents]
        latents += [(value, text) for value, text in values if direct and is_tensor_like(value)]
        images = [(value, text) for value, text in values if not (direct and is_tensor_like(value))]
        masks, controls = (
            [(self.value(reference), self._called(reference)) for reference in part]
            for part in (seed.masks, seed.controls)
        )
        pictures, holes, guides = (
            tuple(item for value, text in part for item in self._items(value, text, what))
            for part, what in ((images, "an image"), (masks, "a mask"), (controls, "a control image"))
        )
        pictures = as_decoded(pictures, stage, self._pasted(stage), foresees=foresees or self.foresees)
        adapters = tuple(
            tuple((item, name, one)
                  for one in adapter
                  for item, name in self._items(self.value(one.image), one.image.text, "an adapter image"))
            for adapter in seed.adapters
        )  # fmt: skip
        check_no_film((*holes, *guides, *((item, name) for one in adapters for item, name, _ in one)), model)
        frames = tuple(frames_in(pictures, seed, model))
        fps = speed_of((*frames[:1], *images)) if model.takes_clips else 0.0
        return Positions(tuple(latents), frames, holes, guides, adapters, fps)

    def _pasted(self, stage: Stage) -> tuple[Standing, ...]:
        """The latents that processors take besides."""
        found: list[Standing] = []
        for reference in stage.pasted:
            called = self._called(reference)
            several = self._standing(self.value(reference), called, stage_size(stage))
            if len(several) != 1:
                raise HandoffError(f"{called} are {len(several)} latents, and composite takes one; write {called}[0].")
            found.append(several[0])
        return tuple(found)

    def _controls(self, seen: Positions, seed: ImageSeed, stage: Stage) -> tuple[Image, ...]:
        """The control images; at the seed's size where they stand in the image position."""
        images = changed(self._read(seen.controls, stage, read_picture), stage.control_image_processors)
        return tuple(bring_to_size(image, seed) if seed.plain else image for image in images)

    def _sized(self, seen: Positions, seed: ImageSeed, stage: Stage, space: Space) -> tuple[int, int] | None:
        """The size of the first control image, where such an image gives the picture's."""
        sizes = sizes_of(seen.controls[:1], space) if seed.plain else []
        sizes = changed_sizes(sizes, stage.control_image_processors)
        return size_in(sizes[0], seed) if sizes else None

    def _called(self, reference: Reference) -> str:
        """What people call what a reference names: the names of what templates hand over are nobody's."""
        name = reference.text.partition("[")[0]
        return "what the template gives" if name in self.captured and reference.kind == "variable" else reference.text

    def _asked(self, seen: Positions, seed: ImageSeed, stage: Stage, space: Space) -> tuple[int, int] | None:
        """The size that the first picture was to have, where its seed resizes it."""
        sizes = sizes_of(seen.images[:1], space) if (seed.resize or seed.align) is not None else []
        sizes = changed_sizes(sizes, stage.seed_image_processors)
        return asked_size(sizes[0], seed) if sizes else None

    def _notes(self, seen: Positions, space: Space) -> tuple[str, ...]:
        """What is to be told of the pictures of a seed."""
        found = (
            self._told(item, name, space) if is_standing(item) else note_of(item, name, check)
            for item, name in seen.pictured
        )
        return tuple(
            dict.fromkeys(
                filter(None, (*found, *stretch_notes(sizes_of(seen.images, space), sizes_of(seen.masks, space))))
            )
        )

    def _told(self, latents: Any, name: str, space: Space) -> str:
        """What this session knows of a bare tensor that is decoded as if nobody did: one answer in every kernel."""
        known = latents if is_outline(latents) else self.known(latents)
        if known is latents or known.space is None or (known.is_clean and known.space.same_as(space)):
            return ""
        return (
            f"{name} is a bare tensor, decoded as clean latents of {space}; this session made it as {known.space}, "
            f"{known.noise}. Give the variable, or save it as .safetensors."
        )

    def _items(self, value: Any, text: str, what: str) -> Iterator[tuple[Any, str]]:
        """The pictures and the latents that a value stands for, one after another, each with what to call it.

        Args:
            value: The value.
            text: What the script calls it.
            what: What stands in its position.

        Raises:
            HandoffError: It is neither.
        """
        check_numbers(value, text)
        if is_picture(value) or is_standing(value):
            yield value, text
        elif isinstance(value, Path) and not is_tensor_like(value):
            yield value, str(value)
        elif isinstance(value, str):
            yield from self._items(self.value(Reference(value, "path")), text, what)
        elif is_list(value):
            for item in value:
                yield from self._items(item, _item_of(text), what)
        elif not is_tensor_like(value) and not hasattr(value, "__array__"):
            raise HandoffError(
                f"{text} is {kind_of(value)}; {what} is a picture of Pillow, an array of pixels, a file "
                "or address of one, latents, or a list of these."
            )
        else:
            yield from ((latents, text) for latents in self._plain(value, text))

    def _standing(self, value: Any, text: str, size: tuple[int, int] | None) -> Sequence[Standing]:
        """Latents, or outlines of latents that earlier stages will make."""
        if is_outline(value):
            return [value]
        if isinstance(value, list) and any(map(is_outline, value)):
            return [item for one in value for item in self._standing(one, text, size)]
        return self.as_latents(value, text, size)

    def value(self, reference: Reference) -> Any:
        """The object behind a reference; files stay paths.

        Args:
            reference: A variable, a path or an address.

        Raises:
            NameNotFoundError: It is not there.
            UnforeseenError: It is there only at the run.
        """
        if reference.kind == "variable":
            return self._variable(reference.text)
        if reference.kind == "url":
            return self.fetch(reference.text)
        path = opened(reference.text)
        if not is_there(path):
            folder = path.parent
            beside = [other.name for other in folder.iterdir() if other.is_file()] if is_folder(folder) else []
            hint, python = nearest(path.name, beside), expression_hint(reference.text, self.kernel)
            raise NameNotFoundError(
                f"no file {reference.text}{hint or '.'}{python or f' Paths are taken from {Path.cwd()}.'}",
                name=reference.text,
            )
        return path

    def _variable(self, text: str) -> Any:
        name, bracket, index = text.partition("[")
        source = self.captured if name in self.captured else self.kernel
        if name not in source:
            known = [other for other, value in self.kernel.items() if not other.startswith("_") and is_usable(value)]
            held = (
                f" Variables that can go here: {', '.join(sorted(known))}."
                if known
                else " No variable of this kernel can go here yet."
            )
            raise NameNotFoundError(
                f"no variable {name!r}{nearest(name, known) or '.'}{held} A file needs a dot or a slash in its name.",
                name=text,
            )
        value = real(source[name])
        if isinstance(value, Later):
            raise value.error()
        return item_of(value, name, bracket + index)

    def as_latents(self, value: Any, text: str, size: tuple[int, int] | None = None) -> list[Latents]:
        """Anything that can be latents, as latents.

        Args:
            value: `Latents`, a tensor, an array, a file, or a list of these.
            text: What the script calls it.
            size: (width, height) in pixels of the stage's picture, which packed latents do not say.

        Raises:
            JupyterLatentsError: It cannot be latents.
        """
        return [self.known(latents) for latents in self._plain(value, text, size)]

    def _plain(self, value: Any, text: str, size: tuple[int, int] | None = None) -> list[Latents]:
        """Anything that can be latents, with the facts that it has by itself."""
        import torch

        from jupyter_latents.latents import Latents
        from jupyter_latents.latents.files.reading import PICTURE, of_size

        if isinstance(value, Latents):
            return [value]
        if isinstance(value, Path):
            if not is_tensor_like(value) and value.suffix.lower() != PICTURE:
                raise LatentsFileError(f"{value} holds no latents; latents files end in {', '.join(TENSOR_ENDINGS)}.")
            return [of_size(Latents, value, size)]
        if isinstance(value, str):
            return self._plain(self.value(Reference(value, "path")), text, size)
        if isinstance(value, torch.Tensor) or (hasattr(value, "__array_interface__") and not is_image(value)):
            try:
                return [of_size(Latents, value, size)]
            except LatentsError as error:
                raise LatentsError(f"{text}: {error.template}") from error
        if is_list(value):
            return [latents for item in value for latents in self._plain(item, _item_of(text), size)]
        raise HandoffError(
            f"{text} is {kind_of(value)}; `latents:` takes Latents, tensors, arrays, files of them, or a list of these."
        )

    def _read(self, items: Iterable[tuple[Any, str]], stage: Stage, read: Read) -> Iterator[Image]:
        """The pictures of a position, read; latents are decoded."""
        for item, name in items:
            made = self.decode(item, stage, name) if is_standing(item) else (item,)
            yield from (read(picture, name, check) for picture in made)


def _item_of(text: str) -> str:
    """What to call one of several."""
    return text if text.startswith("an item of ") else f"an item of {text}"
