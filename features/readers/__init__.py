"""Connectomes from the files that pipelines write: one format a module, one way in.

Training and serving use the same two doors: `read_connectome` for a file of a cohort, with what
lies beside it, and `read_uploaded_connectome` for one file that came over the wire.
"""

from features.readers.reading import read_connectome, read_uploaded_connectome

__all__ = ["read_connectome", "read_uploaded_connectome"]
