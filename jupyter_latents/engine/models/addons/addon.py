"""The protocol of what a stage puts on a model: found, with parts and a digest; put on; asked at the call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_latents.engine.models.files.digests import FileMark
from jupyter_latents.engine.models.parts import PartSource
from jupyter_latents.engine.models.places.hub import HubFiles

if TYPE_CHECKING:
    from jupyter_latents.engine.given.inputs import Call, Inputs
    from jupyter_latents.engine.models.facts import ModelFacts

__all__ = ["Addon"]


class Addon(ABC):
    """What one field of `ModelSource` puts on a model, found on this machine and checked; no weights are read yet.

    A row says its digest, and overrides of the rest what it has. The digest alone enters the model's identity and
    the keys of the parts that the addon changes, so it must tell all that the addon does.

    Attributes:
        mark: What the keys of changed parts call it, such as ``loras``.
        field: The field of `ModelSource` that it is of, where that marks its addresses as having windows.
        last: Whether it is put on with all other parts of the model at hand.
        dest: The option that is to blame for its objections; empty where they name it themselves.
    """

    mark: ClassVar[str] = ""
    field: ClassVar[str] = ""
    last: ClassVar[bool] = False
    dest: ClassVar[str] = ""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Text that tells it from every other of its kind: files by their content, settings by their values."""

    @property
    def key(self) -> str:
        """What of the digest tells the parts that it changes from others."""
        return self.digest

    @property
    def parts(self) -> tuple[PartSource, ...]:
        """The parts it brings; one named as a part of the model takes that part's place."""
        return ()

    @property
    def without(self) -> tuple[str, ...]:
        """Names of the model's own parts that are left out."""
        return ()

    @property
    def steering(self) -> str:
        """How it steers the model, whose pipelines are then others: ``control``, ``t2i``; see `Family.special`."""
        return ""

    @property
    def story(self) -> str:
        """What results say of it under the name of its option, `dest`: files and settings; empty for nothing."""
        return ""

    @property
    def weights(self) -> tuple[str, ...]:
        """Digests of what makes the denoiser another model, as LoRAs do; latents remember them."""
        return ()

    @property
    def marks(self) -> frozenset[FileMark]:
        """Of the files that it puts on parts, as they were before their digest was taken; see `PartSource.marks`."""
        return frozenset()

    @property
    def hub(self) -> tuple[HubFiles, ...]:
        """Its weight files that are on the hub alone, and are fetched after the verdict."""
        return tuple(part.hub for part in self.parts if part.hub is not None)

    def misfit(self, _facts: ModelFacts, /) -> str:
        """Why it does not fit the model with all that is put on it, as a sentence; empty where it does."""
        return ""

    def changes(self, _facts: ModelFacts, /) -> tuple[str, ...]:
        """Names of the parts that are read for this addon alone, since it changes them."""
        return ()

    def reading(self, _part: PartSource, _dtype: Any, /) -> dict[str, Any]:
        """Further arguments of the ``from_pretrained`` of a part that it changes, in a torch dtype."""
        return {}

    def put_on(self, _facts: ModelFacts, _parts: Mapping[str, Any], own: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Changes parts that nobody else holds.

        Args:
            _facts: The model.
            _parts: Its parts at hand, which stay as they are; all of them where the addon is put on `last`.
            own: The parts to change, as `changes` names them.

        Returns:
            The changed parts.

        Raises:
            ModelError: It does not fit them.
        """
        return own

    def components(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """What a pipeline is given of the parts it brings, loaded."""
        return dict(own)

    def around(self, _parts: Mapping[str, Any], /) -> AbstractContextManager[Any]:
        """Wraps a run with the loaded model's parts."""
        return nullcontext()

    def during(self, _parts: Mapping[str, Any], _active: tuple[int, ...], /) -> AbstractContextManager[Any]:
        """Wraps the steps of a window in which only some of the addresses of its field hold.

        Args:
            _parts: The loaded model's parts, as `put_on` left them.
            _active: The places of those addresses.
        """
        return nullcontext()

    def holds(self, call: Call, count: int) -> tuple[int, ...]:
        """The places of its addresses that hold at a call.

        Args:
            call: The call.
            count: How many addresses there are.
        """
        return call.active.get(self.field, tuple(range(count)))

    def objection(self, _call: Call, /) -> str:
        """Why it cannot serve a call, known before any weights load; empty where it can.

        Raises:
            ModelError: It cannot, and something else than its own option is to blame.
        """
        return ""

    def notes(self, _call: Call, /) -> tuple[str, ...]:
        """What is to be told of it and a call, known before any weights load."""
        return ()

    def arguments(self, _call: Call, _inputs: Inputs, /) -> dict[str, Any]:
        """Further arguments of a pipeline's call that it has no objection to, with what goes into the stage."""
        return {}
