"""Settings of every test."""

from hypothesis import settings

# Machines are noisy, so an example has no deadline; the same examples come again, so a failure can be repeated.
settings.register_profile("advnotes", deadline=None, derandomize=True)
settings.load_profile("advnotes")
