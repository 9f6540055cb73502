"""The cases of kinds `carat` and `ramer_released`: configurations in the words of the published files, start values, inputs."""

import numpy as np

import cases
import released_reference as released
from released_reference import CTC_PREFIX, MODALITIES

TASK = {
    "lr": 0.001, "proto_m": 0.99, "lsr_clf_weight": 0.3, "recon_clf_weight": 0.0, "aug_clf_weight": 0.7,
    "cl_weight": 0.8, "aug_mse_weight": 1.3, "beta_mse_weight": 0.6, "recon_mse_weight": 0.9, "lsr_vae_weight": 1.0,
    "total_aug_clf_weight": 1.1, "shuffle_aug_clf_weight": 0.4, "binary_threshold": 0.25,
    "unaligned_mask_same_length": False, "aligned": True, "local_rank": 0, "warmup_proportion": 0.1, "batch_size": 64,
}  # fmt: skip
RELEASED_TASK = {
    "beta_clf_weight": 0.9, "com_pri_weight": 0.35, "diff_weight": 0.002, "cml_weight": 0.45, "comp_rec_loss": True,
    "comp_adv_loss": True, "save_sub_tensor": False, "save_sub_tensor_rec": False,
}  # fmt: skip
CARAT_SCRIPT = {
    "lsr_clf_weight": 0.01, "aug_clf_weight": 0.1, "cl_weight": 1.0, "aug_mse_weight": 1.0, "beta_mse_weight": 0.0,
    "recon_mse_weight": 1.0, "total_aug_clf_weight": 1.0, "shuffle_aug_clf_weight": 0.1,
}  # fmt: skip


def configuration(kind, title, seed, sizes, lengths, masks, task=None, ctc_out=None):
    """sizes: labels, hidden, proj, heads, inter, queue, in_dim, layers, max_pos; masks: real lengths per sample."""
    settings = {**TASK, **(RELEASED_TASK if kind == "ramer_released" else {}), **(task or {})}
    settings.update(
        num_classes=sizes["labels"], hidden_size=sizes["hidden"], proj_size=sizes["proj"], moco_queue=sizes["queue"],
        text_dim=sizes["in_dim"]["text"], video_dim=sizes["in_dim"]["visual"], audio_dim=sizes["in_dim"]["audio"],
    )  # fmt: skip
    settings.update({f"{m}_num_hidden_layers": sizes["layers"][m] for m in MODALITIES})
    if ctc_out:
        settings.update(aligned=False, unaligned_mask_same_length=True)
    optimizer = {"kind": "BertAdam", "lr": settings["lr"], "b1": 0.9, "b2": 0.999, "e": 1e-06, "weight_decay": 0.01}
    optimizer.update({"global_clip": 1.0, "t_total": -1})
    optimizer["max_grad_norm" if kind == "carat" else "tensor_clip"] = 1.0
    out = {
        "title": title, "seed": seed, "task": settings, "heads": sizes["heads"], "intermediate_size": sizes["inter"],
        "max_position_embeddings": sizes["max_pos"], "layer_norm_eps": 1e-12, "dropout": 0.0,
        "batch": len(masks["text"]), "seq_lens": lengths, "mask_lens": masks, "optimizer": optimizer,
    }  # fmt: skip
    if kind == "carat":
        out.update(warm_perturbed=True, supcon_temperature=0.07)
    else:
        out.update(kind="released", perturbed_state=True, scl_temperature=0.07)
    return out


