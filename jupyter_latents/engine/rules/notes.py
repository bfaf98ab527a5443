"""What a stage is told with, in the order of telling: what is converted, rounded, assumed, contradicted or idle."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_latents.engine.models.experts import idle_loras, shared_note
from jupyter_latents.engine.models.files.unused import unused_notes
from jupyter_latents.engine.models.offload import offload_note
from jupyter_latents.engine.prepared import Prepared
from jupyter_latents.engine.prompts.windows import prompt_remarks
from jupyter_latents.engine.rules.passes import passes_remark
from jupyter_latents.engine.rules.remarks import remarks
from jupyter_latents.engine.rules.sharing import sharing_note
from jupyter_latents.engine.rules.sound import sound_note
from jupyter_latents.engine.rules.spacing import idle_spacings
from jupyter_latents.engine.schedule import schedulers, timesteps
from jupyter_latents.engine.schedule.outdated import mended_note
from jupyter_latents.engine.steering import steering_remarks
from jupyter_latents.optimizations import choices_of

__all__ = ["notes_of"]


def notes_of(made: Prepared, sizes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is to be told of a stage, and what of it says that it was asked for one thing and given another.

    Args:
        made: The stage, prepared.
        sizes: What is to be told of its picture's size.
    """
    stage, way = made.stage, made.entering.way
    decoded = dict.fromkeys(note for one in made.decodings for note in one.notes)
    given, idle = (*made.given.notes, *decoded, *sizes), tuple(_idle(made))
    notes = (
        *given,
        *made.facts.notes(made.call),
        *filter(None, (mended_note(made.facts.config("scheduler"), made.facts.scheduler[1], made.scheduler),)),
        *idle,
        *_experts_and_sound(made),
        *_steering(made),
        *made.entering.notes,
        *(choice.note for choice in choices_of(stage.model.optimize)),
    )
    doubt = way.warning if way is not None else ""
    return notes, (*given, *idle, *prompt_remarks(stage, made.span.of), *filter(None, (doubt,)))


def _idle(made: Prepared) -> Iterator[str]:
    """What changes nothing, or perhaps not what was meant."""
    call, facts, scheduler = made.call, made.facts, made.scheduler
    request = timesteps.request(made.stage, facts, call.size, call.mode, call.frames)
    noised = made.noised and not schedulers.backwards(scheduler)
    yield from unused_notes(facts)
    yield from filter(None, (offload_note(made.stage.model), shared_note(made.experts, made.stage)))
    yield from idle_loras(made.experts, made.stage)
    yield from idle_spacings(made.stage, facts, scheduler, request)
    yield from remarks(call, facts, made.latents, noised=noised)


def _experts_and_sound(made: Prepared) -> Iterator[str]:
    if made.experts:
        yield f"experts: {', '.join(map(str, made.experts))}"
    yield from filter(None, (sound_note(made.facts),))


def _steering(made: Prepared) -> Iterator[str]:
    """What changes as the stage goes on, and what that costs."""
    yield from prompt_remarks(made.stage, made.span.of)
    yield from steering_remarks(made.windows)
    passes = passes_remark(made.windows, made.span, made.facts)
    alone = sharing_note(made.stage, made.given, len(made.pieces), made.facts.family)
    yield from filter(None, (passes, alone))
