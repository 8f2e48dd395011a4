"""A forward that could keep what it is given, or asks what a stand-in cannot answer, meets real tensors only."""

import gc

import pytest
import torch
from torch import fx

from advnotes.fast import keeping, prepared, why_not
from tests.advnotes.fast import refused
from tests.advnotes.fast.models import MANY

X = torch.rand(6, 3, 8, 8)


def stand_ins() -> list[object]:
    gc.collect()
    return [thing for thing in gc.get_objects() if issubclass(type(thing), fx.Proxy)]


@pytest.mark.parametrize("name", refused.models())
def test_it_has_no_copy_and_leaves_no_stand_in(name):
    model, before = refused.models()[name].eval(), stand_ins()
    assert why_not(model, X) != ""
    assert prepared(model, X, passes=MANY) is model
    with keeping():
        assert prepared(model, X, passes=MANY) is model
    assert refused.kept() == []
    assert not getattr(model, "cache", None) or (model.cache.h, model.cache.kept) == (None, [])
    assert model.table == {"rows": []}
    assert len(stand_ins()) <= len(before)
