"""Stack shuffle and its variants as index arrays (plain Python, no tensors)."""

import numpy as np


def riffle(items, k, rounds=1, start=0):
    """Cuts into stacks, then takes the top of each non-empty stack in turn, sweep after sweep.

    Every sweep visits the stacks start, start + 1, ..., wrapping around.
    """
    items = list(items)
    for _ in range(rounds):
        width = len(items) // min(k, len(items))
        stacks = [items[i : i + width] for i in range(0, len(items), width)]
        order = [(start + i) % len(stacks) for i in range(len(stacks))]
        items = []
        while any(stacks):
            for s in order:
                if stacks[s]:
                    items.append(stacks[s].pop(0))
    return items


def number_of_stacks(n, k):
    width = n // min(k, n)
    return -(-n // width)


def permutations(kind, batch, modalities, labels, k_s, k_m, rounds, generator=None):
    """Returns (pi, rho), each [B, M, C]: pi[:, m, j] permutes samples, rho[b, :, j] permutes modalities."""
    pi = np.zeros((batch, modalities, labels), dtype=np.int64)
    rho = np.zeros((batch, modalities, labels), dtype=np.int64)
    sample_stacks = number_of_stacks(batch, k_s)
    modality_stacks = number_of_stacks(modalities, k_m)
    for j in range(labels):
        for m in range(modalities):
            if kind == "default":
                pi[:, m, j] = riffle(range(batch), k_s, rounds, (j + m) % sample_stacks)
            elif kind == "plain":
                pi[:, m, j] = riffle(range(batch), k_s, rounds)
            elif kind == "released":
                pi[:, m, j] = range(batch - 1, -1, -1)
            elif kind == "random":
                pi[:, m, j] = generator.permutation(batch)
            elif kind == "none":
                pi[:, m, j] = range(batch)
            else:
                raise ValueError(f"unknown shuffle {kind!r}")
        for b in range(batch):
            if kind == "default":
                rho[b, :, j] = riffle(range(modalities), k_m, rounds, (b + j) % modality_stacks)
            elif kind == "plain":
                rho[b, :, j] = riffle(range(modalities), k_m, rounds)
            elif kind == "released":
                rho[b, :, j] = range(modalities - 1, -1, -1)
            elif kind == "random":
                rho[b, :, j] = generator.permutation(modalities)
            else:
                rho[b, :, j] = range(modalities)
    return pi, rho


def sources(pi, rho, gather):
    """Returns (sample, modality) [B, M, C] of the slot that each destination slot is taken from."""
    batch, modalities, labels = pi.shape
    sample = np.zeros_like(pi)
    for b in range(batch):
        for m in range(modalities):
            for j in range(labels):
                # Sequential: the modality pass reads what the sample pass has written.
                reader = m if gather == "joint" else rho[b, m, j]
                sample[b, m, j] = pi[b, reader, j]
    return sample, rho.copy()
