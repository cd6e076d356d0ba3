"""The generator's promises, each measured: python benchmarks/gan_generator.py CHECKPOINT.

Converts the checkpoint with and without rewrites, runs everything interleaved in one process,
and holds each figure to its target. Exits 1 when one is missed.
"""

import tempfile
from pathlib import Path

import click

from convert.pipeline import convert_checkpoint
from scripts._benchmark_tables import show_speeds
from scripts._cli import run
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark.as_json import timing_rows
from verify.benchmark.contenders import Original, contender_of
from verify.benchmark.machine import machine
from verify.benchmark.measure import measure
from verify.judge import judge
from verify.reference import compute_reference
from verify.subject import identify

_MODEL = "gan-generator"
_PRECISIONS = ("fp32", "fp16", "int8-dynamic")
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
        benchmark = measure(
            Original(_MODEL, checkpoint, reference.inputs[0]),
            [contender_of(path) for path in made],
            reference,
            threads=[num_threads],
            rounds=rounds,
            with_memory=False,
        )
    row = {
        item["precision"]: item for item in timing_rows(benchmark) if item["variant"] == "rewritten"
    }
    eager = benchmark.forms[0]
    floor_ms = (eager.flop or 0) / benchmark.sgemm_gflop_per_s(num_threads) / 1e6
    weights = eager.size_bytes or 0
    figures = [
        _at_most("fp32: max abs difference", verdicts["fp32"]["max_abs_difference"], 1e-5),
        _at_least("fp32: speed vs plain", row["fp32"]["speed_vs_plain"], 3),
        _at_least("fp32: speed vs PyTorch", row["fp32"]["speed_vs_pytorch"], 1),
        _at_most("fp32: latency over sgemm floor", row["fp32"]["latency_min_ms"] / floor_ms, 1.6),
        _at_least("fp16: PSNR dB", verdicts["fp16"]["psnr_db"], 60),
        _at_most("fp16: bytes of the weights", row["fp16"]["size_bytes"] / weights, 0.51),
        _at_least("int8: PSNR dB", verdicts["int8-dynamic"]["psnr_db"], 35),
        _at_most("int8: bytes of the weights", row["int8-dynamic"]["size_bytes"] / weights, 0.27),
        _at_least("int8: speed vs plain int8", row["int8-dynamic"]["speed_vs_plain"], 2.5),
    ]
    output.fact("machine", machine())
    output.fact("floor_ms", floor_ms, f"floor of the arithmetic: {floor_ms:.2f} ms")
    show_speeds(output, benchmark)
    output.table("figures", f"{_MODEL}, {num_threads} threads, {rounds} rounds", _COLUMNS, figures)
    return 0 if all(figure["met"] for figure in figures) else 1


def _at_most(figure: str, value: float, bound: float) -> dict[str, object]:
    return {"figure": figure, "value": value, "target": f"<= {bound:g}", "met": value <= bound}


def _at_least(figure: str, value: float, bound: float) -> dict[str, object]:
    return {"figure": figure, "value": value, "target": f">= {bound:g}", "met": value >= bound}


if __name__ == "__main__":
    run(command)
