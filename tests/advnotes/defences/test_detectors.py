"""Detectors: scores, thresholds, flags; CuRTAIL's densities, and those of inputs."""

import copy

import pytest
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import nn
from torch.distributions import MultivariateNormal

from advnotes.defences import AnyOf, Curtail, Defender, Detector, InputDensity, LatentDensity, centre_loss
from advnotes.defences.parts.class_gaussians import ClassGaussians
from advnotes.nets import mlp


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X, Y = drawn(60, 4), torch.arange(60) % 3


def first(x):
    return x[:, 0]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.1, 0.29, 0.5, 0.99])
@pytest.mark.parametrize("ties", [False, True])
def test_the_threshold_is_the_least_that_flags_at_most_the_share(share, ties):
    x = drawn(100, 3).round() if ties else drawn(100, 3)
    detector = Detector(first).calibrate(x, batch_size=7)
    threshold = detector.threshold(share)

    def above(t):
        return int((x[:, 0] > t).sum()) / len(x)

    assert above(threshold) <= share
    assert torch.equal(detector.flags(x, share), x[:, 0] > threshold)
    lower = x[:, 0][x[:, 0] < threshold]
    assert len(lower) == 0 or above(float(lower.max())) > share


def test_new_clean_inputs_are_flagged_about_as_often():
    flagged = Detector(first).calibrate(drawn(20_000, 2)).flags(drawn(20_000, 2, seed=1), 0.1)
    assert 0.09 <= flagged.float().mean() <= 0.11


def test_what_is_no_number_is_flagged():
    detector = Detector(lambda x: x[:, 0].log()).calibrate(X.abs() + 0.1)
    assert detector.flags(torch.tensor([[-1.0, 0, 0, 0]])).all()


def test_calibrating_a_network_is_without_dropout_and_leaves_its_mode():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1), nn.Flatten(0))
    detector = Detector(net).train()
    assert torch.equal(detector.calibrate(X).clean, net.eval()(X).detach().sort().values)
    assert detector.train().calibrate(X).training


def test_the_scores_are_saved_with_the_detector():
    detector = Detector(first).calibrate(X)
    assert torch.equal(detector.state_dict()["clean"], X[:, 0].sort().values)
    again = Detector(first)
    again.load_state_dict(detector.state_dict())
    assert again.threshold() == detector.threshold()
    # So do those of detectors within, and none are saved of one that has none.
    both, empty = AnyOf([detector, detector]).calibrate(X), AnyOf([Detector(first).calibrate(X[:30])] * 2)
    empty.load_state_dict(both.state_dict())
    assert torch.equal(empty.flags(X), both.flags(X))
    again.load_state_dict(Detector(first).state_dict())
    assert len(again.clean) == 0


def test_any_of_one_flags_what_it_flags_and_any_of_two_what_either_does():
    clean, new = drawn(400, 4), 2 * drawn(200, 4, seed=1)
    one, other = Detector(first).calibrate(clean), Detector(lambda x: 100 * x[:, 1] + 7).calibrate(clean)
    for share in (0.02, 0.1):
        assert torch.equal(AnyOf([one]).calibrate(clean).flags(new, share), one.flags(new, share))
    # Each in its unit: at its own threshold for a twentieth, a detector stands at 1.
    both = AnyOf([one, other])
    torch.testing.assert_close(both(new) > 1, one.flags(new) | other.flags(new))
    assert both.calibrate(clean).threshold() >= 1
    assert both.flags(clean).float().mean() <= 0.05


def test_class_gaussians_are_those_of_torch():
    """All directions kept: the same density, but for the constant."""
    wide = drawn(300, 5) @ drawn(5, 5, seed=2) + 3
    y = torch.arange(300) % 3
    wide = wide + y[:, None]
    gaussians = ClassGaussians(wide.double(), y, 3, size=5, ridge=1e-12)
    new = (wide[:20] + 0.5).double()
    for k in range(3):
        part = wide[y == k].double()
        theirs = MultivariateNormal(part.mean(dim=0), torch.cov(part.T)).log_prob(new)
        constant = 2.5 * torch.log(torch.tensor(2 * torch.pi, dtype=torch.double))
        torch.testing.assert_close(gaussians(new)[:, k], -theirs - constant, rtol=1e-6, atol=1e-6)


