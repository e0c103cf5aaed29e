"""The order in which a greedy coloring takes the vertices: it decides how many colors are needed.

Vertices are the columns of a matrix of *nets*; two are neighbors where they share a net. For partial distance-2 coloring the
nets are the pattern's rows, for a graph its edges, so that one implementation serves all colorings.

- natural: as given;
- largest-first: by falling degree (Welsh & Powell 1967);
- smallest-last: the vertex of least degree among those left goes last (Matula & Beck 1983);
- incidence-degree: next the vertex with most neighbors already ordered (Coleman & Moré 1983);
- random: a permutation drawn from the seed.

A degree is the sum over the vertex' nets of the other vertices in them: a bound on the number of distinct neighbors that costs no
products of the pattern.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualad.core.errors import ArgumentError
from dualad.plan.coloring.compression import neighbors

ORDERS = ("natural", "largest-first", "smallest-last", "incidence-degree", "random")
EXACT = 32


def ordering(nets: Any, order: str, seed: int, name: str) -> list[int]:
    """The vertices (columns of `nets`) in the named order."""
    n = nets.shape[1]
    if order == "natural":
        return list(range(n))
    if order == "random":
        return np.random.default_rng(seed).permutation(n).tolist()
    if order == "largest-first":
        sizes = np.diff(nets.indptr)
        degree = np.bincount(nets.indices, weights=np.repeat(sizes - 1, sizes), minlength=n)
        return np.argsort(-degree, kind="stable").tolist()
    if order == "smallest-last":
        return smallest_last(nets)
    if order == "incidence-degree":
        return incidence_degree(nets)
    raise ArgumentError(f"{name}: no order {order!r}; there are {', '.join(map(repr, ORDERS))}.")


def edges(u: Any, v: Any, vertices: int) -> Any:
    """The nets of a graph: one of two vertices per edge."""
    from scipy.sparse import csr_array

    ends = np.stack([u, v], axis=1).reshape(-1)
    return csr_array((np.ones(len(ends), bool), ends, np.arange(0, len(ends) + 1, 2)), shape=(len(u), vertices))


def weights(largest: int) -> list[int]:
    """What a net of c vertices adds to a degree: c, but beyond EXACT a step per doubling, so that a net of c vertices is walked
    over O(EXACT + log c) times and not c times: with a full row the exact degrees would cost n squared."""
    return [c if c <= EXACT else EXACT + 8 * ((c - 1) // EXACT).bit_length() for c in range(largest + 1)]


def smallest_last(nets: Any) -> list[int]:
    """Buckets by degree; a vertex is put anew into the bucket of its new degree, and the stale entry is skipped when met."""
    members, nets_of, weight, degree = _degrees(nets)
    sizes = [len(r) for r in members]
    buckets: list[list[int]] = [[] for _ in range(max(degree, default=0) + 1)]
    for v, d in enumerate(degree):
        buckets[d].append(v)
    order: list[int] = []
    lowest = 0
    while len(order) < len(degree):
        while not buckets[lowest]:
            lowest += 1
        v = buckets[lowest].pop()
        if degree[v] != lowest:
            continue
        degree[v] = -1
        order.append(v)
        for r in nets_of[v]:
            rest = members[r]
            rest.discard(v)
            size = sizes[r]
            sizes[r] = size - 1
            if drop := weight[size] - weight[size - 1]:
                lowest -= drop
                for u in rest:
                    degree[u] = d = degree[u] - drop
                    buckets[d].append(u)
        if lowest < 0:
            lowest = 0
    return order[::-1]


def incidence_degree(nets: Any) -> list[int]:
    """Buckets by the number of ordered neighbors, highest first; among equals, the latest to have got there."""
    members, nets_of, weight, most = _degrees(nets)
    placed = [0] * len(members)
    degree = [0] * len(nets_of)
    buckets: list[list[int]] = [[] for _ in range(max(most, default=0) + 1)]
    buckets[0] = ordering(nets, "largest-first", 0, "")[::-1]  # the largest on top
    order: list[int] = []
    highest = 0
    while len(order) < len(degree):
        while not buckets[highest]:
            highest -= 1
        v = buckets[highest].pop()
        if degree[v] != highest:
            continue
        degree[v] = -1
        order.append(v)
        for r in nets_of[v]:
            rest = members[r]
            rest.discard(v)
            c = placed[r] + 1
            placed[r] = c
            if rise := weight[c] - weight[c - 1]:
                highest += rise
                for u in rest:
                    degree[u] = d = degree[u] + rise
                    buckets[d].append(u)
        highest = min(highest, len(buckets) - 1)
    return order


def _degrees(nets: Any) -> tuple[list[set[int]], list[list[int]], list[int], list[int]]:
    """The members of each net, the nets of each vertex, the weights, and the degree of each vertex by them."""
    members, nets_of = [set(r) for r in neighbors(nets)], neighbors(nets.T.tocsr())
    weight = weights(max(map(len, members), default=0))
    by_net = [weight[len(r)] for r in members]
    return members, nets_of, weight, [sum([by_net[r] for r in rs]) for rs in nets_of]
