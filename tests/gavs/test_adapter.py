import pytest
import torch
from pydantic import ValidationError

from gavs.adapter import Adapter, ColA, ColaConfig, EncoderAdaptersConfig, encoder_adapters
from gavs.sam import build_sam


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("residual", [True, False])
def test_adapter_by_hand(residual):
    adapter = Adapter(2, 1, "relu", zero_init=False, residual=residual)
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[1.0, -1.0]]))
        adapter.down.bias.fill_(0.5)
        adapter.up.weight.copy_(torch.tensor([[2.0], [3.0]]))
        adapter.up.bias.copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[3.0, 1.0], [1.0, 3.0]])
    change = torch.tensor([[5.0, 8.5], [0.0, 1.0]])  # hidden 2.5, and relu(-1.5) = 0
    torch.testing.assert_close(adapter(x), x + change if residual else change)


def test_gelu_is_not_cut_off_below_zero():
    adapter = Adapter(4, 3, "gelu", zero_init=False)
    with torch.no_grad():
        adapter.down.weight.zero_()
        adapter.down.bias.fill_(-1.0)
        adapter.up.bias.zero_()
        adapter.up.weight.fill_(1.0)
    gelu = -0.15865525  # -1 times the normal distribution function at -1
    torch.testing.assert_close(adapter(torch.zeros(4)), torch.full((4,), 3 * gelu))


def test_zero_init_is_the_identity_and_still_learns():
    adapter = Adapter(8, 4, "relu", zero_init=True)
    x = torch.randn(5, 8)
    torch.testing.assert_close(adapter(x), x)
    adapter(x).square().sum().backward()
    assert adapter.up.weight.grad.abs().max() > 0


def test_parameter_counts_of_the_released_code():
    with torch.device("meta"):
        decoder = build_sam("vit_b").mask_decoder
        cola = ColA(ColaConfig(activation="gelu", zero_init=False), decoder)
        blocks = encoder_adapters(EncoderAdaptersConfig(from_block=9), dim=768, depth=12)
    assert parameters(cola) == 131_840
    assert len(blocks) == 3 and all(parameters(block) == 197_504 for block in blocks)


def test_cola_acts_at_its_own_place_with_one_adapter_a_layer():
    cola = ColA(ColaConfig(place="context", zero_init=False), build_sam("mini").mask_decoder)
    x = torch.randn(2, 6, 64)
    for layer in (0, 1):
        assert cola("mlp", layer, x) is x and cola("attention", layer, x) is x
    assert not torch.allclose(cola("context", 0, x), cola("context", 1, x))


def test_a_block_the_encoder_lacks_is_an_error_that_names_the_last_half():
    with pytest.raises(ValueError, match="from_block is 9.*blocks 0 to 3.*use 2 for its last half"):
        encoder_adapters(EncoderAdaptersConfig(from_block=9), dim=16, depth=4)


def test_norms_without_adapters_are_an_error():
    with pytest.raises(ValidationError, match="train_norms needs from_block"):
        EncoderAdaptersConfig(train_norms=True)
