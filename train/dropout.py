"""Dropout that spends fewer random numbers, for training on a CPU."""

import torch
from torch import nn

_CODES = 1 << 16
_CODES_PER_NUMBER = 4


class CpuDropout(nn.Dropout):
    """nn.Dropout whose masks are made of 16 random bits an element, where it draws 64.

    Drawing those is a fifth of a GAN's step on one core. The rate is `p` to the nearest 1/65536,
    and what is kept is scaled by that rate, so that the mean stays as it was. The bits come from
    torch's global generator. On other devices it is nn.Dropout.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of any shape and floating type."""
        dropped = round(self.p * _CODES)
        if not self.training or not x.is_cpu or self.inplace or dropped in (0, _CODES):
            return super().forward(x)
        numbers = torch.empty(-(-x.numel() // _CODES_PER_NUMBER), dtype=torch.int64)
        numbers.random_(-(1 << 63), None)  # the one range that draws all 64 bits
        codes = numbers.view(torch.int16)[: x.numel()]
        mask = torch.empty_like(x, requires_grad=False)
        in_memory = mask.as_strided((x.numel(),), (1,))
        torch.ge(codes, dropped - _CODES // 2, out=in_memory)
        return x * mask.mul_(_CODES / (_CODES - dropped))
