"""The chain of a denoiser: where the denoiser is the true one, the chain has the distribution of the data."""

import pytest
import torch
from torch import nn

from advnotes import nets, play
from advnotes.generators import GSN

SHARES = torch.tensor([0.1, 0.5, 0.8])


class TrueDenoiser(nn.Module):
    """Bayes' rule for independent bits of given shares, a part of which a coin has decided."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, spoilt: torch.Tensor) -> torch.Tensor:
        kept, lost = 1 - self.noise / 2, self.noise / 2
        one = SHARES * torch.where(spoilt > 0.5, kept, lost)
        zero = (1 - SHARES) * torch.where(spoilt > 0.5, lost, kept)
        return (one / zero).log()


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_with_the_true_denoiser_the_chain_ends_in_the_data(noise: float) -> None:
    game = GSN(TrueDenoiser(noise), noise)
    generator = torch.Generator().manual_seed(0)
    probabilities = game.sample(torch.zeros(20_000, 3), 60, generator)
    drawn = torch.rand(probabilities.shape, generator=generator) < probabilities
    assert (drawn.float().mean(dim=0) - SHARES).abs().max() < 0.02
    assert torch.corrcoef(drawn.float().T).fill_diagonal_(0).abs().max() < 0.04


def test_spoiling_decides_the_stated_share_by_coins() -> None:
    game = GSN(nn.Identity(), 0.4)
    for start in (0.0, 1.0):
        spoilt = game.spoil(torch.full((200, 500), start), torch.Generator().manual_seed(1))
        assert float((spoilt != start).float().mean()) == pytest.approx(0.2, abs=0.01)
    assert set(spoilt.unique().tolist()) == {0.0, 1.0}


def trained(walkback: int) -> tuple[GSN, float]:
    """A GSN of pixels that all are equal, and how often its chain's samples agree in all of them."""
    torch.manual_seed(0)
    real = torch.rand(512, 1).round().expand(512, 8)
    game = GSN(nets.mlp(8, 32, 8), 0.5, walkback)
    play(game, [real], torch.optim.Adam(game.denoiser.parameters(), lr=0.01), steps=200, progress=False)
    ends = game.sample(torch.rand(400, 8).round(), 50).round()
    return game, float((ends == ends[:, :1]).all(dim=1).float().mean())


def test_it_learns_that_all_pixels_are_equal() -> None:
    game, equal = trained(3)
    assert equal > 0.9
    untrained = GSN(nets.mlp(8, 32, 8), 0.5).sample(torch.rand(400, 8).round(), 50).round()
    assert float((untrained == untrained[:, :1]).all(dim=1).float().mean()) < 0.5
    both = game.sample(torch.rand(2000, 8).round(), 100).round()[:, 0].mean()
    assert 0.2 < both < 0.8


def test_walkback_1_is_a_denoising_autoencoder() -> None:
    game, x = GSN(nets.mlp(5, 4, 5), 0.3, walkback=1), torch.rand(6, 5).round()
    torch.manual_seed(4)
    loss = game("denoiser", x)
    torch.manual_seed(4)
    wanted = nn.functional.binary_cross_entropy_with_logits(game.denoiser(game.spoil(x)), x)
    assert torch.equal(loss, wanted)


def test_bad_input_is_refused() -> None:
    for noise in (0.0, 1.1):
        with pytest.raises(ValueError, match="noise must be"):
            GSN(nn.Identity(), noise)
    with pytest.raises(ValueError, match="walkback must be"):
        GSN(nn.Identity(), walkback=0)
    game = GSN(nn.Linear(3, 2))
    with pytest.raises(ValueError, match="let it end with theirs"):
        game("denoiser", torch.rand(4, 3))
    with pytest.raises(ValueError, match="divide by the largest"):
        game("denoiser", torch.full((4, 3), 255.0))
    with pytest.raises(ValueError, match="leave it out"):
        game("denoiser", torch.rand(0, 3))
    for start in (torch.full((4, 3), 255.0), torch.full((4, 3), float("nan"))):
        with pytest.raises(ValueError, match="inputs must"):
            game.sample(start)
    with pytest.raises(ValueError, match="steps must be"):
        game.sample(torch.rand(4, 3), 0)
