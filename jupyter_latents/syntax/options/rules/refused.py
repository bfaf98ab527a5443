"""Options that dgenerate and others have and this project does not run, with the reason and the way around."""

from __future__ import annotations

import re

__all__ = [
    "ELSEWHERE",
    "HARMLESS",
    "OLDER",
    "OTHERS",
    "REFUSED",
    "REWRITING",
    "SHORT",
    "SHORT_HARMLESS",
    "instead",
    "is_of_dgenerate",
    "refusal",
]

_FAMILIES = "their model families are not part of latents interchange; --model-type? lists those that run"
_CUT = 'write it in the image seed: "clip.mp4;frame-start=0;frame-end=16"'
REWRITING = "prompts are not rewritten here; write the prompt as it should be read"
_CACHED_STEPS = "a split could not be exact; --optimize taylorseer or first-block-cache is such a cache, and says so"
_HELP = "%%dgen --help lists what there is here"
_TERMINAL = "it is for dgenerate in a terminal; remove it"
_SIZES = "size and crop conditions follow the output size here; remove the option"
_SCORES = "the scores are those of the refiner's own pipeline, 6 and 2.5; remove the option"
_CACHE = "models are cached and released by this project itself; remove the option"
_FEATURES = "changed features are not part of this project; remove it"
_ATTENTION = "changed attention is not part of this project, a split could not be exact; remove it"

_OF_DGENERATE: dict[str, str] = {
    "--frame-start": _CUT,
    "--frame-end": _CUT,
    "--upscaler-noise-levels": _FAMILIES,
    "--floyd-": _FAMILIES,
    "--s-cascade-": _FAMILIES,
    "--image-guidance-scales": _FAMILIES,
    "--second-model-prompt-upscaler": REWRITING,
    "--second-model-second-prompt-upscaler": REWRITING,
    "--second-model-original-config": "what a single file is made of is read off its tensors; remove the option",
    "--second-model-quantizer-map": "the quantizer applies to the large parts of a model; remove the option",
    "--sdxl-refiner-freeu-params": _FEATURES,
    "--sdxl-refiner-deep-cache": _CACHED_STEPS,
    "--sdxl-refiner-aesthetic-score": _SCORES,
    "--sdxl-refiner-negative-aesthetic-score": _SCORES,
    "--sdxl-refiner-original-size": _SIZES,
    "--sdxl-refiner-target-size": _SIZES,
    "--sdxl-refiner-crops-coords": _SIZES,
    "--sdxl-refiner-negative-original-size": _SIZES,
    "--sdxl-refiner-negative-target-size": _SIZES,
    "--sdxl-refiner-negative-crops-coords": _SIZES,
    "--sdxl-original-size": _SIZES,
    "--sdxl-target-size": _SIZES,
    "--sdxl-crops-coords": _SIZES,
    "--sdxl-negative-original-size": _SIZES,
    "--sdxl-negative-target-size": _SIZES,
    "--sdxl-negative-crops-coords": _SIZES,
    "--sdxl-aesthetic-score": _SCORES,
    "--sdxl-negative-aesthetic-score": _SCORES,
    "--sdxl-t2i-adapter-factor": "it counts over the steps that a stage runs, so a split could not be exact; remove it",
    "--sd3-": "it is left to the model here; remove the option",
    "--flux-": "it is left to the model here; remove the option",
    "--prompt-upscaler": REWRITING,
    "--second-prompt-upscaler": REWRITING,
    "--third-prompt-upscaler": REWRITING,
    "--adetailer-": (
        "detailing after the picture is not part of this project; detail it elsewhere, and go on with its file"
    ),
    "--inpaint-crop": "cropping around masks is not part of this project; crop in Python and name the variable",
    "--original-config": "what a single file is made of is read off its tensors; remove the option",
    "--hi-diffusion": _ATTENTION,
    "--tea-cache": _CACHED_STEPS,
    "--deep-cache": _CACHED_STEPS,
    "--ras": "skipped tokens are not part of this project, a split could not be exact; remove it",
    "--sada": _CACHED_STEPS,
    "--spectrum": _CACHED_STEPS,
    "--qwen-layered-": _FAMILIES,
    "--unet2": "write --second-model-unet",
    "--freeu-params": _FEATURES,
    "--quantizer-map": "the quantizer applies to the large parts of a model; remove the option",
    "--quantizer2": "write --second-model-quantizer",
    "--align": "write align= in the image seed",
    "--model-cache": _CACHE,
    "--plugin-modules": "dgenerate's plugins cannot run here; write a function in Python, and name what it makes",
    "--global-config": "settings are those of %config JupyterLatents",
    "--templates-help": _HELP,
    "--directives-help": _HELP,
    "--functions-help": _HELP,
    "--image-processor-help": _HELP,
    "--latents-processor-help": _HELP,
    "--quantizer-help": _HELP,
    "--prompt-weighter-help": "--prompt-weighter? in a cell explains it",
    "--version": "jupyter_latents.__version__ tells this project's",
    "--shell": _TERMINAL,
    "--no-stdin": _TERMINAL,
    "--console": _TERMINAL,
    "--set": "write \\set NAME TEXT on a line of its own",
    "--setp": "write \\setp NAME EXPRESSION on a line of its own",
    "--sub-command": "dgenerate's sub-commands are not part of this project; remove it",
}

