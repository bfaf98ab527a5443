"""Messages of front ends: what the live view and the panel are sent, malformed too, and scripts put into a panel."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from traitlets import TraitError

from jupyter_latents.errors import JupyterLatentsError
from tests.fuzz.frame import Mutator
from tests.fuzz.mutators.scripts import script

_ODD = (
    None, True, False, 0, 1, 2, 3, -1, 99, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "0", "x", "png", "stop",
    "é\u202e\x00", "\ud800", "a" * 5_000, [], [0], ["png"], {}, {"a": 1}, [[[]]], "safetensors", "pt", "latent",
    "../x", "/etc/passwd",
)  # fmt: skip
_COMMANDS = (
    "stop",
    "pause",
    "resume",
    "sync",
    "left",
    "branch",
    "export",
    "picture",
    "cell",
    "each",
    "cancel",
    "advance",
    "whole",
    "sheet",
    "?",
    "",
)
_KEYS = (
    "cmd",
    "point",
    "kind",
    "picture",
    "page",
    "field",
    "file",
    "button",
    "typed",
    "event",
    "value",
    "index",
    "place",
    "on",
)
_TEXTS = (
    "7", "1 2", "a hill; rain", "{{ x", "{{ 1 + 1 }}", "$HOME", "--seeds", "'", '"', "\\", "512x", "\n", "base", "nan",
    "1e400", "-0", "99999999999999999999", "EulerDiscreteScheduler", "demo/paper", "</script>", "\ufffc\ue000", "a, b",
)  # fmt: skip


def _odd(source: Random) -> Any:
    return source.choice(_ODD)


def view_messages(source: Random) -> list[Any]:
    """A few messages to the live view."""
    made: list[Any] = []
    for _ in range(source.randrange(1, 5)):
        if source.random() < 0.1:
            made.append(_odd(source))
            continue
        content = {name: _odd(source) for name in source.sample(_KEYS, source.randrange(5))}
        made.append({**content, "cmd": source.choice(_COMMANDS) if source.random() < 0.9 else _odd(source)})
    return made


def tell_view(messages: list[Any]) -> None:
    """Sends them to the view of a run; its latents stay, and what it writes stays in its folder."""
    from jupyter_latents.display.live import LiveScreen
    from jupyter_latents.display.view import RunView
    from tests.display.fake_run import latents_at, stage

    view = RunView(bind=lambda *_: None)
    view.stage(0, stage(), "base")
    view.result(_result(latents_at(stage(), 3), [latents_at(stage(), step) for step in (1, 2, 3)]))
    acts = dict.fromkeys(("stop", "pause", "resume"), _no)
    run = SimpleNamespace(
        state="running", error=None, held=0.0, watcher=None, title="a", flag=SimpleNamespace(asked=False), **acts
    )
    run.queue = SimpleNamespace(waiting=[run, SimpleNamespace(**vars(run))], advance=_no)
    view.run = run  # type: ignore[assignment]
    screen = LiveScreen(view)
    screen.widget = SimpleNamespace(
        send=_sendable, model_id="0", on_msg=_no, layout=SimpleNamespace(close=_no), close=_no, is_deaf=_no
    )
    view._screens = [screen]
    with tempfile.TemporaryDirectory() as folder:
        here = Path.cwd()
        os.chdir(folder)
        try:
            for message in messages:
                screen._receive(screen.widget, message, [])
                view.pump()
            assert all(file.stem.startswith("base_") for file in Path(folder).iterdir())
        finally:
            os.chdir(here)


def _no(*_: object, **__: object) -> None:
    return None


def _sendable(content: Any, _: Any = None) -> None:
    """What is sent to a front end is JSON without NaN."""
    json.dumps(content, allow_nan=False)


def _result(latents: Any, steps: list[Any]) -> Any:
    from tests.display.fake_run import kept_result

    return kept_result(latents.replace(trajectory=tuple(steps)))


def panel_messages(source: Random) -> list[tuple[str, Any]]:
    """A few messages to the panel's widgets: the widget's name, and the message's data."""
    made: list[tuple[str, Any]] = []
    for _ in range(source.randrange(1, 7)):
        name = source.choice((*_FIELDS, *_FIELDS, *_BUTTONS, "text", "origin", "drops", "presses", "stage"))
        if name in _BUTTONS or name == "stage":
            event = "click" if source.random() < 0.9 else _odd(source)
            made.append((name, {"method": "custom", "content": {"event": event}}))
        elif name in {"drops", "presses"} or source.random() < 0.1:
            content = {key: _odd(source) for key in source.sample(_KEYS, source.randrange(4))}
            made.append((name, {"method": "custom", "content": content if source.random() < 0.9 else _odd(source)}))
        else:
            value = source.choice(_TEXTS) if source.random() < 0.7 else _odd(source)
            if name == "text" and source.random() < 0.5:
                value = script(source)
            if name == "window" and source.random() < 0.7:
                value = [source.randrange(-3, 40), source.randrange(-3, 40)]
            made.append((name, {"method": "update", "state": {"value": value}, "buffer_paths": []}))
    return made


