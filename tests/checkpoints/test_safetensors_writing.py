import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from checkpoints import load_model_chunked, open_checkpoint, save_model_chunked, save_streamed
from checkpoints.archive_writing import Blocks, TensorSource
from checkpoints.layout import Container
from checkpoints.memory import TORCH_DTYPES
from checkpoints.safetensors_file import CODES
from checkpoints.streaming import TensorStream
from chunkport.errors import UsageError

CAP_MB = 0.0625
CAP = 65_536


def quiet(_message: str) -> None:
    """Announce nothing."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def chunks_of(count: int, main: str = "") -> list[str]:
    chunks = [f"m.chunk_{i:03d}.safetensors" for i in range(count)]
    return sorted([*chunks, "m.manifest.json", "m.safetensors.index.json", *([main] * bool(main))])


def test_a_small_state_is_one_file_that_the_library_reads(tmp_path: Path) -> None:
    state = {"w": torch.randn(4, 5), "b": torch.ones(3, dtype=torch.bool), "n": torch.tensor(7)}
    saved = save_model_chunked(state, tmp_path / "m.safetensors")
    assert names(tmp_path) == ["m.safetensors"]
    found = load_file(saved.path)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in state.items()
    }
    with safe_open(saved.path, "pt") as file:
        assert file.metadata()["format"] == "pt"  # loaders of others insist on it


def test_all_other_values_are_in_the_same_file(tmp_path: Path) -> None:
    tied = torch.randn(30)
    model = {"net": {"w": tied, "v": tied}, "epoch": 3, "betas": (0.9, float("inf"))}
    saved = save_model_chunked(model, tmp_path / "m.safetensors")
    assert set(load_file(saved.path)) == {"net/w"}
    loaded = load_model_chunked(saved.path)
    assert loaded["net"]["w"] is loaded["net"]["v"]
    assert (loaded["epoch"], loaded["betas"]) == (3, (0.9, float("inf")))
    opened = open_checkpoint(saved.path).contents
    assert opened["net"]["w"] == opened["net"]["v"]
    assert opened["betas"] == (0.9, float("inf"))


def test_chunks_are_files_that_the_library_reads(tmp_path: Path) -> None:
    weight = torch.arange(60_000, dtype=torch.int32).reshape(60, 1000)
    model = {"net": {"weight": weight, "half": torch.ones(9, dtype=torch.float16)}, "epoch": 2}
    saved = save_model_chunked(model, tmp_path / "m.safetensors", CAP_MB, announce=quiet)
    assert names(tmp_path) == chunks_of(len(saved.chunk_files))
    assert max(path.stat().st_size for path in tmp_path.iterdir()) == saved.largest_bytes <= CAP
    parts = [load_file(path) for path in saved.chunk_files]
    rows = [part["net/weight"] for part in parts if "net/weight" in part]
    assert torch.equal(torch.cat(sorted(rows, key=lambda part: int(part[0, 0]))), weight)
    assert load_model_chunked(saved.path)["epoch"] == 2
    index = json.loads((tmp_path / "m.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == {"net/weight", "net/half"}
    assert index["metadata"]["total_size"] == 60_000 * 4 + 18


def test_below_the_cap_a_pth_is_still_a_placeholder(tmp_path: Path) -> None:
    """So that asking for safetensors never leaves weights in a pickle."""
    saved = save_model_chunked({"w": torch.ones(5)}, tmp_path / "m.pth", container="safetensors")
    assert names(tmp_path) == chunks_of(1, "m.pth")
    assert torch.load(saved.path, weights_only=True)["manifest"] == "m.manifest.json"
    assert load_file(saved.chunk_files[0])["w"].tolist() == [1] * 5
    assert load_model_chunked(saved.path)["w"].tolist() == [1] * 5


def test_pieces_that_are_no_rows_are_named_by_their_place(tmp_path: Path) -> None:
    wide = torch.randn(1, 40_000)
    saved = save_model_chunked(
        {"wide": wide, "tall": torch.ones(40_000)}, tmp_path / "m.safetensors", CAP_MB,
        announce=quiet,
    )  # fmt: skip
    index = json.loads((tmp_path / "m.safetensors.index.json").read_text())
    flat = index["metadata"]["pieces_below_rows"]
    assert flat == [name for name in index["weight_map"] if name.startswith("wide#elements_")]
    assert len(flat) == 3
    assert "tall" in index["weight_map"]
    assert torch.equal(load_model_chunked(saved.path)["wide"], wide)


def test_the_type_without_a_name_is_kept_as_pairs(tmp_path: Path) -> None:
    value = torch.randn(6, 2, dtype=torch.complex128)
    path = tmp_path / "m.safetensors"
    save_model_chunked({"c": value, "x": torch.ones(1)}, path)
    assert torch.equal(torch.view_as_complex(load_file(path)["c"]), value)
    assert torch.equal(load_model_chunked(path)["c"], value)
    assert open_checkpoint(path).contents["c"].dtype == "complex128"
    assert set(TORCH_DTYPES) - set(CODES) == {"complex128"}


@pytest.mark.parametrize("name", ["__metadata__", "\ud800", "w#elements_0_5", "", "a\n\u00e9\x00"])
def test_names_that_others_would_stumble_over(tmp_path: Path, name: str) -> None:
    for cap_mb in (CAP_MB, 90):
        model = {name: torch.ones(20_000), "other": {name: torch.zeros(2)}}
        saved = save_model_chunked(model, tmp_path / "m.safetensors", cap_mb, announce=quiet)
        for file in saved.chunk_files or (saved.path,):
            load_file(file)
        loaded = load_model_chunked(saved.path)
        assert loaded[name].sum() == 20_000
        assert loaded["other"][name].tolist() == [0, 0]


def test_every_tensor_is_aligned_to_its_elements(tmp_path: Path) -> None:
    state = {
        "flag": torch.ones(3, dtype=torch.bool),
        "w": torch.ones(7),
        "d": torch.ones(1).double(),
    }
    for cap_mb in (CAP_MB, 90):
        model = {**state, "large": torch.ones(int(cap_mb < 1) * 20_000, dtype=torch.int16)}
        save_model_chunked(model, tmp_path / "m.safetensors", cap_mb, announce=quiet)
        for tensor in open_checkpoint(tmp_path / "m.safetensors").contents.values():
            assert all(extent.offset % tensor.item_size == 0 for extent in tensor.storage)


@pytest.mark.skipif(os.name == "nt", reason="file modes")
@pytest.mark.parametrize("cap_mb", [CAP_MB, 90])
def test_the_umask_is_respected(tmp_path: Path, cap_mb: float) -> None:
    before = os.umask(0o027)
    try:
        save_model_chunked(
            {"w": torch.ones(20_000)}, tmp_path / "m.safetensors", cap_mb, announce=quiet
        )
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


@pytest.mark.parametrize("cap_mb", [None, CAP_MB])
def test_a_checkpoint_is_streamed_from_one_container_to_the_other(
    tmp_path: Path, cap_mb: float | None
) -> None:
    bits = torch.arange(700).reshape(7, 100) % 2
    model = {name: bits.to(dtype) for name, dtype in TORCH_DTYPES.items()}
    model |= {"large": torch.randn(200, 100), "turned": torch.randn(30, 40).t()}
    torch.save({"model": model, "args": {"nbits": 3}}, tmp_path / "source.pth")
    source = open_checkpoint(tmp_path / "source.pth").contents
    stream = TensorStream()
    sources = {name: stream.source(tensor) for name, tensor in source["model"].items()}
    contents = {"model": {**sources, "tied": sources["large"]}, "args": source["args"]}
    saved = save_streamed(contents, tmp_path / "m.safetensors", cap_mb, announce=quiet)
    assert bool(saved.chunk_files) == (cap_mb is not None)
    loaded = load_model_chunked(saved.path)
    assert loaded["args"] == {"nbits": 3}
    assert loaded["model"]["tied"] is loaded["model"]["large"]
    for name, tensor in model.items():
        assert loaded["model"][name].dtype == tensor.dtype
        assert bytes(loaded["model"][name].reshape(-1).view(torch.uint8)) == bytes(
            tensor.reshape(-1).view(torch.uint8)
        )


def test_a_source_of_too_few_bytes_is_a_fault_of_ours(tmp_path: Path) -> None:
    def blocks(_first: int, _last: int) -> Blocks:
        return [b"1234"]

    with pytest.raises(AssertionError, match="4 bytes, not 8"):
        save_streamed({"w": TensorSource("float32", (2,), blocks)}, tmp_path / "m.safetensors")
    assert names(tmp_path) == []


def test_a_pth_of_safetensors_needs_a_cap(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"m\.pth: .* give a cap, or a name that ends in \.safet"):
        save_streamed({"n": 1}, tmp_path / "m.pth", container="safetensors")
    assert names(tmp_path) == []


def test_values_beyond_a_header_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpoints.safetensors_file.MAX_HEADER_BYTES", 1000)
    with pytest.raises(UsageError, match="turn long lists into tensors"):
        save_model_chunked({"history": [0.5] * 9000}, tmp_path / "m.safetensors")
    assert names(tmp_path) == []


FORMS: list[tuple[str, Container | None]] = [
    ("m.pth", "pth"), ("m.pth", "safetensors"), ("m.safetensors", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "container"), FORMS)
@pytest.mark.parametrize("cap_mb", [CAP_MB, 90])
def test_a_checkpoint_without_tensors_comes_back(
    tmp_path: Path, name: str, container: Container | None, cap_mb: float
) -> None:
    """Too long for one .pth below the cap, and short enough for a manifest."""
    model: dict[str, Any] = {"history": [0.5] * 8000}
    save_model_chunked(model, tmp_path / name, cap_mb, container=container, announce=quiet)
    assert load_model_chunked(tmp_path / name) == model


def test_what_the_other_container_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    model = {"w": torch.randn(40_000)}
    containers: list[Container] = ["pth", "safetensors", "pth"]
    for container in containers:
        save_model_chunked(model, path, CAP_MB, container=container, announce=quiet)
        chunks = [name for name in names(tmp_path) if ".chunk_" in name]
        assert chunks == [f"m.chunk_{i:03d}.{container}" for i in range(3)]
        assert torch.equal(load_model_chunked(path)["w"], model["w"])
    assert "m.safetensors.index.json" not in names(tmp_path)
    whole = tmp_path / "n.safetensors"
    for cap_mb in (90, CAP_MB, 90):
        save_model_chunked(model, whole, cap_mb, announce=quiet)
        assert whole.exists() == (cap_mb == 90)
        assert torch.equal(load_model_chunked(whole)["w"], model["w"])
    assert [name for name in names(tmp_path) if name.startswith("n")] == ["n.safetensors"]


def test_two_endings_of_one_name_are_two_checkpoints_until_there_are_chunks(tmp_path: Path) -> None:
    save_model_chunked({"n": 1}, tmp_path / "m.pth")
    save_model_chunked({"n": 2}, tmp_path / "m.safetensors")
    assert load_model_chunked(tmp_path / "m.pth") == {"n": 1}
    assert load_model_chunked(tmp_path / "m.safetensors") == {"n": 2}
    large = {"w": torch.ones(40_000)}
    save_model_chunked(large, tmp_path / "m.safetensors", CAP_MB, announce=quiet)
    before = names(tmp_path)
    for model in ({"n": 3}, large):
        with pytest.raises(UsageError, match=r"the chunks beside it are of m\.safetensors"):
            save_model_chunked(model, tmp_path / "m.pth", CAP_MB, announce=quiet)
    assert names(tmp_path) == before
    assert load_model_chunked(tmp_path / "m.pth") == {"n": 1}
    assert load_model_chunked(tmp_path / "m.safetensors")["w"].sum() == 40_000


def test_chunks_behind_a_placeholder_are_safe_though_their_manifest_is_not(tmp_path: Path) -> None:
    large = {"w": torch.ones(40_000)}
    saved = save_model_chunked(large, tmp_path / "m.pth", CAP_MB, announce=quiet)
    assert saved.manifest is not None
    saved.manifest.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UsageError, match=r"the chunks beside it are of m\.pth"):
        save_model_chunked({"n": 1}, tmp_path / "m.safetensors")
    assert all(chunk.is_file() for chunk in saved.chunk_files)
    save_model_chunked(large, tmp_path / "m.pth", CAP_MB, announce=quiet)
    assert load_model_chunked(saved.path)["w"].sum() == 40_000


@pytest.mark.parametrize(
    ("name", "container", "reason"),
    [
        ("m.safetensors", "pth", "would hold no safetensors"),
        ("m.pth", "zip", "choose one of pth, safetensors"),
        ("m.chunk_000.safetensors", None, "name of a chunk"),
        ("m.bin", "safetensors", "must end in .pth or .safetensors"),
    ],
)
def test_names_and_containers_that_do_not_go_together(
    tmp_path: Path, name: str, container: Any, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        save_model_chunked({"a": 1}, tmp_path / name, container=container)
    assert names(tmp_path) == []
