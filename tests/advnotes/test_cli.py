"""The command line: what a user types, what comes back, and what is said about mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from advnotes import cli
from advnotes.evaluation import Report
from advnotes.evaluation.command_line import load_data, load_model, parse_threat
from advnotes.threats import L1, L2, Linf

MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.layer = nn.Linear(4, 3)
        torch.nn.init.eye_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)

    def forward(self, x):
        return self.scale * self.layer(x)

net = Net()
saturated = Net(1e6)

def made():
    return Net()

def function(x):
    return net(x)

x = torch.rand(12, 4, generator=torch.Generator().manual_seed(0))
y = net(x).argmax(dim=1)
pair = (x, y)
dataset = torch.utils.data.TensorDataset(x, y)
number = 3

def loader():
    return torch.utils.data.DataLoader(dataset, batch_size=5, shuffle=True)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a user's module in it, to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("mine", "other_name"):
        (tmp_path / f"{name}.py").write_text(MODULE)
    yield tmp_path
    for name in ("mine", "other_name"):
        sys.modules.pop(name, None)


@pytest.fixture
def call(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line in this process: gives the exit code."""

    def command(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["advnotes", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0)

    return command


USUAL = ("evaluate", "mine:net", "--data", "mine:pair", "--threat", "linf:8/255", "--attacks", "quick")


def test_a_report_is_printed_and_saved(
    here: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*USUAL, "--html", "out/page.html", "--json", "report.json", "--folder", "journal") == 0
    out = capsys.readouterr().out
    report = Report.from_json((here / "report.json").read_text(encoding="utf-8"))
    assert str(report.robust) in out
    assert "8/255" in out
    assert "report.json" in out
    assert report.model == "mine:net"
    assert report.size == 12
    assert (here / "out" / "page.html").is_file()
    assert list((here / "journal").glob("*.part"))
    assert (
        call(*USUAL, "--size", "5", "--no-diagnosis", "--no-curve", "--json", "report.json", "--seed", "3")
        == 0
    )
    report = Report.from_json((here / "report.json").read_text(encoding="utf-8"))
    assert (report.size, report.diagnosed, report.curve, report.seed) == (5, False, (), 3)


def test_masking_is_loud_and_fails_only_where_it_should(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    masked = [part.replace("mine:net", "mine:saturated") for part in USUAL]
    assert call(*masked) == 0
    assert "MASKED GRADIENTS (saturated loss" in capsys.readouterr().out
    assert call(*masked, "--strict") == 1
    assert call(*USUAL, "--strict") == 0
    assert "MASKED" not in capsys.readouterr().out.rpartition("robust accuracy")[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mine:net": "mine"}, "expected MODULE:NAME"),
        ({"mine:net": "mien:net"}, "there is no module mien"),
        ({"mine:net": "mien.py:net"}, r"there is no file mien.py"),
        ({"mine:net": "mine:nett"}, "mine has no nett; it has Net, dataset"),
        ({"mine:net": "mine:number"}, "mine:number is int"),
        ({"mine:pair": "mine.npz"}, "there is no file mine.npz"),
        ({"mine:pair": "mine"}, "a set with its split such as mnist:test"),
        ({"mine:pair": "mnist:tset"}, "tset"),
        ({"mine:pair": "mine:number"}, "got int"),
        ({"linf:8/255": "linf"}, "such as linf:8/255"),
        ({"linf:8/255": "l3:8"}, "such as linf:8/255"),
        ({"linf:8/255": "linf:1/0"}, "such as linf:8/255"),
        ({"linf:8/255": "l2:-1"}, "such as linf:8/255"),
        ({"quick": "fast"}, "'standard', 'plus', 'quick'"),
    ],
)
def test_a_mistake_in_the_call_is_told(
    change: dict[str, str], message: str, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*(change.get(part, part) for part in USUAL)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--html", "page.pdf"), ("--json", "report.html")])
def test_a_wrong_suffix_is_told_before_any_work(
    option: tuple[str, str], call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*USUAL, *option) == 2
    assert f"{option[0]} wants a file" in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("advnotes.evaluation.evaluate", interrupted)
    assert call(*USUAL) == 130
    assert "with --folder it could go on" in capsys.readouterr().err
    assert call(*USUAL, "--folder", "journal") == 130
    assert "goes on where it was" in capsys.readouterr().err


def test_threats() -> None:
    assert parse_threat("linf:8/255") == Linf(8 / 255)
    assert parse_threat("L-inf: 0.3") == Linf(0.3)
    assert parse_threat("l2:1/2") == L2(0.5)
    assert parse_threat("l1:12") == L1(12.0)


@pytest.mark.parametrize("name", ["mine:net", "mine:made", "mine:Net", "mine:function", "other_name.py:net"])
def test_models(name: str, here: Path) -> None:
    model = load_model(name)
    x = torch.rand(3, 4)
    assert torch.equal(model(x), x[:, :3])
    assert not getattr(model, "training", False)


def test_data(here: Path) -> None:
    load_model("mine:net")
    mine = sys.modules["mine"]
    x, y = mine.pair
    grey = (255 * x).byte()
    np.savez("a.npz", x=x.numpy(), y=y.numpy())
    np.savez("bytes.npz", x=grey.numpy(), y=y.numpy())
    save_file({"x": x, "y": y}, "a.safetensors")
    torch.save({"x": x, "y": y}, "a.pt")
    torch.save((x, y), "pair.pt")
    torch.save(mine.net, "pickled.pt")
    np.savez("names.npz", images=x.numpy())
    for source in ("a.npz", "a.safetensors", "a.pt", "pair.pt", "mine:pair"):
        found = load_data(source)
        assert isinstance(found, tuple)
        assert torch.equal(found[0], x)
        assert torch.equal(found[1], y)
    found = load_data("bytes.npz")
    assert isinstance(found, tuple)
    assert torch.equal(found[0], grey.float() / 255)
    assert load_data("mine:dataset") is mine.dataset
    assert isinstance(load_data("mine:loader"), torch.utils.data.DataLoader)
    digits = load_data("mnist:test", 7)
    assert isinstance(digits, tuple)
    assert digits[0].shape == (7, 1, 28, 28)
    with pytest.raises(ValueError, match=r"names\.npz must hold x and y.*holds images"):
        load_data("names.npz")
    with pytest.raises(ValueError, match=r"pickled\.pt cannot be read"):
        load_data("pickled.pt")


def test_without_the_books_tools_evaluate_works_and_the_others_say_what_to_install(here: Path) -> None:
    script = """
import sys
for missing in ("psutil", "yaml", "nbformat", "papermill", "joblib", "nbval"):
    sys.modules[missing] = None
from advnotes import cli
sys.argv = ["advnotes", *sys.argv[1:]]
cli.main()
"""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )

    done = run(*USUAL, "--no-diagnosis")
    assert done.returncode == 0, done.stderr
    assert "robust accuracy" in done.stdout
    for arguments in (["book", "--profile", "smoke"], ["run", "attacks/fgsm", "-j", "2"], ["list"]):
        done = run(*arguments)
        assert done.returncode == 2
        assert 'pip install "advnotes[book]"' in done.stderr


def test_the_books_commands_are_there(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("evaluate", *cli.BOOK))
    assert call("list") == 2, "outside a book"
    assert "_toc.yml" in capsys.readouterr().err


def test_the_version_is_told() -> None:
    from importlib.metadata import version

    done = subprocess.run([sys.executable, "-m", "advnotes.cli", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"advnotes {version('advnotes')}\n")
