"""The stage itself, with its model, texts, window and output. An option is a field here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, TypedDict, Unpack

from jupyter_latents.above import above
from jupyter_latents.addresses import Address, address_of
from jupyter_latents.points import Scales, scales_of
from jupyter_latents.stage.parts import LatentsProcessor, Output, Prompt, Window, argument
from jupyter_latents.stage.seeds import ImageSeed, Reference, Size
from jupyter_latents.stage.sweeps import Sweep

__all__ = [
    "CONTROL_FIELDS",
    "DEFAULT_STRENGTH",
    "EXPRESSION",
    "ModelSource",
    "Stage",
    "StageOptions",
    "settings_of",
]

_PART = ("revision", "variant", "subfolder", "dtype")
_DENOISER = ("weight-name", *_PART)
_WINDOW = ("scale", "start", "end")


def _addon(name: str, settings: tuple[str, ...], **more: Any) -> Any:
    """A field of addresses, with the module that finds what they name and the settings that they take."""
    return field(default=(), metadata={"addon": name, "settings": settings, **more})


_CHAINS = ("seed_image_processors", "mask_image_processors", "control_image_processors", "post_processors")
_LINKS = ("latents_processors", "img2img_latents_processors", "latents_post_processors")

EXPRESSION = "expr:"
"""How sigmas begin that are worked out of a schedule's own."""

DEFAULT_STRENGTH = 0.8
"""How much an image without latents is noised where a stage does not say."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Which model to load, and how.

    A field that puts something on the model names the module of `jupyter_latents.engine.models.addons` that finds it;
    they are put on in the order of the fields. Where a field has windows, ``start=`` and ``end=`` of an address say for
    which steps it holds; where it has controls, each address takes a control image.

    Attributes:
        name: Demo model, hub name, folder or single file.
        model_type: dgenerate's ``--model-type`` (``torch``, ``torch-sdxl``, ``sd3`` and so on); None to guess.
        revision: Hub branch, tag or commit.
        variant: Weight file variant, such as ``fp16``.
        subfolder: Folder inside the repository.
        dtype: ``auto``, ``float16``, ``bfloat16`` or ``float32``.
        device: torch device; None for the best there is.
        vae: Another VAE, dgenerate's ``Class;model=...`` form or a plain name. This and all addresses below may be
            given as text, which is read.
        loras: LoRA addresses, ``path;scale=0.8;start=0;end=0.5`` each.
        t2i_adapters: Addresses of T2I-Adapters, ``path;scale=0.8;start=0;end=0.5`` each.
        unet: Another U-Net, ``path;subfolder=unet`` or a plain name.
        transformer: Another transformer, likewise.
        control_nets: ControlNet addresses, ``path;scale=0.8;start=0;end=1`` each.
        quantizer: Quantizer address, such as ``bnb;bits=4``.
        offload: ``model``, ``sequential``, ``group`` or None.
        vae_tiling: Decode and encode in tiles.
        vae_slicing: Decode and encode one picture at a time.
        auth_token: Hub token; never shown.
        offline: Never ask the hub. It makes no other model: sources that differ in this alone are equal.
        optimize: What makes it faster or smaller, ``taylorseer;interval=3`` each; see `optimizations`.
        image_encoder: What sees the images of IP-Adapters; None for the model's or the adapter's own.
        ip_adapters: Addresses of IP-Adapters, ``path;scale=0.8;start=0;end=0.5`` each.
        text_encoders: Other text encoders in their order, ``path;subfolder=text_encoder`` each; ``+`` for the own.
        textual_inversions: Addresses of textual inversions, ``path;token=<word>`` each.
    """

    name: str
    model_type: str | None = None
    revision: str | None = None
    variant: str | None = None
    subfolder: str | None = None
    dtype: str = "auto"
    device: str | None = None
    vae: Address | None = field(default=None, metadata={"addon": "vae", "settings": ("model", *_PART)})
    loras: tuple[Address, ...] = _addon(
        "loras", (*_WINDOW, "expert", "weight-name", "revision", "subfolder"), windows=True
    )
    control_nets: tuple[Address, ...] = _addon("controlnets", (*_WINDOW, "mode", *_PART), controls=True)
    quantizer: Address | None = field(default=None, metadata={"addon": "quantizer"})
    offload: str | None = None
    vae_tiling: bool = False
    vae_slicing: bool = False
    auth_token: str | None = field(default=None, repr=False)
    offline: bool = field(default=False, compare=False)
    optimize: tuple[Address, ...] = field(default=(), metadata={"addon": "optimizations"})
    textual_inversions: tuple[Address, ...] = _addon("inversions", ("token", "weight-name", "revision", "subfolder"))

    ip_adapters: tuple[Address, ...] = _addon(
        "ip_adapters", (*_WINDOW, "weight-name", "revision", "subfolder"), windows=True
    )
    image_encoder: Address | None = field(default=None, metadata={"address": True, "settings": _PART})
    t2i_adapters: tuple[Address, ...] = _addon("t2i_adapters", (*_WINDOW, *_PART), windows=True, controls=True)
    unet: Address | None = field(default=None, metadata={"addon": "unet", "settings": _DENOISER})
    transformer: Address | None = field(default=None, metadata={"addon": "transformer", "settings": _DENOISER})
    text_encoders: tuple[Address, ...] = _addon("text_encoders", ("model", *_PART))

    def __post_init__(self) -> None:
        for row in fields(self):
            if _holds_addresses(row):
                object.__setattr__(self, row.name, _read(getattr(self, row.name), row.name, several=row.default == ()))

    def readdressed(self, change: Callable[[Address], Address]) -> ModelSource:
        """The same with other addresses.

        Args:
            change: What stands for an address.
        """
        given = {row.name: getattr(self, row.name) for row in fields(self) if _holds_addresses(row)}
        changed: dict[str, Any] = {
            name: tuple(map(change, value)) if isinstance(value, tuple) else value and change(value)
            for name, value in given.items()
        }
        return replace(self, **changed)


