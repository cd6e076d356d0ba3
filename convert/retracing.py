"""The converter's retracings, left out where only time is at stake: minutes for the largest models.

litert-torch traces a module, and then traces the traced graph again up to four times, each time
with a table of ops to break up. The last of these, right before the lowering, has the fullest
table and is always run; its own second converter does without the first.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch


@contextmanager
def traced_no_more_than_needed() -> Iterator[None]:
    """Leave out the retracings before the last one.

    Changes nothing with a litert-torch that is built otherwise; it only takes longer.
    """
    from litert_torch import fx_infra
    from litert_torch._convert import core

    export = getattr(core, "export_torch_signature", None)
    canonicalise = getattr(getattr(core, "fx_passes", None), "CanonicalizePass", None)
    if (
        export is None
        or canonicalise is None
        or "run_decompositions" not in inspect.signature(export).parameters
    ):
        yield
        return

    def nothing(_: Any, program: Any) -> Any:
        return fx_infra.ExportedProgramPassResult(exported_program=program, modified=False)

    without = partial(export, run_decompositions=False)
    with (
        patch.object(core, "export_torch_signature", without),
        patch.object(canonicalise, "call", nothing),
    ):
        yield
