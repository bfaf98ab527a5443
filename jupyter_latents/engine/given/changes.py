"""What is done to latents where a stage takes them in, before they become a picture, and after its steps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_latents.engine.given.interposers import Interposer, interposer_of
from jupyter_latents.engine.given.outline import Outline, Standing
from jupyter_latents.engine.given.processors import NETWORKS, Bench, Chain, process
from jupyter_latents.engine.given.upscalers import Upscaler, upscaler_of
from jupyter_latents.engine.models.describe import describe
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.digests import files_digest
from jupyter_latents.engine.schedule import schedulers
from jupyter_latents.errors import HandoffError, JupyterLatentsError
from jupyter_latents.latents.facts import CLEAN
from jupyter_latents.latents.value import Latents
from jupyter_latents.processing import chains
from jupyter_latents.stage import LatentsProcessor, Reference, Stage
from jupyter_latents.wording import option

__all__ = ["bench_of", "changed", "has_network", "network_files", "outline_after", "pictured", "result_of_post"]


def has_network(chain: Sequence[LatentsProcessor]) -> bool:
    """Whether a network of its own is among the links, so that only the run knows the values."""
    return any(link.name in NETWORKS for link in chain)


def _found(link: LatentsProcessor, stage: Stage, facts: ModelFacts) -> Interposer | Upscaler:
    return interposer_of(link, stage.model) if link.name == "interposer" else upscaler_of(link, stage.model, facts)


def bench_of(
    stage: Stage, pasted: Sequence[Standing], facts: ModelFacts, vae: Callable[[], Any] | None = None
) -> Bench:
    """What the processors of a stage work with.

    Args:
        stage: The stage.
        pasted: The latents that its links take besides, in their order; outlines stand for what they will be.
        facts: Its model's.
        vae: Finds its VAE; None to foresee what networks make.
    """

    def network(latents: Latents, link: LatentsProcessor) -> Latents:
        found = _found(link, stage, facts)
        if vae is None:
            return found.foreseen(latents)
        return found.made(latents) if isinstance(found, Interposer) else found.made(latents, vae(), stage)

    others = [item if isinstance(item, Latents) else Outline.of(item).stand_in() for item in pasted]
    named: Mapping[Reference, Latents] = dict(zip(stage.pasted, others, strict=True))
    return Bench(schedulers.build(stage.scheduler, *facts.scheduler), network, named)


def changed(latents: Sequence[Latents], links: Sequence[LatentsProcessor], bench: Bench, dest: str) -> list[Latents]:
    """Latents of a position, each after its own chain.

    Args:
        latents: The latents.
        links: Those of the position.
        bench: What they work with.
        dest: The option that gives them.

    Raises:
        HandoffError: There are more chains than latents, or a processor cannot change them.
    """
    several = chains(links)
    if len(several) > len(latents):
        raise HandoffError(
            f"{option(dest)} has chains for {len(several)} latents, and there are {len(latents) or 'none'}. A + begins "
            "the chain of the next latents.",
            option=dest,
        )
    return [
        _blamed(one, several[number], bench, dest) if number < len(several) else one
        for number, one in enumerate(latents)
    ]


def _blamed(latents: Latents, chain: Chain, bench: Bench, dest: str) -> Latents:
    try:
        return process(latents, chain, bench)
    except JupyterLatentsError as error:
        error.option = dest
        raise


def pictured(latents: Standing, number: int, stage: Stage, pasted: Sequence[Standing], *, foreseen: bool) -> Standing:
    """Latents in the place of a picture as they are decoded.

    Args:
        latents: The latents, or their outline.
        number: Which of those in the place of pictures they are.
        stage: The stage that takes them.
        pasted: See `bench_of`.
        foreseen: Whether no network runs; what one makes is an outline then.

    Raises:
        JupyterLatentsError: A processor cannot change them.
    """
    several = chains(stage.img2img_latents_processors)
    chain = several[number] if number < len(several) else ()
    if not chain:
        return latents
    facts, there = describe(stage.model), [*pasted, latents]
    blank = not all(isinstance(item, Latents) for item in there) or (foreseen and has_network(chain))
    bench = bench_of(stage, pasted, facts, None if blank else _no_vae)
    given = latents if isinstance(latents, Latents) else Outline.of(latents).stand_in()
    noisy = given.noise is not None and not given.is_clean
    if noisy and given.denoised is not None:  # what is decoded of noisy latents is their clean estimate
        given = given.replace(tensor=given.denoised, noise=CLEAN, position=None, resume=None, trajectory=())
    made = _blamed(given, chain, bench, "img2img_latents_processors")
    if any(link.name == "noise" for link in chain):  # it is decoded with that noise
        made = made.replace(noise=CLEAN, denoised=None)
    return replace(Outline.of(made), made=_known(there, chain, stage)) if blank else made


def _known(items: Sequence[Standing], chain: Chain, stage: Stage) -> str:
    """What tells latents that a chain will make from all others; empty where nobody knows."""
    own = [item.digest if isinstance(item, Latents) else getattr(item, "made", "") for item in items]
    files = network_files(replace(stage, latents_processors=chain, img2img_latents_processors=()))
    if files is None or not all(own):
        return ""
    return hashlib.sha256(
        repr((own, [(link.name, dict(link.arguments)) for link in chain], files)).encode()
    ).hexdigest()


def _no_vae() -> Any:
    raise HandoffError(
        "upscaler;model= works between two stages that go on from each other's latents: write it in "
        f"{option('latents_processors')}."
    )


def network_files(stage: Stage) -> str | None:
    """A digest of the files of the networks that change what goes into a stage; None where they are not all here."""
    links = [link for link in (*stage.latents_processors, *stage.img2img_latents_processors) if link.name in NETWORKS]
    if not links:
        return ""
    facts = describe(stage.model)
    try:
        return files_digest((str(number), _found(link, stage, facts).digest) for number, link in enumerate(links))
    except (HandoffError, OSError):
        return None


def outline_after(stage: Stage, outline: Outline, pasted: Sequence[Standing], facts: ModelFacts) -> Outline:
    """The facts of the latents that a stage gives, its ``--latents-post-processors`` done.

    Args:
        stage: The stage.
        outline: What its steps will make.
        pasted: See `bench_of`.
        facts: Its model's.

    Raises:
        JupyterLatentsError: A processor cannot change them.
    """
    if not stage.latents_post_processors:
        return outline
    bench = bench_of(stage, pasted, facts)
    (made,) = changed([outline.stand_in()], stage.latents_post_processors, bench, "latents_post_processors")
    return replace(Outline.of(made), provenance=outline.provenance, has_estimate=False)


def result_of_post(stage: Stage, latents: Latents, pasted: Sequence[Latents]) -> Latents:
    """The latents that a stage gives, its ``--latents-post-processors`` done; they say what cell made them.

    Args:
        stage: The stage.
        latents: What its steps made.
        pasted: See `bench_of`.

    Raises:
        JupyterLatentsError: A processor cannot change them.
    """
    bench = bench_of(stage, pasted, describe(stage.model), _no_vae)
    (made,) = changed([latents], stage.latents_post_processors, bench, "latents_post_processors")
    return made.replace(provenance=replace(made.provenance, cell=latents.provenance.cell), denoised=None)
