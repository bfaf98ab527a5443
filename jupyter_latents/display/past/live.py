"""The gallery in a notebook with its kernel: one widget, told all when it asks; the lasting output when saved."""

from __future__ import annotations

import uuid
import weakref
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.past.page import gallery_data, small
from jupyter_latents.display.pictures.images import jpeg, montage
from jupyter_latents.display.publishing import Publisher, publish
from jupyter_latents.errors import JupyterLatentsError, LatentsError
from jupyter_latents.latents.arguments import shown

if TYPE_CHECKING:
    from jupyter_latents.display.past.showing import Gallery
    from jupyter_latents.session.results import PastResult

__all__ = ["GalleryScreen"]

_SIDE = 192
_FAILURES = (JupyterLatentsError, OSError, RuntimeError, ValueError)
_open: weakref.WeakSet[GalleryScreen] = weakref.WeakSet()


class GalleryScreen:
    """A live gallery; one that is opened later leaves the lasting output in the place of this one.

    Args:
        gallery: What it shows.
    """

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self.widget: Any = None
        self._display_id = uuid.uuid4().hex
        self._publisher = Publisher()
        self._told = -1
        self._widgets = 0

    def show(self) -> None:
        """Shows it."""
        for other in list(_open):
            other.retire()
        self._open_widget(update=False)
        self.gallery.session.results.watch(self.hear)

    def _open_widget(self, *, update: bool) -> None:
        from jupyter_latents.display.past.widget import GalleryWidget
        from jupyter_latents.display.widget import answer_on_the_asking_thread

        self.widget = GalleryWidget()
        self._widgets += 1
        answer_on_the_asking_thread(self.widget)
        self.widget.on_msg(self._receive)
        _open.add(self)
        self.widget.keeper = self  # as long as the widget is there, so is what answers it
        model = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        bundle = {"application/vnd.jupyter.widget-view+json": model, "text/plain": repr(self.gallery)}
        publish(bundle, self._display_id, update=update, by=self._publisher)

    def hear(self) -> None:
        """There is a new result: the page may ask for it."""
        if self.widget is not None:
            self.widget.send({"news": True})

    def retire(self) -> None:
        """Leaves the lasting output in its place."""
        publish(self.gallery.bundle(), self._display_id, update=True, by=self._publisher)
        self.close()

    def close(self) -> None:
        """Closes the widget."""
        _open.discard(self)
        if self.widget is not None:
            layout = self.widget.layout
            self.widget.close()
            layout.close()
            self.widget = None

    def _receive(self, _widget: Any, content: object, _buffers: object) -> None:
        if not isinstance(content, dict) or self.widget is None:
            return
        acts = {"sync": self._asked, "news": self._news, "bind": self._bind, "next": self._next, "whole": self._whole,
                "compare": self._compare}  # fmt: skip
        act = acts.get(str(content.get("cmd")))
        try:
            if act is not None:
                act(content)
        except _FAILURES as error:
            self.widget.send({"said": getattr(error, "message", str(error)) or type(error).__name__})

    def _asked(self, content: dict[str, Any]) -> None:
        """Tells a page everything; one that hears nothing gets another widget, and in the end the lasting output."""
        from jupyter_latents.display.widget import MOST_WIDGETS

        if not self.widget.is_deaf(str(content.get("page"))):
            self._sync(content)
        elif self._widgets == MOST_WIDGETS:
            self.retire()
        else:
            self.close()
            text = {"text/plain": repr(self.gallery)}  # JupyterLab hides the place where a widget was closed
            publish(text, self._display_id, update=True, by=self._publisher)
            self._open_widget(update=True)

    def _sync(self, _content: dict[str, Any]) -> None:
        """Tells everything."""
        session, found = self.gallery.session, self.gallery.results()
        self._told = session.results.count
        buffers = [small(session, one, _SIDE) for one in found]
        data = {**gallery_data(session, found), "live": self._names(found)}
        self.widget.send({"all": data, "model": self.widget.model_id}, buffers)
        self.widget.send({"lasting": self.gallery.bundle(), "model": self.widget.model_id, "later": True})

    def _news(self, content: dict[str, Any]) -> None:
        """Tells everything again where there is more than the page knows."""
        if self.gallery.session.results.count != self._told:
            self._sync(content)

    def _names(self, found: list[PastResult]) -> dict[str, str]:
        """How the kernel's variables call the results that they hold."""
        named = self._variables()
        return {str(one.number): name for one in found if (name := named.get(one.digest, ""))}

    def _variables(self) -> dict[str, str]:
        from jupyter_latents.session.names.variables import latents_in

        return {latents.digest: name for name, latents in latents_in(self.gallery.session.names).items()}

    def _bind(self, content: dict[str, Any]) -> None:
        """Binds a result to a name."""
        name = content.get("name")
        if not isinstance(name, str) or not name.strip():
            raise LatentsError("type the name of a variable beside Bind.")
        bound = self.gallery.session.bind_result(name.strip(), self._result(content.get("item")))
        self._sync(content)
        self.widget.send({"said": f"{bound} is bound"})

    def _next(self, content: dict[str, Any]) -> None:
        """Gives the cell that goes on from a result, which is bound first where no variable holds it."""
        one = self._result(content.get("item"))
        name = self._variables().get(one.digest, "") or self._bound_anew(one)
        cell = self.gallery.session.cell_onward(one, name).rstrip("\n")
        self.widget.send({"cell": cell, "new": True})

    def _compare(self, content: dict[str, Any]) -> None:
        """Gives the cell that compares two results."""
        items = content.get("items")
        if not isinstance(items, list) or len(items) != 2:
            raise LatentsError("choose two results to compare, the second with Shift and a click.")
        several = [self._result(item) for item in items]
        names = [self._variables().get(one.digest, "") or self._bound_anew(one) for one in several]
        cell = f"import jupyter_latents\n\njupyter_latents.compare({', '.join(names)})"
        self.widget.send({"cell": cell, "new": True})

    def _bound_anew(self, one: PastResult) -> str:
        """Binds a result to a name that nothing has."""
        names, number = self.gallery.session.names, one.number
        while f"result_{number}" in names:
            number += 1
        return self.gallery.session.bind_result(f"result_{number}", one)

    def _whole(self, content: dict[str, Any]) -> None:
        """Sends a result's picture in full size."""
        from jupyter_latents.latents.clip import stills

        session, one = self.gallery.session, self._result(content.get("item"))
        if one.latents is None or one.noise:
            return  # the small picture is all that there is
        pictures = stills(session.decode(one.latents))
        self.widget.send({"whole": {"b": 0, "item": one.number}}, [jpeg(montage(pictures), quality=92)])

    def _result(self, number: object) -> PastResult:
        """The result that a message means.

        Raises:
            LatentsError: There is none.
        """
        found = next((one for one in self.gallery.session.results.newest() if one.number == number), None)
        if found is None or type(number) is not int:
            raise LatentsError(f"no result is chosen: item is {shown(number)}.")
        return found
