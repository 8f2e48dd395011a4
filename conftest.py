"""nbval, wherever it is started from: compare pictures too, and run cells as papermill ran them."""

import os
from collections.abc import Iterator
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """One thread, no progress bars, fixed hashing: what an executed copy was made with; kernels that start."""
    if config.getoption("nbval", False) or config.getoption("nbval_lax", False):
        from nbval import kernel

        from advnotes.publish.execution.kernel_start import start_with_retries
        from advnotes.publish.execution.worker import ENVIRONMENT

        os.environ.update(ENVIRONMENT)
        start = kernel.start_new_kernel
        kernel.start_new_kernel = lambda *args, **options: start_with_retries(lambda: start(*args, **options))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Iterator[Any]:
    """nbval leaves pictures out of its comparison; a book of figures cannot."""
    collected = yield
    for collector in collected if isinstance(collected, list) else [collected]:
        if hasattr(collector, "skip_compare"):
            collector.skip_compare = tuple(
                key for key in collector.skip_compare if not key.startswith("image/")
            )
    return collected
