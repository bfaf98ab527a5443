"""Where Chromium is; as a script it prints the path and fails where there is none."""

import shutil
import sys
from pathlib import Path

COMMANDS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first has no window of its own to draw: a quarter less work."""


def find_chromium() -> Path | None:
    """Playwright's own Chromium, else one on the PATH, else None."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    if own.exists():
        return own
    return next((Path(path) for command in COMMANDS if (path := shutil.which(command))), None)


if __name__ == "__main__":
    chromium = find_chromium()
    if chromium is None:
        sys.exit(1)
    print(chromium)
