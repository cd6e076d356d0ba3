import torch
from torch.nn import functional

from networks.pixel_decoder import PixelDecoder


def test_reflected_borders_leave_even_features_even() -> None:
    # With zeros around them, an even image's borders would differ from its middle and so would
    # the mean over it; reflected, every pixel sees the same neighbourhood at any size.
    torch.manual_seed(0)
    decoder = PixelDecoder(channels=6, nbits=3).eval()
    even = torch.randn(1, 6, 1, 1)
    with torch.no_grad():
        small, large = (decoder(even.expand(1, 6, side, side)) for side in (2, 9))
    assert small.shape == (1, 4)
    torch.testing.assert_close(small, large)


def test_logits_are_a_linear_map_of_the_mean_over_the_image() -> None:
    torch.manual_seed(0)
    decoder = PixelDecoder(channels=6, nbits=3).eval()
    x = torch.randn(2, 6, 4, 5)
    conv = decoder.state_dict()["output_upscaling.0.upsample_block.2.weight"]
    with torch.no_grad():
        y = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="reflect"), conv)
        y = y - y.mean(dim=1, keepdim=True)
        y = functional.gelu(y / (y.square().mean(dim=1, keepdim=True) + 1e-6).sqrt())
        expected = y.mean(dim=(2, 3)) @ decoder.linear.weight.T + decoder.linear.bias
        torch.testing.assert_close(decoder(x), expected)
