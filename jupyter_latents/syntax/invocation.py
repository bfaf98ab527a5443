"""One invocation, and the stages that its options multiply to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_latents.errors import Place
from jupyter_latents.stage import LatentsProcessor, ModelSource, Output, Prompt, Stage, Window

from .lines import nothing
from .options.arguments import Arguments
from .options.table import NESTING
from .prompts import split_prompt

__all__ = ["Invocation"]


@dataclass(frozen=True)
class Invocation:
    """One model and its options, as written.

    Attributes:
        model: Demo model, hub name, folder or file.
        values: The values of each option that was given, by its name in the table's `dest`.
        arguments: The words behind the values; they know their places.
        check: Called for each stage; it raises to stop.
        opens: Makes the same invocation with the environment's values, where some are veiled.
    """

    model: str
    values: Mapping[str, tuple[Any, ...]]
    arguments: Arguments = field(repr=False, compare=False)
    check: Callable[[], None] = field(default=nothing, repr=False, compare=False)
    opens: Callable[[], Invocation] | None = field(default=None, repr=False, compare=False)

    def real(self) -> Invocation:
        """The same with the environment's values, for the run."""
        return self if self.opens is None else self.opens()

    @property
    def place(self) -> Place | None:
        """Where the model is named."""
        return self.arguments.model.place

    def place_of(self, dest: str, index: int = 0) -> Place | None:
        """Where an option's value stands; the option, then the model, where there is none.

        Args:
            dest: The option, by the table's `dest` (``image_seeds``) or its name (``--image-seeds``).
            index: Which of its values.
        """
        name = dest.lstrip("-").replace("-", "_") if dest.startswith("--") else dest
        return self.arguments.place(name, index)

    def first(self, dest: str, default: Any = None) -> Any:
        """The first value of an option, or `default`."""
        values = self.values.get(dest)
        return values[0] if values else default

    def stages(self) -> tuple[Stage, ...]:
        """Returns one stage for each combination; prompts change slowest, seeds fastest."""
        model, links, output = self._model(), self._processors(), self._output()
        return tuple(self._stage(choice, model, links, output) for choice in self.choices())

    def choices(self) -> Iterator[dict[str, Any]]:
        """Yields one value of each multiplying option at a time, in the order of the stages.

        Only options that were given are keys; they name rows and columns of a grid.
        """
        paired = bool(self.first("seeds_to_images"))
        given = [dest for dest in NESTING if self.values.get(dest) and not (paired and dest == "seeds")]
        for indices in itertools.product(*(range(len(self.values[dest])) for dest in given)):
            self.check()
            choice = {dest: self.values[dest][index] for dest, index in zip(given, indices, strict=True)}
            if paired:
                choice["seeds"] = self.values["seeds"][indices[given.index("image_seeds")]]
            yield choice

    def _stage(
        self, choice: Mapping[str, Any], model: ModelSource, links: tuple[LatentsProcessor, ...], output: Output
    ) -> Stage:
        sigmas = choice.get("sigmas")
        return Stage(
            model=model,
            prompt=_prompt(choice),
            seed=choice.get("seeds"),
            num_inference_steps=max(1, sum(sigma > 0 for sigma in sigmas))
            if sigmas
            else choice.get("inference_steps", 30),
            guidance_scale=choice.get("guidance_scales", 5.0),
            guidance_rescale=choice.get("guidance_rescales"),
            strength=choice.get("strengths"),
            scheduler=choice.get("schedulers"),
            sigmas=sigmas,
            window=Window(choice.get("denoising_start"), choice.get("denoising_end")),
            image_seed=choice.get("image_seeds"),
            size=self.first("output_size"),
            batch_size=self.first("batch_size", 1),
            batch_seeds=self.first("batch_seeds", False),
            clip_skip=choice.get("clip_skips"),
            latents_processors=links,
            output=output,
            into=self.first("into"),
            force=self.first("force", False),
        )

    def _model(self) -> ModelSource:
        offload = "model" if self.first("model_cpu_offload") else None
        return ModelSource(
            name=self.model,
            model_type=self.first("model_type"),
            revision=self.first("revision"),
            variant=self.first("variant"),
            subfolder=self.first("subfolder"),
            dtype=self.first("dtype", "auto"),
            device=self.first("device"),
            vae=self.first("vae"),
            loras=self.values.get("loras", ()),
            control_nets=self.values.get("control_nets", ()),
            quantizer=self.first("quantizer"),
            offload="sequential" if self.first("model_sequential_offload") else offload,
            vae_tiling=self.first("vae_tiling", False),
            vae_slicing=self.first("vae_slicing", False),
            auth_token=self.first("auth_token"),
            offline=self.first("offline", False),
            optimize=self.values.get("optimize", ()),
        )

    def _processors(self) -> tuple[LatentsProcessor, ...]:
        return tuple(link for chain in self.values.get("latents_processors", ()) for link in chain)

    def _output(self) -> Output:
        return Output(
            path=self.first("output_path"),
            format=self.first("image_format"),
            prefix=self.first("output_prefix"),
            overwrite=self.first("output_overwrite", False),
        )


def _prompt(choice: Mapping[str, Any]) -> Prompt:
    positive, negative = split_prompt(choice.get("prompts", ""))
    second, second_negative = split_prompt(choice["second_prompts"]) if "second_prompts" in choice else (None, None)
    third, third_negative = split_prompt(choice["third_prompts"]) if "third_prompts" in choice else (None, None)
    return Prompt(
        positive,
        choice.get("negative_prompts", negative or ""),
        second,
        second_negative,
        third,
        third_negative,
    )
