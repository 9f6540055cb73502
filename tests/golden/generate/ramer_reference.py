"""RAMer in PyTorch, written from the equations, for golden tensors.

Nothing here is fast or general on purpose: samples and persons are Python loops wherever a loop says more than
a mask. Symbols: B samples, P persons, S segments, T token slots (person * S + segment), M modalities, C labels,
H hidden width, K latent width of the prototypes and the contrastive rows.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

import stack_shuffle

RELEASED_CROSS_NAMES = {"text": "va2t", "visual": "ta2v", "audio": "tv2a"}
LOSS_NAMES = [
    "suf", "suf_unshuffled", "adv_C", "adv_S", "orth_CS", "orth_SS", "cml", "cls_alpha", "cls_beta", "cls_gamma",
    "rec_tilde", "rec_beta", "rec_gamma", "scl",
]  # fmt: skip
WEIGHT_OF = {
    "suf": "w_suf", "suf_unshuffled": "w_suf_unshuffled", "adv_C": "w_adv", "adv_S": "w_adv", "orth_CS": "w_orth",
    "orth_SS": "w_orth", "cml": "w_cml", "cls_alpha": "w_alpha", "cls_beta": "w_beta", "cls_gamma": "w_gamma",
    "rec_tilde": "w_rec_tilde", "rec_beta": "w_rec_beta", "rec_gamma": "w_rec_gamma", "scl": "w_scl",
    "adv_confusion": "w_adv",
}  # fmt: skip
GRADIENT_TAPS = (
    "normed.", "encoder_out.", "X_alpha.", "X_tilde.", "D_tilde.", "X_beta.", "X_gamma.", "Z_alpha.", "Z_beta.",
    "Z_gamma.", "C.", "S.", "disc_C.", "disc_S.", "cml_logit.", "logits_alpha.", "logits_beta.", "logits_gamma.", "F",
    "agg_out", "shuffle_out", "scl_features",
)  # fmt: skip


def modality_names(config):
    return config["dims"].get("modalities", ["text", "visual", "audio"])


def cross_name(config, modality):
    """g^m: the released names for the released modalities, `cross_<m>` otherwise."""
    if modality_names(config) == ["text", "visual", "audio"]:
        return RELEASED_CROSS_NAMES[modality]
    return f"cross_{modality}"


def is_discriminator(name):
    return name.startswith("modal_discriminator.")


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, c):
        ctx.c = c
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.c * gradient, None


def unit(x):
    """Rows of length 1 (a zero row stays 0)."""
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def masked_mean(values, keep):
    """Mean over the cells that take part; no cell: a 0 without a path."""
    keep = keep.expand_as(values)
    if not bool(keep.any()):
        return values.new_zeros(())
    return values[keep].mean()


class Result:
    """What one forward pass yields: intermediates, loss terms, contrastive rows; `inner`: what only CARAT's files hold."""

    def __init__(self, taps=GRADIENT_TAPS):
        self.taps = taps
        self.mid = {}
        self.loss = {}
        self.inner = {}

    def look(self, name, value):
        if value.requires_grad:
            value.retain_grad()
        self.inner[name] = value
        return value

    def tap(self, name, value):
        if value.requires_grad and any(name == t or (t.endswith(".") and name.startswith(t)) for t in self.taps):
            value.retain_grad()
        self.mid[name] = value
        return value


def lstm(p, name, x):
    """Two layers, one direction, from zero states; gates in the order i, f, g, o. x [B, T, D] -> [B, T, W]."""
    for layer in (0, 1):
        w_in, w_state = p[f"{name}.weight_ih_l{layer}"], p[f"{name}.weight_hh_l{layer}"]
        bias = p[f"{name}.bias_ih_l{layer}"] + p[f"{name}.bias_hh_l{layer}"]
        width = w_state.shape[1]
        h = c = x.new_zeros((x.shape[0], width))
        steps = []
        for t in range(x.shape[1]):
            gates = x[:, t] @ w_in.T + h @ w_state.T + bias
            i, f, g, o = (gates[:, k * width : (k + 1) * width] for k in range(4))
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            steps.append(h)
        x = torch.stack(steps, 1)
    return x


def aligned_by_ctc(p, name, x):
    """The LSTM's output is taken for logits over [blank, T_out]: returns (logits, softmax without blank ^T x)."""
    logits = lstm(p, f"{name}.pred_output_position_inclu_blank", x)
    return logits, torch.softmax(logits, -1)[..., 1:].transpose(1, 2) @ x


