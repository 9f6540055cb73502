"""Writes the project's own golden files.

    python tests/golden/generate/make.py --out tests/golden/data [--only NAME ...]
"""

import argparse
import json
import os
import sys

import numpy as np
import torch

import cases
import check
import golden_io
import ramer_reference as ramer
import released_cases
import released_reference as released
import stack_shuffle
import tailor_cases
import tailor_reference as tailor
import vectors

# What a file holds besides losses, gradient norms and evaluation scores; a name that ends in "." is a family.
FEW = ["mid/present", "mid/winner_alpha", "mid/shuffle_sample_idx", "mid/shuffle_modality_idx"]
SOME = FEW + ["mid/winner_", "mid/label_attention.", "mid/score", "mid/pred_labels", "mid/max_logit_", "grad/", "grad_mid/X_alpha."]
EVALUATION = ["eval_before/score", "eval_before/pred_labels", "eval_before/agg_out", "eval_after/score"]
KEEP = {
    "all": ["mid/", "grad_mid/", "grad/", "after/", "eval_before/", "eval_after/"],
    "wide": [prefix for prefix in SOME if prefix != "mid/label_attention."] + [
        "mid/aux_reduced_target.", "mid/X_alpha.", "mid/X_gamma.", "mid/disc_", "mid/cml_logit.", "mid/agg_out",
        "mid/scl_", "mid/shuffle_labels", "after/", "grad_mid/agg_out", "eval_before/", "eval_after/",
    ],
    "gradients": SOME + ["mid/X_alpha.", "mid/X_gamma."] + EVALUATION,
    "step": SOME + ["mid/C.", "mid/S.", "mid/disc_", "grad_mid/C.", "grad_mid/S.", "grad_mid/disc_S.", "after/param/"] + EVALUATION,
    "state": SOME + ["mid/scl_", "mid/shuffle_label", "mid/shuffle_out", "grad_mid/scl_", "grad_mid/shuffle_out", "after/"] + EVALUATION,
    "losses": FEW + EVALUATION,
    "dropout": FEW + ["mid/X_alpha.", "mid/C.", "mid/S.", "mid/disc_", "mid/cml_logit."],
}  # fmt: skip
EVAL_BEFORE_KEEP = (
    "delta.", "D_tilde.", "X_gamma.", "max_logit_", "C.", "S.", "agg_out", "agg_scores_mean", "score", "pred_labels",
)  # fmt: skip
EVAL_BEFORE_WIDE = ("delta.", "max_logit_", "agg_out", "score", "pred_labels")
# Kinds `carat` and `ramer_released`: what is left out of a whole file (N x N), and what a reduced file holds.
RELEASED_LEAVES = ("cl_mask", "supcon.anchor_dot_contrast", "supcon.log_prob", "eval_after/")
RELEASED_KEEP = {
    "all": ["mid/", "grad_mid/", "grad/", "after/", "eval_before/"],
    "step": [
        "grad/", "after/param/", "after/buffer/", "mid/agg_out", "mid/shuffle_", "mid/a2t_position", "mid/v2t_position",
        "mid/visual_encoder_in", "mid/audio_encoder_in", "grad_mid/v2t_position", "mid/score", "mid/predict_scores",
        "eval_before/predict_scores", "eval_before/predict_labels", "eval_before/agg_", "eval_before/score",
        "eval_before/pred_labels",
    ],
    "few": ["mid/predict_scores", "mid/visual_encoder_in", "mid/audio_encoder_in", "grad/", "eval_before/predict_scores", "eval_before/predict_labels"],
}  # fmt: skip
RELEASED_SCORES = ("eval_after/agg_out", "eval_after/pred_labels", "eval_after/predict_labels", "eval_after/predict_scores", "eval_after/score")
NAME_MAP = {
    "encoder_out": "{m}_output", "label_attention": "{m}_attention", "X_alpha": "U_all_{m}", "Z_alpha": "latent_{m}",
    "X_tilde": "recon_{m}", "proto_softmax": "{m}_sim", "delta": "{m}_latent_padding", "D_tilde": "{m}_padding",
    "X_beta": "{m}_aug", "X_gamma": "{m}_beta", "S": "private_{m}", "C": "common_{m}",
}  # fmt: skip
DISCRETE = ("winner_", "pred_labels", "present", "shuffle_", "delta.", "scl_class_ids")


