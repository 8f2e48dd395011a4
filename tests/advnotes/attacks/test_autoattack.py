"""AutoAttack: which attacks it is made of, that each sees only what is left, and what it finds."""

import warnings

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import APGD, EOT, FAB, PGD, AutoAttack, Square, TargetedAPGD, TargetedFAB
from advnotes.losses import cross_entropy, dlr, margin, margin_loss
from advnotes.threats import L1, L2, Linf

FEW = dict(steps=10, queries=100)


@pytest.fixture(scope="module")
def robust():
    return zoo.mnist_robust().double()


@pytest.fixture(scope="module")
def digits():
    x, y = data.mnist("test", size=60)
    return x.double(), y, torch.arange(60)


def test_the_standard_members_are_the_papers():
    threat, shared = Linf(0.3), dict(early_stop=True)
    assert AutoAttack(threat).members(10) == (
        APGD(threat, steps=100, **shared),
        TargetedAPGD(threat, steps=100, targets=9, **shared),
        TargetedFAB(threat, steps=100, targets=9, **shared),
        Square(threat, queries=5000, stretch=False, **shared),
    )
    assert AutoAttack(threat).remarks(10) == ()


def test_the_members_of_plus_are_the_papers():
    threat, shared = L2(1.0), dict(early_stop=True)
    assert AutoAttack(threat, plus=True).members(10) == (
        APGD(threat, restarts=5, **shared),
        APGD(threat, restarts=5, loss=dlr, **shared),
        FAB(threat, restarts=5, **shared),
        Square(threat, queries=5000, stretch=False, **shared),
        TargetedAPGD(threat, targets=9, **shared),
        TargetedFAB(threat, targets=9, **shared),
    )


@pytest.mark.parametrize("threat", [Linf(0.3), L2(1.0), L1(12.0)], ids=lambda t: type(t).__name__)
def test_the_members_for_randomised_models_are_the_papers(threat):
    shared = dict(steps=100, restarts=1, early_stop=False)
    assert AutoAttack(threat, randomised=True).members(10) == (
        EOT(APGD(threat, loss=cross_entropy, **shared), samples=20),
        EOT(APGD(threat, loss=dlr, **shared), samples=20),
    )
    assert AutoAttack(threat, randomised=True).remarks(3) == ()
    few = AutoAttack(threat, randomised=True, steps=7, samples=3)
    first, second = few.members(2)
    assert (first.attack.steps, first.samples, second.attack.loss) == (7, 3, margin_loss)
    assert few.remarks(2) == ("APGD-DLR: margin instead of DLR, which wants 3 classes and has 2",)


def test_plus_says_what_many_classes_cost():
    assert AutoAttack(Linf(0.1), plus=True).remarks(49) == ()
    (note,) = AutoAttack(Linf(0.1), plus=True).remarks(1000)
    assert "999 backward passes" in note
    assert AutoAttack(Linf(0.1)).remarks(1000) == ()


def test_a_model_that_draws_is_fooled_more_often_than_by_the_standard_ensemble(digits):
    """Each class is drawn with some probability. What counts is how probable the true one is, not one lucky draw."""
    natural = zoo.mnist_natural()
    x, y, seeds = digits[0].float()[:40], digits[1][:40], digits[2][:40]
    generator = torch.Generator()

    def noisy(x):
        return natural(x + 0.3 * torch.randn(x.shape, generator=generator))

    def fooled(attack):
        generator.manual_seed(0)
        x_adv = attack(noisy, x, y, seeds)
        assert (x_adv - x).abs().max() <= 0.1 + 1e-6
        generator.manual_seed(1)
        return float(torch.stack([noisy(x_adv).argmax(dim=1) != y for _ in range(21)]).float().mean())

    randomised = fooled(AutoAttack(Linf(0.1), randomised=True, steps=15, samples=8))
    standard = fooled(AutoAttack(Linf(0.1), steps=15, queries=50))
    assert randomised > standard + 0.15


def test_in_l1_there_are_restarts_and_wider_balls():
    apgd, apgd_t, fab_t, square = AutoAttack(L1(12.0)).members(10)
    assert (apgd.restarts, apgd.wider_first) == (5, True)
    assert (apgd_t.targets, apgd_t.wider_first) == (5, True)
    assert (fab_t.targets, square.queries) == (9, 5000)


def test_members_share_what_every_attack_has():
    attack = AutoAttack(Linf(0.3), plus=True, bounds=(-1.0, 1.0), training=True)
    for member in attack.members(10):
        assert (member.bounds, member.training, member.threat) == ((-1.0, 1.0), True, Linf(0.3))
    assert AutoAttack(Linf(0.2)).scaled(2.0).members(10)[0].threat == Linf(0.4)


