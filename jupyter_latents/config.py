"""The settings as IPython's ``%config`` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import Bool, Enum, Int, TraitError, Unicode, observe, validate
from traitlets.config import Configurable

from jupyter_latents.prompts import WEIGHTERS
from jupyter_latents.settings import METADATA, SETTINGS, is_executor

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["JupyterLatents", "register", "unregister"]


class JupyterLatents(Configurable):
    """Sizes, budgets and defaults of this kernel's runs: ``%config JupyterLatents`` lists them."""

    output_size = Int(SETTINGS.output_size, min=30_000, help="Bytes of a run's saved output in the notebook.").tag(
        config=True
    )
    model_memory = Int(None, min=0, allow_none=True, help="Bytes of RAM for models; None for what is free.").tag(
        config=True
    )
    device_memory = Int(
        None, min=0, allow_none=True, help="Bytes for models on each accelerator; None for what is free."
    ).tag(config=True)
    trajectory_memory = Int(SETTINGS.trajectory_memory, min=0, help="Bytes of kept latents, steps and histories.").tag(
        config=True
    )
    store_size = Int(SETTINGS.store_size, min=0, help="Bytes on disk of the store that --store names.").tag(config=True)

    metadata = Enum(
        METADATA,
        SETTINGS.metadata,
        help="What pictures say of how they were made: 'full' (the cell, and A1111's text), 'parameters', 'none'.",
    ).tag(config=True)

    prompt_weighter = Enum(
        ["none", *WEIGHTERS],
        SETTINGS.prompt_weighter,
        help="What reads weights and schedules in prompts where a cell does not say.",
    ).tag(config=True)

    executor = Unicode(
        SETTINGS.executor,
        help="Where stages run: 'local', 'ray' for workers on this machine, or the host:port of a Ray cluster's head.",
    ).tag(config=True)

    @validate("executor")
    def _where(self, proposal: Any) -> str:
        text: str = proposal["value"]
        if not is_executor(text):
            raise TraitError(f"executor is {text!r}; give 'local', 'ray' or the host:port of a cluster's head.")
        return text

    preview_vae = Unicode(
        SETTINGS.preview_vae,
        help="A tiny autoencoder for previews: folder, file or name in the hub's cache; 'auto' for the published one of"
        " the latents' space where it is here, 'off' for none.",
    ).tag(config=True)

    import_ahead = Bool(
        SETTINGS.import_ahead,
        help="Import what the first cell needs while it is typed; off by 'c.JupyterLatents.import_ahead = False' in "
        "IPython's configuration, or in the cell of %load_ext, after it.",
    ).tag(config=True)

    @observe(
        *("output_size", "model_memory", "device_memory", "trajectory_memory", "store_size", "prompt_weighter"),
        *("metadata", "preview_vae", "import_ahead", "executor"),
    )
    def _set(self, change: Any) -> None:
        setattr(SETTINGS, change.name, change.new)


def register(shell: InteractiveShell) -> None:
    """Makes the settings known to ``%config``, with what IPython's configuration files say of them."""
    unregister(shell)
    known: list[Any] = shell.configurables
    known.append(JupyterLatents(parent=shell))


def unregister(shell: InteractiveShell) -> None:
    """Takes them away again; what was set stays."""
    shell.configurables[:] = [held for held in shell.configurables if not isinstance(held, JupyterLatents)]
