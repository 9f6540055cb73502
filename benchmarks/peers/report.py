#!/usr/bin/env python3
"""Markdown tables from what side_by_side.py wrote: ratio to the library, spread over rounds, memory.

    python report.py F > tables.md
"""

import argparse
import json
import statistics
import sys

OURS, LESS_KEPT, SGEMM, REWRITTEN = "ours", "ours, recompute 2", "sgemm", "rewritten"
# What cannot be avoided, in 1e9 operations: products and attention of the encoders and of what follows them, and each pair of anchors
# of the contrastive set once (docs/performance.md). At the sizes of side_by_side.py.
GFLOP = {
    "carat-step": 165.0, "carat-eval": 48.0, "carat-latency": 0.77, "ramer-step": 165.0, "ramer-eval": 48.0, "ramer-latency": 0.77,
}  # fmt: skip
TITLES = {
    "carat-step": "CARAT, training step", "carat-eval": "CARAT, evaluation of a batch", "carat-latency": "CARAT, one sample",
    "contrast": "Contrastive loss alone, forward and backward", "ramer-step": "RAMer as released, training step",
    "ramer-eval": "RAMer as released, evaluation of a batch", "ramer-latency": "RAMer as released, one sample",
}  # fmt: skip


def seconds(value):
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value * factor >= 1.0:
            break
    shown = value * factor
    return f"{shown:.{max(0, 2 - len(str(int(shown))) + 1)}f} {unit}"


def mebibytes(value):
    return f"{value / 2**20:.0f} MiB"


def rounds(run, what, who):
    return {t["round"]: t["result"] for t in run["turns"] if t["what"] == what and t["who"] == who}


def row(run, what, who):
    """What a table says of one program: medians of the rounds, and the ratio within each round."""
    mine, own = rounds(run, what, who), rounds(run, what, OURS)
    if not mine:
        return None
    medians = [r["median_s"] for r in mine.values()]
    out = {
        "who": who, "median": statistics.median(medians), "low": min(medians), "high": max(medians), "rounds": len(medians),
        "memory": max(r["peak_rss_bytes"] for r in mine.values()), "threads": sorted({r["threads"] for r in mine.values()}),
        "version": ", ".join(sorted({r.get("version", "ramer") for r in mine.values()})), "ratio": None,
    }  # fmt: skip
    pairs = [mine[k]["median_s"] / own[k]["median_s"] for k in mine if k in own]
    if pairs and who != OURS:
        out["ratio"], out["ratio_low"], out["ratio_high"] = statistics.median(pairs), min(pairs), max(pairs)
    return out


def table(run, what):
    names = list(dict.fromkeys(t["who"] for t in run["turns"] if t["what"] == what and t["who"] != SGEMM))
    rows = [r for r in (row(run, what, who) for who in names) if r]
    lines = [
        f"### {TITLES.get(what, what)}", "",
        "| program | time | min to max over rounds | times ours | spread | peak memory |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for r in rows:
        ratio, spread = ("1", "") if r["ratio"] is None else (f"{r['ratio']:.2f}", f"{r['ratio_low']:.2f} to {r['ratio_high']:.2f}")
        lines.append(f"| {r['who']} | {seconds(r['median'])} | {seconds(r['low'])} to {seconds(r['high'])} | {ratio} | {spread} | {mebibytes(r['memory'])} |")
    trains = what == "contrast" or what.endswith("-step")  # only there the loss without N x N is another algorithm
    peers = [r for r in rows if r["ratio"] is not None and r["who"] != LESS_KEPT and not (trains and r["who"].endswith(REWRITTEN))]
    if peers:
        best = min(peers, key=lambda r: r["median"])
        of = "Best PyTorch of the published algorithm" if trains else "Best PyTorch"
        lines += ["", f"{of}: {best['who']}, {best['ratio']:.2f} times our time ({best['ratio_low']:.2f} to {best['ratio_high']:.2f})."]
    return "\n".join(lines + floor(run, what))


def floor(run, what):
    """Our time as a multiple of what the operations would take at the rate of our SGEMM, measured in the same rounds."""
    rates = {k: r["gflops"] for k, r in rounds(run, what, SGEMM).items()}
    own = rounds(run, what, OURS)
    multiples = [own[k]["median_s"] / (GFLOP[what] / rates[k]) for k in rates if k in own]
    if not multiples:
        return []
    rate = statistics.median(rates.values())
    return [
        "",
        f"Floor: {GFLOP[what]:g} GFLOP at the {rate:.0f} GFLOP/s of our SGEMM in the same rounds take {seconds(GFLOP[what] / rate)}; ours takes "
        f"{statistics.median(multiples):.2f} times that ({min(multiples):.2f} to {max(multiples):.2f}).",
    ]


def head(run):
    m = run["machine"]
    versions = sorted({t["result"].get("version", "ramer") for t in run["turns"]})
    threads = sorted({t["result"]["threads"] for t in run["turns"]})
    counts = sorted({len({t["round"] for t in run["turns"] if t["what"] == what}) for what in {t["what"] for t in run["turns"]}})
    loads = [t["load"] for t in run["turns"] if "load" in t]
    return (
        f"{m['cpu']}, {m['cores']} cores, {m['memory_bytes'] / 2**30:.0f} GiB, Linux {m['kernel']}; {'/'.join(map(str, threads))} threads; "
        f"{', '.join(versions)}; {'/'.join(map(str, counts))} rounds; load before a turn at most {max(loads, default=0):.1f}."
    )


def report(run):
    parts = list(dict.fromkeys(t["what"] for t in run["turns"]))
    if not parts:
        return "Nothing measured yet."
    return "\n\n".join([head(run)] + [table(run, what) for what in parts])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="JSON of side_by_side.py")
    with open(parser.parse_args().file) as stream:
        print(report(json.load(stream)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
