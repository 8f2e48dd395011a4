"""What attacks that look for the nearest adversarial point share: the boundary's linear model, and the record."""

import warnings
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from advnotes.attacks.objective import Classification
from advnotes.gradients import (
    has_no_gradient,
    named_gradient_errors,
    not_differentiable,
    warn_of_masked_gradients,
)
from advnotes.threats import Threat, per_sample

__all__ = [
    "MANY_CLASSES",
    "ManyClassesWarning",
    "MinimumNormTracker",
    "cost_of_classes",
    "input_jacobian",
    "likeliest_wrong",
    "logit_gaps",
    "warn_of_cost",
]


#: From so many classes on, an attack that takes a gradient for each class says what that costs before it starts.
MANY_CLASSES = 50


class ManyClassesWarning(UserWarning):
    """An attack is about to take one gradient for each class of a model of many."""


def cost_of_classes(others: int) -> str:
    """What a step costs that looks at the boundaries with so many other classes, in words."""
    return f"a step takes {others} backward passes, and keeps as many gradients of the whole batch"


def warn_of_cost(attack: str, others: int, steps: int, remedy: str) -> None:
    """Say what is about to be spent where a step takes the gradients of many classes.

    Args:
        attack: what the attack is called.
        others: how many boundaries a step looks at.
        steps: how many steps there are at most.
        remedy: what does the same for less.

    Warns:
        ManyClassesWarning: see above.
    """
    if others + 1 >= MANY_CLASSES:
        warnings.warn(
            f"{attack} on {others + 1} classes: {cost_of_classes(others)}, up to {others * steps:,} backward passes in "
            f"all; {remedy}",
            ManyClassesWarning,
            stacklevel=3,
        )


def input_jacobian(
    function: Callable[[Tensor], Tensor], point: Float[Tensor, "batch ..."]
) -> tuple[Float[Tensor, "batch values"], Float[Tensor, "batch values size"]]:
    """Several values of each sample, and the gradient of each with respect to the flattened sample.

    One forward pass and one backward pass for each value. On a processor that is faster than all of them in one
    vectorised pass (33 against 42 ms for nine values on 100 digits), and it works for every model.

    Args:
        function: maps points to values ``[batch, values]``; a sample's values depend on that sample alone.
        point: where to look.

    Raises:
        ValueError: where the values do not depend on the point in a differentiable way.
    """
    point = point.detach().requires_grad_()
    with named_gradient_errors():
        with torch.enable_grad():
            values = function(point)
            columns = values.sum(dim=0).unbind()
        gradients = [
            torch.autograd.grad(column, point, retain_graph=number + 1 < len(columns), allow_unused=True)[0]
            if column.requires_grad
            else None
            for number, column in enumerate(columns)
        ]
    if any(gradient is None for gradient in gradients):
        raise not_differentiable("the logits do")
    stacked = torch.stack([gradient.flatten(1) for gradient in gradients if gradient is not None], dim=1)
    return values.detach(), stacked


def likeliest_wrong(
    logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"], count: int | None = None
) -> Int[Tensor, "batch wrong"]:
    """The wrong classes of each sample, the likeliest first: ``count`` of them, or all where there are fewer."""
    wrong = logits.shape[1] - 1
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.topk(wrong if count is None else min(count, wrong), dim=1).indices


def logit_gaps(
    y: Int[Tensor, " batch"], others: Int[Tensor, "batch values"], logits: Tensor, rows: Int[Tensor, " rows"]
) -> Float[Tensor, "rows values"]:
    """How far other classes are ahead of ``y``, for the logits of some of the samples: zero on the boundaries."""
    return logits.gather(1, others[rows]) - logits.gather(1, y[rows, None])


#: How far beyond the boundary a point must lie to count as the nearest, as a share of the loss at the clean sample: a
#: point on the boundary itself is adversarial or not as the sums are rounded, which differs between batch sizes.
BEYOND = 1e-4


