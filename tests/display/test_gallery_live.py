"""What the live gallery's kernel side does when a page hears nothing."""

import pytest

from jupyter_latents.display import widget
from jupyter_latents.display.past import live
from jupyter_latents.display.past.showing import Gallery
from jupyter_latents.session import Session
from tests.display.conftest import Recorder

WIDGET = "application/vnd.jupyter.widget-view+json"


def test_a_page_that_hears_nothing_gets_other_widgets_and_then_what_stays(
    session: Session, front_end: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "publish", front_end.publish)
    screen = live.GalleryScreen(Gallery(session, "", 300_000))
    screen.show()
    for number in range(widget.MOST_WIDGETS):
        held, page = screen.widget, f"page {number}"
        monkeypatch.setattr(widget, "_DEAF_SECONDS", 3600.0)
        told = len(front_end.messages)
        for _ in range(2):
            screen._receive(held, {"cmd": "sync", "page": page}, [])
        screen._receive(held, {"cmd": "sync", "page": "opened later"}, [])
        assert [content for content, _ in front_end.messages[told:] if "all" in content][2:], "each is answered"
        assert screen.widget is held
        monkeypatch.setattr(widget, "_DEAF_SECONDS", -1.0)
        screen._receive(held, {"cmd": "sync", "page": page}, [])
        assert screen.widget is not held
        assert held.comm is None
    assert screen.widget is None
    assert len({display_id for display_id, *_ in front_end.bundles}) == 1
    assert [update for *_, update in front_end.bundles] == [False] + [True] * 7
    bundles = [bundle for _, bundle, _ in front_end.bundles]
    assert [WIDGET in bundle for bundle in bundles] == [True, False] * widget.MOST_WIDGETS, (
        "a place of its own for each"
    )
    assert ["text/html" in bundle for bundle in bundles] == [False] * 7 + [True]