def _holds_addresses(row: Field[Any]) -> bool:
    return "addon" in row.metadata or "address" in row.metadata


CONTROL_FIELDS = tuple(row.name for row in fields(ModelSource) if row.metadata.get("controls"))
"""The fields whose addresses take a control image each."""


def settings_of(name: str) -> tuple[str, ...]:
    """The settings that the addresses of a model's field take.

    Args:
        name: The field, such as ``loras``.
    """
    found: tuple[str, ...] = next(row for row in fields(ModelSource) if row.name == name).metadata.get("settings", ())
    return found


def _read(given: Any, name: str, *, several: bool) -> Address | tuple[Address, ...] | None:
    if not several:
        return address_of(given, name)
    return tuple(address for value in given if (address := address_of(value, name)))


class StageOptions(TypedDict, total=False):
    """What `Stage.of` takes, by the names that diffusers gives it where it has one; None is as good as left out.

    `image`, `mask_image`, `control_image`, `ip_adapter_image` and `latents` take the things themselves; pictures are
    PIL images, arrays of pixels (height, width, channels), or paths and addresses as text.
    """

    prompt: str
    negative_prompt: str
    prompt_2: str
    negative_prompt_2: str
    prompt_3: str
    negative_prompt_3: str
    prompt_weighter: str
    clip_skip: int
    max_sequence_length: int
    seed: int
    num_inference_steps: int
    guidance_scale: float | str
    guidance_rescale: float
    pag_scale: float
    pag_adaptive_scale: float
    num_frames: int
    fps: float
    denoising_start: float | str
    denoising_end: float | str
    sigmas: Sequence[float]
    scheduler: str
    image: object
    mask_image: object
    control_image: object
    ip_adapter_image: object
    latents: object
    strength: float
    latents_processors: str | Sequence[str]
    img2img_latents_processors: str | Sequence[str]
    latents_post_processors: str | Sequence[str]
    seed_image_processors: str | Sequence[str]
    mask_image_processors: str | Sequence[str]
    control_image_processors: str | Sequence[str]
    post_processors: str | Sequence[str]
    width: int
    height: int
    num_images_per_prompt: int
    model_type: str
    torch_dtype: object
    variant: str
    revision: str
    subfolder: str
    vae: str
    text_encoders: str | Sequence[str]
    textual_inversions: str | Sequence[str]
    loras: str | Sequence[str]
    ip_adapters: str | Sequence[str]
    image_encoder: str
    unet: str
    transformer: str
    control_nets: str | Sequence[str]
    t2i_adapters: str | Sequence[str]
    quantizer: str
    optimize: str | Sequence[str]
    token: str
    local_files_only: bool
    device: str
    model_cpu_offload: bool
    model_sequential_offload: bool
    model_group_offload: bool
    vae_tiling: bool
    vae_slicing: bool
    output_path: str | os.PathLike[str]
    output_prefix: str
    output_overwrite: bool
    output_metadata: bool
    output_configs: bool
    batch_grid_size: str
    image_format: str
    into: str
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Stage:
    """One run of one model: every option has exactly one value. It prints as the cell that it stands for.

    Attributes:
        model: Which model to load, and how.
        prompt: The texts.
        seed: Seed of the noise; None when the script gave none (then the latents' own seed, else a random one).
        num_inference_steps: Length of the whole schedule, of which `window` runs a part.
        guidance_scale: Classifier-free guidance (or a distilled model's guidance); scales that hold from points of the
            run on may be given as text, ``7@0,2@0.6``.
        guidance_asked: Whether a script gave the scale, which may be the usual one; says nothing about what is run.
        guidance_rescale: Guidance rescale, 0 to 1; None for the pipeline's own default.
        max_sequence_length: Tokens of T5 or of a language model that reads prompts; None for the pipeline's own.
        pag_scale: Scale of perturbed attention guidance; None for none.
        pag_adaptive_scale: How fast that fades; None for the pipeline's own, which is not at all.
        strength: How much an input image is noised, 0 to 1; None when not given (then `DEFAULT_STRENGTH` for an
            image without latents).
        scheduler: Scheduler class name with its arguments (``DDIMScheduler;clip-sample=false``), which may be given as
            text; None for the model's own.
        sigmas: Custom sigmas instead of a schedule of `num_inference_steps`; or ``expr: sigmas * 0.95``, which works
            them out of those of that schedule.
        window: Which part of the denoising to run.
        image_seed: Images, masks and latents that go in.
        size: Picture size; None for the input's size or the model's default.
        num_frames: Frames of a clip; None for those of the latents, or the model's default.
        fps: Frames a second of a clip; None for the model's default.
        batch_size: Pictures at once.
        batch_seeds: Whether stages that differ in their seeds alone may run as one batch.
        clip_skip: CLIP layers to skip.
        latents_processors: What is done to incoming latents before use.
        img2img_latents_processors: What is done to latents in the place of a picture, before they are decoded.
        latents_post_processors: What is done to the latents that it makes, after all steps.
        seed_image_processors: What is done to input pictures, ``canny;lower=50`` each, which may be given as text;
            ``+`` begins the chain of the next picture.
        mask_image_processors: To masks.
        control_image_processors: To control images.
        post_processors: What is done to the pictures that it makes, one after the other.
        output: Where files go.
        into: Kernel variable to bind the result to.
        force: Run again even where a kept result would answer.
        sweep: Which of an invocation's stages it is, where options multiply; says nothing about what is run.
    """

    model: ModelSource
    prompt: Prompt = field(default=Prompt())
    seed: int | None = None
    num_inference_steps: int = 30
    guidance_scale: float | Scales = 5.0
    guidance_asked: bool = field(default=False, compare=False, repr=False)
    guidance_rescale: float | None = argument("guidance_rescale")
    max_sequence_length: int | None = argument("max_sequence_length")
    pag_scale: float | None = argument("pag_scale")
    pag_adaptive_scale: float | None = argument("pag_adaptive_scale")
    strength: float | None = None
    scheduler: Address | None = None
    sigmas: tuple[float, ...] | str | None = argument("sigmas")
    window: Window = field(default=Window())
    image_seed: ImageSeed | None = None
    size: Size | None = None
    num_frames: int | None = argument("num_frames")
    fps: float | None = None
    batch_size: int = 1
    batch_seeds: bool = False
    clip_skip: int | None = argument("clip_skip")
    latents_processors: tuple[LatentsProcessor, ...] = ()
    img2img_latents_processors: tuple[LatentsProcessor, ...] = ()
    latents_post_processors: tuple[LatentsProcessor, ...] = ()
    seed_image_processors: tuple[Address, ...] = ()
    mask_image_processors: tuple[Address, ...] = ()
    control_image_processors: tuple[Address, ...] = ()
    post_processors: tuple[Address, ...] = ()
    output: Output = field(default=Output())
    into: str | None = None
    force: bool = False
    sweep: Sweep | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scheduler", address_of(self.scheduler, "schedulers"))
        object.__setattr__(self, "guidance_scale", scales_of(self.guidance_scale))
        for name in _CHAINS:
            object.__setattr__(self, name, _read(getattr(self, name), name, several=True))

    @property
    def links(self) -> tuple[LatentsProcessor, ...]:
        """All that is done to latents before and after its steps."""
        return tuple(link for chain in _LINKS for link in getattr(self, chain))

    @property
    def pasted(self) -> tuple[Reference, ...]:
        """The latents that these take besides, in their order."""
        return tuple(link.other for link in self.links if link.other is not None)

    @property
    def references(self) -> tuple[Reference, ...]:
        """All that it is given: by its image seed, and by what is done to latents."""
        return (*(self.image_seed.references if self.image_seed is not None else ()), *self.pasted)

    def renamed(self, names: Callable[[Reference], Sequence[Reference]]) -> Stage:
        """The same with other names for what it is given.

        Args:
            names: What stands for a reference; see `ImageSeed.renamed`.
        """
        seed = None if self.image_seed is None else self.image_seed.renamed(names)

        def renamed(link: LatentsProcessor) -> LatentsProcessor:
            return link if link.other is None else replace(link, other=next(iter(names(link.other)), link.other))

        return replace(self.relinked(renamed), image_seed=seed)

    def relinked(self, change: Callable[[LatentsProcessor], LatentsProcessor]) -> Stage:
        """The same with other links in the chains of what is done to latents.

        Args:
            change: What stands for a link.
        """
        chains: dict[str, Any] = {chain: tuple(map(change, getattr(self, chain))) for chain in _LINKS}
        return replace(self, **chains)

    @property
    def before_post(self) -> Stage:
        """The same without what is done to its result after the steps."""
        return replace(self, latents_post_processors=(), post_processors=())

    @property
    def levels(self) -> tuple[float, ...] | None:
        """Custom sigmas; None without, and where they are to be worked out."""
        return None if isinstance(self.sigmas, str) else self.sigmas

    @staticmethod
    def of(model: str | os.PathLike[str], /, **options: Unpack[StageOptions]) -> Stage:
        """A stage of plain values, checked at once.

        ``Stage.of("demo/scenes", prompt="a lighthouse", seed=7, num_inference_steps=30, denoising_end=0.8)``

        Args:
            model: Demo model, hub name, folder or single file.
            **options: See `StageOptions`. Texts are taken letter by letter: no templates, no ``$NAME``. `latents` are
                `Latents` or a tensor (batch, channels, height/factor, width/factor), a file of them, a list of these
                for a batch, or another `Stage`, which then runs first.

        Raises:
            SettingError: There is no such option, or its value is of another kind.
            ScriptError: A value is not allowed, or two do not go together.
        """
        made: Stage = above().stage(model, options)
        return made

    def __str__(self) -> str:
        return above().cell(self)

    def __repr__(self) -> str:
        return above().cell(self)
