from functools import partial

import torch
from timm.models.swin_transformer import SwinTransformer

from gavs.swin import Swin

SMALL = partial(SwinTransformer, embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8))


def test_four_maps_at_any_size():
    swin = Swin(SMALL).eval()
    assert swin.channels == [8, 16, 32, 64]
    for side in (224, 96):
        maps = swin(torch.randn(2, 3, side, side))
        assert [m.shape for m in maps] == [
            (2, c, side // s, side // s) for c, s in zip(swin.channels, (4, 8, 16, 32), strict=True)
        ]


def test_maps_are_timms():
    torch.manual_seed(0)
    swin, x = Swin(SMALL).eval(), torch.randn(1, 3, 224, 224)
    expected = swin.net.forward_intermediates(x, intermediates_only=True, norm=False)
    maps = swin(x)
    for mine, timms in zip(maps[:3], expected[:3], strict=True):
        torch.testing.assert_close(mine, timms)
    torch.testing.assert_close(maps[3], swin.net.forward_features(x).permute(0, 3, 1, 2))
