"""PixelCNN: no pixel sees a later one, tiny pictures' probabilities sum to 1, and draws have these probabilities."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from advnotes import data, play
from advnotes.generators import CausalNetwork, MaskedConv2d, PixelCNN


def game(height: int = 2, width: int = 3, blocks: int = 2, first: int = 3) -> PixelCNN:
    torch.manual_seed(0)
    made = PixelCNN(CausalNetwork(6, blocks, first), height, width).double()
    for parameter in made.parameters():
        parameter.data *= 2  # far from a coin for each pixel
    return made


def all_pictures(height: int, width: int) -> Tensor:
    rows = list(itertools.product((0.0, 1.0), repeat=height * width))
    return torch.tensor(rows, dtype=torch.float64).view(-1, 1, height, width)


@pytest.mark.parametrize("first", [3, 7])
def test_a_pixels_logit_depends_on_every_earlier_pixel_nearby_and_on_no_later_one(first: int) -> None:
    network = game(5, 4, blocks=3, first=first).network
    several = torch.rand(
        8, 1, 1, 5, 4, dtype=torch.float64
    )  # a unit that is off hides a neighbour from one of them
    jacobian = sum(torch.autograd.functional.jacobian(network, x).view(20, 20).abs() for x in several)
    assert bool((jacobian.triu() == 0).all())  # itself and whatever comes later
    left = [4 * i + j for i in range(5) for j in range(1, 4)]
    assert all(jacobian[i, i - 1] != 0 for i in left)
    assert bool((jacobian.diagonal(-4) != 0).all())  # the one above


def test_a_mask_of_the_other_kind_sees_the_pixel_itself() -> None:
    x = torch.rand(1, 1, 4, 4)
    for layer, sees in ((MaskedConv2d(1, 1, 3, "A"), False), (MaskedConv2d(1, 1, 3, "B"), True)):
        diagonal = torch.autograd.functional.jacobian(layer, x).view(16, 16).diagonal()
        assert bool((diagonal != 0).all()) is sees


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (3, 3)])
def test_the_probabilities_of_all_pictures_sum_to_one(height: int, width: int) -> None:
    total = game(height, width).log_likelihood(all_pictures(height, width)).logsumexp(dim=0)
    assert total.item() == pytest.approx(0.0, abs=1e-12)


def test_draws_have_the_models_probabilities() -> None:
    model, pictures, n = game(), all_pictures(2, 3), 40_000
    probabilities = model.log_likelihood(pictures).exp().detach()
    places = 2 ** torch.arange(5, -1, -1, dtype=torch.float64)
    sampled = model.sample(n, torch.Generator().manual_seed(0))
    counts = torch.bincount((sampled.flatten(1) @ places).long(), minlength=64).double()
    error = (probabilities * (1 - probabilities) / n).sqrt()
    assert bool(((counts / n - probabilities).abs() < 5 * error + 1e-4).all())


def test_what_is_kept_of_earlier_pixels_changes_no_draw() -> None:
    model = game(5, 4, blocks=3, first=7)
    noise = torch.rand(8, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    slow = torch.zeros(8, 1, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        for i, j in itertools.product(range(5), range(4)):
            slow[:, 0, i, j] = (noise[:, i, j] < model.network(slow)[:, 0, i, j].sigmoid()).double()
        torch.testing.assert_close(model.network.draw(noise), slow)


def test_play_learns_a_rule_that_only_an_earlier_pixel_tells() -> None:
    torch.manual_seed(0)
    left = (torch.rand(512, 1, 3, 1) < 0.5).float()
    x = torch.cat([left, 1 - left], dim=3)  # each row's second pixel is the other one: 3 log 2 nats
    model = PixelCNN(CausalNetwork(8, 1, 3), 3, 2)
    play(model, data.batches(x), torch.optim.Adam(model.parameters(), 0.02), steps=120, progress=False)
    assert -model.log_likelihood(x).mean().item() == pytest.approx(3 * math.log(2), abs=0.1)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="zeros and ones"):
        game().log_likelihood(torch.full((1, 1, 2, 3), 0.5, dtype=torch.float64))
    with pytest.raises(ValueError, match="leave it out"):
        game().network_loss(torch.ones(0, 1, 2, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="odd"):
        MaskedConv2d(1, 1, 4, "A")


@pytest.mark.usefixtures("unchecked")
def test_whole_numbers_are_not_pictures() -> None:
    with pytest.raises(ValueError, match="floating point"):
        game().log_likelihood(torch.ones(1, 1, 2, 3, dtype=torch.long))
