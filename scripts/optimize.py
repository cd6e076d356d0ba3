"""`chunkport optimize`: the smallest or fastest .tflite that still passes its verdict."""

import json
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from chunkport.files import make_folder, replacing
from scripts._build_options import build_options, chosen_options
from scripts._distribution import workers_for, workers_options
from scripts._models import chosen_model, model_option, spec_again, spec_option
from scripts._options import CHECKPOINT, FOLDER, NumberRange, chunkport_command
from scripts._output import Output, megabytes, ratio
from scripts._search_tables import show_candidates, show_layers_chosen
from scripts._verdicts import show_verdicts

if TYPE_CHECKING:
    from verify.optimize.optimization import Optimization
    from verify.optimize.outcome import Budgets
    from wrappers.spec import BuildOptions, Limit

_NOTHING_PASSES = 1
_BIT_ACCURACY, _PSNR = "bit_accuracy_none", "psnr_db"


@chunkport_command("optimize")
@click.argument("checkpoint", type=CHECKPOINT)
@model_option
@spec_option
@click.option(
    "--for",
    "goal",
    type=click.Choice(["size", "latency"]),
    default="size",
    help="What to make least.",
)
@click.option("--max-size", metavar="SIZE", help="As bytes, 0.9MB, or 0.18x of the float32 file.")
@click.option("--max-latency", metavar="MS", type=NumberRange(0, min_open=True), help="Of a run.")
@click.option(
    "--min-bit-accuracy", type=NumberRange(0, 1), help="Of marked pictures that nothing befell."
)
@click.option("--min-psnr", metavar="DB", type=NumberRange(0), help="Over all pictures.")
@click.option(
    "--limit",
    "limits",
    metavar="NAME=VALUE",
    multiple=True,
    help="Of a row of the verdict, in place of the model's own for int8; may be repeated.",
)
@click.option("-o", "--output-dir", type=FOLDER, default="optimized", help="Where all of it goes.")
@click.option("--samples", type=click.IntRange(min=1), default=32, help="Of each verdict.")
@click.option(
    "--probes", type=click.IntRange(min=1), default=16, help="Samples that a layer is measured on."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which samples.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
@click.option("--max-candidates", type=click.IntRange(min=1), help="Try no more than these.")
@click.option("--max-seconds", type=NumberRange(0, min_open=True), help="Begin none after these.")
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=12,
    help="Stop after so many verdicts in a row that gained nothing.",
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=1,
    help="Mixtures tried side by side. The search takes its way by this number, and not by that "
    "of --workers; give as many.",
)
@click.option(
    "--slow-kernels",
    is_flag=True,
    help="May choose int4 for convolutions too: smaller, and several times as slow as int8.",
)
@click.option(
    "--gptq",
    is_flag=True,
    help="Also see how much further it goes where samples choose the integers of layers together. "
    "Each such try takes up to a minute.",
)
@workers_options
@build_options
@click.option("--force", is_flag=True, help="Replace files that are already there.")
def command(
    output: Output,
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    goal: Any,
    max_size: str | None,
    max_latency: float | None,
    min_bit_accuracy: float | None,
    min_psnr: float | None,
    limits: tuple[str, ...],
    output_dir: Path,
    samples: int,
    probes: int,
    seed: int,
    num_threads: int,
    max_candidates: int | None,
    max_seconds: float | None,
    patience: int,
    at_once: int,
    slow_kernels: bool,
    gptq: bool,
    workers: int,
    ray_address: str | None,
    force: bool,
    **build: Any,
) -> int:
    """Search for the smallest file of CHECKPOINT that passes its verdict, or the fastest.

    Every layer is measured in every format that it can have: int4 in several ways, int8, float16,
    float32. Mixtures are then held to the full verdict of int8, trials included, and the one that
    is shipped also on samples that the search never saw. Results are kept in the folder's
    .optimize: stopped at any time, the same command goes on from there. Exits 1 where nothing
    passes within what was asked for.
    """
    from verify.distribution import map_in_order
    from verify.optimize.evaluation import Setting
    from verify.optimize.optimization import WORK_FOLDER, float_model_in, optimize
    from verify.optimize.outcome import Budgets, parse_size
    from verify.optimize.search import Bounds
    from wrappers.registry import find_spec

    name, options = chosen_model(model, spec), chosen_options(**build)
    by_hand = _limits(name, options, limits, min_bit_accuracy, min_psnr)
    if max_size is not None:
        parse_size(max_size, 1)  # a mistake is told before the long work
    targets = _targets(output_dir, find_spec(name, options).file_stem, force=force)
    work = output_dir / WORK_FOLDER
    with output.progress("optimizing", total=max_candidates) as advance:
        advance(0, note="converting to float32")
        float_model = float_model_in(work, checkpoint, name, options, show_output=output.verbose)
        float_bytes = float_model.stat().st_size
        budgets = Budgets(parse_size(max_size, float_bytes) if max_size else None, max_latency)
        setting = Setting(
            *(float_model, name, checkpoint, options, by_hand),
            samples=samples,
            probes=min(probes, samples),
            seed=seed,
            threads=num_threads,
        )
        bounds = Bounds(max_candidates, max_seconds, patience, at_once, workers)
        with workers_for(output, workers, ray_address, advance) as hands:
            found = optimize(
                *(setting, work, bounds, budgets, goal),
                slow_kernels=slow_kernels,
                gptq=gptq,
                spread=partial(map_in_order, workers=hands),
                on_candidate=lambda note: advance(1, note=note),
            )
    show_layers_chosen(output, found)
    show_candidates(output, found, float_bytes)
    _tell_of_search(output, found, float_bytes)
    _write_front(found, budgets, name, targets)
    if found.chosen is None:
        _tell_nearest(output, found, budgets)
        return _NOTHING_PASSES
    _ship(output, found, setting, targets)
    source = shlex.quote(str(checkpoint))
    output.next_step(
        f"chunkport verify {shlex.quote(str(targets['file']))} --checkpoint {source}"
        f"{spec_again(spec)}"
    )
    return 0


