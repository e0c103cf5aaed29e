"""NumPy's names with derivatives."""

from dualad.numpy.reductions import sum as sum
