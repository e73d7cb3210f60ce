"""Whether a published run has the counts of an undisturbed dissection, array for array."""

from collections.abc import Collection

import numpy as np

from analysis.dissection.dissection import Dissection
from db.store.bundles import Bundle


def same_counts(published: Bundle, direct: Dissection, but: Collection[str] = ()) -> None:
    """Compare every group of arrays that the dissection has, `but` some by name."""
    for group, arrays in direct.arrays().items():
        if group in but:
            continue
        found = published.array(group)
        for name, array in arrays.items():
            assert np.array_equal(found[name], array, equal_nan=array.dtype.kind == "f"), (group, name)
