"""The claims of all chapters, judged over seeds and machines, and the page that shows them."""
