from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
)

from checkpoints import load_model_chunked, save_model_chunked
from checkpoints.training_state import restore_parts, restore_training, training_values
from chunkport.errors import BadInputError


def ignore(_message: str) -> None:
    """Announce nothing."""


def stepped(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    net(torch.ones(2, 3)).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("make_optimizer", [Adam, AdamW, SGD])
@pytest.mark.parametrize(
    "make_scheduler",
    [
        lambda optimizer: MultiStepLR(optimizer, [2, 4, 4]),
        lambda optimizer: CosineAnnealingLR(optimizer, 10),
        lambda optimizer: LambdaLR(optimizer, lambda epoch: 0.9**epoch),
        lambda optimizer: OneCycleLR(optimizer, 0.1, total_steps=20),
        lambda optimizer: ReduceLROnPlateau(optimizer, patience=0),
    ],
    ids=["multi-step", "cosine", "lambda", "one-cycle", "plateau"],
)
def test_schedules_go_on_as_if_never_stopped(
    tmp_path: Path, make_optimizer: Any, make_scheduler: Any
) -> None:
    def build() -> tuple[nn.Linear, torch.optim.Optimizer, LRScheduler]:
        torch.manual_seed(0)
        net = nn.Linear(3, 1)
        optimizer = make_optimizer(net.parameters(), lr=0.05)
        return net, optimizer, make_scheduler(optimizer)

    def advance(parts: tuple[nn.Linear, torch.optim.Optimizer, LRScheduler]) -> None:
        stepped(parts[0], parts[1])
        loss = (1.0,) if isinstance(parts[2], ReduceLROnPlateau) else ()
        parts[2].step(*loss)

    whole = build()
    for _ in range(3):
        advance(whole)
    values = training_values(model=whole[0], optimizer=whole[1], scheduler=whole[2])
    save_model_chunked(values, tmp_path / "m.pth")
    again = build()
    restore_training(
        load_model_chunked(tmp_path / "m.pth"),
        "m.pth",
        ignore,
        model=again[0],
        optimizer=again[1],
        scheduler=again[2],
    )
    for _ in range(3):
        advance(whole)
        advance(again)
        assert whole[1].param_groups[0]["lr"] == again[1].param_groups[0]["lr"]
        assert torch.equal(whole[0].weight, again[0].weight)


def test_several_parts_have_their_names() -> None:
    nets = {"G": nn.Linear(1, 2), "D": nn.Linear(2, 1)}
    values = training_values(model=nets, optimizer=None)
    assert sorted(values) == ["model_D_state_dict", "model_G_state_dict", "random_state"]
    other = {"G": nn.Linear(1, 2), "D": nn.Linear(2, 1)}
    restore_parts(values, "m.pth", model=other)
    assert torch.equal(other["D"].weight, nets["D"].weight)
    with pytest.raises(
        BadInputError,
        match=r"has no model_state_dict, only model_D_state_dict, model_G_state_dict; resume",
    ):
        restore_parts(values, "m.pth", model=nn.Linear(1, 2))


def test_a_network_that_does_not_fit_is_left_as_it_was() -> None:
    values = training_values(model=nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)))
    for other, message in [
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)), r"1\.bias has shape \(1,\), expected"),
        (nn.Sequential(nn.Linear(2, 3)), r"1\.bias is unexpected; 1\.weight is unexpected"),
        (nn.Sequential(*(nn.Linear(2, 2) for _ in range(12))), "and .* more; build the network"),
    ]:
        before = [parameter.clone() for parameter in other.parameters()]
        with pytest.raises(BadInputError, match=f"m.pth: model_state_dict .*{message}"):
            restore_parts(values, "m.pth", model=other)
        assert all(map(torch.equal, before, other.parameters()))


def test_an_optimizer_that_does_not_fit_is_told() -> None:
    net = nn.Linear(2, 2)
    values = training_values(optimizer=Adam(net.parameters()))
    with pytest.raises(BadInputError, match=r"^m\.pth: optimizer_state_dict does not fit .*group"):
        restore_parts(values, "m.pth", optimizer=Adam([net.weight]))
    another = SGD(net.parameters(), lr=0.5, momentum=0.9)
    with pytest.raises(BadInputError, match=r"does not fit SGD: has .*betas.*, but not .*momentum"):
        restore_parts(values, "m.pth", optimizer=another)
    assert another.param_groups[0]["lr"] == 0.5
    values["optimizer_state_dict"]["param_groups"][0].pop("decoupled_weight_decay")
    restore_parts(values, "m.pth", optimizer=Adam(net.parameters()))  # as an earlier PyTorch saved
    with pytest.raises(
        BadInputError, match=r"^m\.pth: has no random_state; resume from a training"
    ):
        restore_training({"model_state_dict": {}}, "m.pth", ignore)
