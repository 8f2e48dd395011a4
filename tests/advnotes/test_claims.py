"""Claims: when one holds, and what a notebook stores of it."""

import json
import math
import subprocess
import sys

import pytest

from advnotes.claims import MIME, Bound, Claim, Claims, at_least, at_most, between


def state(capsys, **change) -> str:
    settings = dict(
        measured=[0.91, 0.85], bound=at_least(0.8), paper="89.4%", where="section 4", format="{:.1%}"
    )
    Claims(profile=change.pop("profile", "laptop"), seeds=[0, 1])("It breaks", **{**settings, **change})
    return capsys.readouterr().out.strip()


def test_holds_when_every_seed_is_within_the_bound(capsys):
    assert state(capsys) == (
        "holds: It breaks; paper: 89.4% [section 4], here: 91.0%, 85.0% (seeds 0, 1), bound: ≥ 80.0%"
    )
    assert state(capsys, measured=[0.91, 0.79]).startswith("not reproduced: ")
    assert state(capsys, measured=0.9).endswith("here: 90.0%, bound: ≥ 80.0%")
    assert state(capsys, bound=at_most(0.91)).startswith("holds")
    assert state(capsys, bound=between(0.86, 0.95)).endswith("bound: 86.0% to 95.0%")


def test_a_known_failure_says_why_and_stays_a_failure(capsys):
    said = state(capsys, measured=[0.5, 0.9], known="A ReLU net,\n   not maxout.")
    assert said.startswith("not reproduced")
    assert said.endswith("(A ReLU net, not maxout.)")
    assert "maxout" not in state(capsys, known="A ReLU net, not maxout.")


def test_smoke_judges_nothing(capsys):
    assert state(capsys, profile="smoke", measured=[0.0, 0.0]).startswith("not judged: ")


@pytest.mark.parametrize("measured", [[0.9], [0.9, 0.9, 0.9], [], [math.nan, 0.9], math.inf])
def test_a_missing_or_unfinished_measurement_is_refused(capsys, measured):
    if measured == [0.9]:
        assert state(capsys, measured=measured)  # one value in all is allowed
        return
    with pytest.raises(ValueError, match="one finite value, or one for each of the 2 seeds"):
        state(capsys, measured=measured)


def test_bad_bounds_and_seeds_are_refused():
    with pytest.raises(ValueError, match="low <= high"):
        Bound(2.0, 1.0)
    for seeds in ([], [1, 1]):
        with pytest.raises(ValueError, match="at least one seed and none twice"):
            Claims(profile="laptop", seeds=seeds)


def test_the_row_is_escaped_and_the_record_is_json():
    claim = Claim(
        "a < b", "1 & 2", "§4", (0.5,), (0,), "{:.2f}", "≥ 0.4", "not reproduced", "<why>", "laptop", "CPU"
    )
    bundle = claim._repr_mimebundle_()
    assert "a &lt; b" in bundle["text/html"]
    assert "&lt;why&gt;" in bundle["text/html"]
    assert "<why>" not in bundle["text/html"]
    assert json.loads(json.dumps(bundle[MIME]))["measured"] == [0.5]


def test_a_notebook_gets_an_output_of_its_own_type():
    code = (
        "from IPython.testing.globalipapp import start_ipython; ip = start_ipython();"
        "from IPython.utils.capture import capture_output;"
        "from advnotes.claims import *;\n"
        "with capture_output() as c:\n"
        "    Claims(profile='laptop', seeds=[0])('s', measured=1, bound=at_least(0), where='w')\n"
        "print(sorted(c.outputs[0].data))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(sorted([MIME, "text/html", "text/plain"]))
