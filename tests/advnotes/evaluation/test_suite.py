"""Which attacks an evaluation runs, what they are called, and what is said of them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from typing import Any

import pytest
import torch

from advnotes.attacks import (
    APGD,
    BIM,
    EOT,
    FAB,
    FGSM,
    PGD,
    Attack,
    AutoAttack,
    DeepFool,
    Square,
    TargetedAPGD,
    TargetedFAB,
    Transfer,
)
from advnotes.evaluation import evaluate, suite
from advnotes.evaluation.names import config_text, unique_names
from advnotes.losses import dlr, margin_loss
from advnotes.threats import L2, Linf
from tests.advnotes.evaluation import models

THREAT, BOUNDS = Linf(0.05), (0.0, 1.0)

#: As without the tests' type checker, which would answer first.
parse_attacks = inspect.unwrap(suite.parse_attacks)


def kinds(attacks: list[Attack]) -> list[type[Attack]]:
    return [type(attack) for attack in attacks]


@pytest.mark.parametrize("bounds", [BOUNDS, (-1.0, 1.0)])
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_the_members_of_an_ensemble_fit_the_number_of_classes(
    classes: int, bounds: tuple[float, float]
) -> None:
    standard = suite.build_suite("standard", THREAT, classes, bounds)
    plus = suite.build_suite("plus", THREAT, classes, bounds)
    quick = suite.build_suite("quick", THREAT, classes, bounds)
    assert kinds(standard) == [APGD, TargetedAPGD, TargetedFAB, Square]
    assert kinds(plus) == [APGD, APGD, FAB, Square, TargetedAPGD, TargetedFAB]
    assert kinds(quick) == [APGD, TargetedAPGD, Square]
    assert plus[1].loss is (margin_loss if classes == 2 else dlr)
    for attack in [*standard, *plus]:
        if isinstance(attack, TargetedAPGD | TargetedFAB):
            assert attack.targets == min(9, classes - 1)
    for attack in [*standard, *plus, *quick]:
        assert (attack.threat, attack.bounds, attack.early_stop) == (THREAT, bounds, True)
    torch.manual_seed(0)
    model, x = torch.nn.Linear(5, classes).eval(), torch.rand(3, 5)
    for attack in quick:
        few = {"queries": 5} if isinstance(attack, Square) else {"steps": 3}
        assert dataclasses.replace(attack, **few)(model, x, model(x).argmax(dim=1)).shape == x.shape


SAID: dict[int, dict[str, tuple[str, ...]]] = {
    2: {
        "standard": ("try 1 of 9 classes", "APGD-T: margin instead of targeted DLR, which wants 4 .* has 2"),
        "plus": ("try 1 of 9", "APGD-DLR: margin instead of DLR, which wants 3 .* has 2", "APGD-T: margin"),
        "quick": ("APGD-T: margin instead of targeted DLR, which wants 4 classes and has 2",),
    },
    3: {
        "standard": ("try 2 of 9 classes", "APGD-T: margin instead of targeted DLR, which wants 4 .* has 3"),
        "plus": ("try 2 of 9", "APGD-T: margin"),
        "quick": ("APGD-T: margin",),
    },
    4: {"standard": ("try 3 of 9 classes",), "plus": ("try 3 of 9",), "quick": ()},
    10: {"standard": (), "plus": (), "quick": ()},
}


@pytest.mark.parametrize("classes", SAID)
@pytest.mark.parametrize("name", suite.SUITES)
def test_what_few_classes_leave_out_is_said(name: str, classes: int) -> None:
    said = suite.deviations(name, THREAT, classes)
    assert len(said) == len(SAID[classes][name])
    for line, wanted in zip(said, SAID[classes][name], strict=True):
        assert re.search(wanted, line)


def test_the_same_is_said_of_attacks_that_are_given_and_of_wrapped_ones_and_once() -> None:
    targeted, whole = TargetedAPGD(THREAT), AutoAttack(THREAT)
    said = suite.deviations([targeted], THREAT, 3)
    assert said == suite.deviations("quick", THREAT, 3)
    assert (
        suite.deviations([targeted, EOT(targeted), Transfer(EOT(targeted), models.Linear())], THREAT, 3)
        == said
    )
    assert suite.deviations([EOT(whole), targeted], THREAT, 3) == suite.deviations("standard", THREAT, 3)
    assert suite.deviations([PGD(THREAT), FAB(THREAT), Square(THREAT)], THREAT, 2) == ()


def test_the_report_says_what_few_classes_leave_out() -> None:
    x, y = models.points(12)
    attack = TargetedAPGD(THREAT, steps=3)
    settings: dict[str, Any] = dict(diagnose=False, curve=False, progress=False)
    report = evaluate(models.Linear(), (x, y), THREAT, [attack, EOT(attack, samples=2)], **settings)
    assert report.notes == suite.deviations([attack], THREAT, 2), "and says it once"
    assert "margin instead of targeted DLR" in report.notes[0]
    assert report.notes[0] in str(report)


def test_an_ensemble_in_a_list_is_its_members_and_runs_with_its_own_settings() -> None:
    found = suite.build_suite([AutoAttack(THREAT, steps=7, queries=9), BIM(THREAT)], THREAT, 3, BOUNDS)
    assert kinds(found) == [APGD, TargetedAPGD, TargetedFAB, Square, BIM]
    assert [getattr(attack, "steps", None) for attack in found[:3]] == [7, 7, 7]
    assert found[3].queries == 9
    assert all(attack.early_stop for attack in found)


def test_ready_stops_early_wherever_that_changes_no_verdict() -> None:
    source, wide = models.Linear(), (-1.0, 1.0)
    assert suite.configure(PGD(THREAT), wide) == PGD(THREAT, bounds=wide, early_stop=True)
    last = PGD(THREAT, best=False)
    assert suite.configure(last, wide) == PGD(THREAT, best=False, bounds=wide), "which sees no step"
    travels = Transfer(PGD(THREAT), source)
    assert suite.configure(travels, wide) is travels, "which would stop where the source is fooled"
    averaged = suite.configure(EOT(PGD(THREAT), samples=3), wide)
    assert averaged == EOT(PGD(THREAT, bounds=wide, early_stop=True), samples=3)
    inside = suite.configure(EOT(travels), wide)
    assert isinstance(inside, EOT)
    assert inside.attack == travels
    assert suite.configure(FGSM(THREAT), wide).bounds == wide


def test_attacks_are_named_by_their_choices_where_kinds_repeat() -> None:
    source, other = models.Linear(), models.Linear(2.0)
    attacks = [
        PGD(THREAT, steps=5),
        PGD(THREAT, steps=9, loss=margin_loss),
        PGD(THREAT, steps=5),
        BIM(THREAT),
        APGD(THREAT),
        APGD(THREAT, loss=margin_loss),
        TargetedAPGD(THREAT),
        DeepFool(THREAT),
        EOT(PGD(THREAT, steps=5)),
        EOT(PGD(THREAT, steps=5), samples=4),
        Transfer(EOT(BIM(THREAT)), source),
        Transfer(PGD(THREAT), source),
        Transfer(PGD(THREAT), other),
    ]
    named = unique_names(attacks)
    names = list(named)
    assert names[0] == "PGD (steps=5, loss=cross_entropy)"
    assert names[1] == "PGD (steps=9, loss=margin_loss)"
    assert names[2:6] == ["BIM", "APGD-CE", "APGD-margin", "APGD-T"]
    assert names[6:9] == ["DeepFool", "EOT of PGD (samples=16)", "EOT of PGD (samples=4)"]
    assert names[9] == "Transfer of EOT of BIM"
    assert names[10].startswith("Transfer of PGD (sources=Linear ")
    assert names[11].startswith("Transfer of PGD (sources=Linear ")
    assert len(named) == len(attacks) - 1
    assert named["PGD (steps=5, loss=cross_entropy)"] == attacks[0]
    assert unique_names([]) == {}
    assert list(unique_names(attacks[:1])) == ["PGD"]


def test_attacks_that_differ_in_the_threat_alone_are_numbered() -> None:
    threats = [Linf(0.05), Linf(0.02), Linf(0.01)]
    named = unique_names([FGSM(threat) for threat in threats])
    assert list(named) == ["FGSM", "FGSM (2)", "FGSM (3)"]
    assert [attack.threat for attack in named.values()] == threats


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A loss that is an object, without its own text."""

    factor: float

    def __call__(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.factor * margin_loss(logits, y)

    def __repr__(self) -> str:
        return "a loss"


class Tempered:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.factor * margin_loss(logits, y)


class Remembers(PGD):
    """An attack with a choice that is no field."""

    def with_(self, choice: float) -> Remembers:
        object.__setattr__(self, "choice", choice)
        return self


def times(factor: float) -> Any:
    return lambda logits, y: factor * margin_loss(logits, y)


OBJECT, BOUND = Tempered(1.0), models.Linear()
RADII = torch.tensor([0.05, 0.02])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PGD(THREAT, loss=times(-1)), PGD(THREAT, loss=times(1))),
        (PGD(THREAT, loss=times(1)), PGD(THREAT, loss=times(1))),
        (PGD(THREAT, loss=Scaled(-1)), PGD(THREAT, loss=Scaled(1))),
        (PGD(THREAT, loss=Tempered(1)), PGD(THREAT, loss=Tempered(1))),
        (PGD(THREAT, loss=functools.partial(times(1))), PGD(THREAT, loss=functools.partial(times(2)))),
        (PGD(THREAT, loss=Tempered(1).__call__), PGD(THREAT, loss=Tempered(2).__call__)),
        (Transfer(PGD(THREAT), lambda x: x), Transfer(PGD(THREAT), lambda x: -x)),
        (Transfer(PGD(THREAT), [times(1)]), Transfer(PGD(THREAT), [times(2)])),
        (Transfer(PGD(THREAT), models.Linear()), Transfer(PGD(THREAT), models.Linear())),
        (EOT(PGD(THREAT, loss=times(1))), EOT(PGD(THREAT, loss=times(2)))),
        (Remembers(THREAT).with_(1), Remembers(THREAT).with_(2)),
        (PGD(Linf(RADII)), PGD(Linf(RADII.flip(0)))),
    ],
)
def test_attacks_that_only_read_alike_are_all_kept_by_names_of_their_own(one: Attack, other: Attack) -> None:
    named = unique_names([one, other, one])
    assert [*map(id, named.values())] == [id(one), id(other)], "the first of two equal ones stays"
    first, second = named
    if config_text(one) == config_text(other):
        assert second == f"{first} (2)"


