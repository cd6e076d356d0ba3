"""What turns the templates of all pages into pages."""

from typing import TYPE_CHECKING

from verify.report.figures import figure, megabytes, some_bytes

if TYPE_CHECKING:
    from jinja2 import Environment


def page_environment() -> "Environment":
    """The environment of `templates/`: everything escaped, nothing undefined passed over."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("verify.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "megabytes": megabytes, "some_bytes": some_bytes}
    return environment
