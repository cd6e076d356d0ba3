"""The fruit generator for TFLite: BatchNorm folded, sub-pixel upsampling, NHWC throughout."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from checkpoints import dequantize, load_model_chunked
from chunkport.errors import BadInputError
from networks.gan import (
    IMAGE_SIZE,
    SEED_SIZE,
    SLOPE,
    UPSAMPLINGS,
    Generator,
    Upsampler,
    upsampling_of,
)
from wrappers.intake import load_strictly, state_dict_in
from wrappers.rewrite import fold_batch_norm, linear_to_nhwc
from wrappers.spec import Contract, ModelSpec, TensorSpec, at_least, at_most
from wrappers.subpixel import (
    CroppedConvTranspose2d,
    SubpixelConvTranspose2d,
    SubpixelPhases,
    SubpixelTail,
    enlarging_as_transposed,
)

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_STATE_DICT = "generator_state_dict"
_ALL_BUT_ONE = 0.995  # of 256; what is drawn twice takes two away


def _transposed(layer: Upsampler) -> nn.ConvTranspose2d:
    """The layer as the transposed convolution that it is, or is equal to."""
    return layer if isinstance(layer, nn.ConvTranspose2d) else enlarging_as_transposed(layer)


def _as_trained(layer: Upsampler) -> nn.Module:
    return CroppedConvTranspose2d(layer) if isinstance(layer, nn.ConvTranspose2d) else layer


class GeneratorForTflite(nn.Module):
    """`latent` (1, noise_dim) to `image` (1, 128, 128, 1) in [-1, 1]."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.channels = 8 * network.width
        fc = fold_batch_norm(network.fc, network.bn0)
        self.fc = linear_to_nhwc(fc, self.channels, SEED_SIZE, SEED_SIZE)
        self.up1 = SubpixelConvTranspose2d(
            fold_batch_norm(_transposed(network.deconv1), network.bn1)
        )
        self.up2 = SubpixelConvTranspose2d(
            fold_batch_norm(_transposed(network.deconv2), network.bn2)
        )
        self.up3 = SubpixelPhases(fold_batch_norm(_transposed(network.deconv3), network.bn3))
        self.up4 = SubpixelTail(_transposed(network.deconv4))

    def forward(self, latent: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, noise_dim) -> {"image": (B, 128, 128, 1)}."""
        x = functional.leaky_relu(self.fc(latent), SLOPE)
        x = x.reshape(-1, SEED_SIZE, SEED_SIZE, self.channels)  # (B, 8, 8, 8w)
        x = functional.leaky_relu(self.up1(x), SLOPE)  # (B, 16, 16, 4w)
        x = functional.leaky_relu(self.up2(x), SLOPE)  # (B, 32, 32, 2w)
        phases = [functional.leaky_relu(phase, SLOPE) for phase in self.up3(x)]
        return {"image": torch.tanh(self.up4(phases))}  # from 2 x 2 times (B, 32, 32, w)


class PlainGenerator(nn.Module):
    """The network as trained, with only what the converter refuses changed; for comparison."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.fc, self.bn0, self.activation = network.fc, network.bn0, network.activation
        self.up1, self.bn1 = _as_trained(network.deconv1), network.bn1
        self.up2, self.bn2 = _as_trained(network.deconv2), network.bn2
        self.up3, self.bn3 = _as_trained(network.deconv3), network.bn3
        self.up4 = _as_trained(network.deconv4)
        self.channels = 8 * network.width

    def forward(self, latent: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, noise_dim) -> {"image": (B, 128, 128, 1)}."""
        x = self.activation(self.bn0(self.fc(latent)))
        x = x.view(-1, self.channels, SEED_SIZE, SEED_SIZE)  # (B, 8w, 8, 8)
        x = self.activation(self.bn1(self.up1(x)))
        x = self.activation(self.bn2(self.up2(x)))
        x = self.activation(self.bn3(self.up3(x)))
        return {"image": torch.tanh(self.up4(x)).permute(0, 2, 3, 1)}


def load_network(checkpoint: Mapping[str, Any], origin: str) -> Generator:
    """The generator in a training checkpoint or a bare state dict; its form is read off it.

    Raises:
        BadInputError: it holds no generator of this kind, whole and finite.
    """
    state = state_dict_in(checkpoint, _STATE_DICT, origin)
    fc, last = state.get("fc.weight"), state.get("deconv4.weight")
    if fc is None or last is None or fc.dim() != 2 or last.dim() != 4:  # noqa: PLR2004 - ranks
        raise BadInputError(
            f"{origin}: its state dict has no fc.weight and deconv4.weight of a generator; "
            "is it a checkpoint of another model?"
        )
    try:
        upsampling = upsampling_of(state)
    except KeyError as error:
        raise BadInputError(
            f"{origin}: deconv4.weight has shape {tuple(last.shape)}, which is the kernel of none "
            f"of {', '.join(UPSAMPLINGS)}; is it a checkpoint of another model?"
        ) from error
    width = last.shape[1 if upsampling == "resize" else 0]
    return load_strictly(Generator(fc.shape[1], width, upsampling), state, origin)


def open_network(path: Path) -> Generator:
    """The generator in a checkpoint of any form, in chunks or not, in 8 bits or as it was trained.

    Raises:
        BadInputError: the file is damaged, or holds no generator of this kind, whole and finite.
    """
    contents = load_model_chunked(path)
    try:
        contents = dequantize(contents)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    return load_network(contents, str(path))


def contract(network: Generator) -> Contract:
    """What goes into and comes out of the .tflite."""
    latent = TensorSpec(
        name="latent",
        shape=(1, network.noise_dim),
        layout="features",
        value_range="N(0, 1)",
        meaning="noise; every draw gives another fruit",
    )
    image = TensorSpec(
        name="image",
        shape=(1, IMAGE_SIZE, IMAGE_SIZE, 1),
        layout="nhwc",
        value_range="[-1, 1]",
        meaning="grayscale picture; byte value = (x + 1) * 127.5",
    )
    return Contract(inputs=(latent,), outputs=(image,))


def make_samples(contract: Contract, count: int, seed: int) -> "list[Arrays]":
    """`count` latents, the same for the same seed."""
    rng = np.random.default_rng(seed)
    shape = contract.inputs[0].shape
    return [{"latent": rng.standard_normal(shape, dtype=np.float32)} for _ in range(count)]


def reference(network: Generator, inputs: "Arrays") -> "Arrays":
    """The network's own image, laid out as the contract says."""
    with torch.inference_mode():
        image: torch.Tensor = network(torch.from_numpy(np.asarray(inputs["latent"])))
    return {"image": image.permute(0, 2, 3, 1).contiguous().numpy()}


