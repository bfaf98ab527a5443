"""The models of one plan or one run: what an engine says of each, asked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_latents.engine import Engine, ModelCard
    from jupyter_latents.stage import ModelSource

__all__ = ["Models"]


class Models:
    """Asks an engine what a model is, and remembers the answer.

    Args:
        engine: Is asked.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._cards: dict[ModelSource, ModelCard] = {}

    def card(self, model: ModelSource) -> ModelCard:
        """What the engine says of a model.

        Args:
            model: What a stage names.

        Raises:
            ModelError: See `Engine.describe`.
        """
        if model not in self._cards:
            self._cards[model] = self.engine.describe(model)
        return self._cards[model]

    def fetch(self, model: ModelSource) -> ModelCard:
        """What the engine says of a model that it lacks, once it has fetched it.

        Args:
            model: What a stage names.

        Raises:
            ModelError: It cannot be fetched.
        """
        self.engine.fetch(model)
        self._cards.pop(model, None)
        return self.card(model)
