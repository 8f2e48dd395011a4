"""CrossModal: one backward pass against the three players' gradients, missing labels, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advnotes import play
from advnotes.data import Stream
from advnotes.invariance import DANN, CrossModal, growing_strength
from advnotes.nets import mlp

Parts = tuple[nn.Module, nn.Module, nn.Module, nn.Module]


def parts() -> Parts:
    torch.manual_seed(0)
    encoders = (nn.Sequential(nn.Linear(width, 6), nn.Tanh()).double() for width in (3, 5))
    return *encoders, nn.Linear(6, 3).double(), mlp(6, 5, 1).double()


def batch(n: int = 12, m: int = 7) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    return (
        torch.randn(n, 3, generator=draw).double(),
        torch.arange(n) % 3,
        torch.randn(m, 5, generator=draw).double(),
        torch.arange(m) % 3,
    )


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients])


def test_one_backward_pass_is_the_gradient_of_all_players():
    first, second, head, judge = parts()
    game = CrossModal(first, second, head, judge, strength=0.7)
    x_1, y_1, x_2, y_2 = batch()
    points = first(x_1), second(x_2)
    right = [
        -head(h).log_softmax(1)[torch.arange(len(y)), y].mean()
        for h, y in zip(points, (y_1, y_2), strict=True)
    ]
    says = [torch.sigmoid(judge(h)) for h in points]
    categories, modalities = sum(right) / 2, -(1 - says[0]).log().mean() / 2 - says[1].log().mean() / 2
    loss = game("network", x_1, y_1, x_2, y_2)
    assert loss.item() == pytest.approx((categories + modalities).item())
    wishes = {first: categories - 0.7 * modalities, second: categories - 0.7 * modalities}
    for player, wish in (wishes | {head: categories, judge: modalities}).items():
        own = list(player.parameters())
        ours, wanted = (torch.autograd.grad(of, own, retain_graph=True) for of in (loss, wish))
        assert torch.allclose(flat(ours), flat(wanted))


def test_with_one_encoder_for_both_and_labels_on_one_side_it_is_dann():
    first, _, head, judge = parts()
    x_1, y_1, _, _ = batch()
    other = x_1.flip(0) + 1
    ours = CrossModal(first, first, head, judge, strength=0.3)
    labels, domains = (
        ours("network", x_1, y, other, torch.full((12,), -1)) for y in (y_1, torch.full((12,), -1))
    )
    dann = DANN(first, head, judge, strength=0.3)("network", x_1, y_1, other)
    assert dann.item() == pytest.approx((2 * (labels - domains) + domains).item())


def test_a_sample_without_a_label_moves_its_encoder_by_the_modality_alone():
    first, second, head, judge = parts()
    x_1, y_1, x_2, y_2 = batch()
    known = y_2.clone()
    known[2:] = -1
    game = CrossModal(first, second, head, judge, strength=0.0)
    fewer = game("network", x_1, y_1, x_2, known)
    own = [*second.parameters(), *head.parameters()]
    wish = 0.5 * (F.cross_entropy(head(first(x_1)), y_1) + F.cross_entropy(head(second(x_2[:2])), y_2[:2]))
    assert torch.allclose(flat(torch.autograd.grad(fewer, own)), flat(torch.autograd.grad(wish, own)))
    none = game("network", x_1, torch.full_like(y_1, -1), x_2, torch.full_like(y_2, -1))
    assert flat(torch.autograd.grad(none, own)).abs().max() == 0


def test_the_strength_grows_in_train_mode_only():
    game = CrossModal(*parts(), strength=2.0, warmup=4)
    seen = [game.scheduled() for _ in range(6)]
    assert seen == pytest.approx([2 * growing_strength(min(k / 4, 1.0)) for k in range(6)])
    assert game.eval().scheduled() == 2.0
    assert int(game.moves) == 6


def test_it_lays_two_modalities_over_each_other_that_share_no_measurement():
    """Two clusters each, in other units and places; a fifth of the second modality has a label."""

    def draw(n: int) -> tuple[Tensor, ...]:
        y_1, y_2 = torch.randint(2, (n,)), torch.randint(2, (n,))
        x_1 = torch.randn(n, 3) * 0.3 + torch.where(y_1 == 1, 1.0, -1.0)[:, None]
        x_2 = torch.randn(n, 2) * 3 + torch.where(y_2 == 1, 40.0, 10.0)[:, None]
        return x_1, y_1, x_2 / 10, torch.where(torch.arange(n) < n // 5, y_2, -1)

    torch.manual_seed(0)
    ends = [nn.BatchNorm1d(2, affine=False) for _ in range(2)]
    encoders = [nn.Sequential(mlp(width, 16, 2), end) for width, end in zip((3, 2), ends, strict=True)]
    game = CrossModal(*encoders, nn.Linear(2, 2), mlp(2, 16, 1))
    optimizers = {"network": torch.optim.Adam(game.network.parameters(), 1e-2)}
    play(game, Stream(draw, 100, 150), optimizers, steps=150, progress=False)
    game.eval()
    x_1, y_1, x_2, _ = draw(400)
    truth = (x_2.mean(dim=1) > 2.5).long()
    with torch.no_grad():
        for encoder, x, y in zip(game.encoders, (x_1, x_2), (y_1, truth), strict=True):
            assert (game.category_head(encoder(x)).argmax(dim=1) == y).float().mean() > 0.95


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda b: b[:3],
            r"or \(x_1, y_1, x_2, y_2, u_1, u_2\), got 3 tensors: where a modality has no labels",
        ),
        (lambda b: (*b, b[0], b[0]), "further samples of the second modality"),
        (
            lambda b: (b[0], b[1], b[2], b[3] - 3),
            "class numbers from 0, or -1 where a sample has none, got -3",
        ),
        (lambda b: (b[0], b[1] + 1, b[2], b[3]), "labels must lie from 0 to 2, got 3 for sample 2"),
        (lambda b: (b[0], b[1][:5], b[2], b[3]), "12"),
        (lambda b: (b[0], b[1].double(), b[2], b[3]), "y.long()"),
        (lambda b: (b[0] * torch.nan, *b[1:]), "nan"),
        (lambda b: (*b, b[0] * torch.nan, b[2]), "inputs must be finite, got values from nan"),
        (lambda b: (*b, b[0], b[2] * torch.inf), "inputs must be finite"),
        (lambda b: (*b, b[0], b[2][:0]), "a batch of at least one"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_it_says_what_is_wrong_with_a_batch(change, message):
    with pytest.raises(ValueError, match=message):
        CrossModal(*parts())("network", *change(batch()))


def test_it_refuses_encoders_of_two_widths_and_a_head_with_a_sigmoid():
    first, _, head, judge = parts()
    with pytest.raises(ValueError, match=r"both encoders to give points \[batch, d\] with one d, got shapes"):
        CrossModal(first, nn.Linear(5, 4).double(), head, judge)("network", *batch())
    with pytest.raises(ValueError, match="modality_head ends with Sigmoid"):
        CrossModal(first, first, head, nn.Sequential(judge, nn.Sigmoid()))


def test_the_judge_sees_only_the_further_samples_where_there_are_some():
    first, second, head, judge = parts()
    x_1, y_1, x_2, y_2 = batch()
    game = CrossModal(first, second, head, judge, strength=0.7)
    u_1, u_2 = 2 - x_1[:5], x_2.repeat(3, 1) + 1
    labels = torch.full((5,), -1), torch.full((21,), -1)
    apart = (
        CrossModal(first, second, head, judge, strength=0.0)("network", x_1, y_1, x_2, y_2)
        - 0.5 * F.softplus(judge(first(x_1))).mean()
        - 0.5 * F.softplus(-judge(second(x_2))).mean()
    )
    wanted = apart + game("network", u_1, labels[0], u_2, labels[1])
    loss = game("network", x_1, y_1, x_2, y_2, u_1, u_2)
    assert loss.item() == pytest.approx(wanted.item())
    for player in (first, second, head):
        own = list(player.parameters())
        ours = torch.autograd.grad(loss, own, retain_graph=True, allow_unused=True)
        theirs = torch.autograd.grad(
            0.5 * (F.cross_entropy(head(first(x_1)), y_1) + F.cross_entropy(head(second(x_2)), y_2))
            - 0.7 * 0.5 * (F.softplus(judge(first(u_1))).mean() + F.softplus(-judge(second(u_2))).mean()),
            own,
        )
        assert torch.allclose(flat(ours), flat(theirs))
