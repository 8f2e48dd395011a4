"""Every broken defence is named by the diagnosis or broken by plain attacks; the table says by which."""

import pytest
import torch
from torch import Tensor, nn

from advnotes import data, zoo
from advnotes.attacks import PGD
from advnotes.evaluation.diagnosis import diagnose
from advnotes.losses import margin_loss
from advnotes.metrics import accuracy, robust_accuracy
from advnotes.threats import Linf
from tests.advnotes.evaluation import defences

THREAT = Linf(0.3)

#: What the diagnosis calls it (at least), and the share that its remedies leave at most. None: no attack that the
#: diagnosis can name gets it all, so that the finding is the verdict.
FLAGGED: dict[type[defences.Defence], tuple[set[str], float | None]] = {
    defences.ScaledLogits: ({"saturated loss"}, 0.0),
    defences.Quantised: ({"zero gradients", "black box beats white box", "unbounded attack fails"}, 0.0),
    defences.BitDepth: ({"zero gradients", "black box beats white box", "unbounded attack fails"}, None),
    defences.StraightThrough: ({"wrong gradients"}, 0.0),
    defences.HardThreshold: ({"no gradient"}, None),
    defences.SteepSigmoid: ({"black box beats white box", "unbounded attack fails"}, None),
    defences.Detached: ({"no gradient"}, 0.0),
    defences.MedianInNumPy: ({"no gradient"}, 0.0),
    defences.NumPyWithoutDetach: ({"no gradient"}, 0.0),
    defences.JPEGLike: ({"zero gradients", "black box beats white box"}, 0.0),
    defences.RoundedLogits: ({"zero gradients", "black box beats white box"}, 0.25),
    defences.Noise: ({"randomness"}, 0.05),
    defences.RandomPlace: ({"randomness"}, 0.05),
    defences.ShatteredGradients: ({"wrong gradients"}, 0.0),
    defences.Misleading: ({"wrong gradients", "black box beats white box"}, 0.0),
    defences.InfiniteSlope: ({"non-finite gradients"}, 0.0),
    defences.Detector: ({"zero gradients", "replaced answers"}, 0.0),
    defences.IgnoresTheInput: ({"input ignored"}, None),
    defences.BatchStatistics: ({"batch dependence"}, None),
}
#: Not flagged, since nothing is hidden; plain PGD leaves none.
BROKEN: list[type[defences.Defence]] = [defences.Defence, defences.SoftDetector]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return zoo.mnist_natural()


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor, Tensor]:
    x, y = data.mnist("test", size=60)
    return x, y, torch.arange(60)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)  # for the defences that draw


@pytest.mark.filterwarnings("ignore::advnotes.MaskedGradientWarning")  # which is the point here
@pytest.mark.parametrize("defence", FLAGGED, ids=lambda d: d.__name__)
def test_it_is_named_and_its_remedies_get_through(defence, network, digits):
    x, y, seeds = digits
    names, left = FLAGGED[defence]
    model = defence(network)
    found = diagnose(model, x, y, THREAT, seeds=seeds)
    assert names <= {finding.name for finding in found}
    remedies = [attack for finding in found for attack in finding.remedies]
    if left is not None:
        rest = [robust_accuracy(model, attack, x[:20], y[:20], generator=seeds[:20]) for attack in remedies]
        assert min(map(float, rest)) <= left


@pytest.mark.parametrize("defence", BROKEN, ids=lambda d: d.__name__)
def test_it_is_broken_where_it_is_not_named(defence, network, digits):
    x, y, seeds = digits
    model = defence(network)
    assert diagnose(model, x, y, THREAT, seeds=seeds) == []
    attack = PGD(THREAT, steps=20, loss=margin_loss, early_stop=True)
    assert robust_accuracy(model, attack, x, y, generator=seeds).value == 0


def test_the_defences_are_all_here_and_read_digits(network, digits):
    every = {c for c in vars(defences).values() if isinstance(c, type) and issubclass(c, defences.Defence)}
    assert every == {*FLAGGED, *BROKEN}
    x, y, _ = digits
    clean = {defence: accuracy(defence(network), x, y).value for defence in every}
    assert clean.pop(defences.IgnoresTheInput) < 0.3
    assert {defence: value for defence, value in clean.items() if value < 0.9} == {}