class Reference:
    """The equations for one configuration. Parameters and buffers are given at every call."""

    def __init__(self, config):
        self.config = config
        self.dims = config["dims"]
        self.opt = config["options"]
        self.modalities = modality_names(config)
        self.persons = bool(self.dims["persons"])
        self.personality = self.persons and self.opt.get("personality", True)
        self.adversary = self.opt.get("adversary", "gradient_reversal")
        self.target_time = self.opt.get("target_time", "all")
        self.time_concat = self.opt.get("aux") == "time_concat"
        self.training = True

    def drop(self, site, x):
        """Dropout of rate 0, or of rate 1 where the configuration says so: nothing is kept, so nothing is random."""
        return x * 0.0 if self.training and self.opt.get("dropout", {}).get(site, 0) == 1 else x

    # -- encoders ------------------------------------------------------------------------------------------------

    def linear(self, p, name, x):
        return F.linear(x, p[name + ".weight"], p.get(name + ".bias"))

    def layer_norm(self, p, name, x):
        centred = x - x.mean(-1, keepdim=True)
        variance = (centred * centred).mean(-1, keepdim=True)
        return p[name + ".weight"] * centred / torch.sqrt(variance + 1e-12) + p[name + ".bias"]

    def attention(self, p, at, x, memory, bias, look=lambda key, value: value, site="encoder"):
        """LN(x + Linear of the heads' contexts): queries from x [B, T, H], keys and values from memory [B, L, H]."""
        split = lambda t: t.view(*t.shape[:2], self.dims["heads"], -1).transpose(1, 2)  # noqa: E731
        q = split(self.linear(p, f"{at}.self.query", x))
        k, v = (split(self.linear(p, f"{at}.self.{part}", memory)) for part in ("key", "value"))
        scores = look("attention_scores", q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias)
        context = self.drop(site, look("attention_probs", torch.softmax(scores, -1))) @ v
        context = look("context_layer", context.transpose(1, 2).reshape(x.shape))
        out = self.drop(site, self.linear(p, f"{at}.output.dense", context))
        return self.layer_norm(p, f"{at}.output.LayerNorm", x + out)

    def feed_forward(self, p, at, x, look=lambda key, value: value, site="encoder"):
        inner = self.linear(p, f"{at}.intermediate.dense", x)
        inner = look("intermediate", inner * 0.5 * (1.0 + torch.erf(inner / math.sqrt(2.0))))
        out = self.drop(site, self.linear(p, f"{at}.output.dense", inner))
        return self.layer_norm(p, f"{at}.output.LayerNorm", x + out)

    def encode(self, p, r, name, x, keys, is_token, marked=None):
        """Post-norm transformer. x [B, T, D], keys [B, T] -> [B, T, H]."""
        batch, slots, _ = x.shape
        tap = lambda key, value: r.tap(f"{key}.{name}", value)  # noqa: E731
        blank = lambda value: value * is_token[..., None].to(value.dtype)  # noqa: E731
        h = self.layer_norm(p, f"{name}_norm.norm2d", x)
        ctc = self.config.get("ctc", {}).get(name)  # masks then have the length of the aligned sequence
        h = tap("normed", h if ctc else blank(h))
        if ctc:
            logits, h = aligned_by_ctc(p, ctc, h)
            r.look(f"{ctc[:3]}_position", logits)
            batch, slots, _ = h.shape
        r.look(f"{name}_encoder_in", h)
        h = self.linear(p, f"{name}.embeddings.word_embeddings", h)
        h = h + p[f"{name}.embeddings.position_embeddings.weight"][:slots]
        if marked is not None:
            h = h + marked[..., None].to(h.dtype) * p[f"{name}.embeddings.target_time.weight"]
        h = r.look(f"{name}.embeddings", self.drop("encoder", self.layer_norm(p, f"{name}.embeddings.LayerNorm", h)))
        bias = (1.0 - keys.to(h.dtype))[:, None, None, :] * -10000.0
        layers = self.dims["layers"][name]
        for layer in range(layers):
            at = f"{name}.encoder.layer.{layer}"
            look = lambda key, value: r.look(f"{name}.layer{layer}.{key}", value)  # noqa: B023, E731
            h = self.attention(p, f"{at}.attention", h, h, bias, look)
            h = look("output", self.feed_forward(p, at, look("attention_output", h), look))
            if layer + 1 < layers:
                r.mid[f"layer{layer}.{name}"] = blank(h)
        h = blank(h)
        r.mid[f"layer{layers - 1}.{name}"] = h
        return tap("encoder_out", h)

    def residual_attention(self, joint, available):
        """One row set [n, W]: x + softmax(x x^T / sqrt(W), unavailable keys at -1e9) x."""
        scores = joint @ joint.T / math.sqrt(joint.shape[-1])
        scores = scores.masked_fill(~available[None, :], -1e9)
        return joint + torch.softmax(scores, -1) @ joint

    def auxiliary(self, p, r, name, joint, available, exists, n_persons, n_segments):
        """Inter-person, then intra-person attention. joint [B, T, W] -> [B, T, W]."""
        rows = [list(joint[b]) for b in range(joint.shape[0])]
        for stage in ("inter", "intra"):
            for b, sample in enumerate(rows):
                persons, segments = int(n_persons[b]), int(n_segments[b])
                if stage == "inter":
                    groups = [[q * segments + s for q in range(persons)] for s in range(segments)]
                else:
                    groups = [[q * segments + s for s in range(segments)] for q in range(persons)]
                for group in groups:
                    group = [t for t in group if exists[b, t]]
                    if not group:
                        continue
                    out = self.residual_attention(torch.stack([sample[t] for t in group]), available[b, group])
                    for t, row in zip(group, out):
                        sample[t] = row
            blank = torch.zeros_like(joint[0, 0])
            r.mid[f"aux_{stage}.{name}"] = torch.stack(
                [torch.stack([row if exists[b, t] else blank for t, row in enumerate(rows[b])]) for b in range(len(rows))]
            )
        return r.mid[f"aux_intra.{name}"]

    def label_attention(self, p, r, name, h, available, exists):
        """h [B, L, H] -> X_alpha [B, C, H]; nothing available: uniform over what exists."""
        weight = p[f"{name}_attention.attention.weight"]
        planes = []
        for b in range(h.shape[0]):
            if bool(available[b].any()) and self.target_time != "segment":  # one token: nothing to weigh
                scores = (weight @ h[b].T).masked_fill(~available[b][None, :], -math.inf)
                planes.append(torch.softmax(scores, -1))
            else:
                uniform = exists[b].to(h.dtype) / exists[b].sum()
                planes.append(uniform[None, :].expand(weight.shape[0], -1))
        attention = r.look(f"{name}_attention", torch.stack(planes))
        r.mid[f"label_attention.{name}"] = attention
        return attention @ h

    def x_alpha(self, p, r, inputs):
        """Returns ({m: X_alpha [B, C, H]}, present [B, M])."""
        if self.persons:
            return self.x_alpha_of_target(p, r, inputs)
        out, present = {}, []
        for m in self.modalities:
            available = inputs[f"{m}_mask"].bool()
            none = ~available.any(1, keepdim=True)
            everywhere = torch.ones_like(available)
            h = self.encode(p, r, m, inputs[m], available | none, everywhere)
            out[m] = r.tap(f"X_alpha.{m}", self.label_attention(p, r, m, h, available, everywhere))
            present.append(~none[:, 0])
        return out, torch.stack(present, 1)

    def x_alpha_of_target(self, p, r, inputs):
        n_persons, n_segments, target = inputs["n_persons"], inputs["n_segments"], inputs["target_person"]
        first = inputs[self.modalities[0]]
        batch, slots = first.shape[:2]
        position = torch.arange(slots)[None, :].expand(batch, -1)
        inside = position < (n_persons * n_segments)[:, None]
        exists = inside & inputs["exists"].bool() if "exists" in inputs else inside
        person, segment = position // n_segments[:, None], position % n_segments[:, None]
        at_target_time = None
        if self.target_time != "all":
            at_target_time = exists & (segment == inputs["target_segment"][:, None])
        marked = at_target_time if self.target_time == "marked" else None

        h_p = None
        if self.personality:
            known = torch.ones(inputs["personality"].shape[:2], dtype=torch.bool)
            if "personality_known" in inputs:
                known = inputs["personality_known"].bool()
            person_slot = person.clamp_max(known.shape[1] - 1)
            known_slot = exists & torch.gather(known, 1, person_slot)
            spread = torch.gather(
                inputs["personality"], 1, person_slot[..., None].expand(-1, -1, inputs["personality"].shape[-1])
            )
            spread = spread * known_slot[..., None].to(spread.dtype)
            keys = torch.where(known_slot.any(1, keepdim=True), known_slot, exists)
            h_p = self.encode(p, r, "personality", spread, keys, exists)
            if "personality_unknown" in p:
                h_p = torch.where(known_slot[..., None], h_p, p["personality_unknown"])

        longest = int(n_segments.max())
        out, present = {}, []
        for m in self.modalities:
            available = inputs[f"{m}_mask"].bool() & exists
            keys = torch.where(available.any(1, keepdim=True), available, exists)
            h = self.encode(p, r, m, inputs[m], keys, exists, marked)
            if self.time_concat:
                joint = h
            else:
                joint = h if h_p is None else torch.cat([h, h_p], -1)
                joint = self.auxiliary(p, r, m, joint, available, exists, n_persons, n_segments)
            rows, row_available, row_exists = [], [], []
            for b in range(batch):
                begin, count = int(target[b] * n_segments[b]), int(n_segments[b])
                mine = joint[b, begin : begin + count]
                if h_p is not None and not self.time_concat:
                    mine = self.linear(p, f"aux_reduce_{m}", mine)
                here = exists[b, begin : begin + count]
                mine = mine * here[:, None].to(mine.dtype)
                if self.target_time == "segment":
                    here = here & at_target_time[b, begin : begin + count]
                pad = longest - count
                rows.append(F.pad(mine, (0, 0, 0, pad)))
                row_exists.append(F.pad(here, (0, pad)))
                row_available.append(F.pad(here & available[b, begin : begin + count], (0, pad)))
            reduced = torch.stack(rows)
            row_available, row_exists = torch.stack(row_available), torch.stack(row_exists)
            present.append(row_available.any(1))
            if self.time_concat and h_p is not None:
                # (B, 2S, H). Behind the target's tokens of the modality: the personality encoder's outputs at the same tokens.
                extra = self.rows_of_target(h_p, known_slot, exists, target, n_segments, at_target_time)
                reduced = torch.cat([reduced, extra[0]], 1)
                row_available, row_exists = torch.cat([row_available, extra[1]], 1), torch.cat([row_exists, extra[2]], 1)
            elif not self.time_concat:
                r.mid[f"aux_reduced_target.{m}"] = reduced
            out[m] = r.tap(f"X_alpha.{m}", self.label_attention(p, r, m, reduced, row_available, row_exists))
        return out, torch.stack(present, 1)

    def rows_of_target(self, h, available, exists, target, n_segments, at_target_time):
        """The target's tokens of h [B, T, H], padded to the most segments: (rows, available, exists)."""
        longest = int(n_segments.max())
        out = ([], [], [])
        for b in range(h.shape[0]):
            begin, count = int(target[b] * n_segments[b]), int(n_segments[b])
            here = exists[b, begin : begin + count]
            if self.target_time == "segment":
                here = here & at_target_time[b, begin : begin + count]
            rows = h[b, begin : begin + count] * here[:, None].to(h.dtype)
            pad = longest - count
            out[0].append(F.pad(rows, (0, 0, 0, pad)))
            out[1].append(F.pad(here & available[b, begin : begin + count], (0, pad)))
            out[2].append(F.pad(here, (0, pad)))
        return tuple(torch.stack(part) for part in out)

    # -- reconstruction and prototypes ---------------------------------------------------------------------------

    def two_layers(self, p, name, x):
        return self.linear(p, f"{name}.output", torch.relu(self.linear(p, f"{name}.linear.0", x)))

    def latent(self, p, m, x):
        return self.two_layers(p, f"proj_{m}", x) if self.opt["autoencoder"] else x

    def decode(self, p, m, z):
        return self.two_layers(p, f"de_proj_{m}", z) if self.opt["autoencoder"] else z

    def prototype_mixture(self, r, buffers, m, z, training):
        """delta [B, C, K] out of the two prototypes of each label."""
        positive, negative = buffers[f"{m}_pos_protos"], buffers[f"{m}_neg_protos"]
        direction = r.look(f"{m}_n", unit(z))
        scores = torch.stack([(direction * positive).sum(-1), (direction * negative).sum(-1)], -1)
        share = r.look(f"{m}_sim", torch.softmax(scores, -1))
        if training or self.opt["proto_eval"] == "soft":
            r.mid[f"proto_softmax.{m}"] = share
            return share[..., :1] * positive + share[..., 1:] * negative
        return torch.where((scores[..., 0] > scores[..., 1])[..., None], positive, negative)

    def reconstruct(self, p, r, buffers, alpha, training):
        """Returns {level: {m: X}} with the levels that this configuration has."""
        tilde, swapped = {}, {}
        z_alpha = {}
        for m in self.modalities:
            z_alpha[m] = r.tap(f"Z_alpha.{m}", self.latent(p, m, alpha[m]))
            tilde[m] = r.tap(f"X_tilde.{m}", self.decode(p, m, z_alpha[m]))
            r.mid[f"delta.{m}"] = r.look(f"delta.{m}", self.prototype_mixture(r, buffers, m, z_alpha[m], training))
            swapped[m] = r.tap(f"D_tilde.{m}", self.decode(p, m, r.mid[f"delta.{m}"]))
        cross = lambda m, slots: self.linear(  # noqa: E731
            p, cross_name(self.config, m) + ".output", torch.cat([slots[k] for k in self.opt.get("fusion_order", self.modalities)], -1)
        )
        first = lambda m: cross(m, {k: swapped[k] if k == m else tilde[k] for k in self.modalities})  # noqa: E731
        levels = {"alpha": alpha}
        wanted = self.opt["rec_levels"]
        if wanted in ("both", "beta_only"):
            levels["beta"] = {m: r.tap(f"X_beta.{m}", first(m)) for m in self.modalities}
        if wanted == "both":
            levels["gamma"] = {m: r.tap(f"X_gamma.{m}", cross(m, levels["beta"])) for m in self.modalities}
        elif wanted == "gamma_only":
            levels["gamma"] = {m: r.tap(f"X_gamma.{m}", first(m)) for m in self.modalities}
        return levels, tilde, z_alpha

    # -- losses --------------------------------------------------------------------------------------------------

    def reconstruction_loss(self, x, target, take):
        """Mean over the samples that take part; [B, C, H] both."""
        if not bool(take.any()):
            return x.new_zeros(())
        difference = (x - target)[take]
        if self.opt["rec"] == "frobenius":
            return torch.sqrt((difference * difference).sum((1, 2))).mean()
        return (difference * difference).mean()

    def discriminate(self, p, x, frozen=False):
        q = {k: v.detach() for k, v in p.items() if is_discriminator(k)} if frozen else p
        return self.linear(q, "modal_discriminator.3", torch.relu(self.drop("discriminator", self.linear(q, "modal_discriminator.0", x))))

    def cross_entropy(self, logits, k, take):
        """Mean over the label slots of the samples that take part; logits [B, C, M]."""
        return masked_mean(-torch.log_softmax(logits, -1)[..., k], take[:, None])

    def contrast(self, r, buffers, p, levels, z_alpha, present, labels, label_kept):
        """Rows in the order sample, level, modality, label; the rows that do not take part are left out."""
        latents = {"alpha": z_alpha}
        for level in ("beta", "gamma"):
            if level in levels:
                latents[level] = {
                    m: r.tap(f"Z_{level}.{m}", self.latent(p, m, levels[level][m])) for m in self.modalities
                }
        batch, count = labels.shape
        rows, ids = [], []
        for b in range(batch):
            for level, per_modality in latents.items():
                for k, m in enumerate(self.modalities):
                    if level == "alpha" and not bool(present[b, k]):
                        continue
                    for j in range(count):
                        if bool(label_kept[b, j]):
                            rows.append(per_modality[m][b, j])
                            ids.append(j + count * (2 * k + (0 if labels[b, j] > 0.5 else 1)))
        width = z_alpha[self.modalities[0]].shape[-1]
        features = unit(torch.stack(rows)) if rows else labels.new_zeros((0, width))
        r.tap("scl_features", features)
        ids = torch.tensor(ids, dtype=torch.int64)
        r.mid["scl_class_ids"] = ids
        own = len(rows)
        kind = self.opt["contrast"]
        others, other_ids = (features, ids) if kind == "batch" else (
            torch.cat([features, buffers["queue"].to(features.dtype)]), torch.cat([ids, buffers["queue_ids"]])
        )  # fmt: skip
        anchors, anchor_ids = (others, other_ids) if kind == "released" else (features, ids)
        if anchors.shape[0] == 0:
            r.mid["scl_mean_log_prob_pos"] = features.new_zeros((0,))
            return features.new_zeros(())
        if kind == "released":
            r.look("cl_feats", others)
            others = anchors = r.inner["cl_feats"]
        scores = r.look("supcon.anchor_dot_contrast", anchors @ others.T / self.opt["temperature"])
        r.inner["supcon.logits_max"] = scores.max(1, keepdim=True).values.detach()
        scores = scores - r.inner["supcon.logits_max"]
        itself = torch.zeros(scores.shape, dtype=torch.bool)
        itself[torch.arange(anchors.shape[0]), torch.arange(anchors.shape[0])] = True
        denominator = torch.log((torch.exp(scores) * (~itself)).sum(1, keepdim=True) + 1e-12)
        match = (anchor_ids[:, None] == other_ids[None, :]) & (anchor_ids[:, None] >= 0) & ~itself
        log_prob = r.look("supcon.log_prob", scores - denominator)
        mean_log = r.look("supcon.mean_log_prob_pos", (log_prob * match).sum(1) / (match.sum(1) + 1e-12))
        r.mid["scl_mean_log_prob_pos"] = mean_log[:own] if kind == "released" else mean_log
        r.anchors = anchors.shape[0]
        return -mean_log.mean()

    def semantic_loss(self, p, r, common, labels, label_kept):
        form = self.opt["cml"]
        head = lambda x: self.drop("common_semantic", self.linear(p, "common_classfier.0", x))  # noqa: E731
        bce = lambda logit: masked_mean(  # noqa: E731
            F.binary_cross_entropy_with_logits(logit, labels, reduction="none"), label_kept
        )
        if form == "per_modality":
            terms = [bce(r.tap(f"cml_logit.{m}", head(common[m].mean(1)))) for m in self.modalities]
            return torch.stack(terms).sum()
        total = sum(common[m] for m in self.modalities)
        return bce(r.tap("cml_logit.sum", head(total[:, 0] if form == "released" else total.mean(1))))

    def orthogonality(self, r, common, specific, take):
        mean = lambda per_sample, which: masked_mean(per_sample, which)  # noqa: E731
        gram = lambda f, g: (f @ g.transpose(1, 2)).pow(2).sum((1, 2))  # noqa: E731
        zero = next(iter((common or specific).values())).new_zeros(())
        cs, ss = zero, zero
        if common and specific:
            for k, m in enumerate(self.modalities):
                if self.opt["orth"] == "cs":
                    value = (common[m].transpose(1, 2) @ specific[m]).pow(2).sum((1, 2))
                else:
                    value = gram(common[m], specific[m])
                cs = cs + mean(value, take[:, k])
        if specific and self.opt["orth"] == "released":
            for i in range(len(self.modalities)):
                for j in range(i + 1, len(self.modalities)):
                    value = gram(specific[self.modalities[i]], specific[self.modalities[j]])
                    ss = ss + mean(value, take[:, i] & take[:, j])
        return cs, ss

    # -- the whole -----------------------------------------------------------------------------------------------

    def forward(self, p, buffers, inputs, training=True, discriminator=None):
        """One pass. `discriminator`: weights of D that stand for those of `p` (second phase of the alternating game)."""
        r = Result()
        r.anchors = 0
        self.training = training
        opt = self.opt
        labels = inputs["labels"]
        batch, count = labels.shape
        label_kept = inputs["label_mask"].bool() if "label_mask" in inputs else torch.ones_like(labels).bool()
        alpha, present = self.x_alpha(p, r, inputs)
        r.mid["present"] = present.long()
        take = present if opt["missing"] == "present_only" else torch.ones_like(present)
        levels, tilde, z_alpha = self.reconstruct(p, r, buffers, alpha, training)
        r.z_alpha, r.take, r.label_kept, r.labels = z_alpha, take, label_kept, labels
        top = list(levels)[-1]
        zero = labels.new_zeros(())

        # Class scores: the alpha level listens to observed modalities alone.
        any_present = take.any(1)
        r.loss.update({f"cls_{level}": zero for level in ("alpha", "beta", "gamma")})
        for level, x in levels.items():
            logits = [r.tap(f"logits_{level}.{m}", (x[m] * p[f"{m}_clf_weight"]).sum(-1)) for m in self.modalities]
            stacked = torch.stack(logits, 1)
            listened = torch.ones_like(stacked).bool()
            if level == "alpha":
                listened = (take | ~any_present[:, None])[:, :, None].expand_as(stacked)
            best = stacked.detach().masked_fill(~listened, -math.inf).max(1)
            winner = torch.zeros_like(best.indices)
            for k in range(len(self.modalities) - 1, -1, -1):  # ties: the first modality
                candidate = listened[:, k] & (stacked[:, k].detach() == best.values)
                winner = torch.where(candidate, torch.full_like(winner, k), winner)
            r.mid[f"winner_{level}"] = winner
            highest = torch.gather(stacked, 1, winner[:, None, :])[:, 0]
            r.mid[f"max_logit_{level}"] = r.look(f"max_logit_{level}", highest)
            keep = label_kept & any_present[:, None] if level == "alpha" else label_kept
            r.loss[f"cls_{level}"] = masked_mean(
                F.binary_cross_entropy_with_logits(highest, labels, reduction="none"), keep
            )

        # Eq 7.
        r.loss.update({f"rec_{level}": zero for level in ("tilde", "beta", "gamma")})
        pairs = {"tilde": tilde} if opt["autoencoder"] else {}
        pairs.update({level: levels[level] for level in ("beta", "gamma") if level in levels})
        for level, x in pairs.items():
            for k, m in enumerate(self.modalities):
                r.inner[f"rec_{level}.{m}"] = self.reconstruction_loss(x[m], alpha[m], take[:, k])
                r.loss[f"rec_{level}"] = r.loss[f"rec_{level}"] + r.inner[f"rec_{level}.{m}"]

        # Eq 1 to 4.
        r.loss.update({name: zero for name in ("adv_C", "adv_S", "orth_CS", "orth_SS", "cml")})
        common, specific = {}, {}
        g_level = top if opt["g_input"] == "top" else opt["g_input"]
        for k, m in enumerate(self.modalities):
            if opt["use_C"]:
                c = self.drop("generator", self.linear(p, "common_feature_extractor.0", levels[g_level][m]))
                common[m] = r.tap(f"C.{m}", torch.tanh(c))
            if opt["use_S"]:
                s = self.linear(p, f"private_feature_extractor.{k}.0", levels[opt["f_input"]][m])
                s = torch.tanh(self.drop("specificity", s))
                specific[m] = r.tap(f"S.{m}", s * take[:, k, None, None].to(s.dtype))
        d = dict(p, **discriminator) if discriminator is not None else p
        frozen = discriminator is not None
        everyone = torch.ones(batch, dtype=torch.bool)
        if self.adversary == "confusion":
            r.loss["adv_confusion"] = zero
        for k, m in enumerate(self.modalities):
            if common:
                if self.adversary == "gradient_reversal":
                    seen = _Reversal.apply(common[m], opt["grl_c"])
                else:
                    seen = common[m].detach() if self.adversary == "confusion" else common[m]
                logits = r.tap(f"disc_C.{m}", self.discriminate(d, seen, frozen))
                r.loss["adv_C"] = r.loss["adv_C"] + self.cross_entropy(logits, k, everyone)
                if self.adversary == "confusion":
                    even = -torch.log_softmax(self.discriminate(p, common[m], frozen=True), -1).mean(-1)
                    r.loss["adv_confusion"] = r.loss["adv_confusion"] + even.mean()
            if specific:
                logits = r.tap(f"disc_S.{m}", self.discriminate(d, specific[m], frozen))
                r.loss["adv_S"] = r.loss["adv_S"] + self.cross_entropy(logits, k, take[:, k])
        r.common, r.specific = common, specific
        if common:
            r.loss["cml"] = self.semantic_loss(p, r, common, labels, label_kept)
        if common or specific:
            r.loss["orth_CS"], r.loss["orth_SS"] = self.orthogonality(r, common, specific, take)

        # Eq 12 and the prediction.
        source = opt["shuffle_input"]
        if source == "gamma":
            slots = [levels[top][m] for m in self.modalities]
        elif source == "four_slots":
            slots = [specific[m] for m in self.modalities] + [sum(common[m] for m in self.modalities)]
        elif source == "concat":
            slots = [self.linear(p, "shuffle_input", torch.cat([common[m], specific[m]], -1)) for m in self.modalities]
        else:
            parts = [side for side in (common, specific) if side]
            slots = [sum(side[m] for side in parts) for m in self.modalities]
        f = r.tap("F", torch.stack(slots, 1))
        aggregate = lambda x: self.two_layers(p, "agg", x.flatten(2))  # noqa: E731
        agg_out = r.tap("agg_out", aggregate(f))
        many = f.shape[1]
        bce_all = lambda logits, y, keep: masked_mean(  # noqa: E731
            F.binary_cross_entropy_with_logits(logits, y, reduction="none"), keep
        )
        spread = lambda t: t[:, None, :].expand(-1, many, -1)  # noqa: E731
        r.loss["suf_unshuffled"] = bce_all(agg_out, spread(labels), spread(label_kept))
        if training:
            if opt["shuffle"] == "given":
                bs, ms = inputs["shuffle_sample_idx"], inputs["shuffle_modality_idx"]
            else:
                pi, rho = stack_shuffle.permutations(
                    opt["shuffle"], batch, many, count, opt["k_s"], opt["k_m"], opt["rounds"]
                )
                from_sample, from_modality = stack_shuffle.sources(pi, rho, opt["gather"])
                r.mid["shuffle_pi"], r.mid["shuffle_rho"] = torch.from_numpy(pi), torch.from_numpy(rho)
                bs, ms = torch.from_numpy(from_sample), torch.from_numpy(from_modality)
            js = torch.arange(count)[None, None, :].expand(batch, many, -1)
            r.mid["shuffle_sample_idx"], r.mid["shuffle_modality_idx"] = bs, ms
            v = f[bs, ms, js]
            follow = opt["labels_follow"]
            y2 = labels[bs, js] if follow else spread(labels)
            kept2 = label_kept[bs, js] if follow else spread(label_kept)
            r.look("shuffle_V", v)
            r.mid["shuffle_V"], r.mid["shuffle_labels"] = v, y2
            if "label_mask" in inputs:
                r.mid["shuffle_label_mask"] = kept2.long()
            r.loss["suf"] = bce_all(r.tap("shuffle_out", aggregate(v)), y2, kept2)
            # Eq 11.
            r.loss["scl"] = self.contrast(r, buffers, p, levels, z_alpha, take, labels, label_kept)
        r.mid["agg_scores_mean"] = torch.sigmoid(agg_out).mean(1)
        r.mid["score"] = 0.5 * (torch.sigmoid(r.mid[f"max_logit_{top}"]) + r.mid["agg_scores_mean"])
        r.mid["pred_labels"] = (r.mid["score"] > opt["threshold"]).to(labels.dtype)
        return r

    def total(self, loss):
        """The reported total of Eq 13: every term with its weight."""
        return sum(self.opt[WEIGHT_OF[name]] * value for name, value in loss.items())

    def objective(self, loss, weight_of_adv_c=None):
        """What is differentiated: a term of weight 0 is left out altogether."""
        out = None
        for name, value in loss.items():
            weight = self.opt[WEIGHT_OF[name]]
            if name == "adv_C" and weight_of_adv_c is not None:
                weight = weight_of_adv_c
            if weight != 0.0 and value.requires_grad:
                out = weight * value if out is None else out + weight * value
        return out

    def updated_buffers(self, buffers, r):
        """Prototypes and queue after a training step (no gradient, in batch order)."""
        after = {name: value.clone() for name, value in buffers.items()}
        momentum = self.opt["proto_m"]
        for k, m in enumerate(self.modalities):
            direction = unit(r.z_alpha[m].detach())
            for b in range(direction.shape[0]):
                if not bool(r.take[b, k]):
                    continue
                for j in range(direction.shape[1]):
                    if bool(r.label_kept[b, j]):
                        side = "pos" if r.labels[b, j] > 0.5 else "neg"
                        table = after[f"{m}_{side}_protos"]
                        table[j] = momentum * table[j] + (1.0 - momentum) * direction[b, j]
        features, ids = r.mid["scl_features"].detach(), r.mid["scl_class_ids"]
        size, at = after["queue"].shape[0], int(after["queue_ptr"])
        if self.opt["contrast"] != "batch":
            for row, identity in zip(features, ids):
                after["queue"][at] = row
                after["queue_ids"][at] = identity
                at = (at + 1) % size
        after["queue_ptr"] = torch.tensor(at)
        return after


