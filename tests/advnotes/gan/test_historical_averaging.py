"""Historical averaging against the whole past kept aside, and what it does to two players who circle."""

import math

import pytest
import torch
from torch import nn

from advnotes import Game, play
from advnotes.gan import GAN, HistoricalAveraging, MinimaxGAN, dirac_gan
from advnotes.nets import mlp
from advnotes.robust import VAT


class Fit(Game):
    turns = ("model",)

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 1)

    def model_loss(self, x):
        return self.model(x).square().mean()


def test_a_player_pays_for_its_distance_from_the_mean_of_its_whole_past() -> None:
    torch.manual_seed(0)
    game, x, past = HistoricalAveraging(Fit().double(), weight=0.3).double(), torch.randn(5, 2).double(), []
    optimizer = torch.optim.SGD(game.game.parameters(), lr=0.5)
    for _ in range(7):
        theta = nn.utils.parameters_to_vector(game.game.parameters())
        past.append(theta.detach().clone())
        expected = game.game.model_loss(x) + 0.3 * (theta - torch.stack(past).mean(dim=0)).square().sum()
        loss = game.model_loss(x)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
        parameters = list(game.game.parameters())
        for a, b in zip(
            torch.autograd.grad(loss, parameters, retain_graph=True),
            torch.autograd.grad(expected, parameters),
            strict=True,
        ):
            torch.testing.assert_close(a, b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert game.past["model"].times == 7


def test_what_is_measured_in_eval_mode_is_no_time() -> None:
    game, x = HistoricalAveraging(Fit()), torch.randn(5, 2)
    game.model_loss(x)
    game.eval()
    assert game.model_loss(x).item() == game.model_loss(x).item()
    assert game.past["model"].times == 1


def test_two_numbers_that_circle_come_in() -> None:
    """The plain zero-sum game moves outwards at once; with the term it is near the goal in the end."""

    def left(weight: float) -> float:
        pair = dirac_gan(MinimaxGAN)
        pair.turns = (("discriminator", "generator"),)
        game = HistoricalAveraging(pair, weight)
        optimizers = {
            name: torch.optim.SGD(player.parameters(), lr=0.1) for name, player in game.players.items()
        }
        play(game, [torch.zeros(1, 1)], optimizers, steps=600, progress=False)
        return math.hypot(*(p.item() for p in pair.parameters()))

    assert left(0.0) > 1.4
    assert left(0.2) < 0.3


def test_it_composes_with_any_game_and_any_player() -> None:
    game = HistoricalAveraging(GAN(mlp(2, 8, 3), mlp(3, 8, 1), 2), {"generator": 1.0})
    assert list(game.players) == ["discriminator", "generator"]
    assert list(game.past) == ["generator"]
    assert game.sample(4).shape == (4, 3)  # what the inner game has besides
    other = HistoricalAveraging(VAT(mlp(3, 8, 2), 0.5))
    assert other("model", torch.randn(4, 3), torch.tensor([0, 1, 0, 1])).isfinite()


def test_its_settings_are_those_of_both() -> None:
    settings = HistoricalAveraging(GAN(mlp(2, 8, 3), mlp(3, 8, 1), 2), 0.7).settings()
    assert settings["latent_size"] == "2"
    assert "0.7" in settings["weights"]


def test_other_players_weights_and_names_are_refused() -> None:
    with pytest.raises(ValueError, match="weight names 'critic', but the players are model"):
        HistoricalAveraging(Fit(), {"critic": 1.0})
    with pytest.raises(ValueError, match="weight must be a finite number of at least 0"):
        HistoricalAveraging(Fit(), -1.0)
    with pytest.raises(AttributeError):
        _ = HistoricalAveraging(Fit()).nothing
