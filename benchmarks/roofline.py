#!/usr/bin/env python3
"""Where the time of a step goes, and what bounds it: a Markdown table of kinds of kernels from a profile of ramer_bench.

    build/bench/bin/ramer_bench step --recipe carat --threads 2 --profile --json build/profile.json
    python3 benchmarks/roofline.py build/profile.json --measure --bench build/bench/bin/ramer_bench

Peaks are told (--peak-gflops, --peak-gbs) or measured, with the profile's number of threads: GFLOP/s of the library's own SGEMM at 2048^3,
GB/s of as many processes at once, each copying 256 MiB (bytes read and bytes written both count).
FLOP and bytes are those of the mathematics, each operand read and each result written once; what fits a cache may exceed 100 % of
memory's rate, and what moves data more often looks slower than it is. `-`: the profile does not count them.
"""

import argparse
import json
import multiprocessing
import os
import re
import sys
import time

from side_by_side import measured, write

COPY_BYTES = 256 << 20
GEMM = re.compile(r"(?:batched )?gemm (\d+) x (\d+) x (\d+) ([NT])([NT])$")
FORMS = {"NT": "forward", "NN": "reverse, of the input", "TN": "reverse, of the weight"}
# kinds that are told by the kernel's name
NAMED = [
    (r"attention$", "attention"),
    (r"attention, reverse$", "attention, reverse"),
    (r"label attention", "label attention"),
    (r"contrastive loss", "contrastive loss, both ways"),
    (r"layer norm", "layer norm, both ways"),
    (r"map Dropout", "dropout"),
    (r"map UpdateOf$|sum GradientOf$|map GradientNorm$|map ClipFactor$", "optimizer"),
]
OUTSIDE = "outside of kernels"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="JSON of `ramer_bench step --profile --json`")
    parser.add_argument("--peak-gflops", type=float, help="GFLOP/s of the machine's products")
    parser.add_argument("--peak-gbs", type=float, help="GB/s of its memory")
    parser.add_argument("--peaks", metavar="FILE", help="JSON of `ramer_bench_cuda mode=peaks`: both peaks of a GPU")
    parser.add_argument("--measure", action="store_true", help="measure the peaks that are not told")
    parser.add_argument("--bench", help="ramer_bench, for --measure")
    parser.add_argument("--kernels", type=int, default=0, metavar="N", help="also the N dearest kernels one by one")
    parser.add_argument("--json", help="file for kinds and peaks")
    o = parser.parse_args()
    if o.peaks:
        with open(o.peaks) as stream:
            told = json.load(stream)
        o.peak_gflops, o.peak_gbs = o.peak_gflops or told["gflops"], o.peak_gbs or told["gbs"]
    if not o.measure and not (o.peak_gflops and o.peak_gbs):
        parser.error("name --peak-gflops and --peak-gbs, or --measure them")
    for name, peak in (("--peak-gflops", o.peak_gflops), ("--peak-gbs", o.peak_gbs)):
        if peak is not None and not peak > 0:
            parser.error(f"{name} {peak}: expected more than 0")
    if o.measure and not o.peak_gflops and not os.path.isfile(o.bench or ""):
        parser.error(f"--bench: no file '{o.bench or ''}'")
    return o


def measured_gflops(bench, threads):
    size = [part for name in "mnk" for part in (f"--{name}", "2048")]
    run = measured([os.path.abspath(bench), "gemm", *size, "--threads", str(threads), "--steps", "20"], {}, "ramer_bench gemm")
    return run["result"]["gflops"] if run else sys.exit(1)


def copier(barrier, times, rounds):
    """Tells when each copy began and ended, on the clock that all processes share."""
    source, target = bytearray(b"\1") * COPY_BYTES, bytearray(COPY_BYTES)
    view, spans = memoryview(target), []
    view[:] = source  # every page is there before anything is timed
    for _ in range(rounds):
        barrier.wait()
        begun = time.monotonic()
        view[:] = source
        spans.append((begun, time.monotonic()))
    times.put(spans)


