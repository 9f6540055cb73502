"""Writes and checks dataset files, version 1 (safetensors with fixed tensor names). Needs numpy alone.

    python ramer_dataset.py FILE      checks a file and says what it holds
"""

import argparse
import json
import os
import struct
import sys

try:
    import numpy as np
except ModuleNotFoundError:
    print("error: needs numpy (Debian: apt-get install python3-numpy)", file=sys.stderr)
    sys.exit(2)

FORMAT = "ramer.dataset"
VERSION = "1"
_DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8"), "U8": np.dtype("u1")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class UserError(Exception):
    """Something that the caller can put right: one sentence, exit code 2."""


def run(main):
    """Exit code of `main`; a user error becomes one line on stderr and 2."""
    program = os.path.basename(sys.argv[0])
    try:
        return main()
    except UserError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{program}: error: {where}{error.strerror or error}", file=sys.stderr)
    except MemoryError:
        print(f"{program}: error: not enough memory", file=sys.stderr)
    return 2


# -- writing -------------------------------------------------------------------------------------------------------


def _chunks(value):
    chunks = value if isinstance(value, list) else [value]
    out = [np.ascontiguousarray(c) for c in chunks]
    out = [c.astype(c.dtype.newbyteorder("<"), copy=False) for c in out]
    if len({(c.dtype, c.shape[1:]) for c in out}) != 1 or out[0].dtype not in _NAMES:
        raise ValueError("chunks of one tensor must agree in type and width")
    return out