def test_few_directions_are_the_widest():
    wide = drawn(500, 3) * torch.tensor([0.1, 5.0, 1.0])
    gaussians = ClassGaussians(wide, torch.arange(500) % 2, 2, size=1)

    def far(axis):
        return gaussians(4 * F.one_hot(torch.tensor([axis]), 3).float())[0, 0]

    assert float((far(0) - far(2)).abs()) < 0.2  # both outside of what is looked at
    assert gaussians(torch.tensor([[0.0, 30, 0]]))[0, 0] > far(0) + 5


def test_the_centre_loss_is_its_formula():
    phi, centres, y = F.normalize(drawn(7, 4), dim=1), drawn(3, 4, seed=1), torch.arange(7) % 3
    expected = 0.0
    for i in range(7):
        for k in range(3):
            sign = 1 if k == y[i] else -1
            expected += sign * float((centres[k] - phi[i]).norm() ** 2) / 7
    expected += sum((float(c.norm()) - 1) ** 2 for c in centres)
    assert float(centre_loss(phi, centres, y)) == pytest.approx(expected, rel=1e-5)


def test_the_centre_loss_has_a_least_value_only_for_features_of_limited_length():
    phi, y = F.normalize(drawn(30, 4), dim=1), torch.arange(30) % 3
    centres = F.normalize(drawn(3, 4, seed=1), dim=1)
    longer = [float(centre_loss(t * phi, centres, y)) for t in (1.0, 10.0, 100.0)]
    assert longer[0] > longer[1] > longer[2]
    # The centres themselves cannot run away while every class occurs, and one that is missing can.
    assert centre_loss(phi, 1000 * centres, y) > centre_loss(phi, 10 * centres, y)
    alone = torch.stack([centres[0], centres[1], -centres[:2].sum(dim=0)])
    two = torch.arange(30) % 2
    missing = [
        float(centre_loss(F.normalize(alone[two], dim=1), alone * torch.tensor([[1.0], [1], [t]]), two))
        for t in (10.0, 1000.0)
    ]
    assert missing[1] < missing[0]


def test_curtail_without_weight_is_cross_entropy():
    torch.manual_seed(0)
    net = mlp(4, 8, 3)
    defender = Defender(net[:-1], net[-1], 3, 8)
    assert torch.equal(defender(X), net(X))
    assert torch.equal(Curtail(defender, 0.0).defender_loss(X, Y), F.cross_entropy(net(X), Y))


def test_the_weight_draws_classes_together_and_the_classifier_stays():
    apart = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        net, x = mlp(4, 8, 3), X + 2 * F.one_hot(Y, 4)
        before = copy.deepcopy(net.state_dict())
        game = Curtail(Defender(net[:-1], net[-1], 3, 8), weight)
        optimizer = torch.optim.Adam(game.defender.parameters(), 0.02)
        for _ in range(200):
            optimizer.zero_grad()
            game.defender_loss(x, Y).backward()
            optimizer.step()
        phi = game.defender.latent(x).detach()
        means = torch.stack([phi[k == Y].mean(dim=0) for k in range(3)])
        apart.append(float((phi - means[Y]).norm(dim=1).mean() / torch.pdist(means).mean()))
        assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    assert apart[1] < 0.6 * apart[0]


def test_the_copy_of_a_frozen_classifier_can_be_trained():
    net = mlp(4, 8, 3).requires_grad_(False)
    defender = Defender(net[:-1], net[-1], 3, 8)
    assert all(parameter.requires_grad for parameter in defender.parameters())
    assert not any(parameter.requires_grad for parameter in net.parameters())


def made() -> tuple[nn.Module, Defender]:
    torch.manual_seed(0)
    net = mlp(4, 8, 3)
    return net, Defender(net[:-1], net[-1], 3, 8)


def test_the_latent_density_is_that_of_the_class_that_the_classifier_says():
    _, defender = made()
    x = X + 3 * F.one_hot(Y, 4)
    for k in range(3):

        def says(x, k=k):
            return F.one_hot(torch.full((len(x),), k), 3).float()

        score = LatentDensity(says, defender, x, Y, size=2)
        phi = defender.latent(x).detach()
        torch.testing.assert_close(score(x), ClassGaussians(phi, Y, 3, 2)(phi)[:, k])
    x = x[:5].requires_grad_()
    (gradient,) = torch.autograd.grad(score(x).sum(), x)
    assert gradient.flatten(1).any(dim=1).sum() >= 3  # a rectified feature may stand still


