"""dgenerate's directives that do nothing here, and those that are refused, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["IDLE", "REFUSED"]

_CACHES = "models are cached by size, and leave when others need the room"
IDLE: Mapping[str, str] = MappingProxyType({
    "save_modules": "models are cached and share their parts without it",
    "clear_modules": "models are cached and share their parts without it",
    **{
        f"clear_{what}_cache": _CACHES
        for what in ("object", "device", "model", "pipeline", "unet", "vae", "text_encoder", "controlnet",
                     "control_net", "adapter", "transformer", "image_encoder", "image_processor",
                     "prompt_upscaler", "prompt_weighter")
    },
    "use_modules": "an invocation of the same model and options has these parts by itself, and others are refused",
    "list_object_caches": "%%dgen --models lists what is loaded",
    **dict.fromkeys(
        ("help", "templates_help", "functions_help", "directives_help", "quantizer_help", "image_processor_help",
         "latents_processor_help", "prompt_weighter_help", "prompt_upscaler_help"),
        "%%dgen --help shows what there is",
    ),
})  # fmt: skip
"""Directives that are accepted and change nothing, each with why."""

_RUN_IN_CELL = "run it in a cell of its own"
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "exec": f"running programs is not part of the cell; {_RUN_IN_CELL} with !",
        "web_cache": "there is no web cache here; take the line away",
        "prompt_upscale": "prompts are not rewritten here; write them as they should be read",
        "civitai_links": "CivitAI is not asked here; fetch the file in a browser, and give its path",
        "to_diffusers": "model conversion is not part of this project; single files run as they are",
        "auto1111_metadata": "pictures of A1111's are read by %%dgen --from PICTURE",
        "import_plugins": "dgenerate's plugins cannot run here; write a function in Python, and name what it makes",
        **dict.fromkeys(
            ("cd", "pushd", "popd", "pwd", "ls", "mkdir", "rmdir", "rm", "mv", "cp", "cat"),
            f"file commands are not part of the cell; {_RUN_IN_CELL} with % or !",
        ),
    }
)
"""Directives that do not run here, each with why."""
