"""Where a sequence repeats itself: the runs in which an element equals the one a period later.

Candidates for the period are the distances at which short words of the sequence come again; words of the same frequency are
asked once. Source of the idea: finding tandem repeats by seeds, as in Benson, "Tandem repeats finder", Nucleic Acids
Research 27, 1999.
"""

from __future__ import annotations

import numpy as np

WORD = 8  # elements
NEARLY = 0.9  # of the sequence
TIMES = 8  # that a word comes in a period
CLASSES = 12  # frequencies of words that are asked for a period


def repeats(codes: np.ndarray, least: int, count: int) -> list[tuple[int, int, int]]:
    """(start, period, times) of runs that repeat at least ``count`` times and ``least`` elements; the longest first."""
    n = len(codes)
    if n < least + WORD:
        return []
    weights = np.random.default_rng(1).integers(1, 2**63, WORD, dtype=np.uint64) | np.uint64(1)
    words = np.zeros(n - WORD + 1, np.uint64)
    for k in range(WORD):
        words += codes[k : n - WORD + 1 + k].astype(np.uint64) * weights[k]

    def fits(length: int, period: int) -> bool:
        return length // period >= count and length - period >= least

    if (run := _nearly_all(codes, words)) is not None and fits(*run[1:]):
        start, length, period = run
        return [(start, period, length // period)]
    _, which, many = np.unique(words, return_inverse=True, return_counts=True)
    frequency = many[which]
    by_frequency = np.bincount(frequency)
    by_frequency[:count] = 0
    found: dict[int, tuple[int, int, int]] = {}
    for f in np.argsort(by_frequency)[::-1][:CLASSES].tolist():
        if not by_frequency[f]:
            break
        own = np.flatnonzero(frequency == f)
        places = np.flatnonzero(which == which[own[len(own) // 2]])
        gaps, times = np.unique(np.diff(places), return_counts=True)
        for period in gaps[np.argsort(times)[::-1][:2]].tolist():
            if period not in found:
                found[period] = (*_longest(codes, period), period)
    runs = [(at, period, length // period) for at, length, period in found.values() if fits(length, period)]
    return sorted(runs, key=lambda r: (-r[1] * r[2], r[1]))


def _nearly_all(codes: np.ndarray, words: np.ndarray) -> tuple[int, int, int] | None:
    """(start, length, period) over most of the sequence, if the word in the middle comes a few times in a period."""
    places = np.flatnonzero(words == words[len(words) // 2])
    k = len(places) // 2
    for period in (places[k + 1 : k + 1 + TIMES] - places[k]).tolist():
        start, length = _longest(codes, period)
        if length > NEARLY * len(codes):
            return start, length, period
    return None


def _longest(codes: np.ndarray, period: int) -> tuple[int, int]:
    """(start, length) of the longest run with this period."""
    same = codes[:-period] == codes[period:]
    start, length = longest(same)
    return start, length + period if length else 0


def longest(same: np.ndarray) -> tuple[int, int]:
    """(start, length) of the longest run of truths."""
    ends = np.concatenate([[-1], np.flatnonzero(~same), [len(same)]])
    lengths = np.diff(ends) - 1
    k = int(np.argmax(lengths))
    return int(ends[k]) + 1, int(lengths[k])