_GUIDER = (
    "guiders other than classifier-free guidance and PAG are not part of this project yet; steer with "
    "--guidance-scales '7@0,2@0.6', --guidance-rescales 0.7 or --pag"
)
_REGIONS = (
    "prompts for regions are not part of this project yet; --prompt-weighter a1111 joins texts by AND, and "
    "--latents-processors 'composite;with=NAME;at=0x0;feather=8' puts the latents of one prompt into another's"
)
_DIFFERENTIAL = (
    "masks are black and white here, differential ones are not part of this project yet; run a stage for each "
    "strength, with a mask of its own, or mix latents by a grey mask in Python: a.composite(b, mask)"
)
_EDITS = (
    "models that edit a picture as told are not part of this project yet; change it by --image-seeds photo.png and "
    "--image-seed-strengths 0.6, or a part of it by 'photo.png;mask=hole.png'"
)

OTHERS: dict[str, str] = {
    **dict.fromkeys(
        (
            "--guider", "--guidance-type", "--guidance-method", "--apg", "--adaptive-projected", "--auto-guidance",
            "--autoguidance", "--cfg-zero", "--cfgzero", "--zero-star",
            "--classifier-free-zero-star", "--cfg-pp", "--cfgpp", "--slg", "--skip-layer",
            "--skip-guidance", "--seg", "--smoothed-energy", "--sag", "--self-attention-guidance", "--tcfg",
            "--tangential", "--fdg", "--frequency-decoupled", "--plg", "--mag-guidance",
            "--magnitude-aware", "--nag", "--normalized-attention", "--cads", "--perp-neg", "--dynamic-thresholding",
            "--dynthres", "--mimic-scale", "--mahiro", "--skimmed-cfg", "--tpg", "--token-perturbation", "--stg",
            "--spatio-temporal",
        ),
        _GUIDER,
    ),
    **dict.fromkeys(
        (
            "--regional", "--region", "--area-prompt", "--conditioning-area", "--conditioning-mask",
            "--attention-couple", "--latent-couple", "--multidiffusion", "--multi-diffusion",
            "--tiled-diffusion", "--gligen", "--prompt-mask", "--mask-prompt",
        ),
        _REGIONS,
    ),
    **dict.fromkeys(
        (
            "--mask-differential", "--differential", "--soft-inpainting", "--soft-mask", "--change-map",
            "--gradient-mask", "--mask-blur",
        ),
        _DIFFERENTIAL,
    ),
    **dict.fromkeys(
        (
            "--edit", "--instruct-pix2pix", "--pix2pix", "--ip2p", "--kontext", "--image-cfg", "--image-guidance",
            "--reference-image", "--ref-image", "--reference-latent",
        ),
        _EDITS,
    ),
    **dict.fromkeys(("--freeu", "--free-u"), _FEATURES),
    **dict.fromkeys(("--hypertile", "--tome", "--token-merging", "--reference-only"), _ATTENTION),
}  # fmt: skip
"""The same for what other programs and libraries have, such as diffusers' modular guiders, by the names they use."""

