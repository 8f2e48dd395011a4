"""Accuracy with its interval, and mode coverage."""

import inspect
import warnings

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from scipy.stats import binomtest
from torch import nn

from advnotes.attacks import EOT, FGSM, PGD
from advnotes.checks import check_model
from advnotes.metrics import Proportion, accuracy, fooling_rate, mode_coverage, robust_accuracy
from advnotes.model_state import NonFiniteLogitsWarning
from advnotes.threats import Linf


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_scipys(pair):
    ours, theirs = Proportion(*pair), binomtest(*pair).proportion_ci(method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-6)
    assert ours.high == pytest.approx(theirs.high, abs=1e-6)
    assert ours.low <= ours.value <= ours.high


def test_proportion_reads_well_and_refuses_nonsense():
    assert str(Proportion(50, 100)) == "50.0% [40.4%, 59.6%]"
    for count, total in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="0 <= count <= total"):
            Proportion(count, total)


def flat(seed: int = 0) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3))
    x = torch.rand(50, 1, 4, 4)
    return model.train(), x, model.eval()(x).argmax(1)


def test_accuracy_is_of_the_model_in_eval_mode_and_leaves_it_in_train_mode():
    model, x, y = flat()
    model.train()
    assert float(accuracy(model, x, y, batch_size=7)) == 1
    assert model.training
    y[:5] = (y[:5] + 1) % 3
    assert accuracy(model, x, y) == Proportion(45, 50)


def test_robust_accuracy_counts_what_is_wrong_without_the_attack_as_wrong():
    model, x, y = flat()
    y[:5] = (y[:5] + 1) % 3
    # This one brings every sample to the class that is asked for: it helps those that were wrong.
    assert robust_accuracy(model, FGSM(Linf(1e-6)), x, y) == Proportion(45, 50)
    assert robust_accuracy(model, PGD(Linf(0.9)), x, y).count < 10


def test_robust_accuracy_divides_per_sample_radii_along_with_the_samples():
    model, x, y = flat()
    seeds, eps = torch.arange(50), torch.tensor([0.0, 0.9]).repeat_interleave(25)
    attack = PGD(Linf(eps), steps=5)
    halves = [
        robust_accuracy(model, PGD(Linf(radius), steps=5), x[part], y[part], generator=seeds[part]).count
        for radius, part in ((1e-9, slice(25)), (0.9, slice(25, 50)))
    ]
    assert halves[1] < halves[0] == 25
    for n in (7, 25, 50):
        assert robust_accuracy(model, attack, x, y, batch_size=n, generator=seeds).count == sum(halves)
    with pytest.raises(ValueError, match="each of 50 samples, but there are 40"):
        robust_accuracy(model, attack, x[:40], y[:40])


def test_robust_accuracy_with_per_sample_seeds_does_not_see_the_batch_size():
    model, x, y = flat()
    attack, seeds = PGD(Linf(0.05), steps=2), torch.arange(50)
    results = {robust_accuracy(model, attack, x, y, batch_size=n, generator=seeds).count for n in (1, 7, 50)}
    assert len(results) == 1
    assert 0 < results.pop() < 50


def test_targeted_and_empty_are_refused():
    model, x, y = flat()
    with pytest.raises(ValueError, match="targeted=False"):
        robust_accuracy(model, FGSM(Linf(0.1), targeted=True), x, y)
    with pytest.raises(ValueError, match="at least one"):
        accuracy(model, x[:0], y[:0])
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, got -5"):
        accuracy(model, x, y, batch_size=-5)
    with pytest.raises(ValueError, match="one seed for each of 50 samples"):
        robust_accuracy(model, FGSM(Linf(0.1)), x, y, generator=torch.arange(60))


def test_mode_coverage():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    samples = torch.tensor([[0.1, 0.0], [0.0, -0.1], [10.0, 0.2], [5.0, 5.0]])
    assert mode_coverage(samples, centres, 0.3) == (2, 0.75)
    assert mode_coverage(samples, centres, 0.15) == (1, 0.5)
    with pytest.raises(ValueError, match="at least 1 samples"):
        mode_coverage(samples[:0], centres, 0.3)


