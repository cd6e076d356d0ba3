import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save_file

from checkpoints import clean_chunks, describe, list_files, load_model_chunked, open_checkpoint
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError

INDEX = "model.safetensors.index.json"


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {f"layer{i}.w": torch.randn(50, 40, generator=generator) for i in range(5)}


@pytest.fixture
def folder(tmp_path: Path, state: dict[str, torch.Tensor]) -> Path:
    """Three files and an index, as huggingface_hub writes them."""
    (tmp_path / "model").mkdir()
    save_torch_state_dict(state, tmp_path / "model", max_shard_size=17_000)
    return tmp_path / "model"


def refused(path: Path, *words: str) -> None:
    for read in (load_model_chunked, open_checkpoint):
        with pytest.raises(BadInputError) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize("given", ["", INDEX, "model.safetensors"])
def test_what_huggingface_hub_wrote_is_read(
    folder: Path, state: dict[str, torch.Tensor], given: str
) -> None:
    assert len(list(folder.glob("*.safetensors"))) == 3
    loaded = load_model_chunked(folder / given)
    opened = open_checkpoint(folder / given).contents
    assert set(loaded) == set(opened) == set(state)
    for name, tensor in state.items():
        assert torch.equal(loaded[name], tensor)
        content = b"".join(map(bytes, TensorStream().blocks(opened[name], 0, tensor.numel())))
        assert content == tensor.numpy().tobytes()


def test_its_files_are_listed_and_described(folder: Path) -> None:
    shards = sorted(folder.glob("*.safetensors"))
    assert list_files(folder) == (folder / INDEX, *shards)
    summary = describe(folder)
    assert summary.is_chunked
    assert [chunk.name for chunk in summary.chunks] == [shard.name for shard in shards]
    assert summary.total_bytes == sum(shard.stat().st_size for shard in shards)
    assert summary.cap_bytes is None


def test_a_folder_of_one_file_is_that_file(tmp_path: Path) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "model.safetensors")
    assert load_model_chunked(tmp_path)["w"].tolist() == [1, 1]


def test_a_folder_of_several_models_is_no_checkpoint(folder: Path) -> None:
    (folder / "other.safetensors.index.json").write_text("{}")
    refused(folder, "holds several checkpoints", INDEX, "other.safetensors.index.json")


def test_all_missing_files_are_listed(folder: Path) -> None:
    first, _, last = sorted(folder.glob("*.safetensors"))
    first.unlink()
    last.unlink()
    refused(folder, "2 of 3 chunks missing", first.name, last.name)
    assert describe(folder).missing == (first.name, last.name)


def test_a_tensor_that_is_not_where_the_index_says_is_refused(folder: Path) -> None:
    shard = sorted(folder.glob("*.safetensors"))[1]
    tensors = load_file(shard)
    name = min(tensors)
    tensors[f"{name}.old"] = tensors.pop(name)
    save_file(tensors, shard)
    refused(folder, f"it places what is not there: '{name}' in {shard.name}", f"'{name}.old'")


def test_a_tensor_that_the_index_does_not_know_is_refused(folder: Path) -> None:
    shard = min(folder.glob("*.safetensors"))
    save_file({**load_file(shard), "left\nover": torch.ones(3)}, shard)
    refused(folder, r"it does not place what is: 'left\nover'", "from one save")


def test_a_tensor_in_two_files_is_refused(folder: Path) -> None:
    first, second, _ = sorted(folder.glob("*.safetensors"))
    save_file({**load_file(second), **load_file(first)}, second)
    refused(folder, "it does not place what is")


def test_parts_of_tensors_are_not_taken_for_whole_ones(folder: Path) -> None:
    shard = min(folder.glob("*.safetensors"))
    tensors = load_file(shard)
    offsets = {name: {"saved_offsets": [50, 0]} for name in tensors}
    save_file(tensors, shard, metadata={"DCP_SHARDING_INFO": json.dumps(offsets)})
    refused(folder, "hold parts of tensors", "torch.distributed.checkpoint")


def test_a_damaged_file_is_named(folder: Path) -> None:
    shard = sorted(folder.glob("*.safetensors"))[2]
    shard.write_bytes(shard.read_bytes()[:-1])
    refused(folder, shard.name, "copy it again")


def test_links_into_a_cache_are_followed(
    tmp_path: Path, folder: Path, state: dict[str, torch.Tensor]
) -> None:
    """A downloaded model is links to files whose names are their checksums."""
    (tmp_path / "blobs").mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        blob = tmp_path / "blobs" / f"{number:064x}"
        file.rename(blob)
        file.symlink_to(blob)
    for given in (folder, folder / INDEX, folder / "model.safetensors"):
        assert torch.equal(load_model_chunked(given)["layer4.w"], state["layer4.w"])
    shard = min(folder.glob("*.safetensors"))
    assert "layer0.w" in load_model_chunked(shard)


def test_files_of_other_tools_are_never_cleaned(folder: Path) -> None:
    before = sorted(folder.iterdir())
    assert clean_chunks(folder / "model.safetensors") == ()
    assert sorted(folder.iterdir()) == before
