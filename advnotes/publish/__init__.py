"""From notebooks to a book: run (papermill), verify (nbval), score the claims, bind (Jupyter Book)."""
