#!/usr/bin/env python3
"""Times one training step, one evaluation or the contrastive loss alone, on random data at the sizes of CMU-MOSEI.

    python step.py --recipe carat --batch 64 --threads 2 --mode train --json F
    python step.py --recipe carat --batch 1 --threads 2 --mode eval --json F          latency of one sample
    python step.py --what contrast --threads 2 --json F                               forward and backward of the loss alone
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

import torch
from torch.nn import functional as F

import contrast
import model
import training

BATCHES = 4  # drawn before the clock starts, used in turn


def numbers(text):
    return tuple(int(part) for part in text.split(","))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=("step", "contrast"), default="step")
    parser.add_argument("--recipe", choices=model.RECIPES, default="carat")
    parser.add_argument("--mode", choices=("train", "eval"), default="train")
    parser.add_argument("--contrast", choices=tuple(contrast.VARIANTS), default="stored")
    parser.add_argument("--style", choices=("published", "fused"), default="published", help="layer norm, GELU and attention: of primitive operations, or PyTorch's own")
    parser.add_argument("--compile", action="store_true", help="torch.compile of the encoders, and of the stored contrastive loss (torch 2)")
    parser.add_argument("--compile-mode", choices=("default", "reduce-overhead", "max-autotune"), default="default", help="of torch.compile; on a GPU the latter two launch CUDA graphs")
    parser.add_argument("--autocast", choices=("none", "bf16"), default="none", help="bf16: the forward pass under torch.autocast")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda (torch 2)")
    parser.add_argument("--matmul", choices=("highest", "high", "medium"), default="highest", help="products of floats on a GPU: of 24 bits, tf32, bf16")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--time", type=int, default=60, help="steps of every modality")
    parser.add_argument("--widths", type=numbers, default=(300, 35, 74), help="of text, visual, audio")
    parser.add_argument("--layers", type=numbers, default=(), help="of their encoders (default: as published, 6,4,4 or 3,3,3)")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--labels", type=int, default=6)
    parser.add_argument("--queue", type=int, default=8192)
    parser.add_argument("--chunk", type=int, default=512, help="rows at once of the chunked loss")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="file to write (default: standard output)")
    return parser.parse_args()


def random_batch(o):
    inputs = {m: torch.randn(o.batch, o.time, width) for m, width in zip(model.MODALITIES, o.widths)}
    masks = {m: torch.ones(o.batch, o.time) for m in model.MODALITIES}
    return inputs, masks, (torch.rand(o.batch, o.labels) < 0.3).float()


def timed(run, o):
    """Seconds of each of the runs after the warm-up."""
    wait = torch.cuda.synchronize if o.device == "cuda" else lambda: None
    seconds = []
    for i in range(o.warmup + o.steps):
        wait()
        begin = time.perf_counter()
        run(i)
        wait()
        if i >= o.warmup:
            seconds.append(time.perf_counter() - begin)
    return seconds


def step_of(o):
    """A function of the number of the run."""
    peer = model.Peer(model.Settings(
        recipe=o.recipe, widths=o.widths, layers=o.layers, positions=(o.time,) * 3, hidden=o.hidden, inner=o.hidden, labels=o.labels,
        queue=o.queue, contrast=o.contrast, style=o.style, chunk=o.chunk,
    ))  # fmt: skip
    peer.fill_queue()
    if o.compile:
        for m in model.MODALITIES:
            getattr(peer, m).compile(mode=o.compile_mode)
        contrast.VARIANTS["stored"] = torch.compile(contrast.stored, mode=o.compile_mode)
    batches = [random_batch(o) for _ in range(BATCHES)]
    if o.mode == "eval":
        peer.eval()
        return lambda i: training.evaluate(peer, batches[i % BATCHES])
    peer.train()
    optimizer = training.BertAdam(peer.named_parameters(), 5e-5, steps=20 * 16326 // o.batch)
    autocast = torch.bfloat16 if o.autocast == "bf16" else None
    return lambda i: training.train_step(peer, optimizer, batches[i % BATCHES], autocast)


def contrast_of(o):
    """As in a step: 9 rows a label and sample against themselves and a full queue, whose rows are anchors too."""
    width = model.Settings.latent
    rows = F.normalize(torch.randn(9 * o.batch * o.labels, width), dim=-1).requires_grad_()
    queue = F.normalize(torch.randn(o.queue, width), dim=-1)
    ids, queue_ids = (torch.randint(0, 6 * o.labels, (n,)).float() for n in (rows.shape[0], o.queue))
    if o.compile:
        contrast.VARIANTS["stored"] = torch.compile(contrast.stored, mode=o.compile_mode)

    def run(_):
        rows.grad = None
        contrast.VARIANTS[o.contrast](rows, queue, ids, queue_ids, model.Settings.temperature, o.chunk).backward()

    return run


def capability():
    """Instructions that PyTorch's own kernels use."""
    lines = torch.__config__.show().splitlines()
    return next((line.split(":")[-1].strip() for line in lines if "CPU capability usage" in line), "unknown")


def peak_rss_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    o = arguments()
    torch.set_num_threads(o.threads)
    if o.device != "cpu":
        torch.set_float32_matmul_precision(o.matmul)
        torch.set_default_device(o.device)
    torch.manual_seed(o.seed)
    library_bytes = peak_rss_bytes()
    seconds = timed((step_of if o.what == "step" else contrast_of)(o), o)
    result = {
        "median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds), "seconds": seconds,
        "peak_rss_bytes": peak_rss_bytes(), "library_bytes": library_bytes, "threads": torch.get_num_threads(), "steps": o.steps,
        "version": f"torch {torch.__version__}", "capability": capability(), "preload": os.path.basename(os.environ.get("LD_PRELOAD", "")),
        "settings": {k: v for k, v in vars(o).items() if k != "json"},
    }  # fmt: skip
    if o.device == "cuda":
        result["device"], result["device_bytes"] = torch.cuda.get_device_name(), torch.cuda.max_memory_allocated()
    text = json.dumps(result, indent=1)
    if not o.json:
        print(text)
        return 0
    temporary = f"{o.json}.{os.getpid()}.part"
    with open(temporary, "w") as stream:
        stream.write(text)
    os.replace(temporary, o.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
