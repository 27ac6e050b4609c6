"""Connectomes from the files that pipelines write: one format a module, one way in.

| ending                     | written by                                        | module      |
|----------------------------|---------------------------------------------------|-------------|
| `.tsv .csv .txt` (`.gz`)   | XCP-D, HALFpipe, drafts of BEP017, pandas, by hand | `delimited` |
| `.npy .npz`                | NumPy                                             | `arrays`    |
| `.parquet`                 | pandas; needs the extra `train`                   | `parquet`   |
| `.mat`                     | CONN, ROI-to-ROI results of the first level       | `conn`      |
| `.nii .nii.gz`             | a denoised image; needs the extra `imaging`       | `nifti`     |

A file with `timeseries` in its name holds a time series, any other a matrix of Pearson
correlations. Quality (volumes, motion, coverage, global signal) is read from the files beside it
(`quality`, `companions`), and labels too where the file has none (`labels`).

Training and serving use the same two doors: `read_connectome` for a file of a cohort, with what
lies beside it, and `read_uploaded_connectome` for one file that came over the wire.
"""

from features.readers.reading import read_connectome, read_uploaded_connectome

__all__ = ["read_connectome", "read_uploaded_connectome"]
