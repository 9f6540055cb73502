"""CARAT and the released RAMer: the equations of `ramer_reference.py` under other options, and the tensor names of their files.

Both files call the second level of the reconstruction "beta" and the first one "aug"; here X_gamma and X_beta.
"""

import numpy as np
import torch
from torch.nn import functional as F

import ramer_reference as ramer

MODALITIES = ["text", "visual", "audio"]
CTC_PREFIX = {"visual": "v2t_ctc", "audio": "a2t_ctc"}
CURVE_COLUMNS = {
    "carat": [
        "all_loss", "cl_loss", "clf_loss", "total_aug_clf_loss", "shuffle_aug_clf_loss", "aug_mse_loss",
        "beta_mse_loss", "recon_mse_loss", "grad_norm_before_clip",
    ],
    "ramer_released": [
        "total", "adv_C", "adv_S", "orth_SS", "orth_CS", "cml", "scl", "rec_tilde", "rec_beta", "rec_gamma", "suf",
        "suf_unshuffled_NOT_ADDED", "final_score_bce_NOT_ADDED", "cls_lsr_weighted", "grad_norm_before_clip",
    ],
}  # fmt: skip
CARAT_LEVELS = (("alpha", 1, "recon"), ("beta", 3, "aug"), ("gamma", 4, "beta"))


def equations(kind, config):
    """The configuration of such a file, in the words of `ramer_reference.Reference`."""
    task, carat = config["task"], kind == "carat"
    options = {
        "aux": "none", "rec_levels": "both", "autoencoder": True, "use_C": not carat, "use_S": not carat, "g_input": "top",
        "f_input": "alpha", "grl_c": 1.0, "orth": "released", "cml": "released", "rec": "mse", "contrast": "released",
        "temperature": config.get("supcon_temperature", config.get("scl_temperature")), "proto_eval": "hard",
        "proto_m": task["proto_m"], "missing": "all", "shuffle": "given" if carat else "released", "gather": "joint",
        "k_s": 4, "k_m": 3, "rounds": 1, "labels_follow": True, "shuffle_input": "gamma",
        "threshold": task["binary_threshold"], "w_alpha": task["lsr_clf_weight"], "w_beta": task["aug_clf_weight"],
        "w_gamma": task.get("beta_clf_weight", 1.0), "w_rec_tilde": task["recon_mse_weight"],
        "w_rec_beta": task["aug_mse_weight"], "w_rec_gamma": task["beta_mse_weight"], "w_scl": task["cl_weight"],
        "w_suf": task["shuffle_aug_clf_weight"], "w_suf_unshuffled": task["total_aug_clf_weight"] if carat else 0.0,
        "w_adv": task.get("com_pri_weight", 0.0), "w_orth": task.get("diff_weight", 0.0),
        "w_cml": task.get("cml_weight", 0.0),
    }  # fmt: skip
    dims = {
        "labels": task["num_classes"], "hidden": task["hidden_size"], "proj": task["proj_size"], "heads": config["heads"],
        "inter": config["intermediate_size"], "queue": task["moco_queue"], "persons": False,
        "in_dim": {m: task[f"{code}_dim"] for m, code in zip(MODALITIES, ("text", "video", "audio"))},
        "layers": {m: task[f"{m}_num_hidden_layers"] for m in MODALITIES}, "max_pos": config["max_position_embeddings"],
    }  # fmt: skip
    out = {"dims": dims, "options": options, "optimizer": config["optimizer"]}
    if carat and not task["aligned"]:
        out["ctc"] = dict(CTC_PREFIX)
    return out


def buffers_in(buffers):
    """Published buffers -> ours: an id that is no integer matches nothing."""
    out = {k: v for k, v in buffers.items() if not k.startswith("queue_")}
    ids = buffers["queue_label"][:, 0]
    out["queue_ids"] = torch.where(ids == ids.round(), ids, torch.full_like(ids, -1.0)).long()
    out["queue_ptr"] = buffers["queue_ptr"][0]
    return out


def buffers_out(before, after):
    """Ours -> published: places that were not written keep their labels."""
    out = {k: v for k, v in after.items() if not k.startswith("queue_")}
    known = after["queue_ids"] >= 0
    written = after["queue_ids"].to(before["queue_label"].dtype)
    out["queue_label"] = torch.where(known, written, before["queue_label"][:, 0])[:, None]
    out["queue_ptr"] = after["queue_ptr"].reshape(1)
    return out


def pooled(p, m, h):
    """The pooler that nothing reads."""
    return torch.tanh(F.linear(h[:, 0], p[f"{m}.pooler.dense.weight"], p[f"{m}.pooler.dense.bias"]))


