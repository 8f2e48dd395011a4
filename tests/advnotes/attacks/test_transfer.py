"""Transfer: made on the sources alone, and the attacked model only judged."""

import pytest
import torch
from torch import nn

from advnotes import data, zoo
from advnotes.attacks import BIM, EOT, PGD, Square, Transfer
from advnotes.threats import L2, Linf


def linear(seed: int, classes: int = 3) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(6, classes).double()


@pytest.fixture
def points():
    torch.manual_seed(1)
    return torch.rand(8, 6).double(), torch.arange(8) % 3


class NotAsked(nn.Module):
    """Remembers that it was asked, where whoever asked would survive an error."""

    asked = False

    def forward(self, x):
        self.asked = True
        raise AssertionError("the attacked model was asked")


@pytest.mark.parametrize(
    "attack", [PGD(Linf(0.1)), BIM(L2(0.2), targeted=True), Square(Linf(0.1), queries=20)]
)
def test_one_source_is_the_attack_on_it(points, attack):
    x, y = points
    source, seeds = linear(0), torch.arange(8)
    expected = attack(source, x, y, seeds)
    model = NotAsked()
    torch.testing.assert_close(Transfer(attack, source)(model, x, y, seeds), expected)
    torch.testing.assert_close(Transfer(attack, [source])(model, x, y, seeds), expected)
    assert not model.asked


def test_a_lower_precision_is_the_sources_and_does_not_ask_the_attacked_model_either():
    model, source = NotAsked(), linear(0).float()
    x, y = torch.rand(8, 6), torch.arange(8) % 3
    seen = []
    source.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    attack = Transfer(PGD(Linf(0.1), steps=3, fast=False, precision=torch.bfloat16), source)
    assert attack.precision == torch.bfloat16
    assert not attack.fast
    assert (attack(model, x, y) - x).abs().max() <= 0.1 + 1e-6
    assert torch.bfloat16 in seen
    assert not model.asked


def test_several_sources_are_one_model_of_mean_logits(points):
    x, y = points
    first, second = linear(0), linear(1)
    expected = PGD(Linf(0.1))(lambda x: (first(x) + second(x)) / 2, x, y, torch.arange(8))
    ours = Transfer(PGD(Linf(0.1)), (first, second))(NotAsked(), x, y, torch.arange(8))
    torch.testing.assert_close(ours, expected)


def test_sources_are_in_eval_mode_meanwhile_and_as_before_after(points):
    x, y = points
    torch.manual_seed(0)
    source = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(6), nn.Linear(6, 3)).double().train()
    source[1].eval()
    before = {name: value.clone() for name, value in source.state_dict().items()}
    modes = []
    source[0].register_forward_pre_hook(lambda module, _: modes.append(module.training))
    Transfer(PGD(Linf(0.1), steps=2), source)(NotAsked(), x, y)
    assert modes
    assert not any(modes)
    assert [module.training for module in source] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())
    source[0].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Transfer(PGD(Linf(0.1), steps=2), [source])(NotAsked(), x, y)
    assert [module.training for module in source] == [True, False, True]
    assert all(p.grad is None for p in source.parameters())


def test_what_fools_one_network_of_digits_fools_another_and_noise_does_not():
    known, unknown = zoo.mnist_judge(), zoo.mnist_natural()
    x, y = data.mnist("test", size=100)
    eps = 0.25
    x_adv = Transfer(PGD(Linf(eps)), known)(unknown, x, y, torch.arange(100))
    noise = (x + eps * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).sign()).clamp(0, 1)
    with torch.no_grad():
        wrong = [(unknown(a).argmax(1) != y).float().mean() for a in (x_adv, noise)]
    assert wrong[0] > wrong[1] + 0.3


def test_wrappers_wrap_wrappers(points):
    x, y = points
    source = linear(0)
    plain = PGD(Linf(0.1))(source, x, y, torch.arange(8))
    both = Transfer(EOT(PGD(Linf(0.1)), samples=2), source)(NotAsked(), x, y, torch.arange(8))
    torch.testing.assert_close(both, plain)


@pytest.mark.parametrize("sources", [[], None])
def test_sources_must_be_models(sources):
    # Built past the annotations, which would refuse some of it first.
    attack = object.__new__(Transfer)
    object.__setattr__(attack, "attack", PGD(Linf(0.1)))
    object.__setattr__(attack, "sources", sources)
    with pytest.raises(ValueError, match="transfer wants a source model, or a list of at least one"):
        attack.__post_init__()


def test_a_module_list_is_a_list_and_a_module_dict_is_refused(points):
    x, y = points
    one, other, seeds = linear(0), linear(1), torch.arange(8)
    attack = PGD(Linf(0.1), steps=3)
    together = Transfer(attack, nn.ModuleList([one, other]))
    assert together.models == (one, other)
    expected = Transfer(attack, [one, other])(NotAsked(), x, y, seeds)
    torch.testing.assert_close(together(NotAsked(), x, y, seeds), expected)
    # A container that can be asked is one model.
    assert len(Transfer(attack, nn.Sequential(one, nn.ReLU())).models) == 1
    with pytest.raises(ValueError, match=r"got a ModuleDict.*list\(sources.values\(\)\)"):
        Transfer(attack, nn.ModuleDict({"one": one}))
    with pytest.raises(ValueError, match="a list of at least one"):
        Transfer(attack, nn.ModuleList())


def test_sources_must_agree(points):
    x, y = points
    with pytest.raises(
        ValueError, match=r"agree in their classes, got logits of shapes \[\(8, 3\), \(8, 4\)\]"
    ):
        Transfer(PGD(Linf(0.1)), [linear(0), linear(1, 4)])(NotAsked(), x, y)


def test_only_an_attack_is_wrapped():
    attack = object.__new__(EOT)
    object.__setattr__(attack, "attack", "PGD")
    with pytest.raises(ValueError, match=r"EOT wants an attack such as PGD\(Linf\(0.3\)\)"):
        attack.__post_init__()
