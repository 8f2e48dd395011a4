"""Which networks depend on their mode, and what a further pass leaves alone."""

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advnotes.nets import Normalize, small_cnn
from advnotes.robust.passes import mode_matters, spared_buffers


class Dropping(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5, self.training)


class Inherits(Dropping):
    pass


@pytest.mark.parametrize(
    ("model", "matters"),
    [
        (small_cnn(), False),
        (
            nn.Sequential(Normalize([0.5], [0.5]), nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.LayerNorm(13)),
            False,
        ),
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), True),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1)), True),
        (Dropping(), True),
        (nn.Sequential(nn.ReLU(), Inherits()), True),
    ],
)
def test_what_depends_on_its_mode_is_known_by_its_code(model, matters):
    assert mode_matters(model.train(), training=False) is matters
    assert mode_matters(model.train(), training=True) is False
    assert mode_matters(model.eval(), training=True) is matters
    assert mode_matters(functools.partial(model.eval()), training=True) is matters


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: lambda x: model(x)])
def test_buffers_are_spared_and_an_earlier_graph_can_go_back(wrap):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    loss = model(torch.rand(8, 2)).square().sum()
    buffers = list(model.buffers())
    before = [buffer.clone() for buffer in buffers]
    with spared_buffers(wrap(model)):
        model(torch.rand(8, 2))
        assert int(model[1].num_batches_tracked) == 2
    assert all(one is other for one, other in zip(buffers, model.buffers(), strict=True))
    assert all(torch.equal(one, other) for one, other in zip(before, buffers, strict=True))
    loss.backward()
