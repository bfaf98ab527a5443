"""How many frames a stage makes: decided once, from latents, option and model."""

from __future__ import annotations

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.given.outline import Standing
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.errors import HandoffError, ModelError
from jupyter_latents.latents.clip import check_fps, check_still
from jupyter_latents.stage import Size, Stage
from jupyter_latents.wording import option

__all__ = ["check_alone", "check_clip", "check_lead", "frame_count", "frame_rate"]

_NOTHING = Given()


def check_clip(stage: Stage, given: Given, facts: ModelFacts) -> None:
    """Sees that what stands in the place of a picture is one clip that a model can take.

    Args:
        stage: What is asked for.
        given: What goes into it.
        facts: Its model's.

    Raises:
        HandoffError: One picture, or frames of several sizes.
        ModelError: A model with two denoisers, of which diffusers' pipeline knows one; or several clips at once.
    """
    name = stage.model.name
    if facts.boundary is not None:
        raise ModelError(
            f"{name} has two experts, and {facts.family.pipeline_name('img2img')} of diffusers runs one alone: it "
            f"makes no clips of clips. Use Wan 2.1, or leave {option('image_seeds', 'image')} out.",
            option="image_seeds",
        )
    if stage.seed_image_processors:
        raise ModelError(
            f"{option('seed_image_processors')} are for pictures, and a clip is given. Process its frames in Python, "
            "and give the list.",
            option="seed_image_processors",
        )
    if len(given.images) == 1:
        raise HandoffError(
            f"{name} makes clips of clips, and one picture is given. Give a film (clip.mp4), a clip's variable, or a "
            "list of pictures.",
            option="image_seeds",
        )
    _check_sizes(given)
    if stage.batch_size > 1:
        raise ModelError(
            f"{facts.family.pipeline_name('img2img')} makes one clip at a time of a clip. Leave {option('batch_size')} "
            f"out, or give several {option('seeds')}.",
            option="batch_size",
        )


def check_alone(batch: int, given: Given, facts: ModelFacts) -> None:
    """Sees that a model which makes one clip at a time is asked for one.

    Args:
        batch: How many it is asked for.
        given: What goes into the stage.
        facts: The model's.

    Raises:
        ModelError: It is asked for several.
    """
    sees = facts.family.pictured and "image_encoder" in facts.sources  # its picture is encoded for one clip
    if not (facts.family.alone or sees) or batch == 1:
        return
    said = f"Leave {option('batch_size')} out, or give several {option('seeds')}."
    raise ModelError(
        f"{facts.family.name} makes one clip at a time in diffusers, and {batch} are asked for. "
        + ("Give the latents one by one; split() parts them." if given.latents else said),
        option="image_seeds" if given.latents else "batch_size",
    )


def check_lead(given: Given, facts: ModelFacts) -> None:
    """Sees that several pictures are a clip that a result can begin with.

    Args:
        given: What goes into a stage.
        facts: Its model's.

    Raises:
        HandoffError: Frames of several sizes, or a number of them that are no whole latent frames.
    """
    _check_sizes(given)
    count, step = len(given.images), facts.space.frame_step
    over = (count - 1) % step
    if over:
        raise HandoffError(
            f"the clip that the result is to begin with has {count} frames, and {facts.name} takes {step} at a time "
            f"after the first: {count - over} or {count - over + step} are nearest.",
            option="image_seeds",
        )


def _check_sizes(given: Given) -> None:
    sizes = list(dict.fromkeys(given.images))
    if len(sizes) > 1:
        shown = " and ".join(str(Size(*size)) for size in sizes[:3])
        raise HandoffError(
            f"the frames of a clip are of one size, and here are {shown}. "
            "Bring them to one, such as with resize=640x360 after them.",
            option="image_seeds",
        )


def frame_count(stage: Stage, latents: Standing | None, facts: ModelFacts, given: Given = _NOTHING) -> int:
    """Frames of each clip that a stage makes; 1 for pictures.

    Args:
        stage: What is asked for.
        latents: The latents that enter its schedule, in the model's own space; None without.
        facts: Its model's.
        given: What goes into it; a clip has frames of its own.

    Raises:
        HandoffError: Another number than the latents have.
        ModelError: The model makes pictures, or clips of other numbers of frames alone.
    """
    space, asked = facts.space, stage.num_frames
    if not space.moves:
        _check_still(stage, facts)
        return 1
    if stage.fps is not None:
        check_fps(stage.fps)
    if latents is not None:
        found = space.frames_of(latents.shape)
        if asked not in (None, found):
            raise HandoffError(
                f"{option('num_frames')} {asked} does not fit latents of shape {latents.shape}, which are {found} "
                "frames. Leave it out.",
                option="num_frames",
            )
        if facts.family.takes_clips and 0 < len(given.images) < found:
            raise HandoffError(
                f"the clip has {len(given.images)} frames, and the latents {found}: give the clip that they were made "
                "of, or the latents alone.",
                option="image_seeds",
            )
        return found
    clip = len(given.images) if facts.family.takes_clips else 0
    wanted = asked or clip or facts.family.frames
    _check_count(wanted, stage, facts)
    if facts.family.leads and len(given.images) > wanted:
        raise ModelError(
            f"the clip that the result is to begin with has {len(given.images)} frames, and it is {wanted} long. Give "
            f"fewer, or more {option('num_frames')}.",
            option="image_seeds",
        )
    if clip and wanted > clip:
        raise ModelError(
            f"{option('num_frames')} is {wanted}, and the clip has {clip} frames. Leave it out, or give fewer.",
            option="num_frames",
        )
    return wanted


def _check_count(wanted: int, stage: Stage, facts: ModelFacts) -> None:
    """Raises where a model makes no clip of so many frames; names the nearest two."""
    step = facts.space.frame_step
    over = (wanted - 1) % step
    if not over:
        return
    below, above = wanted - over, wanted - over + step
    said = f"{option('num_frames')} is {wanted}" if stage.num_frames else f"the clip has {wanted} frames"
    cut = "" if stage.num_frames else f" {option('num_frames')} {below} takes the first {below}."
    raise ModelError(
        f"{said}, and {stage.model.name} makes {step} frames at a time after the first: {below} or {above} are nearest."
        f"{cut}",
        option="num_frames" if stage.num_frames else "image_seeds",
    )


def frame_rate(stage: Stage, latents: Standing | None, facts: ModelFacts, given: Given = _NOTHING) -> float:
    """Frames a second of the clips that a stage makes: as asked for, as latents or clip say, or as it was trained.

    Args:
        stage: What is asked for.
        latents: The latents that enter its schedule; None without.
        facts: Its model's.
        given: What goes into it.
    """
    own = latents.provenance.number("fps", 0.01, 120.0) if latents is not None else None
    return stage.fps or own or given.fps or float(facts.family.fps)


def _check_still(stage: Stage, facts: ModelFacts) -> None:
    """Raises where a model of pictures is asked for a clip."""
    check_still(stage.output.format, stage.model.name)
    for name in ("num_frames", "fps"):
        if getattr(stage, name) is not None:
            raise ModelError(
                f"{option(name)} is for models that make clips, and {stage.model.name} ({facts.family.name}) makes "
                "pictures. Leave it out.",
                option=name,
            )
