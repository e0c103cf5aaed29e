"""Colorings: their defining properties by brute force, known color counts, and recovery of the very matrix."""

from __future__ import annotations

import itertools
import pickle
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import block_diag, coo_array, csc_array, csr_array, csr_matrix, diags_array, eye_array, kron

from dualad.core.errors import ArgumentError, ShapeError
from dualad.plan.coloring import (
    ORDERS,
    acyclic_coloring,
    bicoloring,
    column_coloring,
    row_coloring,
    star_coloring,
)

every_order = pytest.mark.parametrize("order", ORDERS)


def banded(n: int, b: int) -> Any:
    return diags_array([np.ones(n - abs(k)) for k in range(-b, b + 1)], offsets=range(-b, b + 1)).tocsr()


def five_point(k: int) -> Any:
    line = banded(k, 1) - eye_array(k)
    return (kron(line, eye_array(k)) + kron(eye_array(k), line) + eye_array(k * k)).tocsr()


def arrow(n: int) -> Any:
    dense = np.eye(n)
    dense[0] = dense[:, 0] = 1
    return csr_array(dense)


def scattered(m: int, n: int, entries: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    at = (rng.integers(0, m, entries), rng.integers(0, n, entries))
    return csr_array(coo_array((np.ones(entries), at), shape=(m, n)))


JACOBIANS = {
    "banded": banded(12, 2),
    "tridiagonal": banded(11, 1),
    "5-point": five_point(5),
    "arrow": arrow(9),
    "block diagonal": block_diag([np.ones((3, 3))] * 3).tocsr(),
    "dense": csr_array(np.ones((6, 6))),
    "empty": csr_array((5, 5)),
    "diagonal": eye_array(5).tocsr(),
    "no diagonal": csr_array(five_point(4) - eye_array(16)),
    "one entry": csr_array([[1.0]]),
    "scattered": scattered(30, 30, 90, 0),
    "wide": scattered(8, 40, 90, 1),
    "tall": scattered(40, 8, 90, 2),
    "single row": csr_array(np.ones((1, 7))),
    "single column": csr_array(np.ones((7, 1))),
    "no rows": csr_array((0, 4)),
    "no columns": csr_array((4, 0)),
    "nothing": csr_array((0, 0)),
}
for pattern in JACOBIANS.values():
    pattern.eliminate_zeros()
HESSIANS = {n: (p + p.T).tocsr() for n, p in JACOBIANS.items() if p.shape[0] == p.shape[1]}
jacobians = pytest.mark.parametrize("pattern", JACOBIANS.values(), ids=JACOBIANS.keys())
hessians = pytest.mark.parametrize("pattern", HESSIANS.values(), ids=HESSIANS.keys())


def valued(pattern: Any, seed: int = 0) -> Any:
    """The pattern with random values."""
    out = pattern.copy()
    out.data = np.random.default_rng(seed).standard_normal(out.nnz)
    return out


def symmetric(pattern: Any) -> Any:
    out = valued(pattern)
    return ((out + out.T) / 2).tocsr()


def equal(found: Any, wanted: Any) -> None:
    assert isinstance(found, csr_array)
    assert found.nnz == wanted.nnz
    np.testing.assert_array_equal(found.toarray(), wanted.toarray())


# The definitions, by brute force


def orthogonal(dense: Any, colors: Any) -> bool:
    """Every nonzero column has a color, and two of one color never meet in a row."""
    pairs = itertools.combinations(range(dense.shape[1]), 2)
    alone = all(colors[i] != colors[j] or not (dense[:, i] & dense[:, j]).any() for i, j in pairs)
    return alone and all(c >= 0 for c, column in zip(colors, dense.T) if column.any())


def direct(dense: Any, row_colors: Any, column_colors: Any) -> bool:
    """Every entry is the only one of its column's color in its row, or of its row's color in its column."""
    for i, j in zip(*np.nonzero(dense)):
        by_column = column_colors[j] >= 0 and sum(dense[i] & (column_colors == column_colors[j])) == 1
        by_row = row_colors[i] >= 0 and sum(dense[:, j] & (row_colors == row_colors[i])) == 1
        if not (by_column or by_row):
            return False
    return True


def is_star(dense: Any, colors: Any) -> bool:
    """Neighbors differ; no path on four vertices has two colors."""
    n = len(dense)
    adjacent = dense & ~np.eye(n, dtype=bool)
    if any(colors[i] == colors[j] for i, j in zip(*np.nonzero(adjacent))):
        return False
    around = [np.flatnonzero(a) for a in adjacent]
    return not any(
        colors[a] == colors[v] and colors[u] == colors[b]
        for u, v in zip(*np.nonzero(adjacent))
        for a in around[u]
        for b in around[v]
        if a != v and b != u and a != b
    )


def is_acyclic(dense: Any, colors: Any) -> bool:
    """Neighbors differ; any two colors make a forest: pruning leaves leaves nothing."""
    n = len(dense)
    adjacent = dense & ~np.eye(n, dtype=bool)
    if any(colors[i] == colors[j] for i, j in zip(*np.nonzero(adjacent))):
        return False
    for a, b in itertools.combinations(range(colors.max(initial=-1) + 1), 2):
        among = np.isin(colors, (a, b))
        graph = adjacent & among & among[:, None]
        while True:
            leaves = graph.sum(axis=1) == 1
            if not leaves.any():
                break
            graph[leaves] = graph[:, leaves] = False
        if graph.any():
            return False
    return True


# Validity and recovery


@every_order
@jacobians
def test_column_coloring(pattern: Any, order: str) -> None:
    coloring = column_coloring(pattern, order)
    assert orthogonal(pattern.toarray() != 0, coloring.colors)
    assert coloring.verify()
    assert np.diff(pattern.indptr).max(initial=0) <= coloring.count <= pattern.shape[1]
    assert set(coloring.colors) - {-1} == set(range(coloring.count))
    J = valued(pattern)
    equal(coloring.decompress(J @ coloring.seeds()), J)


@every_order
@jacobians
def test_row_coloring(pattern: Any, order: str) -> None:
    coloring = row_coloring(pattern, order)
    assert orthogonal(pattern.toarray().T != 0, coloring.colors)
    assert coloring.verify()
    J = valued(pattern)
    equal(coloring.decompress(coloring.seeds().T @ J), J)
    np.testing.assert_array_equal(coloring.colors, column_coloring(pattern.T, order).colors)


@every_order
@jacobians
def test_bicoloring(pattern: Any, order: str) -> None:
    coloring = bicoloring(pattern, order)
    assert direct(pattern.toarray() != 0, coloring.row_colors, coloring.column_colors)
    assert coloring.verify()
    assert coloring.count == coloring.row_count + coloring.column_count
    J = valued(pattern)
    equal(coloring.decompress(J @ coloring.column_seeds(), coloring.row_seeds().T @ J), J)


@every_order
@hessians
def test_star_coloring(pattern: Any, order: str) -> None:
    coloring = star_coloring(pattern, order)
    dense = pattern.toarray() != 0
    assert direct(dense, coloring.colors, coloring.colors)
    if coloring.colors.min(initial=0) >= 0:  # no neutral colors: the textbook's definition
        assert is_star(dense, coloring.colors)
    assert coloring.verify()
    H = symmetric(pattern)
    equal(coloring.decompress(H @ coloring.seeds()), H)


@every_order
@hessians
def test_acyclic_coloring(pattern: Any, order: str) -> None:
    coloring = acyclic_coloring(pattern, order)
    assert is_acyclic(pattern.toarray() != 0, coloring.colors)
    assert coloring.verify()
    H = symmetric(pattern)
    found = coloring.decompress(H @ coloring.seeds())
    np.testing.assert_allclose(found.toarray(), H.toarray(), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(found.toarray(), found.toarray().T)
    H.data = np.round(H.data * 64)  # sums of integers have no rounding errors
    equal(coloring.decompress(H @ coloring.seeds()), H)


@jacobians
def test_passes_are_those_that_entries_are_read_from(pattern: Any) -> None:
    J = valued(pattern)
    data = J.data
    for coloring, side in ((column_coloring(pattern), 0), (row_coloring(pattern), 1), (bicoloring(pattern), 2)):
        for k in range(coloring.count):
            mine = np.where(coloring.passes() == k, data, 0)
            if side == 2:
                forward, reverse = J @ coloring.column_seeds(), coloring.row_seeds().T @ J
                forward[:, np.arange(coloring.column_count) != k] = 0
                reverse[np.arange(coloring.row_count) != k - coloring.column_count] = 0
                found = coloring.decompress(forward, reverse)
            else:
                compressed = coloring.seeds().T @ J if side else J @ coloring.seeds()
                compressed[
                    *((np.arange(coloring.count) != k,) if side else (slice(None), np.arange(coloring.count) != k))
                ] = 0
                found = coloring.decompress(compressed)
            np.testing.assert_array_equal(found.data, mine)


@hessians
def test_passes_of_a_star_coloring(pattern: Any) -> None:
    coloring, H = star_coloring(pattern), symmetric(pattern)
    for k in range(coloring.count):
        compressed = H @ coloring.seeds()
        compressed[:, np.arange(coloring.count) != k] = 0
        np.testing.assert_array_equal(coloring.decompress(compressed).data, np.where(coloring.passes() == k, H.data, 0))


patterns = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 40), st.integers(0, 10**6)).map(
    lambda k: scattered(max(k[0], 1), max(k[1], 1), k[2], k[3])
)


