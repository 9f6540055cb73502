"""Reads pickles and .pt files without running anything that they ask for.

Only the types listed here are known; of those, numpy arrays, torch tensors and namespaces are built as inert records and turned into
numpy arrays and dictionaries after the file has been read. Everything else is refused by name. Neither torch nor the code
that wrote the file is needed.
"""

import collections
import pickle
import struct
import zipfile

import numpy as np

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

_STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "?",
}  # fmt: skip


class Refused(Exception):
    """The file holds something that is not on the list, or is not what it says that it is."""


class _Dtype:
    def __init__(self, code, *_):
        if not isinstance(code, str) or code.lstrip("<>|=") not in {
            "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "O8", "O",
        } and not (code.lstrip("<>|=")[:1] in ("U", "S") and code.lstrip("<>|=")[1:].isdigit()):  # fmt: skip
            raise Refused(f"refused: numpy dtype {code!r}")
        self.code = code.lstrip("<>|=")
        self.order = "<"

    def __setstate__(self, state):
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise Refused(f"refused: numpy byte order {order!r}")
        self.order = "<" if order in ("=", "|") else order

    @property
    def is_object(self):
        return self.code.startswith("O")

    def numpy(self):
        return np.dtype((self.order if self.code not in ("b1", "i1", "u1") else "|") + self.code)


def _shape(value):
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value,)
    if not isinstance(value, tuple) or not all(isinstance(n, int) and n >= 0 for n in value):
        raise Refused(f"refused: array of shape {value!r}")
    return value


class _Array:
    """numpy.ndarray: `_reconstruct` makes it empty, its state fills it."""

    def __init__(self):
        self.value = None

    def __setstate__(self, state):
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Refused("refused: a numpy array with an unknown state")
        shape, dtype, fortran, raw = state[-4:]
        self.fill(raw, dtype, shape, "F" if fortran else "C")

    def fill(self, raw, dtype, shape, order):
        shape = _shape(shape)
        if not isinstance(dtype, _Dtype):
            raise Refused("refused: a numpy array without a dtype")
        count = int(np.prod(shape, dtype=np.int64))
        if dtype.is_object:
            if not isinstance(raw, list) or len(raw) != count:
                raise Refused("refused: a numpy array of objects that does not list them")
            self.value = (raw, shape, order)
            return
        if isinstance(raw, str):  # written by Python 2
            raw = raw.encode("latin1")
        if not isinstance(raw, (bytes, bytearray)) or len(raw) != count * dtype.numpy().itemsize:
            raise Refused(f"refused: a numpy array of shape {shape} whose data has another size")
        self.value = np.frombuffer(raw, dtype=dtype.numpy()).reshape(shape, order=order)

    def resolve(self, walk):
        if isinstance(self.value, tuple):
            raw, shape, order = self.value
            out = np.empty(len(raw), dtype=object)
            for i, item in enumerate(raw):
                out[i] = walk(item)
            return out.reshape(shape, order=order)
        if self.value is None:
            raise Refused("refused: a numpy array without data")
        return self.value


def _reconstruct(*_):
    return _Array()


def _from_buffer(raw, dtype, shape, order, *_):
    out = _Array()
    out.fill(bytes(raw) if isinstance(raw, (bytearray, memoryview)) else raw, dtype, shape, order)
    return out


def _scalar(dtype, raw):
    if not isinstance(dtype, _Dtype) or dtype.is_object:
        raise Refused("refused: a numpy scalar without a plain dtype")
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(raw, bytes) or len(raw) != dtype.numpy().itemsize:
        raise Refused("refused: a numpy scalar whose data has another size")
    return np.frombuffer(raw, dtype=dtype.numpy())[0].item()


def _encode(text, encoding="latin1"):
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused(f"refused: _codecs.encode to {encoding!r}")
    return text.encode("latin1")


class _Namespace:
    def __init__(self):
        self.fields = {}

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise Refused("refused: argparse.Namespace with an unknown state")
        self.fields = state

    def resolve(self, walk):
        return {str(k): walk(v) for k, v in self.fields.items()}


class _Storage:
    def __init__(self, dtype, count):
        self.dtype, self.count, self.data = np.dtype(dtype), count, None

    def take(self, raw):
        if len(raw) < self.count * self.dtype.itemsize:
            raise Refused("refused: a torch storage shorter than it says")
        self.data = np.frombuffer(raw, dtype=self.dtype, count=self.count)


class _Tensor:
    def __init__(self, storage, offset, size, stride, *_):
        size, stride = _shape(tuple(size)), _shape(tuple(stride))
        last = offset + sum((n - 1) * s for n, s in zip(size, stride))
        inside = isinstance(storage, _Storage) and len(size) == len(stride) and 0 <= offset
        if not inside or (all(size) and last >= storage.count):
            raise Refused("refused: a torch tensor outside its storage")
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def resolve(self, _walk):
        if self.storage.data is None:
            raise Refused("refused: a torch tensor without data")
        if not all(self.size):
            return np.zeros(self.size, dtype=self.storage.dtype)
        width = self.storage.dtype.itemsize
        return np.lib.stride_tricks.as_strided(
            self.storage.data[self.offset :], self.size, tuple(s * width for s in self.stride), writeable=False
        )