SPEC = ModelSpec(
    name="gan-generator",
    file_stem="gan_generator_128",
    summary="GAN generator of 128x128 grayscale fruit images",
    open_network=open_network,
    build_wrapper=GeneratorForTflite,
    build_plain=PlainGenerator,
    contract=contract,
    make_samples=make_samples,
    reference=reference,
    metrics=("max_abs_difference", "mean_abs_difference", "psnr_db", "worst_psnr_db", "ssim"),
    trials=("generated-pictures",),
    output_span=(-1.0, 1.0),
    limits={
        "fp32": (
            at_most("max_abs_difference", 1e-5),
            at_most("mean_abs_difference", 1e-6),
            at_least("psnr_db", 100),
            at_least("worst_psnr_db", 100),
            at_least("ssim", 0.9999),
            at_least("worst_latent_psnr_db", 100),
            at_least("p5_latent_psnr_db", 100),
            at_least("worst_latent_ssim", 0.9999),
            at_most("kid_drift", 1e-9),
            at_least("diversity", 0.999),
            at_least("distinct_pictures", _ALL_BUT_ONE),
        ),
        "fp16": (
            at_most("max_abs_difference", 0.02),
            at_most("mean_abs_difference", 0.002),
            at_least("psnr_db", 60),
            at_least("worst_psnr_db", 55),
            at_least("ssim", 0.999),
            at_least("worst_latent_psnr_db", 55),
            at_least("p5_latent_psnr_db", 60),
            at_least("worst_latent_ssim", 0.999),
            at_most("kid_drift", 5e-4),
            at_least("diversity", 0.99),
            at_least("distinct_pictures", _ALL_BUT_ONE),
        ),
        "int8-dynamic": (
            at_most("max_abs_difference", 0.5),
            at_most("mean_abs_difference", 0.02),
            at_least("psnr_db", 35),
            at_least("worst_psnr_db", 30),
            at_least("ssim", 0.95),
            at_least("worst_latent_psnr_db", 30),
            at_least("p5_latent_psnr_db", 35),
            at_least("worst_latent_ssim", 0.9),
            at_most("kid_drift", 0.02),
            at_least("diversity", 0.95),
            at_least("distinct_pictures", _ALL_BUT_ONE),
        ),
    },
)
