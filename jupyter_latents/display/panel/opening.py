"""Opens the control panel, one at a time in a kernel, and leaves a plain output where it was."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import SettingError
from jupyter_latents.wording import as_html

from .form import StageForm
from .model import PanelModel

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session import Session

    from .control import Panel

__all__ = ["OpenPanel", "panel"]

# A notebook that is opened again has no widget, and would say so above the text.
_INSTEAD = """.jp-OutputArea:has(.dgp-saved):not(:has(.dgp-panel)) > .jp-OutputArea-child:has(
> .lm-Panel.jp-OutputArea-output) { display: none }"""

_open: list[OpenPanel] = []
_left: list[tuple[PanelModel, str]] = []  # the stages of the last one, and what was typed and not taken in


def panel(start: str | Latents | None = None, *, session: Session | None = None) -> OpenPanel:
    """Opens the control panel: stages as forms, and the ``%%dgen`` cell they stand for.

    A kernel has one panel; opening another closes the one before. Without `start` the new one begins with what the
    old one held.

    Args:
        start: The text of a cell, or latents whose making fills the first stage.
        session: The session to work in; the kernel's by default.

    Returns:
        The panel, which displays itself as the last line of a cell.

    Raises:
        ScriptError: The text is no script, or has parts that a panel does not show.
        SettingError: `start` is something else.
    """
    from jupyter_latents.display.wiring import session_with_display

    if session is None:
        session = session_with_display(_kernel_names())
    model = _model(start, session) if start is not None or not (_open or _left) else None
    close_open()
    typed = ""
    if model is None:
        model, typed = _left[0][0].copied(), _left[0][1]
    opened = OpenPanel(session, model)
    if typed:
        opened.panel.type_script(typed)
    _open.append(opened)
    return opened


def close_open() -> None:
    """Closes the panel that is open, if there is one."""
    while _open:
        _open[-1].close()


class OpenPanel:
    """A panel as it stands in a notebook.

    Attributes:
        panel: Its widgets and what they do.

    Args:
        session: The kernel's session.
        model: What it begins with.
    """

    def __init__(self, session: Session, model: PanelModel) -> None:
        from .control import Panel

        self._display_ids: list[str] = []
        self._text_ids: list[str] = []
        self._unhook = _after_cells(self._cell_ran)
        self.panel: Panel = Panel(session, model, self._leave, self._changed)

    @property
    def text(self) -> str:
        """The equivalent cell, without its ``%%dgen`` line."""
        return self.panel.text

    def close(self) -> None:
        """Closes it; the text stays in its place, the last result below it, and a run goes on."""
        self.panel.close()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The widget, and the text for whoever shows no widgets."""
        if self.panel.closed:
            return self._static()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.panel.widgets.box.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, **self._static()}

    def _ipython_display_(self) -> None:
        from jupyter_latents.display.screens import publish

        self._display_ids.append(uuid.uuid4().hex)
        publish(self._repr_mimebundle_(), self._display_ids[-1])
        if not self.panel.closed:
            self._text_ids.append(uuid.uuid4().hex)
            publish(self._saved(), self._text_ids[-1])
            self.panel.results.show()

    def _display_(self) -> Any:
        """What marimo shows: where the panel runs, and the text that it holds."""
        from jupyter_latents.display.marimo import NO_PANEL

        return f"{NO_PANEL}\n\n{self!r}"

    def __repr__(self) -> str:
        text = self.panel.left_text
        return text if text.startswith("%%dgen") else f"%%dgen\n{text}"

    def _static(self) -> dict[str, Any]:
        """What stays: the cell's text."""
        return {"text/html": f"<pre>{as_html(repr(self))}</pre>", "text/plain": repr(self)}

    def _saved(self) -> dict[str, Any]:
        """What a saved notebook shows in place of a panel that was open; beside the panel it is not seen."""
        text = as_html(repr(self))
        return {"text/html": f'<style>{_INSTEAD}</style><pre class="dgp-saved">{text}</pre>', "text/plain": ""}

    def _changed(self, _: str) -> None:
        from jupyter_latents.display.screens import publish

        for display_id in self._text_ids:
            publish(self._saved(), display_id, update=True)

    def _leave(self, _: Panel) -> None:
        from jupyter_latents.display.screens import publish

        self._unhook()
        _left[:] = [(self.panel.model.copied(), self.panel.typed)]
        if self in _open:
            _open.remove(self)
        for display_id in self._display_ids:
            publish(self._static(), display_id, update=True)
        for display_id in self._text_ids:
            publish({"text/html": "", "text/plain": ""}, display_id, update=True)

    def _cell_ran(self, *_: Any) -> None:
        """Variables may have changed."""
        self.panel.cell_ran()


def _model(start: str | Latents | None, session: Session) -> PanelModel:
    from jupyter_latents.engine import known_models
    from jupyter_latents.latents.arguments import shown

    from .variables import free_name, latents_of

    made = PanelModel([StageForm(model=known_models()[0], into=free_name("base", session.names))])
    if isinstance(start, str):
        made.apply(start)
    elif start is not None and not hasattr(start, "provenance"):
        wanted = "give the text of a cell, or latents, whose making fills the first stage."
        raise SettingError(f"start is {shown(start)}; {wanted}")
    elif start is not None:
        made.fill(start, {n: one for n, one in latents_of(session.names).items() if hasattr(one, "provenance")})
    return made


def _kernel_names() -> Any:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell.user_ns if shell is not None else None


def _after_cells(work: Callable[..., None]) -> Callable[[], None]:
    """Has work done after each cell; returns what ends it."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return lambda: None
    shell.events.register("post_run_cell", work)
    return lambda: shell.events.unregister("post_run_cell", work)
