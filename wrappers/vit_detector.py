"""The ViT detector for TFLite: tensors of rank 4 at most, norms folded, one image.

VideoSeal 0.0. N heads of width D on C = N * D channels; a window, or the whole grid, has
T = size * size tokens.
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


def shift_to_keys(by_distance: torch.Tensor, size: int) -> torch.Tensor:
    """(n, size, w, 2 * size - 1) by distance of the key to (n, size, w, size) by key.

    out[:, i, :, k] = by_distance[:, i, :, k - i + size - 1]. The relative shift of Transformer-XL
    (Z. Dai et al., 2019, appendix B), without a gather: dropping the first size - 1 numbers and
    reading in rows that are one number short moves row i back by i.
    """
    if size == 1:
        return by_distance
    n, _, width, distances = by_distance.shape
    short = width * distances - 1
    flat = by_distance.reshape(n, size * width * distances)[:, size - 1 : size - 1 + size * short]
    rows = functional.pad(flat.reshape(n, size, short), (0, 1))
    return rows.reshape(n, size, width, distances)[..., :size]


class Positions(nn.Module):
    """The queries' products with the vectors of their distances to each key, rows and columns.

    One Linear gives the products with every vector of both tables; a shift lines them up by the
    keys' rows and columns, and a Linear of zeros and ones adds the two for each key.
    """

    def __init__(self, attention: vit.Attention, query_scale: float) -> None:
        super().__init__()
        self.size = attention.size
        tables = torch.cat([attention.rel_pos_h.flip(0), attention.rel_pos_w.flip(0)])
        undo = torch.full((tables.shape[1],), 1 / query_scale, dtype=torch.float64)
        self.tables = linear(scale_inputs(tables, undo), None)  # the queries come scaled
        token = torch.arange(self.size**2)
        spread = torch.zeros(self.size**2, 2 * self.size, dtype=tables.dtype)
        spread[token, token // self.size] = 1
        spread[token, self.size + token % self.size] = 1
        self.spread = linear(spread, None)

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        """(n, T, N, D) -> (n, N, T, T), query by key."""
        n, tokens, heads, _ = query.shape
        size, distances = self.size, 2 * self.size - 1
        by_distance = self.tables(query)
        rows = by_distance[..., :distances].reshape(n, size, size * heads, distances)
        columns = by_distance[..., distances:].reshape(n * size, size, heads, distances)
        rows = shift_to_keys(rows, size).reshape(n, tokens, heads, size)
        columns = shift_to_keys(columns, size).reshape(n, tokens, heads, size)
        both = torch.cat([rows, columns], -1).transpose(1, 2)  # (n, N, T, 2 * size)
        logits: torch.Tensor = self.spread(both)
        return logits


class Attention(nn.Module):
    """Multi-head self-attention on standardised tokens; the norm's constants are in `qkv`."""

    def __init__(self, attention: vit.Attention, norm: nn.LayerNorm | None) -> None:
        super().__init__()
        self.heads = attention.heads
        weight: torch.Tensor = attention.qkv.weight
        bias: torch.Tensor | None = attention.qkv.bias
        if norm is not None:
            bias = shift_inputs(weight, bias, norm.bias)
            weight = scale_inputs(weight, norm.weight)
        scale = torch.ones(len(weight), dtype=torch.float64)
        scale[: weight.shape[1]] = attention.scale  # the query leaves the Linear scaled
        self.qkv = linear(
            (weight.double() * scale[:, None]).to(weight.dtype),
            None if bias is None else (bias.double() * scale).to(weight.dtype),
        )
        self.positions = Positions(attention, attention.scale) if attention.use_rel_pos else None
        self.proj = linear(attention.proj.weight, attention.proj.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, T, C) -> (n, T, C), n windows at once."""
        n, tokens, dim = x.shape
        qkv = self.qkv(x)
        query, key, value = (
            qkv[..., start : start + dim].reshape(n, tokens, self.heads, dim // self.heads)
            for start in (0, dim, 2 * dim)
        )
        logits = query.transpose(1, 2) @ key.transpose(1, 2).transpose(-2, -1)  # (n, N, T, T)
        if self.positions is not None:
            logits = logits + self.positions(query)
        out = logits.softmax(-1) @ value.transpose(1, 2)  # (n, N, T, D)
        projected: torch.Tensor = self.proj(out.transpose(1, 2).reshape(n, tokens, dim))
        return projected


class Block(nn.Module):
    """Attention within windows or over the whole grid, then the MLP, on (1, G * G, C)."""

    def __init__(self, block: vit.Block, grid: int) -> None:
        super().__init__()
        self.grid, self.window = grid, block.window
        self.fill = -grid % block.window if block.window else 0
        self.epsilon = block.norm1.eps
        # Filling zeros join after the norm, so its constants must come before them.
        self.norm = Norm(block.norm1.weight, block.norm1.bias, self.epsilon) if self.fill else None
        self.attention = Attention(block.attn, None if self.fill else block.norm1)
        mlp, norm = block.mlp, block.norm2
        self.lin1 = NormedLinear(norm.weight, norm.bias, norm.eps, mlp.lin1.weight, mlp.lin1.bias)
        self.lin2 = linear(mlp.lin2.weight, mlp.lin2.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, G * G, C) -> (1, G * G, C)."""
        y = standardise(x, self.epsilon) if self.norm is None else self.norm(x)
        x = x + (self._in_windows(y) if self.window else self.attention(y))
        out: torch.Tensor = x + self.lin2(functional.gelu(self.lin1(x)))
        return out

    def _in_windows(self, y: torch.Tensor) -> torch.Tensor:
        grid, size, dim = self.grid, self.window, y.shape[-1]
        n = (grid + self.fill) // size
        if self.fill:
            y = functional.pad(y.reshape(grid, grid, dim), (0, 0, 0, self.fill, 0, self.fill))
        y = y.reshape(n, size, n, size * dim).transpose(1, 2).reshape(n * n, size * size, dim)
        y = self.attention(y).reshape(n, n, size, size * dim).transpose(1, 2)
        if self.fill:
            y = y.reshape(n * size, n * size, dim)[:grid, :grid]
        return y.reshape(1, grid * grid, dim)


