"""A fresh adversary: what can still be read from a representation whose own adversary reads nothing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from advnotes import rng
from advnotes.checks import check_count, check_number
from advnotes.invariance.fresh_targets import Categorical, Mixture
from advnotes.invariance.fresh_training import ConstantScores, ProbeTrainer, ResidualScores, predict
from advnotes.metrics.accuracy import Proportion
from advnotes.nets import mlp

__all__ = ["Recovered", "fresh_adversary"]

#: A network for a number of outputs: ``network(outputs)`` maps representations ``[batch, ...]`` to
#: ``[batch, outputs]``.
Network = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Recovered:
    """What :func:`fresh_adversary` found on the held-out part, beside what can be said without the representation.

    Attributes:
        information: how many nats a sample's representation tells of its target, at least. Where it is 0, or below,
            nothing was recovered.
        error: the standard error of ``information`` over the held-out samples.
        loss: minus the mean log-probability (a density's, in the target's own unit) that the adversary gives to a
            sample's target, in nats.
        chance: the same for an adversary that does not see the representation.
        right: how many entries of categorical targets it names; None where the target is continuous.
        guess: how many are right if the most frequent class is named each time; None as above.
    """

    information: float
    error: float
    loss: float
    chance: float
    right: Proportion | None
    guess: Proportion | None


def fresh_adversary(
    representation: Float[Tensor, "n ..."],
    target: Int[Tensor, "n ..."] | Float[Tensor, "n ..."],
    *,
    network: Network | None = None,
    held_out: float = 0.3,
    steps: int = 1000,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    components: int = 5,
    tries: int = 1,
    classes: int | None = None,
    generator: torch.Generator | None = None,
) -> Recovered:
    r"""Train a new adversary :math:`q` on what frozen players give away, and report what it recovers.

    .. math:: I(R; Z) \ge \mathbb E_{r, z}\bigl[\log q(z \mid r) - \log p(z)\bigr]

    (Barber and Agakov 2003, equation 3.) The adversary that a game was played with is no judge of it: it may have
    lost by not learning. This one has never met the players, who do not move, and it is judged on samples that it
    has not trained on. The best of its steps is chosen by a fifth of the training samples, on which it is not trained.

    Integers are categories, from 0 on: one, or several in columns (bits, say), which the adversary takes to be
    independent given the representation. Floats are continuous: one or several numbers, whose joint density is a
    mixture of ``components`` Gaussians; hand over numbers that repeat, such as a setting of -1, 0 or 1, as integers.
    :math:`p(z)` is the classes' frequency, or for floats one such mixture for all samples. The adversary learns what
    to add to its scores. Where nothing that it learned helps, it says the same as :math:`p(z)`, and recovers 0 nats.

    Args:
        representation: what the adversary sees: the players' output for samples that, to be fair, they have
            not trained on. Each of its features is brought to mean 0 and deviation 1 first, so that nothing hides
            by being small. Computed beforehand, it cannot move the players.
        target: what it is after.
        network: makes the adversary; None: two hidden layers of 64 units on the flattened representation.
        held_out: the share of the samples, drawn at random, that only the report is made of.
        steps, batch_size, learning_rate: Adam's, the rate falling linearly to 0.
        components: of the mixture.
        tries: how many adversaries are trained, each from its own start; the best one reports.
        classes: how many classes categorical targets have; None: as many as the largest target tells, that of the
            held-out samples included.
        generator: draws the parts, the starts and the batches. None: the global one. It is asked for one number.

    Raises:
        ValueError: where representations and targets do not match, are too few, not finite, not in the stated range
            or all of one class; where an option is out of range; where the network's output has another shape.
    """
    _check(representation, target, held_out, classes)
    for name, number in {"steps": steps, "batch_size": batch_size, "tries": tries}.items():
        check_count(name, number)
    check_number("learning_rate", learning_rate, above=0.0)
    device = representation.device
    where = torch.device("cpu") if generator is None else generator.device
    number = int(torch.randint(2**62, (), generator=generator, device=where))
    # Not by play: this may be called amidst a game, by only one of several processes.
    with rng.preserved(device), torch.enable_grad():
        rng.seed(number)
        report, rest = torch.randperm(len(target)).to(device).tensor_split([round(held_out * len(target))])
        choose, train = rest.tensor_split([max(1, len(rest) // 5)])
        x = _standardised(representation.detach().flatten(1), train).view(representation.shape)
        z = target.detach().to(device).reshape(len(target), -1)
        trainer = ProbeTrainer(x, z, train, choose, steps, batch_size, learning_rate)
        score: Categorical | Mixture
        prior: nn.Module
        if target.is_floating_point():
            score = Mixture(z[train], components)
            _, prior = trainer.best(score, ConstantScores(score.around(z[train])))
        else:
            score = Categorical(z.shape[1], int(z.max()) + 1 if classes is None else classes)
            prior = ConstantScores(score.frequency(z[train])).to(x)
        make = network or partial(_perceptron, x[0].numel())
        candidates = [(trainer.value(score, prior), prior)]
        candidates += [trainer.best(score, ResidualScores(prior, make(score.outputs))) for _ in range(tries)]
        _, adversary = min(candidates, key=lambda candidate: candidate[0])
        told, known = (predict(of, x[report]) for of in (adversary, prior))
    loss, chance = score.loss(told, z[report]).double(), score.loss(known, z[report]).double()
    gain = chance - loss
    right, guess = (
        (score.right(told, z[report]), score.right(known, z[report]))
        if isinstance(score, Categorical)
        else (None, None)
    )
    return Recovered(
        information=float(gain.mean()),
        error=float(gain.std()) / math.sqrt(len(gain)),
        loss=float(loss.mean()),
        chance=float(chance.mean()),
        right=right,
        guess=guess,
    )


def _perceptron(features: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), mlp(features, 64, 64, outputs))


def _standardised(x: Float[Tensor, "n features"], train: Tensor) -> Float[Tensor, "n features"]:
    """Mean 0 and deviation 1 on the training part; what is constant there but for rounding stays near 0."""
    mean, std = x[train].mean(dim=0), x[train].std(dim=0)
    rounding = 4 * torch.finfo(x.dtype).eps * x[train].abs().amax(dim=0)
    return (x - mean) / torch.where(std > rounding, std, torch.ones_like(std))


def _check(
    representation: Tensor,
    target: Tensor,
    held_out: float,
    classes: int | None,
) -> None:
    for what, values in (("representation", representation), ("target", target)):
        if not isinstance(values, Tensor):
            raise ValueError(
                f"expected a tensor as {what}, got {type(values).__name__}: torch.as_tensor(...)"
            )
    if representation.ndim == 0 or target.ndim == 0 or not representation.is_floating_point():
        raise ValueError(
            "expected a representation of floating-point numbers for each sample, got "
            f"{representation.dtype} of shape {tuple(representation.shape)}: representation.float()"
        )
    if len(representation) != len(target) or representation.numel() == 0:
        raise ValueError(
            f"expected one representation for each target, got shapes {tuple(representation.shape)} and "
            f"{tuple(target.shape)}"
        )
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is a share of the samples, above 0 and below 1, got {held_out}")
    report = round(held_out * len(target))
    if report < 2 or len(target) - report < 4:
        raise ValueError(
            f"expected at least 2 held-out samples and 4 others, got {report} and {len(target) - report}: "
            "give more samples"
        )
    for what, values in (("representations", representation), ("targets", target)):
        if not bool(values.isfinite().all()):
            raise ValueError(f"expected finite {what}: leave out the samples that have none")
    if not target.is_floating_point() and int(target.min()) < 0:
        raise ValueError(
            f"expected integer targets to be classes from 0 on, got {int(target.min())}: number them, or give a "
            "continuous target as floats"
        )
    if (
        classes is not None
        and not target.is_floating_point()
        and int(target.max()) >= check_count("classes", classes, 2)
    ):
        raise ValueError(f"expected targets below {classes} classes, got {int(target.max())}")
