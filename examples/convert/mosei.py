"""What both CMU-MOSEI converters share: options, padding, labels, checks against the source."""

import os
import sys

import numpy as np

import ramer_dataset
import safe_pickle
from ramer_dataset import UserError

SPLITS = ("train", "valid", "test")
SPECIAL = ("<blank>", "<unk>", "<s>", "</s>")
BOS, EOS = 2, 3
LICENSE_NOTE = "see the terms of CMU-MOSEI and of the file that this was made from"


def add_options(parser):
    parser.add_argument("--out", required=True, metavar="FILE", help="dataset file to write (an existing one is replaced)")
    parser.add_argument("--name", default=None, help="name of the data set inside the file")
    parser.add_argument(
        "--padding", choices=("auto", "front", "back", "keep"), default="auto",
        help="side of the all-zero rows that pad a sequence; auto: the side with more of them; keep: every row is a token",
    )  # fmt: skip
    parser.add_argument(
        "--zero-rows", choices=("keep", "absent"), default="keep",
        help="an all-zero row between real ones: a token like any other (keep), or the modality is missing there (absent)",
    )  # fmt: skip
    parser.add_argument(
        "--nan", choices=("refuse", "zero"), default="refuse",
        help="NaN and +infinity: refuse the file, or replace them by 0 (-infinity always becomes 0 and is counted)",
    )  # fmt: skip
    parser.add_argument("--verify", action="store_true", help="read the written file back and compare it with the source")
    parser.add_argument("--quiet", action="store_true", help="warnings alone")


def say(options, text):
    if not options.quiet:
        print(text)


def warn(text):
    print(f"warning: {text}", file=sys.stderr)


def load(path):
    try:
        return safe_pickle.load(path)
    except safe_pickle.Refused as error:
        raise UserError(f"{path}: {error}") from error


def entry(path, container, *keys):
    """container[k0][k1]..., with an error that names the place."""
    at = ""
    for key in keys:
        at += f"[{key!r}]"
        if not isinstance(container, dict) or key not in container:
            found = ", ".join(repr(k) for k in list(container)[:12]) if isinstance(container, dict) else type(container).__name__
            raise UserError(f"{path}: {at} is missing (found: {found})")
        container = container[key]
    return container


def as_block(path, at, value):
    """[N, L, D] of a real type; N may be spread over a list."""
    try:
        block = value if isinstance(value, np.ndarray) and value.dtype != object else np.stack([np.asarray(v) for v in value])
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {at}: not an array ({error})") from error
    if block.ndim != 3 or block.dtype.kind not in "fiu":
        raise UserError(f"{path}: {at}: {block.dtype} {list(block.shape)}, expected numbers [samples, steps, width]")
    return block


# -- labels --------------------------------------------------------------------------------------------------------


def label_names(path, content):
    """Names in the order of their numbers, and {number: column}."""
    table = entry(path, content, "dict", "tgt")
    if not isinstance(table, dict) or not all(isinstance(k, str) and isinstance(v, int) for k, v in table.items()):
        raise UserError(f"{path}: ['dict']['tgt']: expected a dictionary of names and numbers")
    pairs = sorted((number, name) for name, number in table.items() if name not in SPECIAL)
    if not pairs:
        raise UserError(f"{path}: ['dict']['tgt']: no label besides the special ones")
    if len({number for number, _ in pairs}) != len(pairs):
        raise UserError(f"{path}: ['dict']['tgt']: two labels share a number")
    for number, name in pairs:
        if number <= EOS:
            raise UserError(f"{path}: ['dict']['tgt']: label {name!r} has number {number}, which is a special one")
    return [name for _, name in pairs], {number: column for column, (number, _) in enumerate(pairs)}