@settings(max_examples=60, deadline=None)
@given(patterns, st.sampled_from(ORDERS))
def test_random_patterns(pattern: Any, order: str) -> None:
    dense = pattern.toarray() != 0
    assert orthogonal(dense, column_coloring(pattern, order).colors)
    assert orthogonal(dense.T, row_coloring(pattern, order).colors)
    both = bicoloring(pattern, order)
    assert direct(dense, both.row_colors, both.column_colors)
    J = valued(pattern)
    equal(both.decompress(J @ both.column_seeds(), both.row_seeds().T @ J), J)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 10**6), st.booleans(), st.sampled_from(ORDERS))
def test_random_symmetric_patterns(n: int, entries: int, seed: int, diagonal: bool, order: str) -> None:
    pattern = scattered(n, n, entries, seed)
    pattern = csr_array(pattern + pattern.T + (eye_array(n) if diagonal else csr_array((n, n))))
    dense = pattern.toarray() != 0
    star, acyclic = star_coloring(pattern, order), acyclic_coloring(pattern, order)
    assert direct(dense, star.colors, star.colors)
    assert not diagonal or is_star(dense, star.colors)
    assert is_acyclic(dense, acyclic.colors)
    H = symmetric(pattern)
    H.data = np.round(H.data * 64)
    equal(star.decompress(H @ star.seeds()), H)
    equal(acyclic.decompress(H @ acyclic.seeds()), H)


