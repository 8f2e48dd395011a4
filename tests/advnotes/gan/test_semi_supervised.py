"""The semi-supervised GAN against cross-entropy over K + 1 classes, and which labels it can know."""

import pytest
import torch
import torch.nn.functional as F

from advnotes import play
from advnotes.data import Stream
from advnotes.gan import GAN, R1, FeatureMatchingGAN, SemiSupervisedGAN
from advnotes.nets import mlp


class Matching(SemiSupervisedGAN, FeatureMatchingGAN):
    pass


def game(kind: type[GAN] = SemiSupervisedGAN, **options: object) -> GAN:
    torch.manual_seed(0)
    return kind(mlp(2, 8, 3), mlp(3, 8, 4), 2, **options).double()


DRAWN = torch.Generator().manual_seed(0)
X = torch.randn(6, 3, generator=DRAWN, dtype=torch.float64)
Y = torch.tensor([0, 1, 2, 3, 0, 1])
OTHERS = torch.randn(9, 3, generator=DRAWN, dtype=torch.float64)


def test_it_is_cross_entropy_with_one_more_class_whose_logit_is_0() -> None:
    """By the probabilities of K + 1 classes, as the paper has it before it fixes the last logit."""
    gan, fake = game(), torch.randn(9, 3, dtype=torch.float64)

    def probabilities(x: torch.Tensor) -> torch.Tensor:
        logits = gan.discriminator(x)
        return torch.cat([logits, torch.zeros(len(x), 1, dtype=torch.float64)], dim=1).softmax(dim=1)

    unsupervised = -(1 - probabilities(OTHERS)[:, -1]).log().mean() - probabilities(fake)[:, -1].log().mean()
    torch.testing.assert_close(gan.discriminator_objective(OTHERS, fake), 0.5 * unsupervised)
    torch.testing.assert_close(torch.sigmoid(gan.logit(OTHERS)), 1 - probabilities(OTHERS)[:, -1])


def test_it_is_the_loss_of_the_authors_code() -> None:
    """Written out with the log-sum of exponentials: see the class's equation."""
    gan = game()
    torch.manual_seed(1)
    found = gan.discriminator_loss(X, Y, OTHERS)
    torch.manual_seed(1)
    real, fake = (gan.discriminator(x).logsumexp(dim=1) for x in (OTHERS, gan.sample(9)))
    expected = F.cross_entropy(gan.discriminator(X), Y)
    expected = expected - real.mean() / 2 + F.softplus(real).mean() / 2 + F.softplus(fake).mean() / 2
    torch.testing.assert_close(found, expected)


def test_there_is_no_place_for_labels_of_the_unlabelled_samples() -> None:
    """What other code calls a semi-supervised GAN trains on all labels."""
    for loss in (game().discriminator_loss, game(Matching).generator_loss):
        with pytest.raises(ValueError, match=r"a batch is \(x, y, unlabelled\), got 4 tensors"):
            loss(X, Y, OTHERS, torch.zeros(9, dtype=torch.int64))


def test_the_labelled_loss_knows_the_labels_and_the_rest_does_not() -> None:
    """Other labels change the cross-entropy of the labelled samples, and nothing of either player's loss besides."""
    gan, losses = game(), []
    for y in (Y, Y.flip(0)):
        torch.manual_seed(1)
        losses.append((gan.discriminator_loss(X, y, OTHERS), gan.generator_loss(X, y, OTHERS)))
    cross = [F.cross_entropy(gan.discriminator(X), y) for y in (Y, Y.flip(0))]
    torch.testing.assert_close(losses[0][0] - losses[1][0], cross[0] - cross[1])
    assert torch.equal(losses[0][1], losses[1][1])


def test_the_generator_is_that_of_the_class_beside_it() -> None:
    gan = game(Matching)
    torch.manual_seed(1)
    found = gan.generator_loss(X, Y, OTHERS)
    torch.manual_seed(1)
    features = gan.discriminator[:-1]
    expected = (features(OTHERS).mean(dim=0) - features(gan.sample(9)).mean(dim=0)).square().sum()
    torch.testing.assert_close(found, expected)
    plain = game()
    torch.manual_seed(1)
    found = plain.generator_loss(X, Y, OTHERS)
    torch.manual_seed(1)
    torch.testing.assert_close(
        found, F.softplus(-plain.discriminator(plain.sample(9)).logsumexp(dim=1)).mean()
    )


def test_penalties_are_on_the_logit_of_being_real_at_the_unlabelled_samples() -> None:
    gan, losses = game(), []
    for other in (gan, game(penalties=[R1(2.0)])):
        torch.manual_seed(1)
        losses.append(other.discriminator_loss(X, Y, OTHERS))
    point = OTHERS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(gan.discriminator(point).logsumexp(dim=1).sum(), point)
    torch.testing.assert_close(losses[1] - losses[0], slope.square().sum(dim=1).mean())


def test_generated_samples_of_no_class_are_told_from_real_ones_with_few_labels() -> None:
    """Two clouds, one label each: the unlabelled samples and a generator must not spoil what the labels say."""
    torch.manual_seed(0)
    centres = torch.tensor([[2.0, 0.0], [-2.0, 0.0]])
    gan = Matching(mlp(2, 16, 2), mlp(2, 16, 2), 2)

    def batch(n: int) -> tuple[torch.Tensor, ...]:
        return centres, torch.tensor([0, 1]), centres[torch.randint(2, (n,))] + 0.3 * torch.randn(n, 2)

    optimizers = {name: torch.optim.Adam(p.parameters(), 3e-3) for name, p in gan.players.items()}
    play(gan, Stream(batch, 64, 150), optimizers, steps=150, progress=False)
    truth = torch.arange(400) % 2
    guess = gan.discriminator(centres[truth] + 0.3 * torch.randn(400, 2)).argmax(dim=1)
    assert (guess == truth).double().mean() > 0.95


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a batch is \(x, y, unlabelled\), got 1 tensors"):
        game().generator_loss(X)
    with pytest.raises(ValueError, match="labels must lie from 0 to 3, got 7"):
        game().discriminator_loss(X, Y + 4 * (Y == 3), OTHERS)
    with pytest.raises(ValueError, match="unlabelled samples have the shape"):
        game().discriminator_loss(X, Y, OTHERS[:, :2])
    with pytest.raises(ValueError, match="one number for each sample"):
        SemiSupervisedGAN(mlp(2, 8, 3), mlp(3, 8, 1), 2).double().discriminator_loss(X, Y * 0, OTHERS)
