"""Test problems from the literature, each written once as a function of a namespace with NumPy's names."""
