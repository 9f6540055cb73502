#!/usr/bin/env python3
"""Convert the aligned CMU-MOSEI file `train_valid_test.pt` into a dataset file.

The three modalities share their steps (words), so the three of a sample keep a common time axis: a step is padding
where all three are zero. Labels keep the order of the numbers in the file's own dictionary.
"""

import argparse
import sys

import ramer_dataset  # first: says so where numpy is missing
from ramer_dataset import UserError

import mosei
import numpy as np

KEYS = {"text": "src-text", "visual": "src-visual", "audio": "src-audio"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="train_valid_test.pt")
    mosei.add_options(parser)
    options = parser.parse_args()
    mosei.check_out(options, options.source)
    path = options.source
    content = mosei.load(path)
    names, columns = mosei.label_names(path, content)
    blocks, presents, labels = [], [], []
    for split in mosei.SPLITS:
        part = {m: mosei.as_block(path, f"['{split}']['{k}']", mosei.entry(path, content, split, k)) for m, k in KEYS.items()}
        targets = mosei.entry(path, content, split, "tgt")
        shapes = {m: b.shape[:2] for m, b in part.items()}
        if len(set(shapes.values())) != 1:
            raise UserError(f"{path}: ['{split}']: samples and steps differ between modalities: {shapes}")
        if len(targets) != len(part["text"]):
            raise UserError(f"{path}: ['{split}']['tgt']: {len(targets)} rows for {len(part['text'])} samples")
        labels.append(mosei.label_rows(path, split, targets, columns))
        blocks.append(part)
        presents.append({m: mosei.nonzero_rows(b) for m, b in part.items()})
    together = [np.logical_or.reduce(list(p.values())) for p in presents]
    side = mosei.padding_side(options, "all modalities", together)
    options.sides = dict.fromkeys(KEYS, side)
    windows = [mosei.token_window(t, side) for t in together]
    clean = mosei.Cleaner(options)
    modalities = [mosei.Modality(m) for m in KEYS]
    for split, part, present, window in zip(mosei.SPLITS, blocks, presents, windows):
        for modality in modalities:
            m = modality.name
            modality.add(options, path, f"['{split}']['{KEYS[m]}']", part[m], present[m], side, window, clean)
    clean.report(options)
    times = max(modality.times() for modality in modalities)
    return mosei.finish(
        options, modalities, dict.fromkeys(KEYS, times), labels, names,
        {"name": options.name or "cmu-mosei-aligned", "source": "train_valid_test.pt"},
        source_rows=lambda m, split: (blocks[split][m], windows[split]),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(ramer_dataset.run(main))
