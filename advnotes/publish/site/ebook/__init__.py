"""The whole book in one file, PDF or EPUB, made from the pages of the site that has been bound."""
