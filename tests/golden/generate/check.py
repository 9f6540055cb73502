"""Runs the reference program on the golden files of a directory and compares every tensor that they hold.

    python tests/golden/generate/check.py DIR [--names PREFIX ...]
"""

import argparse
import glob
import json
import os
import sys

import numpy as np
import torch

import golden_io
import ramer_reference as ramer
import released_reference as released
import stack_shuffle
import tailor_reference as tailor
import vectors

TOLERANCE = 1e-10
KEY_BIAS_TOLERANCE = 1e-12


def load_state(directory, tensors, config):
    """`in/` and `before/` of the file itself, and of the file that it refers to where it has none."""
    merged = dict(tensors)
    origin = config.get("state_from", config.get("sibling"))
    if origin:
        base, _ = golden_io.read(os.path.join(directory, origin + ".safetensors"))
        for name, value in base.items():
            if name.startswith(("in/", "before/")):
                merged.setdefault(name, value)
    group = lambda prefix: {k[len(prefix) :]: v for k, v in merged.items() if k.startswith(prefix)}  # noqa: E731
    return group("in/"), group("before/param/"), group("before/buffer/")


def drop_unused(config, params, names):
    return {k: v for k, v in params.items() if k in names} if names else params


class Report:
    def __init__(self):
        self.worst, self.where, self.compared, self.failures = 0.0, "", 0, []

    def compare(self, name, expected, actual, key_bias=False):
        self.compared += 1
        if actual is None:
            self.failures.append(f"{name}: not computed")
            return
        actual = np.asarray(actual)
        if actual.shape != expected.shape:
            self.failures.append(f"{name}: shape {actual.shape}, file {expected.shape}")
            return
        if expected.size == 0:
            return
        difference = float(np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max())
        scale = float(np.abs(expected.astype(np.float64)).max())
        if key_bias:
            if difference > KEY_BIAS_TOLERANCE:
                self.failures.append(f"{name}: absolute difference {difference:.3g}")
            return
        relative = difference / scale if scale > 0 else difference
        if relative > self.worst:
            self.worst, self.where = relative, name
        if relative > TOLERANCE:
            self.failures.append(f"{name}: relative difference {relative:.3g}")


