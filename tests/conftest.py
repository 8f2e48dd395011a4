"""Settings of every test, and what several of them look at."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# Machines are noisy, so an example has no deadline; the same examples come again, so a failure can be repeated.
settings.register_profile("advnotes", deadline=None, derandomize=True)
settings.load_profile("advnotes")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so all that they start: what tests of
# Ctrl-C send would be lost.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def site() -> Path:
    """The built site: the smoke profile's, or the one that ADVNOTES_SITE names."""
    folder = Path(os.environ.get("ADVNOTES_SITE", ROOT / "_build" / "smoke" / "html")).resolve()
    if not (folder / "index.html").is_file():
        pytest.fail(f"no site in {folder}: run `make test` or `advnotes book --profile smoke`", pytrace=False)
    return folder
