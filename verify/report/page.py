"""One HTML file of all that is known about some .tflite files; it needs no network, no scripts.

The same values give the same bytes.
"""

from pathlib import Path

from chunkport import __version__
from chunkport.files import replacing
from verify.layers.percentages import percent
from verify.report import Report
from verify.report.bars import charts_of
from verify.report.calibrated import calibrations_of
from verify.report.figures import part, sense, shape, short
from verify.report.measurements import tables_of
from verify.report.templating import page_environment
from verify.risks.findings import grouped


def write_report(report: Report, target: Path) -> None:
    """Write the page; `target` appears whole or not at all.

    Raises:
        UsageError: the folder is missing or not writable.
    """
    with replacing(target) as temporary:
        temporary.write_bytes(render(report).encode("utf-8", errors="replace"))


def render(report: Report) -> str:
    """The page. It is also well-formed XML, so that tests can read it strictly."""
    environment = page_environment()
    environment.filters |= {
        "part": part,
        "short": short,
        "percent": percent,
        "grouped": grouped,
        "sense": sense,
        "shape": shape,
    }
    return environment.get_template("report.html.j2").render(
        report=report,
        sections=_sections(report),
        version=__version__,
        calibrations=calibrations_of(report.files),
        charts=charts_of(report.benchmark),
        tables=tables_of(report.benchmark),
    )


def _sections(report: Report) -> list[tuple[str, str]]:
    """The sections that the page has, each by its file in `templates/sections/` and its title.

    Those are left out that are not for such models; what could be there and is not says why.
    """
    wanted = {
        "checks": ("Checks", True),
        "pictures": ("Pictures", bool(report.sheets)),
        "bits": ("Message bits", bool(report.bits)),
        "layers": ("Layers", True),
        "runtimes": ("Runtimes", True),
        "benchmark": ("Benchmark", True),
        "inside": ("Bytes and ops", True),
        "calibration": ("Calibration", any(it.card and it.card.calibration for it in report.files)),
        "risks": ("Phone GPUs", True),
        "origin": ("Origin", True),
        "commands": ("Commands", True),
    }
    return [(place, title) for place, (title, there) in wanted.items() if there]
