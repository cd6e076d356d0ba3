import pickle
import zipfile
from pathlib import Path

import pytest

from checkpoints import open_checkpoint
from chunkport.errors import BadInputError


def archive_with(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("m/data.pkl", pickled)
        archive.writestr("m/byteorder", "little")
        archive.writestr("m/data/0", bytes(40))
    return path


@pytest.mark.parametrize(
    ("program", "asked"),
    [
        (b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.", "builtins.eval"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"c__builtin__\ngetattr\n.", "__builtin__.getattr"),
        (b"ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01ibuiltins\neval\n.", "the instruction INST"),
        (b"ccollections\nOrderedDict\n)\x81.", "the instruction NEWOBJ"),
        (b"\x82\x01.", "the instruction EXT1"),
        (b"ctorch\nFloatStorage\n)R.", "a call of what is no function"),
        (b"X\x01\x00\x00\x00a)R.", "a call of what is no function"),
    ],
)
def test_whatever_else_a_pickle_asks_for_is_refused_by_name(
    tmp_path: Path, program: bytes, asked: str
) -> None:
    with pytest.raises(BadInputError, match=asked):
        open_checkpoint(archive_with(tmp_path / "m.pth", program))


def tensor_program(storage: str, *, key: str = "0", count: int = 10, rest: str) -> bytes:
    return (
        "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
        f"{storage}\nX\x01\x00\x00\x00{key}X\x03\x00\x00\x00cpuI{count}\ntQ{rest}tR."
    ).encode("latin-1")


NO_FLAGS = "I00\nccollections\nOrderedDict\n)R"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (tensor_program("FloatStorage", count=11, rest=""), "should take 4 x 11 bytes"),
        (tensor_program("DoubleStorage", rest=""), "should take 8 x 10 bytes"),
        (tensor_program("FloatStorage", key="7", rest=""), "storage '7' is not in the archive"),
        (
            tensor_program("FloatStorage", rest=f"I0\n(I11\nt(I1\nt{NO_FLAGS}"),
            "reaches past its 40 bytes",
        ),
        (
            tensor_program("FloatStorage", rest=f"I9\n(I2\nt(I1\nt{NO_FLAGS}"),
            "reaches past its 40 bytes",
        ),
        (
            tensor_program("FloatStorage", rest=f"I0\n(I2\nt(I-1\nt{NO_FLAGS}"),
            "no list of sizes",
        ),
        (
            tensor_program("FloatStorage", rest=f"I-1\n(I2\nt(I1\nt{NO_FLAGS}"),
            "no list of sizes",
        ),
        (tensor_program("FloatStorage", rest=f"I0\n(I2\nt(t{NO_FLAGS}"), "1 sizes and 0 strides"),
        (b"(.", "cannot be read"),
        (b"}", "cannot be read"),
        (b"r\xff\xff\xff\xff.", "cannot be read"),
        (b"](K\x01u.", "expected a dict"),
        (b"}K\x01a.", "expected a list"),
        (b"}(]K\x01u.", "unhashable"),
        (b"}(K\x01u.", "cannot be read"),
        (b"g5\n.", "cannot be read"),
    ],
)
def test_a_pickle_that_contradicts_its_archive_is_refused(
    tmp_path: Path, program: bytes, reason: str
) -> None:
    with pytest.raises(BadInputError, match=reason):
        open_checkpoint(archive_with(tmp_path / "m.pth", program))


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pth", "w") as archive:
        archive.writestr("m/other", "")
    with pytest.raises(BadInputError, match=r"without a data\.pkl"):
        open_checkpoint(tmp_path / "m.pth")


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    archive_with(tmp_path / "m.pth", pickle.dumps({}, 2))
    with (
        zipfile.ZipFile(tmp_path / "m.pth", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("m/data.pkl", pickle.dumps({"other": 1}, 2))
    with pytest.raises(BadInputError, match="not a checkpoint in torch's zip format"):
        open_checkpoint(tmp_path / "m.pth")
