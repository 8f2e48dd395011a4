"""Virtual adversarial training: the direction against eigenvectors, its loss, its traces, and the game."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advnotes import play
from advnotes.losses import entropy, kl
from advnotes.robust import VAT, virtual_adversarial_loss, virtual_adversary


def net(*extra: nn.Module, inputs: int = 5, classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 12), *extra, nn.Tanh(), nn.Linear(12, classes))


def points(n: int = 8, size: int = 5, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(1), dtype=dtype)


def softmax_model(classes: int = 4, size: int = 6) -> nn.Linear:
    torch.manual_seed(3)
    return nn.Linear(size, classes).double()


def hessians(model: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """Of the KL of a linear softmax model at delta = 0: W'(diag p - pp')W, the Fisher information of the input."""
    p = model(x).softmax(dim=1)
    fisher = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    return model.weight.T @ fisher @ model.weight


def cosines(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.cosine_similarity(a.flatten(1), b.flatten(1)).abs()


def test_power_iteration_ends_at_the_dominant_eigenvector():
    model, x = softmax_model(), points(16, 6, torch.float64)
    with torch.no_grad():
        dominant = torch.linalg.eigh(hessians(model, x)).eigenvectors[:, :, -1]
    found = [
        virtual_adversary(model, x, 1.0, xi=1e-4, steps=k, generator=SEEDS[:16]).delta for k in (0, 1, 100)
    ]
    random, one, many = (cosines(delta, dominant) for delta in found)
    assert (many > 0.999).all()
    assert random.mean() < one.mean() < many.mean()


SEEDS = torch.arange(64)


def test_one_step_is_the_hessian_times_the_direction():
    model, x = softmax_model(), points(16, 6, torch.float64)
    d = virtual_adversary(model, x, 1.0, steps=0, generator=SEEDS[:16]).delta
    found = virtual_adversary(model, x, 1.0, xi=1e-5, steps=1, generator=SEEDS[:16]).delta
    product = (hessians(model, x) @ d[:, :, None])[:, :, 0]
    torch.testing.assert_close(found, product / product.norm(dim=1, keepdim=True), atol=1e-4, rtol=0)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.01, 3), st.sampled_from([1e-2, 1.0]))
def test_logistic_regression_in_closed_form(seed, eps, xi):
    # One direction matters, so that a single step finds it whatever xi: delta = +-eps w / |w|.
    torch.manual_seed(seed)
    w, x = torch.randn(5).double(), torch.randn(6, 5).double()

    def model(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.zeros_like(x[:, 0]), x @ w], dim=1)

    loss, _, delta = virtual_adversary(model, x, eps, xi=xi)
    torch.testing.assert_close((delta @ w).abs(), torch.full((6,), eps * float(w.norm())).double())
    s, moved = (x @ w).sigmoid(), ((x + delta) @ w).sigmoid()
    expected = s * (s / moved).log() + (1 - s) * ((1 - s) / (1 - moved)).log()
    torch.testing.assert_close(loss, expected)


def test_a_small_loss_is_half_the_largest_eigenvalue_times_eps_squared():
    model, x, eps = softmax_model(), points(16, 6, torch.float64), 1e-3
    largest = torch.linalg.eigvalsh(hessians(model, x))[:, -1]
    loss = virtual_adversarial_loss(model, x, eps, xi=1e-4, steps=100)
    torch.testing.assert_close(loss, largest * eps**2 / 2, rtol=2e-2, atol=0)


def test_gradient_is_the_one_with_the_target_and_the_direction_held_still():
    model, x = net().double(), points(dtype=torch.float64)
    loss, logits, delta = virtual_adversary(model, x, 0.7)
    weight = model[0].weight
    (gradient,) = torch.autograd.grad(loss.sum(), weight)
    numeric = torch.zeros_like(weight)
    with torch.no_grad():
        for at in [(0, 0), (3, 2), (11, 4)]:
            for sign in (1, -1):
                weight[at] += sign * 1e-6
                numeric[at] += sign * kl(logits, model(x + delta)).sum() / 2e-6
                weight[at] -= sign * 1e-6
            torch.testing.assert_close(gradient[at], numeric[at], rtol=1e-5, atol=1e-8)
    assert not delta.requires_grad
    assert logits.requires_grad


def test_each_sample_is_on_its_own():
    model, x = net(), points(16).view(16, 5)
    together = virtual_adversary(model, x, 0.5, steps=2, generator=SEEDS[:16])
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    shuffled = virtual_adversary(model, x[order], 0.5, steps=2, generator=SEEDS[:16][order])
    torch.testing.assert_close(shuffled.delta, together.delta[order], atol=1e-4, rtol=0)
    for i in range(3):
        alone = virtual_adversary(model, x[i : i + 1], 0.5, steps=2, generator=SEEDS[i : i + 1])
        torch.testing.assert_close(alone.delta, together.delta[i : i + 1], atol=1e-4, rtol=0)
        torch.testing.assert_close(alone.loss, together.loss[i : i + 1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_every_perturbation_has_its_own_length(steps):
    eps = torch.linspace(0, 2, 8)
    model = nn.Sequential(nn.Flatten(), net(inputs=20))
    delta = virtual_adversary(model, points(8, 20).view(8, 4, 5), eps, steps=steps).delta
    torch.testing.assert_close(delta.flatten(1).norm(dim=1), eps)


def test_the_found_direction_is_worse_than_a_random_one():
    model, x = net(inputs=50), points(64, 50)
    random, found = (virtual_adversarial_loss(model, x, 0.5, steps=k, generator=SEEDS).mean() for k in (0, 1))
    assert found > 3 * random


@pytest.mark.parametrize("training", [True, False])
def test_only_the_first_pass_leaves_a_trace(training):
    model, x = net(nn.BatchNorm1d(12), nn.Dropout(0.3)).train(training), points()
    reference = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(4)
    virtual_adversarial_loss(model, x, 0.5, steps=3, generator=generator).sum().backward()
    after = torch.get_rng_state()
    torch.manual_seed(4)
    reference(x)
    assert torch.equal(after, torch.get_rng_state())
    for (name, buffer), other in zip(model.named_buffers(), reference.buffers(), strict=True):
        assert torch.equal(buffer, other), name
    assert int(model[1].num_batches_tracked) == int(training)
    assert all(module.training == training for module in model.modules())


def test_nothing_reaches_the_gradients_of_the_weights_before_backward():
    model, x = net(), points()
    virtual_adversarial_loss(model, x, 0.5)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not x.requires_grad


def test_a_failing_pass_leaves_the_buffers_where_they_were():
    class Second(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.calls = nn.BatchNorm1d(5), 0

        def forward(self, x):
            self.calls += 1
            if self.calls == 2:
                self.norm(x)
                raise RuntimeError("second pass")
            return self.norm(x)

    model = Second()
    buffers, states = list(model.buffers()), torch.get_rng_state()
    with pytest.raises(RuntimeError, match="second pass"):
        virtual_adversarial_loss(model, points(), 0.5, generator=torch.Generator())
    assert all(a is b for a, b in zip(model.buffers(), buffers, strict=True))
    assert int(model.norm.num_batches_tracked) == 1
    assert torch.equal(states, torch.get_rng_state())


def test_all_passes_draw_the_same_dropout_masks():
    model, x = net(nn.Dropout(0.5)).train(), points()
    assert virtual_adversarial_loss(model, x, 0.0).abs().max() < 1e-6
    with torch.no_grad():  # without the same masks two passes differ
        assert kl(model(x), model(x)).max() > 1e-3


def embedded() -> tuple[nn.Module, nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(5)
    words, head = (
        nn.Embedding(20, 6),
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)),
    )
    lengths = torch.tensor([2, 5, 3, 4])
    tokens = torch.randint(20, (4, 5), generator=torch.Generator().manual_seed(6))
    return words, head, tokens, torch.arange(5) < lengths[:, None]


def test_embeddings_are_perturbed_where_there_are_words():
    words, head, tokens, mask = embedded()
    before = copy.deepcopy(head)

    def model(e: torch.Tensor) -> torch.Tensor:
        return head((e * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True))

    result = virtual_adversary(model, words(tokens), 0.8, mask=mask, owner=head, generator=SEEDS[:4])
    assert (result.delta[~mask] == 0).all()
    torch.testing.assert_close(result.delta.flatten(1).norm(dim=1), torch.full((4,), 0.8))
    assert int(head[1].num_batches_tracked) == 1
    result.loss.sum().backward()  # reaches the words too
    assert words.weight.grad is not None
    assert words.weight.grad.abs().sum() > 0

    # A model that looks at the padding does not move it either.
    blind = virtual_adversary(lambda e: before(e.sum(dim=1)), words(tokens), 0.8, mask=mask, owner=before)
    assert (blind.delta[~mask] == 0).all()
    torch.testing.assert_close(blind.delta.flatten(1).norm(dim=1), torch.full((4,), 0.8))


def test_a_model_without_a_slope_is_not_moved():
    loss, _, delta = virtual_adversary(lambda x: 0 * x[:, :3], points(), 0.5)
    assert torch.equal(delta, torch.zeros_like(delta))
    assert torch.equal(loss, torch.zeros_like(loss))


def test_a_certain_model_does_not_turn_the_direction_into_rounding():
    model, x = net(inputs=50), points(64, 50)
    with torch.no_grad():
        model[-1].weight *= 60  # most predictions become certain to more than float32 has digits
        model[-1].bias *= 60
    exact = virtual_adversary(copy.deepcopy(model).double(), x.double(), 1.0, xi=1e-6, generator=SEEDS).delta
    assert (model(x).softmax(dim=1).amax(dim=1) == 1).sum() > 20
    for xi in (1e-2, 1e-3):
        found = virtual_adversary(model, x, 1.0, xi=xi, generator=SEEDS).delta
        assert cosines(found.double(), exact).median() > 0.99

    # The plain gradient of the KL, for comparison.
    start = virtual_adversary(model, x, 1.0, steps=0, generator=SEEDS).delta
    delta = (1e-3 * start).requires_grad_()
    (plain,) = torch.autograd.grad(kl(model(x).detach(), model(x + delta)).sum(), delta)
    assert cosines(F.normalize(plain.double(), dim=1), exact).median() < 0.9


def test_it_can_be_measured_where_nothing_is_trained():
    model, x = net(), points()
    with torch.no_grad():
        loss = virtual_adversarial_loss(model, x, 0.5, generator=SEEDS[:8])
    assert not loss.requires_grad
    torch.testing.assert_close(loss, virtual_adversarial_loss(model, x, 0.5, generator=SEEDS[:8]).detach())


def test_a_generator_leaves_the_global_state_alone():
    model, x, state = net(), points(), torch.get_rng_state()
    deltas = [
        virtual_adversary(model, x, 0.5, generator=torch.Generator().manual_seed(s)).delta for s in (0, 0, 1)
    ]
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(deltas[0], deltas[1])
    assert not torch.equal(deltas[0], deltas[2])


class Spy(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach())
        return self.model(x)


def test_labelled_and_unlabelled_inputs_share_one_pass():
    model = Spy(net(nn.BatchNorm1d(12)))
    x, unlabelled, y = points(12)[:4], points(12)[4:], torch.tensor([0, 1, 2, 0])
    reference = copy.deepcopy(model.model)
    torch.manual_seed(7)
    loss = VAT(model, 0.5, weight=0.7, entropy=0.3).model_loss(x, y, unlabelled)
    assert [len(seen) for seen in model.seen] == [12, 12, 12]
    torch.manual_seed(7)
    lds, logits, _ = virtual_adversary(reference, torch.cat([x, unlabelled]), 0.5)
    p = logits.softmax(dim=1)
    h = -(p * p.log()).sum(dim=1).mean()
    torch.testing.assert_close(loss, F.cross_entropy(logits[:4], y) + 0.7 * lds.mean() + 0.3 * h)
    assert int(model.model[1].num_batches_tracked) == 1


def test_without_unlabelled_inputs_it_is_supervised():
    model, x, y = net(), points(), torch.arange(8) % 3
    torch.manual_seed(7)
    loss = VAT(model, 0.5).model_loss(x, y)
    torch.manual_seed(7)
    expected = F.cross_entropy(model(x), y) + virtual_adversarial_loss(model, x, 0.5).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(VAT(model, 0.5, weight=0.0).model_loss(x, y), F.cross_entropy(model(x), y))


def test_playing_it_makes_the_model_smooth_where_there_are_no_labels():
    x, unlabelled, y = points(4, 20), points(64, 20)[4:], torch.tensor([0, 1, 2, 0])

    def trained(weight: float, decide: float = 0.0) -> tuple[float, float]:
        model = net(inputs=20)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        game = VAT(model, 0.5, weight=weight, entropy=decide)
        play(game, [(x, y, unlabelled)], optimizer, steps=40, progress=False)
        with torch.no_grad():
            lds, logits, _ = virtual_adversary(model, unlabelled, 0.5, generator=SEEDS[:60])
            assert (model(x).argmax(dim=1) == y).all()
            return float(lds.mean()), float(entropy(logits).mean())

    without, smooth, decided = trained(0.0), trained(1.0), trained(1.0, decide=1.0)
    assert smooth[0] < 0.3 * without[0]
    assert decided[1] < 0.5 * smooth[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eps": -1.0}, "eps must be"),
        ({"eps": float("inf")}, "eps must be"),
        ({"eps": torch.ones(2, 2)}, "eps must be"),
        ({"eps": torch.ones(3)}, "one value for each of 3"),
        ({"xi": 0.0}, "xi must be"),
        ({"xi": float("nan")}, "xi must be"),
        ({"steps": -1}, "steps must be a whole number"),
        ({"x": torch.zeros(0, 5)}, "floating-point batch"),
        ({"mask": torch.ones(8, 4, dtype=torch.bool)}, "mask must be"),
        ({"mask": torch.ones(8, dtype=torch.bool)}, "mask must be"),
        ({"model": lambda x: x[:, 0]}, "must return logits"),
        ({"model": lambda x: x[:, :1]}, "2 classes or more"),
        ({"model": lambda x: torch.zeros(8, 3)}, "does not depend on the input"),
    ],
)
def test_bad_arguments_are_refused(options, words):
    given = {"model": net(), "x": points(), "eps": 0.5} | options
    with pytest.raises(ValueError, match=words):
        virtual_adversary(**given)


@pytest.mark.parametrize("options", [{"weight": -1.0}, {"entropy": float("inf")}, {"weight": float("nan")}])
def test_bad_weights_are_refused(options):
    with pytest.raises(ValueError, match=r"(weight|entropy) must be a finite number"):
        VAT(net(), 0.5, **options)


@pytest.mark.parametrize("extra", [(), (nn.BatchNorm1d(12), nn.Dropout(0.3))])
def test_under_autocast_the_direction_is_that_of_full_precision(extra):
    model, x, found = net(*extra), points(64), []
    for half in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found.append(virtual_adversary(model, x, 0.5, steps=2, generator=SEEDS))
    torch.testing.assert_close(found[1].delta, found[0].delta)
    assert found[1].loss.dtype == torch.float32
    found[1].loss.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_half_precision_without_autocast_is_refused():
    with pytest.raises(ValueError, match="whose rounding is larger than steps of xi"):
        virtual_adversary(net().bfloat16(), points().bfloat16(), 0.5)


def test_the_statistics_of_a_network_inside_a_function_are_counted_once():
    model = net(nn.BatchNorm1d(12))
    virtual_adversary(lambda x: model(x), points(), 0.5, steps=2)
    assert int(model[1].num_batches_tracked) == 1


@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_the_entropy_alone_is_that_of_labelled_and_unlabelled_inputs(share):
    model, x, others = net(), points(6), 3 * points(9)
    y = torch.arange(6) % 3
    loss = VAT(model, 1.0, weight=0.0, entropy=share)("model", x, y, others)
    expected = F.cross_entropy(model(x), y) + share * entropy(model(torch.cat([x, others]))).mean()
    torch.testing.assert_close(loss, expected)