class VitForTflite(nn.Module):
    """(1, S, S, 3) in [0, 1] to logits (1, 1 + nbits); S is the size that it was trained at."""

    def __init__(self, network: VitDetector) -> None:
        super().__init__()
        encoder = network.image_encoder
        conv = encoder.patch_embed.proj
        self.patch, self.grid = conv.kernel_size[0], encoder.pos_embed.shape[1]
        self.embed = linear(as_matrix(doubled(conv)), None)
        position = encoder.pos_embed.double().flatten(1, 2)
        if conv.bias is not None:
            position = position + conv.bias.double()
        self.position = frozen(position.to(conv.weight.dtype))  # (1, G * G, C), the bias included
        self.blocks = nn.Sequential(
            *(Block(block, self.grid) for block in encoder.blocks if isinstance(block, vit.Block))
        )
        first, norm1, second, norm2 = encoder.neck
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        assert isinstance(norm1, ChannelNorm)
        assert isinstance(norm2, ChannelNorm)
        self.neck1 = linear(as_matrix(first.weight), None)
        # Zero padding comes next, so these constants have nowhere to go.
        self.norm = Norm(norm1.weight, norm1.bias, NORM_EPSILON)
        self.neck2 = linear(as_matrix(second.weight), None)
        self.head = Head(network.pixel_decoder, norm2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(1, S, S, 3) in [0, 1] -> (1, 1 + nbits)."""
        x = space_to_depth(centre(image), self.patch).reshape(1, self.grid**2, -1)
        x = self.blocks(self.embed(x) + self.position)
        x = self.norm(self.neck1(x)).reshape(1, self.grid, self.grid, -1)
        x = functional.pad(x, (0, 0, 1, 1, 1, 1))
        logits: torch.Tensor = self.head(standardise(self.neck2(neighbourhoods(x)), NORM_EPSILON))
        return logits
