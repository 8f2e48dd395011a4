"""The zoo's networks are what their cards say, and small."""

import subprocess
import sys

import pytest
import torch

from advnotes import zoo
from advnotes.attacks import PGD
from advnotes.data import mnist
from advnotes.metrics import accuracy, robust_accuracy
from advnotes.threats import Linf
from advnotes.zoo.__main__ import TRAIN
from advnotes.zoo.digits import train
from advnotes.zoo.trained import FOLDER


@pytest.mark.parametrize("load", [zoo.mnist_natural, zoo.mnist_robust, zoo.mnist_judge])
def test_a_network_is_what_its_card_says(load):
    model = load()
    x, y = mnist("test", 1000)
    card = model.card["accuracy"]
    assert model.card["name"] == load.__name__
    assert not any(module.training for module in model.modules())
    clean = accuracy(model, x, y)
    assert clean.low <= card["clean"] <= clean.high
    attack = PGD(Linf(0.3), steps=40, step_size=0.01)
    robust = robust_accuracy(model, attack, x[:300], y[:300], generator=torch.arange(300))
    assert robust.low <= card["PGD-40"] <= robust.high
    assert (card["PGD-40"] > 0.9) == (load is zoo.mnist_robust)


def test_weights_are_small():
    files = list(FOLDER.glob("*.safetensors"))
    assert {file.stem for file in files} == TRAIN.keys()
    assert all(file.stat().st_size < 1_000_000 for file in files)


def test_training_an_unknown_network_is_refused():
    with pytest.raises(
        ValueError, match="the zoo has mnist_natural, mnist_robust, mnist_judge; got 'resnet'"
    ):
        train("resnet")
    told = subprocess.run(
        [sys.executable, "-m", "advnotes.zoo", "resnet"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert "the zoo has mnist_natural, mnist_robust, mnist_judge, portrait_generator" in told.stderr
