#!/usr/bin/env python3
"""Runs this library and its PyTorch peers alternately, a process a turn, and says how they compare.

    python3 benchmarks/side_by_side.py --bench build/bench/bin/ramer_bench --python newest=/opt/new/bin/python --python 1.13=/opt/old/bin/python --out F

Configurations of a peer: `stock`, the published code as installed; `tuned`, the same with tcmalloc, AVX-512 and passive waiting;
`fused`, tuned, with PyTorch's own layer norm, GELU and attention; `rewritten`, fused, with a contrastive loss that never stores N x N.
Of ours, a training step is also run with `encoder.recompute = 2`, and each round has a turn of our SGEMM at 3840 x 256 x 256: what the
operations that cannot be avoided would take at its rate is the floor that the report compares with.
Before anything is timed, peers/check.py must find the same losses and gradients on both sides. F is written after every turn; turns that
it already holds of the same programs and settings are not run again, those of other programs are dropped.
"""

import argparse
import glob
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "peers")
sys.path.insert(0, PEERS)
import report  # noqa: E402

OURS, LESS_KEPT, SGEMM = report.OURS, report.LESS_KEPT, report.SGEMM
# what -> arguments that both sides know, steps, warm-up. Three warm-up steps fill the queue.
LAYERS = ["--layers", "6,4,4"]
WHATS = {
    "carat-step": (["--recipe", "carat", "--batch", "64", "--mode", "train", *LAYERS], 5, 3),
    "carat-eval": (["--recipe", "carat", "--batch", "64", "--mode", "eval", *LAYERS], 20, 3),
    "carat-latency": (["--recipe", "carat", "--batch", "1", "--mode", "eval", *LAYERS], 200, 20),
    "contrast": (["--recipe", "carat"], 5, 2),  # whose queue rows are anchors
    "ramer-step": (["--recipe", "ramer-released", "--batch", "64", "--mode", "train", *LAYERS], 5, 3),
    "ramer-eval": (["--recipe", "ramer-released", "--batch", "64", "--mode", "eval", *LAYERS], 20, 3),
    "ramer-latency": (["--recipe", "ramer-released", "--batch", "1", "--mode", "eval", *LAYERS], 200, 20),
}
CONFIGURATIONS = {
    "stock": ["--style", "published", "--contrast", "stored"],
    "tuned": ["--style", "published", "--contrast", "stored"],
    "fused": ["--style", "fused", "--contrast", "stored"],
    report.REWRITTEN: ["--style", "fused", "--contrast", "chunked"],
}
DEFAULT_CONFIGURATIONS = f"stock,tuned,{report.REWRITTEN}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="ramer_bench")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", help="interpreter with PyTorch. Repeatable")
    parser.add_argument("--what", default=",".join(WHATS), help=f"which of {', '.join(WHATS)} (default: all)")
    parser.add_argument("--configurations", default=DEFAULT_CONFIGURATIONS, help=f"of {', '.join(CONFIGURATIONS)} (default: {DEFAULT_CONFIGURATIONS})")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="timed runs a turn (default: 5 of a step, 20 of an evaluation, 200 of one sample)")
    parser.add_argument("--warmup", type=int, help="runs before them")
    parser.add_argument("--arguments", default="", help="more for both sides, such as '--time 50'")
    parser.add_argument("--out", default="side_by_side.json", help="JSON to write and to go on from")
    parser.add_argument("--skip-check", action="store_true", help="time without having compared losses and gradients")
    o = parser.parse_args()
    o.pythons = [tuple(p.partition("=")[::2]) for p in o.python]
    o.whats, o.configurations = o.what.split(","), o.configurations.split(",")
    for given, known in ((o.whats, WHATS), (o.configurations, CONFIGURATIONS)):
        for name in given:
            if name not in known:
                parser.error(f"'{name}' is none of {', '.join(known)}")
    for name, path in [("--bench", o.bench), *o.pythons]:
        if not os.path.isfile(path):
            parser.error(f"{name}: no file '{path}'")
    o.bench = os.path.abspath(o.bench)
    return o


