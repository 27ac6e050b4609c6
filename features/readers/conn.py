"""First-level ROI-to-ROI results of CONN: `resultsROI_Subject*_Condition*.mat`.

| variable | holds |
|----------|-------|
| `Z`      | Fisher z, sources by targets, NaN on the diagonal |
| `names`  | the sources' names, the first columns of `Z` too |
| `names2` | the targets' names: the sources' and perhaps more, which are left out |

z becomes Pearson r by tanh. A name that all parcels begin with up to a full stop is that of the
atlas file and is left out: `Schaefer400.LH_Vis_1` is `LH_Vis_1`. CONN writes Fisher z for its
bivariate correlations; results of other measures are not symmetric, or beyond what z can be.
Layout: CONN's documentation of its first-level results.
"""

import numpy as np

from data_schemas.connectome import Connectome
from features.readers.matfile import MatArray, read_mat
from features.readers.matrices import check_labels, from_matrix
from features.readers.source import Source, refuse


def read_conn(source: Source, limit: int) -> Connectome:
    """Read CONN's matrix of one subject and condition.

    Parameters
    ----------
    source : Source
    limit : int
        The most bytes to unpack.

    Returns
    -------
    Connectome
        Of the sources, as Pearson r.

    Raises
    ------
    DataError
        When the file is damaged, of MATLAB's version 7.3, or holds something else.
    """
    variables = read_mat(source, limit, ("Z", "names", "names2"))
    z, names, targets = (variables.get(name) for name in ("Z", "names", "names2"))
    if not isinstance(z, np.ndarray) or z.ndim != 2 or not isinstance(names, list):
        refuse(
            source.where,
            "A MATLAB file must hold CONN's ROI-to-ROI results: a matrix 'Z' and cells 'names'.",
        )
    n = len(names)
    if z.shape[0] != n or z.shape[1] < n or (isinstance(targets, list) and targets[:n] != names):
        refuse(source.where, "The rows and first columns of 'Z' must be those of 'names'.")
    labels = without_atlas(names)
    check_labels(source.where, labels)
    return from_matrix(source.where, labels, _correlations(source.where, labels, z[:, :n]))


def without_atlas(names: list[str]) -> list[str]:
    """Return names without what all of them begin with up to the first full stop.

    Examples
    --------
    >>> without_atlas(["Schaefer400.LH_Vis_1", "Schaefer400.RH_Vis_1"])
    ['LH_Vis_1', 'RH_Vis_1']
    """
    atlases = {name.partition(".")[0] if "." in name else "" for name in names}
    if len(atlases) != 1 or atlases == {""}:
        return names
    return [name.partition(".")[2] for name in names]


def _correlations(where: str, labels: list[str], z: MatArray) -> MatArray:
    r = np.tanh(z)
    diagonal = np.diag(z)
    if np.any(np.isfinite(diagonal)):
        label = labels[int(np.flatnonzero(np.isfinite(diagonal))[0])]
        refuse(
            where,
            f"The diagonal of 'Z' is not empty, first at {label}; CONN leaves it empty.",
        )
    np.fill_diagonal(r, 1.0)
    return r
