"""Historical averaging of Salimans et al. 2016: a player pays for being far from where it has been on average."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.counter import add_one, number_of
from advnotes.game import Game

__all__ = ["HistoricalAveraging"]


class HistoricalAveraging(Game):
    r"""Any game, each of whose players also pays for its distance from its own past.

    .. math:: L_p + \lambda \Bigl\lVert \theta_p - \frac1t \sum_{i=1}^t \theta_p[i] \Bigr\rVert_2^2

    (Salimans et al. 2016, section 3.3; :math:`\theta_p[i]` are the player's parameters at its :math:`i`-th loss in
    train mode, the present one included.) Two players who circle an equilibrium have it in the middle of their past,
    so that the term brakes them. Play it as any other game: ``HistoricalAveraging(GAN(G, D, 64), weight=1.0)``.

    The mean is kept as a buffer of each player's size and updated as :math:`a \leftarrow a + (\theta - a) / t`. What
    the inner game has besides, such as ``sample``, can be asked of this one.

    Args:
        game: what is played.
        weight: :math:`\lambda` of all players, or by player; players that are not named pay nothing.

    Raises:
        ValueError: where a weight is negative or names no player.
    """

    game: Game
    past: nn.ModuleDict

    def __init__(self, game: Game, weight: float | Mapping[str, float] = 1.0) -> None:
        super().__init__()
        self.game, self.turns = game, game.turns
        players = game.players
        weights = dict(weight) if isinstance(weight, Mapping) else dict.fromkeys(players, weight)
        for name, value in weights.items():
            if name not in players:
                raise ValueError(f"weight names {name!r}, but the players are {', '.join(players)}")
            check_number("weight", value, least=0.0)
        self.weights = tuple(weights.items())
        self.past = nn.ModuleDict({name: Past(players[name]) for name in weights})

    def __getattr__(self, name: str) -> Any:
        player = name.removesuffix("_loss")
        if name != player and player in self.game.players:
            return partial(self._pay, player)
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "game":
                raise
            return getattr(self.game, name)

    def _pay(self, player: str, *batch: Tensor) -> Float[Tensor, ""]:
        loss = self.game(player, *batch)
        if player in self.past:
            past: Past = self.past[player]  # type: ignore[assignment]
            loss = loss + dict(self.weights)[player] * past.squared_distance(self.game.players[player])
        return loss

    def settings(self) -> dict[str, str]:
        """The weights, and the settings of the inner game."""
        return self.game.settings() | super().settings()


class Past(nn.Module):
    """The mean of a player's parameters over its past.

    Args:
        player: whose parameters are averaged; they are looked at when a distance is asked for.
    """

    times: Tensor

    def __init__(self, player: nn.Module) -> None:
        super().__init__()
        self.register_buffer("times", torch.zeros((), dtype=torch.int64))
        for i, parameter in enumerate(player.parameters()):
            self.register_buffer(f"mean_{i}", parameter.detach().clone())

    def squared_distance(self, player: nn.Module) -> Float[Tensor, ""]:
        """How far the player is from the mean, squared; in train mode it first counts as one more time."""
        parameters = list(player.parameters())
        means = [self.get_buffer(f"mean_{i}") for i in range(len(parameters))]
        if self.training:
            add_one(self.times)
            with torch.no_grad():
                torch._foreach_lerp_(means, [p.detach() for p in parameters], 1 / number_of(self.times))
        apart = [(p - mean).square().sum() for p, mean in zip(parameters, means, strict=True)]
        return torch.stack(apart).sum()
