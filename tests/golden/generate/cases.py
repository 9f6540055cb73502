"""The cases of tests/golden/data: configurations, start values and inputs, all from fixed seeds."""

import copy

import numpy as np

import ramer_reference as ramer

DEFAULT_OPTIONS = {
    "aux": "none", "rec_levels": "both", "autoencoder": True, "use_C": True, "use_S": True, "g_input": "top",
    "f_input": "alpha", "grl_c": 1.0, "orth": "cs_slots", "cml": "per_modality", "rec": "mse", "contrast": "queue",
    "temperature": 0.07, "proto_eval": "hard", "proto_m": 0.99, "missing": "present_only", "shuffle": "default",
    "gather": "sequential", "k_s": 4, "k_m": 3, "rounds": 1, "labels_follow": True, "shuffle_input": "C+S",
    "threshold": 0.25,
}  # fmt: skip
# Weights under which every term is visible in the total and in the gradients.
BALANCED = {
    "w_alpha": 0.3, "w_beta": 0.7, "w_gamma": 0.9, "w_rec_tilde": 0.9, "w_rec_beta": 1.3, "w_rec_gamma": 0.6,
    "w_scl": 0.8, "w_suf": 0.4, "w_suf_unshuffled": 0.25, "w_adv": 0.35, "w_orth": 0.002, "w_cml": 0.45,
}  # fmt: skip
PAPER = {
    "w_alpha": 0.01, "w_beta": 0.1, "w_gamma": 1.0, "w_rec_tilde": 1.0, "w_rec_beta": 1.0, "w_rec_gamma": 0.0,
    "w_scl": 1.0, "w_suf": 1.0, "w_suf_unshuffled": 0.0, "w_adv": 0.01, "w_orth": 5e-6, "w_cml": 0.5,
}  # fmt: skip
OPTIMIZER = {
    "kind": "BertAdam", "lr": 0.001, "b1": 0.9, "b2": 0.999, "e": 1e-06, "weight_decay": 0.01, "t_total": -1,
}  # fmt: skip


def configuration(title, seed, dims, options=None, weights=BALANCED):
    return {
        "title": title,
        "kind": "paper",
        "seed": seed,
        "dims": dims,
        "options": {**DEFAULT_OPTIONS, **weights, **(options or {})},
        "optimizer": dict(OPTIMIZER),
    }


def with_options(config, title, **options):
    out = copy.deepcopy(config)
    out["title"] = title
    out["options"].update(options)
    return out


def single(array):
    """Start values are float32-representable."""
    return np.asarray(array, dtype=np.float32).astype(np.float64)


# -- parameters and buffers ----------------------------------------------------------------------------------------