REFUSED: dict[str, str] = {**OTHERS, **_OF_DGENERATE}
"""Reasons by name; a name that ends in ``-`` stands for all that begin so."""

HARMLESS: dict[str, tuple[str, bool]] = {
    "--output-auto1111-metadata": ("pictures carry A1111's text already", False),
    "--safety-checker": ("safety checkers are not loaded here", False),
}
"""Options of dgenerate's that change nothing of a result: why, and whether a value follows."""

SHORT_HARMLESS = {
    "-oam": "--output-auto1111-metadata",
    "-sc": "--safety-checker",
}

SHORT = {
    "-fs": "--frame-start",
    "-fe": "--frame-end",
    "-olc": "--original-config",
    "-olc2": "--second-model-original-config",
    "-pu": "--prompt-upscaler",
    "-pu2": "--second-model-prompt-upscaler",
    "-igs": "--image-guidance-scales",
    "-uns": "--upscaler-noise-levels",
    "-rfu": "--sdxl-refiner-freeu-params",
    "-fu": "--freeu-params",
    "-hd": "--hi-diffusion",
    "-qm": "--quantizer-map",
    "-qm2": "--second-model-quantizer-map",
    "-gc": "--global-config",
    "-dc": "--deep-cache",
    "-dci": "--deep-cache-intervals",
    "-dcb": "--deep-cache-branch-ids",
    "-rdc": "--sdxl-refiner-deep-cache",
    "-rdci": "--sdxl-refiner-deep-cache-intervals",
    "-rdcb": "--sdxl-refiner-deep-cache-branch-ids",
    "-tc": "--tea-cache",
    "-tcr": "--tea-cache-rel-l1-thresholds",
    "-ra": "--ras",
    "-rif": "--ras-index-fusion",
    "-rsr": "--ras-sample-ratios",
    "-rhr": "--ras-high-ratios",
    "-rss": "--ras-starvation-scales",
    "-rer": "--ras-error-reset-steps",
    "-rme": "--ras-metrics",
    "-rst": "--ras-start-steps",
    "-res": "--ras-end-steps",
    "-rsn": "--ras-skip-num-steps",
    "-rsl": "--ras-skip-num-step-lengths",
    "-ic": "--inpaint-crop",
    "-icp": "--inpaint-crop-paddings",
    "-icm": "--inpaint-crop-masked",
    "-icf": "--inpaint-crop-feathers",
    "-ad": "--adetailer-detectors",
    "-adm": "--adetailer-model-masks",
    "-adf": "--adetailer-class-filter",
    "-adi": "--adetailer-index-filter",
    "-ads": "--adetailer-mask-shapes",
    "-addp": "--adetailer-detector-paddings",
    "-admp": "--adetailer-mask-paddings",
    "-adb": "--adetailer-mask-blurs",
    "-add": "--adetailer-mask-dilations",
    "-adsz": "--adetailer-sizes",
    "-adc": "--adetailer-crop-control-image",
}
"""Short names of these options."""

