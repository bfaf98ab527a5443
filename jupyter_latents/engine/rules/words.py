"""Words in angle brackets that no textual inversion gives: they are text, which is told."""

from __future__ import annotations

from dataclasses import fields

from jupyter_latents.engine.models.addons.inversions import MARKED, vocabulary
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.stage import Stage

__all__ = ["words_remark"]


def words_remark(stage: Stage, facts: ModelFacts) -> str:
    """That words of prompts look like those of textual inversions and are text, as none are given.

    Args:
        stage: What is asked for. Where it names inversions, an unknown word is refused instead.
        facts: Its model's; the vocabularies of its tokenizers are read only where a prompt holds such a word.
    """
    if stage.model.textual_inversions:
        return ""
    texts = (getattr(stage.prompt, row.name) for row in fields(stage.prompt))
    words = dict.fromkeys(word for text in texts if isinstance(text, str) for word in MARKED.findall(text))
    if not words:
        return ""
    known = [vocabulary(part) for name, part in facts.sources.items() if name.startswith("tokenizer")]
    unknown = [word for word in words if not any(word in own for own in known)]
    if not unknown:
        return ""
    one = len(unknown) == 1
    said = f"{', '.join(unknown)} {'is' if one else 'are'} painted as text"
    if facts.family.text not in ("clip", "two clips"):
        return f"{said}: {facts.family.name} reads no textual inversions"
    taught = "it" if one else "them"
    return f"{said}: no textual inversions are given, which would teach the model {taught}"
