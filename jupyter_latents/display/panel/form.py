"""What a person fills in for one stage: plain texts, and the script lines they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_latents.syntax.compose import lines
from jupyter_latents.syntax.options.fields import default

__all__ = ["StageForm"]

_QUOTED = re.compile(r"""(["'])(?:\\.|(?!\1).)*\1""")
_LINE_END = re.compile(r"\s*[\r\n]+\s*")


@dataclass(slots=True)
class StageForm:
    r"""One model and its options as typed; an empty text leaves the option out.

    Texts are words of a script: templates and ``$NAME`` in them are live (``\$NAME`` is text), and where an option
    multiplies, several numbers with spaces between them are several values.

    Attributes:
        model: Model name.
        prompt: What to paint.
        negative: What to keep out.
        seed: Seeds.
        steps: Steps of the whole schedule.
        guidance: Guidance scales.
        scheduler: Scheduler class name, with settings where it has any.
        size: Picture size, ``128`` or ``128x64``.
        start: ``--denoising-start``, a fraction.
        end: ``--denoising-end``, a fraction.
        strength: How much of an input image is noised.
        image: Variable or path of the input image.
        mask: Variable or path of the inpaint mask.
        latents: Variable or path of the latents to go on from.
        into: Variable that the result is bound to.
        output: Folder that files are written to.
        more: All other options, as script text.
    """

    model: str = ""
    prompt: str = ""
    negative: str = ""
    seed: str = ""
    steps: str = ""
    guidance: str = ""
    scheduler: str = ""
    size: str = ""
    start: str = ""
    end: str = ""
    strength: str = ""
    image: str = ""
    mask: str = ""
    latents: str = ""
    into: str = ""
    output: str = ""
    more: str = ""

    def take(self, other: StageForm) -> None:
        """Takes on all that another form holds; it stays the same stage."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    @property
    def step_count(self) -> int:
        """Steps of the whole schedule as far as the texts tell, 1 or more."""
        first = self.steps.split()[:1]
        if first and first[0].isdecimal() and len(first[0]) < 5:
            return max(1, int(first[0]))
        return int(default("num_inference_steps"))

    def seed_text(self) -> str:
        """The image seed that the three inputs make; empty without any."""
        image = f"images: {self.image}" if "," in _QUOTED.sub("", self.image) else self.image
        if self.latents and not self.image:
            parts = [f"latents: {self.latents}", self.mask and f"mask={self.mask}"]
        else:
            parts = [image, self.mask and f"mask={self.mask}", self.latents and f"latents={self.latents}"]
        return ";".join(part for part in parts if part)

    def lines(self) -> dict[str, str]:
        """Its script lines by the option's `dest`; the model's is under ``model``, further options under ``more``."""
        whole = {
            "prompts": self.prompt,
            "negative_prompts": self.negative,
            "image_seeds": self.seed_text(),
            "schedulers": self.scheduler,
            "output_size": self.size,
            "denoising_start": self.start,
            "denoising_end": self.end,
            "into": self.into,
            "output_path": self.output,
        }
        several = {
            "seeds": self.seed,
            "inference_steps": self.steps,
            "guidance_scales": self.guidance,
            "strengths": self.strength,
        }
        rows: dict[str, tuple[str, ...]] = {dest: (_LINE_END.sub(" ", text),) for dest, text in whole.items() if text}
        rows |= {dest: tuple(_words(text)) for dest, text in several.items() if text.strip()}
        model = _LINE_END.sub(" ", self.model) if self.model.strip() else ""
        made = lines(model or "-", rows, variables=True)
        made["model"] = made["model"] if model else ""
        more = _LINE_END.sub(" ", self.more).strip()
        return {dest: line for dest, line in (made | {"more": more}).items() if line}


def _words(text: str) -> list[str]:
    return [text] if "{{" in text or "{%" in text else text.split()
