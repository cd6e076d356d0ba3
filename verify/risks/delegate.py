"""The file on the runtime's own GPU delegate, which a software driver of Vulkan runs on any CPU.

ai-edge-litert brings the delegate that phones and browsers run (ML Drift, by WebGPU). It needs a
Vulkan driver and no graphics card: Mesa's lavapipe computes in real float16, SwiftShader in
float32 only. What it refuses or gets wrong there, it does on a phone, whose own driver may add to
it.
"""

import multiprocessing
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wrappers.spec import Arrays

_SECONDS = 240.0
_REFUSED = re.compile(
    r"Following operations are not supported by GPU delegate:\n(.*?)^\d+ operations will run",
    re.DOTALL | re.MULTILINE,
)
_ADAPTER = re.compile(r"Selected adapter: (.+?), arch=")
_NO_ADAPTER = "No adapters found"
_ADVICE = (
    "there is no Vulkan driver that it can use; Mesa's lavapipe (mesa-vulkan-drivers 25 or newer) "
    "computes on the CPU"
)


@dataclass(frozen=True)
class DelegateRun:
    """What the GPU delegate did with a file.

    Attributes:
        adapter: the device that computed; None where there was none.
        refused: what it says of each op that it does not take.
        outputs: by name, one for each input; None where it did not run.
        reason: why not.
    """

    adapter: str | None
    refused: tuple[str, ...]
    outputs: "list[Arrays] | None"
    reason: str = ""


def run_on_delegate(
    path: Path, inputs: "Sequence[Arrays]", *, float32: bool, seconds: float = _SECONDS
) -> DelegateRun:
    """Run the file on the GPU delegate in a process of its own, which may die or be too slow.

    Args:
        path: the .tflite.
        inputs: by name.
        float32: compute in float32, where a GPU would take float16 by itself.
        seconds: to wait at the most.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for number, item in enumerate(inputs):
            np.savez(place / f"input_{number}.npz", **dict[str, Any](item))
        child = multiprocessing.get_context("spawn").Process(
            target=_compute, args=(path.resolve(), place, len(inputs), float32), daemon=True
        )
        child.start()
        child.join(seconds)
        late = child.is_alive()
        if late:
            child.kill()
            child.join()
        log = place / "said.txt"
        said = log.read_text(errors="replace") if log.is_file() else ""
        adapter = _ADAPTER.search(said)
        found = _REFUSED.search(said)
        refused = tuple(dict.fromkeys(found[1].splitlines())) if found else ()
        name = adapter[1] if adapter else None
        results = [place / f"output_{number}.npz" for number in range(len(inputs))]
        if child.exitcode == 0 and all(result.is_file() for result in results):
            return DelegateRun(name, refused, [dict(np.load(result)) for result in results])
        reason = f"it was not done after {seconds:.0f} seconds" if late else _reason(said, refused)
        return DelegateRun(name, refused, None, reason)


def _reason(said: str, refused: tuple[str, ...]) -> str:
    if _NO_ADAPTER in said:
        return _ADVICE
    if refused:
        return f"it refuses {len(refused)} kinds of op, and with them the file"
    errors = [line for line in said.splitlines() if "rror" in line]
    return errors[-1].strip(" └") if errors else "its process died"


def _compute(path: Path, place: Path, count: int, float32: bool) -> None:  # noqa: FBT001 - the process passes by place
    """Compile and run; in the process that may die."""
    with (place / "said.txt").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import GpuOptions, Options

    options = Options(
        hardware_accelerators=HardwareAccelerator.GPU,
        gpu_options=GpuOptions(enforce_f32=float32),
    )
    model = CompiledModel.from_file(str(path), options=options)
    key, signature = next(iter(model.get_signature_list().items()))
    details = model.get_output_tensor_details(key)
    takes = {name: model.create_input_buffer_by_name(key, name) for name in signature["inputs"]}
    gives = {name: model.create_output_buffer_by_name(key, name) for name in signature["outputs"]}
    for number in range(count):
        with np.load(place / f"input_{number}.npz") as item:
            for name, buffer in takes.items():
                buffer.write(item[name])
        model.run_by_name(key, takes, gives)
        outputs = {}
        for name, buffer in gives.items():
            shape = tuple(int(size) for size in details[name]["shape"])
            outputs[name] = buffer.read(int(np.prod(shape)), np.float32).reshape(shape)
        np.savez(place / f"output_{number}.npz", **outputs)
    os._exit(0)  # the accelerators' own shutting down is not ours to wait for
