"""From executed notebooks to the web site: pages with their outputs, rendered by Jupyter Book."""
