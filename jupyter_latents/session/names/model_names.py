"""What models are called where a value of the environment names them: ``$NAME``, as the script says it."""

from __future__ import annotations

__all__ = ["ModelNames"]


class ModelNames:
    """Names of models that hold a value of the environment, and what stands in their place for people."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def remember(self, name: str, told: str) -> None:
        """Keeps what a model is called.

        Args:
            name: Its name.
            told: The same as the script says it.
        """
        if name != told:
            self._told[name] = told

    def hidden(self, text: str) -> str:
        """A text with the models in it called as scripts call them; longer names first."""
        for name in sorted(self._told, key=len, reverse=True):
            text = text.replace(name, self._told[name])
        return text

    def real(self, told: str) -> str:
        """The name of the model that is called so, or that name itself."""
        return next((name for name, called in reversed(self._told.items()) if called == told), told)
