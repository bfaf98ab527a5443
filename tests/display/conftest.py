"""A front end that is a list: widgets' messages and display bundles are recorded."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_latents.display import live, screens
from jupyter_latents.latents import services
from jupyter_latents.session import Session
from tests.display.panels import TWO


class Recorder:
    """What a front end would have got.

    Attributes:
        bundles: (display id, bundle, whether it is an update), in order.
        messages: (custom content, buffers), in order.
    """

    def __init__(self) -> None:
        self.bundles: list[tuple[str, dict[str, Any], bool]] = []
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []

    def publish(self, bundle: dict[str, Any], display_id: str, *, update: bool = False, by: Any = None) -> None:
        self.bundles.append((display_id, bundle, update))

    def create_comm(self, *args: Any, **kwargs: Any) -> Any:
        import comm

        recorder = self

        class Recording(comm.DummyComm):  # type: ignore[misc]
            def send(self, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
                if data and data.get("method") == "custom":
                    recorder.messages.append((data["content"], list(buffers or [])))

        return Recording(*args, **kwargs)


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """A notebook's front end; views that a test leaves open are closed."""
    recorder = Recorder()
    monkeypatch.setattr("comm.create_comm", recorder.create_comm)
    monkeypatch.setattr(screens, "publish", recorder.publish)
    shell = SimpleNamespace(kernel=object(), user_ns={})
    monkeypatch.setattr(screens, "shell", lambda: shell)
    yield recorder
    for screen in list(live._open):
        screen.close()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are filled in to the last one, however busy the machine is."""
    for module in ("records.previews", "records.of_latents"):
        monkeypatch.setattr(f"jupyter_latents.display.{module}._FILLING_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def planned_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pauses here while typing: a plan need not wait as long for the next change."""
    monkeypatch.setattr("jupyter_latents.display.panel.plans.outlook._PAUSE", 0.05)


@pytest.fixture
def at_rest_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that wait after each click: this front end keeps no change back."""
    monkeypatch.setattr("jupyter_latents.display.panel.rest._REST", 0.05)


@pytest.fixture(autouse=True)
def previews() -> Iterator[Callable[..., None]]:
    """Previews without a model; what was provided before comes back."""
    from tests.display.fake_run import fake_previews

    before = list(services._services)
    fake_previews(64)
    yield fake_previews
    services._services[:] = before


@pytest.fixture
def session() -> Session:
    return Session({})


@pytest.fixture
def opened(session: Session) -> Iterator[Any]:
    """The panel's control, with two stages, the first one chosen."""
    from jupyter_latents.display.panel import panel
    from jupyter_latents.display.panel.opening import close_open

    made = panel(TWO, session=session).panel
    yield made
    close_open()
