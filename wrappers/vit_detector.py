"""The ViT detector for TFLite: tensors of rank 4 at most, few of them moved, norms folded.

VideoSeal 0.0. N heads of width D on C = N * D channels; a window, or the whole grid, has
T = size * size tokens, and there are n windows.

Tokens stay in the order of the windows from the patches to the neck, window after window, and
only there go back to rows. All that a block does is the same in any order, but for the positions
of queries and keys, and these are constants.
"""

import torch
from torch import nn
from torch.nn import functional

from networks import vit
from networks.channel_norm import NORM_EPSILON, ChannelNorm
from networks.detector import VitDetector
from wrappers.convnext_detector import Head, centre, doubled
from wrappers.rewrite_norms import (
    Norm,
    NormedLinear,
    as_matrix,
    frozen,
    linear,
    scale_inputs,
    shift_inputs,
    standardise,
)
from wrappers.rewrite_pixels import neighbourhoods, space_to_depth
from wrappers.spec import Target


def to_windows(x: torch.Tensor, grid: int, window: int) -> torch.Tensor:
    """(grid * grid, C) by rows -> the same by windows, which must fit the grid."""
    n = grid // window
    return x.reshape(n, window, n, -1).transpose(1, 2).reshape(grid * grid, -1)


def from_windows(x: torch.Tensor, grid: int, window: int) -> torch.Tensor:
    """Undo `to_windows`."""
    n = grid // window
    return x.reshape(n, n, window, -1).transpose(1, 2).reshape(grid * grid, -1)


