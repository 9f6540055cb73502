#!/usr/bin/env python3
"""How time and peak memory of a step grow: each size varied alone around CMU-MOSEI's, a process a point.

    python3 benchmarks/growth.py --bench build/bench/bin/ramer_bench --out build/growth.json --plots build/growth

The JSON is written after every point; points that it already holds of the same program and settings are not run again, those of another
program are dropped. --plots P writes P-train.svg and P-eval.svg; --plot-only draws and prints what the JSON has, and runs nothing.
A list of layers is written 6:4:4.
"""

import argparse
import html
import json
import math
import os
import shlex
import sys

from side_by_side import digest, measured, stay_on_machine, write

# name -> what an axis says, value around which the others vary, values
VARIABLES = {
    "batch": ("samples of a batch", "64", "8,16,32,64,128"),
    "time": ("tokens of a modality", "60", "15,30,60,120,240"),
    "queue": ("rows of the contrastive queue", "8192", "1024,4096,8192,16384,32768"),
    "labels": ("labels", "6", "1,3,6,12,24"),
    "layers": ("encoder layers, all modalities", "6:4:4", "1:1:1,3:2:2,6:4:4,12:8:8"),
}
MODES = {"train": "training step", "eval": "evaluation of a batch"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", help="ramer_bench")
    parser.add_argument("--recipe", default="carat")
    parser.add_argument("--modes", default=",".join(MODES), help="of train, eval (default: both)")
    for name, (said, base, values) in VARIABLES.items():
        parser.add_argument(f"--{name}", default=values, metavar="LIST", help=f"{said}, and '' for none (default: {values}; {base} while others vary)")
    parser.add_argument("--base", default="", help="other sizes to vary around, such as batch=8,layers=2:1:1")
    parser.add_argument("--arguments", default="", help="more for ramer_bench, such as '--filled 0.4'")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="timed runs a point")
    parser.add_argument("--warmup", type=int, default=2, help="runs before them")
    parser.add_argument("--out", default="growth.json", help="JSON to write and to go on from")
    parser.add_argument("--fresh", action="store_true", help="leave out what the JSON already has")
    parser.add_argument("--plots", metavar="P", help="draw P-train.svg and P-eval.svg")
    parser.add_argument("--plot-only", action="store_true")
    o = parser.parse_args()
    o.modes = o.modes.split(",")
    for mode in o.modes:
        if mode not in MODES:
            parser.error(f"'{mode}' is none of {', '.join(MODES)}")
    o.base_sizes = {name: base for name, (_, base, _) in VARIABLES.items()}
    for part in filter(None, o.base.split(",")):
        name, _, value = part.partition("=")
        if name not in VARIABLES:
            parser.error(f"--base: '{name}' is none of {', '.join(VARIABLES)}")
        o.base_sizes[name] = value
    o.values = {name: list(filter(None, getattr(o, name).split(","))) for name in VARIABLES}
    for value in [v for values in [o.base_sizes.values(), *o.values.values()] for v in values]:
        if not all(part.isdigit() for part in value.split(":")):
            parser.error(f"'{value}' is no size")
    if o.plot_only and o.fresh:
        parser.error("--plot-only draws what the JSON has, --fresh leaves that out")
    if not o.plot_only and not os.path.isfile(o.bench or ""):
        parser.error(f"--bench: no file '{o.bench or ''}'")
    return o


def settings(o, mode, sizes):
    """What a point is known by: the command without the program."""
    command = ["step", "--recipe", o.recipe, "--mode", mode, "--threads", str(o.threads), "--steps", str(o.steps), "--warmup", str(o.warmup)]
    for name, value in sizes.items():
        command += [f"--{name}", value.replace(":", ",")]
    return command + shlex.split(o.arguments)


def plan(o):
    """(variable, value, mode, settings); the middle is a point of every variable, and has the same settings there."""
    return [
        (name, value, mode, settings(o, mode, {**o.base_sizes, name: value}))
        for name in VARIABLES for value in o.values[name] for mode in o.modes
    ]  # fmt: skip


