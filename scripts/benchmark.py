"""`chunkport benchmark`: size, speed, memory and fidelity of several forms, side by side."""

import json
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chunkport.errors import UsageError
from scripts._benchmark_tables import show_measured
from scripts._models import spec_again, spec_option
from scripts._options import CHECKPOINT, FOLDER, TFLITE, chunkport_command
from scripts._output import Output
from scripts._runtimes import runtime_option

if TYPE_CHECKING:
    from wrappers.spec import BuildOptions


@chunkport_command("benchmark")
@click.argument("files", type=TFLITE, nargs=-1, required=True)
@click.option("--checkpoint", type=CHECKPOINT, required=True, help="What they were made from.")
@spec_option
@click.option("--rounds", type=click.IntRange(min=1), default=20, help="Turns for each.")
@click.option(
    "--num-threads",
    "threads",
    type=click.IntRange(min=1),
    multiple=True,
    help="Of every runtime; may be repeated. Without it: 1, and one for each core.",
)
@click.option("--samples", type=click.IntRange(min=1), default=16, help="Inputs for the PSNR.")
@click.option(
    "--plain/--no-plain",
    default=True,
    help="Also convert without our rewrites, in the same precisions, and measure that.",
)
@click.option("--onnx/--no-onnx", default=True, help="Also the network in ONNX Runtime.")
@runtime_option
@click.option(
    "--memory/--no-memory", default=True, help="Also memory, each in processes of its own."
)
@click.option("--plots", type=FOLDER, help="Where to draw the figures, as PNG.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Also as JSON.")
@click.option("--force", is_flag=True, help="Replace files that are already there.")
def command(
    output: Output,
    *,
    files: tuple[Path, ...],
    checkpoint: Path,
    spec: str | None,
    rounds: int,
    threads: tuple[int, ...],
    samples: int,
    plain: bool,
    onnx: bool,
    runtimes: tuple[str, ...],
    memory: bool,
    plots: Path | None,
    target: Path | None,
    force: bool,
) -> None:
    """Measure FILES, PyTorch and other ways to run the network in turn, in one run.

    Speeds are ratios of median latencies; above 1 is faster. "plain" is the conversion that one
    gets without our rewrites. "spread" is how far rounds of the same work were apart: that is the
    machine's noise. GFLOP/s are those of the fastest run, and sgemm is PyTorch's product of
    matrices; int8, and kernels with wider instructions than PyTorch's, can exceed it. What cannot
    run is a row with its reason. Every number of threads holds each model in memory once more.
    """
    from chunkport.files import replacing
    from verify.benchmark.alternatives import network_in_onnx_runtime, plain_conversions
    from verify.benchmark.as_json import form_rows
    from verify.benchmark.contenders import Original, contender_of, in_runtime
    from verify.benchmark.machine import cores, machine
    from verify.benchmark.measure import measure
    from verify.benchmark.plots import draw_plots, plot_paths
    from verify.benchmark_document import SCHEMA_VERSION, parse_benchmark
    from verify.reference import compute_reference
    from verify.report import labels_of
    from verify.runtime_agreement import choose_runtimes
    from verify.runtimes import LITERT

    wanted = [*(plot_paths(plots) if plots else ()), *([target] if target else ())]
    if not force and (there := [str(path) for path in wanted if path.exists()]):
        raise UsageError(f"{', '.join(there)}: already there; add --force to replace")
    elsewhere = [runtime for runtime in choose_runtimes(runtimes) if runtime.name != LITERT]
    model, options = _what_they_are(files, spec)
    counts = sorted(set(threads or (1, cores())))
    reference = compute_reference(model, checkpoint, samples, seed=0, options=options)
    original = Original(model, checkpoint, reference.inputs[0], options)
    given = [contender_of(path, name) for path, name in zip(files, labels_of(files), strict=True)]
    contenders = [*given, *(in_runtime(item, runtime) for item in given for runtime in elsewhere)]
    with tempfile.TemporaryDirectory() as folder:
        if onnx:
            with output.progress("writing ONNX"):
                contenders.append(network_in_onnx_runtime(original, Path(folder)))
        if plain:
            precisions = list(dict.fromkeys(item.precision for item in given))
            with output.progress("converting without rewrites"):
                contenders += plain_conversions(
                    original, precisions, Path(folder), show_output=output.verbose
                )
        turns = rounds * len(counts) * (len(contenders) + 2)
        with output.progress("measuring", total=turns + len(contenders) + 1) as advance:
            benchmark = measure(
                original,
                contenders,
                reference,
                threads=counts,
                rounds=rounds,
                on_turn=advance,
                on_form=lambda: advance(note="memory"),
                with_memory=memory,
            )
        forms = form_rows(benchmark)
    output.fact("schema_version", SCHEMA_VERSION)
    output.fact("model", model)
    output.fact("num_threads", counts)
    output.fact("rounds", rounds)
    output.fact("machine", machine())
    show_measured(output, benchmark, forms, [item.name for item in given])
    if target is not None:
        with replacing(target) as temporary:
            temporary.write_text(json.dumps(output.document(), indent=2), encoding="utf-8")
    if plots is not None:
        drawn = draw_plots(parse_benchmark(output.document(), "benchmark"), model, plots)
        output.fact("plots", [str(path) for path in drawn], f"Plots: {', '.join(map(str, drawn))}")
    paths, source = shlex.join(map(str, files)), shlex.quote(str(checkpoint))
    saved = f" --benchmark {shlex.quote(str(target))}" if target else ""
    output.next_step(
        f"chunkport report {paths} --checkpoint {source}{spec_again(spec)}{saved} -o report.html"
    )


def _what_they_are(files: tuple[Path, ...], spec: str | None) -> "tuple[str, BuildOptions]":
    """The one model that all files are of, and how it is built."""
    from verify.subject import identify

    twice = sorted({str(path) for path in files if files.count(path) > 1})
    if twice:
        raise UsageError(f"{', '.join(twice)}: named twice; name each file once")
    subjects = [identify(path, spec) for path in files]
    models = sorted({subject.model for subject in subjects})
    if len(models) > 1:
        raise UsageError(f"files of several models ({', '.join(models)}); benchmark them apart")
    options = subjects[0].options
    if any(subject.options != options for subject in subjects):
        raise UsageError("files with other inputs or outputs than the first; benchmark them apart")
    return models[0], options


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
