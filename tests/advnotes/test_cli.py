"""The command line: what a user types, what comes back, and what is said about mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from advnotes import cli
from advnotes.evaluation import Report, load_adversarial


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
FAST = (*USUAL, "--no-diagnosis", "--no-curve")


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


@pytest.mark.parametrize("option", [("--certify",), ("--certify-seconds", "20")])
def test_a_lower_bound_is_proved_where_it_is_asked_for(
    here: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    assert call(*FAST, *option, "--json", "report.json") == 0
    report = Report.from_json((here / "report.json").read_text(encoding="utf-8"))
    assert report.certified is not None
    assert 0 < report.certified.count <= report.robust.count
    assert report.between in capsys.readouterr().out
    assert call(*FAST, "--certify-seconds", "-1") == 2
    assert "number of seconds" in capsys.readouterr().err


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
        ({"mine:net": "mine:nett"}, "mine has no nett; it has Broken, Depth"),
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
    assert "with --folder it could be resumed" in capsys.readouterr().err
    assert call(*USUAL, "--folder", "journal") == 130
    assert "the same command resumes it" in capsys.readouterr().err


def test_the_report_can_have_a_name_and_the_inputs_can_be_kept(
    here: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--name", "my net", "--keep", "out/adversarial.safetensors", "--json", "r.json")
    assert call(*FAST, *options) == 0
    assert "adversarial.safetensors" in capsys.readouterr().out
    report = Report.from_json((here / "r.json").read_text(encoding="utf-8"))
    assert report.model == "my net"
    x, y = load_adversarial("out/adversarial.safetensors")
    predictions = sys.modules["mine"].net(x).argmax(dim=1)
    assert tuple(predictions.tolist()) == report.adversarial_predictions
    assert tuple(y.tolist()) == report.labels
    again = [part.replace("mine:pair", "out/adversarial.safetensors") for part in FAST]
    assert call(*again, "--json", "again.json") == 0
    again_report = Report.from_json((here / "again.json").read_text(encoding="utf-8"))
    assert again_report.clean == report.robust


def test_attacks_of_ones_own_in_bfloat16(here: Path, call: Callable[..., int]) -> None:
    for name in ("mine:attacks", "mine:one", "mine:make_attacks"):
        arguments = [name if part == "quick" else part for part in FAST]
        assert call(*arguments, "--json", "r.json", "--precision", "bfloat16") == 0
        report = Report.from_json((here / "r.json").read_text(encoding="utf-8"))
        assert [attack.name for attack in report.attacks] == ["FGSM"]
        assert report.options["precision"] == "torch.bfloat16"


def test_a_model_for_one_batch_size(here: Path, call: Callable[..., int]) -> None:
    arguments = [part.replace("mine:net", "mine:five") for part in FAST]
    assert call(*arguments, "--batch-size", "5", "--pad-batches") == 0
    assert call(*arguments, "--batch-size", "5") == 2


@pytest.mark.parametrize(("limit", "code"), [("0.0", 0), ("1.0", 1)])
def test_a_robust_accuracy_that_is_too_low_fails(
    limit: str, code: int, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    weak = [part.replace("linf:8/255", "linf:0.5") for part in FAST]
    assert call(*weak, "--fail-under", limit) == code
    assert ("is below 100.0%" in capsys.readouterr().err) == bool(code)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--device": "cuda:77"}, r"there is no device 'cuda:77' here"),
        ({"mine:net": "mine:Depth"}, r"mine:Depth wants arguments \(depth\)"),
        ({"mine:net": "mine:keyword"}, r"mine:keyword wants arguments \(depth\)"),
        ({"mine:net": "mine:two"}, r"mine:two wants arguments \(depth, width\)"),
        ({"mine:net": "mine:resnet"}, r"returns a network, a Net: it makes models"),
        ({"mine:pair": "mine:Pictures"}, r"transform=torchvision\.transforms\.ToTensor\(\)"),
        ({"mine:pair": "mine:double"}, r"inputs are torch\.float64, the model torch\.float32"),
        ({"mine:pair": "mine:Broken"}, r"KeyError in mine\.py, line \d+: 'label'"),
        ({"mine:net": "mine:faulty"}, r"TypeError in mine\.py, line \d+: .*abs"),
        ({"mine:net": "broken_module:net"}, r"NameError in broken_module\.py, line 1: name 'nn'"),
        ({"quick": "mine:number"}, "mine:number is int, expected attacks such as"),
        ({"--precision": "float16"}, "--precision is bfloat16"),
        ({"--keep": "points.pt"}, r"--keep wants a file \.safetensors"),
    ],
)
def test_a_user_s_mistake_is_one_line(
    change: dict[str, str],
    message: str,
    here: Path,
    call: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "broken_module.py").write_text("net = nn.Linear(4, 3)\n")
    options = [word for pair in change.items() if pair[0].startswith("--") for word in pair]
    assert call(*(change.get(part, part) for part in FAST), *options) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert re.search(message, lines[0]), lines[0]


def test_an_error_of_advnotes_itself_keeps_its_traceback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advnotes.evaluation.suite.SUITES", None)
    monkeypatch.setattr("sys.argv", ["advnotes", *FAST])
    with pytest.raises(TypeError, match="NoneType"):
        cli.main()


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
