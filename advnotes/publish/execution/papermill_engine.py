"""papermill's engine, with a client that joins and bounds what a cell prints while it is printed."""

from __future__ import annotations

from typing import Any

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from advnotes.publish.execution.printed_text import Text, bounded

ENGINE = "advnotes"


class Client(PapermillNotebookClient):  # type: ignore[misc]
    """nbclient keeps every printed piece until the cell ends; this client keeps a text of bounded length instead."""

    _texts: dict[str, tuple[Any, Text]]

    def execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Execute a cell; its outputs are complete when this returns or raises."""
        self._texts = {}
        try:
            return super().execute_cell(cell, cell_index, **options)
        finally:
            for output, text in self._texts.values():
                output["text"] = str(text)
            if "outputs" in cell:
                cell.outputs = bounded(cell.outputs)

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """A piece of text goes to the stream of its name; everything else is as in nbclient."""
        elsewhere = self.output_hook_stack[msg["parent_header"].get("msg_id")]  # into an output widget
        if msg["msg_type"] != "stream" or elsewhere:
            return super().output(outs, msg, display_id, cell_index)
        content = msg["content"]
        if self.clear_before_next_output:
            self._texts.clear()
        if content["name"] not in self._texts:
            first = {**msg, "content": {**content, "text": ""}}
            output = super().output(outs, first, display_id, cell_index)
            self._texts[content["name"]] = output, Text()
        output, text = self._texts[content["name"]]
        text.add(content["text"])
        return output

    def clear_output(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        """Forget the text of outputs that the cell has cleared."""
        super().clear_output(outs, msg, cell_index)
        if not outs:
            self._texts.clear()


class Engine(NBClientEngine):  # type: ignore[misc]
    """papermill's own engine with `Client`."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, execution_timeout: int | None = None, **options: Any
    ) -> Any:
        """Execute the notebook that papermill manages."""
        for name in ("input_path", "log_output", "stdout_file", "stderr_file"):
            options.pop(name, None)
        startup = options.pop("start_timeout", 60)
        client = Client(
            nb_man,
            kernel_name=kernel_name,
            timeout=execution_timeout,
            startup_timeout=startup,
            coalesce_streams=False,  # done here
            **options,
        )
        return client.execute()


papermill_engines.register(ENGINE, Engine)
