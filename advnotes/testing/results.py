"""What every attack returns: a new tensor inside the ball, for each sample the same one whatever is beside it."""

import dataclasses

import torch
from torch import Tensor, nn

from advnotes.attacks.attack import NormAttack
from advnotes.testing.case import Case
from advnotes.testing.common import expect

__all__ = ["check_by_sample", "check_half_precision", "check_radii", "check_result"]

#: How far a sample's result may lie from itself in another batch, in the width of the range: sums in another order.
ROUNDING = 1e-4


def check_result(case: Case) -> None:
    """The result is a new tensor like ``x``, within the range and the ball."""
    for seen in (case, case.rows(slice(1))):
        x_adv = seen.run()
        many = f"for a batch of {len(seen.x)}"
        expect(isinstance(x_adv, Tensor), f"expected a tensor as the result, got {type(x_adv).__name__}")
        for name, wanted, got in (
            ("shape", seen.x.shape, x_adv.shape),
            ("dtype", seen.x.dtype, x_adv.dtype),
            ("device", seen.x.device, x_adv.device),
        ):
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