def test_the_input_density_is_the_error_of_principal_components():
    def says(x):
        return F.one_hot(torch.arange(len(x)) % 3, 3).float()

    wide, new = drawn(90, 2, 3), drawn(9, 2, 3, seed=1)
    y = torch.arange(90) % 3
    score = InputDensity(says, wide, y, size=2)(new)
    for k in range(3):
        pca = PCA(2).fit(wide[y == k].flatten(1).numpy())
        mine = new[k::3].flatten(1).numpy()
        error = ((mine - pca.inverse_transform(pca.transform(mine))) ** 2).sum(axis=1)
        torch.testing.assert_close(score[k::3], torch.tensor(error).float(), rtol=1e-4, atol=1e-4)


def fitted(says) -> list[Detector]:
    """Both densities, of a classifier that says what you like."""
    return [LatentDensity(says, made()[1], X, Y, size=2), InputDensity(says, X, Y, size=2)]


def test_where_the_classifier_says_no_number_the_input_is_flagged():
    net = made()[0]

    def says(x):
        return torch.where(x[:, :1] > 90, torch.nan, net(x))

    for plain, odd in zip(fitted(net), fitted(says), strict=True):
        torch.testing.assert_close(odd(X), plain(X), rtol=0, atol=0)
        far = torch.cat([X[:1] * 0 + 99, X[:3]])
        assert odd(far).isnan().tolist() == [True, False, False, False]
        assert odd.calibrate(X).flags(far)[0]


def test_a_classifier_with_more_classes_than_were_fitted_is_refused():
    def says(x):
        return F.one_hot(torch.full((len(x),), 3), 4).float()

    for detector in fitted(says):
        with pytest.raises(ValueError, match="classifier has 4 classes, and the detector was fitted to 3"):
            detector(X)
    for detector in fitted(first):
        with pytest.raises(ValueError, match="one number for each sample"):
            detector(X)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Detector(3), "wants a function that gives one score for each input, got 3"),
        (lambda: Detector().score(X), "Detector has no score: pass a function"),
        (lambda: Detector(first).threshold(), r"knows no clean inputs yet: calibrate\(x\)"),
        (lambda: Detector(first).calibrate(X).threshold(1.0), "false_positives must be below 1"),
        (lambda: Detector(first).calibrate(X).threshold(-0.1), "false_positives must be a finite number"),
        (lambda: Detector(first).calibrate(X).threshold(5), "false_positives must be a finite number"),
        (lambda: Detector(first).calibrate(X[0]), r"\[batch, ...\], got shape \(4,\)"),
        (lambda: Detector(first).calibrate([1.0]), "inputs must be a tensor, got list"),
        (lambda: Detector(first).calibrate((255 * X.abs()).byte()), "floating point"),
        (
            lambda: Detector(lambda x: x[:, 0] / 0).calibrate(X),
            "scores of 60 of 60 clean inputs are not finite",
        ),
        (lambda: Detector(lambda x: x > 0).score(X), "not the answer yes or no"),
        (lambda: Detector(lambda x: x[:, :1]).score(X), r"one score for each of the 60 inputs.*squeeze\(1\)"),
        (lambda: AnyOf([]), "at least one Detector"),
        (lambda: AnyOf([first]), "at least one Detector"),
        (lambda: AnyOf(Detector(first)), "at least one Detector"),
        (lambda: AnyOf([Detector(first)]), "knows no clean inputs yet"),
        (lambda: AnyOf([Detector(lambda x: 0 * x[:, 0]).calibrate(X)]), "tell clean inputs apart"),
        (lambda: Defender(first, nn.Linear(2, 2), 2, 2), "features must be a module"),
        (lambda: made()[1].__class__(nn.Flatten(), nn.Linear(4, 3), 3, 5).latent(X), "size=4"),
        (lambda: Curtail(made()[0]), "Curtail wants a Defender"),
        (lambda: LatentDensity(made()[0], made()[0], X, Y), "LatentDensity wants a Defender"),
        (lambda: LatentDensity(None, made()[1], X, Y), "the model must be a module or function"),
        (lambda: LatentDensity(*made(), X, Y, size=9), "size must be at most 8"),
        (lambda: LatentDensity(*made(), X, Y + 1, size=2), "labels must lie from 0 to 2, got 3"),
        (
            lambda: LatentDensity(*made(), X[::3], Y[::3], size=2),
            "at least 2 samples of each class, got 0 of class 1",
        ),
        (lambda: LatentDensity(*made(), X, Y.float()), "labels must be class numbers"),
        (
            lambda: InputDensity(made()[0], X[:9], Y[:9], size=3),
            "want more than 3 samples of each class, got 3",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
