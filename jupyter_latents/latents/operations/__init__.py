"""Operations on latents that respect their noise; each result carries its provenance.

| operation | position kept | new noise drawn |
|---|---|---|
| `blend`, `slerp`, `composite`, `paste` | where both share it | what mixing would lose |
| `crop`, `flip`, `batch`, `split` | yes (batch: where all share it) | none |
| `pad`, `resize` | yes | for new parts or detail |
| `add_noise`, `to_form` | no | add_noise: the missing variance |
| `scale` | yes | what the clean estimate does not tell |

None keeps scheduler history or trajectory: a run continues from the result without history. The same operation on the
same latents gives the same result; ``seed=`` chooses other noise.
"""

from __future__ import annotations

from jupyter_latents.latents.forms import to_form
from jupyter_latents.latents.operations.batches import batch, split
from jupyter_latents.latents.operations.geometry import crop, flip, pad, resize
from jupyter_latents.latents.operations.levels import add_noise, calculate, scale
from jupyter_latents.latents.operations.mixing import blend, composite, slerp
from jupyter_latents.latents.operations.pasting import paste

__all__ = [
    "add_noise",
    "batch",
    "blend",
    "calculate",
    "composite",
    "crop",
    "flip",
    "pad",
    "paste",
    "resize",
    "scale",
    "slerp",
    "split",
    "to_form",
]
