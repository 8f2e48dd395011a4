r"""Dueling networks, Wang et al. 2015: what a state is worth, and what each action adds to that."""

from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import call_model, check_count, check_number
from advnotes.nets import mlp

__all__ = ["DuelingNetwork", "MaxDuelingNetwork", "dueling_mlp"]


class DuelingNetwork(nn.Module):
    r"""Values of actions as the value of the state and an advantage, equation 9 of the paper.

    .. math::
        Q(s, a) = V(s) + \Bigl(A(s, a) - \frac{1}{|\mathcal A|} \sum_{a'} A(s, a')\Bigr)

    Without the mean a constant could pass from :math:`A` to :math:`V` and nobody would see it in :math:`Q`. With it the
    advantages add up to 0, and :math:`V(s)` is the mean of :math:`Q(s, \cdot)`.

    Args:
        features: maps observations ``[batch, ...]`` to what both streams read, ``[batch, width]``; further axes of a
            batch may come first, as in ``[runs, batch, width]``.
        value: maps that to one number for each observation, ``[batch, 1]``.
        advantage: maps it to one number for each action, ``[batch, actions]``.
        share: what is left of the gradient that enters ``features`` from both streams; the paper rescales it by
            :math:`1 / \sqrt 2` (section 4.2), 1 leaves it alone. Values are the same.

    Source: Wang, Schaul, Hessel, van Hasselt, Lanctot and de Freitas 2015 (arXiv 1511.06581), sections 3 and 4.2.

    Raises:
        ValueError: where ``share`` is not in (0, 1]; when called, where features or streams return other shapes.
    """

    def __init__(
        self, features: nn.Module, value: nn.Module, advantage: nn.Module, *, share: float = 0.5**0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.value = value
        self.advantage = advantage
        self.share = check_number("share", share, above=0.0, most=1.0)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "*batch actions"]:
        """Q of each action."""
        value, advantage = self.streams(x)
        return value + advantage

    def streams(
        self, x: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "*batch 1"], Float[Tensor, "*batch actions"]]:
        """The value of each state, and its actions' advantages, centred."""
        read = call_model(self.features, x)
        batch = tuple(read.shape[:-1])
        if not batch or batch != tuple(x.shape[: len(batch)]):
            raise ValueError(
                f"features must return a row for each observation, [batch, width], got {tuple(read.shape)} for "
                f"{tuple(x.shape)}: end them with nn.Flatten(), and pass one observation as x[None]"
            )
        still = read.detach()
        read = still + self.share * (read - still)  # the same numbers, a smaller gradient
        value, advantage = call_model(self.value, read), call_model(self.advantage, read)
        if value.shape != (*batch, 1):
            raise ValueError(
                f"the value stream must return one number for each observation, of shape {(*batch, 1)}, got "
                f"{tuple(value.shape)}: end it with nn.Linear(width, 1)"
            )
        if advantage.ndim != len(batch) + 1 or advantage.shape[:-1] != batch:
            raise ValueError(
                f"the advantage stream must return one number for each action, of shape {(*batch, 'actions')}, got "
                f"{tuple(advantage.shape)}: end it with nn.Linear(width, actions)"
            )
        return value, self.centred(advantage)

    def centred(self, advantage: Float[Tensor, "*batch actions"]) -> Float[Tensor, "*batch actions"]:
        """Advantages with a mean of 0 in each state."""
        return advantage - advantage.mean(dim=-1, keepdim=True)


class MaxDuelingNetwork(DuelingNetwork):
    r"""Equation 8 of the paper: the best action has advantage 0, and :math:`V(s) = \max_a Q(s, a)`.

    .. math:: Q(s, a) = V(s) + \Bigl(A(s, a) - \max_{a'} A(s, a')\Bigr)
    """

    def centred(self, advantage: Float[Tensor, "*batch actions"]) -> Float[Tensor, "*batch actions"]:
        """Advantages with a maximum of 0 in each state."""
        return advantage - advantage.amax(dim=-1, keepdim=True)


def dueling_mlp(inputs: int, actions: int, hidden: int = 50, stream: int = 25) -> DuelingNetwork:
    """The network of the paper's corridor (section 4.1): a hidden layer, then two streams with one each.

    The gradient that enters the first layer is scaled, as the paper tells of its Atari games (section 4.2).

    Args:
        inputs: numbers in an observation.
        actions: how many.
        hidden: units in the layer that both streams read.
        stream: units in each stream's own hidden layer.
    """
    for name, count in {"inputs": inputs, "actions": actions, "hidden": hidden, "stream": stream}.items():
        check_count(name, count)
    features = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU())
    return DuelingNetwork(features, mlp(hidden, stream, 1), mlp(hidden, stream, actions))
