"""A plugin of pytest: nbval joins what cells print as the copies' makers did (see `streams`), not in its own way."""

import nbval.plugin

from advnotes.publish.streams import coalesce

nbval.plugin.coalesce_streams = coalesce
