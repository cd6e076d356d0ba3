"""Converts many networks as they should be converted, and counts the files that `verify` refuses.

Every family of the registry at a size that converts in seconds, from as many seeds as it takes,
in every precision. Their weights are drawn, and the generators' norms have seen some batches. In
float and in dynamic INT8 every file is to pass. In fewer bits, and with ranges, not every network
bears it: there a file is refused where a row fails that is about the file and not about what it
loses. Exits 1 at the first false alarm, having judged them all.
"""

import contextlib
import io
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import nn

from chunkport.files import make_folder
from convert.calibration.samples import CalibrationChoice
from convert.isolation import run_isolated
from convert.pipeline import convert_checkpoint
from convert.quantization.precision import PRECISIONS as TABLE
from convert.quantization.precision import recipe_of
from convert.quantization.recipe import Recipe
from networks.cards import load_card
from networks.detector import build_detector
from networks.gan import Generator
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Column, Output
from verify.judge import STEPS
from wrappers.spec import BuildOptions

_FAITHFUL = ("fp32", "fp16", "int8-dynamic")
_CLIPPING = Recipe(
    tuple(
        replace(rule, algorithm="octav") if rule.weights == "int4" else rule
        for rule in recipe_of("int4-dynamic").rules
    )
)
PRECISIONS = (*(row.name for row in TABLE if row.recipe or row.name == "fp32"), "mixed")
_CALIBRATION = 16  # samples; what few cost is not judged here
_WARM_UP = 8  # batches that a generator's norms see
_NEAR_ZERO = {"bias", "gamma", "beta", "pos_embed", "rel_pos_h", "rel_pos_w"}
_HEAD = {"upscale_stages": [1], "sigmoid_output": False, "pixelwise": False}
_CARDS: Mapping[str, dict[str, Any]] = {
    "chunkyseal": {
        "args": {"nbits": 64, "img_size_proc": 96},
        "model": "convnext_chunky",
        "encoder": {"stem_stride": 2, "depths": [1, 2, 3, 1], "dims": [32, 48, 64, 96]},
    },
    "pixelseal": {
        "args": {"nbits": 32, "img_size_proc": 128},
        "model": "convnext_tiny",
        "encoder": {"depths": [1, 1, 3, 1], "dims": [24, 48, 96, 192]},
    },
    "videoseal-1.0": {
        "args": {"nbits": 48, "img_size_proc": 128},
        "model": "convnext_tiny",
        "encoder": {"depths": [1, 1, 2, 1], "dims": [16, 32, 48, 64]},
    },
    "videoseal-0.0": {
        "args": {"nbits": 20, "img_size_proc": 96},
        "model": "sam_small",
        "encoder": {
            "img_size": 96,
            "embed_dim": 64,
            "out_chans": 48,
            "depth": 3,
            "num_heads": 2,
            "patch_size": 16,
            "global_attn_indexes": [2],
            "window_size": 4,
            "mlp_ratio": 4,
            "qkv_bias": True,
            "use_rel_pos": True,
        },
    },
}
_COLUMNS = (
    Column("model", "model"),
    Column("precision", "precision"),
    Column("files", "files", right=True),
    Column("refused", "refused", right=True),
    Column("rows", "rows that refused them", lambda rows: ", ".join(map(str, rows))),
    Column("losing", "files that lose too much", right=True),
)


@dataclass(frozen=True)
class Honest:
    """One network to convert: of which model, from which seed, and how it is built."""

    model: str
    seed: int
    options: BuildOptions = field(default_factory=BuildOptions)

    @property
    def name(self) -> str:
        """For its files."""
        return f"{self.model}_{self.seed}"


def honest_networks(seeds: int) -> Iterator[Honest]:
    """Every model of the registry, from so many seeds."""
    for seed in range(seeds):
        yield Honest("gan-generator", seed)
        yield Honest("tinyseal", seed)
        for model in _CARDS:
            yield Honest(model, seed, BuildOptions(model_card=json.dumps(_card(model))))


def convert_all(networks: list[Honest], folder: Path) -> None:
    """Make each network and its files, one after the other in this process."""
    for one in networks:
        convert_checkpoint(
            save_network(one, folder),
            one.model,
            PRECISIONS,
            folder / one.name,
            recipe=_CLIPPING,
            options=one.options,
            calibration=CalibrationChoice(samples=_CALIBRATION),
            isolated=False,
        )


def save_network(one: Honest, folder: Path) -> Path:
    """Its checkpoint, made in the folder."""
    checkpoint = folder / f"{one.name}.pth"
    torch.save(_made(one), checkpoint)
    return checkpoint


