"""How far counts of units are to be trusted: intervals of a share and of a number of kinds. No torch.

All units of a layer were measured, so for the network itself nothing is left to the choice of units. Both
intervals answer another question: how much would the count move if the layer's units were drawn anew, each
on its own, from what this training makes? Units of one network are not independent, and another training
seed may move more than this; so the intervals are a lower bound on what is not known. What the sample of
images leaves open is `surely` and `perhaps` in `db.queries.compare.named`.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.shared.arrays import Array

Z = 1.959964  # 95 %


@lru_cache(4096)
def share(named: int, units: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of units; NaN when there is none."""
    if units < 1:
        return float("nan"), float("nan")
    found = stats.binomtest(int(named), int(units)).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def distinct(counts: Array, units: int, vocabulary: int) -> tuple[float, float]:
    """95 % interval of the number of distinct concepts.

    `counts` are the named units of each concept that has any, among `units` of a layer, with `vocabulary`
    concepts to be found.

    Drawing the layer's own units again with repetition can only lose concepts, so the plain bootstrap is
    biased. Units are therefore drawn from the layer with a share set aside for concepts that it does not show
    (Chao et al. 2014, Ecological Monographs 84, appendix G): never more of these than the vocabulary has, and
    at least one while it has any. The bootstrap's variance is known in closed form, so nothing is drawn. The
    bounds are whole numbers, rounded outward. In planted layers of 24 to 96 units they held the mean number
    of concepts in 89 to 99 % of cases.

    A layer that names nothing shows no spread. Its upper bound is the number of units that a layer drawn anew
    would name at most, by Wilson's bound of their share, each a concept of its own.
    """
    found = len(counts)
    if units < 1:
        return 0.0, float("nan")
    if found == 0:
        return 0.0, min(float(np.ceil(units * share(0, units)[1])), float(vocabulary))
    missing = (1 - (p := assemblage(counts, units, vocabulary))) ** units
    both = np.maximum(1 - p[:, None] - p[None, :], 0) ** units - missing[:, None] * missing[None, :]
    np.fill_diagonal(both, missing * (1 - missing))
    error = Z * float(np.sqrt(max(both.sum(), 0.0)))
    low, high = np.floor(found - error + 1e-9), np.ceil(found + error - 1e-9)
    return max(float(low), 1.0), min(float(high), float(vocabulary))


def assemblage(counts: Array, units: int, vocabulary: int) -> NDArray[np.float64]:
    """Chance of a unit to have each concept that was found, then each of those that probably were missed."""
    counts = np.asarray(counts, float)
    once, twice = max(int((counts == 1).sum()), 1), int((counts == 2).sum())
    twice = max(twice, 1) if once == 1 else twice  # nothing found once, or one concept, says too little
    p = counts / units
    unseen = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    unseen = min(int(np.ceil(unseen * (units - 1) / units)), vocabulary - len(counts))
    if unseen < 1:
        return p
    rest = (units - 1) * (once / (2 * twice) if twice else (once - 1) / 2)
    hidden = once / units * rest / (rest + 1)  # Good and Turing: units, were there more, with missed concepts
    rare = p * (1 - p) ** units
    seen = np.maximum(p - hidden * rare / rare.sum(), 0)
    return np.concatenate([seen, np.full(unseen, hidden / unseen)])
