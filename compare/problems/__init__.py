"""Test problems from the literature, as functions of a namespace with NumPy's names."""
