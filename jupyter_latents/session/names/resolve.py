"""From an image seed's names to what goes into a stage, position by position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from jupyter_latents.engine import Given, Inputs, asked_size
from jupyter_latents.errors import HandoffError
from jupyter_latents.pictures.reading import note_of, read_mask, read_picture
from jupyter_latents.session.names.addresses import download
from jupyter_latents.session.names.changes import as_decoded, changed, changed_sizes
from jupyter_latents.session.names.clips import check_no_film, frame_in, frames_in, speed_of
from jupyter_latents.session.names.greys import grey_of
from jupyter_latents.session.names.kinds import is_outline, is_standing, is_tensor_like
from jupyter_latents.session.names.lookup import Lookup
from jupyter_latents.session.names.positions import Positions
from jupyter_latents.session.names.sizes import bring_to_size, size_in, sizes_of, stage_size, stretch_notes
from jupyter_latents.stage import ImageSeed, Reference, Stage
from jupyter_latents.stopping import check

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import ModelCard, Standing
    from jupyter_latents.latents.spaces import Space
    from jupyter_latents.latents.value import Latents

__all__ = ["Resolver"]

Read: TypeAlias = Callable[[Any, str, Callable[[], None]], "Image"]


@dataclass(frozen=True)
class Resolver:
    """Finds what goes into stages.

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

    @property
    def _lookup(self) -> Lookup:
        """Finds the objects behind names."""
        return Lookup(self.kernel, self.captured, self.known, self.fetch)

    def value(self, reference: Reference) -> Any:
        """The object behind a reference; see `Lookup.value`."""
        return self._lookup.value(reference)

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
        return Inputs(
            cast("tuple[Latents, ...]", tuple(self._latents(seen, stage))),  # a run knows no outlines
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
            tuple(self._latents(seen, stage)),
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
            grey_of(seen.masks, stage.mask_image_processors),
        )  # fmt: skip

    def _seen(self, stage: Stage, model: ModelCard, *, foresees: bool = False) -> Positions:
        """What stands in each position of a stage's image seed.

        Latents in the image position of SDXL and Kolors go in undecoded where ``--denoising-start`` is given.
        """
        seed, find = stage.image_seed or ImageSeed(), self._lookup
        direct = stage.window.start is not None and model.direct_latents
        values = [(find.value(reference), find.called(reference)) for reference in seed.images]
        latents = [(find.value(reference), find.called(reference)) for reference in seed.latents]
        latents += [(value, text) for value, text in values if direct and is_tensor_like(value)]
        images = [(value, text) for value, text in values if not (direct and is_tensor_like(value))]
        masks, controls = (
            [(find.value(reference), find.called(reference)) for reference in part]
            for part in (seed.masks, seed.controls)
        )
        pictures, holes, guides = (
            tuple(item for value, text in part for item in find.items(value, text, what))
            for part, what in ((images, "an image"), (masks, "a mask"), (controls, "a control image"))
        )
        pictures = as_decoded(pictures, stage, self._pasted(stage), foresees=foresees or self.foresees)
        adapters = tuple(
            tuple((item, name, one)
                  for one in adapter
                  for item, name in find.items(find.value(one.image), one.image.text, "an adapter image"))
            for adapter in seed.adapters
        )  # fmt: skip
        check_no_film(((item, name) for one in adapters for item, name, _ in one), model)
        if model.takes_clips:
            check_no_film((*holes, *guides), model)
        else:
            holes, guides = tuple(frame_in(holes, seed, model)), tuple(frame_in(guides, seed, model))
        frames = tuple(frames_in(pictures, seed, model))
        fps = speed_of((*frames[:1], *images)) if model.takes_clips else 0.0
        return Positions(tuple(latents), frames, holes, guides, adapters, fps)

    def _pasted(self, stage: Stage) -> tuple[Standing, ...]:
        """The latents that processors take besides."""
        find = self._lookup
        found: list[Standing] = []
        for reference in stage.pasted:
            called = find.called(reference)
            several = find.standing(find.value(reference), called, stage_size(stage))
            if len(several) != 1:
                raise HandoffError(f"{called} are {len(several)} latents, and composite takes one; write {called}[0].")
            found.append(several[0])
        return tuple(found)

    def _latents(self, seen: Positions, stage: Stage) -> Iterator[Standing]:
        """The latents to start from, or their outlines."""
        for value, text in seen.latents:
            yield from self._lookup.standing(value, text, stage_size(stage))

    def _controls(self, seen: Positions, seed: ImageSeed, stage: Stage) -> tuple[Image, ...]:
        """The control images; at the seed's size where they stand in the image position."""
        images = changed(self._read(seen.controls, stage, read_picture), stage.control_image_processors)
        return tuple(bring_to_size(image, seed) if seed.plain else image for image in images)

    def _sized(self, seen: Positions, seed: ImageSeed, stage: Stage, space: Space) -> tuple[int, int] | None:
        """The size of the first control image, where such an image gives the picture's."""
        sizes = sizes_of(seen.controls[:1], space) if seed.plain else []
        sizes = changed_sizes(sizes, stage.control_image_processors)
        return size_in(sizes[0], seed) if sizes else None

    def _asked(self, seen: Positions, seed: ImageSeed, stage: Stage, space: Space) -> tuple[int, int] | None:
        """The size that the first picture was to have, where its seed resizes it."""
        sizes = sizes_of(seen.images[:1], space) if (seed.resize or seed.align) is not None else []
        sizes = changed_sizes(sizes, stage.seed_image_processors)
        return asked_size(sizes[0], seed) if sizes else None

    def _notes(self, seen: Positions, space: Space) -> tuple[str, ...]:
        """What is to be told of the pictures of a seed."""
        found = (
            self._told(item, name, space) if is_standing(item) else _one_of(note_of(item, name, check))
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

    def _read(self, items: Iterable[tuple[Any, str]], stage: Stage, read: Read) -> Iterator[Image]:
        """The pictures of a position, read; latents are decoded."""
        for item, name in items:
            made = self.decode(item, stage, name) if is_standing(item) else (item,)
            yield from (read(picture, name, check) for picture in made)


def _one_of(note: str) -> str:
    """What is told of a file of several pictures, with what takes all of them."""
    return f"{note}; --animation-format gif has a stage run for each" if note else ""
