"""The hosted workflows: actions pinned by commit, least permissions, and what zizmor finds in them."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ZIZMOR = shutil.which("zizmor", path=sysconfig.get_path("scripts")) or "zizmor"
WORKFLOWS = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in FILES}


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        ZIZMOR,
        "--offline",
        "--no-progress",
        "--quiet",
        "--collect=all",
        "--strict-collection",
        str(folder),
    ]
    return subprocess.run(command, capture_output=True, text=True)


def test_zizmor_finds_nothing() -> None:
    assert {"bare", "book", "release"} <= set(WORKFLOWS)
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    (folder / "book.yml").write_text(re.sub(r"checkout@\w+  # v.*", "checkout@v4", text), encoding="utf-8")
    done = zizmor(tmp_path / ".github")
    assert done.returncode != 0
    assert "unpinned-uses" in done.stdout


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_actions_are_pinned_by_commit_and_say_their_version(file: Path) -> None:
    used = re.findall(r"uses: *(.*)", file.read_text(encoding="utf-8"))
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line)] == []


def test_one_action_has_one_commit_everywhere() -> None:
    used = {step["uses"] for workflow in WORKFLOWS.values() for step in steps(workflow) if "uses" in step}
    assert len({action.partition("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_only_and_keeps_no_credentials(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        writes = {what for what, how in job.get("permissions", {}).items() if how == "write"}
        assert not (writes and any("checkout@" in step.get("uses", "") for step in job["steps"]))
    for step in steps(workflow):
        if "checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_a_release_is_tried_before_it_is_published_and_published_without_a_secret() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    assert (jobs["try"]["needs"], jobs["pypi"]["needs"]) == ("package", "try")
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}
    publish = jobs["pypi"]["steps"][-1]
    assert publish["with"] == {"attestations": True}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def test_every_python_of_the_classifiers_is_tried() -> None:
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert WORKFLOWS["release"]["jobs"]["try"]["strategy"]["matrix"]["python"] == classifiers
    book = WORKFLOWS["book"]["jobs"]
    systems = book["systems"]["strategy"]["matrix"]["include"]
    (first,) = [
        step["with"]["python-version"]
        for step in book["build"]["steps"]
        if "setup-python" in step.get("uses", "")
    ]
    assert sorted({first, *(system["python"] for system in systems)}) == sorted(classifiers)


def test_dependabot_looks_after_actions_and_packages() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"github-actions", "pip"}
    assert all(one["groups"] for one in updates)
