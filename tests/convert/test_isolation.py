"""A function in a process of its own: what it returns, raises, prints and how it dies.

The functions are the system's own, for the new process must find them by name.
"""

import os
import signal

import pytest

from chunkport.errors import ConversionError, UsageError
from convert.isolation import run_isolated
from convert.quantization.precision import find_precision


def test_the_result_comes_from_another_process() -> None:
    assert run_isolated(os.getpid) != os.getpid()


def test_an_error_for_the_user_arrives_as_it_was_raised() -> None:
    with pytest.raises(UsageError, match="unknown precision 'fp61'"):
        run_isolated(find_precision, "fp61")


def test_a_fault_arrives_with_its_type_and_traceback() -> None:
    with pytest.raises(FileNotFoundError) as fault:
        run_isolated(os.stat, "no-such-file")
    assert "Traceback" in str(fault.value.__cause__)


def test_a_process_that_leaves_is_a_failed_conversion() -> None:
    with pytest.raises(ConversionError, match=r"died.* its last words: none"):
        run_isolated(os._exit, 0)


def test_a_killed_process_is_a_failed_conversion() -> None:
    with pytest.raises(ConversionError, match="died, most often for want of memory"):
        run_isolated(signal.raise_signal, signal.SIGKILL)


def test_the_last_words_of_a_dying_process_are_told() -> None:
    command = "for n in 1 2 3 4 5 6; do echo line $n >&2; done; kill -9 $PPID"
    with pytest.raises(ConversionError) as told:
        run_isolated(os.system, command)
    assert str(told.value).endswith(": line 2 | line 3 | line 4 | line 5 | line 6")


def test_output_of_native_code_is_hidden_unless_asked_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    command = "echo to stdout; echo to stderr >&2"
    run_isolated(os.system, command)
    assert capfd.readouterr() == ("", "")
    run_isolated(os.system, command, show_output=True)
    out, err = capfd.readouterr()
    assert out == ""  # stdout is for results
    assert err.splitlines() == ["to stdout", "to stderr"]
