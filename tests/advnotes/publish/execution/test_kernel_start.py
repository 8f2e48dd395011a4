"""A kernel whose ports were taken by somebody else is started again; any other failure is told at once."""

import pytest

from advnotes.publish.execution.kernel_start import start_with_retries

DIED = "Kernel died before replying to kernel_info"


@pytest.mark.parametrize(
    ("failures", "message", "started"),
    [(0, DIED, 1), (2, DIED, 3), (3, DIED, None), (1, "no such kernel", None)],
)
def test_only_a_kernel_that_died_at_its_start_is_started_again(failures, message, started):
    calls = []

    def start() -> int:
        calls.append(None)
        if len(calls) <= failures:
            raise RuntimeError(message)
        return len(calls)

    if started is None:
        with pytest.raises(RuntimeError, match=message):
            start_with_retries(start)
        assert len(calls) == (3 if message == DIED else 1)
    else:
        assert start_with_retries(start) == started


def test_tries_is_a_number_of_them():
    with pytest.raises(ValueError, match="at least 1"):
        start_with_retries(lambda: None, tries=0)
