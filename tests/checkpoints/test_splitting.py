import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import describe, load_model_chunked, save_model_chunked
from checkpoints.layout import layout_of
from checkpoints.splitting import split_in_place, staging_folder
from chunkport.errors import BadInputError, UsageError

CAP_MB = 0.0625


@pytest.fixture
def large(tmp_path: Path, model: dict[str, Any]) -> Path:
    torch.save(model, tmp_path / "large.pth")
    return tmp_path / "large.pth"


def holds(path: Path, model: dict[str, Any]) -> None:
    loaded = load_model_chunked(path)
    assert torch.equal(loaded["first"]["weight"], model["first"]["weight"])
    assert torch.equal(loaded["second"]["weight"], model["second"]["weight"])
    assert list(loaded) == list(model)


def test_chunks_take_the_place_of_the_file(large: Path, model: dict[str, Any]) -> None:
    large.chmod(0o640)
    read: list[int] = []
    saved = split_in_place(large, CAP_MB, on_bytes=read.append)
    assert saved.path == large
    assert sum(read) == 2 * (9000 + 9000) * 4
    assert saved.manifest is not None
    files = [large, saved.manifest, *saved.chunk_files]
    assert sorted(files) == sorted(large.parent.iterdir())
    assert all(file.stat().st_size <= CAP_MB * (1 << 20) for file in files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o640}
    assert describe(large).missing == ()
    holds(large, model)


def test_the_chunks_may_be_safetensors(large: Path, model: dict[str, Any]) -> None:
    saved = split_in_place(large, CAP_MB, container="safetensors")
    assert {file.suffix for file in saved.chunk_files} == {".safetensors"}
    assert sorted(file.name for file in large.parent.iterdir()) == [
        *(file.name for file in saved.chunk_files),
        "large.manifest.json",
        "large.pth",
        "large.safetensors.index.json",
    ]
    holds(large, model)


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_step_the_file_or_all_chunks_are_there(
    tmp_path: Path, model: dict[str, Any], die_at_every_step: Callable[..., int]
) -> None:
    folder = tmp_path / "models"
    large = folder / "large.pth"
    forms: list[bool] = []

    def prepare() -> None:
        for file in folder.glob("*"):
            file.unlink()
        folder.mkdir(exist_ok=True)
        torch.save(model, large)

    def check(_step: int) -> None:
        holds(large, model)
        forms.append(describe(large).is_chunked)
        if not forms[-1]:
            split_in_place(large, CAP_MB)
        holds(large, model)
        assert [file.name for file in folder.iterdir() if file.name.startswith(".")] == []

    deaths = die_at_every_step(folder, prepare, lambda: split_in_place(large, CAP_MB), check)
    assert deaths > 10
    assert forms == sorted(forms)
    assert {*forms} == {False, True}


def test_what_is_not_stored_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    torch.save({"w": torch.zeros(30_000), "names": {"a", "b"}}, path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"large.pth: stays as it is; .*names holds .*set"):
        split_in_place(path, CAP_MB)
    assert [before] == [file.read_bytes() for file in tmp_path.iterdir()]


def test_a_damaged_file_stays_as_it_is(large: Path, model: dict[str, Any]) -> None:
    whole = large.read_bytes()
    place = whole.index(model["second"]["weight"].numpy().tobytes()) + 100
    large.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    before = large.read_bytes()
    with pytest.raises(BadInputError, match=r"large.pth: damaged"):
        split_in_place(large, CAP_MB)
    assert [before] == [file.read_bytes() for file in large.parent.iterdir()]


def test_a_file_that_is_written_meanwhile_stays(large: Path) -> None:
    def write(_message: str) -> None:
        os.utime(large, ns=(0, 0))

    with pytest.raises(BadInputError, match="was written by somebody else meanwhile"):
        split_in_place(large, CAP_MB, announce=write)
    assert list(large.parent.iterdir()) == [large]


def test_what_a_killed_attempt_left_goes(large: Path, model: dict[str, Any]) -> None:
    folder = staging_folder(layout_of(large))
    folder.mkdir()
    (folder / "large.chunk_000.pth").write_text("half")
    split_in_place(large, CAP_MB)
    assert not folder.exists()
    holds(large, model)


def test_chunks_of_a_namesake_are_not_replaced(tmp_path: Path, model: dict[str, Any]) -> None:
    torch.save(model, tmp_path / "large.pth")
    save_model_chunked(model, tmp_path / "large.safetensors", CAP_MB, announce=print)
    with pytest.raises(UsageError, match=r"large\.safetensors has chunks of these names"):
        split_in_place(tmp_path / "large.pth", CAP_MB)
    holds(tmp_path / "large.pth", model)
    holds(tmp_path / "large.safetensors", model)


def test_numpy_values_of_a_whole_file_leave_it(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    save_model_chunked({"w": torch.zeros(30_000), "loss": torch.ones(3).numpy()}, path)
    with pytest.raises(BadInputError, match=r"large\.pth: stays as it is; holds NumPy values"):
        split_in_place(path, CAP_MB)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("container", ["pth", "safetensors"])
def test_values_of_every_kind(tmp_path: Path, container: Any) -> None:
    path = tmp_path / "large.pth"
    network = torch.nn.Linear(100, 300)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 100)).sum().backward()
    optimizer.step()
    model: dict[str, Any] = {
        "state": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "small": [torch.tensor(number) for number in (True, 3, 2.5, 1 + 2j)],
        "double": torch.ones(3, dtype=torch.complex128),
        "half": torch.ones(5, dtype=torch.bfloat16),
        "empty": [torch.empty(0), torch.empty(0)],
        "plain": (None, True, -(2**70), 0.1, "text", {"3": 3, 4: [5.0]}),
    }
    torch.save(model, path)
    split_in_place(path, CAP_MB, container=container)
    loaded = load_model_chunked(path)
    assert loaded["plain"] == model["plain"]
    assert loaded["double"].dtype == torch.complex128
    assert torch.equal(loaded["double"], model["double"])
    assert [item.tolist() for item in loaded["small"]] == [True, 3, 2.5, 1 + 2j]
    moments = loaded["optimizer"]["state"][0]
    assert torch.equal(moments["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
