"""What people do with the fields of a panel, put into its forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import JupyterLatentsError, LatentsError
from jupyter_latents.latents.sequence import LatentsSequence
from jupyter_latents.session.cells.reading import cell_in

from .fields import beside
from .model import Mark, PanelModel
from .plans.knowledge import Knowledge
from .uploads import take_file
from .variables import latents_of, progress

if TYPE_CHECKING:
    from jupyter_latents.session import Session

    from .form import StageForm

__all__ = ["Changes"]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes the forms of a panel.

    Attributes:
        session: Holds the variables.
        model: The stages.
        known: What was found out about them.
    """

    session: Session
    model: PanelModel
    known: Knowledge

    def edit(self, form: StageForm, name: str, value: Any) -> None:
        """Puts what was typed or chosen into a form.

        Args:
            form: The stage's.
            name: The field's name; ``window`` for the slider.
            value: Its text; two steps for ``window``.
        """
        if name == "window":
            self.known.take_window(form, *value)
        elif name == "latents":
            self.model.take_latents(value, progress(self.session.names.get(value)), form)
        else:
            setattr(form, name, value.strip() if name == "model" else value)

    def upload(self, form: StageForm, name: str, file: str, content: bytes) -> str:
        """Binds a file to a variable and puts that into a form; a fault of the file is marked at the field.

        Args:
            form: The stage's.
            name: The field's name.
            file: The file's name.
            content: Its bytes.

        Returns:
            What to say of it; empty where it is no use.
        """
        try:
            bound = take_file(self.session, file, content, name)
        except JupyterLatentsError as error:
            self.known.blame(Mark(self.model.index(form), name, beside(error, name)))
            return ""
        if name == "latents":
            self.model.take_latents(bound, progress(self.session.names[bound]), form)
        else:
            setattr(form, name, bound)
        return f"{file} is bound to {bound}"

    def open_picture(self, file: str, content: bytes) -> str:
        """The cell that a picture or a film leads back to.

        Args:
            file: Its name.
            content: Its bytes.

        Raises:
            LatentsError: A film, and there is no codec here.
            NameNotFoundError: It is neither, or does not say how it was made.
        """
        return cell_in(content, file)

    def last_seed(self, form: StageForm, result: Any) -> str:
        """The seed that a stage's result was made with.

        Args:
            form: The stage's.
            result: The last result of all; for a stage whose own has no name.

        Returns:
            The seed; empty where there is no result, or it says none.
        """
        made = self.session.names.get(form.into, result) if form.into else result
        last = made[-1] if isinstance(made, LatentsSequence) and len(made) else made
        seed = getattr(getattr(last, "provenance", None), "seed", None)
        return "" if seed is None else str(seed)

    def fill(self, name: str) -> None:
        """Fills the selected form from what latents say of how they were made.

        Args:
            name: The variable that holds them.

        Raises:
            LatentsError: It holds none.
        """
        held = {name: one for name, one in latents_of(self.session.names).items() if hasattr(one, "provenance")}
        if name not in held:
            raise LatentsError("Choose latents in the list beside the button; they tell how they were made.")
        self.model.fill(held[name], held)
