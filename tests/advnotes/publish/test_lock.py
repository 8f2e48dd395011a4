"""Two commands at once on a profile."""

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advnotes.publish.lock import HOLDER, folder_lock, holder

WAIT = """
import os, time
open("../../started", "a").write("x")
while not os.path.exists("../../go"): time.sleep(0.05)
"""


def test_the_second_run_says_who_is_at_work_and_waits(book: Any, until: Callable[..., None]) -> None:
    book.add("a/one", WAIT)
    first = book.start("run")
    until((book.root / "started").exists, 300)
    hasty = book.start("verify", "--profile", "laptop", "--no-wait")
    said, _ = hasty.communicate(timeout=300)
    assert hasty.returncode == 1
    assert f"process {first.pid} on {socket.gethostname()}, since " in said
    assert "run` is at work" in said
    second = book.start("run")
    assert second.stdout.readline().count("waiting for it to end") == 1
    (book.root / "go").touch()
    assert "executed   a/one" in first.communicate(timeout=300)[0]
    assert "unchanged  a/one" in second.communicate(timeout=300)[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert (book.root / "started").read_text() == "x"


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_a_lock_goes_with_its_process(book: Any, until: Callable[..., None]) -> None:
    book.add("a/one", WAIT)
    first = book.start("run")
    until((book.root / "started").exists, 300)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=300)
    (book.root / "go").touch()
    second = book.start("run", "--no-wait")
    assert "executed   a/one" in second.communicate(timeout=300)[0]
    assert second.returncode == 0


def test_a_lock_leaves_nothing_that_names_it(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "laptop"):
        assert json.loads((tmp_path / "laptop" / HOLDER).read_text())["process"] == os.getpid()
        with (
            pytest.raises(RuntimeError, match=rf"process {os.getpid()} .*--no-wait"),
            folder_lock(tmp_path / "laptop", wait=False),
        ):
            pass
        with folder_lock(tmp_path / "smoke", wait=False):
            pass
    assert not (tmp_path / "laptop" / HOLDER).exists()
    assert holder(tmp_path / "laptop") == "another command is at work"