def numpy_of(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def compute(case, dtype):
    """All tensors of one case, in one precision."""
    reference = ramer.Reference(case.config)
    params, buffers, inputs = (ramer.as_tensors(part, dtype) for part in case.start)
    before = ramer.evaluate(reference, params, buffers, inputs)
    step = ramer.Step(reference, params, buffers, inputs, ramer.BertAdam(case.config["optimizer"]))
    after = ramer.evaluate(reference, step.after, step.buffers, inputs)
    out = {}
    wide = EVAL_BEFORE_WIDE if case.keep == "wide" else EVAL_BEFORE_KEEP
    for key, value in before.mid.items():
        if key.startswith(wide):
            out[f"eval_before/{key}"] = value
    for key in ("agg_out", "pred_labels", "score"):
        out[f"eval_after/{key}"] = after.mid[key]
    for key, value in step.result.loss.items():
        out[f"loss/{key}"] = value
    for key, value in step.result.mid.items():
        if not key.startswith("encoder_out."):  # the last `layerK` is the same tensor
            out[f"mid/{key}"] = value
        tapped = key.startswith(tuple(t for t in ramer.GRADIENT_TAPS if t.endswith("."))) or key in ramer.GRADIENT_TAPS
        if tapped and value.requires_grad and value.retains_grad and value.grad is not None:
            out[f"grad_mid/{key}"] = value.grad
    if case.config["options"].get("adversary") == "confusion":
        # D sees C twice, once detached: the gradient of one of the two is no gradient of `disc_C`.
        out = {k: v for k, v in out.items() if not k.startswith("grad_mid/disc_C.")}
    for key, value in step.gradients.items():
        out[f"grad/{key}"] = value
    for key, value in step.after.items():
        out[f"after/param/{key}"] = value
    for key, value in step.buffers.items():
        out[f"after/buffer/{key}"] = value
    return {k: numpy_of(v) for k, v in out.items()}, step, reference


def wanted(name, keep):
    return name.startswith("loss/") or any(name.startswith(prefix) for prefix in keep)


def rounded_up(x):
    """Three digits, never below the true value."""
    text = f"{x:.2e}"
    return float(text) if float(text) >= x else float(f"{x * 1.01:.2e}")


def base_metadata(name, kind, config):
    return {
        "format": "ramer.golden",
        "version": "1",
        "kind": kind,
        "name": name,
        "config": json.dumps(config),
    }


def write_case(directory, case):
    tensors, step, reference = compute(case, torch.float64)
    low, _, _ = compute(case, torch.float32)
    names = list(case.start[0])
    kept = {k: v for k, v in tensors.items() if wanted(k, KEEP[case.keep])}
    differences = {}
    for key, value in kept.items():
        gap = np.abs(value.astype(np.float64) - low[key].astype(np.float64))
        differences[key] = rounded_up(float(gap.max())) if gap.size else 0.0
        if any(part in key for part in DISCRETE) and key.startswith(("mid/", "eval_before/")):
            floating = key.split("/")[1].startswith(("delta.", "shuffle_V", "shuffle_out"))
            if not floating and differences[key] != 0.0:
                raise SystemExit(f"{case.name}: {key} is decided within float32 rounding; choose another seed")
    params, buffers, inputs = case.start
    own = lambda group: case.state_from is None or group in case.own_inputs  # noqa: E731
    kept.update({f"in/{k}": v for k, v in inputs.items() if own(k)})
    kept.update({f"before/param/{k}": v for k, v in params.items() if case.state_from is None or k in case.own_params})
    if case.state_from is None:
        kept.update({f"before/buffer/{k}": v for k, v in buffers.items()})
    kept["grad_norm/all"] = np.array(
        [float(step.gradients[n].norm()) if n in step.gradients else 0.0 for n in names], dtype=np.float64
    )
    config = dict(case.config, scl_anchors=step.result.anchors)
    if case.state_from:
        config["state_from"] = case.state_from
    metadata = base_metadata(case.name, "ramer_paper", config)
    metadata["grad_norm_names"] = json.dumps(names)
    metadata["weight_decay_params"] = json.dumps([n for n in names if ramer.decays(n)])
    metadata["f32_maxdiff"] = json.dumps(differences, separators=(",", ":"))
    metadata["no_grad"] = json.dumps([n for n in names if n not in step.gradients])
    if case.name == "ramer_label_mask_nothing" or "dropout" in case.config["options"]:
        # Whether a mean over no cell, or what is dropped altogether, reaches a parameter is left to the program; so is its decay.
        del metadata["no_grad"]
        kept = {k: v for k, v in kept.items() if not k.startswith("eval_after/")}
    golden_io.write(os.path.join(directory, case.name + ".safetensors"), kept, metadata)


def write_curve(directory, curve):
    params, buffers, inputs = curve.start
    config = curve.config
    columns = list(ramer.LOSS_NAMES)
    if config["options"].get("adversary") == "confusion":
        columns.append("adv_confusion")
    config["columns"] = columns + ["total", "grad_norm_before_clip", "lr_used"]
    rows, score, final = check.run_curve(config, inputs, params, buffers, torch.float64)
    low_rows, low_score, _ = check.run_curve(config, inputs, params, buffers, torch.float32)
    at = config["columns"].index("total")
    config["f32_drift_total"] = float(np.abs(rows[:, at] - low_rows[:, at]).max())
    config["f32_drift_score"] = float(np.abs(score - low_score).max())
    tensors = {"curve/curve": rows, "curve/final_eval_score": score}
    tensors.update({f"final/buffer/{k}": v for k, v in final.items()})
    metadata = base_metadata(curve.name, "ramer_paper_curve", config)
    golden_io.write(os.path.join(directory, curve.name + ".safetensors"), tensors, metadata)


def write_released(directory, case):
    """Kinds `carat` and `ramer_released`."""
    run, low = (
        released.Run(case.kind, case.config, case.params, case.buffers, case.inputs, dtype)
        for dtype in (torch.float64, torch.float32)
    )
    kept, differences = {}, {}
    for name, value in run.tensors.items():
        inside = any(name.startswith(prefix) for prefix in RELEASED_KEEP[case.keep])
        left = any(part in name for part in RELEASED_LEAVES) or (case.keep == "all" and "/adam_" in name)
        if not name.startswith("loss/") and (left or not inside) and name not in RELEASED_SCORES:
            continue
        kept[name] = numpy_of(value)
        gap = np.abs(kept[name].astype(np.float64) - numpy_of(low.tensors[name]).astype(np.float64))
        differences[name] = rounded_up(float(gap.max()))
        discrete = ("winner_", "pred_labels", "predict_labels", "delta.", "latent_padding", "pos_mask")
        if name.startswith(("mid/", "eval_before/")) and any(part in name for part in discrete):
            if differences[name] > 1e-4:
                raise SystemExit(f"{case.name}: {name} is decided within float32 rounding; choose another seed")
    kept.update({f"in/{k}": v for k, v in case.inputs.items()})
    kept.update({f"before/param/{k}": v for k, v in case.params.items()})
    kept.update({f"before/buffer/{k}": v for k, v in case.buffers.items()})
    metadata = base_metadata(case.name, case.kind, case.config)
    metadata["no_grad"] = json.dumps([n for n in case.params if n not in run.gradients])
    metadata["weight_decay_params"] = json.dumps(released.decaying(case.kind, case.params, run.gradients))
    metadata["f32_maxdiff"] = json.dumps(differences, separators=(",", ":"))
    if case.kind == "ramer_released":
        metadata["name_map"] = json.dumps(NAME_MAP)
    golden_io.write(os.path.join(directory, case.name + ".safetensors"), kept, metadata)


def write_released_curve(directory, curve):
    case = curve.case
    carat = case.kind == "carat"
    inputs = released.identity_shuffle(case.inputs) if carat else case.inputs
    plan = (curve.steps, curve.lr, curve.t_total, curve.warmup)
    rows, params, final, score = released.curve(
        case.kind, case.config, case.params, case.buffers, inputs, *plan, torch.float64
    )
    low = released.curve(case.kind, case.config, case.params, case.buffers, inputs, *plan, torch.float32)[0]
    columns = released.CURVE_COLUMNS[case.kind] + ["lr_scheduled" if carat else "lr_used"]
    facts = {"lr": curve.lr, "t_total": curve.t_total, "warmup": curve.warmup, "steps": curve.steps}
    tensors = {f"final/buffer/{k}": v for k, v in final.items()}
    if carat:
        metadata = base_metadata(curve.name, "carat_curve", {"sibling": case.name})
        metadata.update({k: json.dumps(v) for k, v in facts.items()})
        metadata.update(columns=json.dumps(columns), identity_permutations="true")
        tensors.update({"curve": rows, "curve_f32": low})
        tensors.update({f"final/param/{k}": v for k, v in params.items()})
    else:
        config = dict(case.config, **facts, sibling=case.name, columns=columns)
        config["optimizer"] = dict(config["optimizer"], lr=curve.lr)
        config["f32_drift_total"] = float(np.abs(rows[:, 0] - low[:, 0]).max())
        metadata = base_metadata(curve.name, "ramer_released_curve", config)
        tensors.update({"curve/curve": rows, "curve/final_eval_score": score})
    golden_io.write(os.path.join(directory, curve.name + ".safetensors"), tensors, metadata)


TAILOR_KEEP = {
    "all": ["mid/", "grad_mid/", "grad/", "after/", "eval_before/", "eval_after/"],
    "step": [
        "mid/encoder_in.", "mid/ctc_logits.", "mid/P.", "mid/C.", "mid/pc_cross", "mid/head_logit", "mid/cml_logit",
        "grad_mid/ctc_logits.", "grad_mid/pc_cross", "grad/", "after/", "eval_before/", "eval_after/",
    ],
    "few": ["mid/pc_cross", "mid/head_logit", "grad_mid/P.", "eval_before/", "eval_after/"],
    "dropout": ["mid/P.", "mid/C.", "mid/disc_", "mid/head_logit", "mid/cml_logit", "eval_before/"],
}  # fmt: skip


def tailor_tensors(case, dtype):
    reference = tailor.Tailor(case.config)
    params, inputs = ramer.as_tensors(case.params, dtype), ramer.as_tensors(case.inputs, dtype)
    step = ramer.Step(reference, params, {}, inputs, ramer.BertAdam(case.config["optimizer"]))
    out = {f"loss/{k}": v for k, v in step.result.loss.items()}
    for key, value in step.result.mid.items():
        if not key.startswith("encoder_out."):  # the last `layerK` is the same tensor
            out[f"mid/{key}"] = value
        if value.requires_grad and value.retains_grad and value.grad is not None:
            out[f"grad_mid/{key}"] = value.grad
    out.update({f"grad/{k}": v for k, v in step.gradients.items()})
    out.update({f"after/param/{k}": v for k, v in step.after.items()})
    for when, p in (("before", params), ("after", step.after)):
        evaluated = ramer.evaluate(reference, p, {}, inputs)
        out.update({f"eval_{when}/{k}": evaluated.mid[k] for k in ("head_logit", "score", "pred_labels")})
    return {k: numpy_of(v) for k, v in out.items()}, step


def write_tailor(directory, case):
    tensors, step = tailor_tensors(case, torch.float64)
    low, _ = tailor_tensors(case, torch.float32)
    names = list(case.params)
    kept = {k: v for k, v in tensors.items() if wanted(k, TAILOR_KEEP[case.keep])}
    differences = {}
    for key, value in kept.items():
        differences[key] = rounded_up(float(np.abs(value - low[key].astype(np.float64)).max()))
        if key.endswith("pred_labels") and differences[key] != 0.0:
            raise SystemExit(f"{case.name}: {key} is decided within float32 rounding; choose another seed")
    if case.state_from is None:
        kept.update({f"in/{k}": v for k, v in case.inputs.items()})
        kept.update({f"before/param/{k}": v for k, v in case.params.items()})
    kept["grad_norm/all"] = np.array(
        [float(step.gradients[n].norm()) if n in step.gradients else 0.0 for n in names], dtype=np.float64
    )
    config = dict(case.config, state_from=case.state_from) if case.state_from else case.config
    metadata = base_metadata(case.name, "tailor", config)
    metadata["grad_norm_names"] = json.dumps(names)
    metadata["weight_decay_params"] = json.dumps([n for n in names if ramer.decays(n)])
    if "dropout" not in config["options"]:  # otherwise a parameter may be reached by nothing but zeros
        metadata["no_grad"] = json.dumps([n for n in names if n not in step.gradients])
    metadata["f32_maxdiff"] = json.dumps(differences, separators=(",", ":"))
    golden_io.write(os.path.join(directory, case.name + ".safetensors"), kept, metadata)


def write_tailor_curve(directory, curve):
    config = dict(curve.config, columns=tailor.LOSS_NAMES + ["total", "grad_norm_before_clip", "lr_used"])
    rows, score = tailor.run_curve(config, curve.case.inputs, curve.case.params, torch.float64)
    low_rows, low_score = tailor.run_curve(config, curve.case.inputs, curve.case.params, torch.float32)
    at = config["columns"].index("total")
    config["f32_drift_total"] = float(np.abs(rows[:, at] - low_rows[:, at]).max())
    config["f32_drift_score"] = float(np.abs(score - low_score).max())
    tensors = {"curve/curve": rows, "curve/final_eval_score": score}
    metadata = base_metadata(curve.name, "tailor_curve", config)
    golden_io.write(os.path.join(directory, curve.name + ".safetensors"), tensors, metadata)


WRITERS = {
    tailor_cases.Case: write_tailor,
    tailor_cases.Curve: write_tailor_curve,
    cases.Case: write_case,
    cases.Curve: write_curve,
    released_cases.Case: write_released,
    released_cases.Curve: write_released_curve,
}


def write_shuffle(directory, sizes):
    batch, modalities, count, k_s, k_m, rounds = sizes
    generator = np.random.default_rng(sum(x * 31**i for i, x in enumerate(sizes)))
    y = generator.integers(0, 2, (batch, count))
    tensors, variants = {"Y": y.astype(np.int64)}, {}
    random = stack_shuffle.permutations("random", *sizes, generator)
    for variant, kind, gather in (
        ("default", "default", "sequential"), ("default_joint", "default", "joint"), ("plain", "plain", "sequential"),
        ("released", "released", "joint"), ("carat_joint", "random", "joint"), ("carat_sequential", "random", "sequential"),
    ):  # fmt: skip
        pi, rho = random if kind == "random" else stack_shuffle.permutations(kind, *sizes)
        sample, modality = stack_shuffle.sources(pi, rho, gather)
        labels = y[sample, np.arange(count)[None, None, :]]
        planes = [sorted(sample[:, m, j]) == list(range(batch)) for m in range(modalities) for j in range(count)]
        used = [
            len(set(zip(sample[:, :, j].ravel(), modality[:, :, j].ravel()))) == batch * modalities for j in range(count)
        ]
        variants[variant] = {
            "gather": gather,
            "every_source_slot_used_once": all(used),
            "each_destination_plane_is_a_permutation_of_the_batch": all(planes),
            "positives_before_times_M": int(y.sum() * modalities),
            "positives_after": int(labels.sum()),
        }
        for key, value in (
            ("pi", pi), ("rho", rho), ("source_sample", sample), ("source_modality", modality), ("labels", labels),
        ):  # fmt: skip
            tensors[f"{variant}.{key}"] = value.astype(np.int64)
    config = {"B": batch, "M": modalities, "z": count, "k_s": k_s, "k_m": k_m, "rounds": rounds, "variants": variants}
    for start in (0, 1):
        config[f"riffle_start{start}"] = stack_shuffle.riffle(range(batch), k_s, rounds, start)
    name = "shuffle_B{}_M{}_z{}_ks{}_km{}_r{}".format(*sizes)
    metadata = base_metadata(name, "shuffle_vectors", config)
    golden_io.write(os.path.join(directory, name + ".safetensors"), tensors, metadata)


def write_metrics(directory):
    generator = np.random.default_rng(201)
    tensors, metadata = {}, base_metadata("metrics_small", "metrics", {})
    one_label = (generator.random((9, 1)) < 0.4).astype(np.float32)
    y = (generator.random((37, 14)) < 0.25).astype(np.float32)
    p = (generator.random((37, 14)) < 0.3 + 0.4 * y).astype(np.float32)
    y[:, 3] = 0  # a label that nothing has
    y[5] = p[5] = 0  # nothing true, nothing predicted
    for name, label, prediction in (
        ("random14", y, p),
        ("one_label", one_label, 1 - one_label),
        ("one_sample", y[:1], y[:1]),
        ("all_empty", 0 * y, 0 * y),
    ):
        tensors[f"{name}_label"], tensors[f"{name}_pred"] = label, prediction
        metadata[name] = json.dumps(check.released_metrics(prediction, label))
    golden_io.write(os.path.join(directory, "metrics_small.safetensors"), tensors, metadata)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="directory to write to")
    parser.add_argument("--only", nargs="*", default=None, help="only the files with these names (no shuffles, no metrics)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(arguments.out, exist_ok=True)
    for case in cases.all_cases() + released_cases.all_cases() + tailor_cases.all_cases():
        if arguments.only is not None and case.name not in arguments.only:
            continue
        WRITERS[type(case)](arguments.out, case)
        size = os.path.getsize(os.path.join(arguments.out, case.name + ".safetensors"))
        print(f"{case.name}: {size / 1024:.0f} KiB", flush=True)
    for kind, function in vectors.KINDS.items():
        if arguments.only is None or kind in arguments.only:
            tensors, config = function()
            path = os.path.join(arguments.out, kind + ".safetensors")
            golden_io.write(path, tensors, base_metadata(kind, kind, config))
    if arguments.only is None:
        for sizes in cases.SHUFFLES:
            write_shuffle(arguments.out, sizes)
        write_metrics(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
