from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from scripts._options import FOLDER, chunkport_command, typed_again
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


def test_a_command_line_is_typed_again_with_what_changes() -> None:
    said: list[str] = []

    @chunkport_command("try-out")
    @click.option("-o", "--output-dir", type=FOLDER, default="out", help="Where.")
    @click.option("--resume", help="From where.")
    @click.option("--epochs", type=int, default=3, help="How many.")
    @click.option("--audit/--no-audit", default=True, help="Whether.")
    @click.option("--background-save", is_flag=True, help="Whether.")
    @click.option("--precision", multiple=True, help="Which.")
    def function(output: Output, **_flags: object) -> None:
        """Try it out."""
        context = click.get_current_context()
        said.append(typed_again(context, resume="models/latest model.pth"))
        said.append(typed_again(context, resume=None))
        output.fact("done", value=True)

    runner = CliRunner()
    runner.invoke(function, ["-o", "a", "--resume", "x.pth", "--no-audit", "--background_save"])
    runner.invoke(function, ["--precision", "fp32", "--precision", "fp16", "--epochs", "3", "-q"])
    resumed = "--resume 'models/latest model.pth'"
    flags = "--epochs 3 --precision fp32 --precision fp16 --quiet"
    assert said == [
        f"chunkport try-out --output-dir a {resumed} --no-audit --background-save",
        "chunkport try-out --output-dir a --no-audit --background-save",
        f"chunkport try-out {resumed} {flags}",
        f"chunkport try-out {flags}",
    ]
