"""The generator's promises, each measured: python benchmarks/gan_generator.py CHECKPOINT.

Converts the checkpoint with and without rewrites, runs everything interleaved in one process,
and holds each figure to its target. Exits 1 when one is missed.
"""

import statistics
import tempfile
from pathlib import Path

import click
import torch

from checkpoints import load_model_chunked
from convert.pipeline import convert_checkpoint
from networks.gan import SEED_SIZE, Generator
from scripts._cli import run
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark import Measured, contender_of, interleave, machine, measure
from verify.judge import judge
from verify.reference import compute_reference
from verify.subject import identify
from wrappers.gan_generator import load_network

_MODEL = "gan-generator"
_PRECISIONS = ("fp32", "fp16", "int8-dynamic")
_MATRIX = 1024
_COLUMNS = (
    Column("figure", "figure"),
    Column("value", "measured", number, right=True),
    Column("target", "target"),
    Column("met", "", lambda met: "met" if met else "MISSED"),
)


@chunkport_command("gan-generator")
@click.argument("checkpoint", type=CHECKPOINT)
@click.option("--rounds", type=click.IntRange(min=1), default=40, help="Turns for each.")
@click.option("--samples", type=click.IntRange(min=1), default=64, help="Latents compared.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of every runtime.")
def command(output: Output, checkpoint: Path, rounds: int, samples: int, num_threads: int) -> int:
    """Measure the full-size generator in CHECKPOINT against every target."""
    reference = compute_reference(_MODEL, checkpoint, samples, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        made = [
            file.path
            for variant in ("rewritten", "plain")
            for file in convert_checkpoint(
                checkpoint, _MODEL, _PRECISIONS, Path(folder), variant=variant
            ).files
        ]
        rewritten = made[: len(_PRECISIONS)]
        verdicts = {
            verdict.precision: {check.name: check.value or 0.0 for check in verdict.checks}
            for verdict in (judge(identify(path), reference, num_threads) for path in rewritten)
        }
        contenders = [contender_of(path) for path in made]
        rows = measure(
            _MODEL, checkpoint, contenders, reference, threads=num_threads, rounds=rounds
        )
    row = {item.precision: item for item in rows if item.variant == "rewritten"}
    weights = rows[0].size_bytes
    gflops = _sgemm_gflops(num_threads, rounds)
    floor_ms = _flops(load_network(load_model_chunked(checkpoint), str(checkpoint))) / gflops / 1e6
    figures = [
        _at_most("fp32: max abs difference", verdicts["fp32"]["max_abs_difference"], 1e-5),
        _at_least("fp32: speed vs plain", _plain(row["fp32"]), 3),
        _at_least("fp32: speed vs PyTorch", row["fp32"].speed_vs_pytorch or 0, 1),
        _at_most("fp32: latency over sgemm floor", row["fp32"].latency_p50_ms / floor_ms, 1.6),
        _at_least("fp16: PSNR dB", verdicts["fp16"]["psnr_db"], 60),
        _at_most("fp16: bytes of the weights", row["fp16"].size_bytes / weights, 0.51),
        _at_least("int8: PSNR dB", verdicts["int8-dynamic"]["psnr_db"], 35),
        _at_most("int8: bytes of the weights", row["int8-dynamic"].size_bytes / weights, 0.27),
        _at_least("int8: speed vs plain int8", _plain(row["int8-dynamic"]), 2.5),
    ]
    output.fact("machine", machine())
    output.fact("sgemm_gflops", gflops, f"sgemm {_MATRIX}: {gflops:.0f} GFLOP/s")
    output.fact("floor_ms", floor_ms, f"floor of the arithmetic: {floor_ms:.2f} ms")
    output.fact("contenders", [item.to_json() for item in rows])
    for item in rows:
        output.note(
            f"{item.name:45} {item.latency_p50_ms:8.2f} ms p50 {item.latency_min_ms:8.2f} min"
        )
    output.table("figures", f"{_MODEL}, {num_threads} threads, {rounds} rounds", _COLUMNS, figures)
    return 0 if all(figure["met"] for figure in figures) else 1


def _plain(row: Measured) -> float:
    return row.speed_vs_plain or 0


def _at_most(figure: str, value: float, bound: float) -> dict[str, object]:
    return {"figure": figure, "value": value, "target": f"<= {bound:g}", "met": value <= bound}


def _at_least(figure: str, value: float, bound: float) -> dict[str, object]:
    return {"figure": figure, "value": value, "target": f">= {bound:g}", "met": value >= bound}


def _flops(network: Generator) -> float:
    """Multiplications and additions of one image, counting every kernel tap of every pixel."""
    flops = 2.0 * network.fc.weight.numel()
    size = SEED_SIZE
    for conv in (network.deconv1, network.deconv2, network.deconv3, network.deconv4):
        flops += 2.0 * conv.weight.numel() * size * size
        size *= 2
    return flops


def _sgemm_gflops(threads: int, rounds: int) -> float:
    """PyTorch's own matrix product, the median speed."""
    torch.set_num_threads(threads)
    a, b = torch.randn(_MATRIX, _MATRIX), torch.randn(_MATRIX, _MATRIX)
    times = interleave({"sgemm": lambda: a @ b}, rounds, lambda: None)["sgemm"]
    return 2 * _MATRIX**3 / statistics.median(times) / 1e9


if __name__ == "__main__":
    run(command)
