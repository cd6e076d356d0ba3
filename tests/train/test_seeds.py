"""Seeds for each use and epoch, as PyTorch's generator takes them."""

import torch

from train.seeds import derived_seed


def test_every_epoch_draws_numbers_of_its_own() -> None:
    drawn = set()
    for epoch in range(100):
        torch.manual_seed(derived_seed(0, "epoch", epoch))
        drawn.add(torch.rand(1).item())
    assert len(drawn) == 100
