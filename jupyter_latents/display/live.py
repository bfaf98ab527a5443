"""The live view in a notebook: messages to and from one widget, replaced by the static output at the end."""

from __future__ import annotations

import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.payload import crew, head, point_data
from jupyter_latents.display.pictures.images import shown
from jupyter_latents.display.screens import OutputScreen

if TYPE_CHECKING:
    from jupyter_latents.display.records.stage_record import Point
    from jupyter_latents.display.view import RunView

__all__ = ["LiveScreen", "close_old_views"]

_PICTURE_SIDE = 768
_WIDGET_SECONDS = 0.25
_UNASKED_SECONDS = (1.5, 4.0, 10.0, 30.0)
_open: weakref.WeakSet[LiveScreen] = weakref.WeakSet()


class LiveScreen(OutputScreen):
    """One widget, which asks for everything when it is drawn (``{cmd: "sync"}``) and is then told only what is new.

    Where it cannot be heard while a cell runs (no subshells) it is told everything unasked, at a few moments only.
    Commands may arrive on any thread: they set flags or are queued until the next update.

    The lasting output goes out twice. Under the display id it reaches the page that ran the cell. A page that was
    reloaded, or opened later, knows no display ids: its view is given the output and puts it in its own place.
    """

    live = True

    def __init__(self, view: RunView, display_id: str | None = None) -> None:
        super().__init__(view, display_id)
        self.widget: Any = None
        self._asked: deque[dict[str, Any]] = deque()
        self._listening = False
        self._pages: set[str] = set()
        self._widgets = 0
        self._lasting: dict[str, Any] | None = None
        self._owed = False
        self._unasked = deque(_UNASKED_SECONDS)
        self._shown = 0.0
        self._told: dict[str, Any] = {}
        self._marks: list[tuple[bool, bool]] = []
        self._pictures: set[int] = set()
        self._looks: dict[int, bytes] = {}

    def show(self) -> None:
        """See `Screen.show`; a run that ends within a moment gets no widget at all."""
        close_old_views()
        self._shown = time.monotonic()
        if self.view.record.ended is not None:
            self._open_widget(update=self._replaces)
        else:
            super().show()

    def update(self) -> None:
        """See `Screen.update`."""
        now = time.monotonic()
        if self.widget is None:
            if now - self._shown >= _WIDGET_SECONDS:
                self._open_widget(update=True)
            return
        while self._asked:
            self._answer(self._asked.popleft())
        if self.widget is None:
            return
        if self._owed:
            self._send_lasting()
        if not self._listening and self._unasked and now - self._shown >= self._unasked[0]:
            self._unasked.popleft()
            self._forget()
        if self._listening or len(self._unasked) < len(_UNASKED_SECONDS):
            self._send_news()

    def _open_widget(self, *, update: bool) -> None:
        from jupyter_latents.display.widget import LiveWidget, answer_on_the_asking_thread

        self.widget = LiveWidget()
        self._widgets += 1
        answer_on_the_asking_thread(self.widget)
        self.widget.on_msg(self._receive)
        _open.add(self)
        model = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        gone = "its live view needs the kernel that ran it; where that is gone, run the cell again"
        bundle = {"application/vnd.jupyter.widget-view+json": model, "text/plain": f"{self.line()}: {gone}"}
        self._publish(bundle, update=update)

    def finish(self) -> None:
        """See `Screen.finish`; the widget waits until each page has the lasting output, or for the next view."""
        self._lasting = self.bundle()
        self._publish(self._lasting, update=True)
        if len(self._pages) > 1:
            self._send_news()
            self._send_lasting()

    @property
    def open(self) -> bool:
        """See `Screen.open`."""
        return self.widget is not None

    def close(self) -> None:
        """Closes the widget; what was queued for it is dropped with it."""
        _open.discard(self)
        if self.widget is not None:
            self.widget.on_msg(self._receive, remove=True)
            layout = self.widget.layout
            self.widget.close()
            layout.close()  # ipywidgets makes one for each widget and keeps it
            self.widget = None

    def retire(self) -> None:
        """Leaves the static output of an ended run in place of the widget."""
        if self.view.record.ended is None:
            return
        if self._lasting is None:
            self.finish()
        self.close()

    def _receive(self, _widget: Any, content: object, _buffers: object) -> None:
        if not isinstance(content, dict):
            return
        run, command = self.view.run, content.get("cmd")
        if command == "stop" and run is not None:
            run.stop()
        elif command == "pause" and run is not None:
            run.pause()
        elif command == "resume" and run is not None:
            run.resume()
        elif command in ("cancel", "advance") and type(content.get("place")) is int:
            (self.view.queue.cancel if command == "cancel" else self.view.queue.advance)(content["place"])
        elif command == "free" and isinstance(content.get("stop"), bool):
            self.view.queue.free(stop=content["stop"])
        elif command == "each" and isinstance(content.get("on"), bool):
            self.view.preview_each(on=content["on"])
        else:
            self._asked.append(content)
        self.view.poke()

    def _answer(self, content: dict[str, Any]) -> None:
        from jupyter_latents.display.actions import answer, cell_asked, whole_picture

        command = content.get("cmd")
        if command == "sync":
            page = str(content.get("page"))
            if self._is_deaf(page):
                self._begin_anew(page)
                return
            self._listening = True
            self._pages.add(page)
            self._owed = self.view.record.ended is not None
            self._forget()
            return
        if command == "left":
            self._pages.discard(str(content.get("page")))
            if self._lasting is not None and not self._pages:
                self.close()
            return
        if command == "whole":
            whole = whole_picture(self.view, content)
            if whole is not None:
                self.widget.send({"whole": {"b": 0}}, [whole])
            return
        if command == "cell":
            self.widget.send(cell_asked(self.view, content))
            return
        said = answer(self.view, content)
        if said is not None:
            self.widget.send({"said": said})

    def _is_deaf(self, page: str) -> bool:
        """Whether a page hears nothing that might hear another widget."""
        from jupyter_latents.display.widget import MOST_WIDGETS

        return self.widget.is_deaf(page) and self._lasting is None and self._widgets < MOST_WIDGETS

    def _begin_anew(self, page: str) -> None:
        """Puts another widget in the place of one that hears nothing."""
        self._pages.discard(page)
        self.close()
        self._listening = False
        self._forget()
        self._publish({"text/plain": self.line()}, update=True)  # JupyterLab hides the place where a widget was closed
        self._open_widget(update=True)

    def _send_lasting(self) -> None:
        """Gives the lasting output to the views; each puts it in the place of the widget in its page.

        A view of latents, which was never live, stays until the notebook is saved: what is saved must need no kernel.
        """
        self._owed = False
        later = self._lasting is None
        lasting = self.bundle() if later else self._lasting
        self.widget.send({"lasting": lasting, "model": self.widget.model_id, "later": later})

    def _forget(self) -> None:
        """What comes next is everything again."""
        self._told, self._marks, self._pictures, self._looks = {}, [], set(), {}

    def _send_news(self) -> None:
        """Sends what the front end has not: changed texts, new steps and frames, pictures of results."""
        news: dict[str, Any] = {} if self._told else {"all": True, "model": self.widget.model_id}
        current = {**head(self.view.record), "crew": crew(self.view.record)}
        news.update({name: value for name, value in current.items() if self._told.get(name) != value})
        buffers: list[bytes] = []
        points = self._new_points(buffers)
        if points:
            news["points"] = points
        pictures = self._new_pictures(buffers)
        if pictures:
            news["pictures"] = pictures
        looks = self._new_looks(buffers)
        if looks:
            news["looks"] = looks
        if news:
            self._told = current
            self.widget.send(news, buffers)

    def _new_looks(self, buffers: list[bytes]) -> list[dict[str, Any]]:
        """Small pictures of stages that run at the same time, each by its stage's place."""
        looks = dict(self.view.record.looks)
        new = {index: look for index, look in looks.items() if self._looks.get(index) is not look}
        self._looks, first = looks, len(buffers)
        buffers.extend(new.values())
        return [{"item": index, "b": place} for place, index in enumerate(new, first)]

    def _new_points(self, buffers: list[bytes]) -> list[dict[str, Any]]:
        found = []
        number = 0
        for index, stage in enumerate(self.view.record.stages):
            for point in stage.points:
                has = (point.frame is not None, point.channels is not None)
                known = self._marks[number] if number < len(self._marks) else None
                if known != has:
                    found.append({"i": number, **point_data(index, stage, point), **_attached(point, known, buffers)})
                    self._marks[number : number + 1] = [has]
                number += 1
        return found

    def _new_pictures(self, buffers: list[bytes]) -> list[dict[str, Any]]:
        found = []
        for index, stage in enumerate(self.view.record.stages):
            if stage.pictures and index not in self._pictures:
                self._pictures.add(index)
                first = len(buffers)
                buffers.extend(shown(picture, _PICTURE_SIDE) for picture in stage.shown)
                found.append({"g": index, "b": list(range(first, len(buffers)))})
        return found


def close_old_views() -> None:
    """Replaces the widgets of ended runs by their static outputs, so that no kernel gathers widgets."""
    for screen in list(_open):
        screen.retire()


def _attached(point: Point, known: tuple[bool, bool] | None, buffers: list[bytes]) -> dict[str, Any]:
    """Puts a step's frame and channels among the buffers, and says where."""
    had_frame, had_channels = known or (False, False)
    places: dict[str, Any] = {}
    if point.frame is not None and not had_frame:
        places["fb"] = len(buffers)
        buffers.append(point.frame)
    if point.channels is not None and not had_channels:
        places["vb"] = len(buffers)
        places["v"] = point.channels.described()
        buffers.append(point.channels.content)
    return places