def measure_all(o, run):
    """Runs what the file does not hold yet; returns the number of points that failed."""
    program, failed = digest([o.bench]), set()
    kept = [p for p in run["points"] if p["program"] == program]
    if len(kept) < len(run["points"]):
        print(f"{len(run['points']) - len(kept)} points of another program are dropped", file=sys.stderr)
    run["points"] = kept
    for name, value, mode, given in plan(o):
        if tuple(given) in failed or any(p["command"] == given for p in run["points"]):
            continue
        point = measured([os.path.abspath(o.bench), *given], {}, " ".join(given))
        if point is None:
            failed.add(tuple(given))
            continue
        result = point["result"]
        run["points"].append({"command": given, "program": program, **point})
        write(o.out, run)
        print(f"{mode}, {name} {value}: {result['median_s']:.4g} s, {result['peak_rss_bytes'] / 2**20:.0f} MiB", flush=True)
    return len(failed)


def series(o, run, mode):
    """variable -> measured points [(x, result)], x ascending."""
    held = {tuple(p["command"]): p["result"] for p in run["points"]}
    out = {name: [] for name in VARIABLES}
    for name, value, of, given in plan(o):
        if of == mode and tuple(given) in held:
            out[name].append((sum(map(int, value.split(":"))), held[tuple(given)]))
    return {name: sorted(points, key=lambda p: p[0]) for name, points in out.items() if points}


def exponent(points):
    """p of y ~ x^p between the two largest x; None where there are no two."""
    (x0, y0), (x1, y1) = points[-2:] if len(points) > 1 else ((1, 1), (1, 1))
    return math.log(y1 / y0) / math.log(x1 / x0) if x1 > x0 > 0 and min(y0, y1) > 0 else None


def ticks(largest):
    """Round numbers from 0 on, the last not below `largest`; about four steps."""
    power = 10.0 ** math.floor(math.log10(largest / 4))
    step = next(power * k for k in (1, 2, 2.5, 5, 10) if power * k * 4.5 >= largest)
    return [step * k for k in range(math.ceil(largest / step - 1e-9) + 1)]


