"""A folder answers for what was evaluated there, and for nothing else."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from advnotes.attacks import EOT, FGSM, PGD, Attack, Transfer
from advnotes.evaluation import Report, evaluate
from advnotes.losses import margin_loss
from advnotes.threats import Linf
from tests.advnotes.evaluation import models
from tests.advnotes.identity import kinds

X, Y = models.points(40)
THREAT = Linf(0.05)


def run(
    folder: Path | None, model: Any = None, attacks: list[Attack] | None = None, **options: Any
) -> Report:
    settings: dict[str, Any] = {
        "diagnose": False,
        "curve": False,
        "progress": False,
        "threat": THREAT,
    } | options
    threat, attacks = settings.pop("threat"), attacks or [PGD(THREAT, steps=5, loss=margin_loss)]
    return evaluate(model or models.Linear(), (X, Y), threat, attacks, folder=folder, **settings)


def signed(sign: float) -> Any:
    return lambda logits, y: sign * margin_loss(logits, y)


class Signed:
    def __init__(self, sign: float) -> None:
        self.signs = [sign]

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        return self.signs[0] * margin_loss(logits, y)

    def __repr__(self) -> str:
        return "a loss"

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        return self(logits, y)


def own_attack(sign: float) -> Attack:
    class Mine(PGD):
        def perturb(self, model, x, y, generator=None):  # type: ignore[no-untyped-def]
            return x.clone() if sign < 0 else super().perturb(model, x, y, generator)

    return Mine(THREAT, steps=5, loss=margin_loss)


def by_helper(sign: float) -> Attack:
    """An attack that calls a function of the notebook."""
    home = {"__name__": "notebook", "PGD": PGD, "sign": sign}
    text = "class Mine(PGD):\n def perturb(self, *a):\n  return helper(super(Mine, self).perturb, *a)\n"
    exec(text + f"def helper(f, m, x, *a):\n return x.clone() if {sign} < 0 else f(m, x, *a)", home)
    return home["Mine"](THREAT, steps=5, loss=margin_loss)  # type: ignore[operator]


def source(sign: float) -> nn.Module:
    return models.Linear(sign)


ATTACKS: dict[str, Any] = {
    "loss": lambda s: PGD(THREAT, steps=5, loss=signed(s)),
    "loss in a partial": lambda s: PGD(THREAT, steps=5, loss=functools.partial(signed(s))),
    "loss by an object": lambda s: PGD(THREAT, steps=5, loss=Signed(s)),
    "loss by its method": lambda s: PGD(THREAT, steps=5, loss=Signed(s).loss),
    "inner loss": lambda s: EOT(PGD(THREAT, steps=5, loss=signed(s)), samples=2),
    "class": own_attack,
    "helper": by_helper,
    "source": lambda s: Transfer(PGD(THREAT, steps=5), (lambda net: lambda x: net(x))(source(s))),
    "source by an object": lambda s: Transfer(PGD(THREAT, steps=5), [kinds.Wrap(source(s))]),
}


@pytest.mark.parametrize("kind", ATTACKS)
def test_a_mended_attack_is_run_again_in_the_same_folder(kind: str, tmp_path: Path) -> None:
    make = ATTACKS[kind]
    faulty = run(tmp_path, attacks=[make(-1.0)])
    mended, afresh = run(tmp_path, attacks=[make(1.0)]), run(None, attacks=[make(1.0)])
    assert mended == afresh
    assert mended.robust.count < faulty.robust.count
    count = len(list(tmp_path.glob("*.part")))
    assert run(tmp_path, attacks=[make(-1.0)]) == faulty
    assert run(tmp_path, attacks=[make(1.0)]) == mended
    assert len(list(tmp_path.glob("*.part"))) == count, "and both are still known"


MODELS: dict[str, Any] = {
    "wrapper": lambda s: kinds.Wrap(models.Linear(s)),
    "wrapper's method": lambda s: kinds.Wrap(models.Linear(s)).answer,
    "partial": lambda s: functools.partial(lambda net, x: net(x), models.Linear(s)),
    "number in a closure": lambda s: (lambda net: lambda x: s * net(x))(models.Linear()),
    "list in a closure": lambda s: (lambda nets: lambda x: sum(net(x) for net in nets))([models.Linear(s)]),
    "dict of a module": lambda s: Scaled({"scale": s}),
}


class Scaled(models.Linear):
    def __init__(self, settings: dict[str, float]) -> None:
        super().__init__()
        self._settings = [settings]

    def forward(self, x: Tensor) -> Tensor:
        return self._settings[0]["scale"] * super().forward(x)


@pytest.mark.parametrize("kind", MODELS)
def test_a_folder_of_another_model_is_refused(kind: str, tmp_path: Path) -> None:
    make = MODELS[kind]
    first = run(tmp_path, make(1.0))
    with pytest.raises(ValueError, match=r"belongs to another evaluation.*model: its parameters"):
        run(tmp_path, make(-1.0))
    assert run(tmp_path, make(1.0)) == first
    assert run(None, make(-1.0)).model_hash != first.model_hash


def test_a_wrapped_network_is_looked_at_like_a_bare_one() -> None:
    bare = run(None)
    wrapped = run(None, kinds.Wrap(models.Linear()))
    assert wrapped.parameters == bare.parameters == 12
    assert wrapped.fooled_by == bare.fooled_by
    assert wrapped.model == "Wrap of Linear (Linear)"
    with pytest.raises(ValueError, match="is in train mode"):
        run(None, kinds.Wrap(models.Linear().train()))


@dataclasses.dataclass(frozen=True)
class Ball(Linf):
    shrink: float = 1.0

    def project(self, delta: Tensor) -> Tensor:
        return self.shrink * super().project(delta)


def test_the_threat_s_code_and_settings_count(tmp_path: Path) -> None:
    attack = FGSM(THREAT)
    run(tmp_path, attacks=[attack], threat=Ball(0.05))
    with pytest.raises(ValueError, match="norm: the radius of the threat, its settings or its code"):
        run(tmp_path, attacks=[attack], threat=Ball(0.05, shrink=0.5))


def test_a_threat_that_python_does_not_show_is_evaluated_afresh_and_that_is_said(tmp_path: Path) -> None:
    threat = Ball(0.05)
    object.__setattr__(threat, "stream", hidden())
    with pytest.warns(UserWarning, match=r"Nothing of the threat is kept .*threat\.stream \(a generator\)"):
        report = run(tmp_path / "folder", attacks=[FGSM(THREAT)], threat=threat)
    assert "Nothing of the threat" in report.notes[-1]
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("package", ["advnotes", "torch"])
def test_parts_of_another_version_are_refused(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path)
    from advnotes.identity import digest

    version = digest.version
    monkeypatch.setattr(digest, "version", lambda name: "9.9" if name == package else version(name))
    with pytest.raises(ValueError, match=rf"{package}: .* then, 9\.9 now"):
        run(tmp_path)


def hidden() -> Any:
    """State that Python does not show."""
    return (number for number in range(3))


def test_a_model_that_python_does_not_show_is_evaluated_afresh_and_that_is_said(tmp_path: Path) -> None:
    model = kinds.Wrap(models.Linear(), session=hidden())
    with pytest.warns(UserWarning, match=r"Nothing of the model is kept .*model\.session \(a generator\)"):
        report = run(tmp_path / "folder", model)
    assert "leave folder= out" in report.notes[-1]
    assert not (tmp_path / "folder").exists()
    assert not any("folder" in note for note in run(None, model).notes), (
        "there is nothing to say of no folder"
    )


def test_an_attack_that_python_does_not_show_is_run_again_beside_those_that_are_kept(tmp_path: Path) -> None:
    def attacks(sign: float) -> list[Attack]:
        loss = Signed(sign)
        loss.__dict__["stream"] = hidden()
        return [PGD(THREAT, steps=5, loss=loss), FGSM(THREAT)]

    robust = []
    for sign in (-1.0, 1.0):
        with pytest.warns(UserWarning, match=r"Nothing of PGD is kept .*PGD\.loss\.stream \(a generator\)"):
            report = run(tmp_path, attacks=attacks(sign), batch_size=8)
        assert sum("Nothing of PGD" in note for note in report.notes) == 1
        robust.append(report.fooled_by)
        assert report.fooled_by == run(None, attacks=attacks(sign)).fooled_by
    assert robust[0] != robust[1]
    keys = {file.name.partition("-")[0] for file in tmp_path.glob("*.part")}
    assert len(keys) == 1, "FGSM's"


def test_a_counter_of_calls_is_no_other_model_in_another_run(tmp_path: Path) -> None:
    class Counting(kinds.Wrap):
        calls = 0

        def __call__(self, x: Tensor) -> Tensor:
            self.calls += 1
            return super().__call__(x)

    first = run(tmp_path, Counting(models.Linear()), batch_size=40)
    later = run(tmp_path, Counting(models.Linear()), batch_size=40, diagnose=True)
    assert later.fooled_by == first.fooled_by


def test_what_a_run_without_gradients_left_out_is_not_left_out_by_one_with(tmp_path: Path) -> None:
    class Step(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return models.Linear()(x).detach()

    report = run(tmp_path, Step().eval(), diagnose=True)
    assert any(note.startswith("Left out: PGD") for note in report.notes)
    with pytest.raises((ValueError, RuntimeError), match="differentiable"):
        run(tmp_path, Step().eval())
    assert run(tmp_path, Step().eval(), diagnose=True) == report