# Known counts


@pytest.mark.parametrize("b", [0, 1, 2, 3])
def test_a_band_takes_its_width(b: int) -> None:
    """2b + 1 columns meet in a row, and coloring modulo 2b + 1 does it (Curtis, Powell & Reid 1974)."""
    for order in ("natural", "smallest-last"):
        assert column_coloring(banded(30, b), order).count == 2 * b + 1
        assert row_coloring(banded(30, b), order).count == 2 * b + 1


def test_tridiagonal_hessian() -> None:
    """A path: star chromatic number 3 (Coleman & Moré 1984), acyclic 2 (it is a tree)."""
    assert star_coloring(banded(30, 1)).count == 3
    assert acyclic_coloring(banded(30, 1)).count == 2


def test_five_point_stencil() -> None:
    """Columns: 5, by a perfect cover of the grid with crosses; star: 5 (Fertin, Raspaud & Reed 2004), acyclic: at least 3."""
    assert column_coloring(five_point(12), "smallest-last").count == 5
    assert star_coloring(five_point(12)).count == 5
    assert 3 <= min(acyclic_coloring(five_point(12), order).count for order in ORDERS) <= 4


@pytest.mark.parametrize("seed", range(3))
def test_random_patterns_between_bounds(seed: int) -> None:
    """At least the fullest row's entries; at most one more than the degeneracy of the intersection graph, by smallest last
    (Coleman & Moré 1983, theorem 3.3), and than its largest degree in any order. Star: at least the acyclic number."""
    pattern = scattered(60, 60, 150, seed)
    dense = pattern.toarray() != 0
    meets = (dense.T.astype(int) @ dense > 0) & ~np.eye(60, dtype=bool)
    left, degeneracy = meets.copy(), 0
    alive = np.ones(60, bool)
    for _ in range(60):
        degrees = np.where(alive, left.sum(1), 60)
        v = int(degrees.argmin())
        degeneracy = max(degeneracy, int(degrees[v]))
        alive[v] = False
        left[v] = left[:, v] = False
    least = int(np.diff(pattern.indptr).max())
    for order in ORDERS:
        assert least <= column_coloring(pattern, order).count <= 1 + int(meets.sum(1).max())
    assert column_coloring(pattern, "smallest-last").count <= 1 + degeneracy


def test_arrow() -> None:
    """One side: as many as there are columns. Both: one dense column, one dense row, and the diagonal."""
    for n in (50, 200):
        assert column_coloring(arrow(n)).count == row_coloring(arrow(n)).count == n
        both = bicoloring(arrow(n))
        assert both.count == 3
        assert min(both.column_count, both.row_count) == 1
        for order in ORDERS:
            assert star_coloring(arrow(n), order).count == 2
            assert acyclic_coloring(arrow(n), order).count == 2


