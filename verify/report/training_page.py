"""One HTML file of how a training run goes, which loads itself anew while it goes on.

It needs no network and no scripts. The same values give the same bytes.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport import __version__
from chunkport.files import replacing
from verify.report.plots import SIDE
from verify.report.templating import page_environment
from verify.report.training import TrainingPage

if TYPE_CHECKING:
    from jinja2 import Template


def write_training_page(page: TrainingPage, target: Path) -> None:
    """Write the page; `target` appears whole or not at all.

    Raises:
        UsageError: the folder is missing or not writable.
    """
    with replacing(target) as temporary:
        temporary.write_bytes(render_training(page).encode("utf-8", errors="replace"))


def render_training(page: TrainingPage) -> str:
    """The page. It is also well-formed XML, so that tests can read it strictly."""
    return _template().render(page=page, side=SIDE, version=__version__)


@cache
def _template() -> "Template":
    """Read once, for the page is written often."""
    return page_environment().get_template("training.html.j2")