def write(path, tensors, metadata):
    """Writes atomically: `path` is either the old file or the whole new one. `metadata` may name another format than a dataset's.

    tensors: {name: array, or a list of arrays to be joined along axis 0}. metadata: {key: string, or list to be stored as JSON}.
    """
    texts = {"format": FORMAT, "version": VERSION}
    for key, value in metadata.items():
        texts[key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    prepared = {name: _chunks(value) for name, value in tensors.items()}
    # Wide types first: every tensor then starts at a multiple of its element size.
    order = sorted(prepared, key=lambda name: (-prepared[name][0].dtype.itemsize, name))
    header, offset = {"__metadata__": texts}, 0
    for name in order:
        chunks = prepared[name]
        size = sum(c.nbytes for c in chunks)
        scalar = not isinstance(tensors[name], list) and np.ndim(tensors[name]) == 0
        shape = [] if scalar else [sum(c.shape[0] for c in chunks), *chunks[0].shape[1:]]
        header[name] = {"dtype": _NAMES[chunks[0].dtype], "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as stream:
            stream.write(struct.pack("<Q", len(text)))
            stream.write(text)
            for name in order:
                for chunk in prepared[name]:
                    stream.write(chunk.data if chunk.size else b"")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


# -- reading and checking ------------------------------------------------------------------------------------------


def read(path):
    """Returns ({name: array}, {key: string}); the arrays are views of the mapped file. Refuses a broken container."""
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise UserError(f"{path}: shorter than a safetensors header")
        (length,) = struct.unpack("<Q", start)
        if length > size - 8:
            raise UserError(f"{path}: header of {length} bytes in a file of {size}")
        text = stream.read(length)
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        entries = {n: (e["dtype"], tuple(e["shape"]), *e["data_offsets"]) for n, e in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: header is not that of a safetensors file ({error})") from error
    data = np.memmap(path, dtype=np.uint8, mode="r") if size > 8 + length else np.zeros(8 + length, np.uint8)
    tensors, spans = {}, []
    for name, (dtype, shape, begin, end) in entries.items():
        if dtype not in _DTYPES:
            raise UserError(f"{path}: tensor {name}: type {dtype}, expected one of {', '.join(_DTYPES)}")
        width = _DTYPES[dtype].itemsize
        if not 0 <= begin <= end <= size - 8 - length:
            raise UserError(f"{path}: tensor {name}: offsets {begin} to {end} outside the data")
        if int(np.prod(shape, dtype=np.int64)) * width != end - begin:
            raise UserError(f"{path}: tensor {name}: shape {list(shape)} of {dtype} does not fill {end - begin} bytes")
        if begin % width:
            raise UserError(f"{path}: tensor {name}: starts at {begin}, not a multiple of {width}")
        spans.append((begin, end, name))
        raw = data[8 + length + begin : 8 + length + end]
        aligned = raw if raw.ctypes.data % width == 0 else raw.copy()
        tensors[name] = aligned.view(_DTYPES[dtype]).reshape(shape)
    for (_, end, first), (begin, _, second) in zip(sorted(spans), sorted(spans)[1:]):
        if begin < end:
            raise UserError(f"{path}: tensors {first} and {second} overlap")
    return tensors, metadata


def _expect(path, name, tensor, dtype, shape):
    """`shape`: numbers must agree, None may be anything."""
    fits = len(tensor.shape) == len(shape) and all(w is None or w == n for w, n in zip(shape, tensor.shape))
    if tensor.dtype != _DTYPES[dtype] or not fits:
        wanted = f"{dtype} [{', '.join('?' if w is None else str(w) for w in shape)}]"
        raise UserError(f"{path}: tensor {name}: {_NAMES[tensor.dtype]} {list(tensor.shape)}, expected {wanted}")


def _expect_index(path, name, index, rows):
    if index.size and (index.min() < -1 or index.max() >= rows):
        place = np.argwhere((index < -1) | (index >= rows))[0].tolist()
        raise UserError(f"{path}: tensor {name} at {place}: {index[tuple(place)]}, expected -1 to {rows - 1}")


def _expect_range(path, name, tensor, low, high):
    if tensor.size and (tensor.min() < low or tensor.max() > high):
        place = np.argwhere((tensor < low) | (tensor > high))[0].tolist()
        raise UserError(f"{path}: tensor {name} at {place}: {tensor[tuple(place)]}, expected {low} to {high}")


def _expect_finite(path, name, features):
    for begin in range(0, len(features), 65536):
        bad = ~np.isfinite(features[begin : begin + 65536])
        if bad.any():
            row, column = np.argwhere(bad)[0].tolist()
            raise UserError(f"{path}: tensor {name} at [{begin + row}, {column}]: not a finite number")


def check(path):
    """Refuses, naming tensor and place, what dataset files do not allow. Returns (tensors, metadata)."""
    tensors, metadata = read(path)
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        found = f"{metadata.get('format')!r} version {metadata.get('version')!r}"
        raise UserError(f"{path}: format is {found}, expected {FORMAT!r} version {VERSION!r}")
    lists = {}
    for key in ("modalities", "labels"):
        try:
            lists[key] = json.loads(metadata.get(key, "null"))
        except ValueError:
            lists[key] = None
        names = lists[key]
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names) or len(set(names)) != len(names):
            raise UserError(f"{path}: metadata {key}: expected a JSON list of different names")
    if not lists["modalities"]:
        raise UserError(f"{path}: metadata modalities: no modality")
    samples = persons = None
    lengths = set()
    for modality in lists["modalities"]:
        for part in ("features", "index"):
            if f"{modality}.{part}" not in tensors:
                raise UserError(f"{path}: tensor {modality}.{part} is missing")
        features, index = tensors[f"{modality}.features"], tensors[f"{modality}.index"]
        _expect(path, f"{modality}.features", features, "F32", (None, None))
        _expect(path, f"{modality}.index", index, "I32", (samples, persons, None))
        samples, persons = index.shape[:2]
        lengths.add(index.shape[2])
        _expect_index(path, f"{modality}.index", index, features.shape[0])
        _expect_finite(path, f"{modality}.features", features)
    count, longest = len(lists["labels"]), max(lengths)
    single = longest if len(lengths) == 1 else -1
    for name, dtype, shape, high in (
        ("exists", "U8", (samples, persons, single), 1), ("labels", "U8", (samples, count), 1),
        ("label_mask", "U8", (samples, count), 1), ("split", "U8", (samples,), 2), ("id", "I64", (samples,), None),
        ("group", "I32", (samples,), None), ("target", "I32", (samples, 2), None),
    ):  # fmt: skip
        if name not in tensors:
            continue
        if -1 in shape:
            raise UserError(f"{path}: tensor {name} needs the same number of times in every modality")
        _expect(path, name, tensors[name], dtype, shape)
        if high is not None:
            _expect_range(path, name, tensors[name], 0, high)
    if single < 0 and persons > 1:
        raise UserError(f"{path}: more than one person needs the same number of times in every modality")
    if "exists" in tensors:
        for m in lists["modalities"]:
            ghost = np.argwhere((tensors[f"{m}.index"] >= 0) & (tensors["exists"] == 0))
            if len(ghost):
                raise UserError(f"{path}: tensor exists at {ghost[0].tolist()}: 0, but {m}.index has a row there")
    if "label_mask" in tensors and "labels" not in tensors:
        raise UserError(f"{path}: tensor label_mask without labels")
    if "target" in tensors:
        if single < 0:
            raise UserError(f"{path}: tensor target needs the same number of times in every modality")
        _expect_range(path, "target", tensors["target"][:, :1], 0, persons - 1)
        _expect_range(path, "target", tensors["target"][:, 1:], 0, single - 1)
    if ("personality.features" in tensors) != ("personality.index" in tensors):
        raise UserError(f"{path}: personality.features and personality.index come together")
    if "personality.features" in tensors:
        features, index = tensors["personality.features"], tensors["personality.index"]
        _expect(path, "personality.features", features, "F32", (None, None))
        _expect(path, "personality.index", index, "I32", (samples, persons))
        _expect_index(path, "personality.index", index, features.shape[0])
        _expect_finite(path, "personality.features", features)
    if "group" in tensors and "split" in tensors:
        pairs = np.unique(np.stack([tensors["group"].astype(np.int64), tensors["split"].astype(np.int64)]), axis=1)
        groups, times = np.unique(pairs[0], return_counts=True)
        if (times > 1).any():
            raise UserError(f"{path}: tensor group: group {groups[times > 1][0]} straddles a split")
    known = {"exists", "labels", "label_mask", "split", "id", "group", "target", "personality.features", "personality.index"}
    known |= {f"{m}.{part}" for m in lists["modalities"] for part in ("features", "index")}
    strange = sorted(set(tensors) - known)
    if strange:
        raise UserError(f"{path}: tensor {strange[0]} belongs to no modality of the metadata")
    return tensors, metadata


def summary(tensors, metadata):
    """A few lines about a checked file."""
    modalities, labels = json.loads(metadata["modalities"]), json.loads(metadata["labels"])
    samples, persons = tensors[f"{modalities[0]}.index"].shape[:2]
    lines = [f"{metadata.get('name', '(no name)')}: {samples} samples, {persons} person{'s' if persons > 1 else ''}"]
    for m in modalities:
        index, features = tensors[f"{m}.index"], tensors[f"{m}.features"]
        absent = int((index < 0).all(axis=(1, 2)).sum())
        lines.append(
            f"  {m}: {features.shape[0]} rows of {features.shape[1]}, up to {index.shape[2]} times, absent in {absent} samples"
        )
    if "split" in tensors:
        counts = np.bincount(tensors["split"], minlength=3)
        lines.append("  split: {} train, {} validation, {} test".format(*counts))
    if "labels" in tensors:
        positives = tensors["labels"].sum(axis=0, dtype=np.int64)
        lines.append("  labels: " + ", ".join(f"{name} {n}" for name, n in zip(labels, positives)))
        lines.append(f"  samples without any label: {int((tensors['labels'].sum(axis=1) == 0).sum())}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="Check a dataset file and say what it holds.")
    parser.add_argument("file")
    print(summary(*check(parser.parse_args().file)))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
