"""Columns of one particle counted together: what blurs one of them blurs them all.

A network may be unsure of a column's count for two reasons. Noise is each column's own; thermal displacement,
focal spread or tilt, where they are read a little wrongly, make all counts of a particle too large or too
small by the same factor. But counts are whole numbers: with the wrong factor the network's expected counts
lie between them, with the right one upon them. So the factor is found by how well it makes the expected
counts of all columns of a particle whole, as the statistics-based counting of Van Aert et al. (PRB 87,
064107, 2013) does with the intensities of a STEM image. Where noise hides the steps, nothing is learned of
the factor, and every column keeps what the network said of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

#: Columns nearer to each other than this belong to one particle, nm.
LINK_NM = 0.7
#: Particles of fewer columns say too little of their factor.
FEWEST = 8
#: Neighbours' errors are alike: that many columns say as much as one that knows nothing of the others.
ALIKE = 2.0
#: All columns of a particle say no more than that many: thick and thin ones do not quite share one factor.
MOST = 40.0
#: Columns that have the network's largest count, or more, with this probability tell nothing of the factor.
SATURATED = 0.02
#: Temperature at which the expected counts are read.
BROADER = 3.0
#: Scatter of expected counts around whole numbers that is tried, in units of each column's own doubt. What is
#: left of a network's errors without the common factor is about 0.7 of the doubt that it states.
SCATTER = np.array([0.35, 0.5, 0.7, 1.0, 1.4])
#: No column is taken to have less doubt than this: rms, atoms. Smaller ones make focal series worse.
LEAST_DOUBT = 0.5
#: Logarithms of the factor that are tried, in units of their prior's standard deviation.
STEPS = np.linspace(-3, 3, 41)
#: Share of the probabilities that is left to the network whatever the other columns show.
LEFT = 0.01


def count_together(p: Floats, y_nm: Floats, x_nm: Floats, weight: Floats, spread: float) -> Floats:
    """Probabilities of counts, given all columns of a particle, of one class.

    Parameters
    ----------
    p : numpy.ndarray, shape (N, K)
        p(count = k | a column is there), k = 1…K, of each column on its own.
    y_nm, x_nm : numpy.ndarray, shape (N,)
        Positions, nm.
    weight : numpy.ndarray, shape (N,)
        Probability that a column is there: what the others may learn from it.
    spread : float
        Standard deviation of the logarithm of the factor, before the columns are looked at.

    Returns
    -------
    numpy.ndarray, shape (N, K)
        The same for columns of small particles.
    """
    together = p.copy()
    for own in particles(y_nm, x_nm):
        if len(own) >= FEWEST:
            together[own] = whole_numbers(p[own], weight[own], spread)
    return together


def particles(y_nm: Floats, x_nm: Floats) -> list[NDArray[np.intp]]:
    """Indices of the columns of each particle: those that a chain of near ones joins."""
    n = len(y_nm)
    if n == 0:
        return []
    pairs = cKDTree(np.column_stack([y_nm, x_nm])).query_pairs(LINK_NM, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    number, which = connected_components(links, directed=False)
    return np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which, minlength=number))[:-1])


def whole_numbers(p: Floats, weight: Floats, spread: float) -> Floats:
    """Probabilities (N, K) of one particle's counts, given what all its columns show of its factor.

    The columns' expected counts m are taken as n·exp(-u) + scatter; u, common to all, has a normal
    prior around the one for which their mean is what the network says; all n are equally likely before,
    and so are all scatters, relative to the columns' own doubts.
    """
    n = np.arange(1, p.shape[1] + 1)
    open_ended = p[:, -1] > SATURATED
    weight = np.where(open_ended, 0.0, weight) / ALIKE
    weight *= min(1.0, MOST / max(float(weight.sum()), 1e-9))
    means, broad = p @ n, broad_means(p)
    doubt = np.maximum(np.sqrt(np.maximum(p @ n**2 - means**2, 0.0)), LEAST_DOUBT)
    u = spread * STEPS + np.log((weight @ means + 1e-9) / (weight @ broad + 1e-9))
    prior = np.exp(-0.5 * STEPS**2)
    prior /= prior.sum()
    apart = (broad[:, None] - n * np.exp(-u)[:, None, None]) / doubt[:, None]  # (U, N, K)
    squared = (-0.5 * apart**2).astype(np.float32)
    kernels = [np.exp(squared / s**2) for s in SCATTER]
    totals = [np.maximum(kernel.sum(2), 1e-30) for kernel in kernels]  # (U, N)
    # the steps of a smaller scale are denser: times their distance, none is preferred for that
    evidence = np.array(
        [(np.log(t) - u[:, None] - np.log(s)) @ weight for t, s in zip(totals, SCATTER, strict=True)]
    )
    posterior = prior * np.exp(evidence - evidence.max())
    posterior /= posterior.sum()
    informed, before = np.zeros_like(p), np.zeros_like(p)
    for kernel, total, own in zip(kernels, totals, posterior, strict=True):
        informed += np.einsum("un,unk->nk", own[:, None] / total, kernel)
        before += own.sum() * np.einsum("un,unk->nk", prior[:, None] / total, kernel)
    out = p * (informed + LEFT) / (before + LEFT)  # what the factor adds to what the network said
    return np.where(open_ended[:, None], p, out / out.sum(1, keepdims=True))


def broad_means(p: Floats) -> Floats:
    """Expected counts of probabilities (N, K) made broader by a temperature of `BROADER`.

    Narrow probabilities hold little but one whole number, and their means stick to it; the broader ones tell
    on which side of it the network sees the column.
    """
    broad = p ** (1 / BROADER)
    return np.asarray(broad @ np.arange(1, p.shape[1] + 1) / broad.sum(1))
