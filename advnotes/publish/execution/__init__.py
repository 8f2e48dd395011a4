"""Executing chapters: papermill in processes of their own, what they loaded, and nbval's comparison."""
