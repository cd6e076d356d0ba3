"""Pickles that run code when an ordinary unpickler meets them."""

import io
import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint

Check = Callable[..., None]


def plain(value: Any) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def call(module: str, name: str, arguments: bytes) -> bytes:
    """The instructions that import a function and call it."""
    return f"c{module}\n{name}\n".encode() + arguments + b"R"


def gadgets(canary: Path) -> dict[str, bytes]:
    path = str(canary)
    touch = f"__import__('pathlib').Path({path!r}).touch()"
    shell = (f"touch '{path}'",)
    inner = b"\x80\x02" + call("os", "system", plain(shell)) + b"."
    opening = b"(cbuiltins\nopen\n" + plain(path) + plain("w") + b"t"
    return {
        "os.system": call("os", "system", plain(shell)),
        "posix.system": call("posix", "system", plain(shell)),
        "subprocess.Popen": call("subprocess", "Popen", plain((["touch", path],))),
        "builtins.eval": call("builtins", "eval", plain((touch,))),
        "builtins.exec": call("builtins", "exec", plain((touch,))),
        "__builtin__.eval": call("__builtin__", "eval", plain((touch,))),
        "builtins.open": call("builtins", "open", plain((path, "w"))),
        "io.open": call("io", "open", plain((path, "w"))),
        "builtins.getattr": call("builtins", "getattr", b"(cos\nsystem\n" + plain("x") + b"t"),
        "functools.partial": call("functools", "partial", opening) + b")R",
        "operator.methodcaller": call("operator", "methodcaller", plain(("touch",))),
        "importlib.import_module": call("importlib", "import_module", plain(("antigravity",))),
        "runpy.run_path": call("runpy", "run_path", plain((path,))),
        "pathlib.Path": call("pathlib", "Path", plain((path,))),
        "timeit.timeit": call("timeit", "timeit", plain((touch,))),
        "pickle.loads": call("pickle", "loads", plain((inner,))),
        "torch.load": call("torch", "load", plain((path,))),
        "torch.hub.load": call("torch.hub", "load", plain((path, "model"))),
        "torch.hub._load_local": call("torch.hub", "_load_local", plain((path, "model"))),
        "torch.jit.load": call("torch.jit", "load", plain((path,))),
        "torch.storage._load_from_bytes": call(
            "torch.storage", "_load_from_bytes", plain((inner,))
        ),
        "torch._tensor._rebuild_from_type_v2": call(
            "torch._tensor", "_rebuild_from_type_v2", b"(cos\nsystem\n" + plain(shell) + b"t"
        ),
        "torch.utils._config_module.load_config": call(
            "torch.utils._config_module", "load_config", plain((inner,))
        ),
        "numpy.testing._private.utils.runstring": call(
            "numpy.testing._private.utils", "runstring", plain((touch, {}))
        ),
        "os.system by two names": b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93"
        + plain(shell)
        + b"R",
        "an attribute of a name": b"ccollections\nOrderedDict.__init__.__globals__\n",
        "the instruction INST": b"(" + plain(touch) + b"ibuiltins\neval\n",
        "the instruction OBJ": b"(cbuiltins\neval\n" + plain(touch) + b"o",
        "the instruction NEWOBJ": b"cos\nsystem\n" + plain(shell) + b"\x81",
        "the instruction EXT1": b"\x82\x01",
        "state for an object": b"cbuiltins\neval\n}" + plain("__call__") + plain(touch) + b"sb",
    }


NAMES = sorted(gadgets(Path("canary")))


