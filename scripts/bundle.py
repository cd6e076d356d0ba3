"""`chunkport bundle`: a model with what proves it on any device, in one folder to serve."""

import shlex
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chunkport.errors import BadInputError, UsageError
from scripts._models import spec_option
from scripts._options import CHECKPOINT, TFLITE, chunkport_command
from scripts._output import Column, Output, megabytes, number
from scripts._watermarks import unseen_scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from convert.card import Card
    from verify.attacks import Pixels
    from verify.bundle.pictures import GoldenPicture
    from verify.subject import Subject
    from wrappers.spec import Contract

_FAILED = 1
_ROWS = (
    Column("golden", "golden"),
    Column("check", "check"),
    Column("passed", "", lambda passed: "pass" if passed else "FAIL"),
    Column("value", "value", number, right=True),
    Column("limit", "limit", right=True),
    Column("note", ""),
)


@chunkport_command("bundle")
@click.argument("file", metavar="MODEL.tflite", type=TFLITE)
@click.option(
    "--checkpoint",
    type=CHECKPOINT,
    help="Expect what PyTorch computes of these weights.  [default: what the file computes here]",
)
@spec_option
@click.option("--goldens", type=click.IntRange(min=1), default=3, help="How many made inputs.")
@click.option(
    "--picture",
    "pictures",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="A golden picture of your own, besides the drawn ones; may be repeated.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which inputs.")
@click.option("--page/--no-page", default=True, help="With the page, which needs LiteRT.js.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder to make.",
)
@click.option("--force", is_flag=True, help="Replace a bundle that is already there.")
def command(
    output: Output,
    file: Path,
    checkpoint: Path | None,
    spec: str | None,
    goldens: int,
    pictures: tuple[Path, ...],
    seed: int,
    page: bool,
    target: Path,
    force: bool,
) -> int:
    """Put MODEL.tflite into a folder with golden inputs and outputs, and a page that runs them.

    Any static server can serve the folder. The page runs the model with LiteRT.js on the visitor's
    own device, compares and times it, and does its job. A script does the same in Python, and the
    README says how in Android. Exits 1, and leaves no folder, where the file itself misses a limit
    on a golden here.
    """
    from verify.bundle.folder import BundleRequest, refuse_to_overwrite, write_bundle
    from verify.subject import identify

    refuse_to_overwrite(target, force=force)
    subject = identify(file, spec)
    if subject.card is None:
        raise BadInputError(f"{file}: has no chunkport card; convert it with chunkport")
    _warn_of_others(output, file, subject.card, checkpoint)
    request = BundleRequest(
        subject,
        subject.card,
        checkpoint,
        goldens,
        seed,
        _pictures(subject, subject.card, checkpoint, pictures, seed),
        page,
    )
    turns = goldens + len(request.pictures)
    with output.progress("computing goldens", total=turns) as advance:
        bundle = write_bundle(request, target, force=force, on_sample=advance)
    output.table(
        "checks", f"{target}: the goldens in Python", _ROWS, list(map(asdict, bundle.rows))
    )
    output.fact("passed", bundle.passed)
    if not bundle.passed:
        failed = sum(not row.passed for row in bundle.rows)
        output.fact(
            "path", None, f"FAILED: {failed} of {len(bundle.rows)} comparisons; nothing is written"
        )
        return _FAILED
    size = megabytes(bundle.size_bytes)
    parts = f"LiteRT.js {bundle.litert_js} in it" if bundle.litert_js else "without a page"
    output.fact("path", str(target), f"PASSED: {target}, {size}, {parts}")
    output.fact("size_bytes", bundle.size_bytes)
    output.fact("litert_js", bundle.litert_js)
    if page and bundle.no_page:
        output.warn(f"no page: {bundle.no_page}")
    folder = shlex.quote(str(target))
    output.next_step(
        f"python -m http.server --directory {folder}"
        if bundle.litert_js
        else f"python {folder}/run_goldens.py"
    )
    return 0


def _pictures(
    subject: "Subject",
    card: "Card",
    checkpoint: Path | None,
    own: tuple[Path, ...],
    seed: int,
) -> "list[GoldenPicture]":
    """Drawn pictures, marked where the checkpoint can, and the user's own.

    Raises:
        UsageError: the model takes none.
        BadInputError: one of the user's is none.
    """
    from verify.bundle.pictures import made_pictures, own_pictures
    from verify.bundle.preprocessing import takes_known_pictures
    from wrappers.registry import find_spec
    from wrappers.spec import Contract

    spec = find_spec(subject.model, subject.options)
    if not takes_known_pictures(spec):
        if own:
            raise UsageError(f"model '{spec.name}' takes no pictures; leave out --picture")
        return []
    contract = Contract.from_json(card.contract)
    embed = _embedder(checkpoint, contract, seed)
    hidden, mark = embed or (None, None)
    return [*made_pictures(contract, partial(unseen_scene, seed), mark, hidden), *own_pictures(own)]


def _embedder(
    checkpoint: Path | None, contract: "Contract", seed: int
) -> "tuple[tuple[int, ...], Callable[[Pixels], Pixels]] | None":
    """A message and what hides it in a picture, where the checkpoint has an embedder."""
    from verify.marked_pictures import mark_pixels, random_message
    from wrappers.detector_intake import load_embedder_network

    if checkpoint is None:
        return None
    try:
        embedder = load_embedder_network(checkpoint)
    except BadInputError:  # of a detector alone, or of another kind; opening it tells of damage
        return None
    nbits = sum(item.shape[-1] for item in contract.outputs) - 1
    if embedder.card.nbits != nbits:
        return None
    message = random_message(nbits, seed)
    return message, lambda pixels: mark_pixels(embedder, pixels, message)


def _warn_of_others(output: Output, file: Path, card: "Card", checkpoint: Path | None) -> None:
    from convert.card import identify_checkpoint

    if checkpoint and card.checkpoint["sha256"] != identify_checkpoint(checkpoint)["sha256"]:
        output.warn(
            f"{file}: its card names another checkpoint than {checkpoint}; what is expected comes "
            "from the latter"
        )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