def parameters(config, generator):
    dims, options = config["dims"], config["options"]
    hidden, latent, inter, labels = dims["hidden"], dims["proj"], dims["inter"], dims["labels"]
    names = ramer.modality_names(config)
    party = dims["persons"]
    personality = party and options.get("personality", True)
    out = {}
    normal = lambda *shape: generator.standard_normal(shape)  # noqa: E731

    def linear(name, rows, columns, scale=1.0, bias=True):
        out[name + ".weight"] = single(normal(rows, columns) * scale / np.sqrt(columns))
        if bias:
            out[name + ".bias"] = single(normal(rows) * 0.1)

    def norm(name, width):
        out[name + ".weight"] = single(1.0 + 0.1 * normal(width))
        out[name + ".bias"] = single(0.1 * normal(width))

    def two_layers(name, first, middle, last):
        linear(f"{name}.linear.0", middle, first)
        linear(f"{name}.output", last, middle)

    for encoder in names + (["personality"] if personality else []):
        width = dims["in_dim"][encoder]
        norm(f"{encoder}_norm.norm2d", width)
        linear(f"{encoder}.embeddings.word_embeddings", hidden, width)
        out[f"{encoder}.embeddings.position_embeddings.weight"] = single(0.2 * normal(dims["max_pos"][encoder], hidden))
        if options.get("target_time") == "marked" and encoder != "personality":
            out[f"{encoder}.embeddings.target_time.weight"] = single(0.4 * normal(1, hidden))
        norm(f"{encoder}.embeddings.LayerNorm", hidden)
        for layer in range(dims["layers"][encoder]):
            at = f"{encoder}.encoder.layer.{layer}"
            for part in ("query", "key", "value"):
                linear(f"{at}.attention.self.{part}", hidden, hidden)
            linear(f"{at}.attention.output.dense", hidden, hidden)
            norm(f"{at}.attention.output.LayerNorm", hidden)
            linear(f"{at}.intermediate.dense", inter, hidden)
            linear(f"{at}.output.dense", hidden, inter)
            norm(f"{at}.output.LayerNorm", hidden)
    for m in names:
        if personality and options.get("aux") != "time_concat":
            linear(f"aux_reduce_{m}", hidden, 2 * hidden, scale=0.3)
        linear(f"{m}_attention.attention", labels, hidden, bias=False)
    if personality and dims.get("personality_unknown", False):
        out["personality_unknown"] = single(normal(hidden))
    linear("common_feature_extractor.0", hidden, hidden)
    linear("common_classfier.0", labels, hidden)
    for k in range(len(names)):
        linear(f"private_feature_extractor.{k}.0", hidden, hidden)
    linear("modal_discriminator.0", hidden // 2, hidden)
    linear("modal_discriminator.3", len(names), hidden // 2)
    for m in names:
        two_layers(f"proj_{m}", hidden, hidden // 2, latent)
        two_layers(f"de_proj_{m}", latent, hidden // 2, hidden)
        linear(ramer.cross_name(config, m) + ".output", hidden, len(names) * hidden)
        out[f"{m}_clf_weight"] = single(normal(labels, hidden) / np.sqrt(hidden))
    two_layers("agg", labels * hidden, hidden, labels)
    if options.get("shuffle_input") == "concat":
        linear("shuffle_input", hidden, 2 * hidden)
    return out


def buffers(config, generator):
    dims = config["dims"]
    labels, latent, size = dims["labels"], dims["proj"], dims["queue"]
    out = {}
    rows = lambda n: (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))(generator.standard_normal((n, latent)))  # noqa: E731
    names = ramer.modality_names(config)
    for m in names:
        for side in ("pos", "neg"):
            out[f"{m}_{side}_protos"] = single(0.8 * rows(labels))
    out["queue"] = single(rows(size))
    ids = generator.integers(0, 2 * labels * len(names), size)
    ids[generator.permutation(size)[: size // 5]] = -1  # places that were never written
    out["queue_ids"] = ids.astype(np.int64)
    out["queue_ptr"] = np.array(int(size * 0.7), dtype=np.int64)
    return out


def labels(generator, batch, count, rate=0.4):
    return (generator.random((batch, count)) < rate).astype(np.float64)


# -- inputs --------------------------------------------------------------------------------------------------------


def monologue_inputs(config, generator, lengths, missing=()):
    """`lengths[m]`: real length per sample; `missing`: (sample, modality) pairs with an all-zero mask."""
    names = ramer.modality_names(config)
    out = {}
    for m in names:
        batch, longest = len(lengths[m]), max(lengths[m])
        mask = np.zeros((batch, longest), dtype=np.int64)
        for b, length in enumerate(lengths[m]):
            mask[b, :length] = (b, m) not in missing
        x = generator.standard_normal((batch, longest, config["dims"]["in_dim"][m]))
        out[m] = single(x * mask[..., None])
        out[f"{m}_mask"] = mask
    out["labels"] = labels(generator, len(lengths[names[0]]), config["dims"]["labels"])
    return out


def party_inputs(config, generator, shapes, targets, available, holes=(), unknown=(), overrides=()):
    """Multi-party input.

    shapes: (persons, segments) per sample; targets: (person, segment) per sample; available: {m: share of the places}.
    holes: (sample, person, segment) that do not exist; unknown: (sample, person).
    overrides: (sample, modality or None, person or None, segment or None, 0 or 1), applied in order; None means all.
    """
    dims = config["dims"]
    names = ramer.modality_names(config)
    batch, slots = len(shapes), max(p * s for p, s in shapes)
    widest = max(p for p, _ in shapes)
    exists = np.zeros((batch, slots), dtype=np.int64)
    for b, (persons, segments) in enumerate(shapes):
        exists[b, : persons * segments] = 1
    for b, person, segment in holes:
        exists[b, person * shapes[b][1] + segment] = 0
    out = {
        "n_persons": np.array([p for p, _ in shapes], dtype=np.int64),
        "n_segments": np.array([s for _, s in shapes], dtype=np.int64),
        "target_person": np.array([p for p, _ in targets], dtype=np.int64),
    }
    if config["options"].get("target_time", "all") != "all":
        out["target_segment"] = np.array([s for _, s in targets], dtype=np.int64)
    if holes:
        out["exists"] = exists
    for m in names:
        mask = (generator.random((batch, slots)) < available[m]).astype(np.int64)
        for b, which, person, segment, value in overrides:
            if which not in (None, m):
                continue
            persons, segments = shapes[b]
            for p in range(persons) if person is None else [person]:
                for s in range(segments) if segment is None else [segment]:
                    mask[b, p * segments + s] = value
        mask *= exists
        out[m] = single(generator.standard_normal((batch, slots, dims["in_dim"][m])) * mask[..., None])
        out[f"{m}_mask"] = mask
    if config["options"].get("personality", True):
        known = np.zeros((batch, widest), dtype=np.int64)
        for b, (persons, _) in enumerate(shapes):
            known[b, :persons] = 1
        for b, person in unknown:
            known[b, person] = 0
        x = generator.standard_normal((batch, widest, dims["in_dim"]["personality"]))
        out["personality"] = single(x * known[..., None])
        if unknown:
            out["personality_known"] = known
    out["labels"] = labels(generator, batch, dims["labels"])
    return out


# -- the cases -----------------------------------------------------------------------------------------------------


class Case:
    """A file to write. `start`: (params, buffers, inputs) of its own; `state_from`: the file that holds them instead,
    but for `own_inputs` and `own_params`."""

    def __init__(self, name, config, start, state_from=None, own_inputs=(), keep="all", own_params=()):
        self.name, self.config, self.start = name, config, start
        self.state_from, self.own_inputs, self.own_params = state_from, tuple(own_inputs), tuple(own_params)
        self.keep = keep


class Curve:
    def __init__(self, name, config, start, sibling, steps=10, lr=0.002):
        self.name, self.start = name, start
        self.config = copy.deepcopy(config)
        self.config["optimizer"]["lr"] = lr
        self.config.update(sibling=sibling, steps=steps, lr=lr, t_total=steps, warmup=0.1)


def start_values(config, make_inputs):
    generator = np.random.default_rng(config["seed"])
    return parameters(config, generator), buffers(config, generator), make_inputs(generator)


def two_modalities():
    dims = {
        "labels": 1, "hidden": 12, "proj": 5, "heads": 3, "inter": 10, "queue": 32, "persons": False,
        "modalities": ["speech", "face"], "in_dim": {"speech": 5, "face": 7}, "layers": {"speech": 1, "face": 2},
        "max_pos": {"speech": 8, "face": 6},
    }  # fmt: skip
    config = configuration("two modalities under other names, one label", 101, dims)
    lengths = {"speech": [6, 4, 1, 5, 2], "face": [3, 4, 4, 2, 1]}
    start = start_values(config, lambda g: monologue_inputs(config, g, lengths, {(1, "face"), (3, "speech")}))
    return [Case("ramer_two_modalities", config, start)]


def four_modalities():
    names = ["words", "face", "voice", "gesture"]
    dims = {
        "labels": 14, "hidden": 8, "proj": 4, "heads": 2, "inter": 12, "queue": 48, "persons": True,
        "personality_unknown": True, "modalities": names,
        "in_dim": {"words": 5, "face": 3, "voice": 4, "gesture": 2, "personality": 6},
        "layers": {"words": 2, "face": 1, "voice": 1, "gesture": 1, "personality": 1},
        "max_pos": {"words": 70, "face": 66, "voice": 66, "gesture": 66, "personality": 66},
    }  # fmt: skip
    config = configuration(
        "four modalities, 14 labels, up to 9 persons and 33 segments, holes, unknown persons, missing modalities",
        102, dims, {"aux": "feature_attention"},
    )  # fmt: skip
    shapes = [(9, 2), (2, 33), (4, 5), (3, 4), (1, 1)]
    targets = [(4, 1), (1, 20), (2, 3), (0, 2), (0, 0)]
    share = {"words": 0.5, "face": 0.8, "voice": 0.5, "gesture": 0.7}
    holes = [(0, 0, 1), (0, 8, 0), (1, 0, 0), (1, 0, 1), (1, 1, 32), (1, 1, 7), (2, 0, 2), (2, 2, 0), (2, 3, 3), (2, 3, 4)]
    unknown = [(0, 1), (0, 4), (2, 3), (3, 0), (3, 1), (3, 2)]
    overrides = [
        (0, None, 4, None, 0),  # a target with nothing, among others who have something
        (1, "voice", None, None, 0),  # a modality that nobody has
        (2, "words", 2, None, 0),  # a modality that the target alone lacks
        (2, "gesture", 2, None, 0),
        (2, "gesture", 2, 4, 1),  # one single token
        (2, "voice", 2, None, 1),
        (3, None, None, None, 0),  # nothing at all
        (4, None, None, None, 1),
        (4, "face", None, None, 0),
    ]
    start = start_values(
        config, lambda g: party_inputs(config, g, shapes, targets, share, holes, unknown, overrides)
    )
    return [Case("ramer_four_modalities", config, start, keep="wide")]


def three_modality_dims(party, personality=True, slots=12, **more):
    dims = {
        "labels": 3, "hidden": 8, "proj": 4, "heads": 2, "inter": 12, "queue": 40, "persons": party,
        "in_dim": {"text": 5, "visual": 3, "audio": 4}, "layers": {"text": 2, "visual": 1, "audio": 1},
        "max_pos": {"text": slots, "visual": slots, "audio": slots},
    }  # fmt: skip
    if party and personality:
        dims["in_dim"]["personality"], dims["layers"]["personality"] = 6, 1
        dims["max_pos"]["personality"] = slots
    return {**dims, **more}


def no_personality():
    config = configuration(
        "multi-party without personality: J = H_m, no Linear", 103, three_modality_dims(True, False),
        {"aux": "feature_attention", "personality": False},
    )  # fmt: skip
    shapes, targets = [(3, 4), (2, 3), (4, 2), (1, 5)], [(2, 0), (0, 1), (1, 1), (0, 4)]
    share = {"text": 0.5, "visual": 0.8, "audio": 0.5}
    overrides = [
        (0, "text", 2, None, 0), (0, "text", 2, 1, 1), (0, "text", 2, 3, 1), (1, "audio", 0, None, 0),
        (2, None, None, None, 0), (3, "text", None, None, 1), (3, "audio", 0, 2, 1), (3, "audio", 0, 3, 1),
    ]  # fmt: skip
    start = start_values(
        config, lambda g: party_inputs(config, g, shapes, targets, share, [(0, 1, 2), (3, 0, 1)], (), overrides)
    )
    params, state, inputs = start
    base = "ramer_no_personality"
    variant = lambda name, title, keep="losses", **options: Case(  # noqa: E731
        name, with_options(config, f"multi-party, missing modalities: {title}", **options), start, base, keep=keep
    )
    concat = with_options(config, "multi-party, missing modalities: F = Linear [C ; S]", shuffle_input="concat")
    fused = dict(params)
    generator, hidden = np.random.default_rng(108), config["dims"]["hidden"]
    fused["shuffle_input.weight"] = single(generator.standard_normal((hidden, 2 * hidden)) / np.sqrt(2 * hidden))
    fused["shuffle_input.bias"] = single(generator.standard_normal(hidden) * 0.1)
    own = [name for name in fused if name not in params]
    return [
        Case(base, config, start),
        variant("ramer_party_cml_released", "L_cml on slot 0 of the sum", cml="released"),
        variant("ramer_party_orth_cs", "L_orth as printed, d x d", orth="cs"),
        variant("ramer_party_orth_released", "L_orth over six pairs", orth="released"),
        variant("ramer_party_rec_frobenius", "L_rec with Frobenius norms", rec="frobenius"),
        variant("ramer_party_contrast_released", "queue rows as anchors", contrast="released"),
        variant("ramer_fusion_order", "columns of g in another order", "gradients", fusion_order=["audio", "text", "visual"]),
        Case("ramer_shuffle_concat", concat, (fused, state, inputs), base, keep="gradients", own_params=own),
    ]


def time_concat():
    config = configuration(
        "personality concatenated along time, no attention over persons or segments", 109, three_modality_dims(True),
        {"aux": "time_concat"},
    )  # fmt: skip
    shapes, targets = [(3, 4), (2, 3), (4, 2), (1, 5), (2, 6)], [(2, 0), (0, 1), (1, 1), (0, 4), (1, 3)]
    share = {"text": 0.5, "visual": 0.8, "audio": 0.5}
    overrides = [
        (0, "text", 2, None, 0), (0, "text", 2, 1, 1), (0, "text", 2, 3, 1), (1, "audio", 0, None, 0),
        (2, None, None, None, 0), (3, "text", None, None, 1), (3, "audio", 0, 2, 1), (3, "audio", 0, 3, 1),
    ]  # fmt: skip
    start = start_values(
        config, lambda g: party_inputs(config, g, shapes, targets, share, [(0, 1, 2), (3, 0, 1)], (), overrides)
    )
    return [Case("ramer_time_concat", config, start, keep="gradients")]


def target_time():
    dims = three_modality_dims(True, personality_unknown=True)
    config = configuration(
        "learned embedding at the target time (not zero here)", 104, dims,
        {"aux": "feature_attention", "target_time": "marked"},
    )  # fmt: skip
    shapes, targets = [(2, 5), (3, 4), (2, 3), (1, 4)], [(1, 2), (0, 3), (1, 0), (0, 1)]
    share = {"text": 0.5, "visual": 0.8, "audio": 0.6}
    # What the target has anywhere, the target has at the target time, so that both readings of "present" agree.
    overrides = [
        (0, None, 1, 2, 1), (0, "text", 1, None, 1), (0, "audio", 1, None, 0),
        (1, None, 0, 3, 1), (1, "audio", 0, 1, 1), (1, "text", 0, None, 0),
        (2, None, 1, 0, 1), (2, "visual", 1, None, 1), (2, "audio", 1, None, 1),
        (3, None, 0, None, 0),
    ]  # fmt: skip
    holes, unknown = [(0, 0, 2), (1, 2, 0), (3, 0, 3)], [(0, 1), (1, 2)]
    start = start_values(
        config, lambda g: party_inputs(config, g, shapes, targets, share, holes, unknown, overrides)
    )
    params, state, inputs = start
    base = "ramer_target_marked"
    unmarked = {k: v for k, v in params.items() if ".target_time." not in k}
    plain = with_options(config, "the same input, target time not marked", target_time="all")
    segment = with_options(config, "label attention sees the target person at the target time alone", target_time="segment")
    # The target lacks a modality at the target time that it has elsewhere: present = 0 under `segment`.
    elsewhere = copy.deepcopy(inputs)
    for b, m in ((0, "visual"), (2, "text"), (2, "audio")):
        slot = targets[b][0] * shapes[b][1] + targets[b][1]
        elsewhere[f"{m}_mask"][b, slot] = 0
        elsewhere[m][b, slot] = 0
    changed = ["visual", "visual_mask", "text", "text_mask", "audio", "audio_mask"]
    absent = with_options(
        segment, "as ramer_target_segment; the target lacks modalities at that time that it has at others"
    )
    return [
        Case(base, config, start),
        Case("ramer_target_all", plain, (unmarked, state, inputs), base, keep="gradients"),
        Case("ramer_target_segment", segment, (unmarked, state, inputs), base, keep="gradients"),
        Case("ramer_target_segment_absent", absent, (unmarked, state, elsewhere), base, changed, keep="gradients"),
        Curve("ramer_target_marked_curve", config, start, base),
    ] + [
        Case(f"ramer_dropout_{site}", with_options(config, f"dropout of everything: {site}", dropout={site: 1}), start, base, keep="dropout")
        for site in ("encoder", "generator", "specificity", "discriminator", "common_semantic")
    ]  # fmt: skip


def small_batches():
    dims = three_modality_dims(False, slots=8)
    config = configuration("batch of 2, paper weights", 105, dims, weights=PAPER)
    lengths = {"text": [5, 3], "visual": [2, 4], "audio": [3, 6]}
    start = start_values(config, lambda g: monologue_inputs(config, g, lengths, {(1, "visual")}))
    params, state, _ = start
    one = with_options(config, "batch of 1, balanced weights", **BALANCED)
    one["seed"] = 106
    own = monologue_inputs(one, np.random.default_rng(106), {"text": [4], "visual": [2], "audio": [3]})
    return [
        Case("ramer_batch_two", config, start),
        Case("ramer_batch_one", one, (params, state, own), "ramer_batch_two", list(own), keep="gradients"),
    ]


def adversaries_and_masks():
    dims = three_modality_dims(False, slots=8, labels=4)
    config = configuration("alternating adversary", 107, dims, {"adversary": "alternating"})
    lengths = {"text": [5, 3, 4, 2, 6], "visual": [2, 4, 3, 3, 2], "audio": [3, 6, 4, 5, 2]}
    absent = {(1, "visual"), (3, "text"), (3, "visual"), (3, "audio"), (4, "audio")}
    start = start_values(config, lambda g: monologue_inputs(config, g, lengths, absent))
    params, state, inputs = start
    base = "ramer_alternating"
    confusion = with_options(config, "confusion adversary", adversary="confusion")
    masked_inputs = copy.deepcopy(inputs)
    mask = np.ones((5, 4), dtype=np.int64)
    mask[0, 1] = mask[1, 0] = mask[1, 3] = mask[4, 1] = 0
    mask[2, :] = 0  # a sample without any annotation
    masked_inputs["label_mask"] = mask
    masked = with_options(config, "label mask", adversary="gradient_reversal")
    stay = with_options(masked, "label mask, labels do not follow the shuffle", labels_follow=False)
    column = copy.deepcopy(masked_inputs)
    column["label_mask"][:, 2] = 0  # a label that nobody annotated
    one_label = with_options(masked, "label mask, one label masked throughout; pooled commonality", cml="pooled_sum")
    nothing = copy.deepcopy(inputs)
    nothing["label_mask"] = np.zeros((5, 4), dtype=np.int64)
    none = with_options(masked, "label mask, nothing annotated: the label-free terms alone")
    return [
        Case(base, config, start),
        Case("ramer_confusion", confusion, start, base, keep="step"),
        Curve("ramer_alternating_curve", config, start, base),
        Curve("ramer_confusion_curve", confusion, start, base),
        Case("ramer_label_mask", masked, (params, state, masked_inputs), base, ["label_mask"], keep="state"),
        Case("ramer_label_mask_stay", stay, (params, state, masked_inputs), base, ["label_mask"], keep="losses"),
        Case("ramer_label_mask_column", one_label, (params, state, column), base, ["label_mask"], keep="losses"),
        Case("ramer_label_mask_nothing", none, (params, state, nothing), base, ["label_mask"], keep="losses"),
    ]


def all_cases():
    return (
        two_modalities() + four_modalities() + no_personality() + time_concat() + target_time() + small_batches()
        + adversaries_and_masks()
    )  # fmt: skip


SHUFFLES = [  # (B, M, C, k_s, k_m, rounds)
    (2, 2, 1, 4, 3, 1), (1, 4, 14, 4, 3, 1), (6, 4, 5, 4, 3, 2), (11, 2, 3, 3, 3, 1), (5, 1, 2, 4, 3, 1),
    (7, 5, 4, 2, 2, 3),
]  # fmt: skip
