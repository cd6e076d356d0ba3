"""The windowed vision transformer that encodes images for VideoSeal 0.0's detector.

It is the image encoder of A. Kirillov et al., "Segment Anything", 2023: the plain backbone of
Y. Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (ViTDet), 2022,
whose blocks attend within windows except for a few that attend over the whole image, with the
decomposed relative positions of Y. Li et al., "MViTv2", 2022, section 4.1.

N is the number of heads, D = C / N the width of one, G the side of the patch grid.
"""

import torch
from torch import nn
from torch.nn import functional

from networks.cards import VitEncoder
from networks.channel_norm import ChannelNorm


class PatchEmbed(nn.Module):
    """Each square of pixels to one vector."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_size, stride=patch_size)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, G, G, C)."""
        patches: torch.Tensor = self.proj(image)
        return patches.permute(0, 2, 3, 1)


def relative_positions(table: torch.Tensor, size: int) -> torch.Tensor:
    """Lay out a table of vectors by distance, (2 * size - 1, D), as (query, key, D).

    Row `size - 1` of the table is distance 0; a query after its key has a positive distance.
    """
    position = torch.arange(size, device=table.device)
    return table[position[:, None] - position[None, :] + size - 1]


class Attention(nn.Module):
    """Multi-head self-attention over a square grid of `size` x `size` tokens.

    To the logit of a query and a key it adds the (unscaled) query's products with two learned
    vectors: one for their distance in rows and one for their distance in columns.
    """

    def __init__(
        self, dim: int, heads: int, size: int, *, qkv_bias: bool, use_rel_pos: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.use_rel_pos = use_rel_pos
        head_dim = dim // heads
        self.scale = head_dim**-0.5
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        if use_rel_pos:
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * size - 1, head_dim))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * size - 1, head_dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, size, size, C) -> (B, size, size, C)."""
        batch, height, width, _ = x.shape
        tokens = height * width
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, N, tokens, D)
        logits = (query * self.scale) @ key.transpose(-2, -1)  # (B, N, tokens, tokens)
        if self.use_rel_pos:
            logits = logits + self._position_logits(query).reshape(logits.shape)
        out = logits.softmax(dim=-1) @ value  # (B, N, tokens, D)
        out = out.transpose(1, 2).reshape(x.shape)
        projected: torch.Tensor = self.proj(out)
        return projected

    def _position_logits(self, query: torch.Tensor) -> torch.Tensor:
        """(B, N, tokens, D) -> (B, N, query row, query column, key row, key column)."""
        batch, heads, _, head_dim = query.shape
        grid = query.reshape(batch, heads, self.size, self.size, head_dim)
        by_row = relative_positions(self.rel_pos_h, self.size)
        by_column = relative_positions(self.rel_pos_w, self.size)
        row_logits = torch.einsum("bnijd,ikd->bnijk", grid, by_row)
        column_logits = torch.einsum("bnijd,jkd->bnijk", grid, by_column)
        return row_logits[..., :, None] + column_logits[..., None, :]


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, for each token by itself."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.lin2 = nn.Linear(hidden, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., C)."""
        out: torch.Tensor = self.lin2(self.act(self.lin1(x)))
        return out


def to_windows(x: torch.Tensor, size: int) -> torch.Tensor:
    """Cut (B, G, G, C) into windows (B * n * n, size, size, C), n = ceil(G / size).

    Where the windows do not fit, the grid is first filled up with zeros below and to the right.
    The filling takes part in the attention like any token, as it did in training.
    """
    batch, grid, _, channels = x.shape
    missing = -grid % size
    x = functional.pad(x, (0, 0, 0, missing, 0, missing))
    n = (grid + missing) // size
    x = x.view(batch, n, size, n, size, channels).transpose(2, 3)
    return x.reshape(batch * n * n, size, size, channels)


def from_windows(windows: torch.Tensor, grid: int) -> torch.Tensor:
    """Undo `to_windows`: (B * n * n, size, size, C) -> (B, grid, grid, C)."""
    size, channels = windows.shape[1], windows.shape[3]
    n = -(-grid // size)
    x = windows.view(-1, n, n, size, size, channels).transpose(2, 3)
    return x.reshape(-1, n * size, n * size, channels)[:, :grid, :grid]


class Block(nn.Module):
    """Attention within windows (over the whole grid if `window` is 0), then the MLP."""

    def __init__(self, encoder: VitEncoder, window: int) -> None:
        super().__init__()
        dim = encoder.embed_dim
        self.window = window
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(
            dim,
            encoder.num_heads,
            window or encoder.grid_size,
            qkv_bias=encoder.qkv_bias,
            use_rel_pos=encoder.use_rel_pos,
        )
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(encoder.mlp_ratio * dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, G, G, C) -> (B, G, G, C)."""
        y = self.norm1(x)
        if self.window:
            y = from_windows(self.attn(to_windows(y, self.window)), grid=x.shape[1])
        else:
            y = self.attn(y)
        x = x + y
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out


class ImageEncoderVit(nn.Module):
    """Images (B, 3, S, S) to features (B, out_chans, G, G), G = S / patch_size."""

    def __init__(self, encoder: VitEncoder) -> None:
        super().__init__()
        dim, out, grid = encoder.embed_dim, encoder.out_chans, encoder.grid_size
        self.patch_embed = PatchEmbed(encoder.patch_size, dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, dim))
        self.blocks = nn.ModuleList(
            Block(encoder, 0 if index in encoder.global_attn_indexes else encoder.window_size)
            for index in range(encoder.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(dim, out, kernel_size=1, bias=False),
            ChannelNorm(out),
            nn.Conv2d(out, out, kernel_size=3, padding=1, bias=False),
            ChannelNorm(out),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, out_chans, G, G)."""
        x = self.patch_embed(image) + self.pos_embed  # (B, G, G, C)
        for block in self.blocks:
            x = block(x)
        features: torch.Tensor = self.neck(x.permute(0, 3, 1, 2))
        return features