_LARGER = "write --into base, and a second stage: --image-seeds base --output-size 1024 --image-seed-strengths 0.6"
ELSEWHERE: dict[str, str] = {
    "--width": "write --output-size 512x768",
    "--height": "write --output-size 512x768",
    "--size": "write --output-size 512x768",
    "--resolution": "write --output-size 512x768",
    "--cfg": "write --guidance-scales 5",
    "--cfg-scale": "write --guidance-scales 5",
    "--classifier-free-guidance": "write --guidance-scales 5",
    "--steps": "write --inference-steps 30",
    "--num-inference-steps": "write --inference-steps 30",
    "--timesteps": "write --inference-steps 30, or the noise levels themselves as --sigmas 14.6,7.1,2.9",
    "--sampler": "write --scheduler EulerDiscreteScheduler",
    "--sampling-method": "write --scheduler EulerDiscreteScheduler",
    "--strength": "write --image-seed-strengths 0.8",
    "--denoise": "write --image-seed-strengths 0.8",
    "--denoising-strength": "write --image-seed-strengths 0.8",
    "--neg": "write --negative-prompts ugly",
    "--negative": "write --negative-prompts ugly",
    "--clip-last-layers": "write --clip-skips 1 for its 2: the last layer is not counted here",
    "--hires-fix": _LARGER,
    "--hires": _LARGER,
    "--image": "write --image-seeds photo.png",
    "--init-image": "write --image-seeds photo.png",
    "--mask": "write --image-seeds 'photo.png;mask=hole.png'",
    "--latents": "write --image-seeds 'latents: base'",
    "--group-offload": "write --model-group-offload",
    "--controlnet": "write --control-nets NAME --image-seeds 'control: lines.png'",
    "--model": "write the model first, without an option: demo/scenes --prompts cat",
    "--output": "write --output-path FOLDER",
    "--outdir": "write --output-path FOLDER",
    "--num-images": "write --gen-seeds 4 for four pictures, or --batch-size 4",
    "--batch-count": "write --gen-seeds 4 for four pictures",
    "--quantize": "write --quantizer 'bnb;bits=4'",
    "--cfg-rescale": "write --guidance-rescales 0.7",
    "--rescale-cfg": "write --guidance-rescales 0.7",
    "--perturbed-attention": "write --pag-scales 3",
    "--perturbed-attention-guidance": "write --pag-scales 3",
    "--guidance-interval": "write --guidance-scales '1@0,7@0.2,1@0.8'",
    "--guidance-start": "write --guidance-scales '1@0,7@0.2'",
    "--second-model-seeds": "write --seeds 3: both stages draw from it",
    "--sdxl-refiner-seeds": "write --seeds 3: both stages draw from it",
    "--guidance-end": "write --guidance-scales '7@0,1@0.8'",
}
"""What options are called in other programs, and what to write here."""

OLDER: dict[str, str] = {
    "--sdxl-second-prompts": "--second-prompts",
    "--sd3-second-prompts": "--second-prompts",
    "--sd3-third-prompts": "--third-prompts",
    "--sd3-max-sequence-length": "--max-sequence-length",
    "--flux-second-prompts": "--second-prompts",
    "--flux-max-sequence-length": "--max-sequence-length",
}
"""What options were called in dgenerate before version 5, and what they are called now."""


def instead(name: str, value: str = "") -> str:
    """What to write in the place of another program's option, with the value that was given to it.

    Args:
        name: A name of `ELSEWHERE`.
        value: The value, as it is written; empty for an example.
    """
    words = ELSEWHERE[name]
    plain = re.fullmatch(r"(write --(?!output-size)[\w-]+) [^\s']+", words)
    return f"{plain[1]} {value}" if plain and value else words


def refusal(name: str) -> str | None:
    """Returns why an option of another program's is not run here, or None for a name that none is known to have."""
    found = _row(name)
    return REFUSED[found] if found else None


def is_of_dgenerate(name: str) -> bool:
    """Whether it is dgenerate that has a refused option."""
    return _row(name) in _OF_DGENERATE


def _row(name: str) -> str | None:
    name = SHORT.get(name, name)
    found = [known for known in REFUSED if re.match(re.escape(known.rstrip("-")) + r"s?\d?(-|\Z)", name)]
    return max(found, key=len) if found else None
