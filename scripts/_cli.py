"""The `chunkport` program: finds a command's file, runs it, and turns errors into exit codes."""

import importlib
import json
import os
import sys
import traceback
from itertools import pairwise
from typing import NoReturn

import click

from chunkport import __version__
from chunkport.choices import did_you_mean
from chunkport.errors import ChunkportError

# Command name to its module, in the order of the way through the house.
COMMANDS = {
    "train-gan": "scripts.train_gan",
    "train-gan-single-fruit": "scripts.train_gan_single_fruit",
    "generate-images": "scripts.generate_images",
    "score-images": "scripts.score_images",
    "train-classifier": "scripts.train_classifier",
    "train-watermark": "scripts.train_watermark",
    "check-models": "scripts.check_models",
    "convert-existing-models": "scripts.convert_existing_models",
    "clean": "scripts.clean",
    "prune-models": "scripts.prune_models",
    "archive": "scripts.archive",
    "quantize-weights": "scripts.quantize_weights",
    "extract-detector-weights": "scripts.extract_detector_weights",
    "convert": "scripts.convert",
    "quantize": "scripts.quantize",
    "optimize": "scripts.optimize",
    "verify": "scripts.verify",
    "audit": "scripts.audit",
    "benchmark": "scripts.benchmark",
    "report": "scripts.report",
    "bundle": "scripts.bundle",
    "embed-watermark": "scripts.embed_watermark",
    "detect-watermark": "scripts.detect_watermark",
    "attack-watermark": "scripts.attack_watermark",
    "export": "scripts.export",
    "doctor": "scripts.doctor",
}
EXIT_CODES = """\b
Exit codes:
  0  done, and passed where there was something to pass
  1  ran, and the verdict is: failed
  2  the request cannot be carried out as written
  3  a runtime or package is missing, or workers died
  4  the conversion failed
  5  an input is bad or damaged
  70 a fault of chunkport itself, with its traceback
"""
_INTERNAL_FAULT = 70
# As a shell tells of a program that SIGINT or SIGPIPE ended.
_INTERRUPTED = 130
_READER_GONE = 141


class LazyGroup(click.Group):
    """A group that imports a command's file only when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The command names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, in kebab-case or snake_case."""
        name = cmd_name.replace("_", "-")
        if name not in COMMANDS:
            meant = did_you_mean(name, COMMANDS)
            ctx.fail(f"No such command '{cmd_name}'.{meant} Commands: {', '.join(COMMANDS)}.")
        command: click.Command = importlib.import_module(COMMANDS[name]).command
        return command


@click.group(cls=LazyGroup, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="chunkport")
def chunkport() -> None:
    """From a trained PyTorch checkpoint, in chunks or not, to a verified .tflite."""


def run(command: click.Command) -> None:
    """Run a command on the process's arguments and exit with its code."""
    try:
        result = command.main(standalone_mode=False)
    except SystemExit:  # no command of ours; click and rich leave so when a pipe breaks
        _leave_broken_pipe()
    except ChunkportError as error:
        _report(str(error), type(error).__name__, error.exit_code)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        if _wants_json():
            _report(error.format_message(), "UsageError", error.exit_code)
        else:
            error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        _leave_broken_pipe()
    except Exception:  # noqa: BLE001 - the outermost frame: whatever is left is our own fault
        traceback.print_exc()
        click.echo("This is a fault of chunkport; please report it with the lines above.", err=True)
        sys.exit(_INTERNAL_FAULT)
    sys.exit(result if isinstance(result, int) else 0)


def main() -> None:
    """The console script."""
    run(chunkport)


def _leave_broken_pipe() -> NoReturn:
    """Leave without a word; neither 0 nor 1, since nobody read the verdict."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(_READER_GONE)


def _report(message: str, kind: str, exit_code: int) -> None:
    if _wants_json():
        error = {"type": kind, "message": message, "exit_code": exit_code}
        click.echo(json.dumps({"schema_version": 1, "error": error}, indent=2))
    click.echo(f"Error: {message}", err=True)


def _wants_json() -> bool:
    """Whether the user asked for JSON, known even where the arguments failed to parse."""
    return "--format=json" in sys.argv or ("--format", "json") in pairwise(sys.argv)


if __name__ == "__main__":
    main()