@pytest.mark.parametrize(
    "make",
    [
        lambda: PGD(THREAT, steps=3, loss=margin_loss),
        lambda: PGD(Linf(RADII.clone())),
        lambda: PGD(THREAT, loss=OBJECT),
        lambda: PGD(THREAT, loss=OBJECT.__call__),
        lambda: PGD(THREAT, loss=Scaled(2)),
        lambda: Transfer(EOT(PGD(THREAT)), [BOUND, BOUND.forward]),
        lambda: Remembers(THREAT).with_(1),
        lambda: PGD(THREAT, precision=torch.bfloat16),
    ],
)
def test_equal_attacks_are_run_once(make: Any) -> None:
    first, second = make(), make()
    assert [*map(id, unique_names([first, second]).values())] == [id(first)]


def test_a_name_that_says_the_difference_keeps_it() -> None:
    attacks = [PGD(THREAT, steps=5, loss=times(1)), PGD(THREAT, steps=9), PGD(THREAT, steps=5, loss=times(2))]
    names = list(unique_names(attacks))
    assert names[0].startswith("PGD (steps=5, loss=times")
    assert names[1] == "PGD (steps=9, loss=cross_entropy)"
    assert names[2] == f"{names[0]} (2)"


def test_both_of_two_losses_run_and_the_report_tells_them_apart() -> None:
    x, y = models.points(40)
    settings: dict[str, Any] = dict(diagnose=False, curve=False, progress=False)
    attacks = [PGD(THREAT, steps=5, loss=times(factor)) for factor in (-1, 1)]
    there, back = (
        evaluate(models.Linear(), (x, y), THREAT, of, **settings) for of in (attacks, attacks[::-1])
    )
    assert [result.name for result in there.attacks] == ["PGD", "PGD (2)"]
    assert (
        there.robust
        == back.robust
        == evaluate(models.Linear(), (x, y), THREAT, attacks[1:], **settings).robust
    )
    assert there.attacks[0].fooled < back.attacks[0].fooled


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("name", suite.SUITES)
def test_every_member_of_an_ensemble_has_a_name_of_its_own(name: str, classes: int) -> None:
    members = suite.build_suite(name, THREAT, classes, BOUNDS)
    named = unique_names([*members, *members])
    assert list(named.values()) == members
    if name == "plus":
        dlr_name = "APGD-margin" if classes == 2 else "APGD-DLR"
        assert list(named) == ["APGD-CE", dlr_name, "FAB", "Square", "APGD-T", "FAB-T"]