def parameters(kind, config, generator, ctc_out):
    plain = released.equations(kind, config)
    dims, options = plain["dims"], plain["options"]
    out = cases.parameters({"dims": dims, "options": {**options, "personality": False}}, generator)
    if kind == "carat":
        absent = ("common_", "private_feature_", "modal_discriminator.")
        out = {k: v for k, v in out.items() if not k.startswith(absent)}
    hidden = dims["hidden"]
    normal = lambda *shape: generator.standard_normal(shape)  # noqa: E731
    for m in MODALITIES:  # the pooler is there and nothing reads it
        out[f"{m}.pooler.dense.weight"] = cases.single(normal(hidden, hidden) / np.sqrt(hidden))
        out[f"{m}.pooler.dense.bias"] = cases.single(normal(hidden) * 0.1)
    if kind == "ramer_released":  # nor this encoder
        spare = cases.parameters(
            {"dims": {**dims, "modalities": ["personality"], "in_dim": {"personality": 4}, "layers": {"personality": 1},
                      "max_pos": {"personality": 2}}, "options": {}}, generator,
        )  # fmt: skip
        out.update({k: v for k, v in spare.items() if k.startswith(("personality.", "personality_attention"))})
        out["personality.pooler.dense.weight"] = cases.single(normal(hidden, hidden) / np.sqrt(hidden))
        out["personality.pooler.dense.bias"] = cases.single(normal(hidden) * 0.1)
    if ctc_out:
        width = ctc_out + 1
        for m, prefix in CTC_PREFIX.items():
            for layer, fan_in in ((0, dims["in_dim"][m]), (1, width)):
                at = f"{prefix}.pred_output_position_inclu_blank"
                out[f"{at}.weight_ih_l{layer}"] = cases.single(normal(4 * width, fan_in) / np.sqrt(fan_in))
                out[f"{at}.weight_hh_l{layer}"] = cases.single(normal(4 * width, width) / np.sqrt(width))
                out[f"{at}.bias_ih_l{layer}"] = cases.single(normal(4 * width) * 0.2)
                out[f"{at}.bias_hh_l{layer}"] = cases.single(normal(4 * width) * 0.2)
    return out


def buffers(kind, config, generator, pointer):
    ours = cases.buffers(released.equations(kind, config), generator)
    out = {k: v for k, v in ours.items() if not k.startswith("queue_")}
    # Places that were never written hold Gaussian labels, which match nothing.
    fresh = cases.single(generator.standard_normal(len(ours["queue_ids"])))
    out["queue_label"] = np.where(ours["queue_ids"] < 0, fresh, ours["queue_ids"].astype(np.float64))[:, None]
    out["queue_ptr"] = np.array([pointer], dtype=np.int64)
    return out


def inputs(kind, config, generator, ctc_out):
    task = config["task"]
    out = {}
    for m, code in zip(MODALITIES, ("text", "video", "audio")):
        length = config["seq_lens"][m]
        masked = ctc_out if ctc_out and m != "text" else length
        real = np.array(config["mask_lens"][m])
        mask = (np.arange(masked)[None, :] < real[:, None]).astype(np.int64)
        x = generator.standard_normal((config["batch"], length, task[f"{code}_dim"]))
        out[m] = cases.single(x)  # padding is not blank: the masks alone say what counts
        out[f"{m}_mask"] = mask
    out["labels"] = cases.labels(generator, config["batch"], task["num_classes"])
    if kind == "carat":
        shape = (config["batch"], len(MODALITIES), task["num_classes"])
        sample, modality = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for j in range(shape[2]):
            for m in range(shape[1]):
                sample[:, m, j] = generator.permutation(shape[0])
            for b in range(shape[0]):
                modality[b, :, j] = generator.permutation(shape[1])
        out["shuffle_sample_idx"], out["shuffle_modality_idx"] = sample, modality
    return out


class Case:
    def __init__(self, kind, name, config, pointer, keep, ctc_out=None):
        generator = np.random.default_rng(config["seed"])
        self.kind, self.name, self.config, self.keep = kind, name, config, keep
        self.params = parameters(kind, config, generator, ctc_out)
        self.buffers = buffers(kind, config, generator, pointer)
        self.inputs = inputs(kind, config, generator, ctc_out)