# -- optimizer -----------------------------------------------------------------------------------------------------


def decays(name):
    return not any(part in name for part in ("bias", "LayerNorm.weight"))


def norm_of(gradients):
    return torch.sqrt(sum((g * g).sum() for g in gradients))


def clipped(gradients):
    """Global clip to norm 1. Returns (gradients, norm before)."""
    norm = norm_of(gradients.values()) if gradients else torch.zeros(())
    factor = min(1.0, 1.0 / (float(norm) + 1e-6))
    return {name: g * factor for name, g in gradients.items()}, norm


def schedule(step, t_total, warmup=0.1):
    """Linear warm-up, then linear to 0; constant where t_total is -1."""
    if t_total < 0:
        return 1.0
    x = step / t_total
    return x / warmup if x < warmup else max((x - 1.0) / (warmup - 1.0), 0.0)


class BertAdam:
    """No bias correction; clips every tensor on top of the global clip; skips what has no gradient."""

    def __init__(self, config):
        self.config = config
        self.state = {}

    def step(self, params, gradients, scale=1.0):
        c = self.config
        out = dict(params)
        for name, g in gradients.items():
            g = g * min(1.0, 1.0 / (float(torch.sqrt((g * g).sum())) + 1e-6))
            m, v = self.state.get(name, (torch.zeros_like(g), torch.zeros_like(g)))
            m = c["b1"] * m + (1.0 - c["b1"]) * g
            v = c["b2"] * v + (1.0 - c["b2"]) * g * g
            self.state[name] = (m, v)
            update = m / (torch.sqrt(v) + c["e"])
            if decays(name):
                update = update + c["weight_decay"] * params[name]
            out[name] = params[name] - c["lr"] * scale * update
        return out