class Panel:
    """Axes from 0, points with whiskers joined by a line, the exponent in the lower right corner."""

    WIDTH, HEIGHT, LEFT, BOTTOM = 180, 140, 62, 46

    def __init__(self, left, top):
        self.x0, self.y0, self.body = left + self.LEFT, top + self.HEIGHT, []

    def text(self, x, y, words, anchor="middle", more=""):
        self.body.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{html.escape(words)}</text>')

    def line(self, x0, y0, x1, y1, color, width=1.0):
        self.body.append(f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{color}" stroke-width="{width}"/>')

    def draw(self, points, x_label, y_label, color):
        """points: (x, low, middle, high)"""
        xs, ys = ticks(max(p[0] for p in points)), ticks(max(p[3] for p in points))
        at_x = lambda x: self.x0 + self.WIDTH * x / xs[-1]  # noqa: E731
        at_y = lambda y: self.y0 - self.HEIGHT * y / ys[-1]  # noqa: E731
        for y in ys:
            self.line(self.x0, at_y(y), self.x0 + self.WIDTH, at_y(y), "#e4e4e4" if y else "#666")
            self.text(self.x0 - 6, at_y(y) + 4, f"{y:g}", "end")
        for x in xs:
            self.line(at_x(x), self.y0, at_x(x), self.y0 + 4, "#666")
            self.text(at_x(x), self.y0 + 17, f"{x:g}" if x < 10000 else f"{x / 1000:g}k")
        self.line(self.x0, self.y0, self.x0, self.y0 - self.HEIGHT, "#666")
        self.text(self.x0 + self.WIDTH / 2, self.y0 + 35, x_label)
        self.text(0, 0, y_label, more=f' transform="translate({self.x0 - 48:.1f} {self.y0 - self.HEIGHT / 2:.1f}) rotate(-90)"')
        where = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, _, y, _ in points)
        self.body.append(f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{where}"/>')
        for x, low, y, high in points:
            if high > low:
                self.line(at_x(x), at_y(low), at_x(x), at_y(high), color)
                for end in (low, high):
                    self.line(at_x(x) - 4, at_y(end), at_x(x) + 4, at_y(end), color)
            self.body.append(f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{color}"/>')
        p = exponent([(x, y) for x, _, y, _ in points])
        if p is not None:
            right, y, halo = self.x0 + self.WIDTH - 6, self.y0 - 9, ' stroke="#fff" stroke-width="4" paint-order="stroke"'
            self.body.append(f'<text x="{right}" y="{y}" text-anchor="end" fill="{color}"{halo}>~ x<tspan dy="-5" font-size="10">{p:.2f}</tspan></text>')


def plot(o, run, mode):
    """SVG: a column for each variable, time above memory."""
    found = series(o, run, mode)
    column, row, top = Panel.WIDTH + Panel.LEFT + 14, Panel.HEIGHT + Panel.BOTTOM + 16, 66
    width, height = column * len(found) + 6, top + 2 * row
    parts = []
    for k, (name, points) in enumerate(found.items()):
        milli = max(r["max_s"] for _, r in points) < 1
        unit = 1e3 if milli else 1.0
        times = [(x, r["min_s"] * unit, r["median_s"] * unit, r["max_s"] * unit) for x, r in points]
        memory = [(x, *[r["peak_rss_bytes"] / 2**20] * 3) for x, r in points]
        for line, (values, said, color) in enumerate([(times, "time, ms" if milli else "time, s", "#1f5fa8"), (memory, "peak memory, MiB", "#b4501e")]):
            panel = Panel(k * column, top + line * row)
            panel.draw(values, VARIABLES[name][0], said, color)
            parts += panel.body
    threads = sorted({r["threads"] for points in found.values() for _, r in points})
    base = ", ".join(f"{name} {value.replace(':', ' + ')}" for name, value in o.base_sizes.items())
    title = f"{o.recipe}, {MODES[mode]}, {' and '.join(map(str, threads))} thread{'' if threads == [1] else 's'}"
    note = f"Each alone, the others at {base}. Median, whiskers from least to most; ~ x: growth between the two largest values."
    head = f'<text x="14" y="24" font-size="16" font-weight="bold">{html.escape(title)}</text><text x="14" y="44">{html.escape(note)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-size="12" fill="#222"'
        ' font-family="DejaVu Sans, Verdana, Arial, sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join([head, *parts]) + "\n</svg>\n"
    )  # fmt: skip


def table(o, run):
    lines = ["| varied | value | mode | time, ms | least to most | peak memory, MiB |", "|---|---|---|---|---|---|"]
    held = {tuple(p["command"]): p["result"] for p in run["points"]}
    for name, value, mode, given in plan(o):
        r = held.get(tuple(given))
        if r:
            low, middle, high = (f"{r[key] * 1e3:.4g}" for key in ("min_s", "median_s", "max_s"))
            lines.append(f"| {name} | {value} | {mode} | {middle} | {low} to {high} | {r['peak_rss_bytes'] / 2**20:.0f} |")
    return "\n".join(lines)


def main():
    o = arguments()
    run, failed = {"points": []}, 0
    if os.path.exists(o.out) and not o.fresh:
        with open(o.out) as stream:
            run = json.load(stream)
    elif o.plot_only:
        sys.exit(f"--plot-only: no file '{o.out}'")
    if not o.plot_only:
        stay_on_machine(run, o.out)
        failed = measure_all(o, run)
    print("\n" + table(o, run))
    for mode in o.modes if o.plots else []:
        if not series(o, run, mode):
            print(f"{mode}: no points of these settings, no plot", file=sys.stderr)
            failed += 1
            continue
        with open(f"{o.plots}-{mode}.svg", "w") as stream:
            stream.write(plot(o, run, mode))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