class Curve:
    def __init__(self, name, case, steps=10, lr=0.002):
        self.kind, self.name, self.case = case.kind, name, case
        self.steps, self.lr, self.t_total, self.warmup = steps, lr, steps, 0.1


def sizes(labels, hidden, proj, heads, inter, queue, in_dim, layers, max_pos):
    triple = lambda values: dict(zip(MODALITIES, values))  # noqa: E731
    return {
        "labels": labels, "hidden": hidden, "proj": proj, "heads": heads, "inter": inter, "queue": queue,
        "in_dim": triple(in_dim), "layers": triple(layers), "max_pos": triple(max_pos),
    }  # fmt: skip


def all_cases():
    triple = lambda text, visual, audio: {"text": text, "visual": visual, "audio": audio}  # noqa: E731
    full = lambda batch, lengths: {m: [lengths[m]] * batch for m in MODALITIES}  # noqa: E731

    lengths = triple(6, 4, 5)
    padded = Case(
        "carat", "carat_padded",
        configuration(
            "carat", "CARAT, aligned, 4 labels, padding, distinct weights, queue pointer wraps", 301,
            sizes(4, 8, 4, 2, 12, 200, (5, 3, 4), (2, 1, 1), (9, 6, 7)), lengths,
            triple([6, 3, 1, 4, 5], [2, 4, 3, 1, 4], [5, 1, 4, 3, 2]),
        ), 60, "all",
    )  # fmt: skip
    lengths = triple(3, 5, 4)
    plain = Case(
        "carat", "carat_two_labels",
        configuration(
            "carat", "CARAT, aligned, 2 labels, no padding, weights of the script", 302,
            sizes(2, 12, 5, 3, 8, 70, (4, 6, 3), (1, 2, 1), (3, 7, 5)), lengths, full(3, lengths), CARAT_SCRIPT,
        ), 0, "step",
    )  # fmt: skip
    unaligned = Case(
        "carat", "carat_unaligned",
        configuration(
            "carat", "CARAT, unaligned: CTC module with 6 output positions", 303,
            sizes(3, 8, 4, 4, 12, 64, (5, 3, 4), (1, 1, 1), (8, 7, 6)), triple(5, 9, 7),
            triple([5, 2], [6, 4], [1, 6]), ctc_out=6,
        ), 20, "step", ctc_out=6,
    )  # fmt: skip
    whole = Case(
        "carat", "carat_unaligned_whole",
        configuration(
            "carat", "CARAT, unaligned, as its loader makes masks: all ones", 306,
            sizes(2, 8, 4, 2, 10, 64, (4, 3, 5), (1, 1, 1), (6, 5, 9)), triple(6, 8, 3),
            triple([6, 6, 6], [5, 5, 5], [5, 5, 5]), ctc_out=5,
        ), 3, "few", ctc_out=5,
    )  # fmt: skip
    lengths = triple(5, 3, 6)
    masked = Case(
        "ramer_released", "ramer_released_masked",
        configuration(
            "ramer_released", "the release, 5 labels, padding, distinct weights, queue pointer wraps", 304,
            sizes(5, 8, 4, 2, 12, 190, (4, 6, 3), (1, 2, 1), (7, 4, 6)), lengths,
            triple([5, 1, 3, 2], [1, 3, 2, 3], [4, 6, 2, 1]),
        ), 100, "all",
    )  # fmt: skip
    lengths = triple(4, 6, 2)
    odd = Case(
        "ramer_released", "ramer_released_plain",
        configuration(
            "ramer_released", "the release, 2 labels, batch of 3, no padding", 305,
            sizes(2, 12, 5, 3, 10, 80, (3, 5, 4), (1, 1, 2), (5, 6, 4)), lengths, full(3, lengths),
        ), 0, "step",
    )  # fmt: skip
    return [
        padded, plain, unaligned, whole, Curve("carat_curve", padded), masked, odd, Curve("ramer_released_curve", masked),
    ]  # fmt: skip
