"""NumPy's names with derivatives: ``import dualad.numpy as np``.

Each module holds one family; plain ``numpy`` calls on tensors find the same functions.
"""

from dualad.numpy import fft as fft
from dualad.numpy import linalg as linalg
from dualad.numpy.constants import *
from dualad.numpy.creation import *
from dualad.numpy.differences import *
from dualad.numpy.elementwise import *
from dualad.numpy.histograms import *
from dualad.numpy.indexing import *
from dualad.numpy.inplace import *
from dualad.numpy.interpolation import *
from dualad.numpy.polynomials import *
from dualad.numpy.products import *
from dualad.numpy.rearranging import *
from dualad.numpy.reductions import *
from dualad.numpy.sets import *
from dualad.numpy.shaping import *
from dualad.numpy.sorting import *
from dualad.numpy.statistics import *
from dualad.numpy.windows import *
