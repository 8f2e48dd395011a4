"""Selective protection: publish what can be said without giving a secret away (Abadi and Andersen 2016, section 3)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advnotes.checks import check_number
from advnotes.game import Game, Turns
from advnotes.messages.parts.bits import check_bits, rows_of

__all__ = ["SelectiveProtection", "blind_error"]


class SelectiveProtection(Game):
    r"""Alice helps everybody to predict D, Bob more than others, and keeps C from Eve (section 3 of the paper).

    Alice sees the open columns A and B, the secret column C, and a key. What she sends is public. Of it a predictor
    makes an estimate of D, and Eve one of C. Bob has the key, and makes a better estimate of D. Each is judged by its
    mean absolute error, in units of the error of somebody who sees nothing and says the median, the *blind* one:

    .. math::
        L_\text{public} = \frac{\mathbb E|D - \hat D|}{\mathbb E|D - \mathrm{med}\,D|}, \quad
        L_\text{Bob} \text{ alike}, \quad
        L_E = \frac{\mathbb E|C - \hat C|}{\mathbb E|C - \mathrm{med}\,C|}, \qquad
        L_A = L_\text{public} + L_\text{Bob} + w\,(1 - L_E)^2

    Alice, Bob and the predictor move at once, then Eve twice. At :math:`L_E = 1` this Eve knows as much of C as a blind
    one; a fresh Eve may know more.

    A batch is ``(open, secret, target, key)``: three tables of floats with a row for each case, and keys of -1 and 1.
    Dimensions in front are games side by side, as in :class:`~advnotes.messages.Cryptography`.

    Args:
        alice: maps open columns, secret columns and key, side by side in a row, to what she sends.
        bob: maps what she sends and the key, side by side, to an estimate of the target.
        predictor: maps what she sends to an estimate of the target.
        eve: maps what she sends to an estimate of the secret.
        secrecy: the weight w; 0 asks for no secrecy, while Eve is trained beside.

    Raises:
        ValueError: where ``secrecy`` is negative or not finite; when called, where the tables have unlike numbers of
            rows or columns that are constant, keys are not bits, or an estimate has another shape.

    Differs from the paper: Eve is compared with the blind one on average over a batch, all errors are in units of the
    blind ones, and there is one weight; the columns may be anything.
    """

    turns: Turns = (("alice", "bob", "predictor"), "eve", "eve")

    def __init__(
        self, alice: nn.Module, bob: nn.Module, predictor: nn.Module, eve: nn.Module, *, secrecy: float = 1.0
    ) -> None:
        super().__init__()
        self.alice, self.bob, self.predictor, self.eve = alice, bob, predictor, eve
        self.secrecy = check_number("secrecy", secrecy, least=0.0)

    def alice_loss(self, open: Tensor, secret: Tensor, target: Tensor, key: Tensor) -> Float[Tensor, ""]:
        """All of the loss that the three share."""
        sent = self.send(open, secret, target, key)
        public = relative_error(target, rows_of("the predictor", self.predictor, sent))
        bob = relative_error(target, self.open_with(sent, key))
        eve = relative_error(secret, rows_of("Eve", self.eve, sent))
        return (public + bob + self.secrecy * (1 - eve).square()).sum()

    def bob_loss(self, open: Tensor, secret: Tensor, target: Tensor, key: Tensor) -> Float[Tensor, ""]:
        """Bob's error, in units of a blind one."""
        with torch.no_grad():  # Alice does not move in this turn
            sent = self.send(open, secret, target, key)
        return relative_error(target, self.open_with(sent, key)).sum()

    def predictor_loss(self, open: Tensor, secret: Tensor, target: Tensor, key: Tensor) -> Float[Tensor, ""]:
        """The public estimate's error, in units of a blind one."""
        with torch.no_grad():
            sent = self.send(open, secret, target, key)
        return relative_error(target, rows_of("the predictor", self.predictor, sent)).sum()

    def eve_loss(self, open: Tensor, secret: Tensor, target: Tensor, key: Tensor) -> Float[Tensor, ""]:
        """Eve's error, in units of a blind one."""
        with torch.no_grad():
            sent = self.send(open, secret, target, key)
        return relative_error(secret, rows_of("Eve", self.eve, sent)).sum()

    def send(
        self, open: Tensor, secret: Tensor, target: Tensor, key: Tensor
    ) -> Float[Tensor, "*copies batch sent"]:
        """What Alice sends of the open and the secret columns, after a look at all four tables; not of the target."""
        tables = {"open": open, "secret": secret, "target": target, "key": key}
        for name, table in tables.items():
            check_table(name, table)
        if len({table.shape[:-1] for table in tables.values()}) > 1:
            shapes = ", ".join(f"{name} {list(table.shape)}" for name, table in tables.items())
            raise ValueError(
                f"the tables must have a row for each case, got {shapes}: cut them to the same cases"
            )
        check_bits("keys", key, key.shape[-1])
        return rows_of("Alice", self.alice, torch.cat([open, secret, key], dim=-1))

    def open_with(
        self, sent: Float[Tensor, "*copies batch sent"], key: Float[Tensor, "*copies batch key"]
    ) -> Tensor:
        """Bob's estimate of the target."""
        return rows_of("Bob", self.bob, torch.cat([sent, key], dim=-1))


def check_table(name: str, table: Tensor) -> None:
    """Raise ValueError for what is not a table of finite floats, ``[..., batch, columns]``."""
    if not isinstance(table, Tensor):
        raise ValueError(f"{name} must be a tensor, got {type(table).__name__}: torch.tensor(rows)")
    if not table.is_floating_point() or table.ndim < 2 or not bool(table.isfinite().all()):
        raise ValueError(
            f"{name} must be a table of finite floats, a row for each case, got {table.dtype} of shape "
            f"{list(table.shape)}: .float() for whole numbers, x[:, None] for a single column"
        )


def blind_error(truth: Float[Tensor, "*copies batch columns"]) -> Float[Tensor, "*copies"]:
    """The mean absolute error of who sees nothing, and says the median of each column.

    Raises:
        ValueError: where the truth is no table of finite floats with a row or more; where the error is 0: of columns
            that are constant there is nothing to find out.
    """
    check_table("the truth", truth)
    if truth.numel() == 0:
        raise ValueError(f"the truth must have a row or more, got the shape {list(truth.shape)}")
    error = (truth - truth.median(dim=-2, keepdim=True).values).abs().mean(dim=(-2, -1))
    if not bool((error > 0).all()):
        raise ValueError("secret and target must vary, got columns that are constant: leave these out")
    return error


def relative_error(
    truth: Float[Tensor, "*copies batch columns"], estimate: Float[Tensor, "*copies batch columns"]
) -> Float[Tensor, "*copies"]:
    """The mean absolute error in units of the blind one's; raise ValueError for an estimate of another shape."""
    if estimate.shape != truth.shape:
        raise ValueError(
            f"an estimate of a table of shape {list(truth.shape)} has the shape {list(estimate.shape)}: let the "
            f"network end with as many numbers as there are columns, {truth.shape[-1]}"
        )
    return (truth - estimate).abs().mean(dim=(-2, -1)) / blind_error(truth)
