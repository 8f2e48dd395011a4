"""Every broken defence is named by the diagnosis or broken by plain attacks; the table says by which."""

import pytest
import torch
from torch import Tensor, nn

from advnotes import data, zoo
from advnotes.evaluation import Report, diagnose, evaluate
from advnotes.metrics import accuracy
from advnotes.threats import Linf
from tests.advnotes.evaluation import defences

THREAT = Linf(0.3)

#: What the diagnosis calls it (at least), and the share of the digits that all attacks leave at most. A threshold in
#: front of the network leaves some: pixels that were 0 or 1 and move by 0.3 do come out as they were. None: the same
#: function as one above, so that it need not be searched for again.
FLAGGED: dict[type[defences.Defence], tuple[set[str], float | None]] = {
    defences.ScaledLogits: ({"saturated loss"}, 0.0),
    defences.Quantised: ({"zero gradients", "black box beats white box", "unbounded attack fails"}, 0.0),
    defences.BitDepth: ({"zero gradients", "unbounded attack fails"}, 0.7),
    defences.StraightThrough: ({"wrong gradients"}, 0.0),
    defences.HardThreshold: ({"no gradient"}, None),
    defences.SteepSigmoid: ({"black box beats white box"}, None),
    defences.Detached: ({"no gradient"}, 0.0),
    defences.MedianInNumPy: ({"no gradient"}, 0.0),
    defences.NumPyWithoutDetach: ({"no gradient"}, 0.0),
    defences.JPEGLike: ({"zero gradients", "black box beats white box"}, 0.0),
    defences.RoundedLogits: ({"zero gradients", "black box beats white box"}, 0.1),
    defences.Noise: ({"randomness"}, 0.0),
    defences.RandomPlace: ({"randomness"}, 0.0),
    defences.ShatteredGradients: ({"wrong gradients"}, 0.0),
    defences.Misleading: ({"wrong gradients", "black box beats white box"}, 0.0),
    defences.InfiniteSlope: ({"non-finite gradients"}, 0.0),
    defences.Detector: ({"zero gradients", "replaced answers"}, 0.0),
    defences.IgnoresTheInput: ({"input ignored"}, 0.3),  # the share of one class
    defences.BatchStatistics: ({"batch dependence"}, 0.0),
    defences.Purification: ({"randomness"}, 0.1),
    defences.PurificationByAService: ({"no gradient"}, 0.3),
}
#: Not flagged, since nothing is hidden; plain attacks leave none.
BROKEN: list[type[defences.Defence]] = [defences.Defence, defences.SoftDetector]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return zoo.mnist_natural()


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    return data.mnist("test", size=20)


def evaluated(defence: type[defences.Defence], network: nn.Module, digits: tuple[Tensor, Tensor]) -> Report:
    torch.manual_seed(0)  # for the defences that draw
    return evaluate(defence(network).eval(), digits, THREAT, "quick", curve=False, progress=False)


@pytest.mark.parametrize("defence", FLAGGED, ids=lambda d: d.__name__)
def test_it_is_named_and_the_attacks_with_its_remedies_get_through(defence, network, digits):
    names, left = FLAGGED[defence]
    if left is None:
        found = diagnose(defence(network).eval(), *digits, THREAT, seeds=torch.arange(len(digits[0])))
        assert names <= {finding.name for finding in found}
        return
    report = evaluated(defence, network, digits)
    assert names <= {finding.name for finding in report.findings}
    assert report.masking or defence is defences.BatchStatistics
    assert report.robust.value <= left
    remedies = [attack for finding in report.findings for attack in finding.remedies]
    # They joined those of "quick": three, or one for a model that draws.
    assert len(report.attacks) > (1 if "randomness" in names else 3) or not remedies


@pytest.mark.parametrize("defence", BROKEN, ids=lambda d: d.__name__)
def test_it_is_broken_where_it_is_not_named(defence, network, digits):
    report = evaluated(defence, network, digits)
    assert report.findings == ()
    assert report.robust.value == 0


def test_the_defences_are_all_here_and_read_digits(network, digits):
    every = {c for c in vars(defences).values() if isinstance(c, type) and issubclass(c, defences.Defence)}
    assert every == {*FLAGGED, *BROKEN}
    x, y = digits
    clean = {defence: accuracy(defence(network), x, y).value for defence in every}
    assert clean.pop(defences.IgnoresTheInput) < 0.3
    assert {defence: value for defence, value in clean.items() if value < 0.9} == {}
