"""The option table: one row an option. Parsing, stages, composing, help, completion and the docs page all read it.

A further option is a row here and a field in `jupyter_latents.stage.values`, whose default is the option's.
"""

from __future__ import annotations

from typing import Any

from jupyter_latents.formats import FORMATS, listed
from jupyter_latents.optimizations import OPTIMIZATIONS
from jupyter_latents.processing import PROCESSORS
from jupyter_latents.prompts import WEIGHTERS
from jupyter_latents.stage import DEFAULT_STRENGTH
from jupyter_latents.syntax.seeds import parse_seed

from . import latents_processors, parsers, writers
from .fields import default
from .model_types import MODEL_TYPES, OTHER_TYPES
from .option import Option

__all__ = ["BY_NAME", "DTYPES", "GROUPS", "MOST", "NAMES", "NESTING", "OPTIONS"]

DTYPES: dict[str, str | None] = {
    "auto": "auto",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float32": "float32",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "f32": "float32",
    "float": "float32",
}
MOST = 100_000
"""Most steps of a schedule, most seeds at once, and most stages of an invocation."""
MOST_FRAMES = 10_000
_PICTURES_FIRST = sorted(FORMATS, key=lambda row: row.holds == "latents")
_PROCESSORS = "; ".join(f"{name} ({row.about})" for name, row in PROCESSORS.items())
_WEIGHTERS = ", ".join(f"{name} ({row.about})" for name, row in WEIGHTERS.items())
_IMAGE_FORMATS: dict[str, str | None] = {
    **{name: row.ending for row in _PICTURES_FIRST for name in (row.ending, *row.also)},
    "png;latents": "png;latents",
}
_ANIMATIONS: dict[str, str | None] = {
    **{row.ending: row.ending for row in FORMATS if row.films},
    "png": next(row.ending for row in FORMATS if row.films and row.writer == "PNG"),
    "frames": "frames",
}


GROUPS = ("Model", "Prompts", "Denoising", "Seeds", "Images and latents", "Output", "Memory", "Notebook")


def _switch(_value: str, _locate: Any) -> bool:
    return True


def _names(table: dict[str, str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in table.values() if value))


def _row(names: str, dest: str, metavar: str, parse: parsers.Parser, group: str, about: str, **more: Any) -> Option:
    """A row; ``{default}`` in its help stands for the default of its field."""
    if "{default}" in about:
        about = about.replace("{default}", writers.plain(default(more["field"])))
    return Option(tuple(names.split()), dest, metavar, parse, group, about, **more)


def _each(names: str, dest: str, metavar: str, parse: parsers.Parser, group: str, about: str, **more: Any) -> Option:
    """An option whose values make a stage each."""
    return _row(names, dest, metavar, parse, group, about, many=True, multiplies=True, **more)


def _links(names: str, dest: str, group: str, about: str) -> Option:
    """An option whose values are links of a chain of latents processors."""
    return _row(names, dest, "PROCESSOR", latents_processors.processors, group, about, many=True,
                choices=latents_processors.CHOICES, field=dest, fill=latents_processors.chain(dest),
                write=latents_processors.write_link)  # fmt: skip


def _flag(names: str, dest: str, group: str, about: str, field: str = "", gives: object = True) -> Option:
    return _row(names, dest, "", _switch, group, about, field=field, gives=gives)


