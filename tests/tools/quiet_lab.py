"""Settings for a JupyterLab that asks no questions and looks for no news: ``python quiet_lab.py FOLDER``."""

import json
import sys
from pathlib import Path
from typing import Any

QUIET = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
# All cells stay in the page, so that the n-th cell on the page is the n-th of the notebook.
ALL_CELLS = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}
# A page behind another one must not save: the one in front would be asked which version to keep.
NO_AUTOSAVE = {"@jupyterlab/docmanager-extension/plugin": {"autosave": False}}


def write_settings(folder: Path, *settings: dict[str, dict[str, Any]]) -> None:
    """Writes plugin settings into a Lab settings folder; files that are there already are left as they are."""
    for plugins in settings:
        for plugin, values in plugins.items():
            path = folder / f"{plugin}.jupyterlab-settings"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(values))


if __name__ == "__main__":
    write_settings(Path(sys.argv[1]), QUIET)