def test_mode_coverage_far_from_the_origin_and_in_other_precisions():
    centres = torch.tensor([[4000.0, 4000.0], [0.0, 0.0]], dtype=torch.float64)
    samples = torch.full((100, 2), 4000.0)
    samples[:, 0] += 0.25
    assert mode_coverage(samples, centres, 0.26) == (1, 1.0)
    assert mode_coverage(samples, centres, 0.24) == (0, 0.0)


def test_fooling_rate_counts_predictions_that_change_in_eval_mode():
    x = nn.functional.one_hot(torch.arange(50) % 3, 3).float()
    x_adv = x.clone()
    x_adv[:20] = x[:20].roll(1, dims=1)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5)).train()
    assert fooling_rate(model, x, x_adv, batch_size=7) == Proportion(20, 50)
    assert fooling_rate(model, x, x) == Proportion(0, 50)
    assert model[1].training


def test_fooling_rate_refuses_what_it_cannot_compare():
    model, x, _ = flat()
    with pytest.raises(ValueError, match="shapes"):
        fooling_rate(model, x, x[..., :2])
    with pytest.raises(ValueError, match="at least one input"):
        fooling_rate(model, x[:0], x[:0])
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        fooling_rate(model, x, x, batch_size=0)


def broken_above(limit: float, value: float):
    """Three classes whose logits are not finite where a pixel is brighter than the limit."""
    model, x, _ = flat()
    x = x * limit

    def logits(x):
        bright = x.flatten(1).amax(dim=1, keepdim=True) > limit
        return torch.where(bright & torch.tensor([True, False, False]), value, model(x))

    return logits, x, model(x).argmax(dim=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_not_finite_are_named_at_inputs_and_are_wrong_at_perturbed_points(value):
    model, x, y = broken_above(0.9, value)
    assert accuracy(model, x, y) == Proportion(50, 50)
    broken = x.clone()
    broken[[7, 13, 40], 0, 0, 0] = 0.95
    for call in (
        lambda: accuracy(model, broken, y, batch_size=5),
        lambda: robust_accuracy(model, PGD(Linf(0.01)), broken, y, batch_size=5),
        lambda: fooling_rate(model, broken, x, batch_size=5),
    ):
        with pytest.raises(ValueError, match=r"logits of sample 7 are not finite \(1 of 5 samples\)"):
            call()
    # Whatever the label is: the model gives no class.
    with pytest.warns(NonFiniteLogitsWarning, match="3 of 50 perturbed samples"):
        assert robust_accuracy(model, lambda *_: broken[:], x, y) == Proportion(47, 50)
    with pytest.warns(NonFiniteLogitsWarning, match="3 of 50 perturbed samples"):
        assert fooling_rate(model, x, broken, batch_size=7) == Proportion(3, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NonFiniteLogitsWarning)
        robust_accuracy(model, lambda model, x, y, source: x, x, y)


def test_an_attack_that_returns_another_shape_is_refused():
    model, x, y = flat()
    with pytest.raises(
        ValueError, match=r"for each input, of shape \(20, 1, 4, 4\), got shape \(50, 1, 4, 4\)"
    ):
        robust_accuracy(model, lambda *_: x, x, y, batch_size=20)


def test_what_cannot_be_called_and_labels_of_another_shape_are_refused():
    model, x, y = flat()

    class Forest:
        def predict_proba(self, x):
            return x

    with pytest.raises(ValueError, match=r"got Forest, which cannot be called.*advnotes\.attacks\.black_box"):
        check_model(Forest())
    with pytest.raises(ValueError, match=r"which cannot be called$"):
        check_model(3)
    with pytest.raises(ValueError, match=r"y\.squeeze\(1\)"):
        inspect.unwrap(robust_accuracy)(model, None, x, y[:, None])


def test_a_wrapped_attack_with_radii_for_another_number_of_samples_is_refused_before_any_work():
    _, x, y = flat()

    def model(x):
        raise AssertionError("asked")

    for attack in (PGD(Linf(torch.full((16,), 0.1))), EOT(PGD(Linf(torch.full((16,), 0.1))))):
        with pytest.raises(ValueError, match="eps has one value for each of 16 samples, but there are 50"):
            robust_accuracy(model, attack, x, y)
        with pytest.raises(ValueError, match="eps has one value for each of 16 samples, but there are 50"):
            attack(model, x, y)
