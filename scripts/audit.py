"""`chunkport audit`: what a phone's GPU would refuse or get wrong, found on this machine."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._models import MODELS, named_model, spec_again, spec_option
from scripts._options import CHECKPOINT, TFLITE, chunkport_command
from scripts._output import Column, Output, number
from scripts._verdicts import show_checks

if TYPE_CHECKING:
    from verify.risks.findings import RiskAudit

_FAILED = 1
_MISSING = 3
_SEVERITIES = {"blocks": "BLOCKS", "wrong": "WRONG", "slow": "slow"}
_FINDINGS = (
    Column("severity", "severity", lambda severity: _SEVERITIES[severity]),
    Column("kind", "risk"),
    Column("op", "op"),
    Column("count", "ops", right=True),
    Column("module", "module", lambda module: module or "-"),
    Column("value", "value", number, right=True),
    Column("limit", "limit", number, right=True),
    Column("sample", "sample", lambda sample: "-" if sample is None else str(sample), right=True),
)
_WORDS = (
    Column("kind", "risk"),
    Column("explanation", "in plain words"),
    Column("rewrite", "exact rewrite"),
)
_PARTS = (
    Column("name", "part"),
    Column("ran", "", lambda ran: "ran" if ran else "NOT RUN"),
    Column("note", ""),
)


@chunkport_command("audit")
@click.argument("files", type=TFLITE, nargs=-1, required=True)
@click.option("--checkpoint", type=CHECKPOINT, help="Compare with the network it was made from.")
@click.option("--model", metavar="NAME", help=f"Of files without a card: {MODELS}.")
@spec_option
@click.option("--samples", type=click.IntRange(min=1), default=4, help="How many inputs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which inputs.")
@click.option(
    "--delegate/--no-delegate",
    default=True,
    help="Run it on the runtime's GPU delegate too, where there is a Vulkan driver.",
)
@click.option("--strict", is_flag=True, help="Exit 3 when a part could not run.")
def command(
    output: Output,
    files: tuple[Path, ...],
    checkpoint: Path | None,
    model: str | None,
    spec: str | None,
    samples: int,
    seed: int,
    delegate: bool,
    strict: bool,
) -> int:
    """Find what in FILES a phone's GPU would refuse, or compute wrongly in float16.

    Values are measured on samples of the model that the card names, so no checkpoint is needed.
    Exits 0 when nothing blocks the GPU and no wrong numbers are likely, and 1 otherwise.
    """
    from verify.risks.audit import audit_file

    with output.progress("auditing") as advance:
        audits = [
            audit_file(
                path,
                model=named_model(model, spec),
                checkpoint=checkpoint,
                samples=samples,
                seed=seed,
                use_delegate=delegate,
                on_part=lambda name: advance(0, name),
            )
            for path in files
        ]
    for audit in audits:
        _show(output, audit)
    failed = [str(audit.path) for audit in audits if not audit.passed]
    summary = (
        f"AT RISK: {', '.join(failed)}"
        if failed
        else f"NOTHING FOUND that a GPU refuses or gets wrong: {len(audits)} of {len(audits)} files"
    )
    output.fact("passed", not failed, summary)
    if failed:
        _suggest(output, Path(failed[0]), checkpoint, spec)
        return _FAILED
    return _MISSING if strict and not all(audit.complete for audit in audits) else 0


def _suggest(output: Output, path: Path, checkpoint: Path | None, spec: str | None) -> None:
    """The conversion for GPUs, where the model has one and the file is none of it yet."""
    from convert.card import read_card
    from wrappers.registry import find_spec
    from wrappers.spec import BuildOptions

    card = read_card(path)
    if card is None or card.options.get("target"):
        return
    try:
        find_spec(spec or card.model, BuildOptions(target="gpu"))
    except UsageError:  # it has no rewrites for GPUs, or is not registered
        return
    source = shlex.quote(str(checkpoint)) if checkpoint else "CHECKPOINT"
    model = spec_again(spec) or f" --model {card.model}"
    output.next_step(f"chunkport convert {source}{model} --target gpu")


def _show(output: Output, audit: "RiskAudit") -> None:
    """The findings of one kind in one row, told by the worst; in the JSON each by itself."""
    from verify.risks.findings import grouped

    rows: list[dict[str, Any]] = [
        {**vars(group.worst), "count": group.count} for group in grouped(audit.findings)
    ]
    title = f"{audit.path}  {audit.inputs}"
    output.table(None, title if rows else f"{title}: nothing found", _FINDINGS, rows)
    if rows:
        output.table(None, "what that means, of the worst op of each", _WORDS, rows)
    for place, checks in audit.float16.items():
        show_checks(output, None, f"what the outputs are worth {place}", checks)
    output.table(None, "parts of the audit", _PARTS, [vars(part) for part in audit.parts])
    output.fact("files", [*output.document().get("files", []), audit.to_json()])


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