def array(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def non_token_rows(name, expected, actual, inputs):
    """The published files keep what their program computed in padding rows; those rows mean nothing."""
    stem = name.split("/")[1].split(".")[0]
    if "n_persons" not in inputs or not (stem == "normed" or stem.startswith("layer") or stem == "encoder_out"):
        return expected
    expected = expected.copy()
    for b in range(expected.shape[0]):
        count = int(inputs["n_persons"][b] * inputs["n_segments"][b])
        expected[b, count:] = 0
    return expected


def check_step(directory, tensors, metadata, report):
    config = json.loads(metadata["config"])
    inputs, params, buffers = load_state(directory, tensors, config)
    names = json.loads(metadata["grad_norm_names"]) if "grad_norm_names" in metadata else None
    params = drop_unused(config, params, names)
    reference = ramer.Reference(config)
    inputs64 = ramer.as_tensors(inputs, torch.float64)
    params64, buffers64 = ramer.as_tensors(params, torch.float64), ramer.as_tensors(buffers, torch.float64)
    before = ramer.evaluate(reference, params64, buffers64, inputs64)
    step = ramer.Step(reference, params64, buffers64, inputs64, ramer.BertAdam(config["optimizer"]))
    after = ramer.evaluate(reference, step.after, step.buffers, inputs64)
    r = step.result
    for name, expected in tensors.items():
        kind, _, key = name.partition("/")
        if kind in ("in", "before"):
            continue
        key_bias = name.endswith("attention.self.key.bias")
        if kind == "mid":
            actual = r.mid.get(key)
        elif kind == "grad_mid":
            actual = None if key not in r.mid else r.mid[key].grad
            if actual is None and not expected.any():
                actual = torch.zeros(expected.shape)
        elif kind == "loss":
            actual = r.loss.get(key)
        elif kind == "grad":
            actual = step.gradients.get(key)
        elif kind == "after":
            group, _, leaf = key.partition("/")
            actual = (step.after if group == "param" else step.buffers).get(leaf)
            if group == "param" and key_bias:
                continue  # BertAdam turns the rounding noise of a gradient that is 0 in theory into a step
        elif kind == "eval_before":
            actual = before.mid.get(key)
        elif kind == "eval_after":
            actual = after.mid.get(key)
        elif name == "grad_norm/all":
            values = [step.gradients[n].norm().item() if n in step.gradients else 0.0 for n in names]
            for n, e, a in zip(names, expected, values):
                report.compare(f"grad_norm/{n}", np.array(e), np.array(a), n.endswith("attention.self.key.bias"))
            continue
        else:
            report.failures.append(f"{name}: unknown group")
            continue
        actual = array(actual)
        if actual is not None:
            expected = non_token_rows(name, expected, actual, inputs)
        report.compare(name, expected, actual, key_bias and kind == "grad")
    if "scl_anchors" in config and config["scl_anchors"] != r.anchors:
        report.failures.append(f"scl_anchors: {r.anchors}, file {config['scl_anchors']}")
    if "no_grad" in metadata:
        untouched = sorted(n for n in params if n not in step.gradients)
        listed = sorted(json.loads(metadata["no_grad"]))
        if listed and untouched != listed:
            report.failures.append(f"no_grad: {untouched}, file {listed}")
    if "weight_decay_params" in metadata:
        decaying = sorted(n for n in params if ramer.decays(n))
        if decaying != sorted(json.loads(metadata["weight_decay_params"])):
            report.failures.append("weight_decay_params differ")


def run_curve(config, inputs, params, buffers, dtype):
    """Returns (rows [steps, columns], final evaluation scores, final buffers)."""
    reference = ramer.Reference(config)
    inputs = ramer.as_tensors(inputs, dtype)
    params, buffers = ramer.as_tensors(params, dtype), ramer.as_tensors(buffers, dtype)
    optimizer = ramer.BertAdam(config["optimizer"])
    rows = []
    for s in range(config["steps"]):
        scale = ramer.schedule(s, config["t_total"], config["warmup"])
        step = ramer.Step(reference, params, buffers, inputs, optimizer, scale)
        values = {**{k: v.detach() for k, v in step.result.loss.items()}, "lr_used": config["optimizer"]["lr"] * scale}
        rows.append([float(values[column]) for column in config["columns"]])
        params, buffers = step.after, step.buffers
    score = ramer.evaluate(reference, params, buffers, inputs).mid["score"]
    return np.array(rows), score.numpy(), {k: v.numpy() for k, v in buffers.items()}


def check_curve(directory, tensors, metadata, report):
    config = json.loads(metadata["config"])
    inputs, params, buffers = load_state(directory, tensors, config)
    rows, score, final = run_curve(config, inputs, params, buffers, torch.float64)
    report.compare("curve/curve", tensors["curve/curve"], rows)
    report.compare("curve/final_eval_score", tensors["curve/final_eval_score"], score)
    for name, value in tensors.items():
        if name.startswith("final/buffer/"):
            report.compare(name, value, final[name[len("final/buffer/") :]])


def check_released(directory, tensors, metadata, report):
    """Kinds `carat` and `ramer_released`."""
    config = json.loads(metadata["config"])
    inputs, params, buffers = load_state(directory, tensors, config)
    run = released.Run(metadata["kind"], config, params, buffers, inputs)
    for name, expected in tensors.items():
        kind, _, key = name.partition("/")
        if kind in ("in", "before"):
            continue
        key_bias = name.endswith("attention.self.key.bias")
        if key_bias and kind == "after":
            continue  # the rounding noise of a gradient that is 0 in theory, squared or made a step
        actual = array(run.tensors.get(name))
        if name == "grad_norm/all":
            listed = json.loads(metadata["grad_norm_names"])
            actual = np.array([run.gradients[n].norm().item() if n in run.gradients else 0.0 for n in listed])
        report.compare(name, expected, actual, key_bias)
    untouched = sorted(n for n in params if n not in run.gradients)
    if untouched != sorted(json.loads(metadata["no_grad"])):
        report.failures.append(f"no_grad: {untouched}")
    decaying = released.decaying(metadata["kind"], params, run.gradients)
    if sorted(decaying) != sorted(json.loads(metadata["weight_decay_params"])):
        report.failures.append("weight_decay_params differ")


def check_carat_curve(directory, tensors, metadata, report):
    config = json.loads(metadata["config"])
    base, about = golden_io.read(os.path.join(directory, config["sibling"] + ".safetensors"))
    group = lambda prefix: {k[len(prefix) :]: v for k, v in base.items() if k.startswith(prefix)}  # noqa: E731
    inputs = group("in/")
    if json.loads(metadata["identity_permutations"]):
        inputs = released.identity_shuffle(inputs)
    plan = [json.loads(metadata[key]) for key in ("steps", "lr", "t_total", "warmup")]
    rows, params, buffers, _ = released.curve(
        "carat", json.loads(about["config"]), group("before/param/"), group("before/buffer/"), inputs, *plan, torch.float64
    )
    report.compare("curve", tensors["curve"], rows)
    for name, value in tensors.items():
        final, _, key = name.partition("/")
        if final == "final" and not name.endswith("attention.self.key.bias"):
            part, _, leaf = key.partition("/")
            report.compare(name, value, (params if part == "param" else buffers)[leaf])


def check_released_curve(directory, tensors, metadata, report):
    config = json.loads(metadata["config"])
    inputs, params, buffers = load_state(directory, tensors, config)
    plan = [config[key] for key in ("steps", "lr", "t_total", "warmup")]
    rows, _, final, score = released.curve("ramer_released", config, params, buffers, inputs, *plan, torch.float64)
    report.compare("curve/curve", tensors["curve/curve"], rows)
    report.compare("curve/final_eval_score", tensors["curve/final_eval_score"], score)
    for name, value in tensors.items():
        if name.startswith("final/buffer/"):
            report.compare(name, value, final[name[len("final/buffer/") :]])


def check_tailor(directory, tensors, metadata, report):
    config = json.loads(metadata["config"])
    inputs, params, _ = load_state(directory, tensors, config)
    reference = tailor.Tailor(config)
    params, inputs = ramer.as_tensors(params, torch.float64), ramer.as_tensors(inputs, torch.float64)
    step = ramer.Step(reference, params, {}, inputs, ramer.BertAdam(config["optimizer"]))
    before, after = (ramer.evaluate(reference, p, {}, inputs).mid for p in (params, step.after))
    mid = step.result.mid
    groups = {
        "mid": mid, "grad_mid": {k: v.grad for k, v in mid.items() if v.requires_grad and v.retains_grad},
        "loss": step.result.loss, "grad": step.gradients, "after": {f"param/{k}": v for k, v in step.after.items()},
        "eval_before": before, "eval_after": after,
    }  # fmt: skip
    for name, expected in tensors.items():
        kind, _, key = name.partition("/")
        key_bias = name.endswith(".self.key.bias")
        if kind in ("in", "before") or (kind == "after" and key_bias):
            continue
        if name == "grad_norm/all":
            for n, e in zip(json.loads(metadata["grad_norm_names"]), expected):
                actual = np.array(step.gradients[n].norm().item() if n in step.gradients else 0.0)
                report.compare(f"grad_norm/{n}", np.array(e), actual, n.endswith(".self.key.bias"))
            continue
        report.compare(name, expected, array(groups[kind].get(key)), key_bias)


def check_tailor_curve(directory, tensors, metadata, report):
    config = json.loads(metadata["config"])
    inputs, params, _ = load_state(directory, tensors, config)
    rows, score = tailor.run_curve(config, inputs, params, torch.float64)
    report.compare("curve/curve", tensors["curve/curve"], rows)
    report.compare("curve/final_eval_score", tensors["curve/final_eval_score"], score)


def check_vectors(directory, tensors, metadata, report):
    """Own files alone: their inputs come from fixed seeds."""
    mine, _ = vectors.KINDS[metadata["kind"]]()
    for name, expected in tensors.items():
        report.compare(name, expected, mine.get(name))


def check_shuffle(directory, tensors, metadata, report):
    config = json.loads(metadata["config"])
    sizes = (config["B"], config["M"], config["z"], config["k_s"], config["k_m"], config["rounds"])
    for variant, facts in config["variants"].items():
        pi, rho = tensors[f"{variant}.pi"], tensors[f"{variant}.rho"]
        kind = variant.removesuffix("_joint")
        if kind in ("default", "plain", "released"):
            mine = stack_shuffle.permutations(kind, *sizes)
            report.compare(f"{variant}.pi", pi, mine[0])
            report.compare(f"{variant}.rho", rho, mine[1])
        sample, modality = stack_shuffle.sources(pi, rho, facts["gather"])
        report.compare(f"{variant}.source_sample", tensors[f"{variant}.source_sample"], sample)
        report.compare(f"{variant}.source_modality", tensors[f"{variant}.source_modality"], modality)
        labels = tensors["Y"][sample, np.arange(config["z"])[None, None, :]]
        report.compare(f"{variant}.labels", tensors[f"{variant}.labels"], labels)
    for start in (0, 1):
        mine = stack_shuffle.riffle(range(config["B"]), config["k_s"], config["rounds"], start)
        if f"riffle_start{start}" in config and mine != config[f"riffle_start{start}"]:
            report.failures.append(f"riffle_start{start}: {mine}")


def released_metrics(prediction, label):
    """The published helper: names P and R the other way round and rounds the accuracy to 4 digits."""
    y, p = label > 0.5, prediction > 0.5
    true_positive = float((y & p).sum())
    precision = true_positive / p.sum() if p.sum() else 0.0
    recall = true_positive / y.sum() if y.sum() else 0.0
    f1 = 2 * true_positive / (y.sum() + p.sum()) if y.sum() + p.sum() else 0.0
    total = 0.0
    for a, b in zip(y, p):  # added one by one: the published figure of one case is a tie of the rounding
        total += float((a & b).sum()) / max(1, int((a | b).sum()))
    accuracy = total / len(y)
    return {
        "f1_micro": float(f1),
        "logged_p": float(recall),
        "logged_r": float(precision),
        "acc": float(np.round(accuracy, 4)),
        "true_micro_precision": float(precision),
        "true_micro_recall": float(recall),
    }


def check_metrics(directory, tensors, metadata, report):
    for name in [k.removesuffix("_pred") for k in tensors if k.endswith("_pred")]:
        mine = released_metrics(tensors[f"{name}_pred"], tensors[f"{name}_label"])
        for key, expected in json.loads(metadata[name]).items():
            report.compare(f"{name}.{key}", np.array(expected), np.array(mine[key]))


CHECKS = {
    "ramer_paper": check_step,
    "ramer_paper_curve": check_curve,
    "ramer_released": check_released,
    "ramer_released_curve": check_released_curve,
    "carat": check_released,
    "carat_curve": check_carat_curve,
    "tailor": check_tailor,
    "tailor_curve": check_tailor_curve,
    "ctc_loss": check_vectors,
    "lstm": check_vectors,
    "shuffle_vectors": check_shuffle,
    "metrics": check_metrics,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--names", nargs="*", default=[""], help="only files whose name starts with one of these")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bad = checked = 0
    for path in sorted(glob.glob(os.path.join(arguments.directory, "*.safetensors"))):
        name = os.path.basename(path).removesuffix(".safetensors")
        if not any(name.startswith(prefix) for prefix in arguments.names):
            continue
        _, metadata, _ = golden_io.read_header(path)
        check = CHECKS.get(metadata.get("kind"))
        if check is None:
            print(f"skip {name}: kind {metadata.get('kind')}")
            continue
        tensors, metadata = golden_io.read(path)
        report = Report()
        check(arguments.directory, tensors, metadata, report)
        checked += 1
        bad += bool(report.failures)
        state = "FAIL" if report.failures else "ok  "
        print(f"{state} {name}: {report.compared} compared, worst {report.worst:.2g} {report.where}")
        for line in report.failures[:12]:
            print("      ", line)
    print(f"{checked} files, {bad} differ")
    return 1 if bad or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
