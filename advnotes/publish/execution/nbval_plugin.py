"""A pytest plugin with which nbval joins what a cell prints in the same way as the execution did (`printed_text`)."""

import nbval.plugin

from advnotes.publish.execution.printed_text import coalesce

nbval.plugin.coalesce_streams = coalesce
