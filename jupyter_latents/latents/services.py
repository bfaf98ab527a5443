"""What a `Latents` value asks of the rooms above it, without importing them.

The session provides decoding and display when it starts, which is at the latest when latents first ask for them; the
value stays free of models and widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from jupyter_latents.above import above
from jupyter_latents.errors import LatentsFileError, SettingError
from jupyter_latents.formats import FILMS, listed
from jupyter_latents.latents.arguments import shown
from jupyter_latents.pictures.metadata.texts import no_room, write_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.sequence import LatentsSequence
    from jupyter_latents.latents.sheet import Sheet
    from jupyter_latents.latents.value import Latents

__all__ = [
    "Services", "cell", "decode", "fits", "grid", "mimebundle", "picture_file", "preview", "provide", "sheet", "texts",
    "to_diffusers", "view",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Services:
    """Callables that turn latents into pictures and displays.

    Attributes:
        decode: Latents to full pictures.
        preview: Latents to small pictures.
        mimebundle: Latents to an IPython display bundle.
        grid: Several latents to one labelled display bundle.
        fits: Latents and a model's name to how they would enter it.
        view: Latents to a live view of their trajectory.
        arguments: Latents, a pipeline or None, and whether the last bit counts, to the arguments of its call.
        texts: Latents, and which of their batch a picture is of, to what it says of how it was made.
        sheet: Several latents, the options of columns and rows, to a contact sheet.
        cell: Latents to the cell that makes all of them, empty where nobody knows it.
    """

    decode: Callable[[Latents], list[Image | Clip]]
    preview: Callable[[Latents], list[Image | Clip]]
    mimebundle: Callable[[Latents], dict[str, Any]]
    grid: Callable[[LatentsSequence], dict[str, Any]]
    fits: Callable[[Latents, str], str]
    view: Callable[[Latents], Any]
    arguments: Callable[[Latents, Any, bool], dict[str, Any]]
    texts: Callable[[Latents, int], dict[str, str]]
    sheet: Callable[[LatentsSequence, str, str], Sheet]
    cell: Callable[..., str]


_services: list[Services] = []


def provide(services: Services) -> None:
    """Makes `services` the ones that all latents use from now on."""
    _services[:] = [services]


def _current() -> Services:
    if not _services:
        above().begin()
    return _services[0]


def decode(latents: Latents) -> Any:
    """Decodes to pictures with the latents' own VAE, one for each item of the batch; a clip to the list of its frames.

    That list is a `Clip`, which plays where a cell ends with it: ``latents.decode().save("clip.mp4")``. Of a batch of
    several clips there is a list of these.

    Partly denoised latents are decoded from their clean estimate where it is known.

    Raises:
        ModelError: The VAE is not at hand.
    """
    return _unfolded(latents, _current().decode(latents))


def _unfolded(latents: Latents, found: Sequence[Image | Clip]) -> Any:
    """Pictures as a person gets them: the frames of a clip that is alone."""
    return found[0] if latents.moves and len(found) == 1 else list(found)


def preview(latents: Latents) -> Any:
    """Small approximate pictures without running the VAE, or the decoded ones where it is at hand and cheap.

    Those of a clip are a few of its frames; see `decode`.
    """
    return _unfolded(latents, _current().preview(latents))


def picture_file(latents: Latents, kind: str) -> bytes:
    """The bytes of a picture's file: the latents decoded, with what says how they were made.

    Args:
        latents: The latents.
        kind: Pillow's name of the format.

    Raises:
        LatentsFileError: They are several pictures.
        ModelError: The VAE is not at hand.

    Warns:
        LatentsWarning: The format has no room for one of the texts.
    """
    if latents.shape[0] > 1:
        raise LatentsFileError(
            f"these latents are {latents.shape[0]} pictures and a file holds one; save the items of split() one by one."
        )
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.files.content import warn  # it needs torch, which a first run's card does not wait for

    content, current = BytesIO(), _current()
    (picture,) = current.decode(latents)
    if isinstance(picture, Clip):
        raise LatentsFileError(
            f"these latents are a clip of {len(picture)} frames, and {kind} holds one picture. Save them as "
            f"{', '.join(FILMS)}."
        )
    left_out = write_picture(picture, content, kind, current.texts(latents, 0))
    if left_out:
        warn(no_room(kind, left_out))
    return content.getvalue()


def film_file(latents: Latents, ending: str) -> bytes:
    """The bytes of a film's file: a clip decoded, with what says how it was made.

    Args:
        latents: The latents.
        ending: ``mp4``, ``webm``, ``gif``, ``apng`` or ``webp``.

    Raises:
        LatentsError: There is no codec for this film here.
        LatentsFileError: They are pictures, or several clips.
        ModelError: The VAE is not at hand.
    """
    if latents.shape[0] > 1 or not latents.moves:
        several = f"{latents.shape[0]} clips; save the items of split() one by one"
        what = several if latents.moves else f"pictures; save them as {listed('picture', 'or', dot='.')}"
        raise LatentsFileError(f"a .{ending} file holds one clip, and these latents are {what}.")
    film: Clip = decode(latents)
    film.texts = dict(_current().texts(latents, 0))
    return film.encoded(ending)


def texts(latents: Latents, item: int = 0) -> dict[str, str]:
    """What a picture of latents says of how it was made, by key.

    Args:
        latents: The latents.
        item: Which of the batch it is of.
    """
    return _current().texts(latents, item)


def cell(*several: Latents) -> str:
    """The cell that makes latents, from the first stage that led to them on; empty where nobody knows it.

    Args:
        several: The latents; those of one sweep are one invocation.
    """
    return _current().cell(*several)


def grid(latents: LatentsSequence) -> dict[str, Any]:
    """An IPython display bundle of several latents."""
    return _current().grid(latents)


def sheet(latents: LatentsSequence, x: str, y: str) -> Sheet:
    """The contact sheet of several latents."""
    return _current().sheet(latents, x, y)


def fits(latents: Latents, model: str) -> str:
    """How these latents would enter a model, told without loading its weights.

    Args:
        latents: The latents.
        model: A model's name, as in a script.

    Returns:
        A verdict: exact continuation, same schedule, same space, converted form, bridged space, or impossible with
        the reason.
    """
    if not isinstance(model, str):
        raise SettingError(f"model is {shown(model)}; give its name as in a script, such as 'demo/paper'.")
    return _current().fits(latents, model)


def view(latents: Latents) -> Any:
    """A live view of the steps that made these latents."""
    return _current().view(latents)


def to_diffusers(latents: Latents, pipeline: Any = None, *, exact: bool = False) -> dict[str, Any]:
    """What a diffusers pipeline takes to go on from these latents: ``pipe(prompt, **base.to_diffusers(pipe))``.

    The tensor stands under ``latents`` (``image`` for pipelines that take ``denoising_start``): packed where the
    pipeline takes tokens, in its scheduler's form and its dtype, divided by the ``init_noise_sigma`` that it multiplies
    with. Beside it are ``width`` and ``height``, what sets the rest of the schedule (``sigmas``, ``timesteps`` or
    ``denoising_start``), ``num_images_per_prompt`` of a batch, and a ``generator`` in the state in which theirs was
    left. Prompt and guidance are the caller's.

    Flux, Qwen-Image, Z-Image, SDXL and Kolors then go on bit for bit. SD and SD3 round the latents or the schedule
    anew, so that the last bit differs. A scheduler's history does not travel.

    Args:
        latents: Latents whose noise and schedule are known.
        pipeline: The diffusers pipeline that goes on; None for the family and scheduler of the model that made them
            (of SDXL and Kolors the image-to-image pipeline).
        exact: Whether the last bit counts: where a pipeline cannot begin there exactly, it runs the whole schedule, and
            a callback puts the latents in at the end of the step where they stand.

    Raises:
        LatentsError: They are clean, their noise or schedule is not known, or that pipeline cannot begin there.
        ModelError: No pipeline is given and the model that made them is not at hand.
    """
    return _current().arguments(latents, pipeline, exact)


def mimebundle(latents: Latents) -> dict[str, Any]:
    """An IPython display bundle of `latents`."""
    return _current().mimebundle(latents)
