"""Model cards of the watermark detectors: which network a checkpoint's tensors belong to.

A card is a YAML file or mapping in the layout that the public models are published with:
`checkpoint_path`, `args` (nbits, image size), `extractor` (model, params). Its embedder is ignored.
What such a checkpoint holds under `args` alone is enough too, where it names a published extractor.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from chunkport.errors import BadInputError, UsageError
from networks.card_reading import Section

# A published extractor -> the built-in card that describes it.
_PUBLISHED_EXTRACTORS = {
    "convnext_chunky": "chunkyseal",
    "convnext_tiny": "videoseal-1.0",
    "sam_small": "videoseal-0.0",
}
# Names that older cards and checkpoints use for the same extractor.
_OLD_EXTRACTORS = {"convnext_sweep_3_prop_stride2": "convnext_chunky"}
STEM_KERNEL = 4  # pixels a side that one position of a ConvNeXt stem sees
_STAGES = 4
_SMALLEST_FEATURES = 2  # a side, for the decoder to reflect at the borders
_PROPORTION_BITS = 128  # `dims` of a proportional card hold for messages of so many bits


@dataclass(frozen=True)
class ConvNextEncoder:
    """Blocks and channels of each ConvNeXt stage, the channels as built; stride of the stem."""

    depths: tuple[int, ...]
    dims: tuple[int, ...]
    stem_stride: int

    def feature_size(self, image_size: int) -> int:
        """Side of the features of a square image: the stem does not pad, each stage halves."""
        return ((image_size - STEM_KERNEL) // self.stem_stride + 1) >> (len(self.dims) - 1)


@dataclass(frozen=True)
class VitEncoder:
    """A windowed vision transformer, in the words of the card; sizes in pixels or patches."""

    img_size: int
    patch_size: int
    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float
    qkv_bias: bool
    use_rel_pos: bool
    window_size: int  # patches; 0 attends over the whole image everywhere
    global_attn_indexes: tuple[int, ...]  # blocks that attend over the whole image
    out_chans: int

    @property
    def grid_size(self) -> int:
        """Patches along each side of the image."""
        return self.img_size // self.patch_size


@dataclass(frozen=True)
class DetectorCard:
    """What to build for a checkpoint, and the square image (in pixels a side) to give it."""

    source: str
    nbits: int
    image_size: int
    extractor: str
    encoder: ConvNextEncoder | VitEncoder
    checkpoint_path: str | None
    video_chunk_size: int | None = None  # frames looked at together
    video_step_size: int | None = None  # frames from one embedded frame to the next


def built_in_cards() -> tuple[str, ...]:
    """Names of the published models whose cards come with chunkport, sorted."""
    folder = resources.files("networks") / "cards"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir()))


def load_card(source: str | Path | Mapping[str, Any]) -> DetectorCard:
    """Read a card from a built-in name, a file, a mapping, or the mapping's text in YAML.

    A text is taken for YAML if it has more than one line or begins with a brace.
    A checkpoint without a card of its own can be given as `{"args": checkpoint["args"]}`.

    Raises:
        UsageError: the name is neither built in nor a file.
        BadInputError: the card is not readable, or describes no network that is known here.
    """
    if isinstance(source, Mapping):
        return _parse(source, "card")
    if isinstance(source, str) and ("\n" in source or source.startswith("{")):
        return _parse(_yaml_mapping(source, "card"), "card")
    name = str(source).replace("_", "-")
    if isinstance(source, str) and name in built_in_cards():
        return _parse(_built_in(name), f"built-in card {name}")
    path = Path(source)
    if not path.is_file():
        near = difflib.get_close_matches(name, built_in_cards(), n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        choices = ", ".join(built_in_cards())
        raise UsageError(f"{source}: neither a card file nor one of {choices}{hint}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: not readable as text ({error}); give a YAML card") from error
    return _parse(_yaml_mapping(text, str(path)), str(path))


@cache
def _built_in(name: str) -> Mapping[str, Any]:
    text = (resources.files("networks") / "cards" / f"{name}.yaml").read_text(encoding="utf-8")
    return _yaml_mapping(text, name)


def _yaml_mapping(text: str, source: str) -> Mapping[str, Any]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise BadInputError(f"{source}: not valid YAML ({reason}); mend or replace it") from error
    if not isinstance(value, Mapping):
        raise BadInputError(
            f"{source}: expected a mapping with args and extractor, found "
            f"{type(value).__name__}; give a model card"
        )
    return value


def mapping_of_args(raw: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """The same card with `args` as a mapping; checkpoints keep them as a YAML text.

    Raises:
        BadInputError: the text is no YAML mapping.
    """
    if not isinstance(raw.get("args"), str):
        return raw
    return {**raw, "args": _yaml_mapping(raw["args"], f"{source}, key args")}


def _parse(raw: Mapping[str, Any], source: str) -> DetectorCard:
    card = Section(source, mapping_of_args(raw, source))
    args = card.section("args")
    nbits = args.integer("nbits", low=1)
    size_key = "img_size_extractor" if "img_size_extractor" in args else "img_size_proc"
    image_size = args.integer(size_key, low=1)
    extractor, params = _extractor(card, args)
    encoder: ConvNextEncoder | VitEncoder
    if extractor.startswith("convnext"):
        encoder = _convnext(params, nbits, image_size)
    else:
        encoder = _vit(params, image_size)
    _check_pixel_decoder(params)
    return DetectorCard(
        source=source,
        nbits=nbits,
        image_size=image_size,
        extractor=extractor,
        encoder=encoder,
        checkpoint_path=card.text("checkpoint_path") if "checkpoint_path" in card else None,
        video_chunk_size=_video_size(args, "chunk_size"),
        video_step_size=_video_size(args, "step_size"),
    )


def _extractor(card: Section, args: Section) -> tuple[str, Section]:
    """The extractor's present name and its parameters, the published ones if none are given."""
    given = card.section("extractor") if "extractor" in card else None
    holder, key = (given, "model") if given else (args, "extractor_model")
    written = holder.text(key)
    model = _OLD_EXTRACTORS.get(written, written)
    published = ", ".join(_PUBLISHED_EXTRACTORS)
    if not model.startswith(("convnext", "sam")):
        holder.refuse(key, f"convnext_... or sam_... (published: {published})")
    if given and "params" in given:
        params = given.section("params")
    elif model in _PUBLISHED_EXTRACTORS:
        name = _PUBLISHED_EXTRACTORS[model]
        params = Section(name, _built_in(name)).section("extractor").section("params")
    else:
        holder.refuse(key, f"one of {published}, or extractor.params beside it")
    params.check_known(("encoder", "pixel_decoder", "proportional_dim"))
    return model, params


