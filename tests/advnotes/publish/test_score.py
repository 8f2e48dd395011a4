import json
from typing import Any

import pytest

from advnotes.claims import Claims, at_least
from advnotes.publish.chapters import select
from advnotes.publish.run import CLAIM, keep, plan
from advnotes.publish.score import markdown, measured_file, save, save_gpu, scorecard, scorecard_markdown
from advnotes.publish.worker import Result


def claim(statement: str, verdict: str = "holds", **changes: Any) -> dict[str, Any]:
    plain = {
        "statement": statement,
        "paper": "89.4% error",
        "where": "Goodfellow 2014, section 4",
        "measured": [0.9],
        "seeds": [0],
        "format": "{:.1%}",
        "bound": ">= 80.0%",
        "verdict": verdict,
        "known": None,
        "profile": "laptop",
        "device": "cpu",
    }
    return plain | changes


def executed(book: Any, name: str, *found: dict[str, Any], profile: str = "laptop") -> None:
    """As if the chapter had been executed and made these claims."""
    (p,) = plan(select(book.root, [name]), profile)
    notebook = json.loads(p.chapter.text)
    outputs = [{"output_type": "display_data", "metadata": {}, "data": {CLAIM: found_}} for found_ in found]
    notebook["cells"][1]["outputs"] = outputs
    keep(p, Result(name, notebook=json.dumps(notebook), seconds=1.0))


def test_a_scorecard_counts_and_tells_what_was_not_expected(book: Any) -> None:
    book.add("a/one")
    book.add("a/two")
    book.add("a/three")
    executed(
        book,
        "a/one",
        claim("holds"),
        claim("fails", "not reproduced"),
        claim("fails as known", "not reproduced", known="a ReLU net, not maxout"),
    )
    executed(book, "a/two", claim("holds after all", known="too small"), claim("open", "not judged"))
    card = scorecard(book.root)
    assert card.summary == "5 claims: 2 hold, 2 not reproduced (1 of them known), 1 not judged"
    assert [row.statement for row in card.unexpected] == ["fails"]
    assert [row.statement for row in card.surprises] == ["holds after all"]
    assert card.missing == ["a/three"]

    path = save(card, book.root)
    assert path == book.root / "_build" / "laptop" / "scorecard.json"
    stored = json.loads(path.read_text())
    assert stored["summary"] == card.summary
    assert stored["rows"][0]["here"]["measured"] == [0.9]

    page = markdown(card)
    assert page.startswith(card.summary)
    assert "\n## [Title of a/one](a/one.ipynb)\n" in page
    assert "| holds | holds | 89.4% error [Goodfellow 2014, section 4] | 90.0% (seed 0) | not run |" in page
    assert "a ReLU net, not maxout" in page.split("## What did not reproduce")[1]
    assert "holds after all" in page.split("## What was not expected to hold")[1]
    assert "a/three" in page
    assert page == scorecard_markdown(book.root, "laptop")


def test_without_claims_the_page_says_so(book: Any) -> None:
    book.add("a/one")
    assert "No claim has been measured" in scorecard_markdown(book.root)


@pytest.mark.parametrize(
    ("measured", "seeds", "text"),
    [
        ([0.9], [0], "90.0% (seed 0)"),
        ([0.9, 0.8, 1.0], [0, 1, 2], "90.0% (80.0% to 100.0%, seeds 0-2)"),
        ([0.5, 0.5], [3, 5], "50.0% (seeds 3, 5)"),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 2, 4], "50.0% (seeds 0, 1, 2, 4)"),
        ([0.5], [0, 1, 2], "50.0%"),
    ],
)
def test_a_measurement_says_over_which_seeds(
    book: Any, measured: list[float], seeds: list[int], text: str
) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x", measured=measured, seeds=seeds))
    assert scorecard(book.root).rows[0].here.text == text


def test_a_bar_in_a_claim_does_not_break_the_table(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("$|x|$ stays\nsmall"))
    table = [line for line in scorecard_markdown(book.root).splitlines() if line.startswith("|")]
    assert "$\\|x\\|$ stays small" in table[2]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_a_claim_is_made_once(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x"), claim("x"))
    with pytest.raises(ValueError, match="claims twice: 'x'"):
        scorecard(book.root)


def test_what_has_changed_since_is_not_scored(book: Any) -> None:
    book.add("a/one")
    executed(book, "a/one", claim("x"))
    book.add("a/one", "x = 2")
    card = scorecard(book.root)
    assert (card.rows, card.missing) == ([], ["a/one"])


def test_a_gpus_measurements_are_kept_and_shown_beside_ours(book: Any) -> None:
    book.add("a/one")
    book.add("a/two")
    book.profile("gpu", "")
    executed(book, "a/one", claim("x"), claim("y"))
    executed(book, "a/two", claim("z"))
    assert scorecard_markdown(book.root).count("not run") == 3

    gpu = {"profile": "gpu", "device": "A GPU", "seeds": [0, 1, 2]}
    executed(book, "a/one", claim("x", measured=[0.7] * 3, verdict="not reproduced", **gpu), profile="gpu")
    assert save_gpu(book.root, "gpu") == measured_file(book.root)
    row, other, third = scorecard(book.root).rows
    assert row.gpu is not None
    assert (row.verdict, row.gpu.verdict, row.gpu.text) == ("holds", "not reproduced", "70.0% (seeds 0-2)")
    assert (other.gpu, third.gpu) == (None, None)
    page = scorecard_markdown(book.root)
    assert "GPU: A GPU." in page
    assert "holds; on the GPU: not reproduced" in page

    # Another chapter's come later, perhaps from another machine: the first ones stay.
    book.root.joinpath("_build", "gpu", "book", "a", "one.json").unlink()
    executed(book, "a/two", claim("z", **gpu), profile="gpu")
    save_gpu(book.root, "gpu")
    assert [row.gpu is not None for row in scorecard(book.root).rows] == [True, False, True]


def test_a_gpus_column_wants_a_gpu(book: Any) -> None:
    book.add("a/one")
    book.profile("gpu", "")
    with pytest.raises(ValueError, match="advnotes run --profile gpu"):
        save_gpu(book.root, "gpu")
    executed(book, "a/one", claim("x", profile="gpu"), profile="gpu")
    with pytest.raises(ValueError, match="from a GPU"):
        save_gpu(book.root, "gpu")


def test_a_broken_file_of_measurements_is_refused(book: Any) -> None:
    book.add("a/one")
    measured_file(book.root).parent.mkdir()
    measured_file(book.root).write_text("[]")
    with pytest.raises(ValueError, match="score --profile gpu --save"):
        scorecard(book.root)


def test_real_claims_are_understood(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    book.add("a/one")
    shown: list[Any] = []
    monkeypatch.setattr("advnotes.claims._show", shown.append)
    make = Claims(profile="laptop", seeds=[0, 1])
    make(
        "FGSM breaks a ReLU net",
        paper="89.4% error",
        where="section 4",
        measured=[0.91, 0.90],
        bound=at_least(0.8),
        format="{:.1%}",
    )
    stored = json.loads(json.dumps(shown[0]._repr_mimebundle_()[CLAIM]))
    executed(book, "a/one", stored)
    assert scorecard(book.root).rows[0].here.text == "90.5% (90.0% to 91.0%, seeds 0, 1)"