OPTIONS: tuple[Option, ...] = (
    _row("--model-type -mt", "model_type", "TYPE", parsers.choice(MODEL_TYPES, "model type", OTHER_TYPES), "Model",
         "Model family, such as sd, sdxl, flux or z-image. Guessed from the model when left out; checked when given.",
         choices=_names(MODEL_TYPES), field="model.model_type"),
    _row("--dtype -t", "dtype", "DTYPE", parsers.choice(DTYPES, "dtype"), "Model",
         "Number format of the weights: auto, float16, bfloat16 or float32. Default: {default}.",
         choices=_names(DTYPES), field="model.dtype"),
    _row("--variant -var", "variant", "NAME", parsers.text, "Model",
         "Variant of the weight files, such as fp16. Default: the plain files.", choices=("fp16",),
         field="model.variant"),
    _row("--revision -rev", "revision", "BRANCH", parsers.text, "Model",
         "Branch, tag or commit of a hub model. Default: main.", field="model.revision"),
    _row("--subfolder -sbf", "subfolder", "FOLDER", parsers.text, "Model",
         "Folder of the model inside its repository. Default: the top folder.", field="model.subfolder"),
    _row("--vae -vae", "vae", "NAME", parsers.address, "Model",
         "Another VAE: hub name, folder, file, or dgenerate's 'AutoencoderKL;model=NAME'. Default: the model's own.",
         completion="path", field="model.vae"),
    _row("--textual-inversions -ti", "textual_inversions", "NAME", parsers.address, "Model",
         "Textual inversions, 'NAME;token=<word>' each: words that prompts may then hold. Default of token: the file's "
         "own, or its name. SD and SDXL. Several are used together; they do not multiply.",
         many=True, completion="path", field="model.textual_inversions"),
    _row("--text-encoders -te", "text_encoders", "NAME", parsers.address, "Model",
         "Other text encoders in their order, 'NAME;subfolder=FOLDER;variant=NAME;dtype=DTYPE' or "
         "'CLIPTextModel;model=NAME' each; + for the model's own. Those not named are the model's own.",
         many=True, completion="path", field="model.text_encoders"),
    _row("--unet -un", "unet", "NAME", parsers.address, "Model",
         "Another U-Net, 'NAME;subfolder=FOLDER;variant=NAME;dtype=DTYPE': hub name, folder, file or link to a file of "
         "the hub; 'NAME;weight-name=FILE' is a file in a folder or repository. Default: the model's own.",
         completion="path", field="model.unet"),
    _row("--transformer -tf", "transformer", "NAME", parsers.address, "Model",
         "Another transformer, likewise. Files may be .gguf. Default: the model's own.",
         completion="path", field="model.transformer"),
    _row("--loras --lora -lra", "loras", "NAME", parsers.address, "Model",
         "LoRA weights, 'NAME;scale=0.8' each, for a part of the run with ;start=0;end=0.25 (or steps, or sigma=0.9), "
         "of a model with two experts with ;expert=high or low. Several are used together; they do not multiply.",
         many=True, completion="path", field="model.loras"),
    _row("--lora-fuse-scale -lrfs", "lora_fuse_scale", "SCALE", parsers.number(), "Model",
         "Multiplies the scales of all LoRAs. Default: 1."),
    _row("--ip-adapters -ipa", "ip_adapters", "NAME", parsers.address, "Model",
         "IP-Adapters, 'NAME;scale=0.8;subfolder=FOLDER;weight-name=FILE' each, with their images by adapter: in the "
         "image seed; for a part of the run with ;start=0;end=0.25. SD, SDXL, Kolors, SD3, Flux.1. Several work "
         "together.",
         many=True, completion="path", field="model.ip_adapters"),
    _row("--image-encoder -ie", "image_encoder", "NAME", parsers.address, "Model",
         "What sees the images of IP-Adapters, 'NAME;subfolder=FOLDER'. Default: the model's own, or image_encoder "
         "beside the adapter.", completion="path", field="model.image_encoder"),
    _row("--control-nets -cn", "control_nets", "NAME", parsers.address, "Model",
         "ControlNets, 'NAME;scale=0.8;start=0;end=1' each, with control= in the image seed; networks of many "
         "modes take mode=, a number or canny, depth and so on. SD, SDXL, SD3, Flux.1, Qwen-Image. "
         "Several work together.",
         many=True, completion="path", field="model.control_nets"),
    _row("--t2i-adapters -t2i", "t2i_adapters", "NAME", parsers.address, "Model",
         "T2I-Adapters, 'NAME;scale=0.8' each, with control= in the image seed; for a part of the run with "
         ";start=0;end=0.25. SD and SDXL, from a prompt alone. Several work together.",
         many=True, completion="path", field="model.t2i_adapters"),
    _row("--scheduler --schedulers -sch", "schedulers", "NAME", parsers.scheduler, "Model",
         "Scheduler class, with settings as in 'DDIMScheduler;clip-sample=false'. Several values multiply. "
         "Default: the model's own.", many=True, multiplies=True, completion="scheduler", field="scheduler"),
    _row("--quantizer -q", "quantizer", "NAME", parsers.address, "Model",
         "Quantizer, 'bnb;bits=4' or 'bnb;bits=8'. Default: none.", choices=("bnb;bits=4", "bnb;bits=8"),
         field="model.quantizer"),
    _row("--optimize", "optimize", "NAME", parsers.optimization, "Model",
         f"What makes the model faster or smaller: {', '.join(OPTIMIZATIONS)}; with settings as in "
         "'taylorseer;interval=4'. "
         "Several are used together; they do not multiply. The dry run says what each does to the result. "
         "Default: none.",
         many=True, choices=tuple(OPTIMIZATIONS), field="model.optimize"),
    _row("--auth-token -atk", "auth_token", "TOKEN", parsers.text, "Model",
         "Hub token for gated models. Default: the environment's HF_TOKEN. It is never shown.",
         field="model.auth_token"),
    _flag("--offline-mode -ofm", "offline", "Model", "Never ask the hub; use what is on this machine.",
          field="model.offline"),
    _each("--prompts -p", "prompts", "PROMPT", parsers.prompt, "Prompts",
          "What to paint, 'positive; negative'. A semicolon in quotes, or written \\;, belongs to the text. "
          "Default: an empty prompt.", field="prompt.positive", fill=writers.fill_prompt, write=writers.prompt),
    _each("--negative-prompts", "negative_prompts", "PROMPT", parsers.prompt, "Prompts",
          "What to keep out, for prompts without a negative of their own. Default: nothing.", field="prompt.negative"),
    _each("--second-prompts", "second_prompts", "PROMPT", parsers.prompt, "Prompts",
          "Prompt of the second text encoder, 'positive; negative'. Default: the first prompt.",
          field="prompt.second", fill=writers.fill_further_prompt("second"), write=writers.further_prompt("second")),
    _each("--third-prompts", "third_prompts", "PROMPT", parsers.prompt, "Prompts",
          "Prompt of the third text encoder, 'positive; negative'. Default: the first prompt.",
          field="prompt.third", fill=writers.fill_further_prompt("third"), write=writers.further_prompt("third")),
    _row("--prompt-weighter -pw", "prompt_weighter", "NAME", parsers.weighter, "Prompts",
         f"What reads weights in all prompts of the stage: {_WEIGHTERS}. A prompt may name its own at its head, "
         "'<weighter: a1111> (fox:1.3)'. none: all is text. Default: that of %config "
         "JupyterLatents.prompt_weighter, or none.",
         completion="", choices=(*WEIGHTERS, "none"),
         field="prompt.weighter"),
    _each("--clip-skips -cs", "clip_skips", "N", parsers.whole(0, "layers"), "Prompts",
          "CLIP layers to skip from the end, 0 or more. Default: the model's own.", field="clip_skip"),
    _row("--max-sequence-length -msl", "max_sequence_length", "N", parsers.whole(1, "tokens", most=1024), "Prompts",
         "Tokens of a prompt that T5 or a language model reads, 1 to 1024. SD3, Flux and kin. Default: the "
         "pipeline's own.",
         field="max_sequence_length"),
    _each("--inference-steps -ifs", "inference_steps", "N", parsers.whole(1, "steps", most=MOST), "Denoising",
          f"Steps of the whole schedule, 1 to {MOST}, of which start and end choose a part. Default: {{default}}.",
          field="num_inference_steps"),
    _each("--guidance-scales -gs", "guidance_scales", "SCALE", parsers.guidance, "Denoising",
          "How strongly the prompt steers, 0 or more; 1 and below is without guidance. '7@0,2@0.6' is one value: 7 at "
          "first, 2 from 0.6 of the steps on (@12: after step 12; @sigma=0.9: from that noise level on; @boundary: for "
          "the second of a model's experts). Default: {default}.", field="guidance_scale"),
    _each("--guidance-rescales -gr", "guidance_rescales", "SCALE", parsers.number(0, most=1), "Denoising",
          "How far guidance is scaled back to the unguided contrast, 0 to 1. Default: the pipeline's own.",
          field="guidance_rescale"),
    _flag("--pag -pag", "pag", "Denoising",
          "Perturbed attention guidance, at a scale of 3 where none is given. SD, SDXL, SD3, Kolors."),
    _each("--pag-scales -pags", "pag_scales", "SCALE", parsers.number(0, most=1e6), "Denoising",
          "Scale of perturbed attention guidance, 0 or more. Default: 3 with --pag, else none.", field="pag_scale"),
    _each("--pag-adaptive-scales -pagas", "pag_adaptive_scales", "SCALE", parsers.number(0, most=1e6), "Denoising",
          "How fast perturbed attention guidance fades during the run, 0 or more. Default: 0, not at all.",
          field="pag_adaptive_scale"),
    _each("--denoising-start -ds", "denoising_start", "POINT", parsers.point, "Denoising",
          "Where this stage begins: 0 to 1 of the denoising, a step from 2 on, or a noise level such as sigma=0.9. It "
          "needs latents to go on from. Default: 0.",
          field="window.start"),
    _each("--denoising-end -de", "denoising_end", "POINT", parsers.point, "Denoising",
          "Where this stage stops: 0 to 1 of the denoising, a step from 2 on, or a noise level such as sigma=0.9; the "
          "result is noisy latents for a next stage. Several values share their common steps. Default: 1.",
          field="window.end"),
    _each("--sigmas -si", "sigmas", "SIGMAS", parsers.sigmas, "Denoising",
          "Noise levels instead of the schedule's, '14.6,7.1,2.9,0.8' in the scheduler's unit, falling; or worked out "
          "of them, 'expr: sigmas * 0.95', with functions of numpy.",
          field="sigmas", fill=writers.fill_sigmas, write=writers.sigmas, covers="inference_steps"),
    _each("--seeds -se", "seeds", "SEED", parsers.seed, "Seeds",
          "Seeds of the noise, 0 to 2^64 - 1. Default: the latents' own, or one at random.", field="seed"),
    _row("--gen-seeds -gse", "gen_seeds", "COUNT", parsers.whole(1, "seeds", most=MOST), "Seeds",
         f"That many seeds at random, {MOST} at most. Not together with --seeds."),
    _flag("--seeds-to-images -sei", "seeds_to_images", "Seeds",
          "Pair the seeds with the image seeds one by one, instead of every seed with every image seed."),
    _each("--image-seeds -is", "image_seeds", "SEED", parse_seed, "Images and latents",
          "Inputs: 'photo.png', 'photo.png;mask=hole.png', 'latents: base', 'photo.png;latents=base'. A bare name "
          "is a kernel variable; what has a dot or a slash is a path.", completion="seed",
          field="image_seed", write=writers.image_seed),
    _each("--image-seed-strengths -iss", "strengths", "STRENGTH", parsers.number(above=0, most=1), "Images and latents",
          f"How much of an input image is noised, above 0 and at most 1. Default: {DEFAULT_STRENGTH:g}.",
          field="strength"),
    _flag("--no-aspect -na", "no_aspect", "Images and latents",
          "Pictures are stretched to their size, in every image seed that says nothing of aspect=. Default: they keep "
          "their shape, and have the width that is asked for."),
    _links("--latents-processors -lp", "latents_processors", "Images and latents",
           "What is done to raw latents before they go in: 'scale;factor=1.1', 'noise;sigma=0.5;seed=1' or timestep=. "
           "'upscale;factor=2' enlarges them, 'upscaler;model=NAME' by LTX-Video's network or Stable "
            "Diffusion's; "
           "'interposer;source=v1;target=xl' converts them by a network; 'composite;with=NAME;at=64x0;feather=16' "
           "pastes others into them. Several run one after the other; a + begins the chain of the next latents."),
    _links("--img2img-latents-processors -ilp", "img2img_latents_processors", "Images and latents",
           "The same of latents in the place of a picture, before they are decoded."),
    _links("--latents-post-processors -lpp", "latents_post_processors", "Images and latents",
           "The same of the latents that the stage makes, after all its steps; not with pictures in files."),
    *(
        _row(f"--{of}-image-processors {short}", f"{of}_image_processors", "PROCESSOR", parsers.image_processor,
             "Images and latents", f"What is done to {what}, one after the other: {_PROCESSORS}. A + begins the "
             "chain of the next one.", many=True, choices=tuple(PROCESSORS), field=f"{of}_image_processors")
        for of, short, what in (
            ("seed", "-sip", "input pictures"), ("mask", "-mip", "masks"), ("control", "-cip", "control images"),
        )
    ),
    _row("--output-size -s", "output_size", "SIZE", parsers.size, "Images and latents",
         "Picture size in pixels, 512 or 512x768, in multiples of 8. A picture that goes in is brought to its width "
         "and keeps its shape, but with --no-aspect. Default: the input's, or the model's own.",
         field="size"),
    _row("--num-frames", "num_frames", "N", parsers.whole(1, "frames", most=MOST_FRAMES), "Images and latents",
         "Frames of a clip, of models that make clips; what a model cannot make is refused with the nearest it can. "
         "Default: the latents', or the model's own.", field="num_frames"),
    _row("--fps", "fps", "N", parsers.number(above=0, most=120), "Images and latents",
         "Frames a second of a clip, at most 120. Default: those that the model was trained on.", field="fps"),
    _row("--batch-size -bs", "batch_size", "N", parsers.whole(1, "pictures"), "Images and latents",
         "Pictures made at once, 1 or more. Default: {default}.", field="batch_size"),
    _flag("--batch-seeds", "batch_seeds", "Images and latents",
          "Run the seeds of one prompt as one batch, where memory allows: faster, and the same latents but for their "
          "last bits, as kernels round by the size of a batch. Default: one after the other.", field="batch_seeds"),
    _row("--post-processors -pp", "post_processors", "PROCESSOR", parsers.post_processor, "Output",
         "What is done to the pictures that the stage makes, one after the other: see --seed-image-processors. Latents "
         "stay as they are.", many=True, choices=tuple(PROCESSORS), field="post_processors"),
    _row("--output-path -o", "output_path", "FOLDER", parsers.text, "Output",
         "Folder to write files to; it is made when missing. Nothing is written when neither this nor --image-format "
         "is given.", completion="path", field="output.path"),
    _row("--output-prefix -op", "output_prefix", "TEXT", parsers.prefix, "Output", "Start of the file names.",
         field="output.prefix"),
    _flag("--output-overwrite -ox", "output_overwrite", "Output",
          "Replace files of the same name that earlier runs left. Default: a number is added.",
          field="output.overwrite"),
    _flag("--output-configs -oc", "output_configs", "Output",
          "Write beside each file a .dgen file of its name, the script that makes it; "
          "python -m jupyter_latents runs it.",
          field="output.configs"),
    _flag("--output-metadata -om", "output_metadata", "Output",
          "Write that script into png and jpg too, where dgenerate's tools find it (DgenerateConfig, in jpg the EXIF "
          "UserComment), whatever %config JupyterLatents.metadata says.", field="output.metadata"),
    _row("--batch-grid-size -bgs", "batch_grid_size", "COLUMNSxROWS", parsers.cells, "Output",
         "Write the pictures of a batch as one, a grid of so many columns and rows. Default: a file each.",
         field="output.grid"),
    _row("--image-format -if", "image_format", "FORMAT", parsers.choice(_IMAGE_FORMATS, "image format"), "Output",
         f"{listed('picture', 'or')} write pictures; {listed('film', 'and')} write clips, as webp does; "
         f"{listed('latents', 'and')} write latents; png;latents writes pictures with their latents inside. Of a clip, "
         "png and jpg write each frame. Default: png, of clips mp4.",
         choices=_names(_IMAGE_FORMATS), field="output.format"),
    _row("--animation-format -af", "animation_format", "FORMAT", parsers.choice(_ANIMATIONS, "animation format"),
         "Output", "What a film in the place of a picture becomes, of models that make pictures: a stage for each "
         f"frame, all of one seed, and a film of their pictures, {listed('film', 'or')}, or webp; frames for the "
         "pictures alone. "
         "frame-start= and frame-end= of the image seed cut it. Default: of a film its first picture.",
         choices=_names(_ANIMATIONS)),
    _flag("--no-frames -nf", "no_frames", "Output",
          "Write the film alone, not a file for each of its frames."),
    _row("--device -d", "device", "DEVICE", parsers.device, "Memory",
         "Where to run: cpu, cuda, cuda:1, mps or xpu. Default: the best there is.", choices=("cpu", "cuda", "mps"),
         field="model.device"),
    _flag("--model-cpu-offload -mco", "model_cpu_offload", "Memory",
          "Keep whole parts of the model on the CPU between uses. Without an accelerator it changes nothing.",
          field="model.offload", gives="model"),
    _flag("--model-sequential-offload -mqo", "model_sequential_offload", "Memory",
          "Keep single layers on the CPU between uses, slow and small. Without an accelerator it changes nothing.",
          field="model.offload", gives="sequential"),
    _flag("--model-group-offload -mgo", "model_group_offload", "Memory",
          "Keep single layers on the CPU between uses, the next ones on their way while one computes. Without an "
          "accelerator it changes nothing.",
          field="model.offload", gives="group"),
    _flag("--vae-tiling -vt", "vae_tiling", "Memory", "Decode and encode in tiles, for large pictures.",
          field="model.vae_tiling"),
    _flag("--vae-slicing -vs", "vae_slicing", "Memory", "Decode and encode a batch one picture at a time.",
          field="model.vae_slicing"),
    _row("--into", "into", "NAME", parsers.identifier, "Notebook",
         "Kernel variable for the result; a sequence when options multiply.", completion="variable", field="into"),
    _flag("--force", "force", "Notebook", "Run again, even where a kept result would answer.", field="force"),
)  # fmt: skip
"""Every option, in the order of help."""

NAMES: dict[str, str] = {option.dest: option.name for option in OPTIONS}
"""The long name of each option, by its `dest`."""

BY_NAME: dict[str, Option] = {name: option for option in OPTIONS for name in option.names}

NESTING: tuple[str, ...] = (
    "prompts", "negative_prompts", "second_prompts", "third_prompts", "image_seeds", "strengths", "schedulers",
    "inference_steps", "sigmas", "guidance_scales", "guidance_rescales", "pag_scales", "pag_adaptive_scales",
    "clip_skips", "denoising_start", "denoising_end", "seeds",
)  # fmt: skip
"""Options that multiply, the outermost first: prompts change slowest, seeds fastest."""
