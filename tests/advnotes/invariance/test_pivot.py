"""The two losses by hand, the order of moves, and a classifier that gives away less for playing."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.data import batches, shifted_gaussians
from advnotes.invariance import CategoricalDensity, ChainDensity, MixtureDensity, Pivot
from advnotes.nets import mlp


class Blind(nn.Module):
    """An adversary whose log-density is a known function of what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, s: torch.Tensor, nuisance: torch.Tensor) -> torch.Tensor:
        return self.weight * s[:, 0] * nuisance


def sample(n: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return shifted_gaussians(n, generator=torch.Generator().manual_seed(0))


def test_the_losses_by_hand() -> None:
    x = torch.tensor([[1.0], [-2.0]])
    y, nuisance = torch.tensor([1, 0]), torch.tensor([0.5, -1.0])
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(0.0)
    game = Pivot(model, Blind(), 3.0)
    s = torch.sigmoid(torch.tensor([1.0, -2.0]))
    label = -(s[0].log() + (1 - s[1]).log()) / 2
    surprise = -(2 * s[0] * 0.5 + 2 * s[1] * -1.0) / 2
    torch.testing.assert_close(game("adversary", x, y, nuisance), surprise)
    torch.testing.assert_close(game("model", x, y, nuisance), label - 3 * surprise)


def test_several_classes_are_a_softmax_and_their_common_shift_is_not_shown() -> None:
    torch.manual_seed(0)
    model, adversary = nn.Linear(2, 3), CategoricalDensity(3)
    game = Pivot(model, adversary, 2.0)
    x, y, nuisance = torch.randn(5, 2), torch.tensor([0, 1, 2, 0, 1]), torch.tensor([0, 1, 0, 1, 1])
    surprise = F.cross_entropy(adversary.body(model(x).softmax(dim=1)), nuisance)
    torch.testing.assert_close(game.adversary_loss(x, y, nuisance), surprise)
    expected = F.cross_entropy(model(x), y) - 2 * surprise
    torch.testing.assert_close(game.model_loss(x, y, nuisance), expected)
    with torch.no_grad():
        model.bias += 7.0
    torch.testing.assert_close(game.adversary_loss(x, y, nuisance), surprise)


def test_one_logit_may_have_a_dimension_of_its_own() -> None:
    torch.manual_seed(0)
    column = nn.Linear(2, 1)
    row = nn.Sequential(column, nn.Flatten(0))
    adversary = MixtureDensity(1)
    losses = [Pivot(model, adversary, 1.0).model_loss(*sample()).item() for model in (column, row)]
    assert losses[0] == losses[1]


def test_weights_show_the_adversary_the_background_only() -> None:
    torch.manual_seed(0)
    model, adversary = nn.Linear(2, 1), MixtureDensity(1)
    x, y, nuisance = sample(32)
    hidden = Pivot(model, adversary, 5.0, weigh=lambda y: y == 0)
    background = x[y == 0], y[y == 0], nuisance[y == 0]
    torch.testing.assert_close(
        hidden.adversary_loss(x, y, nuisance), Pivot(model, adversary, 5.0).adversary_loss(*background)
    )
    moved = torch.where(y == 1, 100.0, nuisance)  # what it does not see may be anything
    assert hidden.model_loss(x, y, moved) == hidden.model_loss(x, y, nuisance)
    signal = x[y == 1], y[y == 1], nuisance[y == 1]
    assert hidden.adversary_loss(*signal).item() == 0
    assert Pivot(model, adversary, 5.0, weigh=lambda y: 2.0 * (y == 0)).adversary_loss(
        x, y, nuisance
    ).item() == pytest.approx(hidden.adversary_loss(x, y, nuisance).item())


def test_several_nuisances_go_to_one_adversary() -> None:
    torch.manual_seed(0)
    chain = ChainDensity(MixtureDensity(1), CategoricalDensity(2))
    model = nn.Linear(2, 1)
    x, y, nuisance = sample()
    kind = torch.tensor([0, 1] * 4)
    expected = -chain(torch.sigmoid(model(x)), nuisance, kind).mean()
    torch.testing.assert_close(Pivot(model, chain, 1.0).adversary_loss(x, y, nuisance, kind), expected)


def test_strength_0_is_ordinary_training_to_the_bit() -> None:
    torch.manual_seed(0)
    model = mlp(2, 8, 1)
    alone = copy.deepcopy(model)
    data = sample(64)
    game = Pivot(model, MixtureDensity(1), 0.0, adversary_steps=2)
    optimizers = {name: torch.optim.SGD(player.parameters(), lr=0.1) for name, player in game.players.items()}
    play(game, batches(*data, batch_size=64, shuffle=False), optimizers, steps=5, progress=False)
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(alone(data[0]).flatten(), data[1].float()).backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), alone.parameters(), strict=True))


