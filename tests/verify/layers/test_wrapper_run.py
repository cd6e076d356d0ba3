"""Operations on weights are seen wherever they stand, and what they give can be replaced."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from verify.layers.wrapper_run import WeightedCall, run_watched, weighted_calls

INPUTS = {"x": np.ones((1, 2), np.float32)}


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.table = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        self.register_buffer("shift", torch.tensor([10.0, 20.0]))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        turned = self.table.t() * 2  # of weights alone
        y = functional.linear(functional.relu(self.linear(x)), turned)
        return {"y": y + self.get_buffer("shift")}


def test_each_operation_on_a_weight_is_seen_once_in_order() -> None:
    calls = weighted_calls(Mixed(), INPUTS)
    assert [(call.index, [weight.name for weight in call.weights]) for call in calls] == [
        (0, ["linear.weight", "linear.bias"]),
        (1, ["table"]),
        (2, ["shift"]),
    ]
    assert torch.equal(calls[1].weights[0].values, torch.tensor([[2.0, 6.0], [4.0, 8.0]]))
    assert calls[1].shape == (1, 2)


def test_the_rest_goes_on_from_what_was_put_in_its_place() -> None:
    def replace(call: WeightedCall, _result: torch.Tensor) -> torch.Tensor | None:
        return torch.tensor([[1.0, -1.0]]) if call.index == 0 else None

    outputs = run_watched(Mixed(), INPUTS, replace)
    assert outputs["y"].tolist() == [[12.0, 24.0]]  # relu drops -1: [1, 0] @ [[2, 4], [6, 8]]


def test_the_inputs_are_left_as_they_are() -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.ones(2))

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            x += self.shift
            return {"y": x}

    def replace(_call: WeightedCall, _result: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[7.0, 8.0]])

    assert run_watched(InPlace(), INPUTS, replace)["y"].tolist() == [[7.0, 8.0]]
    assert INPUTS["x"].tolist() == [[1.0, 1.0]]
