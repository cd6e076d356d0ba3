import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints import load_model_chunked, save_model_chunked
from checkpoints.memory import TORCH_DTYPES
from chunkport.errors import UsageError
from networks.gan import Generator

CAP_MB = 0.0625
CAP = 65_536


def quiet(_message: str) -> None:
    """Announce nothing."""


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def test_a_state_dict_above_the_cap_is_spread_and_says_so(tmp_path: Path) -> None:
    saved = save_model_chunked(
        {"net": {"w": torch.randn(50_000)}}, tmp_path / "m.pth", CAP_MB, announce=quiet
    )
    assert saved.manifest is not None
    entry = json.loads(saved.manifest.read_text())["state_dicts"]["net"]
    assert entry == {"chunked": True, "chunk_id": 0, "chunk_ids": [0, 1, 2, 3]}


def test_a_checkpoint_below_the_cap_is_one_ordinary_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    checkpoint = {"net": Generator(width=2).state_dict(), "epoch": 4, "lr": (1e-4, float("inf"))}
    saved = save_model_chunked(checkpoint, path)
    assert files(tmp_path) == {"model.pth": saved.total_bytes}
    plain = torch.load(path, weights_only=True)
    assert plain["epoch"] == 4
    assert plain["lr"] == (1e-4, float("inf"))
    Generator(width=2).load_state_dict(plain["net"])


def test_one_file_exactly_at_the_cap_is_not_split(tmp_path: Path) -> None:
    """The cap is on the file: a byte above splits, at the cap does not."""
    path = tmp_path / "model.pth"
    checkpoint = {"net": {"w": torch.randn(40_000)}}
    size = save_model_chunked(checkpoint, path).total_bytes
    assert save_model_chunked(checkpoint, path, size / 2**20, announce=quiet).manifest is None
    assert save_model_chunked(checkpoint, path, (size - 1) / 2**20, announce=quiet).manifest


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.lists(st.tuples(st.integers(0, 40_000), st.booleans()), max_size=6),
        max_size=4,
    )
)
def test_no_file_is_above_the_cap(
    tmp_path_factory: pytest.TempPathFactory, layout: dict[str, list[tuple[int, bool]]]
) -> None:
    folder = tmp_path_factory.mktemp("cap")
    model = {
        key: {f"t{i}": torch.full((size,), i, dtype=torch.int16) for i, (size, _) in enumerate(row)}
        | {f"tiny{i}": torch.tensor(i) for i, (_, tiny) in enumerate(row) if tiny}
        for key, row in layout.items()
    }
    saved = save_model_chunked(model, folder / "m.pth", CAP_MB, announce=quiet)
    sizes = files(folder)
    assert max(sizes.values()) == saved.largest_bytes <= CAP
    assert sum(sizes.values()) == saved.total_bytes
    loaded = load_model_chunked(folder / "m.pth")
    for key, row in model.items():
        assert {name: t.tolist() for name, t in loaded[key].items()} == {
            name: t.tolist() for name, t in row.items()
        }


@pytest.mark.parametrize("cap_mb", [CAP_MB, 90])
def test_every_kind_of_tensor_and_array_comes_back(tmp_path: Path, cap_mb: float) -> None:
    wide = torch.arange(6000, dtype=torch.float64).reshape(60, 100)
    bits = torch.arange(700) % 2
    kinds = {name: bits.to(dtype) for name, dtype in TORCH_DTYPES.items()}
    special = {
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 7),
        "transposed": wide.t(),
        "strided": wide[::3, 1::2],
        "last_rows": wide[50:],
        "channels_last": torch.randn(1, 3, 4, 5).to(memory_format=torch.channels_last),
        "expanded": torch.tensor([2.0]).expand(50, 40),
        "conjugate": torch.randn(5, dtype=torch.complex64).conj(),
        "bits": torch.tensor([float("nan"), float("-inf"), -0.0]),
        "same_bytes": wide.view(torch.int64),
    }
    values = {
        "array": np.arange(6, dtype=np.uint16).reshape(2, 3).T,
        "zero_dim": np.array(2.5),
        "number": np.float32(0.1),
        "flag": np.bool_(1),
        "nested": {0: {1: [np.int64(3), (None, "text", [True])]}},
    }
    tied = torch.randn(200)
    model = {"kinds": kinds, "special": special, "values": values, "a": tied, "b": [tied]}
    path = tmp_path / "m.pth"
    saved = save_model_chunked(model, path, cap_mb, announce=quiet)
    assert (saved.manifest is None) == (cap_mb == 90)
    loaded = load_model_chunked(path)
    for key, tensor in kinds.items():
        assert loaded["kinds"][key].dtype == tensor.dtype
        assert bytes(loaded["kinds"][key].view(torch.uint8)) == bytes(tensor.view(torch.uint8))
    for key, tensor in special.items():
        assert loaded["special"][key].dtype == tensor.dtype
        assert loaded["special"][key].shape == tensor.shape
        torch.testing.assert_close(
            loaded["special"][key], tensor, rtol=0, atol=0, equal_nan=True, check_stride=False
        )
    for name in ("array", "zero_dim", "number", "flag"):
        assert type(loaded["values"][name]) is type(values[name])
        assert np.asarray(loaded["values"][name]).dtype == np.asarray(values[name]).dtype
        assert np.array_equal(loaded["values"][name], np.asarray(values[name]))
    assert loaded["values"]["nested"] == values["nested"]
    assert type(loaded["values"]["nested"][0][1][0]) is np.int64
    assert loaded["a"] is loaded["b"][0]
    if saved.manifest is None:
        torch.load(path, weights_only=True)


