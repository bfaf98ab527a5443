"""Outputs go where their cell's outputs go, whoever publishes by then."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ipykernel.zmqshell import ZMQDisplayPublisher
from jupyter_client.session import Session

from jupyter_latents.display import publishing
from jupyter_latents.display.publishing import Publisher


class Sending(Session):
    """Keeps what it would send."""

    def send(self, _stream: Any, message: Any, *_: Any, **__: Any) -> Any:
        sent.append(message["content"])


sent: list[dict[str, Any]] = []
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    sent.clear()
    shell = SimpleNamespace(display_pub=ZMQDisplayPublisher(session=Sending()))
    monkeypatch.setattr(publishing, "shell", lambda: shell)
    return shell


def colab(message: dict[str, Any]) -> dict[str, Any]:
    """What Colab's widget manager does to each output, on the thread that it was switched on in."""
    if WIDGET in message["content"]["data"]:
        message["content"]["metadata"][WIDGET] = {"colab": {"custom_widget_manager": {"url": "manager.min.js"}}}
    return message


def test_a_capture_that_began_later_takes_nothing(shell: SimpleNamespace) -> None:
    publisher = Publisher()
    captured: list[Any] = []
    shell.display_pub = SimpleNamespace(publish=lambda **given: captured.append(given))
    publisher.publish({"text/plain": "lasting"}, "one", update=True)
    assert (captured, [content["data"] for content in sent]) == ([], [{"text/plain": "lasting"}])
    assert sent[0]["transient"] == {"display_id": "one"}


def test_hooks_of_the_cells_thread_reach_what_another_thread_publishes(shell: SimpleNamespace) -> None:
    shell.display_pub.register_hook(colab)
    publisher = Publisher()
    bundle = {WIDGET: {"model_id": "m"}}
    for _ in range(2):
        thread = threading.Thread(target=publisher.publish, args=(bundle, "one"), kwargs={"update": False})
        thread.start()
        thread.join()
    publisher.publish(bundle, "one", update=False)
    assert [bool(content["metadata"]) for content in sent] == [True, True, True]
    assert shell.display_pub._hooks == [colab], "once, as before"
