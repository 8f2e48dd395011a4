"""Claims: what is refused, how numbers are printed beside their bound, and what a notebook stores."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from advnotes.claim_bounds import Bound, at_least, at_most, between
from advnotes.claims import MIME, Claim, Claims

SET = dict(by="book", on="2026-11-21")


def state(capsys, **change) -> str:
    settings = dict(
        id="it-breaks",
        measured=[0.91, 0.85],
        bound=at_least(0.8, **SET),
        paper="89.4%",
        where="section 4",
        format="{:.1%}",
    )
    Claims(profile=change.pop("profile", "laptop"), seeds=[0, 1])("It breaks", **{**settings, **change})
    return capsys.readouterr().out.strip()


def made(**change) -> Claim:
    settings = dict(
        id="a",
        kind="paper",
        statement="a < b",
        paper="1 & 2",
        number=None,
        where="§4",
        measured=(0.5, 0.6),
        seeds=(0, 1),
        n=None,
        format="{:.2f}",
        bound=at_least(0.9, **SET),
        reason="<why>",
        profile="laptop",
        environment={"processor": "P"},
    )
    return Claim(**{**settings, **change})


def test_a_claim_is_judged_by_its_mean_and_its_room(capsys):
    assert state(capsys, bound=at_least(0.7, **SET)) == (
        "holds: It breaks; paper: 89.4% [section 4], here: 91.0%, 85.0% (seeds 0, 1, mean 88.0%), bound: ≥ 70.0%"
    )
    assert state(capsys, bound=at_least(0.87, **SET)).startswith("on the edge: ")
    assert state(capsys, measured=[0.75, 0.8]).startswith("not reproduced: ")
    assert state(capsys, bound=at_most(0.99, **SET)).startswith("holds")
    assert state(capsys, bound=between(0.2, 1.0, **SET)).endswith("bound: 20.0% to 100.0%")


def test_a_seed_outside_does_not_decide_alone(capsys):
    # Otherwise more seeds would make a true claim fail sooner or later.
    measured, seeds = [0.9] * 9 + [0.79], list(range(10))
    assert state(capsys, measured=measured, seeds=seeds).startswith("holds")


def test_one_seed_is_not_judged(capsys):
    assert state(capsys, measured=[0.9], seeds=[0]).startswith("not judged")


def test_what_no_chance_decides_is_judged_by_every_value(capsys):
    assert state(
        capsys, measured=1e-12, kind="identity", bound=at_most(1e-9, **SET), format="{:.0e}"
    ).startswith("holds")
    assert state(capsys, measured=[0.9, 0.7], exact=True).startswith("on the edge")
    assert "seed" not in state(capsys, measured=0.9, exact=True)


def test_a_reason_is_said_where_it_is_needed_and_is_short(capsys):
    said = state(capsys, measured=[0.5, 0.7], reason="A ReLU net,\n   not maxout.")
    assert said.startswith("not reproduced")
    assert said.endswith("(A ReLU net, not maxout.)")
    assert "maxout" not in state(capsys, reason="A ReLU net, not maxout.", bound=at_least(0.5, **SET))
    with pytest.raises(ValueError, match="at most 25 words, got 26"):
        state(capsys, reason="word " * 26)


def test_smoke_judges_nothing(capsys):
    assert state(capsys, profile="smoke", measured=[0.0, 0.0]).startswith("not judged: ")


@pytest.mark.parametrize("profile", ["Smoke", "", "cpu"])
def test_an_unknown_profile_is_refused(profile):
    with pytest.raises(ValueError, match="expected profile= one of smoke, laptop, gpu"):
        Claims(profile=profile, seeds=[0])


@pytest.mark.parametrize("measured", [[0.9], 0.9, [0.9, 0.9, 0.9]])
def test_a_mean_over_seeds_is_refused(capsys, measured):
    with pytest.raises(ValueError, match="a value for each of the 2 seeds"):
        state(capsys, measured=measured)


@pytest.mark.parametrize(
    "measured",
    ["12", ["1", "2"], [], [math.nan, 0.9], [math.inf, 0.1], [True, False], None, [[1, 2], [3, 4]]],
)
def test_values_that_are_no_finite_numbers_are_refused(capsys, measured):
    with pytest.raises(ValueError, match="expected finite numbers"):
        state(capsys, measured=measured)


def test_tensors_and_arrays_are_sequences_of_values(capsys):
    for measured in (torch.tensor([0.9, 0.85]), np.array([0.9, 0.85]), [torch.tensor(0.9), np.float32(0.85)]):
        assert "90.0%, 85.0%" in state(capsys, measured=measured)


def test_bounds_that_exclude_nothing_are_refused(capsys):
    with pytest.raises(ValueError, match="without ends"):
        Bound(-math.inf, math.inf, **SET)
    for vacuous in (at_least(0.0, **SET), at_most(1.0, **SET), between(-1.0, 2.0, **SET)):
        with pytest.raises(ValueError, match="a bound that some share violates"):
            state(capsys, bound=vacuous)
        with pytest.raises(ValueError, match="a bound that some share violates"):
            state(capsys, bound=vacuous, format="{:.3g}", n=300)
    assert state(capsys, bound=at_least(0.0, **SET), format="{:+.1%}").startswith(
        "holds"
    )  # a difference of shares


def test_shares_of_samples_lie_between_0_and_1(capsys):
    with pytest.raises(ValueError, match="shares of samples in"):
        state(capsys, measured=[0.9, 1.2], n=100)
    with pytest.raises(ValueError, match="number of samples"):
        state(capsys, n=0)


def test_bad_bounds_seeds_and_names_are_refused(capsys):
    with pytest.raises(ValueError, match="low <= high"):
        Bound(2.0, 1.0, **SET)
    with pytest.raises(ValueError, match="low <= high"):
        Bound(math.nan, 1.0, **SET)
    with pytest.raises(ValueError, match="by= one of"):
        at_least(1.0, by="me", on="2026-11-21")
    with pytest.raises(ValueError, match="the day on which"):
        at_least(1.0, by="book", on="yesterday")
    for seeds in ([], [1, 1]):
        with pytest.raises(ValueError, match="at least one seed and none twice"):
            Claims(profile="laptop", seeds=seeds)
    with pytest.raises(ValueError, match="lower-case words"):
        state(capsys, id="It Breaks")
    with pytest.raises(ValueError, match="the place in the paper"):
        state(capsys, where="")
    with pytest.raises(ValueError, match="kind= one of"):
        state(capsys, kind="guess")


def test_the_ends_of_a_bound_are_inside():
    bound = between(0.2, 0.4, **SET)
    assert 0.2 in bound
    assert 0.4 in bound
    assert 0.19999999 not in bound
    assert 0.40000001 not in bound


@pytest.mark.parametrize(
    ("bound", "format", "value", "printed"),
    [
        (at_least(0.8, **SET), "{:.0%}", 0.7949, "79%"),
        (at_least(0.8, **SET), "{:.0%}", 0.7951, "79.5%"),  # 80% would say that it holds
        (at_least(0.795, **SET), "{:.0%}", 0.7951, "80%"),
        (at_least(0.795, **SET), "{:.0%}", 0.79499, "79%"),
        (at_most(3.0, **SET), "{:.1f} points", 3.04, "3.04 points"),
        (at_most(1e-6, **SET), "{:.0e}", 1.04e-6, "1.04e-06"),
        (at_least(1000.0, **SET), "{:,.0f}", 999.7, "999.7"),
        (at_least(0.0, **SET), "{:+.1f}", -0.04, "-0.04"),
        (at_least(3.1, **SET), "{:.3g}", 3.0999, "3.0999"),
    ],
)
def test_a_printed_value_is_on_the_same_side_of_the_bound(bound, format, value, printed):
    assert bound.show(format, value) == printed


@pytest.mark.parametrize(
    ("bound", "format", "text"),
    [
        (at_least(0.795, **SET), "{:.0%}", "≥ 79.5%"),
        (at_most(3.125, **SET), "{:.1f}", "≤ 3.125"),
        (between(0.45, 0.55, **SET), "{:.0%}", "45% to 55%"),
        (at_least(1.0, **SET), "{:.1f} points", "≥ 1.0 points"),
    ],
)
def test_a_bound_is_printed_as_it_is(bound, format, text):
    assert bound.text(format) == text


def test_the_row_is_escaped_and_the_record_keeps_numbers():
    claim = made()
    bundle = claim._repr_mimebundle_()
    assert "a &lt; b" in bundle["text/html"]
    assert "&lt;why&gt;" in bundle["text/html"]
    assert "<why>" not in bundle["text/html"]
    stored = json.loads(json.dumps(bundle[MIME], allow_nan=False))
    assert stored["bound"] == {"low": 0.9, "high": None, "by": "book", "on": "2026-11-21"}
    assert stored["verdict"] == "not reproduced"
    assert Claim.read(stored) == claim


def test_a_claim_says_where_it_was_measured(capsys):
    out = subprocess.run(
        [
            sys.executable,
            "-c",
            "from IPython.testing.globalipapp import start_ipython; ip = start_ipython();"
            "from IPython.utils.capture import capture_output;"
            "from advnotes.claims import *;\n"
            "with capture_output() as c:\n"
            "    Claims(profile='laptop', seeds=[0, 1])('s', id='s', measured=[1, 1], where='w',"
            " bound=at_least(0, by='book', on='2026-11-21'))\n"
            "import json; print(json.dumps(c.outputs[0].data))",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    data = json.loads(out)
    assert set(data) == {MIME, "text/html", "text/plain"}
    assert data[MIME]["environment"]["torch"] == torch.__version__
    assert all(
        data[MIME]["environment"][name] for name in ("processor", "instructions", "threads", "blas", "device")
    )
