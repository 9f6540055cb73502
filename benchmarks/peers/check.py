#!/usr/bin/env python3
"""Holds the peer against this library: same weights and input, dropout 0; loss terms, scores and all gradients must agree.

    build/bench/bin/ramer_bench dump --recipe carat --batch 8 --out F
    python check.py F...                      files that the library wrote, float
    python check.py --golden F...             golden files of kind carat or ramer_released, double; state and parameters after a step too
"""

import argparse
import json
import os
import re
import sys
import types

import numpy as np
import torch

import model
import training

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "convert"))
import ramer_dataset  # noqa: E402
import weights  # noqa: E402

RECIPE_OF = {"carat": "carat", "ramer_released": "ramer-released"}
UNREAD = re.compile(r"\.pooler\.dense\.(weight|bias)$|^personality")
QUEUE = ("queue", "queue_label", "queue_ptr")
# Golden names of what the peer calls otherwise.
GOLDEN_TERMS = {
    "carat": {
        "bce_clf_out_1": "cls_alpha", "bce_clf_out_3": "cls_beta", "bce_clf_out_4": "cls_gamma", "recon_mse_loss": "rec_tilde",
        "aug_mse_loss": "rec_beta", "beta_mse_loss": "rec_gamma", "cl_loss": "contrast", "shuffle_aug_clf_loss": "shuffled",
        "total_aug_clf_loss": "unshuffled", "all_loss": "total",
    },
    "ramer_released": {
        "cls_alpha": "cls_alpha", "cls_beta": "cls_beta", "cls_gamma": "cls_gamma", "rec_tilde": "rec_tilde", "rec_beta": "rec_beta",
        "rec_gamma": "rec_gamma", "scl": "contrast", "suf": "shuffled", "suf_unshuffled_NOT_ADDED": "unshuffled",
        "adv_C": "adv_commonality", "adv_S": "adv_specificity", "orth_CS": "orth_common_specific", "orth_SS": "orth_specific_specific",
        "cml": "common_semantic", "total": "total",
    },
}  # fmt: skip
GOLDEN_WEIGHTS = {
    "cls_alpha": "lsr_clf_weight", "cls_beta": "aug_clf_weight", "cls_gamma": "beta_clf_weight", "rec_tilde": "recon_mse_weight",
    "rec_beta": "aug_mse_weight", "rec_gamma": "beta_mse_weight", "contrast": "cl_weight", "shuffled": "shuffle_aug_clf_weight",
    "unshuffled": "total_aug_clf_weight", "adversarial": "com_pri_weight", "orthogonality": "diff_weight",
    "common_semantic": "cml_weight",
}  # fmt: skip


