"""Runs with files, pictures, add-ons and options, and what must not run, for `tests.tables.same_results`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.tables.same.row import Row, go_on, script

__all__ = ["SCRIPTS"]


def files() -> Iterator[Row]:
    """Latents that a stage writes and the next one reads, by name and as ``last_images``; files by Python."""
    for family in ("sd15", "sdxl", "flux"):
        for ending in ("pt", "safetensors", "latent"):
            chosen = "--scheduler DDIMScheduler" if family != "flux" else ""
            written = f"{chosen} --denoising-end 0.5 --output-path '<scratch>' --image-format {ending}"
            last = go_on(family, f"{chosen} --denoising-start 0.5", latents="{{ quote(last_images) }}")
            both = script(family, written, "base") + "\n" + last.partition("\n")[2]
            yield Row(f"file/{family} last_images {ending}", (both,))
    for ending in ("pt", "pth", "safetensors", "latent"):
        file = f"<scratch>/half.{ending}"
        kept = f"base.save('{file}')\nread = Latents.load('{file}')"
        cells = (script("sd15", "--denoising-end 0.5", "base"), kept, go_on("sd15", latents=file))
        yield Row(f"file/sd15 saved and named {ending}", cells)
        bare = ", space='sd', sigma=3.0" if ending.startswith("pt") else ""
        elsewhere = f"read = Latents.load('{file}'{bare}).replace(provenance=type(base.provenance)())"
        foreign = (cells[0], kept, elsewhere, go_on("sd15", "--denoising-start 0.5 --seeds 3", latents="read"))
        yield Row(f"file/sd15 read as foreign {ending}", foreign)
    for ending in ("png", "webp"):
        both = script("sd15", f"--output-path '<scratch>' --image-format {ending}", "base")
        both += "\n" + script("sd15", '--image-seeds "{{ quote(last_images) }}"').partition("\n")[2]
        yield Row(f"file/sd15 picture {ending}", (both,))
    yield Row("file/sd15 last_images without files", (script("sd15", "--denoising-end 0.5", "base")
              + "\n" + go_on("sd15", latents="{{ quote(last_images) }}").partition("\n")[2],))  # fmt: skip


def images() -> Iterator[Row]:
    """Latents in the image position; sizes and shapes of image seeds."""
    for family in ("sd15", "sdxl", "kolors", "sd3", "flux", "qwen-image"):
        cells = (script(family, "", "base"), script(family, "--image-seeds base --image-seed-strengths 0.6"))
        yield Row(f"image/{family} latents as a picture", cells)
    half = script("sdxl", "--denoising-end 0.5", "base")
    yield Row("image/sdxl latents with a start", (half, script("sdxl", "--image-seeds base --denoising-start 0.5")))
    yield Row("image/sd15 noisy latents as a picture",
              (script("sd15", "--denoising-end 0.5", "base"), script("sd15", "--image-seeds base")))  # fmt: skip
    yield Row("image/sdxl of sd15", (script("sd15", "", "base"), script("sdxl", "--image-seeds base")))
    for seed in (
        *(
            "picture;48x48",
            "wide",
            "wide;48x48",
            "wide;48x48;aspect=false",
            "wide;resize=48",
            "wide;resize=64;align=32",
        ),
        *("wide;mask=mask", "picture;mask=mask;resize=48", "images: picture, edges"),
    ):
        yield Row(f"image/sd15 {seed}", (script("sd15", f'--image-seeds "{seed}"', size=""),))
    for family in ("sdxl", "flux", "sd3"):
        yield Row(f"image/{family} wide", (script(family, '--image-seeds "wide"', size=""),))
    yield Row("image/sd15 wide with an output size", (script("sd15", "--image-seeds wide", size="64x48"),))
    yield Row("image/sd15 seeds to images",
              (script("sd15", "--image-seeds picture edges --seeds 1 2 --seeds-to-images"),))  # fmt: skip


def addons() -> Iterator[Row]:
    """ControlNet and LoRA."""
    net = "--control-nets '<control>;scale=0.7'"
    for mode, seed in (("txt2img", "control: edges"), ("img2img", "picture;control=edges"),
                       ("inpaint", "picture;mask=mask;control=edges")):  # fmt: skip
        yield Row(f"addon/controlnet {mode}", (script("sd15", f'{net} --image-seeds "{seed}"'),))
    first = script("sd15", f'{net} --image-seeds "control: edges" --denoising-end 0.5', "base")
    last = script("sd15", f'{net} --image-seeds "latents: base;control=edges"')
    yield Row("addon/controlnet windows", (first, last))
    part = "--control-nets '<control>;scale=0.9;start=0.2;end=0.6'"
    yield Row("addon/controlnet for a part", (script("sd15", f'{part} --image-seeds "control: edges"'),))
    for scale in ("", ";scale=0.5"):
        yield Row(f"addon/lora{scale}", (script("sd15", f"--loras '<lora>{scale}'"),))
    first = script("sd15", "--loras '<lora>' --denoising-end 0.5", "base")
    yield Row("addon/lora windows", (first, go_on("sd15", "--loras '<lora>'")))
    yield Row("addon/lora taken off", (first, go_on("sd15")))


OPTIONS = {
    "sd15": (
        *("--batch-size 2", "--seeds 1 2 3", "--seeds 1 2 3 --batch-seeds", "--guidance-scales 0"),
        *("--guidance-scales 1", "--guidance-scales 2 7", "--guidance-rescales 0.7", "--clip-skips 1"),
        *("--negative-prompts dull", "--dtype bfloat16", "--vae-tiling", "--vae-slicing --batch-size 2"),
        *("--scheduler DDIMScheduler EulerDiscreteScheduler", "--optimize channels-last", "--model-type sd"),
        *("--scheduler EulerDiscreteScheduler --sigmas 14.6,7.1,2.9,0.8", "--optimize fuse-projections"),
        *("--denoising-end 0.5 --batch-size 2", "--seeds 0"),
    ),
    "sdxl": (
        *("--second-prompts dog", "--negative-prompts dull", "--sigmas 14.6,7.1,2.9,0.8", "--clip-skips 1"),
        *("--batch-size 2", "--guidance-scales 0", "--guidance-rescales 0.5", "--seeds 1 2 --batch-seeds"),
    ),
    "sd3": (
        *("--third-prompts dog", "--sigmas 1.0,0.7,0.3", "--guidance-scales 1"),
        *("--negative-prompts dull", "--batch-size 2"),
    ),
    "flux": ("--second-prompts dog", "--sigmas 1.0,0.7,0.3", "--guidance-scales 0", "--batch-size 2", "--seeds 1 2"),
    "qwen-image": ("--negative-prompts dull", "--guidance-scales 1", "--sigmas 1.0,0.7,0.3"),
    "z-image": ("--negative-prompts dull", "--guidance-scales 0", "--batch-size 2"),
}
START = "%%dgen --force\n"
PROCESSORS = ("scale;factor=1.1", "noise;sigma=20;seed=1", "noise;timestep=900;seed=2")


def options() -> Iterator[Row]:
    """Options of all kinds, prompts, sizes, processors of latents, and results that are kept."""
    for family, given in OPTIONS.items():
        for text in given:
            yield Row(f"option/{family} {text}", (script(family, text),))
    for size in ("64x96", "48", "128x64"):
        yield Row(f"option/sd15 size {size}", (script("sd15", size=size),))
        yield Row(f"option/flux size {size}", (script("flux", size=size),))
    yield Row("option/sd15 prompts", (script("sd15", prompt="cat 'dog; dull' \"(a hat:1.2)\""),))
    yield Row("option/sdxl negative in the prompt", (script("sdxl", prompt="'a dog; dull, grey'"),))
    half = script("sd15", "--denoising-end 0.5", "base")
    for text in PROCESSORS:
        yield Row(f"option/processor {text}", (half, go_on("sd15", f"--latents-processors '{text}'")))
    several = script("sd15", "--seeds 1 2 --denoising-end 0.5", "base")
    yield Row("option/a sequence goes on", (several, go_on("sd15")))
    yield Row("option/one of a sequence goes on", (several, go_on("sd15", latents="base[1]")))
    as_batch = go_on("sd15", "--seeds 3", latents="listed")
    yield Row("option/a list goes on as a batch", (several, "listed = list(base)", as_batch))
    yield Row("option/a bare tensor goes on", (half, "bare = base.tensor.clone()", go_on("sd15", latents="bare")))
    yield Row("option/an array goes on", (half, "bare = np.array(base)", go_on("sd15", latents="bare")))
    for family in ("sd15", "sdxl", "flux"):
        ends = {"base": "--denoising-end 0.5", "whole": "", "later": "--denoising-end 0.8", "again": ""}
        cells = (script(family, f"--seeds 901 {end}", into, magic="%%dgen") for into, end in ends.items())
        yield Row(f"option/{family} kept results", tuple(cells))


def defaults() -> Iterator[Row]:
    """Scripts that say next to nothing: steps, guidance, size and strength are the defaults."""
    for model in ("<sd15>", "<sdxl>", "demo/scenes", "demo/flow"):
        few = "" if model == "<sd15>" else "--inference-steps 4"
        yield Row(f"default/{model.strip('<>')}", (f"{START}{model}\n--prompts cat --seeds 7 {few} --into final\n",))
    for model in ("<sd3>", "<flux>", "<qwen-image>", "<z-image>", "<flux2>", "<kolors>"):
        text = f"{START}{model}\n--prompts cat --seeds 7 --inference-steps 4 --output-size 64 --into final\n"
        yield Row(f"default/{model.strip('<>')}", (text,))
    text = f"{START}<sd15>\n--seeds 7 --inference-steps 4 --image-seeds picture --into final\n"
    yield Row("default/sd15 img2img", (text,))


def refusals() -> Iterator[Row]:
    """What must not run."""
    half, whole = script("sd15", "--denoising-end 0.5", "base"), script("sd15", "", "base")
    wrong = "bare = torch.zeros(1, 7, 8, 8)"
    for name, *cells in (
        ("wrong channels", wrong, go_on("sd15", latents="bare")),
        ("wrong channels in flux", wrong, go_on("flux", "--denoising-start 0.5", latents="bare")),
        ("a start without latents", script("sd15", "--denoising-start 0.5")),
        ("clean latents", whole, go_on("sd15")),
        ("start after end", half, go_on("sd15", "--denoising-start 0.7 --denoising-end 0.3")),
        ("an end behind which the latents are", half, go_on("sd15", "--denoising-end 0.2")),
        ("an empty window", half, go_on("sd15", "--denoising-end 0.5")),
        ("a bare tensor of elsewhere", "bare = torch.ones(1, 4, 8, 8)", go_on("sd15", latents="bare")),
        ("no such variable", go_on("sd15", latents="nobody")),
        ("no such file", go_on("sd15", latents="<scratch>/none.safetensors")),
        ("no such model", script("./none")),
        ("no such scheduler", script("sd15", "--scheduler NoScheduler")),
        ("no such option", script("sd15", "--no-such-option 3")),
        ("an odd size", script("sd15", size=63)),
        ("a mask without a picture", script("sd15", '--image-seeds "latents: base;mask=mask"')),
        ("a controlnet without its image", script("sd15", "--control-nets '<control>'")),
        ("two latents, one picture", half, script("sd15", '--image-seeds "images: picture, edges;latents=base"')),
        ("flow scheduler on sd15", script("sd15", "--scheduler FlowMatchHeunDiscreteScheduler --sigmas 1.0,0.5")),
    ):
        yield Row(f"refusal/{name}", tuple(cells), refused=True)


SCRIPTS: tuple[Row, ...] = (*files(), *images(), *addons(), *options(), *defaults(), *refusals())
