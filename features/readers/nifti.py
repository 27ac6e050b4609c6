"""Preprocessed images (NIfTI) with a label image beside them, by nilearn (extra `imaging`).

The label image is the only file ending in `dseg.nii` or `dseg.nii.gz` in the image's folder, or in
the nearest folder above it up to the data folder. Beside it lies a table of the same name ending
in `.tsv` with the columns `index` and `label` (or `name`), as in BIDS atlases. The image must have
been denoised: nothing is regressed out or filtered here. Parcels that no voxel of the image covers
are unknown.
"""

import zlib
from pathlib import Path

import numpy as np

from data_schemas.connectome import Connectome
from features.readers.censoring import censored
from features.readers.matrices import check_labels, from_series
from features.readers.source import MAXIMUM_SIDECAR_BYTES, Source, refuse
from features.readers.tables import TAB, FloatArray, table_lines, text_cells

ENDINGS = (".nii", ".nii.gz")
# Of single precision 2 GB: an hour of a scan of 2 mm voxels takes 1 GB.
MAXIMUM_VALUES = 500_000_000


def read_nifti(path: Path, source: Source) -> Connectome:
    """Average an image over parcels with `NiftiLabelsMasker`, and correlate.

    Parameters
    ----------
    path : Path
        A four-dimensional image.
    source : Source
        The same without its content, beside which labels and quality are looked for.

    Raises
    ------
    DataError
        When nilearn is not installed, an image is damaged, or labels are not to be found.
    """
    atlas = _label_image(source)
    names = _names(source, atlas)
    series = _series(path, atlas, source.where)
    table = np.full((series[1].shape[0], len(names)), np.nan)
    position = {number: column for column, number in enumerate(names)}
    for column, number in enumerate(series[0]):
        if number in position:
            table[:, position[number]] = series[1][:, column]
    labels = list(names.values())
    check_labels(str(atlas.with_suffix(".tsv")), labels)
    return from_series(source.where, labels, censored(source, table))


def _label_image(source: Source) -> Path:
    folder = source.folder
    if folder is None or source.root is None:
        refuse(source.where, "An image cannot be sent alone; send its matrix or time series.")
    while True:
        found = sorted(path for path in folder.glob("*dseg.nii*") if path.name.endswith(ENDINGS))
        if len(found) > 1:
            refuse(source.where, f"{folder} holds more than one label image (*dseg.nii*).")
        if found:
            path = source.companion_path(found[0].name, upwards=True)
            if path is not None:
                return path
        inside = folder.resolve()
        if inside == source.root or not inside.is_relative_to(source.root):
            refuse(source.where, "No label image (*dseg.nii.gz) lies beside the image or above it.")
        folder = folder.parent


def _names(source: Source, atlas: Path) -> dict[int, str]:
    """Return the label of each number in the label image, in the order of its table."""
    name = atlas.name.split(".nii")[0] + ".tsv"
    found = source.companion(name, MAXIMUM_SIDECAR_BYTES, upwards=True)
    if found is None:
        refuse(str(atlas), f"Its labels are missing: the table {name} with 'index' and 'label'.")
    header, *rows = [text_cells(found.where, line, TAB) for line in table_lines(found)]
    columns = [cell.strip().lower() for cell in header]
    labelled = [columns.index(name) for name in ("label", "name") if name in columns]
    if "index" not in columns or not labelled:
        refuse(found.where, "The columns 'index' and 'label' (or 'name') are needed.")
    index, label = columns.index("index"), labelled[0]
    names: dict[int, str] = {}
    for number, row in enumerate(rows, 2):
        if len(row) != len(columns) or not row[index].strip().isdecimal():
            refuse(found.where, f"Row {number} has no whole number in the column 'index'.")
        names[int(row[index])] = row[label].strip()
    names.pop(0, None)  # the background
    return names


def _series(path: Path, atlas: Path, where: str) -> tuple[list[int], FloatArray]:
    """Return the numbers of the parcels found, and their means, volumes by parcels."""
    try:
        import nibabel  # noqa: PLC0415
        from nilearn.maskers import NiftiLabelsMasker  # noqa: PLC0415
    except ImportError:
        refuse(where, "Images need nilearn: pip install 'tms-response[imaging]'.")
    damages = (
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
        nibabel.spatialimages.HeaderTypeError,
        nibabel.spatialimages.ImageDataError,
        nibabel.wrapstruct.WrapStructError,
        *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError),
        zlib.error,
    )
    try:
        image = nibabel.nifti1.load(path)
        shape = image.shape
        if len(shape) != 4 or int(np.prod(shape, dtype=np.float64)) > MAXIMUM_VALUES:
            refuse(where, f"An image of four dimensions and at most {MAXIMUM_VALUES} values.")
        masker = NiftiLabelsMasker(nibabel.nifti1.load(atlas), standardize=None)
        values = np.asarray(masker.fit_transform(image), dtype=np.float64)
    except damages:
        refuse(where, "The image or its label image is damaged, or they do not fit together.")
    numbers = [int(masker.region_ids_[column]) for column in range(values.shape[1])]
    return numbers, values