def label_rows(path, split, targets, columns):
    """U8 [N, C] out of lists such as [2, 4, 9, 3]."""
    out = np.zeros((len(targets), len(columns)), dtype=np.uint8)
    for row, target in enumerate(targets):
        numbers = np.asarray(target).reshape(-1).tolist()
        at = f"{path}: ['{split}']['tgt'] row {row}"
        if len(numbers) < 2 or numbers[0] != BOS or EOS not in numbers:
            raise UserError(f"{at}: {numbers}, expected {BOS}, labels, {EOS}")
        for number in numbers[1 : numbers.index(EOS)]:
            if number not in columns:
                raise UserError(f"{at}: label {number} is not in the file's dictionary")
            out[row, columns[number]] = 1
    return out


# -- tokens --------------------------------------------------------------------------------------------------------


def nonzero_rows(block):
    """[N, L]: 1 where a row is not all zero. -infinity is not zero: such a row was measured."""
    return (block != 0).any(axis=2)


def zero_runs(present):
    """All-zero rows in front and behind, over samples that are not all zero: two totals."""
    some = present[present.any(axis=1)]
    return int(some.argmax(axis=1).sum()), int(some[:, ::-1].argmax(axis=1).sum())


def padding_side(options, name, presents):
    """`presents`: [N, L] of each split."""
    if options.padding != "auto":
        return options.padding
    front = back = 0
    for present in presents:
        runs = zero_runs(present)
        front, back = front + runs[0], back + runs[1]
    side = "front" if front > back else "back"
    say(options, f"{name}: {front} all-zero rows in front, {back} behind: padded at the {side}")
    return side


def token_window(present, side):
    """First step and length per sample, [N] each. An all-zero sample has length 0."""
    steps = present.shape[1]
    if side == "keep":
        return np.zeros(len(present), dtype=np.int64), np.full(len(present), steps, dtype=np.int64)
    empty = ~present.any(axis=1)
    if side == "front":
        first = np.where(empty, steps, present.argmax(axis=1))
        return first, steps - first
    last = np.where(empty, 0, steps - present[:, ::-1].argmax(axis=1))
    return np.zeros(len(present), dtype=np.int64), last


class Cleaner:
    """Replaces what is not finite, and counts."""

    def __init__(self, options):
        self.refuse = options.nan == "refuse"
        self.minus_infinity, self.other = {}, {}

    def __call__(self, path, at, name, rows):
        with np.errstate(over="ignore"):
            out = rows.astype(np.float32)
        bad = ~np.isfinite(out)
        if not bad.any():
            return out
        minus = np.isneginf(rows)
        others = bad & ~minus
        if others.any() and self.refuse:
            row, column = np.argwhere(others)[0].tolist()
            raise UserError(
                f"{path}: {at}: {rows[row, column]} in a token (column {column}); --nan zero replaces such values"
            )
        out[bad] = 0
        self.minus_infinity[name] = self.minus_infinity.get(name, 0) + int(minus.sum())
        self.other[name] = self.other.get(name, 0) + int(others.sum())
        return out

    def report(self, options):
        for name, count in self.minus_infinity.items():
            say(options, f"{name}: {count} values were -infinity, now 0")
        for name, count in self.other.items():
            if count:
                say(options, f"{name}: {count} values were NaN, +infinity or beyond float32, now 0")


def inside(window, steps):
    """[N, L]: within the window."""
    first, length = window
    at = np.arange(steps)[None, :]
    return (at >= first[:, None]) & (at < (first + length)[:, None])


