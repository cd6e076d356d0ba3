"""The rows of the runtimes: each can be asked what it lacks, and an unknown name is refused."""

import pytest

from chunkport.errors import UsageError
from convert.quantization.precision import PRECISIONS
from verify.runtimes import LITERT, RUNTIMES, Runtime, find_runtime


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda row: row.name)
def test_every_row_says_what_it_lacks_and_states_a_tolerance_per_precision(
    runtime: Runtime,
) -> None:
    lack = runtime.missing()
    assert lack is None or "install" in lack
    if runtime.name == LITERT:
        assert runtime.tolerance is None
    else:
        assert runtime.tolerance is not None
        assert set(runtime.tolerance) == {row.name for row in PRECISIONS}


def test_names_are_found_and_others_refused_with_the_nearest() -> None:
    assert find_runtime("node").summary == "LiteRT.js in Node, one thread"
    with pytest.raises(UsageError, match=r"'chrome'.*Did you mean 'chromium'\?.*tensorflow, node"):
        find_runtime("chrome")
