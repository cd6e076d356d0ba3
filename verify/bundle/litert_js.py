"""The files of LiteRT.js that a page needs, from where npm put them, and what it can hold."""

import json
import shutil
from pathlib import Path

from chunkport.errors import BadInputError, MissingDependencyError
from verify.runtimes.litert_js import cannot_feed
from verify.runtimes.programs import find_litert_js
from verify.subject import Subject
from wrappers.spec import Contract

FOLDER = "litertjs"
# With relaxed SIMD, and without for browsers that lack it. The threaded one needs headers that a
# plain server does not send, the one for JSPI only what runs half on WebGPU.
_VARIANTS = ("litert_wasm_internal", "litert_wasm_compat_internal")
_HEAP_BYTES = 2 << 30
_PACKED_BYTES = {"fp16": 4.0}  # of each byte of the file: weights of 16 bits are unpacked to 32


def fault_of(subject: Subject, contract: Contract) -> str | None:
    """Why no browser can run the file, in a sentence; None where it can."""
    if odd := cannot_feed([item.dtype for item in (*contract.inputs, *contract.outputs)]):
        return odd
    size = subject.path.stat().st_size
    needed = size * (1 + _PACKED_BYTES.get(subject.precision, 2.0) / 2)
    if needed > _HEAP_BYTES:
        return (
            f"LiteRT.js has a heap of {_HEAP_BYTES >> 30} GiB, and this model would take "
            f"{needed / 2**30:.1f} GiB of it: the file and its weights as they are packed for "
            "computing"
        )
    return None


def copy_litert_js(folder: Path) -> str:
    """Copy what the page needs, unchanged, into `folder`; returns the version.

    Raises:
        MissingDependencyError: it is not at hand.
        BadInputError: the package is not whole.
        UsageError: the variable that names it names something else.
    """
    core = find_litert_js()
    if core is None:
        raise MissingDependencyError(
            "LiteRT.js is not here, which the page of a bundle runs the model in; get it with "
            "`npm install @litertjs/core` in this folder, or name its folder with the variable "
            "CHUNKPORT_LITERT_JS; --no-page makes the bundle without it"
        )
    library = _wasm_utils(core)
    copies = {
        core / "dist" / "index.js": folder / "core.js",
        library / "dist" / "index.js": folder / "wasm-utils.js",
        core / "package.json": folder / "package.json",
    }
    for name in _VARIANTS:
        for ending in (".js", ".wasm"):
            copies[core / "wasm" / (name + ending)] = folder / "wasm" / (name + ending)
    (folder / "wasm").mkdir(parents=True)
    try:
        for source, target in copies.items():
            shutil.copyfile(source, target)
        return str(json.loads((core / "package.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(
            f"{core}: is no whole @litertjs/core ({error}); run `npm install @litertjs/core` again"
        ) from error


def _wasm_utils(core: Path) -> Path:
    """The package that it imports: within its own folder, or beside it."""
    own = core / "node_modules" / "@litertjs" / "wasm-utils"
    return own if own.is_dir() else core.parent / "wasm-utils"