@pytest.mark.parametrize(
    ("attacks", "message"),
    [
        ("best", "'standard', 'plus', 'quick' or a sequence of attacks, such as .*, got 'best'"),
        ([], r"got \[\]"),
        (None, "got None"),
        (FGSM(THREAT), "or a sequence of attacks.*got FGSM"),
        ({FGSM(THREAT)}, "or a sequence of attacks"),
        (["standard"], r"expected attacks such as PGD\(Linf\(0\.3\)\), got 'standard'"),
        ([FGSM], "expected attacks such as"),
        ([FGSM(THREAT), PGD(THREAT, targeted=True)], "PGD is targeted.*give it targeted=False"),
        ([EOT(PGD(THREAT, targeted=True))], "EOT of PGD is targeted"),
        ([BIM(THREAT, training=True)], "BIM has training=True, but .* in eval mode"),
        ([PGD(THREAT, bounds=(-1.0, 1.0))], r"PGD works in the bounds \(-1.0, 1.0\), the evaluation in"),
        ([PGD(Linf(0.06))], r"PGD may move inputs by Linf\(eps=0\.06\), further than .*Linf\(eps=0\.05\)"),
        ([EOT(PGD(Linf(0.06)))], "EOT of PGD may move inputs"),
        ([PGD(Linf(torch.tensor([0.05] * 8 + [0.06])))], "PGD may move inputs"),
        ([PGD(Linf(torch.full((8,), 0.05)))], "one value for each of 8 samples, but there are 9"),
        ([DeepFool(Linf(float("inf")))], "finite eps"),
    ],
)  # fmt: skip
def test_what_is_no_attack_for_this_evaluation_is_refused(attacks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_attacks(attacks, THREAT, BOUNDS, 9)


def test_what_fits_is_taken_as_it_is() -> None:
    attacks = [PGD(Linf(0.04)), PGD(Linf(torch.full((9,), 0.05))), EOT(BIM(THREAT)), FGSM(L2(3.0))]
    found = suite.parse_attacks(attacks, THREAT, BOUNDS, 9)
    assert all(one is other for one, other in zip(found, attacks, strict=True))
    assert [suite.parse_attacks(name, THREAT, BOUNDS, 9) for name in suite.SUITES] == [*suite.SUITES]