class MinimumNormTracker:
    """The nearest adversarial point that an attack has seen, for each sample of a batch.

    Beside it stands the point of the highest loss that was seen inside the threat, for the samples of which no
    nearest point inside the threat is found: one that is adversarial by less than :data:`BEYOND` too.

    Args:
        objective: the adversary's aim; a sample that has reached it already is its own nearest point.
        x: the batch.
        threat: measures distance, and says how much of it counts.
        early_stop: a sample is finished as soon as an adversarial point inside the threat was seen.
    """

    def __init__(self, objective: Classification, x: Tensor, threat: Threat, early_stop: bool) -> None:
        self.objective, self.x, self.threat, self.early_stop = objective, x, threat, early_stop
        loss, won = objective(x)
        self.clean_loss, self.loss = loss, loss.clone()
        self.point, self.distance = x.clone(), torch.where(won, 0.0, torch.inf).to(loss)
        self.highest, self.highest_loss = x.clone(), torch.full_like(loss, -torch.inf)
        self.no_gradient, self.beyond = torch.zeros_like(won), BEYOND * loss.abs()

    @property
    def inside(self) -> Bool[Tensor, " batch"]:
        """Whether an adversarial point inside the threat was seen."""
        return self.distance.isfinite() & (self.distance <= self._eps(self.threat))

    def unfinished(self) -> Int[Tensor, " rows"]:
        """The samples that are worth more steps."""
        done = self.inside if self.early_stop else self.distance == 0
        return (~done).nonzero().squeeze(1)

    def evaluate(self, rows: Int[Tensor, " rows"], point: Float[Tensor, "rows ..."]) -> Bool[Tensor, " rows"]:
        """Evaluate a point for each of some samples, keep what is the best, and say which are adversarial."""
        loss, won = self.objective.rows(rows)(point)
        self.update(rows, point, loss, won)
        return won

    def update(
        self,
        rows: Int[Tensor, " rows"],
        point: Float[Tensor, "rows ..."],
        loss: Float[Tensor, " rows"],
        won: Bool[Tensor, " rows"],
        inside: Bool[Tensor, " rows"] | None = None,
    ) -> None:
        """Keep evaluated points where they are the best; ``inside`` says which are, where it is known already."""
        distance = self.threat.norm(point - self.x[rows]).to(self.distance)
        if inside is None:
            inside = distance <= self._eps(self.threat.rows(rows))
        nearer = won & (loss >= self.beyond[rows]) & (distance < self.distance[rows])
        self._write(rows, nearer, (self.point, point), (self.distance, distance), (self.loss, loss))
        higher = inside & (loss > self.highest_loss[rows])
        self._write(rows, higher, (self.highest, point), (self.highest_loss, loss))

    def sanitize(
        self, rows: Int[Tensor, " rows"], gradients: Float[Tensor, "rows ..."]
    ) -> Float[Tensor, "rows ..."]:
        """The gradients of some samples with zeros for what is not finite; remembers who has shown none."""
        self.no_gradient[rows] |= has_no_gradient(gradients)
        return gradients.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def refine(self, steps: int) -> None:
        r"""Search the segment from each sample to its nearest adversarial point (Croce and Hein 2020b, equation 11).

        With the loss :math:`h` negative at :math:`a` and positive at :math:`b`, a step goes to the zero of the line
        through both, :math:`b - h(b)\,(b - a) / (h(b) - h(a))`, or as little beyond it as counts; there it takes the
        place of the end on its side.
        """
        rows = self.unfinished()
        rows = rows[self.distance[rows].isfinite()]
        if len(rows) == 0:
            return
        objective, aim = self.objective.rows(rows), 2 * self.beyond[rows]
        near, near_loss, far, far_loss = (
            self.x[rows],
            self.clean_loss[rows],
            self.point[rows],
            self.loss[rows],
        )
        for _ in range(steps):
            share = ((far_loss - aim) / (far_loss - near_loss)).nan_to_num(nan=0.0).clamp(0, 1)
            middle = torch.lerp(far, near, per_sample(share, far))
            loss, won = objective(middle)
            self.update(rows, middle, loss, won)
            won = won & (loss >= self.beyond[rows])
            wide = per_sample(won, far)
            near, far = torch.where(wide, near, middle), torch.where(wide, middle, far)
            near_loss, far_loss = torch.where(won, near_loss, loss), torch.where(won, loss, far_loss)

    def best(self, last: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The point that each sample comes back at.

        Args:
            last: where the attack stood at its end. For samples without an adversarial point inside the threat, the
                nearest one outside, or else this point, is moved into the threat and compared with what was seen
                there.

        Warns:
            MaskedGradientWarning: where samples that were not fooled have shown no gradient.
        """
        missed = (~self.inside).nonzero().squeeze(1)
        if len(missed):
            found = per_sample(self.distance.isfinite(), last)
            wish = torch.where(found, self.point, last)[missed] - self.x[missed]
            moved = self.x[missed] + self.threat.rows(missed).project(wish)
            loss, won = self.objective.rows(missed)(moved)
            # Inside by construction, whatever the last bit of its norm says.
            self.update(missed, moved, loss, won, inside=torch.ones_like(won))
        warn_of_masked_gradients(self.no_gradient, won=self.inside | (self.highest_loss > 0))
        return torch.where(per_sample(self.inside, last), self.point, self.highest)

    def _eps(self, threat: Threat) -> Tensor:
        return torch.as_tensor(threat.eps, dtype=self.distance.dtype, device=self.distance.device)

    @staticmethod
    def _write(rows: Tensor, chosen: Tensor, *pairs: tuple[Tensor, Tensor]) -> None:
        for whole, part in pairs:
            whole[rows[chosen]] = part[chosen]