def archive(program: bytes) -> bytes:
    """What torch.save writes of a dictionary in which `program` makes the one value."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("m/data.pkl", b"\x80\x02}" + plain("is_chunked") + program + b"s.")
        made.writestr("m/byteorder", "little")
        made.writestr("m/version", "3\n")
    return file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_in_a_checkpoint(tmp_path: Path, canary: Path, refused: Check, name: str) -> None:
    (tmp_path / "m.pth").write_bytes(archive(gadgets(canary)[name]))
    refused(tmp_path / "m.pth", "m.pth", "was not loaded")


@pytest.mark.parametrize("name", NAMES)
def test_in_a_placeholder(
    chunked: SavedCheckpoint, canary: Path, refused: Check, name: str
) -> None:
    chunked.path.write_bytes(archive(gadgets(canary)[name]))
    refused(chunked.path, "best_model.pth", "was not loaded")


@pytest.mark.parametrize("name", NAMES)
def test_in_a_chunk(chunked: SavedCheckpoint, canary: Path, refused: Check, name: str) -> None:
    chunk = chunked.chunk_files[0]
    chunk.write_bytes(archive(gadgets(canary)[name]))
    refused(chunked.path, chunk.name)


@pytest.mark.parametrize("name", NAMES)
def test_in_a_chunk_of_format_1_0(tmp_path: Path, canary: Path, refused: Check, name: str) -> None:
    manifest = {
        "version": "1.0",
        "is_chunked": True,
        "total_chunks": 1,
        "state_dicts": {"net": {"chunked": False, "chunk_id": 0}},
        "chunk_files": [{"chunk_id": 0, "filename": "m.chunk_000.pth", "state_dict": "net"}],
    }
    (tmp_path / "m.manifest.json").write_text(json.dumps(manifest))
    torch.save({"is_chunked": True}, tmp_path / "m.pth")
    (tmp_path / "m.chunk_000.pth").write_bytes(archive(gadgets(canary)[name]))
    refused(tmp_path / "m.pth", "m.chunk_000.pth", "was not loaded")


@pytest.mark.parametrize("name", NAMES)
def test_in_a_chunk_that_the_manifest_vouches_for(
    chunked: SavedCheckpoint, canary: Path, forge: Check, survived: Check, name: str
) -> None:
    """The pickle of a chunk is never read: the manifest says where its tensors lie."""
    chunk = chunked.chunk_files[0]
    content = chunk.read_bytes() + archive(gadgets(canary)[name])
    chunk.write_bytes(content)

    def vouch(document: dict[str, Any]) -> None:
        document["chunk_files"][0]["size_bytes"] = len(content)
        document["chunk_files"][0]["crc32"] = f"{zlib.crc32(content):08x}"

    forge(vouch)
    survived(chunked.path)


@pytest.mark.parametrize("name", ["os.system", "builtins.exec", "builtins.open", "pickle.loads"])
def test_the_gadgets_are_sharp(canary: Path, name: str) -> None:
    """An ordinary unpickler runs them, so that the tests above show something."""
    pickle.loads(b"\x80\x02" + gadgets(canary)[name] + b".")  # noqa: S301  # that is the point
    assert canary.exists()


class Gadget:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_beside_tensors(tmp_path: Path, canary: Path, refused: Check, protocol: int) -> None:
    saved = {"model": {"w": torch.ones(2)}, "x": Gadget(f"touch '{canary}'")}
    torch.save(saved, tmp_path / "m.pth", pickle_protocol=protocol)
    refused(tmp_path / "m.pth", f"asks for {os.system.__module__}.system, which is more than")


def test_a_pickled_module(tmp_path: Path, refused: Check) -> None:
    torch.save({"net": torch.nn.Linear(1, 1)}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "torch.nn.modules.linear.Linear", "state_dict()")


def test_the_format_before_archives(tmp_path: Path, canary: Path, refused: Check) -> None:
    saved = {"w": torch.ones(3)}
    torch.save(saved, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    refused(tmp_path / "old.pth", "not a checkpoint in torch's zip format", "1.6 or later")
    torch.save(
        {"x": Gadget(f"touch '{canary}'")},
        tmp_path / "m.pth",
        _use_new_zipfile_serialization=False,
    )
    refused(tmp_path / "m.pth", "not a checkpoint in torch's zip format")