class Case:
    """A file in the peer's words: settings, state, input, and what has to come out ({name: array})."""

    def __init__(self, path, golden):
        self.path, self.golden = path, golden
        self.tensors, self.about = ramer_dataset.read(path)
        self.config = json.loads(self.about["config"])
        (self.of_golden if golden else self.of_library)()
        self.settings.dropout = self.settings.small_dropout = 0.0
        self.settings.chunk = 100  # several even in small files, and one across the border of batch and queue

    def group(self, prefix):
        return {n[len(prefix) :]: np.array(v) for n, v in self.tensors.items() if n.startswith(prefix)}

    def sized(self, recipe, state, **more):
        """Settings whose sizes are those of the tensors."""
        extent = lambda name, axis: state[name].shape[axis]  # noqa: E731
        count = lambda m: 1 + max(int(k[1]) for k in (re.match(rf"{m}\.encoder\.layer\.(\d+)\.", n) for n in state) if k)  # noqa: E731
        word, place = "{}.embeddings.word_embeddings.weight", "{}.embeddings.position_embeddings.weight"
        each = lambda f: tuple(f(m) for m in model.MODALITIES)  # noqa: E731
        self.settings = model.Settings(
            recipe=recipe, widths=each(lambda m: extent(word.format(m), 1)), layers=each(count),
            positions=each(lambda m: extent(place.format(m), 0)), hidden=extent(word.format("text"), 0),
            inner=extent("text.encoder.layer.0.intermediate.dense.weight", 0), latent=extent("proj_text.output.weight", 0),
            labels=extent("text_clf_weight", 0), queue=extent("queue", 0), **more,
        )  # fmt: skip
        self.state = state

    def of_golden(self):
        kind, c = self.about["kind"], self.config
        if kind not in RECIPE_OF or "state_from" in c or not c["task"].get("aligned", True):
            raise ramer_dataset.UserError(f"{self.path}: not a full golden file of CARAT (aligned) or the released RAMer")
        task = c["task"]
        self.sized(
            RECIPE_OF[kind], {**self.group("before/param/"), **self.group("before/buffer/")}, heads=c["heads"],
            temperature=c.get("supcon_temperature", c.get("scl_temperature")), momentum=task["proto_m"],
            weights={ours: task[theirs] for ours, theirs in GOLDEN_WEIGHTS.items() if theirs in task},
        )  # fmt: skip
        given = self.group("in/")
        self.inputs = {m: given[m] for m in model.MODALITIES}
        self.masks = {m: given[f"{m}_mask"] if f"{m}_mask" in given else np.ones(given[m].shape[:2]) for m in model.MODALITIES}
        self.labels = given["labels"]
        at = "in" if "in/shuffle_sample_idx" in self.tensors else "mid"
        self.sources = tuple(np.array(self.tensors[f"{at}/shuffle_{side}_idx"]) for side in ("sample", "modality"))
        losses, terms = self.group("loss/"), GOLDEN_TERMS[kind]
        self.expected = {f"loss {terms[n]}": v for n, v in losses.items() if n in terms}
        self.expected.update({f"gradient {n}": v for n, v in self.group("grad/").items()})
        score = "predict_scores" if kind == "carat" else "score"
        self.expected["score"] = np.array(self.tensors[f"mid/{score}"])
        self.expected["score in evaluation"] = np.array(self.tensors[f"eval_before/{score}"])
        self.expected.update({f"after {n}": v for n, v in {**self.group("after/param/"), **self.group("after/buffer/")}.items()})

    def of_library(self):
        recipe = self.about.get("recipe", self.config.get("recipe"))
        if recipe not in model.RECIPES:
            raise ramer_dataset.UserError(f"{self.path}: recipe {recipe!r}; expected one of {', '.join(model.RECIPES)}")
        ours = self.group("parameter/")
        layers = {m: 1 + max(int(n.split(".")[3]) for n in ours if n.startswith(f"encoder.{m}.layer.")) for m in model.MODALITIES}
        table = weights.names(types.SimpleNamespace(
            modalities=list(model.MODALITIES), layers=layers, marked=False, subspaces=recipe != "carat", aligned=None, personality_width=0,
        ))  # fmt: skip
        state = {theirs: ours.pop(name) for theirs, name in table.items() if name in ours}
        kept = self.group("state/")
        state.update({theirs: kept[name[len("state.") :]] for theirs, name in table.items() if name.startswith("state.")})
        missing = sorted(n for n in table if n not in state)
        if missing or ours:
            raise ramer_dataset.UserError(f"{self.path}: without a counterpart: {', '.join(missing + sorted(ours))}")
        ids = kept["queue.ids"].reshape(-1)
        fresh = -(np.arange(ids.size) + 0.5) / max(1, ids.size)  # no whole numbers, all different
        state["queue"], state["queue_label"] = kept["queue.rows"], np.where(ids < 0, fresh, ids)[:, None]
        state["queue_ptr"] = np.asarray(kept.get("queue.pointer", 0)).reshape(1).astype(np.int64)
        c = self.config
        self.sized(
            recipe, state, heads=c.get("encoder", {}).get("heads", 8), temperature=c.get("contrast", {}).get("temperature", 0.07),
            momentum=c.get("prototypes", {}).get("momentum", 0.99), weights=c.get("weights", {}),
        )  # fmt: skip
        self.inputs = {m: np.array(self.tensors[f"input/{m}"]) for m in model.MODALITIES}
        self.masks = {m: np.array(self.tensors.get(f"mask/{m}", np.ones(x.shape[:2]))) for m, x in self.inputs.items()}
        self.labels = np.array(self.tensors["labels"])
        plan = self.group("plan/")
        found = [[v for n, v in plan.items() if n.split(".")[-1] in words] for words in (("sample", "pi"), ("modality", "rho"))]
        if recipe == "carat" and not all(found):
            raise ramer_dataset.UserError(f"{self.path}: no plan/shuffle.sample and plan/shuffle.modality (B, M, C)")
        self.sources = tuple(f[0].reshape(self.labels.shape[0], 3, -1).astype(np.int64) for f in found) if all(found) else None
        theirs = {name: n for n, name in table.items()}
        self.expected = {f"loss {n}": v for n, v in self.group("loss/").items()}
        self.expected.update({f"gradient {theirs[n]}": v for n, v in self.group("gradient/").items()})
        self.expected["score"] = np.array(self.tensors["score"])

    # -- the peer's answer -----------------------------------------------------------------------------------------

    def answer(self, contrast, style, dtype):
        """{name: array} of one training step, as `expected` names them."""
        real = lambda x: torch.from_numpy(np.ascontiguousarray(x)).to(dtype)  # noqa: E731
        self.settings.contrast, self.settings.style = contrast, style
        torch.set_default_dtype(dtype)
        peer = model.Peer(self.settings)
        torch.set_default_dtype(torch.float32)
        state = {n: torch.from_numpy(np.array(v)) if n == "queue_ptr" else real(v) for n, v in self.state.items()}
        left = peer.load_state_dict({n: v for n, v in state.items() if not n.startswith("personality")}, strict=False)
        strange = [n for n in left.missing_keys if not UNREAD.search(n)] + list(left.unexpected_keys)
        if strange:
            raise ramer_dataset.UserError(f"{self.path}: parameters that do not fit: {', '.join(strange)}")
        inputs, masks = ({m: real(x) for m, x in part.items()} for part in (self.inputs, self.masks))
        labels = real(self.labels)
        sources = self.sources and tuple(torch.from_numpy(x) for x in self.sources)
        out = {"score in evaluation": training.evaluate(peer.eval(), (inputs, masks, None))}
        score, terms = peer.train()(inputs, masks, labels, sources)
        total = peer.total(terms)
        total.backward()
        out.update({"score": score, "loss total": total, **{f"loss {n}": t for n, t in terms.items()}})
        out.update({f"gradient {n}": p.grad.clone() for n, p in peer.named_parameters() if p.grad is not None})
        if self.golden:
            o = self.config["optimizer"]
            optimizer = training.BertAdam(peer.named_parameters(), o["lr"], -1, b1=o["b1"], b2=o["b2"], epsilon=o["e"], decay=o["weight_decay"])
            torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
            optimizer.step()
            out.update({f"after {n}": v for n, v in peer.state_dict().items()})
        return {n: v.detach().numpy() for n, v in out.items()}


