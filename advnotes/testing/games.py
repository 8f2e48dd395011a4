"""What every game promises, as checks that run on any of them."""

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from advnotes.game import Game
from advnotes.loop import play
from advnotes.testing.common import ModuleState, expect, seeded

__all__ = ["check_game"]

#: Rounds of the game that is played.
ROUNDS = 4


def check_game(
    game_factory: Callable[[], Game],
    batch: Sequence[Tensor],
    optimizers: Callable[[Game], Mapping[str, Optimizer]] | None = None,
) -> None:
    """Check that a game keeps what :class:`~advnotes.Game` promises, and that it can be played.

    Turns and losses are complete. Each loss is one finite number, which in train mode can be differentiated in its
    player's parameters. Asking for it leaves the other players' parameters, all gradients, the modes and the batch
    alone; in eval mode its own player's parameters and the buffers too. The game is played for some rounds, and a run
    that is interrupted and resumed ends with the same bits.

    Args:
        game_factory: called without arguments, makes a new game each time, small enough to be played in a moment.
        batch: tensors as the losses take them.
        optimizers: makes those of a game that has just been made, for one that asks for certain ones; None: Adam.

    Raises:
        AssertionError: where a promise is not kept; it says what was expected and what was seen.
    """
    with seeded():
        game = game_factory()
        expect(
            isinstance(game, Game), f"expected an advnotes Game (derive from it), got {type(game).__name__}"
        )
        other = game_factory()
        shared = {id(p) for p in game.parameters()} & {id(p) for p in other.parameters()}
        expect(
            not shared,
            "expected game_factory() to make a new game each time, got one with the same parameters",
        )
        players = _players(game)
        for training in (True, False):
            game.train(training)
            for name, player in players.items():
                check_loss(game, name, player, tuple(batch))
        check_play(game_factory, tuple(batch), optimizers or adam)


def _players(game: Game) -> dict[str, nn.Module]:
    try:
        players = game.players
    except ValueError as error:
        raise AssertionError(f"expected turns and losses to be complete: {error}") from error
    for name, player in players.items():
        some = any(parameter.requires_grad for parameter in player.parameters())
        expect(some, f"expected the player {name!r} to have parameters that require a gradient, got none")
    return players


def check_loss(game: Game, name: str, player: nn.Module, batch: tuple[Tensor, ...]) -> None:
    """One player's loss, in the mode that the game is in."""
    asked = f"{name}_loss in {'train' if game.training else 'eval'} mode"
    movable = [parameter for parameter in player.parameters() if parameter.requires_grad]
    for parameter in game.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    moving = {id(parameter) for parameter in movable}
    flags = {parameter: parameter.requires_grad for parameter in game.parameters()}
    for parameter in flags:
        parameter.requires_grad_(id(parameter) in moving)  # as play has it in a turn
    try:
        state, copies = ModuleState([game], buffers=not game.training), [part.clone() for part in batch]
        # Not through forward, whose types may be checked: what is wrong is said here.
        loss = check_number(getattr(game, f"{name}_loss")(*batch), asked)
        # A loss may bring its own player's parameters back to where they are allowed to be, as WGAN's clipping does.
        found = state.changes(apart=f"the parameter {name}." if game.training else None)
        expect(not found, f"expected {asked} to change nothing, but {found} changed")
        same = all(torch.equal(part, before) for part, before in zip(batch, copies, strict=True))
        expect(same, f"expected {asked} to leave the batch alone, but it wrote into it")
        if game.training:
            check_gradients(loss, movable, name, asked)
    finally:
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)
            parameter.grad = None


def check_gradients(loss: Tensor, movable: list[nn.Parameter], name: str, asked: str) -> None:
    """A loss can be differentiated in its player's parameters, in train mode."""
    expect(loss.requires_grad, f"expected {asked} to be differentiable, got a loss without a graph")
    gradients = torch.autograd.grad(loss, movable, allow_unused=True)
    got = [gradient for gradient in gradients if gradient is not None]
    expect(
        bool(got),
        f"expected {asked} to depend on the parameters of {name!r}, got no gradient for any of them",
    )
    finite = all(bool(gradient.isfinite().all()) for gradient in got)
    expect(finite, f"expected finite gradients of {asked}, got an infinity or NaN")


def check_number(loss: object, asked: str) -> Tensor:
    """A loss is one finite floating-point number."""
    if not isinstance(loss, Tensor):
        raise AssertionError(f"expected {asked} to return a tensor, got {type(loss).__name__}")
    expect(
        loss.ndim == 0, f"expected {asked} to return one number (a mean), got the shape {tuple(loss.shape)}"
    )
    expect(loss.is_floating_point(), f"expected {asked} to return a floating-point number, got {loss.dtype}")
    expect(bool(loss.isfinite()), f"expected {asked} to be finite, got {loss.item()}")
    return loss


def adam(game: Game) -> dict[str, Optimizer]:
    """An optimizer for each player."""
    return {name: torch.optim.Adam(player.parameters(), 1e-3) for name, player in game.players.items()}


def check_play(
    game_factory: Callable[[], Game],
    batch: tuple[Tensor, ...],
    optimizers: Callable[[Game], Mapping[str, Optimizer]],
) -> None:
    """A game plays, and resumes bit for bit."""
    start = copy.deepcopy(game_factory().state_dict())

    def run(steps: int, folder: str | None) -> tuple[dict[str, Any], dict[str, list[float]]]:
        game = game_factory()
        game.load_state_dict(start)
        with seeded(5):
            history = play(
                game.train(), [batch], optimizers(game), steps=steps, checkpoint=folder, progress=False
            )
        return game.state_dict(), history.losses

    whole, losses = run(ROUNDS, None)
    moved = [name for name in start if not torch.equal(whole[name].cpu(), start[name].cpu())]
    expect(bool(moved), f"expected {ROUNDS} rounds to change the game, got the same parameters and buffers")
    with tempfile.TemporaryDirectory() as folder:
        run(ROUNDS // 2, folder)
        resumed, resumed_losses = run(ROUNDS, folder)
    unlike = [name for name, value in whole.items() if not torch.equal(value, resumed[name])]
    expect(
        not unlike and losses == resumed_losses,
        f"expected a run that was resumed after {ROUNDS // 2} of {ROUNDS} rounds to end with the bits of one that was "
        f"not interrupted, got others in {', '.join(unlike) or 'the losses'}: keep what a game must remember in a "
        "buffer, and draw from the global generators only",
    )
