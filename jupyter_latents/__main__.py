"""``python -m jupyter_latents FILE``."""

from __future__ import annotations

import sys

from jupyter_latents.cli import main

sys.exit(main())