def scale_of(name, expected):
    """What a difference is relative to: the largest entry. Of key biases, whose gradient is 0 in exact arithmetic: that of the key weights."""
    if name.startswith("gradient") and name.endswith("attention.self.key.bias"):
        name = name[: -len("bias")] + "weight"
    return float(np.abs(expected[name]).max(initial=0.0))


def compare(case, answer, tolerance):
    """Returns (worst by group, complaints)."""
    worst, complaints = {}, []
    largest = max(scale_of(n, case.expected) for n in case.expected if n.startswith("gradient"))
    for name, value in case.expected.items():
        if name not in answer:
            if not UNREAD.search(name) and not name.startswith("after personality"):
                complaints.append(f"{name}: not in the peer")
            continue
        if name.endswith("attention.self.key.bias") and name.startswith("after"):
            continue  # BertAdam turns rounding noise of a zero gradient into a step
        scale = max(scale_of(name, case.expected), 1e-6 * largest if name.startswith("gradient") else 1e-30)
        difference = float(np.abs(np.asarray(value, dtype=np.float64) - answer[name].reshape(value.shape)).max(initial=0.0))
        relative = difference / scale
        group = name.split(" ")[0]
        if group not in worst or not relative <= worst[group][0]:
            worst[group] = (relative, name)
        if not relative <= tolerance:
            complaints.append(f"{name}: differs by {relative:.2e} of its largest entry {scale:.3e}")
    for name in answer:
        if name.startswith("gradient") and name not in case.expected and np.abs(answer[name]).max(initial=0.0) > 1e-6 * largest:
            complaints.append(f"{name}: the file has none")
    return worst, complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--golden", action="store_true", help="golden files instead of the library's dumps")
    parser.add_argument("--tolerance", type=float, help="largest difference relative to the largest entry (default: 1e-4, golden 1e-9 in double)")
    parser.add_argument("--dtype", choices=("float32", "float64", "both"), default="both", help="precision of the peer")
    options = parser.parse_args()
    dtypes = {"both": ("float64", "float32")}.get(options.dtype, (options.dtype,))
    failed = 0
    for path in options.files:
        case = Case(path, options.golden)
        for contrast in ("stored", "chunked"):
            for style in ("published", "fused"):
                for dtype in dtypes:
                    tight = 1e-9 if options.golden and dtype == "float64" else 1e-4
                    answer = case.answer(contrast, style, getattr(torch, dtype))
                    worst, complaints = compare(case, answer, options.tolerance or tight)
                    failed += len(complaints)
                    told = "  ".join(f"{group} {value:.1e} ({name.split(' ', 1)[-1]})" for group, (value, name) in worst.items())
                    print(f"{os.path.basename(path)} {contrast} {style} {dtype}: worst {told}")
                    print("".join(f"  FAILED {c}\n" for c in complaints[:5]), end="")
                    print(f"  and {len(complaints) - 5} more\n" if len(complaints) > 5 else "", end="")
    print(f"torch {torch.__version__}: {'FAILED' if failed else 'agrees'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(ramer_dataset.run(main))
