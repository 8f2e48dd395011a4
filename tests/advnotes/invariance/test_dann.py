"""DANN: its one backward pass against the three gradients of the paper, the alternating form, the schedule."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes import play
from advnotes.data import Stream
from advnotes.invariance import DANN, AlternatingDANN, growing_strength
from advnotes.nets import mlp


def parts() -> tuple[nn.Module, nn.Module, nn.Module]:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Linear(3, 6), nn.Tanh())
    return features.double(), nn.Linear(6, 2).double(), mlp(6, 5, 1).double()


def batch(n: int = 12, m: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    x, x_target = torch.randn(n, 3, generator=draw).double(), torch.randn(m, 3, generator=draw).double() + 1
    return x, (x[:, 0] > 0).long(), x_target


def losses(features: nn.Module, label_head: nn.Module, domain_head: nn.Module) -> tuple[Tensor, Tensor]:
    """Both losses as the paper writes them, with probabilities and without a reversal."""
    x, y, x_target = batch()
    labels = -label_head(features(x)).log_softmax(dim=1)[torch.arange(len(y)), y].mean()
    d_source, d_target = (torch.sigmoid(domain_head(features(of))) for of in (x, x_target))
    return labels, -0.5 * (1 - d_source).log().mean() - 0.5 * d_target.log().mean()


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients])


def test_one_backward_pass_is_the_gradient_of_all_three():
    features, label_head, domain_head = parts()
    game = DANN(features, label_head, domain_head, strength=0.7)
    labels, domains = losses(features, label_head, domain_head)
    loss = game("network", *batch())
    assert loss.item() == pytest.approx((labels + domains).item())
    wanted = {features: labels - 0.7 * domains, label_head: labels, domain_head: domains}
    for player, wish in wanted.items():
        own = list(player.parameters())
        ours = torch.autograd.grad(loss, own, retain_graph=True)
        assert torch.allclose(flat(ours), flat(torch.autograd.grad(wish, own, retain_graph=True)))


def test_the_alternating_form_has_the_same_gradients_at_the_same_point():
    features, label_head, domain_head = parts()
    one, two = (kind(features, label_head, domain_head, strength=0.7) for kind in (DANN, AlternatingDANN))
    both = one("network", *batch())
    for player, loss in (
        ("classifier", two("classifier", *batch())),
        ("domain_head", two("domain_head", *batch())),
    ):
        own = list(two.players[player].parameters())
        ours = torch.autograd.grad(loss, own)
        assert torch.allclose(flat(ours), flat(torch.autograd.grad(both, own, retain_graph=True)))
    assert list(two.players) == ["domain_head", "classifier"]
    assert list(one.players) == ["network"]


def test_without_strength_it_is_training_on_the_source_and_the_domain_head_looks_on():
    features, label_head, domain_head = parts()
    game = DANN(features, label_head, domain_head, strength=0.0)
    loss = game("network", *batch())
    x, y, _ = batch()
    own = [*features.parameters(), *label_head.parameters()]
    plain = torch.autograd.grad(F.cross_entropy(game.classifier(x), y), own)
    assert torch.allclose(flat(torch.autograd.grad(loss, own, retain_graph=True)), flat(plain))
    assert flat(torch.autograd.grad(loss, list(domain_head.parameters()))).abs().sum() > 0


def test_a_blind_domain_head_loses_ln_2_whatever_the_sizes():
    features, label_head, domain_head = parts()
    for parameter in domain_head.parameters():
        nn.init.zeros_(parameter)
    game = AlternatingDANN(features, label_head, domain_head)
    x, y, x_target = batch(30, 2)
    assert game("domain_head", x, y, x_target).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(("kind", "player"), [(DANN, "network"), (AlternatingDANN, "classifier")])
def test_the_strength_follows_the_schedule_in_training_only(kind: type, player: str):
    features, label_head, domain_head = parts()
    game = kind(features, label_head, domain_head, strength=0.5, warmup=4)
    labels, domains = losses(features, label_head, domain_head)
    first = next(features.parameters())
    along = [torch.autograd.grad(loss, first, retain_graph=True)[0] for loss in (labels, domains)]
    for step in range(6):
        for training, strength in ((False, 0.5), (True, 0.5 * growing_strength(min(step / 4, 1.0)))):
            game.train(training)
            (gradient,) = torch.autograd.grad(game(player, *batch()), first)
            assert torch.allclose(gradient, along[0] - strength * along[1])
    assert game.moves == 6
    assert "moves" in game.state_dict()


def shifted(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The class is the first coordinate's sign; the second is the class again on the source, and 2 on the target."""
    y, hidden = torch.randint(2, (n,)), torch.randint(2, (n,))
    noise = torch.randn(2, n, 2) * 0.5
    source = torch.stack([2.0 * y - 1, 2.0 * y - 1], dim=1) + noise[0]
    target = torch.stack([2.0 * hidden - 1, torch.full((n,), 2.0)], dim=1) + noise[1]
    return source, y, target, hidden


@pytest.mark.parametrize("kind", [DANN, AlternatingDANN])
def test_it_learns_to_do_without_what_gives_the_domain_away(kind: type):
    right = {}
    for strength in (0.0, 1.0):
        torch.manual_seed(3)
        game = kind(mlp(2, 4), nn.Linear(4, 2), mlp(4, 16, 1), strength=strength, warmup=300)
        optimizers = {name: torch.optim.Adam(p.parameters(), lr=1e-2) for name, p in game.players.items()}
        play(game, Stream(lambda n: shifted(n)[:3], 64, 300), optimizers, steps=300, progress=False)
        source, y, target, hidden = shifted(500)
        assert (game.classifier(source).argmax(dim=1) == y).float().mean() > 0.9
        right[strength] = (game.classifier(target).argmax(dim=1) == hidden).float().mean()
    assert right[0.0] < 0.7
    assert right[1.0] > 0.85


def test_it_resumes_where_the_schedule_was(tmp_path):
    def played(steps: int, **options) -> Tensor:
        game = DANN(*parts(), warmup=10)
        data = Stream(lambda n: tuple(of[torch.randint(7, (n,))] for of in batch(7, 7)), 4, 5)
        torch.manual_seed(2)
        play(game, data, torch.optim.Adam(game.parameters(), lr=0.01), steps=steps, progress=False, **options)
        return flat(tuple(game.parameters()))

    played(4, checkpoint=tmp_path)
    assert torch.equal(played(9, checkpoint=tmp_path), played(9))


@pytest.mark.parametrize("kind", [DANN, AlternatingDANN])
@pytest.mark.parametrize("option", [{"strength": -1.0}, {"strength": math.inf}, {"warmup": -1}])
def test_options_out_of_range(kind: type, option: dict):
    with pytest.raises(ValueError, match=r"(strength|warmup) must be a (finite|whole) number of at least 0"):
        kind(*parts(), **option)


@pytest.mark.parametrize("kind", [DANN, AlternatingDANN])
def test_target_samples_must_be_finite_as_the_sources_must(kind: type):
    x, y, x_target = batch()
    for player in kind(*parts()).turns:
        with pytest.raises(ValueError, match="inputs must be finite, got values from nan"):
            kind(*parts())(player, x, y, x_target * math.nan)


def test_a_domain_head_gives_one_logit():
    features, label_head, _ = parts()
    with pytest.raises(ValueError, match="one output"):
        DANN(features, label_head, nn.Linear(6, 2).double())("network", *batch())
    x, y, x_target = batch()
    with pytest.raises(ValueError, match="both domains"):
        DANN(*parts())("network", x, y, x_target[:0])