def digest(paths, *words):
    total = hashlib.sha256("\n".join(words).encode())
    for path in paths:
        with open(path, "rb") as stream:
            total.update(hashlib.sha256(stream.read()).digest())
    return total.hexdigest()[:16]


def machine():
    cpu = "unknown"
    with open("/proc/cpuinfo") as stream:
        found = [line.split(":", 1)[1].strip() for line in stream if line.startswith("model name")]
        cpu = found[0] if found else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_bytes": memory, "kernel": platform.release()}


def stay_on_machine(run, path):
    """Notes the machine in what is to be measured on, unless that was begun on another one."""
    here = machine()
    if run.get("machine", here)["cpu"] != here["cpu"]:
        sys.exit(f"{path} was measured on another machine ({run['machine']['cpu']}); name another file with --out")
    run["machine"] = here


def tuned_environment():
    places = ("/usr/lib/*/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib/")
    libraries = [p for place in places for p in glob.glob(place + "libtcmalloc_minimal.so.4")]
    if not libraries:
        print("note: no libtcmalloc_minimal.so.4 (Debian: libtcmalloc-minimal4); 'tuned' goes without it", file=sys.stderr)
    return {**({"LD_PRELOAD": libraries[0]} if libraries else {}), "ATEN_CPU_CAPABILITY": "avx512", "OMP_WAIT_POLICY": "PASSIVE"}


class Programs:
    """The library and every configuration of every peer: commands, environments, and what they are known by."""

    def __init__(self, o):
        self.o = o
        sources = sorted(glob.glob(os.path.join(PEERS, "*.py")))
        timed = [p for p in sources if os.path.basename(p) not in ("report.py", "check.py")]
        self.digest = dict.fromkeys((OURS, LESS_KEPT, SGEMM), digest([o.bench]))
        self.peers = {}
        tuned = tuned_environment() if set(o.configurations) - {"stock"} else {}
        for name, python in o.pythons:
            for configuration in o.configurations:
                who = f"{name} {configuration}"
                self.peers[who] = (python, CONFIGURATIONS[configuration], {} if configuration == "stock" else tuned)
                self.digest[who] = digest(timed, os.path.abspath(python))
        self.everything = digest([o.bench, *sources], *(os.path.abspath(p) for _, p in o.pythons))

    def told(self, who, what):
        """The command as the file tells it: names instead of places."""
        return " ".join(os.path.basename(part) if part.startswith("/") else part for part in self.command(who, what)[0])

    def of_round(self, what):
        ours = [OURS, LESS_KEPT] if what.endswith("-step") else [OURS]
        return ours + ([SGEMM] if what in report.GFLOP and not self.o.arguments else []) + list(self.peers)

    def command(self, who, what):
        """(command without --json, environment besides)"""
        if who == SGEMM:
            return [self.o.bench, *"gemm --m 3840 --n 256 --k 256 --steps 300 --warmup 30 --threads".split(), str(self.o.threads)], {}
        given, steps, warmup = WHATS[what]
        common = ["--threads", str(self.o.threads), "--steps", str(self.o.steps or steps)]
        common += ["--warmup", str(warmup if self.o.warmup is None else self.o.warmup)] + given + shlex.split(self.o.arguments)
        if who in (OURS, LESS_KEPT):
            return [self.o.bench, "contrast" if what == "contrast" else "step"] + common + ["--recompute", "2"] * (who == LESS_KEPT), {}
        python, settings, environment = self.peers[who]
        return [python, os.path.join(PEERS, "step.py"), "--what", "contrast" if what == "contrast" else "step"] + settings + common, environment