def carat_names(p, buffers, inputs, r, training):
    """{name: tensor} as CARAT's files have them."""
    mid, out = r.mid, {}
    out.update({k: v for k, v in r.inner.items() if k.endswith(("_encoder_in", "_position"))})
    for m in MODALITIES:
        out.update({
            f"{m}_output": mid[f"encoder_out.{m}"], f"{m}_attention": mid[f"label_attention.{m}"],
            f"{m}_lsr": mid[f"X_alpha.{m}"], f"latent_{m}": mid[f"Z_alpha.{m}"], f"recon_{m}": mid[f"X_tilde.{m}"],
            f"{m}_n": r.inner[f"{m}_n"], f"{m}_sim": r.inner[f"{m}_sim"], f"{m}_latent_padding": mid[f"delta.{m}"],
            f"{m}_padding": mid[f"D_tilde.{m}"], f"{m}_aug": mid[f"X_beta.{m}"], f"{m}_beta": mid[f"X_gamma.{m}"],
            f"{m}_protos": torch.stack([buffers[f"{m}_pos_protos"], buffers[f"{m}_neg_protos"]]),
        })  # fmt: skip
        for level, number, _ in CARAT_LEVELS:
            out[f"{m}_clf_out_{number}"] = mid[f"logits_{level}.{m}"]
    for level, number, _ in CARAT_LEVELS:
        out[f"clf_out_{number}"] = mid[f"max_logit_{level}"]
    out["total_aug"], out["agg_out"], out["agg_scores"] = mid["F"], mid["agg_out"], torch.sigmoid(mid["agg_out"])
    out["predict_agg_scores"] = mid["agg_scores_mean"]
    out["predict_scores_clf4"] = torch.sigmoid(mid["max_logit_gamma"])
    out["predict_scores"] = out["predict_final_scores_mean"] = mid["score"]
    out["predict_labels"] = out["predict_final_labels_mean"] = mid["pred_labels"]
    if not training:
        for m in MODALITIES:
            share = r.inner[f"{m}_sim"]
            out[f"{m}_pos_sim"], out[f"{m}_neg_sim"] = share[..., 0], share[..., 1]
            out[f"{m}_pos_mask"] = (share[..., 0] > share[..., 1]).to(share.dtype)
            out[f"{m}_neg_mask"] = 1.0 - out[f"{m}_pos_mask"]
        return out
    out.update({k: v for k, v in r.inner.items() if k.startswith("supcon.") or ".layer" in k or k.endswith(".embeddings")})
    for m in MODALITIES:
        out[f"{m}_normed"], out[f"{m}_norm"] = mid[f"normed.{m}"], r.inner[f"{m}_n"].detach()
        out[f"{m}.pooled"] = pooled(p, m, mid[f"encoder_out.{m}"])
        out[f"latent_aug_{m}"], out[f"latent_beta_{m}"] = mid[f"Z_beta.{m}"], mid[f"Z_gamma.{m}"]
    out["total_proj"], out["cl_labels"] = mid["scl_features"], mid["scl_class_ids"].to(torch.int32)[:, None]
    own = mid["scl_class_ids"].to(mid["scl_features"].dtype)
    out["total_cl_labels"] = torch.cat([own[:, None], buffers["queue_label"]])
    out["cl_feats"] = r.inner["cl_feats"]
    out["cl_mask"] = (out["total_cl_labels"] == out["total_cl_labels"].T).to(own.dtype)
    out["shuffle_total_aug"], out["shuffle_gt_labels"] = r.inner["shuffle_V"], mid["shuffle_labels"]
    out["shuffle_aug_out"] = mid["shuffle_out"]
    return out


def carat_losses(r, opt):
    l = r.loss
    out = {
        "all_loss": l["total"], "cl_loss": l["scl"], "total_aug_clf_loss": l["suf_unshuffled"],
        "shuffle_aug_clf_loss": l["suf"], "recon_mse_loss": l["rec_tilde"], "aug_mse_loss": l["rec_beta"],
        "beta_mse_loss": l["rec_gamma"], "grad_norm_before_clip": l["grad_norm_before_clip"],
        "clf_loss": sum(opt[f"w_{level}"] * l[f"cls_{level}"] for level, _, _ in CARAT_LEVELS),
    }  # fmt: skip
    for level, number, word in CARAT_LEVELS:
        out[f"bce_clf_out_{number}"] = l[f"cls_{level}"]
        for m in MODALITIES:
            out[f"mse_{word}_{m}"] = r.inner[f"rec_{'tilde' if level == 'alpha' else level}.{m}"]
    return out


def released_names(p, buffers, inputs, r, training):
    """{name: tensor} as the files of the released RAMer have them; the paper's words but for a few."""
    out = {k: v for k, v in r.mid.items() if k not in ("shuffle_pi", "shuffle_rho", "present", "F") and not k.startswith("cml_logit")}
    out["C_sum"] = sum(r.common[m] for m in MODALITIES)
    out["cml_prob"] = torch.sigmoid(r.mid["cml_logit.sum"])
    for m in MODALITIES:
        for side in ("C", "S"):
            out[f"disc_{side}.{m}"] = r.mid[f"disc_{side}.{m}"].flatten(0, 1)
    if training:
        out["scl_row_max"] = r.inner["supcon.logits_max"][:, 0]
        out["scl_mean_log_prob_pos"] = r.inner["supcon.mean_log_prob_pos"]
    return out