class Modality:
    """Rows and indices of one modality, gathered split by split."""

    def __init__(self, name):
        self.name, self.rows, self.index, self.count, self.width = name, [], [], 0, None

    def add(self, options, path, at, block, present, side, window, clean):
        """`window`: first step and length of every sample; the first step becomes time 0.

        Behind (before) a modality's last (first) row another one may go on: there it is missing.
        """
        if self.width not in (None, block.shape[2]):
            raise UserError(f"{path}: {at}: width {block.shape[2]}, other splits have {self.width}")
        self.width = block.shape[2]
        steps = block.shape[1]
        token = inside(window, steps) & inside(token_window(present, side), steps)
        if options.zero_rows == "absent":
            token &= present
        self.rows.append(clean(path, at, self.name, block[token]))
        sample, step = np.nonzero(token)
        index = np.full((len(block), 1, steps), -1, dtype=np.int32)
        index[sample, 0, step - window[0][sample]] = self.count + np.arange(len(sample), dtype=np.int64)
        self.count += len(sample)
        if self.count > np.iinfo(np.int32).max:
            raise UserError(f"{path}: {at}: more rows than a 32-bit index can name")
        self.index.append(index)

    def tensors(self, times):
        """`times`: length of the time axis in the file."""
        fitted = []
        for index in self.index:
            short = index[:, :, :times]
            pad = times - short.shape[2]
            fitted.append(np.pad(short, ((0, 0), (0, 0), (0, pad)), constant_values=-1))
        return {f"{self.name}.features": self.rows, f"{self.name}.index": fitted}

    def times(self):
        """Times that hold a token somewhere (1 at least)."""
        used = [np.flatnonzero((index >= 0).any(axis=(0, 1))) for index in self.index]
        return max([int(u[-1]) + 1 for u in used if len(u)], default=1)


# -- the file ------------------------------------------------------------------------------------------------------


def finish(options, modalities, times, labels, names, metadata, extra=None, source_rows=None):
    """Writes, checks and, if asked to, compares with the source. `labels`: one [N, C] per split."""
    tensors = {}
    for modality in modalities:
        tensors.update(modality.tensors(times[modality.name]))
    sizes = [len(part) for part in labels]
    tensors["labels"] = labels
    tensors["split"] = np.repeat(np.arange(3, dtype=np.uint8), sizes)
    tensors["id"] = np.arange(sum(sizes), dtype=np.int64)
    tensors.update(extra or {})
    note = (
        f"padding: {', '.join(f'{m.name} {options.sides[m.name]}' for m in modalities)}; zero rows: {options.zero_rows}; "
        "id = row number, counted through train, valid, test"
    )
    ramer_dataset.write(
        options.out, tensors,
        {"modalities": [m.name for m in modalities], "labels": names, "license": LICENSE_NOTE, "note": note, **metadata},
    )  # fmt: skip
    written = ramer_dataset.check(options.out)
    say(options, ramer_dataset.summary(*written))
    if options.verify:
        verify(options, written[0], modalities, labels, source_rows)
    return 0


def verify(options, written, modalities, labels, source_rows):
    """Compares the written file with the source, row by row. `source_rows(name, split)` -> (block, window)."""
    if not np.array_equal(written["labels"], np.concatenate(labels)):
        raise UserError(f"{options.out}: labels differ from the source")
    begin = 0
    for split, part in enumerate(labels):
        for modality in modalities:
            block, window = source_rows(modality.name, split)
            steps = block.shape[1]
            index = written[f"{modality.name}.index"][begin : begin + len(part), 0]
            features = written[f"{modality.name}.features"]
            present = nonzero_rows(block)
            stored = np.zeros((len(part), steps), dtype=bool)
            for row in range(len(part)):
                time = np.flatnonzero(index[row] >= 0)
                step = time + window[0][row]
                stored[row, step] = True
                source = block[row, step].astype(np.float32)
                source[~np.isfinite(source)] = 0
                if not np.array_equal(features[index[row, time]], source):
                    raise UserError(f"{options.out}: {modality.name} of sample {begin + row} differs from the source")
            if options.zero_rows == "keep" and (present & ~stored).any():
                row, step = np.argwhere(present & ~stored)[0].tolist()
                raise UserError(f"{options.out}: {modality.name} of sample {begin + row} lacks step {step} of the source")
        begin += len(part)
    say(options, f"verified: {begin} samples agree with the source")


def check_out(options, *sources):
    folder = os.path.dirname(os.path.abspath(options.out))
    if not os.path.isdir(folder):
        raise UserError(f"{options.out}: the folder {folder} does not exist")
    for source in sources:
        if os.path.exists(options.out) and os.path.exists(source) and os.path.samefile(options.out, source):
            raise UserError(f"{options.out}: would overwrite the source")
