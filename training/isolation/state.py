"""What a fitted object holds, as digests of its parts: the same parts give the same digests.

Pickles are no use for that: they hold addresses, memory that nobody wrote to and the order in
which things were met. Here arrays are hashed value by value, boosters by their text, functions by
their name and what they close over, and everything else by what it consists of.
"""

import hashlib
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd

# How long something took differs between equal fits: `refit_time_`, `mean_fit_time`.
_TIME: Final = re.compile(r"(^|_)time_?$")
_PLAIN: Final = (bool, int, float, complex, str, bytes, Enum)
_NAMED: Final = (type, ModuleType)


def fitted_state(fitted: object) -> dict[str, str]:
    """Return a SHA-256 of each part of an object, by where the part stands in it.

    Parameters
    ----------
    fitted : object
        An estimator, a pipeline, a booster, a function that predicts, or any nest of tuples,
        dicts and objects of them. Keys of dicts are hashed but not part of a name, since they may
        be patients; attributes that say how long something took are passed over.

    Returns
    -------
    dict of str to str
        Such as `fitted.steps[0][1].mean_` to 64 hexadecimal digits.

    Examples
    --------
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> state = fitted_state(MinMaxScaler().fit([[1.0], [3.0]]))
    >>> other = fitted_state(MinMaxScaler().fit([[1.0], [4.0]]))
    >>> changed_parts(state, other)
    ['fitted.data_max_', 'fitted.data_range_', 'fitted.min_', 'fitted.scale_']
    """
    reader = _Reader()
    reader.read(fitted, "fitted")
    return {place: digest.hexdigest() for place, digest in reader.parts.items()}


def changed_parts(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return where two states differ, in alphabetical order."""
    return sorted(
        place for place in one.keys() | other.keys() if one.get(place) != other.get(place)
    )


class _Reader:
    """Walks through an object once and hashes what it meets."""

    def __init__(self) -> None:
        self.parts: dict[str, hashlib._Hash] = {}
        # Holding each object keeps its id from being given to another one.
        self._met: dict[int, tuple[str, object]] = {}

    def read(self, value: object, place: str) -> None:
        if value is None or isinstance(value, _PLAIN):
            self._note(place, f"{type(value).__qualname__} {value!r}")
        elif isinstance(value, _NAMED):
            self._note(place, f"{getattr(value, '__module__', '')} {value.__name__}")
        elif isinstance(value, np.ndarray | np.generic):
            self._read_array(np.asarray(value), place)
        elif id(value) in self._met:
            self._note(place, f"the same as {self._met[id(value)][0]}")
        else:
            self._met[id(value)] = (place, value)
            self._read_structure(value, place)

    def _note(self, place: str, text: str, content: bytes = b"") -> None:
        digest = self.parts.setdefault(place, hashlib.sha256())
        digest.update(f"{text} {len(content)}\n".encode())
        digest.update(content)

    def _read_array(self, values: npt.NDArray[Any], place: str) -> None:
        if values.dtype.names is not None:
            # Field by field: what lies between the fields is memory that nobody wrote to.
            for name in values.dtype.names:
                self._read_array(values[name], f"{place}[{name}]")
        elif values.dtype.hasobject:
            self._note(place, f"array {values.shape}")
            for item in values.ravel().tolist():
                self.read(item, place)
        else:
            self._note(place, f"array {values.dtype.str} {values.shape}", values.tobytes())

    def _read_structure(self, value: object, place: str) -> None:
        if isinstance(value, lightgbm.Booster):
            self._note(place, "booster", value.model_to_string().encode())
        elif isinstance(value, pd.DataFrame | pd.Series | pd.Index):
            self._read_pandas(value, place)
        elif isinstance(value, FunctionType):
            self._read_function(value, place)
        elif isinstance(value, MethodType | BuiltinFunctionType):
            self._note(place, value.__name__)
            self.read(value.__self__, place)
        elif isinstance(value, AbstractSet):
            self._note(place, " ".join(sorted(map(_digest, value))))
        else:
            self._read_object(value, place)

    def _read_pandas(self, value: "pd.DataFrame | pd.Series | pd.Index", place: str) -> None:
        if isinstance(value, pd.DataFrame):
            self.read([*value.columns, *value.dtypes.astype(str)], place)
        self._read_array(np.asarray(pd.util.hash_pandas_object(value)), place)

    def _read_function(self, function: FunctionType, place: str) -> None:
        self._note(place, f"{function.__module__} {function.__qualname__}")
        self.read((function.__defaults__, function.__kwdefaults__), place)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            self.read(cell.cell_contents, f"{place}.{name}")

    def _read_object(self, value: object, place: str) -> None:
        self._note(place, f"{type(value).__module__} {type(value).__qualname__}")
        if isinstance(value, Mapping):
            self._read_items(value, place)
        elif isinstance(value, list | tuple):
            for number, item in enumerate(value):
                self.read(item, f"{place}[{number}]")
        attributes = getattr(value, "__dict__", None)
        for name, item in sorted((attributes or {}).items()):
            if not _TIME.search(name):
                self.read(item, f"{place}.{name}")
        if not isinstance(value, Mapping | list | tuple) and _hides_state(value):
            self._read_hidden(value, place)

    def _read_items(self, items: Mapping[object, object], place: str) -> None:
        for key in sorted(items, key=_digest):
            if not (isinstance(key, str) and _TIME.search(key)):
                self.read(key, f"{place}[...]")
                self.read(items[key], f"{place}[...]")

    def _read_hidden(self, value: object, place: str) -> None:
        """Read what an object outside Python says of itself when it is copied."""
        try:
            reduced = value.__reduce_ex__(4)
        except TypeError:
            return  # a lock or a handle: its type is all that there is to say
        for number, part in enumerate(reduced[1:] if isinstance(reduced, tuple) else [reduced]):
            self.read(list(part) if hasattr(part, "__next__") else part, f"{place}[{number}]")


def _hides_state(value: object) -> bool:
    own = type(value)
    custom = (
        own.__reduce__ is not object.__reduce__ or own.__reduce_ex__ is not object.__reduce_ex__
    )
    return custom or not hasattr(value, "__dict__")


def _digest(value: object) -> str:
    return repr(sorted(fitted_state(value).items()))
