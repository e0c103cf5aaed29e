"""SciPy's names with derivatives: ``from dualad.scipy import special, linalg, stats``. SciPy is imported when first needed."""