def test_each_player_moves_down_its_own_gradient_and_the_adversary_more_often() -> None:
    torch.manual_seed(0)
    game = Pivot(mlp(2, 4, 1), MixtureDensity(1), 1.0, adversary_steps=3)
    assert game.turns == ("adversary",) * 3 + ("model",)
    assert Pivot(nn.Linear(2, 1), MixtureDensity(1), 1.0).turns == ("adversary", "model")
    game.adversary_loss(*sample()).backward()
    assert all(p.grad is None for p in game.model.parameters())
    ours = torch.autograd.grad(game.model_loss(*sample()), list(game.model.parameters()))
    x, y, nuisance = sample()
    logit = game.model(x)
    label = F.binary_cross_entropy_with_logits(logit.flatten(), y.float())
    read = -game.adversary(torch.sigmoid(logit), nuisance).mean()
    theirs = torch.autograd.grad(label - read, list(game.model.parameters()))
    torch.testing.assert_close(ours, theirs)


def leakage(strength: float, seed: int) -> tuple[float, float]:
    """Of a linear classifier: how far its output moves with the nuisance, and its accuracy.

    The first input tells the label alone, the second tells it better, and the nuisance as well.
    """
    torch.manual_seed(seed)
    y, nuisance = torch.randint(2, (2, 2000))
    x = torch.stack([2.0 * y + torch.randn(2000), 3.0 * y + 2.0 * nuisance + torch.randn(2000)], dim=1)
    game = Pivot(nn.Linear(2, 1), CategoricalDensity(1), strength, adversary_steps=4)
    optimizers = {
        "model": torch.optim.Adam(game.model.parameters(), lr=0.02),
        "adversary": torch.optim.Adam(game.adversary.parameters(), lr=0.02),
    }
    play(game, batches(x, y, nuisance, batch_size=500), optimizers, steps=240, progress=False)
    with torch.no_grad():
        s = torch.sigmoid(game.model(x)).flatten()
    moved = (s[nuisance == 1].mean() - s[nuisance == 0].mean()).abs().item()
    return moved, ((s > 0.5) == (y == 1)).double().mean().item()


def test_the_output_stops_moving_with_the_nuisance_and_still_tells_the_label() -> None:
    seeds = range(3)
    plain, pivot = (
        torch.tensor([leakage(strength, seed) for seed in seeds]).mean(0) for strength in (0.0, 5.0)
    )
    assert plain[0] > 0.1
    assert pivot[0] < 0.6 * plain[0]
    assert plain[1] > 0.88
    assert pivot[1] > 0.82


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_strength_that_is_none_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="strength must be a finite number of at least 0, got"):
        Pivot(nn.Linear(2, 1), MixtureDensity(1), strength)


def test_what_does_not_fit_is_refused() -> None:
    x, y, nuisance = sample()
    with pytest.raises(ValueError, match="adversary_steps must be a whole number of at least 1, got 0"):
        Pivot(nn.Linear(2, 1), MixtureDensity(1), 1.0, adversary_steps=0)
    game = Pivot(nn.Linear(2, 1), MixtureDensity(1), 1.0)
    with pytest.raises(ValueError, match=r"expected batches \(x, y, nuisance, ...\)"):
        game.adversary_loss(x, y)
    with pytest.raises(ValueError, match=r"must return logits of shape .*, got \(8, 1, 1\)"):
        Pivot(nn.Sequential(nn.Linear(2, 1), nn.Unflatten(1, (1, 1))), MixtureDensity(1), 1.0).model_loss(
            x, y, nuisance
        )
    with pytest.raises(ValueError, match=r"weigh must return a weight >= 0 .* the minimum -1"):
        Pivot(nn.Linear(2, 1), MixtureDensity(1), 1.0, weigh=lambda y: 0 * y - 1).adversary_loss(
            x, y, nuisance
        )