class Places(nn.Module):
    """Where the tokens of a window stand, `order` being their indices by rows; for all its blocks.

    Attributes:
        own: (T, 2 * size * size) of zeros and ones. A query has a column for each place that it
            and a key might have, by (own row, key's row), then by columns; this picks its own.
        gather: (2 * size, 2 * size * size), adds up what is picked, by key's row and column.
        spread: (T, 2 * size), gives each key the sum of its row's part and its column's.
    """

    def __init__(self, order: torch.Tensor, size: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.size = size
        each = torch.eye(size, dtype=dtype)
        row, column = each[order // size], each[order % size]  # (T, size), one-hot
        own = [place.repeat_interleave(size, dim=1) for place in (row, column)]
        self.own = frozen(torch.cat(own, dim=1))
        self.gather = frozen(torch.kron(torch.eye(2, dtype=dtype), each.repeat(1, size)))
        self.spread = frozen(torch.cat([row, column], dim=1))


class Positions(nn.Module):
    """The queries' products with the vectors of their distances to each key, rows and columns.

    One Linear gives a query's products for every place that it might have; constants keep those
    of the place that it has and hand them to the keys. No tensor is moved for it.
    """

    def __init__(
        self, attention: vit.Attention, places: Places, *, target: Target | None = None
    ) -> None:
        super().__init__()
        self.target = target
        tables = torch.cat(
            [
                vit.relative_positions(table, places.size).flatten(0, 1)
                for table in (attention.rel_pos_h, attention.rel_pos_w)
            ]
        )
        undo = torch.full((tables.shape[1],), 1 / attention.scale, dtype=torch.float64)
        self.tables = linear(scale_inputs(tables, undo), None)  # the queries come scaled
        self.places = places

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        """(N * n, T, D) -> (N * n, T, T), query by key."""
        every = self.tables(query)
        # A GPU lays the rows of a constant right where both have four axes.
        if self.target == "gpu":
            own = (every[None] * self.places.own[None, None])[0]
        else:
            own = every * self.places.own
        return functional.linear(functional.linear(own, self.places.gather), self.places.spread)


class Attention(nn.Module):
    """Multi-head self-attention on standardised tokens; the norm's constants are in `qkv`.

    Of its bias only the queries' part is left there. The keys' part adds the same to all logits
    of a query, which the softmax takes out again. The values' part passes through the softmax,
    whose weights add up to 1, and joins the bias of `proj`.
    """

    def __init__(
        self,
        attention: vit.Attention,
        norm: nn.LayerNorm | None,
        places: Places,
        *,
        target: Target | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.tokens = attention.heads, attention.size**2
        weight: torch.Tensor = attention.qkv.weight
        bias: torch.Tensor | None = attention.qkv.bias
        if norm is not None:
            bias = shift_inputs(weight, bias, norm.bias)
            weight = scale_inputs(weight, norm.weight)
        dim, proj = weight.shape[1], attention.proj
        scale = torch.ones(len(weight), dtype=torch.float64)
        scale[:dim] = attention.scale  # the query leaves the Linear scaled
        weight = (weight.double() * scale[:, None]).to(weight.dtype)
        if bias is None:
            self.qkv, self.proj = linear(weight, None), linear(proj.weight, proj.bias)
        else:
            only_query = torch.zeros_like(bias)
            only_query[:dim] = (bias[:dim].double() * attention.scale).to(bias.dtype)
            self.qkv = linear(weight, only_query)
            self.proj = linear(proj.weight, shift_inputs(proj.weight, proj.bias, bias[2 * dim :]))
        self.positions = (
            Positions(attention, places, target=target) if attention.use_rel_pos else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n * T, C) -> (n * T, C), window after window."""
        total, dim = x.shape
        each = self.heads * total // self.tokens  # N * n
        qkv = self.qkv(x).reshape(total, 3 * self.heads, -1).transpose(0, 1)  # (3N, n * T, D)
        qkv = qkv.reshape(3 * each, self.tokens, -1)
        query, key, value = qkv[:each], qkv[each : 2 * each], qkv[2 * each :]  # (N * n, T, D)
        logits = query @ key.transpose(1, 2)
        if self.positions is not None:
            logits = logits + self.positions(query)
        out = logits.softmax(-1) @ value  # (N * n, T, D)
        out = out.reshape(self.heads, total, -1).transpose(0, 1).reshape(total, dim)
        projected: torch.Tensor = self.proj(out)
        return projected


class Block(nn.Module):
    """Attention within windows or over the whole grid, then the MLP, on (G * G, C).

    Where the windows do not fit the grid, tokens are in rows, and zeros fill up to windows.
    """

    def __init__(
        self, block: vit.Block, grid: int, places: Places, *, target: Target | None = None
    ) -> None:
        super().__init__()
        self.grid, self.window, self.target = grid, block.window, target
        self.fill = -grid % block.window if block.window else 0
        self.epsilon = block.norm1.eps
        # Filling zeros join after the norm, so its constants must come before them.
        norm = block.norm1
        self.norm = None
        if self.fill:
            self.norm = Norm(norm.weight, norm.bias, self.epsilon, target=target)
        self.attention = Attention(block.attn, None if self.fill else norm, places, target=target)
        mlp, norm = block.mlp, block.norm2
        self.lin1 = NormedLinear(
            norm.weight, norm.bias, norm.eps, mlp.lin1.weight, mlp.lin1.bias, target=target
        )
        self.lin2 = linear(mlp.lin2.weight, mlp.lin2.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(G * G, C) -> (G * G, C)."""
        if self.norm is None:
            x = x + self.attention(standardise(x, self.epsilon, target=self.target))
        else:
            x = x + self._in_filled_windows(self.norm(x))
        out: torch.Tensor = x + self.lin2(functional.gelu(self.lin1(x)))
        return out

    def _in_filled_windows(self, y: torch.Tensor) -> torch.Tensor:
        grid, dim = self.grid, y.shape[-1]
        filled = grid + self.fill
        y = functional.pad(y.reshape(grid, grid, dim), (0, 0, 0, self.fill, 0, self.fill))
        y = self.attention(to_windows(y.reshape(filled**2, dim), filled, self.window))
        y = from_windows(y, filled, self.window).reshape(filled, filled, dim)
        return y[:grid, :grid].reshape(grid**2, dim)


class VitForTflite(nn.Module):
    """(1, S, S, 3) in [0, 1] to logits (1, 1 + nbits); S is the size that it was trained at."""

    def __init__(self, network: VitDetector, *, target: Target | None = None) -> None:
        super().__init__()
        self.target = target
        encoder = network.image_encoder
        conv = encoder.patch_embed.proj
        self.patch, grid = conv.kernel_size[0], encoder.pos_embed.shape[1]
        blocks = [block for block in encoder.blocks if isinstance(block, vit.Block)]
        window = max(block.window for block in blocks)
        self.grid, self.window = grid, window if window and grid % window == 0 else grid
        self.embed = linear(as_matrix(doubled(conv)), None)
        position = encoder.pos_embed.detach().double().flatten(0, 2)
        if conv.bias is not None:
            position = position + conv.bias.detach().double()
        self.position = frozen(self._ordered(position).to(conv.weight.dtype))  # and the bias
        by_rows = torch.arange(grid * grid)
        everywhere = Places(self._ordered(by_rows[:, None])[:, 0], grid, conv.weight.dtype)
        within = Places(torch.arange(window**2), window, conv.weight.dtype) if window else None
        self.blocks = nn.Sequential(
            *(
                Block(
                    block,
                    grid,
                    within if within and block.window else everywhere,
                    target=target,
                )
                for block in blocks
            )
        )
        first, norm1, second, norm2 = encoder.neck
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        assert isinstance(norm1, ChannelNorm)
        assert isinstance(norm2, ChannelNorm)
        self.neck1 = linear(as_matrix(first.weight), None)
        # Zero padding comes next, so these constants have nowhere to go.
        self.norm = Norm(norm1.weight, norm1.bias, NORM_EPSILON, target=target)
        self.neck2 = linear(as_matrix(second.weight), None)
        self.head = Head(network.pixel_decoder, norm2, target=target)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(1, S, S, 3) in [0, 1] -> (1, 1 + nbits)."""
        x = space_to_depth(centre(image), self.patch).reshape(self.grid**2, -1)
        x = self._ordered(x)
        if self.target == "gpu":  # as in Positions
            square = (1, self.grid, self.grid, -1)
            x = self.embed(x.reshape(square)) + self.position.reshape(square)
            x = x.reshape(self.grid**2, -1)
        else:
            x = self.embed(x) + self.position
        x = self.blocks(x)  # (G * G, C)
        x = self.norm(self.neck1(x))
        if self.window != self.grid:
            x = from_windows(x, self.grid, self.window)
        x = functional.pad(x.reshape(1, self.grid, self.grid, -1), (0, 0, 1, 1, 1, 1))
        x = self.neck2(neighbourhoods(x))
        logits: torch.Tensor = self.head(standardise(x, NORM_EPSILON, target=self.target))
        return logits

    def _ordered(self, x: torch.Tensor) -> torch.Tensor:
        """(G * G, C) by rows -> in the order of the tokens here."""
        return x if self.window == self.grid else to_windows(x, self.grid, self.window)
