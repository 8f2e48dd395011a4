"""What every attack promises, as checks that run on any of them."""

import copy
import dataclasses
from contextlib import suppress

import torch
from torch import Tensor, nn

from advnotes.attacks.attack import Attack
from advnotes.identity import modules
from advnotes.model_state import Model
from advnotes.testing.case import Case, example
from advnotes.testing.common import ModuleState, expect, generators, seeded
from advnotes.testing.results import check_by_sample, check_half_precision, check_radii, check_result

__all__ = ["check_attack"]


def check_attack(
    attack: Attack, model: Model | None = None, x: Tensor | None = None, y: Tensor | None = None
) -> None:
    """Check that an attack keeps what :class:`~advnotes.attacks.Attack` promises.

    The result: shape, dtype, device, range, inside the ball, no graph, no shared memory. Nothing else changes:
    parameters, gradients, modes, buffers, the caller's tensors, and the global generators where it is given its
    randomness, also after an error. The same seeds give the same result; where ``by_sample``, a sample gets the same
    one alone as among others, and each its own radius. Half precision, a batch of one, inputs with a graph and
    inference mode are taken.

    Args:
        attack: with the settings to check; few steps make it quick.
        model: maps ``x`` to logits; a small convolutional network for pictures ``[6, 1, 8, 8]`` where it is left out. A
            module is copied first.
        x, y: a batch of at least 2 samples within the attack's bounds, float32, and its labels; wanted with ``model``.

    Raises:
        AssertionError: where a promise is not kept; it says what was expected and what was seen.
        ValueError: where the model is given and the batch is not, or the other way round.
    """
    expect(
        isinstance(attack, Attack),
        f"expected an advnotes Attack (derive from it), got {type(attack).__name__}",
    )
    if (model is None) != (x is None) or (x is None) != (y is None):
        raise ValueError("pass model, x and y together, or none of them")
    with seeded():
        if model is None or x is None or y is None:
            model, x, y = example(attack)
        # A module's mode, gradients and precision are set here: on a copy.
        model = copy.deepcopy(model) if isinstance(model, nn.Module) else model
        case = Case(attack, model, x.detach().clone(), y.detach().clone())
        for check in (
            check_side_effects,
            check_result,
            check_mode,
            check_randomness,
            check_graph,
            check_by_sample,
            check_radii,
            check_half_precision,
        ):
            check(case)


def check_side_effects(case: Case) -> None:
    """Nothing but the result is new, also where the model fails in the middle."""
    if isinstance(case.model, nn.Module):
        case.model.train()
        parts = [part for part in case.model.modules() if part is not case.model]
        if parts:
            parts[-1].eval()  # a mixture of modes, as with frozen statistics
        for parameter in case.model.parameters():
            parameter.grad = torch.ones_like(parameter)
    state, x, y = ModuleState(modules(case.model).values()), case.x.clone(), case.y.clone()
    calls = 0

    def failing(inputs: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise AskedToFailError
        return case.model(inputs)

    for when, model in (("an attack", case.model), ("an attack whose model raised an error", failing)):
        before = generators()
        with suppress(AskedToFailError):
            case.attack(model, case.x, case.y, torch.Generator(case.x.device).manual_seed(0))
        expect(not (found := state.changes()), f"expected nothing to change by {when}, but {found} did")
        expect(
            torch.equal(case.x, x) and torch.equal(case.y, y), f"expected x and y to be left alone by {when}"
        )
        expect(case.x.grad is None, f"expected no gradient in x.grad after {when}")
        same = case.attack.training or generators() == before  # in train mode the model itself may draw
        expect(
            same, f"expected the global generators to be left alone by {when} that is given its own generator"
        )
    if isinstance(case.model, nn.Module):
        case.model.eval()


class AskedToFailError(RuntimeError):
    """What the model raises in a check."""


def check_mode(case: Case) -> None:
    """The model is attacked in eval mode, or with ``training`` in train mode."""
    seen: set[bool] = set()
    modes = {part: part.training for top in modules(case.model).values() for part in top.modules()}
    hooks = [part.register_forward_pre_hook(lambda part, _: seen.add(part.training)) for part in modes]
    try:
        for part in modes:
            part.training = not case.attack.training
        case.run()
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in modes.items():
            part.training = mode
    wanted = "train" if case.attack.training else "eval"
    expect(
        seen <= {case.attack.training},
        f"expected the model in {wanted} mode during the attack, got the other mode",
    )


def check_randomness(case: Case) -> None:
    """The same seeds, or a generator in the same state, give the same result."""
    device = case.x.device
    with seeded(1):
        first, drawn = case.run(), case.run(torch.Generator(device).manual_seed(3))
    # In train mode the model itself may draw, from the global generator.
    with seeded(1 if case.attack.training else 2):
        second, again = case.run(), case.run(torch.Generator(device).manual_seed(3))
    expect(torch.equal(first, second), "expected the same result for the same seeds, got another one")
    expect(
        torch.equal(drawn, again),
        "expected the same result for generators in the same state, got another one",
    )


def check_graph(case: Case) -> None:
    """Inputs with a graph and inference mode are taken, and change nothing."""
    leaf = case.x.clone().requires_grad_()
    given = leaf * 1
    with seeded(1):
        plain = case.run()
    with seeded(1):
        x_adv = dataclasses.replace(case, x=given).run()
    expect(
        not x_adv.requires_grad and leaf.grad is None, "expected the graph of x neither continued nor used"
    )
    expect(given.requires_grad, "expected x to keep its requires_grad, got it switched off")
    same = torch.equal(x_adv, plain)
    expect(same, "expected the same result for inputs that require a gradient, got another one")
    with seeded(1), torch.inference_mode():
        inferred = dataclasses.replace(case, x=case.x.clone(), y=case.y.clone()).run()
    expect(torch.equal(inferred, plain), "expected the same result in inference mode, got another one")