def test_a_slice_costs_its_own_size_not_that_of_the_whole(tmp_path: Path) -> None:
    row = torch.zeros(1000, 1000)[3]
    assert save_model_chunked({"row": row}, tmp_path / "m.pth").total_bytes < 8000


def test_a_chunk_is_a_file_that_torch_reads(tmp_path: Path) -> None:
    weight = torch.arange(60_000, dtype=torch.int32).reshape(60, 1000)
    saved = save_model_chunked(
        {"net": {"weight": weight}}, tmp_path / "m.pth", CAP_MB, announce=quiet
    )
    parts = [torch.load(path, weights_only=True) for path in saved.chunk_files]
    assert all(set(part) == {"net/weight"} for part in parts)
    whole = torch.cat(sorted((part["net/weight"] for part in parts), key=lambda p: int(p[0, 0])))
    assert torch.equal(whole, weight)
    placeholder = torch.load(saved.path, weights_only=True)
    assert placeholder == {
        "is_chunked": True,
        "manifest": "m.manifest.json",
        "save_id": saved.save_id,
    }


def test_a_smaller_save_removes_the_chunks_of_a_larger_one(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"n": {"w": torch.randn(80_000)}}, path, CAP_MB, announce=quiet)
    assert len(files(tmp_path)) == 8
    save_model_chunked({"n": {"w": torch.ones(20_000)}}, path, CAP_MB, announce=quiet)
    assert list(files(tmp_path)) == [
        "m.chunk_000.pth",
        "m.chunk_001.pth",
        "m.manifest.json",
        "m.pth",
    ]
    save_model_chunked({"n": 1}, path)
    assert list(files(tmp_path)) == ["m.pth"]
    assert load_model_chunked(path) == {"n": 1}


def test_progress_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model_chunked({"n": {"w": torch.ones(20_000)}}, tmp_path / "m.pth", CAP_MB)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "[CHUNKING] Model size 0.1MB exceeds 0.0625MB, splitting...\n"
        "[CHUNKED] Saved 2 chunks (max 0.1MB)\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="file modes")
def test_the_umask_is_respected(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save_model_chunked(
            {"n": {"w": torch.ones(20_000)}}, tmp_path / "m.pth", CAP_MB, announce=quiet
        )
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


@pytest.mark.parametrize("cap_mb", [0, -1, 0.06, float("nan"), float("inf")])
def test_a_cap_without_room_is_refused(tmp_path: Path, cap_mb: float) -> None:
    with pytest.raises(UsageError, match=r"max_chunk_mb: .* give at least 0\.0625"):
        save_model_chunked({"a": 1}, tmp_path / "m.pth", cap_mb)
    assert files(tmp_path) == {}


def test_a_manifest_above_the_cap_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    with pytest.raises(UsageError, match=r"m\.manifest\.json: would take .* raise max_chunk_mb"):
        save_model_chunked({"history": [0.123456789] * 9000}, path, CAP_MB, announce=quiet)
    assert list(files(tmp_path)) == ["m.pth"]
    assert load_model_chunked(path) == {"old": 1}


def test_a_value_that_is_not_stored_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    with pytest.raises(UsageError, match="extra/hook holds a value of type builtins"):
        save_model_chunked({"extra": {"hook": quiet}} | {"w": torch.ones(9)}, path)
    assert list(files(tmp_path)) == ["m.pth"]
    assert load_model_chunked(path) == {"old": 1}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.pt", "must end in .pth"),
        ("model", "must end in .pth"),
        ("model.chunk_000.pth", "name of a chunk"),
        ("folder.pth", "is a folder"),
        ("file/model.pth", "cannot be created"),
    ],
)
def test_names_that_cannot_serve_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=reason):
        save_model_chunked({"a": 1}, tmp_path / name)


FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from checkpoints import save_model_chunked
from checkpoints.memory import TORCH_DTYPES
from chunkport.errors import UsageError
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
for model in ({"w": torch.randn(12_000)}, {"n": {"w": torch.randn(40_000)}}):
    try:
        save_model_chunked(model, Path(sys.argv[1]), 0.0625)
    except UsageError as error:
        print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="no file size limits")
def test_a_disk_that_refuses_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("cannot be written (File too large)") == 2
    assert list(files(tmp_path)) == ["m.pth"]
    assert load_model_chunked(path) == {"old": 1}