def _rebuild_tensor(storage, offset, size, stride, *rest):
    return _Tensor(storage, offset, size, stride, *rest)


def _no_bytes(*arguments):
    """How protocol 2 writes an empty byte string."""
    if arguments:
        raise Refused("refused: builtins.bytes with arguments")
    return b""


def _rebuild_parameter(data, *_):
    if not isinstance(data, _Tensor):
        raise Refused("refused: a torch parameter without a tensor")
    return data


_PLAIN = {"set": set, "frozenset": frozenset, "complex": complex, "bytes": _no_bytes}


def _known():
    table = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _encode,
        ("argparse", "Namespace"): _Namespace,
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    }
    for core in ("numpy.core", "numpy._core"):
        table[(f"{core}.multiarray", "_reconstruct")] = _reconstruct
        table[(f"{core}.multiarray", "scalar")] = _scalar
        table[(f"{core}.numeric", "_frombuffer")] = _from_buffer
    for module in ("builtins", "__builtin__"):
        table.update({(module, name): value for name, value in _PLAIN.items()})
    for name, dtype in _STORAGES.items():
        table[("torch", name)] = dtype
    return table


_KNOWN = _known()


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream, storages=None):
        super().__init__(stream, encoding="latin1")
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) not in _KNOWN:
            raise Refused(f"refused: the file asks for {module}.{name}, which is not a type that data needs")
        return _KNOWN[(module, name)]

    def persistent_load(self, identity):
        if self.storages is None or not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
            raise Refused("refused: a persistent reference")
        _, dtype, key, _, count = identity[:5]
        if dtype not in _STORAGES.values() or (len(identity) > 5 and identity[5] is not None):
            raise Refused("refused: a torch storage of an unknown type")
        if not isinstance(count, int) or count < 0:
            raise Refused("refused: a torch storage of unknown size")
        if key not in self.storages:
            self.storages[key] = _Storage(dtype, count)
        return self.storages[key]


def _resolved(value):
    """Records to arrays and dictionaries, shared ones once."""
    done = {}

    def walk(item):
        if isinstance(item, (str, bytes, int, float, complex, bool, type(None))):
            return item
        if id(item) in done:
            return done[id(item)][1]
        if hasattr(item, "resolve"):
            out = item.resolve(walk)
        elif isinstance(item, dict):
            out = {walk(k): walk(v) for k, v in item.items()}
        elif isinstance(item, list):
            out = [walk(v) for v in item]
        elif isinstance(item, tuple):
            out = tuple(walk(v) for v in item)
        elif isinstance(item, (set, frozenset)):
            out = {walk(v) for v in item}
        else:
            raise Refused(f"refused: a value of type {type(item).__name__}")
        done[id(item)] = (item, out)
        return out

    return walk(value)


def _load_zip(path):
    with zipfile.ZipFile(path) as archive:
        roots = [n[: -len("data.pkl")] for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(roots) != 1:
            raise Refused("refused: a zip archive that is not a .pt file")
        root = roots[0]
        if root + "byteorder" in archive.namelist() and archive.read(root + "byteorder") != b"little":
            raise Refused("refused: a .pt file that is not little-endian")
        storages = {}
        with archive.open(root + "data.pkl") as stream:
            value = _Unpickler(stream, storages).load()
        for key, storage in storages.items():
            storage.take(archive.read(f"{root}data/{key}"))
    return _resolved(value)


def _load_stream(path):
    with open(path, "rb") as stream:
        first = _Unpickler(stream, {}).load()
        if first != LEGACY_MAGIC:
            return _resolved(first)
        if _Unpickler(stream).load() != LEGACY_PROTOCOL:
            raise Refused("refused: a .pt file of an unknown version")
        if _Unpickler(stream).load().get("little_endian") is not True:
            raise Refused("refused: a .pt file that is not little-endian")
        storages = {}
        value = _Unpickler(stream, storages).load()
        for key in _Unpickler(stream).load():
            (count,) = struct.unpack("<q", stream.read(8))
            if key not in storages or count != storages[key].count:
                raise Refused("refused: a .pt file with a storage that nothing names")
            storages[key].take(stream.read(count * storages[key].dtype.itemsize))
        return _resolved(value)


def load(path):
    """Containers, numbers, strings and numpy arrays of a pickle or a .pt file (old or zip). Raises Refused or OSError."""
    try:
        if zipfile.is_zipfile(path):
            return _load_zip(path)
        return _load_stream(path)
    except (Refused, OSError, MemoryError):
        raise
    except RecursionError as error:
        raise Refused("not a readable pickle: nested too deeply") from error
    except Exception as error:  # a broken stream can fail in any way
        raise Refused(f"not a readable pickle: {error}") from error