@pytest.mark.parametrize(("classes", "remarks"), [(2, 3), (3, 2), (4, 1), (9, 1), (10, 0)])
def test_with_few_classes_it_says_what_it_does_instead(classes, remarks):
    attack = AutoAttack(Linf(0.1), plus=True)
    assert len(attack.remarks(classes)) == remarks
    _, second, _, _, apgd_t, fab_t = attack.members(classes)
    assert second.loss is (margin_loss if classes == 2 else dlr)
    assert apgd_t.targets == fab_t.targets == min(9, classes - 1)


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_fools_the_very_samples_of_a_linear_model_that_can_be_fooled(classes, plus):
    torch.manual_seed(0)
    model = nn.Linear(7, classes, bias=False).double()
    x = 0.4 + 0.2 * torch.rand(30, 7).double()  # where the range stops nothing
    w, z = model.weight.detach(), model(x).detach()
    y = z.argmax(dim=1)
    # A class loses eps times the sum of the differences of the weights against another one.
    room, fall = z.gather(1, y[:, None]) - z, (w[:, None] - w[None]).abs().sum(dim=2)[y]
    wanted = (room / fall).scatter(1, y[:, None], torch.inf).amin(dim=1)
    eps = float(wanted.median()) * 1.0001
    x_adv = AutoAttack(Linf(eps), plus=plus, **FEW)(model, x, y, torch.arange(30))
    assert torch.equal(model(x_adv).argmax(dim=1) != y, wanted <= eps)
    assert eps < 0.4


def test_each_member_sees_only_what_those_before_it_have_left(robust, digits):
    x, y, seeds = digits
    attack = AutoAttack(Linf(0.31), **FEW)
    wrong = robust(x).argmax(dim=1) != y
    left = ~wrong
    by_hand = x.clone()
    for number, member in enumerate(attack.members(10)):
        rows = left.nonzero().squeeze(1)
        found = member(robust, x[rows], y[rows], seeds[rows] + number)
        fooled = robust(found).argmax(dim=1) != y[rows]
        by_hand[rows[fooled]] = found[fooled]
        left[rows[fooled]] = False
    x_adv = attack(robust, x, y, seeds)
    right = robust(x_adv).argmax(dim=1) == y
    assert torch.equal(right, left)
    assert 10 < left.sum() < 50
    torch.testing.assert_close(x_adv[~left], by_hand[~left])
    # What is left is where its margin is smallest, not where it was.
    assert (margin(robust(x_adv), y) < margin(robust(x), y))[left].all()


def test_a_sample_that_is_wrong_already_stays(robust, digits):
    x, y, seeds = digits
    x_adv = AutoAttack(Linf(0.1), **FEW)(robust, x, (y + 1) % 10, seeds)
    wrong = robust(x).argmax(dim=1) != (y + 1) % 10
    assert wrong.sum() > 50
    assert torch.equal(x_adv[wrong], x[wrong])


@pytest.mark.parametrize("threat", [Linf(0.32), L2(2.0), L1(8.0)], ids=lambda t: type(t).__name__)
def test_finds_at_least_what_pgd_finds(robust, digits, threat):
    x, y, seeds = digits

    def fooled(attack):
        return robust(attack(robust, x, y, seeds)).argmax(dim=1) != y

    ours = fooled(AutoAttack(threat, steps=20, queries=200))
    theirs = fooled(PGD(threat, steps=50)) | fooled(PGD(threat, steps=50, loss=margin_loss))
    assert ours.sum() >= theirs.sum()
    assert theirs.sum() > 0


def test_hidden_gradients_do_not_stop_it(digits):
    """Logits so large that cross-entropy is blind, and a rounded input, which has no gradient at all."""
    natural = zoo.mnist_natural()
    x, y, seeds = digits[0].float(), digits[1], digits[2]

    class Rounded(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 15).round() / 15

        @staticmethod
        def backward(ctx, gradient):
            return torch.zeros_like(gradient)

    models = [lambda x: 1000 * natural(x), lambda x: natural(Rounded.apply(x))]
    for model in models:
        with pytest.warns(UserWarning, match="masked gradients"):
            blind = PGD(Linf(0.25), loss=cross_entropy)(model, x, y, seeds)
        assert (model(blind).argmax(dim=1) == y).sum() > 30
    attack, left = AutoAttack(Linf(0.25), steps=10, queries=400), []
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left.append(int((model(attack(model, x, y, seeds)).argmax(dim=1) == y).sum()))
    assert left[0] == 0
    assert left[1] <= 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoAttack(Linf(0.1), targeted=True), "chooses the classes to reach by itself"),
        (lambda: AutoAttack(Linf(0.1), plus=True, randomised=True), "two ensembles"),
        (lambda: AutoAttack(Linf(0.1), samples=0), "samples must be a whole number of at least 1"),
        (lambda: AutoAttack(Linf(0.1), steps=0), "steps must be a whole number of at least 1"),
        (lambda: AutoAttack(Linf(0.1), queries=0), "queries must be a whole number of at least 1"),
        (lambda: AutoAttack(L2(float("inf"))), "must be finite"),
        (lambda: AutoAttack(Linf(0.1)).members(1), "at least 2 classes, got 1"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
