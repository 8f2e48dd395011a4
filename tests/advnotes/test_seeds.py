"""One seed gives one result, wherever the sample stands."""

import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from advnotes.seeds import content_seeds, own_seeds, rows_of, seed_all, stamp, start, uniform


def test_seed_all_seeds_every_generator():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    seed_all(3)
    first = draw()
    assert draw() != first
    seed_all(3)
    assert draw() == first


def test_per_sample_numbers_are_uniform_and_independent():
    seeds = torch.arange(2000)
    u = uniform(torch.zeros(2000, 1, dtype=torch.float64), 50, seeds)
    assert u.min() > 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.004
    assert abs(u.var() - 1 / 12) < 0.002
    counts = torch.histc(u, bins=20, min=0, max=1)
    assert ((counts - 5000) ** 2 / 5000).sum() < 45  # chi-square, 19 degrees of freedom: p about 0.0007
    centred = u - 0.5
    neighbours = (centred[1:] * centred[:-1]).mean() * 12, (centred[:, 1:] * centred[:, :-1]).mean() * 12
    assert max(map(abs, neighbours)) < 0.015


def test_streams_and_negative_seeds_differ_and_repeat():
    like, seeds = torch.zeros(3, 1), torch.tensor([-5, 0, 2**62])
    one, two = uniform(like, 8, seeds, stream=0), uniform(like, 8, seeds, stream=1)
    assert not torch.equal(one, two)
    assert torch.equal(one, uniform(like, 8, seeds, stream=0))
    assert len({tuple(row.tolist()) for row in torch.cat([one, two])}) == 6
    # Written down once, so that results stay the same from release to release and from device to device.
    torch.testing.assert_close(
        uniform(torch.zeros(1, 1), 3, torch.tensor([0])),
        torch.tensor([[0.33805245, 0.26913029, 0.27156657]]),
        rtol=0,
        atol=1e-6,
    )


def test_a_generator_leaves_the_global_one_alone():
    state = torch.get_rng_state()
    uniform(torch.zeros(2, 1), 4, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    uniform(torch.zeros(2, 1), 4)
    assert not torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seeds", [torch.arange(3), torch.zeros(2), torch.zeros(2, 1, dtype=torch.int64)])
def test_bad_per_sample_seeds_are_refused(seeds):
    with pytest.raises(ValueError, match=r"int64 tensor of shape \(2,\)"):
        uniform(torch.zeros(2, 1), 4, seeds)


def test_start_says_where_we_are(capsys):
    threads, shown = torch.get_num_threads(), warnings.formatwarning
    try:
        device = start(0, threads=1)
    finally:
        torch.set_num_threads(threads)
        warnings.formatwarning = shown
    assert device.type in ("cpu", "cuda")
    assert capsys.readouterr().out.strip().startswith("advnotes ")
    assert torch.__version__ in stamp()


def test_a_chapters_warnings_name_no_folder_of_the_machine():
    code = "import warnings; from advnotes.seeds import start; start(0); warnings.warn('no gradient')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "UserWarning: no gradient\n"


@pytest.mark.parametrize("seed", ["[0, 1]", 1.5, -1, 2**32])
@pytest.mark.usefixtures("unchecked")
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match=r"whole number from 0.*papermill takes a list of seeds as -y"):
        seed_all(seed)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_content_seeds_go_with_the_sample_and_differ_between_samples_labels_and_seeds(dtype):
    x = torch.rand(500, 1, 5, 5).to(dtype)
    y = torch.arange(500) % 10
    seeds = content_seeds(x, y)
    order = torch.randperm(500)
    assert torch.equal(content_seeds(x[order], y[order]), seeds[order])
    swapped = x.flip(3)  # the same values in other places
    everything = torch.cat(
        [seeds, content_seeds(x, (y + 1) % 10), content_seeds(x, y, 1), content_seeds(swapped, y)]
    )
    assert len(everything.unique()) == 2000


def test_own_seeds_leave_given_ones_alone_and_draw_the_others():
    x, given = torch.zeros(6, 2), torch.arange(6)
    assert torch.equal(own_seeds(given, x), given)
    drawn = own_seeds(torch.Generator().manual_seed(1), x)
    assert torch.equal(drawn, own_seeds(torch.Generator().manual_seed(1), x))
    assert len(drawn.unique()) == 6
    assert torch.equal(torch.as_tensor(rows_of(given, torch.tensor([4, 1]))), torch.tensor([4, 1]))
    assert rows_of(None, torch.tensor([4])) is None
