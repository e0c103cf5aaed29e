"""One file per library: its NumPy namespace, and how it makes a gradient."""
