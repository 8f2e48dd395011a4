"""What every attack promises: it stays inside, changes nothing, refuses what it would get wrong."""

import copy
import dataclasses
import math
import pickle
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes.attacks import (
    APGD,
    BIM,
    FAB,
    FGSM,
    MIFGSM,
    PGD,
    AutoAttack,
    CarliniWagner,
    DeepFool,
    Square,
    TargetedAPGD,
    TargetedFAB,
    Universal,
)
from advnotes.checks import check_inputs
from advnotes.fast import prepared
from advnotes.gradients import MaskedGradientWarning
from advnotes.losses import cross_entropy, dlr, margin_loss
from advnotes.threats import L1, L2, Linf
from tests.advnotes.attacks.every import ATTACKS, each_of

#: They leave alone what is wrong already: attacks of the least norm, and the ensemble.
NEAREST = (AutoAttack, CarliniWagner, DeepFool, FAB)
every_attack = each_of(ATTACKS)


class Net(nn.Module):
    """A little of everything that an attack could disturb."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(4 * 36, 3),
        ).to(dtype)

    def forward(self, x):
        return self.body(x)


def batch(dtype: torch.dtype = torch.float32, n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(n, 1, 8, 8, generator=generator, dtype=dtype)
    x[:, :, :2] = 0  # pixels at the ends of the range, as real images have them
    x[:, :, -2:] = 1
    return x, torch.arange(n) % 3


def state(model: nn.Module) -> bytes:
    return pickle.dumps(
        [
            [
                (n, p.detach().numpy().tobytes(), p.grad is None, p.requires_grad)
                for n, p in model.named_parameters()
            ],
            [(n, b.numpy().tobytes()) for n, b in model.named_buffers()],
            [(n, m.training) for n, m in model.named_modules()],
        ]
    )


@every_attack
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_result_is_inside_the_threat_and_the_range(attack, dtype):
    model, (x, y) = Net(dtype), batch(dtype)
    x_adv = attack(model, x, y)
    assert x_adv.shape == x.shape
    assert x_adv.dtype == dtype
    assert not x_adv.requires_grad
    assert x_adv.grad_fn is None
    assert x_adv.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert (attack.threat.norm(x_adv - x) <= attack.threat.eps * (1 + 1e-5)).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    moved = (x_adv != x).flatten(1).any(dim=1)
    if isinstance(attack, NEAREST):
        # What is wrong already is its own nearest adversarial point.
        moved |= model.eval()(x).argmax(dim=1) != y
    assert moved.all()


@every_attack
def test_nothing_else_changes(attack):
    model, (x, y) = Net(), batch()
    model.train()
    model.body[1].eval()  # frozen statistics inside a network in training
    model.body[0].weight.requires_grad_(False)
    model.body[5].weight.grad = torch.ones_like(model.body[5].weight)
    before, inputs = state(model), x.clone()
    gradient = model.body[5].weight.grad.clone()
    rng = torch.get_rng_state()
    attack(model, x, y, torch.Generator().manual_seed(0))
    assert state(model) == before
    assert torch.equal(model.body[5].weight.grad, gradient)
    assert torch.equal(x, inputs)
    assert not x.requires_grad
    assert torch.equal(torch.get_rng_state(), rng)


@every_attack
def test_modes_and_buffers_come_back_after_an_error_and_after_train_mode(attack):
    model, (x, y) = Net(), batch()
    model.train()
    model.body[1].eval()
    calls = 0

    def fail(*_):
        nonlocal calls
        calls += 1
        raise RuntimeError("out of memory, say")

    before = state(model)
    handle = model.body[4].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        attack(model, x, y)
    handle.remove()
    assert calls == 1
    assert state(model) == before

    in_training = copy.copy(attack)
    object.__setattr__(in_training, "training", True)
    modes = []
    handle = model.body[1].register_forward_pre_hook(lambda module, _: modes.append(module.training))
    in_training(model, x, y)
    handle.remove()
    assert modes
    assert all(modes)
    assert state(model) == before


@every_attack
def test_nothing_else_changes_when_the_model_fails_amidst_the_attack(attack):
    model, (x, y) = Net(), batch()
    model.train()
    model.body[1].eval()
    in_training = copy.copy(attack)
    object.__setattr__(in_training, "training", True)  # so that running statistics move before it fails
    calls, last = 0, None

    def fail(*_):
        nonlocal calls
        calls += 1
        if calls == last:
            raise RuntimeError("out of memory, say")

    model.body[4].register_forward_hook(fail)
    before, inputs, rng = state(model), x.clone(), torch.get_rng_state()
    with torch.random.fork_rng():  # dropout draws
        in_training(model, x, y, torch.arange(6))
    last, calls = calls // 2 + 1, 0
    with pytest.raises(RuntimeError, match="out of memory"), torch.random.fork_rng():
        in_training(model, x, y, torch.arange(6))
    assert calls == last
    assert state(model) == before
    last, calls = 1, 0
    with pytest.raises(RuntimeError, match="out of memory"):
        attack(model, x, y, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), rng)
    assert state(model) == before
    assert torch.equal(x, inputs)


def test_nothing_else_changes_where_a_faster_copy_is_attacked():
    model, (x, y) = Net().train(), batch(n=200)
    model.body[0].weight.requires_grad_(False)
    model.body[5].weight.grad = torch.ones_like(model.body[5].weight)
    before, rng, asked = state(model), torch.get_rng_state(), []

    def loss(logits, y):
        asked.append(len(y))
        if len(asked) == limit:
            raise RuntimeError("out of memory, say")
        return cross_entropy(logits, y)

    attack, limit = PGD(Linf(0.1), loss=loss), 0
    assert prepared(model.eval(), x, passes=attack.estimated_passes) is not model
    attack(model.train(), x, y, torch.arange(200))
    assert state(model) == before
    asked.clear()
    limit = 5
    with pytest.raises(RuntimeError, match="out of memory"):
        attack(model, x, y, torch.arange(200))
    assert len(asked) == 5
    assert state(model) == before
    assert torch.equal(torch.get_rng_state(), rng)


@every_attack
def test_the_graph_of_the_input_is_neither_used_nor_continued(attack):
    model, (x, y) = Net().eval(), batch()
    leaf = x.clone().requires_grad_()
    given = leaf * 1
    x_adv = attack(model, given, y, torch.arange(6))
    assert x_adv.grad_fn is None
    assert not x_adv.requires_grad
    assert given.requires_grad
    assert leaf.grad is None
    assert torch.equal(x_adv, attack(model, x, y, torch.arange(6)))


@every_attack
def test_seeds_decide_the_draws_and_the_global_generator_does_not(attack):
    model, (x, y) = Net().eval(), batch()
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        rng = torch.get_rng_state()
        results.append(attack(model, x, y, torch.arange(6)))
        assert torch.equal(torch.get_rng_state(), rng)
    assert torch.equal(*results)


@every_attack
def test_samples_that_stand_come_back_at_a_higher_loss(attack):
    model, (x, _) = Net(torch.float64).eval(), batch(torch.float64)
    y = torch.zeros(6, dtype=torch.int64)
    with torch.no_grad():
        model.body[5].bias[0] += 10  # which nothing inside the threat makes up for
    x_adv = attack(model, x, y, torch.arange(6))
    with torch.no_grad():
        clean, moved = model(x), model(x_adv)
    assert (moved.argmax(dim=1) == 0).all()
    loss = getattr(attack, "loss", margin_loss)
    if isinstance(attack, TargetedAPGD):
        loss = margin_loss
    gain = loss(moved, y) - loss(clean, y)
    if isinstance(attack, Universal):  # one perturbation for all raises their mean
        gain = gain.mean(dim=0, keepdim=True)
    assert (gain > 0).all()


class NoSlope(torch.autograd.Function):
    """Itself; its gradient is not a number where a sample is dark."""

    @staticmethod
    def forward(ctx, x):
        ctx.dark = (x.mean(dim=(1, 2, 3)) < 0.5).view(-1, 1, 1, 1)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.masked_fill(ctx.dark, torch.nan)


@every_attack
def test_a_sample_without_a_finite_gradient_spares_the_others_and_is_counted(attack):
    net, (x, _) = Net(torch.float64).eval(), batch(torch.float64)
    x = 0.7 + 0.3 * x
    x[2] = 0.2 * (x[2] - 0.7) / 0.3
    y = net(x).argmax(dim=1)
    seeds, others = torch.arange(6) + 3, torch.tensor([0, 1, 3, 4, 5])

    def model(x):
        return net(NoSlope.apply(x))

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        x_adv = attack(model, x, y, seeds)
    assert x_adv.isfinite().all()
    assert (attack.threat.norm(x_adv - x) <= attack.threat.eps * (1 + 1e-5)).all()
    if not isinstance(attack, Universal):  # which finds one perturbation for the batch
        alone = attack(net, x[others], y[others], seeds[others])
        torch.testing.assert_close(x_adv[others], alone)
    missed = net(x_adv)[2].argmax() == y[2]
    if missed and not isinstance(attack, Square):  # which takes no gradients
        assert any(str(w.message).startswith("1 of ") for w in said)


@every_attack
def test_sees_the_model_in_eval_mode(attack):
    model, (x, y) = Net().train(), batch()
    source = torch.Generator().manual_seed(0)
    in_train = attack(model, x, y, source)
    in_eval = attack(model.eval(), x, y, source.manual_seed(0))
    assert torch.equal(in_train, in_eval)


@every_attack
def test_works_under_no_grad_and_inference_mode(attack):
    model, (x, y) = Net().eval(), batch()
    source = torch.Generator().manual_seed(0)
    expected = attack(model, x, y, source)
    with torch.no_grad():
        assert torch.equal(attack(model, x, y, source.manual_seed(0)), expected)
    with torch.inference_mode():
        assert torch.equal(attack(model, x * 1, y * 1, source.manual_seed(0)), expected)


@every_attack
def test_result_depends_on_the_sample_and_its_seed_alone(attack):
    model, (x, y) = Net(torch.float64).eval(), batch(torch.float64)
    seeds = torch.arange(6) + 10
    together = attack(model, x, y, seeds)
    if not isinstance(attack, Universal):  # which finds one perturbation for the batch
        alone = torch.cat([attack(model, x[i : i + 1], y[i : i + 1], seeds[i : i + 1]) for i in range(6)])
        torch.testing.assert_close(alone, together)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(attack(model, x[order], y[order], seeds[order]), together[order])
    if isinstance(attack, PGD) and attack.random_start and isinstance(attack.threat, L2):
        assert not torch.equal(attack(model, x, y, seeds + 1), together)


@every_attack
def test_pixels_at_the_ends_of_the_range_can_move(attack):
    x, _ = batch()
    weight = torch.linspace(0.01, 0.02, 64)  # small, so that the softmax does not saturate
    x[:] = 0.0
    x[:, :, 4:] = 1.0
    # Raising the loss wants every pixel to go inwards: up from 0, down from 1.
    sign = torch.where(x[0].flatten() == 0, 1.0, -1.0)

    def model(x):
        score = (x.flatten(1) * weight * sign).sum(dim=1)
        return torch.stack([-score, score], dim=1)

    x_adv = attack(model, x, torch.zeros(6, dtype=torch.int64))
    moved = (x_adv != x).flatten(1).sum(dim=1)
    # The sparse steps of L1 and a random search of few queries do not get to every pixel.
    few = isinstance(attack.threat, L1) or isinstance(attack, Square)
    assert (moved >= (1 if few else 60)).all()


@every_attack
def test_targeted_reaches_for_the_class(attack):
    if isinstance(attack, AutoAttack | DeepFool | TargetedAPGD | TargetedFAB):
        with pytest.raises(ValueError, match="chooses the classes to reach"):
            dataclasses.replace(attack, targeted=True)
        return
    model, (x, y) = Net(torch.float64).eval(), batch(torch.float64)
    # One perturbation for all reaches for one class.
    target = torch.zeros_like(y) if isinstance(attack, Universal) else (y + 1) % 3
    towards = copy.copy(attack)
    object.__setattr__(towards, "targeted", True)
    loss = nn.CrossEntropyLoss()
    assert loss(model(towards(model, x, target)), target) < loss(model(x), target) - 1e-3


@every_attack
def test_the_ratio_that_leads_to_no_class_is_refused(attack):
    if not hasattr(attack, "loss") or isinstance(attack, TargetedAPGD):
        return
    assert dataclasses.replace(attack, loss=dlr).loss is dlr
    with pytest.raises(ValueError, match=r"got dlr .* with targeted=True.*margin_loss.*TargetedAPGD"):
        dataclasses.replace(attack, loss=dlr, targeted=True)


@every_attack
def test_a_saturated_model_is_named_not_turned_into_nan(attack):
    x, _ = batch()

    def model(x):
        return torch.stack([x.flatten(1).sum(dim=1) * 0 + 1, x.flatten(1).sum(dim=1) * 0], dim=1)

    y = torch.zeros(6, dtype=torch.int64)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        x_adv = attack(model, x, y)
    assert x_adv.isfinite().all()
    if not isinstance(attack, Square):  # which takes no gradients
        assert {w.category for w in said} == {MaskedGradientWarning}
        assert "6 of 6 samples" in str(said[0].message)


def test_a_gradient_that_is_not_finite_in_one_sample_spares_the_others():
    model, (x, y) = Net().eval(), batch()
    x[0] = 0

    def risky(x):  # the square root has an infinite slope at 0
        return model(x) + x.sum(dim=(1, 2, 3)).sqrt()[:, None] * torch.tensor([1.0, 0.0, 0.0])

    x_adv = FGSM(Linf(0.1))(risky, x, y)
    assert x_adv.isfinite().all()
    assert torch.equal(x_adv[0], x[0])
    assert torch.equal(x_adv[1:], FGSM(Linf(0.1))(risky, x[1:], y[1:]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x * 255, y), r"within \[0, 1\], got values from 0 to 255.*Normalize"),
        (lambda x, y: (x.fill_(float("nan")), y), "must be finite"),
        (lambda x, y: ((x * 255).to(torch.uint8), y), r"floating point.*uint8.*/ 255"),
        (lambda x, y: (x[0, 0, 0], y), "a batch of at least one"),
        (lambda x, y: (x[:0], y[:0]), "a batch of at least one"),
        (lambda x, y: (x, y[:3]), r"class numbers of shape \(6,\).*as many labels as samples, 6"),
        (lambda x, y: (x, y.float()), r"class numbers of shape.*y\.long\(\)"),
        (lambda x, y: (x, torch.nn.functional.one_hot(y)), r"class numbers.*y\.argmax\(dim=1\)"),
        (lambda x, y: (x, y - 1), "class numbers from 0, got -1"),
        (lambda x, y: (x, y.to("meta")), "move them to one device"),
        (lambda x, y: (x.numpy(), y), "must be tensors, got ndarray and Tensor"),
        (lambda x, y: (x, y.tolist()), "must be tensors, got Tensor and list"),
    ],
)
def test_bad_input_is_refused_before_any_work(change, message):
    x, y = change(*batch())
    # Called by itself, since in tests the annotations of the attack would refuse some of it first.
    with pytest.raises(ValueError, match=message):
        check_inputs(x, y, (0.0, 1.0))


def test_labels_beyond_the_classes_are_refused():
    x, y = batch()
    with pytest.raises(ValueError, match="labels must lie from 0 to 2, got 3 for sample 2"):
        FGSM(Linf(0.1))(Net(), x, y + 1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: x.flatten(1).sum(dim=1), r"one number for each sample.*TwoLogits"),
        (lambda x: x.flatten(1).sum(dim=1, keepdim=True), r"one number for each sample.*\[0, s\]"),
        (lambda x: x.flatten(1)[:3], "logits of shape"),
        (lambda x: x.detach().flatten(1), "does not depend on the input in a differentiable way"),
        (lambda x: Net()(x.detach()), "does not depend on the input in a differentiable way"),
        (lambda x: (x.flatten(1), x), "must return a tensor of logits, got tuple"),
    ],
)
def test_bad_models_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        BIM(Linf(0.1), steps=1)(model, *batch())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PGD(Linf(8.0)), "write 8 / 255, not 8"),
        (lambda: PGD(Linf(0.1), steps=0), "steps must be a whole number of at least 1, got 0"),
        (lambda: PGD(Linf(0.1), restarts=0), "restarts must be a whole number of at least 1, got 0"),
        (lambda: PGD(Linf(0.1), step_size=0.0), "step_size must be positive"),
        (lambda: BIM(Linf(0.1), restarts=3), "restarts without a random start"),
        (lambda: PGD(Linf(0.1), restarts=3, best=False), "only known with best=True"),
        (lambda: PGD(Linf(0.1), bounds=(1.0, 0.0)), "lowest < highest"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_loss_that_reduces_is_refused():
    with pytest.raises(ValueError, match="no mean, no sum"):
        PGD(Linf(0.1), loss=nn.functional.cross_entropy)(Net(), *batch())


def test_other_ranges_and_shapes_are_fine():
    torch.manual_seed(0)
    model = nn.Linear(5, 4)
    x, y = 2 * torch.rand(7, 5) - 1, torch.randint(0, 4, (7,))
    x_adv = PGD(Linf(0.5), bounds=(-1.0, 1.0), loss=margin_loss)(model, x, y)
    assert x_adv.min() < -0.5
    assert (x_adv - x).abs().max() <= 0.5 + 1e-6


def test_inputs_that_miss_the_range_by_rounding_are_clipped_and_others_refused():
    model, (x, y) = Net(), batch()
    given = x.clone()
    given[0, 0, 0, 0], given[1, 0, 7, 7] = -3e-8, 1 + 1.2e-7
    seeds = torch.arange(6)
    x_adv = PGD(Linf(0.1))(model, given, y, seeds)
    assert 0 <= x_adv.min() <= x_adv.max() <= 1
    assert torch.equal(x_adv, PGD(Linf(0.1))(model, x, y, seeds))
    given[0, 0, 0, 0] = -1e-4
    with pytest.raises(ValueError, match=r"must lie within \[0, 1\], got values from -0.0001"):
        PGD(Linf(0.1))(model, given, y)


def test_unevaluated_points_do_not_hide_that_there_was_no_gradient():
    net, (x, _) = Net().eval(), batch()
    y = net(x).argmax(dim=1)
    for attack in (
        FGSM(Linf(0.1)),
        MIFGSM(Linf(0.1), best=False),
        BIM(Linf(0.1), best=False),
        PGD(Linf(0.1), best=False),
    ):
        passes = []

        def saturated(x, passes=passes):
            passes.append(1)
            return 1e6 * net(x)

        with pytest.warns(MaskedGradientWarning, match="6 of 6 samples"):
            attack(saturated, x, y)
        assert len(passes) == (1 if isinstance(attack, FGSM) else attack.steps)


def test_bounds_become_numbers_and_a_step_size_for_each_sample_must_fit():
    attack = PGD(Linf(0.1))
    object.__setattr__(attack, "bounds", [-1, 1])  # which the annotations would refuse in a test
    attack.__post_init__()
    assert attack.bounds == (-1.0, 1.0)
    for bounds in ((0.0, float("nan")), (float("inf"), 0.0)):
        with pytest.raises(ValueError, match=r"bounds must be \(lowest, highest\)"):
            PGD(Linf(0.1), bounds=bounds)
    model, (x, y) = Net(), batch()
    with pytest.raises(ValueError, match="step_size has one value for each of 4 samples, but there are 6"):
        PGD(Linf(0.1), step_size=torch.full((4,), 0.1))(model, x, y)


WITHOUT_A_RANGE = (FGSM, BIM, PGD, MIFGSM, APGD)
WITH_A_RANGE = (DeepFool, FAB, TargetedFAB, Square, AutoAttack, Universal)


@pytest.mark.parametrize("kind", WITHOUT_A_RANGE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("threat", [Linf(0.5), L2(1.0), L1(3.0)], ids=lambda threat: type(threat).__name__)
def test_data_without_a_range_are_attacked_where_no_width_is_used(kind, threat):
    torch.manual_seed(0)
    net, x = nn.Linear(12, 3).eval(), 3 * torch.randn(20, 12)
    y = net(x).argmax(dim=1)
    x_adv = kind(threat, bounds=(-math.inf, math.inf))(net, x, y, torch.arange(20))
    assert bool((threat.norm(x_adv - x) <= threat.eps * (1 + 1e-5)).all())
    assert F.cross_entropy(net(x_adv), y) > 1.2 * F.cross_entropy(net(x), y)


@pytest.mark.parametrize("kind", WITH_A_RANGE, ids=lambda kind: kind.__name__)
def test_a_method_that_uses_the_width_of_the_range_wants_a_finite_one(kind):
    for bounds in ((-math.inf, math.inf), (0.0, math.inf), (-math.inf, 0.0)):
        with pytest.raises(ValueError, match=r"bounds must be .* take those of the data"):
            kind(Linf(0.1), bounds=bounds)


def test_what_an_attack_declares_about_itself():
    threat = Linf(torch.tensor([0.1, 0.2]))
    pgd = PGD(threat, steps=7, restarts=3, step_size=torch.tensor([0.1, 0.3]))
    assert pgd.estimated_passes == 21
    assert torch.equal(pgd.scaled(0.5).step_size, pgd.step_size / 2)
    assert torch.equal(pgd.scaled(0.5).threat.eps, threat.eps / 2)
    assert torch.equal(pgd.rows(torch.tensor([1])).step_size, torch.tensor([0.3]))
    assert pgd.returns_best
    assert not PGD(threat, best=False).returns_best
    assert Universal(Linf(0.2), step_size=0.1).scaled(0.5).step_size == pytest.approx(0.05)
    # Its step is one of Adam's, in other units.
    assert CarliniWagner(L2(1.0), step_size=0.1).scaled(0.5).step_size == 0.1
    assert AutoAttack(L2(1.0)).estimated_passes > AutoAttack(L2(1.0), queries=10).estimated_passes


@pytest.mark.parametrize(
    "attack",
    [
        PGD(Linf(0.1), steps=3),
        APGD(Linf(0.1), steps=5),
        FAB(Linf(0.1), steps=3),
        FAB(L2(1.0), steps=3),
        Square(Linf(0.1), queries=6),
    ],
    ids=lambda attack: f"{type(attack).__name__}-{type(attack.threat).__name__}",
)
def test_each_restart_looks_at_points_of_its_own(attack):
    """From the second run on: one that begins where the first did sees the first's points again."""
    model, (x, _) = Net().eval(), batch()
    y = model(x).argmax(dim=1)

    def seen(restarts: int) -> int:
        points = set()

        def watched(point):
            points.update(row.numpy().tobytes() for row in point.detach())
            return model(point)

        dataclasses.replace(attack, restarts=restarts, fast=False)(watched, x, y, torch.arange(len(x)))
        return len(points)

    one, two, three = map(seen, (1, 2, 3))
    assert one < two < three
