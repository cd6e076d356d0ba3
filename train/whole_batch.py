"""Layers that see a share of a batch, and do as if they saw the whole of it."""

import torch
from torch import nn

from train.processes import Processes


class WholeBatchNorm(nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - the base of all of them
    """Batch normalisation by the mean and variance over the shares of all processes.

    PyTorch's SyncBatchNorm does the same on GPUs alone. In use it is a batch normalisation like
    any other, and so is its state dict.
    """

    def __init__(self, layer: nn.modules.batchnorm._BatchNorm, processes: Processes) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.load_state_dict(layer.state_dict())
        self.processes = processes

    def _check_input_dim(self, x: torch.Tensor) -> None:
        """Any number of axes behind the channels will do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> (B, C, ...), where B is a share of equal size."""
        if not self.training:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return self._normalised(x.float()).to(x.dtype)

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        axes = [0, *range(2, x.dim())]
        mean = self.processes.mean(x.mean(axes))
        one_per_channel = [1, -1] + [1] * (x.dim() - 2)
        centred = x - mean.view(one_per_channel)
        variance = self.processes.mean(centred.square().mean(axes))
        self._keep(mean.detach(), variance.detach(), self.processes.whole(x.numel() // len(mean)))
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale.view(one_per_channel) + self.bias.view(one_per_channel)

    @torch.no_grad()
    def _keep(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        """Follow the statistics, the variance without its bias, as PyTorch does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)


class WholeBatchDropout(nn.Module):
    """A dropout layer that drops what it would of the whole batch."""

    def __init__(self, layer: nn.Dropout, processes: Processes) -> None:
        super().__init__()
        self.layer = layer
        self.processes = processes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, ...) -> (B, ...), where B is a share of equal size."""
        if not self.training:
            return x
        return x * self.processes.drawn(len(x), lambda rows: self.layer(_ones_like(x, rows)))


def _ones_like(x: torch.Tensor, rows: int) -> torch.Tensor:
    """So many rows in the layout of `x`, by whose order in memory a mask is drawn."""
    return x.new_empty_strided((rows, *x.shape[1:]), x.stride()).fill_(1)


def see_the_whole_batch(network: nn.Module, processes: Processes) -> None:
    """Replace the layers of a network that would depend on how the batch is shared."""
    for name, layer in list(network.named_modules()):
        whole: nn.Module
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            whole = WholeBatchNorm(layer, processes)
        elif isinstance(layer, nn.Dropout):
            whole = WholeBatchDropout(layer, processes)
        else:
            continue
        parent, _, own_name = name.rpartition(".")
        setattr(network.get_submodule(parent), own_name, whole)
