"""From time series to network features: ours beside nilearn's ConnectivityMeasure.

`nilearn` is given its default estimator (Ledoit-Wolf) and the plain one (EmpiricalCovariance), one
subject a call, so that it need not hold all matrices either, then the same Fisher z and means.
"""

import time
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance
from threadpoolctl import threadpool_limits

from benchmarks.reporting import machine, table, write_section
from features.atlas import NETWORKS, centroids_mni_mm, parse_label
from features.connectivity import BETWEEN, WITHIN
from features.correlation import Correlator
from features.edge_means import MAXIMUM_ABSOLUTE_R
from features.series import series_summaries

N_SUBJECTS, N_VOLUMES, N_DISTINCT, ROUNDS = 300, 300, 10, 5
LABELS = tuple(centroids_mni_mm())
# Ours differs from the plain estimator by the rounding of single precision alone.
LARGEST_DIFFERENCE = 1e-5

FloatArray = npt.NDArray[np.float64]
Means = Callable[[Iterator[FloatArray]], FloatArray]


def drawn_subjects() -> list[FloatArray]:
    """Draw a few subjects, whose series are correlated within networks."""
    rng = np.random.default_rng(0)
    place = [list(NETWORKS).index(str(parse_label(label).network)) for label in LABELS]
    return [
        rng.normal(size=(N_VOLUMES, len(LABELS))) + rng.normal(size=(N_VOLUMES, 7))[:, place]
        for _ in range(N_DISTINCT)
    ]


def stream(subjects: list[FloatArray], asked_at: list[float] | None = None) -> Iterator[FloatArray]:
    """Yield the subjects in turn, and note when each was asked for."""
    for number in range(N_SUBJECTS):
        if asked_at is not None:
            asked_at.append(time.perf_counter())
        yield subjects[number % len(subjects)]


def ours(subjects: Iterator[FloatArray]) -> FloatArray:
    names = (*WITHIN, *BETWEEN)
    return np.array(
        [[summary[name] for name in names] for summary in series_summaries(subjects, LABELS)]
    )


def by_nilearn(estimator: object | None) -> Means:
    measure = ConnectivityMeasure(cov_estimator=estimator, kind="correlation", standardize=False)
    indicator = np.array(
        [[parse_label(label).network == name for name in NETWORKS] for label in LABELS], dtype=float
    )
    sizes = indicator.sum(axis=0)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    order = [(list(NETWORKS).index(a), list(NETWORKS).index(b)) for a, b in _pairs()]

    def means(subjects: Iterator[FloatArray]) -> FloatArray:
        rows = []
        for series in subjects:
            r = measure.fit_transform([series])[0]
            np.clip(r, -MAXIMUM_ABSOLUTE_R, MAXIMUM_ABSOLUTE_R, out=r)
            z = np.arctanh(r)
            np.fill_diagonal(z, 0.0)
            by_network = indicator.T @ z @ indicator / pairs
            rows.append([by_network[pair] for pair in order])
        return np.array(rows)

    return means


def _pairs() -> list[tuple[str, str]]:
    return [*WITHIN.values(), *BETWEEN.values()]


def bare_product(subjects: Iterator[FloatArray]) -> FloatArray:
    """Multiply one matrix again and again: what no correlation can be faster than."""
    series = next(subjects).astype(np.float32)
    product = np.empty((series.shape[1], series.shape[1]), dtype=np.float32)
    for _ in subjects:
        np.matmul(series.T, series, out=product)
    return product.astype(np.float64)


def our_correlation(subjects: Iterator[FloatArray]) -> FloatArray:
    correlator = Correlator()
    for series in subjects:
        correlator.correlate(series)
    return correlator.correlate(series).astype(np.float64)


def milliseconds(each: Means, subjects: list[FloatArray]) -> float:
    """Return the time a subject: the median, which no other program's turn disturbs."""
    asked_at: list[float] = []
    each(stream(subjects, asked_at))
    return float(np.median(np.diff(asked_at))) * 1e3


def extra_megabytes(each: Means, subjects: list[FloatArray]) -> float:
    """Return the peak of what a method allocates, beside the series themselves."""
    tracemalloc.start()
    each(stream(subjects))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    subjects = drawn_subjects()
    methods: dict[str, Means] = {
        "ours, series to features": ours,
        "nilearn, EmpiricalCovariance": by_nilearn(EmpiricalCovariance(store_precision=False)),
        "nilearn, default (Ledoit-Wolf)": by_nilearn(None),
        "ours, correlation alone": our_correlation,
        "bare product of matrices": bare_product,
    }
    with threadpool_limits(1):
        exact = methods["nilearn, EmpiricalCovariance"](iter(subjects))
        difference = float(np.abs(ours(iter(subjects)) - exact).max())
        assert difference < LARGEST_DIFFERENCE, difference
        memory = [extra_megabytes(each, subjects) for each in methods.values()]
        taken = np.array(
            [[milliseconds(each, subjects) for each in methods.values()] for _ in range(ROUNDS)]
        )
    medians = np.median(taken, axis=0)
    relative = np.median(taken / taken[:, :1], axis=0)
    to_product = float(np.median(taken[:, 3] / taken[:, 4]))
    write_section(
        "connectivity",
        "From time series to network features",
        f"{N_SUBJECTS} subjects of {len(LABELS)} regions and {N_VOLUMES} volumes, one after the "
        f"other ({N_DISTINCT} different ones in turn), one thread: medians of {ROUNDS} interleaved "
        f"rounds of medians. The means differ by {difference:.0e} at most from those of nilearn "
        f"with the plain estimator. Our correlation takes {to_product:.1f} times the bare product "
        "of matrices in single precision.",
        machine("nilearn", "scikit-learn", "numpy"),
        table(
            ["", "milliseconds a subject", "relative to ours", "extra memory, MB"],
            [
                [name, f"{median:.2f}", f"{ratio:.1f}", f"{peak:.0f}"]
                for name, median, ratio, peak in zip(
                    methods, medians, relative, memory, strict=True
                )
            ],
        ),
    )


if __name__ == "__main__":
    main()