def _convnext(params: Section, nbits: int, image_size: int) -> ConvNextEncoder:
    encoder = params.section("encoder")
    # drop_path_rate matters to training alone.
    encoder.check_known(("depths", "dims", "stem_stride", "in_chans", "drop_path_rate"))
    encoder.check_fixed("in_chans", 3)
    depths = encoder.integers("depths", low=1, count=_STAGES)
    dims = encoder.integers("dims", low=1, count=_STAGES)
    stride = encoder.integer("stem_stride", 1, STEM_KERNEL) if "stem_stride" in encoder else 4
    if "proportional_dim" in params and params.boolean("proportional_dim"):
        # Longer messages get wider networks, in proportion to the root of their length.
        dims = tuple(int(dim * math.sqrt(nbits / _PROPORTION_BITS)) for dim in dims)
        if min(dims) < 1:
            encoder.refuse("dims", f"channels that stay above 0 for {nbits} bits")
    built = ConvNextEncoder(depths, dims, stride)
    if built.feature_size(image_size) < _SMALLEST_FEATURES:
        raise BadInputError(
            f"{params.source}: after the encoder, images of {image_size} pixels a side have "
            f"{max(built.feature_size(image_size), 0)} left, expected at least "
            f"{_SMALLEST_FEATURES}; give a larger image size under args"
        )
    return built


def _vit(params: Section, image_size: int) -> VitEncoder:
    section = params.section("encoder")
    section.check_known((*VitEncoder.__dataclass_fields__, "in_chans", "use_abs_pos"))
    section.check_fixed("in_chans", 3)
    section.check_fixed("use_abs_pos", only=True)
    encoder = VitEncoder(
        img_size=section.integer("img_size", low=1),
        patch_size=section.integer("patch_size", low=1),
        embed_dim=section.integer("embed_dim", low=1),
        depth=section.integer("depth", low=1),
        num_heads=section.integer("num_heads", low=1),
        mlp_ratio=section.positive("mlp_ratio"),
        qkv_bias=section.boolean("qkv_bias"),
        use_rel_pos=section.boolean("use_rel_pos"),
        window_size=section.integer("window_size", low=0),
        global_attn_indexes=section.integers("global_attn_indexes", low=0),
        out_chans=section.integer("out_chans", low=1),
    )
    if encoder.img_size != image_size:
        section.refuse("img_size", f"{image_size}, the image size under args")
    if encoder.img_size % encoder.patch_size or encoder.grid_size < _SMALLEST_FEATURES:
        section.refuse("patch_size", f"a divisor of img_size ({image_size}), at most half of it")
    if encoder.embed_dim % encoder.num_heads:
        section.refuse("num_heads", f"a divisor of embed_dim ({encoder.embed_dim})")
    if any(index >= encoder.depth for index in encoder.global_attn_indexes):
        section.refuse("global_attn_indexes", f"indexes below depth ({encoder.depth})")
    return encoder


def _check_pixel_decoder(params: Section) -> None:
    """Refuse the forms of the decoder that no published detector uses.

    Its embed_dim and nbits follow from the encoder and args, and upscale_type says how to enlarge
    by a factor of 1: all three are ignored.
    """
    decoder = params.section("pixel_decoder")
    decoder.check_known(
        ("upscale_stages", "sigmoid_output", "pixelwise", "embed_dim", "nbits", "upscale_type")
    )
    decoder.check_fixed("upscale_stages", [1])
    decoder.check_fixed("sigmoid_output", only=False)
    decoder.check_fixed("pixelwise", only=False)


def _video_size(args: Section, name: str) -> int | None:
    for key in (f"videoseal_{name}", f"videowam_{name}"):  # the second is the older name
        if key in args:
            return args.integer(key, low=1)
    return None
