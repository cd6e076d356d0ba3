from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from scripts._options import FOLDER, chunkport_command
from scripts._output import Output


@pytest.fixture
def seen() -> dict[str, Any]:
    """What the command was called with."""
    return {}


@pytest.fixture
def command(seen: dict[str, Any]) -> click.Command:
    @chunkport_command("try-out")
    @click.option("--output-dir", type=FOLDER, default="out", help="Where.")
    @click.option("--exit-code", type=int, default=0, help="What to return.")
    def function(output: Output, output_dir: Path, exit_code: int) -> int | None:
        """Try it out."""
        seen.update(output=output, output_dir=output_dir)
        output.fact("answer", 42, "The answer is 42.")
        return exit_code or None

    return function


@pytest.mark.parametrize("flag", ["--output-dir", "--output_dir"])
def test_flags_are_kebab_case_or_snake_case(
    command: click.Command, seen: dict[str, Any], flag: str
) -> None:
    ended = CliRunner().invoke(command, [flag, "there"])
    assert ended.exit_code == 0, ended.output
    assert seen["output_dir"] == Path("there")
    assert "Warning" not in ended.output


def test_every_command_gets_the_shared_flags(command: click.Command, seen: dict[str, Any]) -> None:
    CliRunner().invoke(command, ["-q", "-v", "--format", "json"])
    output = seen["output"]
    assert (output.command, output.as_json, output.quiet, output.verbose) == (
        ("try-out", True, True, True)
    )


def test_json_is_printed_once_at_the_end(command: click.Command) -> None:
    ended = CliRunner().invoke(command, ["--format", "json"])
    assert ended.stdout == (
        '{\n  "schema_version": 1,\n  "command": "try-out",\n  "answer": 42\n}\n'
    )
    assert CliRunner().invoke(command, []).stdout == "The answer is 42.\n"


@pytest.mark.parametrize(("returned", "code"), [(0, 0), (1, 1), (3, 3)])
def test_what_the_function_returns_is_the_exit_code(
    command: click.Command, returned: int, code: int
) -> None:
    arguments = ["--exit-code", str(returned)]
    assert command.main(arguments, standalone_mode=False) == code


def test_help_tells_the_function_docstring_the_flags_and_their_defaults(
    command: click.Command,
) -> None:
    text = CliRunner().invoke(command, ["--help"]).stdout
    assert "Try it out." in text
    assert "[default: out]" in text
    assert "--format [human|json]" in text


def test_an_unknown_format_is_refused(command: click.Command) -> None:
    ended = CliRunner().invoke(command, ["--format", "yaml"])
    assert ended.exit_code == 2
    assert "'human', 'json'" in ended.stderr