@every_order
def test_block_diagonal_and_dense(order: str) -> None:
    blocks = block_diag([np.ones((4, 4))] * 5).tocsr()
    dense = csr_array(np.ones((6, 6)))
    for color in (column_coloring, row_coloring, star_coloring, acyclic_coloring):
        assert color(blocks, order).count == 4
        assert color(dense, order).count == 6
        assert color(eye_array(9), order).count == 1
    assert bicoloring(dense, order).count == 6


@every_order
def test_trees_take_two_acyclic_colors(order: str) -> None:
    """Any two-coloring of a tree is acyclic; an order that grows connected or ends in leaves finds it."""
    rng = np.random.default_rng(3)
    parents = [(i, int(rng.integers(0, i))) for i in range(1, 60)]
    i, j = np.array(parents).T
    tree = csr_array(coo_array((np.ones(59), (i, j)), shape=(60, 60)))
    found = acyclic_coloring(tree + tree.T + eye_array(60), order)
    assert found.verify()
    if order in ("natural", "smallest-last", "incidence-degree"):
        assert found.count == 2


def test_empty_lines_are_neutral() -> None:
    pattern = csr_array([[1, 0, 1], [0, 0, 0], [1, 0, 1]])
    assert column_coloring(pattern).colors.tolist() == [0, -1, 1]
    assert row_coloring(pattern).colors.tolist() == [0, -1, 1]
    assert star_coloring(pattern).colors.tolist() == [0, -1, 1] or star_coloring(pattern).count == 2
    assert acyclic_coloring(pattern).colors.tolist() == [0, -1, 1]
    np.testing.assert_array_equal(column_coloring(pattern).seeds(), [[1, 0], [0, 0], [0, 1]])
    nothing = csr_array((3, 4))
    assert column_coloring(nothing).count == row_coloring(nothing).count == bicoloring(nothing).count == 0


def test_a_color_that_is_not_read_is_neutral() -> None:
    """A star without diagonal: the hub's color alone gives every entry."""
    dense = np.zeros((6, 6))
    dense[0, 1:] = dense[1:, 0] = 1
    coloring = star_coloring(csr_array(dense))
    assert coloring.count == 1
    assert coloring.colors.tolist() == [0, -1, -1, -1, -1, -1]
    assert coloring.verify()


# Colorings as values


COLORINGS = [
    column_coloring(arrow(5)),
    row_coloring(arrow(5)),
    star_coloring(arrow(5)),
    acyclic_coloring(arrow(5)),
]


@pytest.mark.parametrize("coloring", COLORINGS, ids=lambda c: type(c).__name__)
def test_verify_sees_a_wrong_color(coloring: Any) -> None:
    assert coloring.verify()
    spoilt = pickle.loads(pickle.dumps(coloring))
    spoilt.colors = np.zeros_like(coloring.colors)
    assert not spoilt.verify()
    spoilt.colors = np.full_like(coloring.colors, -1)
    assert not spoilt.verify()


def test_verify_sees_a_cycle() -> None:
    ring = csr_array(np.eye(4, k=1) + np.eye(4, k=-1) + np.eye(4, k=3) + np.eye(4, k=-3))
    coloring = acyclic_coloring(ring)
    assert coloring.verify()
    assert coloring.count == 3
    coloring = pickle.loads(pickle.dumps(star_coloring(ring + eye_array(4))))
    coloring.colors = np.array([0, 1, 0, 1])
    assert not coloring.verify()
    again = acyclic_coloring(ring)
    again.colors, again.count = np.array([0, 1, 0, 1]), 2
    assert not again.verify()


def test_verify_of_bicoloring_sees_a_wrong_color() -> None:
    coloring = bicoloring(arrow(5))
    coloring.row_colors = np.full(5, -1)
    assert not coloring.verify()


@pytest.mark.parametrize("coloring", COLORINGS, ids=lambda c: type(c).__name__)
def test_pickled(coloring: Any) -> None:
    H = symmetric(arrow(5))
    compressed = coloring.seeds().T @ H if coloring.wording == "row" else H @ coloring.seeds()
    wanted = coloring.decompress(compressed)
    for again in (pickle.loads(pickle.dumps(coloring)), coloring):
        equal(again.decompress(compressed), wanted)
    assert repr(again) == repr(coloring)
    assert repr(coloring).startswith(f"{type(coloring).__name__}(5 x 5, 13 entries: {coloring.count} colors")


def test_pickled_bicoloring() -> None:
    coloring = bicoloring(arrow(5))
    again = pickle.loads(pickle.dumps(coloring))
    assert repr(again) == repr(coloring)
    J = valued(arrow(5))
    equal(again.decompress(J @ again.column_seeds(), again.row_seeds().T @ J), J)


