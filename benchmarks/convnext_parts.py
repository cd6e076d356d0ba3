"""Where a ConvNeXt detector's time goes: python benchmarks/convnext_parts.py MODEL CHECKPOINT.

Converts the rewritten detector again with one kind of work left out at a time, and with all of it
left out but the matrix products, and runs these interleaved with the whole one and with
litert-torch's plain conversion. What is left out is no detector any more: only its time counts.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import torch
from torch import nn

from convert.float_model import export
from scripts._cli import run
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark.machine import machine
from verify.benchmark.timing import interleave
from verify.runtimes.litert import LiteRtSession
from wrappers import convnext_detector, rewrite_norms
from wrappers.convnext_detector import Block
from wrappers.registry import find_spec

_MODELS = ("pixelseal", "videoseal-1.0")
_WHOLE, _PLAIN, _PRODUCTS = "all of it", "plain conversion", "matrix products alone"
_COLUMNS = (
    Column("name", "what"),
    Column("latency_p50_ms", "p50 ms", number, right=True),
    Column("latency_min_ms", "least ms", number, right=True),
    Column("ratio_to_whole", "of all of it", number, right=True),
)


def _same(x: torch.Tensor, *_: Any) -> torch.Tensor:
    return x


def _block_without_response(block: Block, x: torch.Tensor) -> torch.Tensor:
    y = nn.functional.gelu(block.pwconv1(block.dwconv(x)))
    out: torch.Tensor = x + block.pwconv2(y)
    return out


def _block_of_products(block: Block, x: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = block.pwconv2(block.pwconv1(x))
    return out


def _without_depthwise(block: Block, x: torch.Tensor) -> torch.Tensor:
    with patch.object(block, "dwconv", nn.Identity()):
        out: torch.Tensor = _USUAL(block, x)
    return out


_USUAL = Block.forward
_LEFT_OUT: dict[str, tuple[str, ...]] = {
    _WHOLE: (),
    "without depthwise": ("depthwise",),
    "without norms": ("norms",),
    "without GELU": ("gelu",),
    "without GRN": ("response",),
    _PRODUCTS: ("norms", "all but products"),
}
_BLOCKS = {
    "depthwise": _without_depthwise,
    "response": _block_without_response,
    "all but products": _block_of_products,
}


@contextmanager
def _leaving_out(parts: tuple[str, ...]) -> Iterator[None]:
    with ExitStack() as stack:
        for part in parts:
            if part == "norms":
                for module in (convnext_detector, rewrite_norms):
                    stack.enter_context(patch.object(module, "standardise", _same))
            elif part == "gelu":
                stack.enter_context(patch.object(nn.functional, "gelu", _same))
            else:
                stack.enter_context(patch.object(Block, "forward", _BLOCKS[part]))
        yield


@chunkport_command("convnext-parts")
@click.argument("model", type=click.Choice(_MODELS))
@click.argument("checkpoint", type=CHECKPOINT)
@click.option("--rounds", type=click.IntRange(min=1), default=15, help="Turns for each.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
def command(output: Output, *, model: str, checkpoint: Path, rounds: int, num_threads: int) -> int:
    """Time the detector in CHECKPOINT with one part after another left out."""
    spec = find_spec(model)
    network = spec.open_network(checkpoint)
    inputs = {item.name: torch.rand(item.shape) for item in spec.contract(network).inputs}
    sample = {name: tensor.numpy() for name, tensor in inputs.items()}
    runs: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, parts in _LEFT_OUT.items():
            target = Path(folder) / f"{len(runs)}.tflite"
            with _leaving_out(parts):
                export(spec.build_wrapper(network), inputs, target)
            runs[name] = LiteRtSession(target, num_threads).prepared(sample)
        target = Path(folder) / "plain.tflite"
        export(spec.build_plain(network), inputs, target)
        runs[_PLAIN] = LiteRtSession(target, num_threads).prepared(sample)
        times = interleave(runs, rounds)
    p50 = {name: taken.p50_ms for name, taken in times.items()}
    rows = [
        {
            "name": name,
            "latency_p50_ms": taken.p50_ms,
            "latency_min_ms": taken.min_ms,
            "ratio_to_whole": taken.p50_ms / p50[_WHOLE],
        }
        for name, taken in times.items()
    ]
    output.fact("machine", machine())
    reached, highest = p50[_PLAIN] / p50[_WHOLE], p50[_PLAIN] / p50[_PRODUCTS]
    output.fact("speed_vs_plain", reached)
    output.fact(
        "highest_speed_vs_plain",
        highest,
        f"{reached:.2f}x the speed of the plain conversion; {highest:.2f}x if all but the matrix "
        "products were free.",
    )
    output.table("parts", f"{model}, {num_threads} threads, {rounds} rounds", _COLUMNS, rows)
    return 0


if __name__ == "__main__":
    run(command)