_FIELDS = (
    "model", "prompt", "negative", "seed", "size", "steps", "guidance", "scheduler", "into", "window", "latents",
    "image", "mask", "strength", "more",
)  # fmt: skip
_BUTTONS = ("add", "duplicate", "up", "down", "remove", "apply", "fill")


@cache
def _opened() -> Any:
    """A panel that plans nothing and whose clicks wait for nobody."""
    from jupyter_latents.display.panel.control import Panel
    from jupyter_latents.display.panel.model import PanelModel
    from jupyter_latents.session import Session

    made = Panel(Session({}), PanelModel())
    made._forecast.ask = _no  # type: ignore[method-assign]
    made._clicks.ask = lambda _, act: act()  # type: ignore[method-assign]
    return made


def tell_panel(messages: list[tuple[str, Any]]) -> None:
    """Sends them to a panel; its script can be put into a panel again and is the same there."""
    from jupyter_latents.display.panel.form import StageForm
    from jupyter_latents.display.panel.model import PanelModel

    panel = _opened()
    panel.model.forms[:], panel.model.selected = [StageForm(model="demo/scenes", into="base")], 0
    panel.refresh()
    for name, data in messages:
        found = {"text": panel.widgets.text, "origin": panel.widgets.origin, "drops": panel.editor.drops}
        found |= {"presses": panel.widgets.presses, "stage": panel.widgets.stages.children[-1], **panel.editor.controls}
        try:
            (found | panel.widgets.buttons)[name]._handle_msg({"content": {"data": data}, "buffers": [b"odd"]})
        except (TraitError, TypeError, ValueError, AttributeError) as error:
            if not _from_ipywidgets(error):
                raise
    assert 0 <= panel.model.selected < len(panel.model.forms)
    assert "odd" not in panel.text
    if not panel.model.marks():
        again = PanelModel()
        again.apply(panel.text)
        assert len(again.forms) == max(1, len([form for form in panel.model.forms if form.lines()]))
        put_into_a_panel(again.text)


def _from_ipywidgets(error: BaseException) -> bool:
    """Whether a message was refused before anything of ours was reached."""
    trace, names = error.__traceback__, []
    while trace is not None:
        names.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return not any(name.startswith("jupyter_latents") for name in names)


def put_into_a_panel(text: str) -> None:
    """Puts a script into a panel's forms; what they stand for reads the same."""
    from jupyter_latents.display.panel.model import PanelModel

    model, again = PanelModel(), PanelModel()
    model.apply(text)
    again.apply(model.text)
    assert again.forms == model.forms, (model.forms, again.forms)
    assert again.text == model.text


MUTATORS = (
    Mutator("view-messages", view_messages, tell_view, read=json.loads, quick=60),
    Mutator("panel-messages", panel_messages, tell_panel, (JupyterLatentsError,), read=json.loads, quick=50),
    Mutator("panel-scripts", script, put_into_a_panel, quick=200),
)