def test_any_sparse_format_and_duplicates() -> None:
    pattern = arrow(6)
    wanted = column_coloring(pattern).colors
    for other in (
        csc_array(pattern),
        coo_array(pattern),
        csr_matrix(pattern),
        pattern.astype(bool),
        pattern.astype(complex),
    ):
        np.testing.assert_array_equal(column_coloring(other).colors, wanted)
    twice = coo_array((np.ones(4), ([0, 0, 1, 0], [1, 1, 0, 0])), shape=(2, 2))
    assert column_coloring(twice).pattern.nnz == 3


def test_stored_zeros_are_entries() -> None:
    pattern = csr_array(([0.0, 0.0], ([0, 0], [0, 1])), shape=(1, 2))
    assert column_coloring(pattern).count == 2


def test_the_pattern_is_not_modified_and_not_shared() -> None:
    unsorted = csr_array((np.array([1.0, 2.0, 3.0]), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3))
    before = [unsorted.data.copy(), unsorted.indices.copy(), unsorted.indptr.copy()]
    coloring = column_coloring(unsorted)
    J = coloring.decompress(np.zeros((2, coloring.count)))
    J.eliminate_zeros()
    for was, now in zip(before, (unsorted.data, unsorted.indices, unsorted.indptr)):
        np.testing.assert_array_equal(was, now)
    assert coloring.pattern.nnz == 3
    assert coloring.decompress(np.ones((2, coloring.count))).nnz == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64])
def test_dtypes(dtype: Any) -> None:
    H = csr_array((symmetric(five_point(4)) * 16).astype(dtype))
    for coloring in (column_coloring(H), star_coloring(H), acyclic_coloring(H)):
        seeds = coloring.seeds(dtype)
        assert seeds.dtype == dtype
        assert coloring.decompress(H @ seeds).dtype == dtype
    both = bicoloring(H)
    assert both.decompress(H @ both.column_seeds(dtype), both.row_seeds(dtype).T @ H).dtype == dtype


def test_random_order_is_reproducible() -> None:
    pattern = scattered(60, 60, 200, 5)
    one, same = (column_coloring(pattern, "random", seed=1).colors for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert (one != column_coloring(pattern, "random", seed=2).colors).any()


# Errors


@pytest.mark.parametrize("color", [column_coloring, row_coloring, bicoloring, star_coloring, acyclic_coloring])
def test_bad_patterns(color: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{color.__name__}: pattern is a ndarray.*csr_array"):
        color(np.eye(3))
    with pytest.raises(ArgumentError, match="two-dimensional"):
        color(coo_array(np.ones(3)))
    with pytest.raises(ArgumentError, match="no order 'smallest'; there are 'natural'"):
        color(eye_array(3), order="smallest")


@pytest.mark.parametrize("color", [star_coloring, acyclic_coloring])
def test_unsymmetric_patterns(color: Any) -> None:
    with pytest.raises(ShapeError, match=r"square; this one is \(2, 3\)"):
        color(csr_array((2, 3)))
    with pytest.raises(ArgumentError, match=r"entry \(0, 2\) and not \(2, 0\).*pattern \+ pattern\.T"):
        color(csr_array([[1, 0, 1], [0, 1, 0], [0, 0, 1]]))


def test_bad_compressed() -> None:
    for coloring in COLORINGS:
        with pytest.raises(ShapeError, match=r"shape \(2, 2, 2\); need"):
            coloring.decompress(np.zeros((2, 2, 2)))
    with pytest.raises(ShapeError, match=r"the shape of row_seeds\.T @ J"):
        bicoloring(arrow(5)).decompress(np.zeros((5, 2)), np.zeros((5, 1)))


# Speed: linear in the entries (generous limits; the measured times are in compare/workloads/coloring.py)


def test_a_full_row_does_not_cost_the_square() -> None:
    """With 20,000 columns, anything quadratic would be 4e8 steps."""
    n = 20_000
    i = np.arange(n)
    wheel = csr_array(coo_array((np.ones(3 * n), (np.r_[0 * i, i, i], np.r_[i, 0 * i, i])), shape=(n, n)))
    almost = csr_array(wheel[:, 1:])
    almost.data[0] = 0
    almost.eliminate_zeros()
    for order in ORDERS:
        start = time.perf_counter()
        assert column_coloring(almost, order).count == n - 2
        assert star_coloring(wheel, order).count == 2
        assert acyclic_coloring(wheel, order).count == 2
        assert time.perf_counter() - start < 20
    assert bicoloring(wheel).count == 3
