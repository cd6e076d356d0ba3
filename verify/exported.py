"""Writing a network in another form, and proving that this computes what the network computes."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chunkport.errors import ConversionError, UsageError
from chunkport.files import sync_folder
from convert.onnx_export import OnnxNetwork, require_onnx, write_onnx
from convert.torchscript import open_torchscript, write_torchscript
from verify.judge import measure
from verify.limits import limits_for
from verify.verdict import Check
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, Contract, ModelSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

    from wrappers.spec import Arrays

Form: TypeAlias = Literal["onnx", "torchscript"]


@dataclass(frozen=True)
class Exported:
    """What was written, and how near it is to the network.

    Attributes:
        files: the file asked for; one more where its weights lie beside it.
        checks: one per metric, all passed.
    """

    files: tuple[Path, ...]
    checks: tuple[Check, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.stat().st_size for file in self.files)


def export_network(
    checkpoint: Path,
    model: str,
    form: Form,
    target: Path,
    *,
    options: BuildOptions | None = None,
    samples: int = 4,
    seed: int = 0,
    threads: int = 2,
    force: bool = False,
) -> Exported:
    """Write the network of a checkpoint, as trained, to `target`, once it has proved itself.

    It is run on `samples` seeded inputs from the file alone, and held to the limits that the model
    has for float32; of `options` only a card says something of the network. Until it has passed,
    nothing is at `target` that was not there before.

    Raises:
        UsageError: `target` is there already, its folder is not, or no such model.
        MissingDependencyError: of ONNX.
        BadInputError: the checkpoint is damaged, or of another model.
        ConversionError: it could not be written, or computes something else.
    """
    spec = find_spec(model, options)
    if form == "onnx":
        require_onnx()
    beside = target.with_name(f"{target.name}.data")
    if not force and (target.exists() or beside.exists()):
        raise UsageError(f"{target}: already there; add --force to replace")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder; create it first")
    network = spec.open_network(checkpoint)
    contract = spec.contract(network)
    inputs = spec.make_samples(contract, samples, seed)
    staging = target.with_name(f".{target.name}.exporting")
    shutil.rmtree(staging, ignore_errors=True)  # of an attempt that was killed
    staging.mkdir()
    try:
        written = staging / target.name
        _write(network, _arguments(spec, network, inputs[0]), contract, form, written)
        candidate: Any = (
            OnnxNetwork(written, threads) if form == "onnx" else open_torchscript(written)
        )
        expected = [spec.reference(network, item) for item in inputs]
        actual = [spec.reference(candidate, item) for item in inputs]
        checks = tuple(measure(spec, limits_for(spec, "fp32"), contract, expected, actual))
        _refuse_failed(checks, target)
        files = _put_in_place(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Exported(files, checks)


def _arguments(spec: ModelSpec, network: "nn.Module", inputs: "Arrays") -> "list[torch.Tensor]":
    """What the network itself is given for these inputs of the contract."""
    given: list[torch.Tensor] = []
    handle = network.register_forward_pre_hook(lambda _module, values: given.extend(values))
    try:
        spec.reference(network, inputs)
    finally:
        handle.remove()
    return [tensor.clone() for tensor in given]  # outside of inference mode


def _write(
    network: "nn.Module",
    arguments: "Sequence[torch.Tensor]",
    contract: Contract,
    form: Form,
    target: Path,
) -> None:
    if form == "torchscript":
        write_torchscript(network, arguments, target)
        return
    inputs = [item.name for item in contract.inputs]
    if len(inputs) != len(arguments):
        inputs = [f"input_{number}" for number in range(len(arguments))]
    names = [item.name for item in contract.outputs]
    write_onnx(network, arguments, (inputs, names if len(names) == 1 else ["output"]), target)


def _refuse_failed(checks: Sequence[Check], target: Path) -> None:
    failed = [f"{check.name} {check.value:.4g}" for check in checks if check.passed is False]
    if failed:
        raise ConversionError(
            f"{target}: not written: it computes something else than the network "
            f"({', '.join(failed)}); "
            "please report it with the model's name"
        )


def _put_in_place(staging: Path, target: Path) -> tuple[Path, ...]:
    """The weights first, so that the file never stands beside another's."""
    beside = target.with_name(f"{target.name}.data")
    if beside.exists():
        target.unlink(missing_ok=True)
        beside.unlink()
    files = sorted(staging.iterdir(), key=lambda file: file.name == target.name)
    for file in files:
        file.replace(target.with_name(file.name))
    sync_folder(target.parent)
    return tuple(target.with_name(file.name) for file in reversed(files))