def measured_gbs(threads, rounds=7):
    """The best round: all bytes over the time from the first begin to the last end."""
    barrier, times = multiprocessing.Barrier(threads), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=copier, args=(barrier, times, rounds), daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    spans = [times.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    seconds = min(max(s[k][1] for s in spans) - min(s[k][0] for s in spans) for k in range(rounds))
    return 2 * COPY_BYTES * threads / seconds / 1e9


def token_counts(sizes):
    """Rows of a modality's packed tokens, as the benchmark fills them: in (batch) numbers of 1 to time tokens."""
    batch, steps = sizes["batch"], sizes["time"]
    mean = sizes["filled"] * steps
    reach = min(mean, steps - mean)
    spread = [b / (batch - 1) - 0.5 if batch > 1 else 0.0 for b in range(batch)]
    return sum(min(max(int(mean + s * reach + 0.5), 1), steps) for s in spread)


def kind(name, sizes, tokens):
    product = GEMM.match(name)
    if product:
        m, n, k = (int(size) for size in product.groups()[:3])
        form = product[4] + product[5]
        rows, others = (k, (m, n)) if form == "TN" else (m, (n, k))
        if rows != tokens or form not in FORMS:
            return "other products"
        if sizes["labels"] in others:  # a score per token and label
            return "label attention"
        return f"products over tokens, {form} ({FORMS[form]})"
    return next((said for pattern, said in NAMED if re.match(pattern, name)), "others")


class Cost:
    """Of a step. FLOP and bytes are known where every kernel counts them; one that does not says 0 bytes."""

    def __init__(self):
        self.seconds = self.flop = self.bytes = self.calls = self.floor = 0.0
        self.known = True

    def add(self, kernel, peaks):
        self.known = self.known and kernel["bytes"] > 0
        for key in ("seconds", "calls", "flop", "bytes"):
            setattr(self, key, getattr(self, key) + kernel[key])
        self.floor += max(kernel["flop"] / peaks["flops"], kernel["bytes"] / peaks["bytes"])
        return self

    def told(self, peaks):
        out = {"seconds": self.seconds, "calls": self.calls, "flop": None, "bytes": None, "bound": None}
        if self.known:
            compute = self.flop / peaks["flops"] >= self.bytes / peaks["bytes"]
            out.update(flop=self.flop, bytes=self.bytes, bound="compute" if compute else "memory", of_bound=self.floor / self.seconds)
        return out


def row(name, cost, step, peaks):
    seconds = cost["seconds"]
    cells = [name, f"{seconds * 1e3:.2f}", f"{seconds / step:.1%}"]
    if cost["bound"]:
        flops, rate = cost["flop"] / seconds, cost["bytes"] / seconds
        cells += [f"{cost['flop'] / 1e9:.3g}", f"{flops / 1e9:.3g}", f"{flops / peaks['flops']:.0%}"]
        cells += [f"{cost['bytes'] / 1e6:.3g}", f"{rate / 1e9:.3g}", f"{cost['bound']}, {cost['of_bound']:.0%}"]
    else:
        cells += ["-"] * 6
    return "| " + " | ".join(cells) + " |"


HEAD = "| {} | ms | share | GFLOP | GFLOP/s | of peak | MB | GB/s | bound by, reached of it |\n|---|---|---|---|---|---|---|---|---|"


def main():
    o = arguments()
    with open(o.profile) as stream:
        profile = json.load(stream)
    if not profile.get("kernels"):
        sys.exit(f"{o.profile}: no 'kernels'; run ramer_bench step with --profile")
    threads, sizes = profile["threads"], profile["sizes"]
    peaks = {
        "flops": 1e9 * (o.peak_gflops or measured_gflops(o.bench, threads)),
        "bytes": 1e9 * (o.peak_gbs or measured_gbs(threads)),
    }
    step = sum(profile["seconds"]) / len(profile["seconds"])  # kernels are means over the steps, too
    tokens, kinds = token_counts(sizes), {}
    for kernel in profile["kernels"]:
        kinds.setdefault(kind(kernel["kernel"], sizes, tokens), Cost()).add(kernel, peaks)
    told = {name: cost.told(peaks) for name, cost in sorted(kinds.items(), key=lambda item: -item[1].seconds)}
    outside = step - sum(cost["seconds"] for cost in told.values())
    print(
        f"{profile['recipe']}, {profile['mode']}, batch {sizes['batch']}, {threads} threads: {step * 1e3:.1f} ms a step, mean of {profile['steps']}, profiled. "
        f"Peaks: {peaks['flops'] / 1e9:.0f} GFLOP/s ({'told' if o.peak_gflops else 'SGEMM 2048^3'}), "
        f"{peaks['bytes'] / 1e9:.1f} GB/s ({'told' if o.peak_gbs else f'256 MiB copied by each of {threads} at once'}); "
        f"ridge at {peaks['flops'] / peaks['bytes']:.1f} FLOP/byte.\n"
    )
    print(HEAD.format("kind"))
    for name, cost in told.items():
        print(row(name, cost, step, peaks))
    print(f"| {OUTSIDE} | {outside * 1e3:.2f} | {outside / step:.1%} | - | - | - | - | - | - |")
    if o.kernels > 0:
        print("\n" + HEAD.format("kernel"))
        for kernel in sorted(profile["kernels"], key=lambda k: -k["seconds"])[: o.kernels]:
            print(row(f"{kernel['kernel']}, {kernel['calls']:g} times", Cost().add(kernel, peaks).told(peaks), step, peaks))
    if o.json:
        what = {key: profile[key] for key in ("recipe", "mode", "sizes", "threads", "steps")}
        write(o.json, {**what, "step_s": step, "outside_s": outside, "peak_gflops": peaks["flops"] / 1e9, "peak_gbs": peaks["bytes"] / 1e9, "kinds": told})
    return 0


if __name__ == "__main__":
    sys.exit(main())