def leaves(params):
    return {name: value.detach().clone().requires_grad_(True) for name, value in params.items()}


def gradients_of(params):
    return {name: value.grad for name, value in params.items() if value.grad is not None}


class Step:
    """Everything that one training step yields."""

    def __init__(self, reference, params, buffers, inputs, optimizer, scale=1.0):
        self.reference = reference
        p = leaves(params)
        if reference.adversary == "alternating":
            self._alternate(reference, p, buffers, inputs, optimizer, scale)
        else:
            self.result = r = reference.forward(p, buffers, inputs)
            objective = reference.objective(r.loss)
            objective.backward()
            self.gradients = gradients_of(p)
            clipped_gradients, self.norm = clipped(self.gradients)
            self.after = optimizer.step(params, clipped_gradients, scale)
            r.loss["total"] = reference.total(r.loss)
        self.result.loss["grad_norm_before_clip"] = self.norm
        self.buffers = reference.updated_buffers(buffers, self.result)

    def _alternate(self, reference, p, buffers, inputs, optimizer, scale):
        """Phase 1: D alone on detached C and S. Phase 2: all else, against the updated D, with L_C's sign turned."""
        params = {name: value.detach() for name, value in p.items()}
        first = reference.forward(params, buffers, inputs)
        d = {name: value for name, value in p.items() if is_discriminator(name)}
        take, everyone = first.take, torch.ones_like(first.take[:, 0])
        adv_c = adv_s = first.loss["scl"].new_zeros(())
        phase1 = {}
        for k, m in enumerate(reference.modalities):
            phase1[f"disc_C_phase1.{m}"] = reference.discriminate(p, first.common[m])
            phase1[f"disc_S_phase1.{m}"] = reference.discriminate(p, first.specific[m])
            adv_c = adv_c + reference.cross_entropy(phase1[f"disc_C_phase1.{m}"], k, everyone)
            adv_s = adv_s + reference.cross_entropy(phase1[f"disc_S_phase1.{m}"], k, take[:, k])
        weight = reference.opt["w_adv"]
        if weight != 0.0:
            (weight * (adv_c + adv_s)).backward()
        d_gradients = gradients_of(d)
        d_clipped, d_norm = clipped(d_gradients)
        updated = optimizer.step(params, d_clipped, scale)
        d_after = {name: updated[name] for name in d}

        rest = {name: value for name, value in p.items() if name not in d}
        self.result = r = reference.forward(p, buffers, inputs, discriminator=d_after)
        objective = reference.objective(r.loss, weight_of_adv_c=-weight)
        objective.backward()
        rest_gradients = gradients_of(rest)
        rest_clipped, self.norm = clipped(rest_gradients)
        self.after = dict(optimizer.step(params, rest_clipped, scale), **d_after)
        self.gradients = dict(rest_gradients, **d_gradients)
        r.mid.update(phase1)
        r.loss["total"] = reference.total(r.loss)
        r.loss["adv_C_phase1"], r.loss["adv_S_phase1"] = adv_c, adv_s
        r.loss["objective_phase2"] = objective
        r.loss["grad_norm_before_clip_phase1"] = d_norm


def as_tensors(arrays, dtype):
    out = {}
    for name, array in arrays.items():
        tensor = torch.from_numpy(np.array(array))
        out[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    return out


def evaluate(reference, params, buffers, inputs):
    with torch.no_grad():
        return reference.forward(params, buffers, inputs, training=False)