def _card(model: str) -> dict[str, Any]:
    card = _CARDS[model]
    decoder = {
        **_HEAD,
        "embed_dim": card["encoder"].get("out_chans", 0),
        "upscale_type": "bilinear",
    }
    if model != "videoseal-0.0":
        decoder = _HEAD
    params = {"encoder": card["encoder"], "pixel_decoder": decoder}
    return {
        "checkpoint_path": "made.pth",
        "args": card["args"],
        "extractor": {"model": card["model"], "params": params},
    }


def _made(one: Honest) -> dict[str, Any]:
    torch.manual_seed(one.seed)
    if one.model == "gan-generator":
        return {"generator_state_dict": _warmed_up(Generator(width=(8, 16)[one.seed % 2]))}
    described = _card(one.model) if one.options.model_card else "tinyseal"
    network = build_detector(load_card(described))
    state = {
        f"detector.{key}": _drawn(key, tuple(tensor.shape), one.seed)
        for key, tensor in network.state_dict().items()
    }
    return {"model": state}


def _warmed_up(generator: Generator) -> dict[str, torch.Tensor]:
    """The generator as early in its training: its norms know what they see."""
    for child in generator.modules():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(child.weight, 1, 0.1)
            nn.init.normal_(child.bias, 0, 0.1)
    generator.train()
    with torch.inference_mode():
        for _ in range(_WARM_UP):
            generator(torch.randn(16, generator.noise_dim))
    return generator.eval().state_dict()


def _drawn(key: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Numbers that keep activations near unit variance, from the key and the seed."""
    rng = np.random.default_rng([zlib.crc32(key.encode()), seed])
    noise = rng.standard_normal(shape, dtype=np.float32)
    if key.rpartition(".")[2] in _NEAR_ZERO:
        noise *= np.float32(0.1)
    elif len(shape) == 1:  # the weight of a norm
        noise = 1 + np.float32(0.1) * noise
    else:
        noise /= np.float32(math.sqrt(math.prod(shape[1:])))
    return torch.from_numpy(np.asarray(noise))


def failing_rows(one: Honest, folder: Path) -> dict[str, dict[str, str]]:
    """By precision, the rows that `chunkport verify` fails, as a user would see them."""
    from scripts.verify import command

    files = sorted((folder / one.name).glob("*.tflite"))
    arguments = [*map(str, files), "--checkpoint", str(folder / f"{one.name}.pth")]
    with contextlib.redirect_stdout(io.StringIO()) as written:
        code = command.main([*arguments, "--format", "json", "-q"], standalone_mode=False)
    found = {
        verdict["precision"]: {
            row["name"]: f"{row['value']} ({row['limit']}) {row['reason'] or ''}".rstrip()
            for row in verdict["checks"]
            if row["passed"] is False
        }
        for verdict in json.loads(written.getvalue())["files"]
    }
    assert (code == 1) == any(found.values()), f"{one.name}: exit code {code} for {found}"
    return found


def judge_all(
    networks: list[Honest], folder: Path, on_network: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """Per model and precision, how many files were judged, and the rows that refused any."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in networks:
        for precision, failed in failing_rows(one, folder).items():
            row = rows.setdefault(
                (one.model, precision),
                {"model": one.model, "precision": precision, "files": 0, "refused": 0}
                | {"rows": [], "losing": 0},
            )
            refusing = [
                f"{one.seed}: {name} {told}"
                for name, told in failed.items()
                if precision in _FAITHFUL or name in STEPS
            ]
            row["files"] += 1
            row["refused"] += bool(refusing)
            row["rows"] += refusing
            row["losing"] += len(refusing) < len(failed)
        on_network()
    return [rows[key] for key in sorted(rows)]


@chunkport_command("honest-conversions")
@click.option("--count", type=click.IntRange(min=1), default=200, help="At least so many files.")
@click.option("--folder", type=click.Path(path_type=Path), default="honest", help="For the files.")
def command(output: Output, count: int, folder: Path) -> int:
    """Convert networks of every model without any defect, and judge each file."""
    models = len(_CARDS) + 2
    networks = list(honest_networks(-(-count // (models * len(PRECISIONS)))))
    make_folder(folder)
    with output.progress("judging honest files", total=len(networks)) as advance:
        for first in range(0, len(networks), models):  # a process leaks a little per model
            run_isolated(convert_all, networks[first : first + models], folder)
        rows = judge_all(networks, folder, advance)
    output.table("conversions", "honest conversions", _COLUMNS, rows)
    refused = sum(row["refused"] for row in rows)
    judged = sum(row["files"] for row in rows)
    output.fact("refused", refused, f"{refused} of {judged} honest files were refused.")
    return 1 if refused else 0


if __name__ == "__main__":
    run(command)
