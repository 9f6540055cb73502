#!/usr/bin/env python3
"""Convert the unaligned CMU-MOSEI file `mosei_senti_data_noalign.pkl` into a dataset file.

That file has sentiment alone; the emotion labels come from the aligned `train_valid_test.pt`, row by row. Nothing in either
file says that their rows are in the same order, so the text of both is compared and differences are reported. Every
modality keeps its own steps.
"""

import argparse
import sys

import ramer_dataset  # first: says so where numpy is missing
from ramer_dataset import UserError

import mosei
import numpy as np

KEYS = {"text": "text", "visual": "vision", "audio": "audio"}


def same_words(a, b):
    """Whether one text continues the other at either end; [L, D] both, all-zero rows left out (padding, unknown words)."""
    a, b = (x[(x != 0).any(axis=1)].astype(np.float64) for x in (a, b))
    n = min(len(a), len(b))
    if n == 0:
        return len(a) == len(b)
    close = lambda x, y: np.allclose(x, y, rtol=1e-3, atol=1e-4)  # noqa: E731
    return close(a[:n], b[:n]) or close(a[-n:], b[-n:])


def compare_texts(options, path, split, mine, other):
    """Warns where the rows of both files hold different words. Returns the number of such rows."""
    if mine.shape[2] != other.shape[2]:
        raise UserError(f"{path}: ['{split}']['text'] has width {mine.shape[2]}, {options.labels} has {other.shape[2]}")
    different = [row for row in range(len(mine)) if not same_words(mine[row], other[row])]
    if different:
        first = ", ".join(map(str, different[:5]))
        mosei.warn(
            f"{split}: the text of {len(different)} of {len(mine)} rows differs between the two files (first: {first}); "
            "their emotion labels may belong to other samples"
        )
    else:
        mosei.say(options, f"{split}: the text of all {len(mine)} rows agrees")
    return len(different)


def video_groups(path, content):
    """I32 [N] per split by the name of the video, or None where there are no names."""
    rows = []
    for split in mosei.SPLITS:
        ids = content[split].get("id")
        if ids is None:
            return None
        rows.append([str(np.asarray(i, dtype=object).reshape(-1)[0]) for i in ids])
        if len(rows[-1]) != len(content[split]["text"]):
            raise UserError(f"{path}: ['{split}']['id']: {len(rows[-1])} rows for {len(content[split]['text'])} samples")
    number = {name: k for k, name in enumerate(dict.fromkeys(name for part in rows for name in part))}
    shared = sum(sum(name in part for part in map(set, rows)) > 1 for name in number)
    if shared:
        mosei.warn(f"{shared} videos lie in more than one split: the file gets no groups")
        return None
    return [np.array([number[name] for name in part], dtype=np.int32) for part in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="mosei_senti_data_noalign.pkl")
    parser.add_argument("--labels", required=True, metavar="train_valid_test.pt", help="file that the emotion labels come from")
    parser.add_argument("--strict", action="store_true", help="refuse when the text of any row differs between the two files")
    mosei.add_options(parser)
    options = parser.parse_args()
    mosei.check_out(options, options.source, options.labels)
    path = options.source
    content, aligned = mosei.load(path), mosei.load(options.labels)
    for split in mosei.SPLITS:  # gigabytes that nothing here needs
        if isinstance(aligned, dict) and isinstance(aligned.get(split), dict):
            aligned[split].pop("src-visual", None), aligned[split].pop("src-audio", None)
    names, columns = mosei.label_names(options.labels, aligned)
    blocks, labels, different = [], [], 0
    for split in mosei.SPLITS:
        part = {m: mosei.as_block(path, f"['{split}']['{k}']", mosei.entry(path, content, split, k)) for m, k in KEYS.items()}
        counts = {m: len(b) for m, b in part.items()}
        if len(set(counts.values())) != 1:
            raise UserError(f"{path}: ['{split}']: samples differ between modalities: {counts}")
        targets = mosei.entry(options.labels, aligned, split, "tgt")
        if len(targets) != len(part["text"]):
            raise UserError(
                f"{path}: ['{split}'] has {len(part['text'])} samples, {options.labels} has {len(targets)}: "
                "labels cannot be matched by row"
            )
        other = mosei.as_block(options.labels, f"['{split}']['src-text']", mosei.entry(options.labels, aligned, split, "src-text"))
        if len(other) != len(targets):
            raise UserError(f"{options.labels}: ['{split}']['src-text']: {len(other)} rows for {len(targets)} targets")
        different += compare_texts(options, path, split, part["text"], other)
        labels.append(mosei.label_rows(options.labels, split, targets, columns))
        blocks.append(part)
    if different and options.strict:
        raise UserError(f"{path}: {different} rows hold other words than {options.labels}")
    groups = video_groups(path, content)
    options.sides, clean = {}, mosei.Cleaner(options)
    modalities, windows = [mosei.Modality(m) for m in KEYS], {}
    for modality in modalities:
        m = modality.name
        presents = [mosei.nonzero_rows(part[m]) for part in blocks]
        side = options.sides[m] = mosei.padding_side(options, m, presents)
        windows[m] = [mosei.token_window(present, side) for present in presents]
        for k, split in enumerate(mosei.SPLITS):
            at = f"['{split}']['{KEYS[m]}']"
            modality.add(options, path, at, blocks[k][m], presents[k], side, windows[m][k], clean)
    clean.report(options)
    return mosei.finish(
        options, modalities, {m.name: m.times() for m in modalities}, labels, names,
        {
            "name": options.name or "cmu-mosei-unaligned",
            "source": "mosei_senti_data_noalign.pkl, labels from train_valid_test.pt by row",
        },
        extra={"group": groups} if groups is not None else None,
        source_rows=lambda m, split: (blocks[split][m], windows[m][split]),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(ramer_dataset.run(main))
