"""Adversarial training: its two halves, its warm-up, Danskin's gradient, and who may touch the batch statistics."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes import play
from advnotes.attacks import FGSM, PGD
from advnotes.data import batches
from advnotes.gradients import MaskedGradientWarning
from advnotes.losses import cross_entropy
from advnotes.robust import AdversarialTraining, MixedBatchTraining, SeveralThreats
from advnotes.threats import L2, Linf
from tests.advnotes.robust.small import batch, net, safe_and_frail

ATTACK = PGD(Linf(0.1), steps=3, best=False)


def gradients(loss: torch.Tensor, model: nn.Module) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def trained(game: AdversarialTraining, steps: int, **options) -> torch.Tensor:
    """The weights after some steps from fixed seeds."""
    torch.manual_seed(2)
    x, y = batch(32)
    optimizer = torch.optim.SGD(game.model.parameters(), lr=0.1)
    play(game, batches(x, y, batch_size=8), optimizer, steps=steps, progress=False, **options)
    return torch.cat([p.detach().flatten() for p in game.model.parameters()])


@pytest.mark.parametrize("attack", [None, ATTACK])
def test_share_0_is_ordinary_training_bit_for_bit(attack):
    model = net()
    weights = trained(AdversarialTraining(model, attack, share=0.0, warmup=3), steps=6)

    other, (x, y) = net(), batch(32)
    torch.manual_seed(2)
    optimizer, done = torch.optim.SGD(other.parameters(), lr=0.1), 0
    while done < 6:
        for inputs, labels in batches(x, y, batch_size=8):
            if done < 6:
                optimizer.zero_grad()
                F.cross_entropy(other(inputs), labels).backward()
                optimizer.step()
                done += 1
    assert torch.equal(weights, torch.cat([p.detach().flatten() for p in other.parameters()]))


def test_share_of_a_half_is_the_mean_of_both_halves():
    model, (x, y), attack = net(), batch(), FGSM(Linf(0.1))
    x_adv = attack(model, x, y)
    clean, adversarial = F.cross_entropy(model(x), y), F.cross_entropy(model(x_adv), y)
    assert adversarial > clean + 0.01
    mix = AdversarialTraining(model, attack, share=0.5).model_loss(x, y)
    torch.testing.assert_close(mix, (clean + adversarial) / 2)
    # ... which is the cross-entropy of the concatenated batch.
    torch.testing.assert_close(mix, F.cross_entropy(model(torch.cat([x, x_adv])), torch.cat([y, y])))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_share_weighs_the_adversarial_loss(share):
    model, (x, y), attack = net(), batch(), FGSM(Linf(0.1))
    clean, adversarial = (F.cross_entropy(model(i), y) for i in (x, attack(model, x, y)))
    loss = AdversarialTraining(model, attack, share=share).model_loss(x, y)
    torch.testing.assert_close(loss, (1 - share) * clean + share * adversarial)


def test_gradient_is_the_one_at_the_attacks_result():
    model, (x, y) = net(), batch()
    torch.manual_seed(3)
    x_adv = ATTACK(model, x, y)
    torch.manual_seed(3)
    loss = AdversarialTraining(model, ATTACK).model_loss(x, y)
    assert torch.equal(gradients(loss, model), gradients(F.cross_entropy(model(x_adv), y), model))


def test_no_graph_goes_through_the_attack():
    # Through an L2 step the weights' gradient is another one, so that a missing detach would show.
    model, (x, y) = net(), batch()
    inputs = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(model(inputs), y).sum(), inputs, create_graph=True)
    length = gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    through = gradients(F.cross_entropy(model((x + 0.5 * gradient / length).clamp(0, 1)), y), model)

    ours = gradients(AdversarialTraining(model, FGSM(L2(0.5))).model_loss(x, y), model)
    x_adv = FGSM(L2(0.5))(model, x, y)
    assert not x_adv.requires_grad
    torch.testing.assert_close(ours, gradients(F.cross_entropy(model(x_adv), y), model))
    assert (ours - through).norm() > 1e-3 * ours.norm()


def test_warmup_grows_radius_and_step_linearly():
    game, (x, y) = AdversarialTraining(net(), PGD(Linf(0.2), steps=2, step_size=0.1), warmup=4), batch()
    sizes = []
    for _ in range(6):
        game.model_loss(x, y)
        now = game.current_attack()
        sizes.append((now.threat.eps, now.step_size))
    expected = [(0.2 * f, 0.1 * f) for f in (0.25, 0.5, 0.75, 1, 1, 1)]
    assert sizes == [pytest.approx(pair) for pair in expected]


def test_inputs_during_warmup_stay_in_the_smaller_ball():
    seen: list[torch.Tensor] = []

    class Spy(nn.Sequential):
        def forward(self, x):
            seen.append(x.detach())
            return super().forward(x)

    (x, y), game = batch(), AdversarialTraining(Spy(net()), FGSM(Linf(0.2)), warmup=4)
    for fraction in (0.25, 0.5, 0.75, 1.0, 1.0):
        game.model_loss(x, y)
        assert float((seen[-1] - x).abs().max()) == pytest.approx(0.2 * fraction, abs=1e-6)


def test_warmup_goes_on_from_its_buffer(tmp_path):
    def game():
        return AdversarialTraining(net(), ATTACK, warmup=10)

    half, whole, resumed = game(), game(), game()
    uninterrupted = trained(whole, steps=8)
    trained(half, steps=4, checkpoint=tmp_path)
    assert torch.equal(trained(resumed, steps=8, checkpoint=tmp_path), uninterrupted)
    assert int(resumed.moves) == int(whole.moves) == 8

    fresh = game()
    fresh.load_state_dict(half.state_dict())
    assert fresh.current_attack().threat.eps == pytest.approx(0.1 * 4 / 10)


def test_a_loss_in_eval_mode_is_no_move_of_the_warmup():
    game, (x, y) = AdversarialTraining(net(), ATTACK, warmup=10), batch()
    game.model_loss(x, y)
    game.eval()
    game.model_loss(x, y)
    assert int(game.moves) == 1
    assert game.current_attack() is ATTACK
    game.train()
    assert game.current_attack().threat.eps == pytest.approx(0.01)


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("training", [False, True])
def test_batch_statistics_come_from_the_training_pass_alone(training, share):
    attack = PGD(Linf(0.1), steps=3, best=False, training=training)
    model, (x, y) = net(norm=True).train(), batch()
    reference = copy.deepcopy(model)
    torch.manual_seed(3)
    AdversarialTraining(model, attack, share=share).model_loss(x, y)

    torch.manual_seed(3)
    x_adv = attack(reference, x, y)
    reference(x_adv if share == 1 else torch.cat([x, x_adv]))  # the one pass that may leave a trace
    assert model[2].num_batches_tracked == reference[2].num_batches_tracked == 1
    assert torch.equal(model[2].running_mean, reference[2].running_mean)
    assert torch.equal(model[2].running_var, reference[2].running_var)
    assert all(module.training for module in model.modules())


def test_attack_sees_the_mode_that_it_states():
    modes: list[bool] = []

    class Spy(nn.Sequential):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    (x, y), model = batch(), Spy(net(norm=True))
    for training in (False, True):
        modes.clear()
        AdversarialTraining(model, FGSM(Linf(0.1), training=training)).model_loss(x, y)
        assert modes == [training, True]


def test_any_callable_can_be_the_adversary():
    def darker(model, x, y):
        return x / 2

    model, (x, y) = net(), batch()
    loss = AdversarialTraining(model, darker).model_loss(x, y)
    torch.testing.assert_close(loss, F.cross_entropy(model(x / 2), y))


def test_training_on_the_worst_case_makes_a_model_robust():
    x, y = safe_and_frail()
    attack = PGD(Linf(0.2), steps=5)

    def robust(share: float) -> float:
        torch.manual_seed(0)
        model = nn.Linear(2, 2)
        game = AdversarialTraining(model, attack, share=share)
        play(
            game,
            batches(x, y, batch_size=64),
            torch.optim.Adam(model.parameters(), lr=0.1),
            epochs=30,
            progress=False,
        )
        return float((model(attack(model, x, y)).argmax(dim=1) == y).float().mean())

    assert robust(share=0.0) < 0.6
    assert robust(share=1.0) > 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"share": -0.1}, "share must be a finite number"),
        ({"share": 1.5}, "share must be a finite number"),
        ({"share": float("nan")}, "share must be a finite number"),
        ({"warmup": -1}, "warmup must be"),
        ({"attack": None}, "wants an attack"),
        ({"attack": lambda model, x, y: x, "warmup": 3}, "warm-up wants"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        AdversarialTraining(**{"model": net(), "attack": ATTACK, **arguments})


def test_without_an_adversary_there_is_no_current_attack():
    with pytest.raises(ValueError, match="no attack"):
        AdversarialTraining(net(), None, share=0.0).current_attack()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "game",
    [
        lambda model: AdversarialTraining(model, ATTACK),
        lambda model: SeveralThreats(model, [ATTACK, FGSM(Linf(0.1))]),
        lambda model: MixedBatchTraining(model, FGSM(Linf(0.1))),
    ],
)
def test_a_sample_that_is_learnt_is_no_masked_gradient_while_a_game_trains(game) -> None:
    class Certain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 1e6 * self.layer(x)

    model = Certain()
    x, _ = batch()
    y = model(x).argmax(dim=1)
    with pytest.warns(MaskedGradientWarning):
        ATTACK(model, x, y)
    assert game(model).train().model_loss(x, y).isfinite()
