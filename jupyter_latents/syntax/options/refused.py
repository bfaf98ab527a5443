"""Options that dgenerate has and this project does not run, with the reason and the way around."""

from __future__ import annotations

__all__ = ["REFUSED", "refusal"]

_FAMILIES = "their model families are not part of latents interchange"
_ANIMATION = "videos and animations are not made here; use --image-format png"
_PROCESSORS = "image processors are not part of this project; change the picture in Python and name the variable"
_REFINER = "write the refiner as a second stage with --denoising-start, its --image-seeds naming the first one's result"
_WEIGHTER = "prompt weighting and rewriting are not part of this project; write the prompt as it should be read"
_PAG = "perturbed attention guidance is not part of this project"
_PARTS = "parts of a model other than the VAE are taken from the model itself"
_CACHED_STEPS = "a split could not be exact; --optimize taylorseer or first-block-cache is such a cache, and says so"
_CACHE = "models are cached and released by this project itself; remove the option"

REFUSED: dict[str, str] = {
    "--output-metadata": "provenance is stored with the latents and their files already; remove the option",
    "--output-configs": "provenance is stored with the latents and their files already; remove the option",
    "--animation-format": _ANIMATION,
    "--frame-start": _ANIMATION,
    "--frame-end": _ANIMATION,
    "--no-frames": _ANIMATION,
    "--num-frames": _ANIMATION,
    "--upscaler-noise-levels": _FAMILIES,
    "--floyd-": _FAMILIES,
    "--s-cascade-": _FAMILIES,
    "--image-guidance-scales": _FAMILIES,
    "--sdxl-refiner": _REFINER,
    "--sdxl-high-noise-fractions": _REFINER,
    "--second-model-": _REFINER,
    "--sdxl-second-prompts": "use --second-prompts",
    "--sdxl-": "size and crop conditions follow the output size here; remove the option",
    "--sd3-second-prompts": "use --second-prompts",
    "--sd3-third-prompts": "use --third-prompts",
    "--flux-second-prompts": "use --second-prompts",
    "--sd3-": "it is left to the model here; remove the option",
    "--flux-": "it is left to the model here; remove the option",
    "--prompt-weighter": _WEIGHTER,
    "--prompt-upscaler": _WEIGHTER,
    "--second-prompt-upscaler": _WEIGHTER,
    "--third-prompt-upscaler": _WEIGHTER,
    "--second-model-prompt": _WEIGHTER,
    "--adetailer-": "detailing after the picture is not part of this project",
    "--inpaint-crop": "cropping around masks is not part of this project; crop in Python and name the variable",
    "--seed-image-processors": _PROCESSORS,
    "--mask-image-processors": _PROCESSORS,
    "--control-image-processors": _PROCESSORS,
    "--post-processors": _PROCESSORS,
    "--img2img-latents-processors": "change the latents in Python and name the variable in --image-seeds",
    "--latents-post-processors": "change the latents in Python after the stage",
    "--textual-inversions": "textual inversions are not part of this project",
    "--text-encoders": _PARTS,
    "--second-model-text-encoders": _PARTS,
    "--image-encoder": _PARTS,
    "--unet": _PARTS,
    "--transformer": _PARTS,
    "--original-config": _PARTS,
    "--ip-adapters": "IP-adapter weights are not loaded here; adapter= in an image seed is read only",
    "--t2i-adapters": "T2I adapters are not loaded here; use --control-nets",
    "--hi-diffusion": "changed attention is not part of this project, a split could not be exact",
    "--tea-cache": _CACHED_STEPS,
    "--deep-cache": _CACHED_STEPS,
    "--ras": "skipped tokens are not part of this project, a split could not be exact",
    "--sada": _CACHED_STEPS,
    "--freeu-params": "changed features are not part of this project",
    "--pag": _PAG,
    "--quantizer-map": "the quantizer applies to the large parts of a model; remove the option",
    "--quantizer2": _REFINER,
    "--batch-grid-size": "several results are shown as a grid already; remove the option",
    "--safety-checker": "safety checkers are not loaded here; remove the option",
    "--no-aspect": "write aspect=false in the image seed",
    "--align": "write align= in the image seed",
    "--model-cache": _CACHE,
    "--max-sequence-length": "it is left to the model here; remove the option",
    "--plugin-modules": "dgenerate's plugins cannot run here",
    "--sub-command": "dgenerate's sub-commands are not part of this project",
}
"""Reasons by name; a name that ends in ``-`` stands for all that begin so."""

SHORT = {
    "-om": "--output-metadata",
    "-oc": "--output-configs",
    "-af": "--animation-format",
    "-ti": "--textual-inversions",
    "-te": "--text-encoders",
    "-un": "--unet",
    "-fs": "--frame-start",
    "-fe": "--frame-end",
    "-bgs": "--batch-grid-size",
    "-olc": "--original-config",
    "-na": "--no-aspect",
    "-nf": "--no-frames",
    "-ilp": "--img2img-latents-processors",
    "-lpp": "--latents-post-processors",
    "-sc": "--safety-checker",
    "-pw": "--prompt-weighter",
    "-pu": "--prompt-upscaler",
    "-sip": "--seed-image-processors",
    "-pp": "--post-processors",
    "-mip": "--mask-image-processors",
    "-cip": "--control-image-processors",
    "-igs": "--image-guidance-scales",
    "-hnf": "--sdxl-high-noise-fractions",
    "-pag": "--pag",
    "-ra": "--ras",
    "-tc": "--tea-cache",
    "-ic": "--inpaint-crop",
}


def refusal(name: str) -> str | None:
    """Returns why an option of dgenerate's is not run here, or None for a name it does not have."""
    name = SHORT.get(name, name)
    found = [known for known in REFUSED if name == known or (known.endswith("-") and name.startswith(known))]
    families = ("--adetailer-", "--sdxl-refiner", "--pag", "--tea-cache", "--hi-diffusion", "--deep-cache", "--ras",
                "--sada", "--prompt-weighter", "--prompt-upscaler", "--inpaint-crop", "--freeu")  # fmt: skip
    if not found:
        found = [
            known for family in families if name.startswith(family) for known in REFUSED if known.startswith(family)
        ]
    return REFUSED[max(found, key=len)] if found else None
