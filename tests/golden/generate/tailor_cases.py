"""The cases of kind `tailor`: configurations, start values, inputs, all from fixed seeds."""

import copy

import numpy as np

import cases
from tailor_reference import CTC_PREFIX, MODALITIES

OPTIONS = {"w_cls": 1.0, "w_adv": 0.01, "w_orth": 5e-6, "w_cml": 0.5, "w_ctc": 0.5, "grl_c": 1.0, "threshold": 0.35}
BALANCED = {"w_cls": 0.9, "w_adv": 0.35, "w_orth": 0.002, "w_cml": 0.45, "w_ctc": 0.2}
OPTIMIZER = dict(cases.OPTIMIZER)


def configuration(title, seed, dims, options, ctc=False):
    out = {
        "title": title, "seed": seed, "dims": {"persons": False, **dims}, "options": {**OPTIONS, **options},
        "optimizer": dict(OPTIMIZER),
    }  # fmt: skip
    if ctc:
        out["ctc"] = dict(CTC_PREFIX)
    return out


def parameters(config, generator):
    dims = config["dims"]
    hidden, inter, labels = dims["hidden"], dims["inter"], dims["labels"]
    out = {}
    normal = lambda *shape: generator.standard_normal(shape)  # noqa: E731

    def linear(name, rows, columns):
        out[name + ".weight"] = cases.single(normal(rows, columns) / np.sqrt(columns))
        out[name + ".bias"] = cases.single(normal(rows) * 0.1)

    def norm(name, width):
        out[name + ".weight"] = cases.single(1.0 + 0.1 * normal(width))
        out[name + ".bias"] = cases.single(0.1 * normal(width))

    def attention(at):
        for part in ("query", "key", "value"):
            linear(f"{at}.self.{part}", hidden, hidden)
        linear(f"{at}.output.dense", hidden, hidden)
        norm(f"{at}.output.LayerNorm", hidden)

    def feed_forward(at):
        linear(f"{at}.intermediate.dense", inter, hidden)
        linear(f"{at}.output.dense", hidden, inter)
        norm(f"{at}.output.LayerNorm", hidden)

    for m in MODALITIES:
        width = dims["in_dim"][m]
        norm(f"{m}_norm.norm2d", width)
        if m in config.get("ctc", {}):
            states = dims["length"] + 1
            for layer, fan_in in ((0, width), (1, states)):
                at = f"{CTC_PREFIX[m]}.pred_output_position_inclu_blank"
                out[f"{at}.weight_ih_l{layer}"] = cases.single(normal(4 * states, fan_in) / np.sqrt(fan_in))
                out[f"{at}.weight_hh_l{layer}"] = cases.single(normal(4 * states, states) / np.sqrt(states))
                out[f"{at}.bias_ih_l{layer}"] = cases.single(normal(4 * states) * 0.2)
                out[f"{at}.bias_hh_l{layer}"] = cases.single(normal(4 * states) * 0.2)
        linear(f"{m}.embeddings.word_embeddings", hidden, width)
        out[f"{m}.embeddings.position_embeddings.weight"] = cases.single(0.2 * normal(dims["max_pos"][m], hidden))
        norm(f"{m}.embeddings.LayerNorm", hidden)
        for layer in range(dims["layers"][m]):
            attention(f"{m}.encoder.layer.{layer}.attention")
            feed_forward(f"{m}.encoder.layer.{layer}")
    for name in ("va_cross", "vat_cross", "pc_cross"):
        out[f"{name}.embeddings.position_embeddings.weight"] = cases.single(0.2 * normal(dims["max_pos"]["cross"], hidden))
        out[f"{name}.embeddings.token_type_embeddings.weight"] = cases.single(0.3 * normal(2, hidden))
        norm(f"{name}.embeddings.LayerNorm", hidden)
        for layer in range(dims["cross_layers"]):
            attention(f"{name}.encoder.layer.{layer}.attention")
            feed_forward(f"{name}.encoder.layer.{layer}")
    out["decoder.embeddings.word_embeddings.weight"] = cases.single(normal(labels, hidden))
    norm("decoder.embeddings.LayerNorm", hidden)
    for layer in range(dims["decoder_layers"]):
        attention(f"decoder.layer.{layer}.slf_attn")
        attention(f"decoder.layer.{layer}.enc_attn")
        feed_forward(f"decoder.layer.{layer}")
    linear("cross_classifier", 1, hidden)
    linear("common_feature_extractor.0", hidden, hidden)
    for k in range(len(MODALITIES)):
        linear(f"private_feature_extractor.{k}.0", hidden, hidden)
    linear("modal_discriminator.0", hidden // 2, hidden)
    linear("modal_discriminator.3", len(MODALITIES), hidden // 2)
    linear("common_classfier.0", labels, hidden)
    return out


def inputs(config, generator, batch, lengths):
    dims = config["dims"]
    out = {}
    for m in MODALITIES:
        out[m] = cases.single(generator.standard_normal((batch, lengths[m], dims["in_dim"][m])))
        out[f"{m}_mask"] = np.ones((batch, dims["length"]), dtype=np.int64)
    out["labels"] = cases.labels(generator, batch, dims["labels"])
    return out


class Case:
    def __init__(self, name, config, params, inputs, state_from=None, keep="all"):
        self.name, self.config, self.params, self.inputs = name, config, params, inputs
        self.state_from, self.keep = state_from, keep


class Curve:
    def __init__(self, name, case, steps=10, lr=0.002):
        self.name, self.case = name, case
        self.config = copy.deepcopy(case.config)
        self.config["optimizer"]["lr"] = lr
        self.config.update(sibling=case.name, steps=steps, lr=lr, t_total=steps, warmup=0.1)


def all_cases():
    triple = lambda text, visual, audio: dict(zip(MODALITIES, (text, visual, audio)))  # noqa: E731

    def made(name, title, seed, batch, lengths, dims, options, ctc=False, keep="all"):
        config = configuration(title, seed, dims, options, ctc)
        generator = np.random.default_rng(seed)
        return Case(name, config, parameters(config, generator), inputs(config, generator, batch, lengths), keep=keep)

    aligned = made(
        "tailor_aligned", "aligned, 4 labels, distinct weights", 401, 3, triple(5, 5, 5),
        {"labels": 4, "hidden": 8, "heads": 2, "inter": 12, "in_dim": triple(5, 3, 4), "layers": triple(2, 1, 1),
         "cross_layers": 2, "decoder_layers": 1, "length": 5, "max_pos": {**triple(7, 6, 5), "cross": 23}}, BALANCED,
    )  # fmt: skip
    other = copy.deepcopy(aligned.config)
    other["title"] = "another fusion order: text and audio first, then visual"
    other["options"]["fusion_order"] = ["text", "audio", "visual"]
    dropped = []
    for site in ("encoder", "private", "common", "cross", "decoder", "head", "discriminator", "common_semantic"):
        everything = copy.deepcopy(aligned.config)
        everything["title"], everything["options"]["dropout"] = f"dropout of everything: {site}", {site: 1}
        name = f"tailor_dropout_{site}"
        dropped.append(Case(name, everything, aligned.params, aligned.inputs, "tailor_aligned", "dropout"))
    unaligned = made(
        "tailor_unaligned", "unaligned: CTC module and CTC loss, 2 labels, weights of the script", 402, 2, triple(3, 7, 6),
        {"labels": 2, "hidden": 6, "heads": 3, "inter": 6, "in_dim": triple(4, 5, 3), "layers": triple(1, 1, 1),
         "cross_layers": 1, "decoder_layers": 1, "length": 3, "max_pos": {**triple(3, 4, 5), "cross": 12}}, {}, ctc=True,
        keep="step",
    )  # fmt: skip
    return [
        *dropped, aligned, Case("tailor_order", other, aligned.params, aligned.inputs, "tailor_aligned", "few"), unaligned,
        Curve("tailor_curve", aligned), Curve("tailor_unaligned_curve", unaligned),
    ]  # fmt: skip