def write(path, run):
    temporary = f"{path}.{os.getpid()}.part"
    with open(temporary, "w") as stream:
        json.dump(run, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def call(command, environment, timeout=1800):
    """Runs it with `environment` alone: what the caller's shell sets for threads, allocators and instruction sets is left out."""
    tuning = ("OMP_", "KMP_", "GOMP_", "MKL_", "LD_PRELOAD", "ATEN_", "MALLOC_", "TORCH_")
    plain = {k: v for k, v in os.environ.items() if not k.startswith(tuning)}
    return subprocess.run(command, env={**plain, **environment}, capture_output=True, text=True, timeout=timeout, check=False)


def measured(command, environment, about):
    """Runs a program that writes JSON where --json says; when it began, the load then and what it wrote, or None after having said what
    went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "result.json")
        begun, load = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), os.getloadavg()[0]
        try:
            done = call([*command, "--json", file], environment)
            failure = f"exit code {done.returncode}: {done.stderr[-2000:]}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            failure = "took longer than half an hour"
        if failure or not os.path.exists(file):
            print(f"{about}: {failure or 'wrote no JSON'}", file=sys.stderr)
            return None
        with open(file) as stream:
            return {"begun": begun, "load": load, "result": json.load(stream)}


def check(o):
    """Equal losses and gradients under every interpreter? Returns what the checks said, or ends the program."""
    said = []
    with tempfile.TemporaryDirectory() as folder:
        recipes = sorted({"ramer-released" if what.startswith("ramer") else "carat" for what in o.whats})
        files = [os.path.join(folder, f"{recipe}.safetensors") for recipe in recipes]
        for recipe, file in zip(recipes, files):
            done = call([o.bench, "dump", "--recipe", recipe, "--batch", "8", "--out", file], {})
            if done.returncode:
                sys.exit(f"ramer_bench dump --recipe {recipe} failed ({done.returncode}):\n{done.stderr[-2000:]}")
        for name, python in o.pythons:
            done = call([python, os.path.join(PEERS, "check.py"), *files], {})
            print(f"check, {name}:\n{done.stdout}", end="", flush=True)
            if done.returncode:
                sys.exit(f"nothing is timed: the peer under '{name}' differs ({done.returncode})\n{done.stderr[-2000:]}")
            said.append({"python": name, "said": done.stdout})
    return said


def turn(programs, what, who):
    """One process; returns what it measured, or None after having said what went wrong."""
    command, environment = programs.command(who, what)
    run = measured(command, environment, f"{what}, {who}")
    return run and {
        "what": what, "who": who, "begun": run["begun"], "load": run["load"], "command": programs.told(who, what),
        "environment": {k: os.path.basename(v) for k, v in environment.items()}, "program": programs.digest[who], "result": run["result"],
    }  # fmt: skip


def main():
    o = arguments()
    programs = Programs(o)
    run = {"turns": []}
    if os.path.exists(o.out):
        with open(o.out) as stream:
            run = json.load(stream)
    stay_on_machine(run, o.out)
    if not o.skip_check and run.get("check", {}).get("programs") != programs.everything:
        run["check"] = {"programs": programs.everything, "said": check(o)}
        write(o.out, run)
    kept = [t for t in run["turns"] if t["program"] == programs.digest.get(t["who"], t["program"])]
    if len(kept) < len(run["turns"]):
        print(f"{len(run['turns']) - len(kept)} turns of other programs are dropped", file=sys.stderr)
    run["turns"], failed = kept, 0
    for what in o.whats:
        for k in range(o.rounds):
            for who in programs.of_round(what):
                place = [t for t in run["turns"] if (t["what"], t["who"], t["round"]) == (what, who, k)]
                if place and place[0]["command"] == programs.told(who, what):
                    continue
                done = turn(programs, what, who)
                if done is None:
                    failed += 1
                    continue
                run["turns"] = [t for t in run["turns"] if t not in place] + [{**done, "round": k}]
                write(o.out, run)
                r = done["result"]
                print(f"{what}, round {k + 1}, {who}: {report.seconds(r['median_s'])}, {report.mebibytes(r['peak_rss_bytes'])}", flush=True)
    print("\n" + report.report(run))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