def _limits(
    model: str,
    options: "BuildOptions",
    texts: tuple[str, ...],
    bit_accuracy: float | None,
    psnr: float | None,
) -> "tuple[Limit, ...]":
    """What was given as --limit, --min-bit-accuracy and --min-psnr.

    Raises:
        UsageError: no limit, or of no row that this model's verdict has.
    """
    from verify.limits import figures_of, parse_limits
    from verify.trials import TrialChoices
    from wrappers.registry import find_spec

    figures = figures_of(find_spec(model, options), TrialChoices())
    for flag, row, value in (
        ("--min-bit-accuracy", _BIT_ACCURACY, bit_accuracy),
        ("--min-psnr", _PSNR, psnr),
    ):
        if value is None:
            continue
        if row not in figures:
            raise UsageError(f"{flag}: a verdict of '{model}' has no row {row}; leave it out")
        texts = (*texts, f"{row}={value}")
    return parse_limits(texts, figures)


def _targets(folder: Path, stem: str, *, force: bool) -> dict[str, Path]:
    """What will be written, by what it is.

    Raises:
        UsageError: something is there already, or the folder cannot be written to.
    """
    targets = {
        "file": folder / f"{stem}_mixed.tflite",
        "recipe": folder / "recipe.json",
        "front": folder / "front.json",
        "plot": folder / "front.png",
    }
    existing = [str(path) for path in targets.values() if path.exists()]
    if existing and not force:
        raise UsageError(f"{', '.join(existing)}: already there; add --force to replace")
    make_folder(folder)
    return targets


def _tell_of_search(output: Output, found: "Optimization", float_bytes: int) -> None:
    searched = found.found
    again = f", {searched.reused} of them by an earlier run" if searched.reused else ""
    output.fact("float_bytes", float_bytes)
    output.fact("candidates", searched.candidates)
    output.fact("candidates_reused", searched.reused)
    output.fact(
        "stopped",
        searched.stopped,
        f"{searched.candidates} candidates were tried{again}, {len(found.points)} with a full "
        f"verdict. Stopped: {searched.stopped}.",
    )


def _write_front(
    found: "Optimization", budgets: "Budgets", model: str, targets: dict[str, Path]
) -> None:
    from verify.optimize.plot import draw_front

    points = [point.to_json() for point in found.points]
    with replacing(targets["front"]) as temporary:
        temporary.write_text(json.dumps({"schema_version": 1, "candidates": points}, indent=1))
    draw_front(found.points, found.chosen, budgets, f"{model}: size and error", targets["plot"])


def _tell_nearest(output: Output, found: "Optimization", budgets: "Budgets") -> None:
    """What came nearest, and what spoke against it."""
    from verify.optimize.outcome import nearest_miss

    nearest = nearest_miss(found.points, budgets)
    output.fact("passed", False)  # noqa: FBT003 - a fact has a value
    if nearest is None:
        output.fact("nearest_miss", None, "FAILED: no candidate got as far as a verdict.")
        return
    misses = nearest.misses(budgets) or ["the search was stopped before it was confirmed"]
    output.fact(
        "nearest_miss",
        {**nearest.to_json(), "misses": misses},
        f"FAILED: nothing passes within what was asked for. Nearest: {nearest.tried.name}, "
        f"{megabytes(nearest.tried.result.size_bytes)}; {'; '.join(misses)}.",
    )


def _ship(output: Output, found: "Optimization", setting: Any, targets: dict[str, Path]) -> None:
    """Write the file and its recipe, and show the verdict of that very file."""
    from verify.optimize.evaluation import judge_file, make_file

    assert found.chosen is not None
    recipe = found.chosen.tried.recipe
    made = setting.float_model.with_name("chosen.tflite")
    make_file(setting, recipe, made)
    made.replace(targets["file"])
    with replacing(targets["recipe"]) as temporary:
        temporary.write_text(json.dumps(recipe.to_json(), indent=1))
    verdict = judge_file(setting, targets["file"])
    show_verdicts(output, [verdict])
    share = verdict.size_bytes / setting.float_model.stat().st_size
    output.fact("recipe", str(targets["recipe"]))
    output.fact("plot", str(targets["plot"]))
    output.fact("share_of_float", share)
    output.fact(
        "passed",
        verdict.passed,
        f"PASSED: {targets['file']} is {megabytes(verdict.size_bytes)}, {ratio(share)} of float32. "
        f"`chunkport convert --recipe {targets['recipe']}` makes the same.",
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
