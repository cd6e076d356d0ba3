"""`chunkport score-images`: how good generated pictures are, beside real ones."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chunkport.errors import UsageError
from scripts._fruit_pictures import reading_options
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Output

if TYPE_CHECKING:
    from networks.quality.judgement import Judgement
    from networks.quality.seen import Classifier
    from scripts._real_pictures import RealSide

_MOST = 5000  # KID compares each picture with each other
_FEW = 500  # below it FID and coverage tell more of chance than of the pictures


@chunkport_command("score-images")
@click.argument(
    "sources", metavar="SOURCE...", type=click.Path(path_type=Path), nargs=-1, required=True
)
@click.option(
    "--data-dir",
    type=FOLDER,
    help="Real pictures, as train-gan takes them, or without classes in the folder itself.",
)
@reading_options
@click.option(
    "--held-out-dir",
    type=FOLDER,
    help="Real pictures that were not trained on; else those that the data set has for tests, or "
    "half of it.",
)
@click.option(
    "--profile",
    type=click.Choice(["standard", "demo"]),
    default="standard",
    help="Without --data-dir: the training run whose fruit is drawn again.",
)
@click.option("--fruit", "fruits", multiple=True, help="Only this kind of it; may be repeated.")
@click.option(
    "--drawn-seed", type=click.IntRange(min=0), default=0, help="The --seed of that training run."
)
@click.option(
    "--count",
    type=click.IntRange(min=32, max=_MOST),
    default=2000,
    help="Pictures of each SOURCE; no more are judged than are held out.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the latents.")
@click.option("--classifier", type=CHECKPOINT, help="Of train-classifier, in place of the shipped.")
@click.option("--worst", type=FOLDER, help="Write the likeliest copies into this folder, as PNG.")
@click.option("--force", is_flag=True, help="Replace what --worst finds there.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of a .tflite.")
def command(
    output: Output,
    sources: tuple[Path, ...],
    data_dir: Path | None,
    group_by_fruit: bool | None,
    skip_bad_files: bool,
    held_out_dir: Path | None,
    profile: str,
    fruits: tuple[str, ...],
    drawn_seed: int,
    count: int,
    seed: int,
    classifier: Path | None,
    worst: Path | None,
    force: bool,
    num_threads: int,
) -> None:
    """Judge the pictures of each SOURCE, a generator's checkpoint, a .tflite or a folder.

    Every figure stands beside its floor, which is what held-out real pictures score, and its
    ceilings: the same pictures with noise, blurred and of one class alone, and what a generator
    like it draws before its training. All SOURCEs draw from the same latents. In a folder grids of
    several pictures (grid*.png) are passed over.
    """
    from networks.quality.judgement import judge_pictures
    from scripts._copies import choose_sheets, show_pairs, write_sheet
    from scripts._picture_sources import named_sources, pictures_of
    from scripts._quality_tables import show_judgement
    from scripts._real_pictures import real_pictures_of
    from verify.generated_pictures import untrained_pictures

    if held_out_dir is not None and data_dir is None:
        raise UsageError("--held-out-dir needs --data-dir, the pictures that were trained on")
    if data_dir is not None and fruits:
        raise UsageError("--fruit is of drawn fruit; leave it out, or leave out --data-dir")
    named = named_sources(sources)
    sheets = choose_sheets(named, worst, force=force)
    eyes = _classifier(classifier)
    for source in named:
        pictures_of(output, source, 1, seed, num_threads)  # refused now, not when fruit is drawn
    if data_dir is None:
        real = _drawn(output, profile, fruits, count, drawn_seed)
    else:
        real = real_pictures_of(
            output,
            data_dir,
            held_out_dir,
            group_by_fruit=group_by_fruit,
            skip_bad_files=skip_bad_files,
        )
    wanted = min(count, len(real.training), len(real.held_out))
    drawn = [pictures_of(output, source, wanted, seed, num_threads) for source in named]
    trained = next((source for source in named if source.is_network), None)
    fresh = None if trained is None else untrained_pictures(trained.path, wanted, seed)
    with output.progress("judging") as advance:
        judgement = judge_pictures(
            {it.source.name: it.pictures for it in drawn},
            real.training,
            real.held_out,
            eyes,
            untrained=fresh,
            seed=seed,
            on_judged=lambda name: advance(note=name),
        )
    output.fact("seed", seed)
    of_each = [(it, judgement.sets[it.source.name]) for it in drawn]
    found = [
        {"name": it.source.name, "path": str(it.source.path), **quality.to_json()}
        for it, quality in of_each
    ]
    output.fact("sources", found)
    show_judgement(output, judgement, real.origin)
    show_pairs(output, of_each, real)
    _warn(output, judgement, count)
    for (pictures, quality), sheet in zip(of_each, sheets, strict=False):
        write_sheet(pictures, quality, real, sheet)
    if sheets:
        written = [str(sheet) for sheet in sheets]
        output.fact("worst", written, f"Likeliest copies: {', '.join(written)}")
        return
    flags: list[object] = [item for kind in fruits for item in ("--fruit", kind)]
    flags += ["--skip-bad-files"] if skip_bad_files else []
    if group_by_fruit is not None:
        flags.append("--group-by-fruit" if group_by_fruit else "--no-group-by-fruit")
    for flag, value, default in (
        ("--data-dir", data_dir, None),
        ("--held-out-dir", held_out_dir, None),
        ("--profile", profile, "standard"),
        ("--drawn-seed", drawn_seed, 0),
        ("--count", count, 2000),
        ("--seed", seed, 0),
        ("--classifier", classifier, None),
    ):
        flags += [] if value == default else [flag, value]
    again = shlex.join(map(str, ["chunkport", "score-images", *sources, *flags]))
    output.next_step(f"{again} --worst copies")


def _classifier(checkpoint: Path | None) -> "Classifier":
    from convert.card import identify_checkpoint
    from networks.quality.seen import Classifier, shipped_classifier
    from verify.classified_pictures import open_classifier

    if checkpoint is None:
        return shipped_classifier()
    return Classifier(*open_classifier(checkpoint), identify_checkpoint(checkpoint)["sha256"])


def _drawn(
    output: Output, profile: str, fruits: tuple[str, ...], count: int, seed: int
) -> "RealSide":
    from scripts._real_pictures import drawn_fruit
    from train.gan_config import PROFILES

    chosen = PROFILES[profile]
    kinds = fruits or chosen.classes
    return drawn_fruit(output, kinds, chosen.images_per_class, count, seed)


def _warn(output: Output, judgement: "Judgement", asked: int) -> None:
    if judgement.classes_refused is not None:
        output.warn(judgement.classes_refused)
    if judgement.accuracy is None:
        output.note(
            "The real pictures have no classes, so that nobody can say whether the classifier is "
            "right about them."
        )
    if judgement.count < asked:
        output.note(
            f"Of {asked} pictures asked for {judgement.count} are judged: there are no more of "
            "each SOURCE, of the real ones or of the held-out ones."
        )
    if judgement.count < _FEW:
        output.warn(
            f"FID and coverage of {judgement.count} pictures tell more of chance; give {_FEW} or "
            "more of each, real and held out too"
        )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