def released_losses(r, opt):
    l = r.loss
    out = {k: l[k] for k in (
        "adv_C", "adv_S", "cls_alpha", "cls_beta", "cls_gamma", "cml", "grad_norm_before_clip", "orth_CS", "orth_SS",
        "rec_beta", "rec_gamma", "rec_tilde", "scl", "suf", "total",
    )}  # fmt: skip
    out["suf_unshuffled_NOT_ADDED"] = l["suf_unshuffled"]
    out["cls_lsr_weighted"] = sum(opt[f"w_{level}"] * l[f"cls_{level}"] for level, _, _ in CARAT_LEVELS)
    score = r.mid["score"]
    out["final_score_bce_NOT_ADDED"] = -(r.labels * torch.log(score) + (1.0 - r.labels) * torch.log(1.0 - score)).mean()
    return out


NAMES = {"carat": (carat_names, carat_losses), "ramer_released": (released_names, released_losses)}


def decaying(kind, names, gradients):
    """What the files list: the release leaves out what has no gradient."""
    return [n for n in names if ramer.decays(n) and (kind == "carat" or n in gradients)]


class Run:
    """One training step of such a file in one precision, with evaluation before and after it.

    `tensors`: everything under the names of the file; `gradients`: {parameter: gradient}.
    """

    def __init__(self, kind, config, params, buffers, inputs, dtype=torch.float64, optimizer=None, scale=1.0, evaluate=True):
        names, losses = NAMES[kind]
        self.config = equations(kind, config)
        reference = ramer.Reference(self.config)
        params, published, inputs = (ramer.as_tensors(part, dtype) for part in (params, buffers, inputs))
        state = buffers_in(published)
        optimizer = optimizer or ramer.BertAdam(config["optimizer"])
        step = ramer.Step(reference, params, state, inputs, optimizer, scale)
        self.gradients, self.after, self.optimizer = step.gradients, step.after, optimizer
        self.buffers = buffers_out(published, step.buffers)
        r = step.result
        self.losses = losses(r, self.config["options"])
        self.tensors = {f"loss/{k}": v for k, v in self.losses.items()}
        if not evaluate:
            return
        for key, value in names(params, published, inputs, r, True).items():
            self.tensors[f"mid/{key}"] = value
            gradient = value.grad if value.requires_grad and value.retains_grad else None
            if gradient is not None:
                self.tensors[f"grad_mid/{key}"] = gradient
        if kind == "ramer_released":
            for m in MODALITIES:
                for side in ("C", "S"):
                    self.tensors[f"grad_mid/disc_{side}.{m}"] = r.mid[f"disc_{side}.{m}"].grad.flatten(0, 1)
        self.tensors.update({f"grad/{k}": v for k, v in step.gradients.items()})
        self.tensors.update({f"after/param/{k}": v for k, v in step.after.items()})
        self.tensors.update({f"after/buffer/{k}": v for k, v in self.buffers.items()})
        if kind == "carat":
            for key, (m, v) in optimizer.state.items():
                self.tensors[f"after/adam_m/{key}"], self.tensors[f"after/adam_v/{key}"] = m, v
        for when, p, b, s in (("before", params, published, state), ("after", step.after, self.buffers, step.buffers)):
            evaluated = ramer.evaluate(reference, p, s, inputs)
            self.tensors.update({f"eval_{when}/{k}": v for k, v in names(p, b, inputs, evaluated, False).items()})


def curve(kind, config, params, buffers, inputs, steps, lr, t_total, warmup, dtype):
    """Rows measured before each update. Returns (rows [steps, columns], parameters, buffers, scores)."""
    config = dict(config, optimizer=dict(config["optimizer"], lr=lr))
    optimizer = ramer.BertAdam(config["optimizer"])
    rows = []
    for s in range(steps):
        scale = ramer.schedule(s, t_total, warmup)
        run = Run(kind, config, params, buffers, inputs, dtype, optimizer, scale, evaluate=False)
        rows.append([float(run.losses[column].detach()) for column in CURVE_COLUMNS[kind]] + [lr * scale])
        params, buffers = ({k: v.detach().numpy() for k, v in part.items()} for part in (run.after, run.buffers))
    reference = ramer.Reference(equations(kind, config))
    p, b, i = (ramer.as_tensors(part, dtype) for part in (params, buffers, inputs))
    return np.array(rows), params, buffers, ramer.evaluate(reference, p, buffers_in(b), i).mid["score"].numpy()


def identity_shuffle(inputs):
    """The curves of CARAT shuffle nothing."""
    batch, modalities, labels = inputs["shuffle_sample_idx"].shape
    out = dict(inputs)
    out["shuffle_sample_idx"] = np.broadcast_to(np.arange(batch)[:, None, None], (batch, modalities, labels)).copy()
    out["shuffle_modality_idx"] = np.broadcast_to(np.arange(modalities)[None, :, None], (batch, modalities, labels)).copy()
    return out
