"""What every attack promises, as checks that run on any of them."""

import copy
import dataclasses
from contextlib import suppress

import torch
from torch import Tensor, nn

from advnotes.attacks.attack import Attack, NormAttack
from advnotes.identity import modules
from advnotes.model_state import Model
from advnotes.testing.case import Case, example
from advnotes.testing.common import ModuleState, expect, generators, seeded

__all__ = ["check_attack"]

#: How far a sample's result may lie from itself in another batch, in the width of the range: sums in another order.
ROUNDING = 1e-4


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


def check_result(case: Case) -> None:
    """The result is a new tensor like ``x``, within the range and the ball."""
    for seen in (case, case.rows(slice(1))):
        x_adv = seen.run()
        many = f"for a batch of {len(seen.x)}"
        expect(isinstance(x_adv, Tensor), f"expected a tensor as the result, got {type(x_adv).__name__}")
        for name in ("shape", "dtype", "device"):
            wanted, got = getattr(seen.x, name), getattr(x_adv, name)
            expect(wanted == got, f"expected a result of the {name} {wanted} of x {many}, got {got}")
        expect(
            not x_adv.requires_grad and x_adv.grad_fn is None,
            "expected a result without a graph, got one with it",
        )
        shared = x_adv.untyped_storage().data_ptr() == seen.x.untyped_storage().data_ptr()
        expect(not shared, "expected a new tensor, got one that shares the memory of x")
        check_inside(seen, x_adv)


def check_inside(case: Case, x_adv: Tensor) -> None:
    """A result is finite, within the range, and within the ball of a threat up to rounding."""
    expect(bool(x_adv.isfinite().all()), "expected a finite result, got an infinity or NaN")
    lowest, highest = case.attack.bounds
    least, most = x_adv.min().item(), x_adv.max().item()
    within = torch.tensor(lowest).to(x_adv).item() <= least and most <= torch.tensor(highest).to(x_adv).item()
    expect(
        within, f"expected a result within the bounds {case.attack.bounds}, got values from {least} to {most}"
    )
    if isinstance(case.attack, NormAttack):
        threat, step = case.attack.threat, torch.finfo(x_adv.dtype).eps
        delta = x_adv.double() - case.x.double()
        eps = torch.as_tensor(threat.eps).to(delta)
        slack = threat.norm(torch.full_like(delta, step * max(abs(lowest), abs(highest)))) + eps * (
            4 * step + 1e-5
        )
        size = threat.norm(delta)
        row = int((size - eps - slack).argmax())
        expect(
            bool((size <= eps + slack).all()),
            f"expected a perturbation of at most eps = {eps.expand(len(size))[row]:.6g} by {threat!r}, got "
            f"{size[row]:.6g} in sample {row}, in {x_adv.dtype}",
        )


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


def check_by_sample(case: Case) -> None:
    """Where ``by_sample``, what happens to a sample does not depend on the others of its batch."""
    if case.comparable:
        _compare_rows(case.to(torch.float64), "alone")


def _compare_rows(case: Case, how: str) -> None:
    together, (lowest, highest) = case.run(), case.attack.bounds
    for row in range(len(case.x)):
        part = case.rows(slice(row, row + 1))
        alone = part.attack(part.model, part.x, part.y, case.seeds[row : row + 1])
        far = float((alone - together[row : row + 1]).abs().max())
        expect(
            far <= ROUNDING * (highest - lowest),
            f"expected the same result for sample {row} {how} and among others (or by_sample = False), got a "
            f"difference of {far:.3g}",
        )


def check_radii(case: Case) -> None:
    """Where ``by_sample``, each sample may have its own radius, and ``rows`` takes it along."""
    attack = case.attack
    if not isinstance(attack, NormAttack) or not case.comparable:
        return
    eps = (
        torch.as_tensor(attack.threat.eps, dtype=torch.float64).cpu()
        * torch.linspace(0.5, 1, len(case.x)).double()
    )
    own = dataclasses.replace(attack, threat=dataclasses.replace(attack.threat, eps=eps))
    case = dataclasses.replace(case, attack=own).to(torch.float64)
    check_inside(case, case.run())
    _compare_rows(case, "with a radius of its own, alone")


def check_half_precision(case: Case) -> None:
    """Inputs and a model in bfloat16 give a result in bfloat16 that is inside."""
    if not isinstance(case.model, nn.Module) or case.attack.precision is not None:
        return
    half = case.to(torch.bfloat16)
    x_adv = half.run()
    expect(x_adv.dtype == torch.bfloat16, f"expected a result in torch.bfloat16, got {x_adv.dtype}")
    check_inside(half, x_adv)
