"""FGSM against the worst case of a linear model, which is known exactly."""

import pytest
import torch

from advnotes.attacks import BIM, FGSM
from advnotes.threats import L1, L2, Linf


def linear(seed: int = 0) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    # Inputs well inside the range, so that only the ball binds.
    return torch.nn.Linear(30, 2).double(), 0.4 + 0.2 * torch.rand(20, 30).double(), torch.arange(20) % 2


@pytest.mark.parametrize(
    ("threat", "dual"), [(Linf(0.05), 1), (L2(0.05), 2), (L1(0.05, share=1e-9), torch.inf)]
)
def test_is_the_worst_case_of_a_linear_model(threat, dual):
    # Hölder: the margin of w.x + b falls by eps times the dual norm of w, and no further.
    model, x, y = linear()
    w = model.weight[1] - model.weight[0]
    sign = 2.0 * y - 1

    def margin(x):
        return sign * (x @ w + model.bias[1] - model.bias[0])

    x_adv = FGSM(threat)(model, x, y)
    expected = margin(x) - threat.eps * torch.linalg.vector_norm(w, ord=dual)
    torch.testing.assert_close(margin(x_adv), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("threat", [Linf(0.3), L2(1.0), L1(3.0), Linf(torch.linspace(0.1, 0.3, 8))])
def test_is_one_step_of_bim_of_size_eps(threat):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(25, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3)
    )
    x, y = torch.rand(8, 1, 5, 5), torch.randint(0, 3, (8,))
    assert torch.equal(BIM(threat, steps=1, step_size=threat.eps)(model, x, y), FGSM(threat)(model, x, y))


def test_follows_the_loss_that_it_is_given():
    model, x, y = linear()
    by_logit = FGSM(Linf(0.1), loss=lambda logits, _: logits[:, 0])(model, x, y)
    torch.testing.assert_close(by_logit, x + 0.1 * model.weight[0].sign())
