"""`chunkport doctor`: what is installed, what is missing, and whether it all works."""

import shlex
from dataclasses import asdict

import click

from scripts._options import chunkport_command
from scripts._output import Column, Output

_BROKEN = 3
_COLUMNS = (
    Column("name", "what"),
    Column("status", ""),
    Column("found", "found"),
    Column("wanted", "needs"),
    Column("remedy", "what to do"),
)


@chunkport_command("doctor")
@click.option(
    "--self-check/--no-self-check",
    default=True,
    help="Convert, run and compare a tiny network.",
)
def command(output: Output, self_check: bool) -> int | None:
    """Look at what is installed here, and prove that it works.

    Exits 3 when something that chunkport needs is missing, of a wrong version, or broken.
    """
    from scripts import _installation as installation

    needs = installation.read_needs()
    packages = [installation.look_at_package(item) for item in needs.packages]
    machine = installation.measure_machine()
    missing = [finding.name for finding in packages if finding.status == "missing"]
    if not self_check or missing:
        reason = f"needs {', '.join(missing)}" if missing else "--no-self-check"
        checked = installation.Finding("self-check", "skipped", f"not run: {reason}")
    else:
        with output.progress("converting a tiny network"):
            checked, said = installation.run_self_check()
        if output.verbose:
            click.echo(said, err=True)
    findings = [
        installation.look_at_python(needs),
        *packages,
        *installation.look_at_options(),
        installation.look_at_machine(machine),
        checked,
    ]
    rows = [asdict(finding) for finding in findings]
    output.fact("machine", asdict(machine))
    if "rich" in missing:  # it draws the tables
        output.fact("findings", rows, "\n".join(" | ".join(row.values()) for row in rows))
    else:
        output.table("findings", "what chunkport needs", _COLUMNS, rows)
    broken = [finding.name for finding in findings if finding.status in installation.BROKEN]
    output.fact("ok", not broken, f"NOT READY: {', '.join(broken)}" if broken else "READY")
    if not broken:
        output.next_step("chunkport train-gan --profile demo --output-dir demo")
        return None
    to_install = [str(item) for item in needs.packages if item.name in broken]
    if to_install:
        output.next_step(f"pip install {shlex.join(to_install)}")
    return _BROKEN


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
