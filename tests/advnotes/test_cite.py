"""BibTeX of what methods stand for: complete, right, and one text with the book's."""

import importlib
import inspect
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import advnotes
from advnotes import FGSM, PGD, AdversarialTraining, Linf, gan
from advnotes.citations import OWN, bibtex
from advnotes.citations.papers import PAPERS
from tests.advnotes.test_cli import call  # noqa: F401
from tests.scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = (ROOT / "advnotes" / "citations" / "references.bib").read_text(encoding="utf-8")
#: A paper as docstrings name it: the first author, perhaps others, and the year.
CITED = re.compile(r"([A-Z][\w-]+)(?:(?:, [A-Z][\w-]+)* (?:and [A-Z][\w-]+|et al\.))? \(?((?:19|20)\d\d)")
#: Public names whose docstrings mention a paper that they do not stand for.
MENTIONS = {
    "attack_all",  # nothing of its own
    "digit_discriminator",
    "digit_generator",
    "gaussians",
    "grid",
    "ring",
    "shifted_gaussians",
    "small_cnn",
}


def public() -> Iterator[tuple[str, object]]:
    for part in (
        "attacks",
        "audio",
        "data",
        "decisions",
        "defences",
        "gan",
        "generators",
        "invariance",
        "losses",
        "messages",
        "metrics",
        "nets",
        "robust",
        "sklearn",
        "threats",
    ):
        module = importlib.import_module(f"advnotes.{part}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                yield name, thing


PUBLIC = dict(public())


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{([\w-]+),$", text, re.M)


def test_every_public_name_whose_docstring_names_a_paper_cites_one() -> None:
    cited = {name for name, thing in PUBLIC.items() if CITED.search(inspect.getdoc(thing) or "")}
    assert len(cited) > 50
    assert sorted(cited - PAPERS.keys() - MENTIONS) == []
    assert sorted(PAPERS.keys() - PUBLIC.keys()) == []


#: What says elsewhere where it comes from: data, and the faces of games for tables.
NAMED_ELSEWHERE = {"adult", "cifar10", "digits", "fashion_mnist", "mnist"}
NAMED_ELSEWHERE |= {"DomainAdversarialClassifier", "PivotClassifier", "VATClassifier"}


@pytest.mark.parametrize("name", sorted(PAPERS.keys() - NAMED_ELSEWHERE))
def test_the_entries_are_the_papers_that_the_code_names(name: str) -> None:
    thing = PUBLIC[name]
    source = unicodedata.normalize("NFD", inspect.getsource(sys.modules[thing.__module__]))
    text = " ".join(re.sub(r"[\u0300-\u036f]", "", source).split())
    for entry in bibtex(name).split("\n\n"):
        (author,), (year,) = re.findall(r"author = \{([^,]+)", entry), re.findall(r"year = \{(\d+)", entry)
        author = re.sub(r"\{\\.(\w)\}", r"\1", author)  # in LaTeX, a letter with an accent
        assert re.search(rf"{author}[^.]{{0,80}}(al\.[^.]{{0,30}})?{year}", text), f"{author} {year}"


def test_names_objects_and_subclasses_give_the_same() -> None:
    class Mine(PGD):
        pass

    attack = PGD(Linf(0.1))
    things = ("PGD", "pgd", "advnotes.attacks.PGD", PGD, attack, Mine, Mine(Linf(0.1)))
    assert {bibtex(thing) for thing in things} == {bibtex("PGD")}
    game = AdversarialTraining(torch.nn.Linear(2, 2), attack)
    assert keys(bibtex(game)) == ["madry2017towards", "goodfellow2014explaining"]
    assert keys(bibtex(gan.r1_penalty)) == ["mescheder2018which"]
    assert keys(bibtex(FGSM, "PGD", game, "TRADES")) == [
        "goodfellow2014explaining",
        "madry2017towards",
        "zhang2019theoretically",
    ]


def test_without_arguments_it_is_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    advnotes.cite()
    printed = capsys.readouterr().out
    assert keys(printed) == [OWN] == keys(bibtex("advnotes"))
    assert f"version = {{{importlib.metadata.version('advnotes')}}}" in printed


@pytest.mark.parametrize(
    ("thing", "hint"),
    [("PDG", "PGD"), ("trade", "TRADES"), ("advnotes.gan.WGANPG", "WGANGP"), ("zzz", "such as PGD")],
)
def test_a_wrong_name_is_refused_with_the_nearest(thing: str, hint: str) -> None:
    with pytest.raises(ValueError, match=rf"stands for a paper, got '\w+': .*{hint}"):
        advnotes.cite(thing)


@pytest.mark.parametrize("thing", [torch.nn.Linear, torch.relu, 3, Linf(0.1), advnotes.play])
def test_what_stands_for_no_paper_is_refused(thing: object) -> None:
    with pytest.raises(ValueError, match="stands for a paper"):
        advnotes.cite(thing)


def test_the_command_prints_the_same(call, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    assert call("cite", "PGD", "DRAGAN") == 0
    assert capsys.readouterr().out == bibtex("PGD", "DRAGAN") + "\n"
    assert call("cite") == 0
    assert keys(capsys.readouterr().out) == [OWN]
    assert call("cite", "PDG") == 2
    assert "did you mean PGD" in capsys.readouterr().err


def test_the_entries_are_those_of_the_book() -> None:
    assert load_script("make_citations").references() == ENTRIES, "run python tools/make_citations.py"


def test_citing_loads_nothing_heavy() -> None:
    script = (
        "import sys, advnotes; advnotes.cite('PGD'); print({'torch', 'numpy', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("}\nset()\n")
