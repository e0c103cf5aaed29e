"""What dualad raises. Every error says what was wrong, where, and what to write instead."""


class DualadError(Exception):
    """Base class of all errors raised by dualad."""


class ShapeError(DualadError, ValueError):
    """Shapes that do not fit together."""


class DtypeError(DualadError, TypeError):
    """A dtype that cannot be differentiated, or that does not match its counterpart."""


class ArgumentError(DualadError, TypeError, ValueError):
    """A call with arguments that make no sense: wrong argnums, wrong counts, unknown keywords."""


class StructureError(DualadError, TypeError):
    """Pytrees whose structures differ."""


class IndexingError(DualadError, IndexError):
    """An index outside the array, or of a kind that cannot be used here."""


class LeakedTensorError(DualadError, RuntimeError):
    """A tensor used after the transform that made it has ended."""


class AnomalyError(DualadError, FloatingPointError):
    """A NaN or an infinity, found by ``detect_anomaly``."""


class UntrackedError(DualadError, TypeError):
    """A conversion that would silently drop derivatives."""


class NotDifferentiable(DualadError, TypeError):
    """A function that has no derivative rule in dualad."""


class Undetermined(NotDifferentiable):
    """A derivative that reverse mode cannot tell from the cotangents of factors; api/confluent.py takes forward mode instead."""


class Undirected(NotDifferentiable):
    """A second derivative that is determined only along a direction known beforehand; api/confluent.py takes such."""


class BatchError(DualadError, ValueError):
    """Something that cannot be done to all elements of a batch at once."""


class GuardError(DualadError, RuntimeError):
    """A recorded program replayed at a point at which Python would have taken another branch."""
