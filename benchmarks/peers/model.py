"""CARAT (aligned) and RAMer as released: forward pass, loss terms and state, as their authors would run them.

Parameters and buffers carry the published names. Modality order: text, visual, audio. B samples, C labels, H hidden, K latent width.
"""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

import contrast
from layers import Encoder, LabelAttention, MultiLinear, Normalize, Reversal

MODALITIES = ("text", "visual", "audio")
CROSS = {"text": "va2t", "visual": "ta2v", "audio": "tv2a"}
LAYERS = {"carat": (6, 4, 4), "ramer-released": (3, 3, 3)}
RECIPES = tuple(LAYERS)
WEIGHTS = {
    "cls_alpha": 0.01, "cls_beta": 0.1, "cls_gamma": 1.0, "rec_tilde": 1.0, "rec_beta": 1.0, "rec_gamma": 0.0,
    "contrast": 1.0, "shuffled": 1.0, "unshuffled": 0.0, "adversarial": 0.01, "orthogonality": 5e-6, "common_semantic": 0.5,
}  # fmt: skip
CARAT_WEIGHTS = {"shuffled": 0.1, "unshuffled": 1.0}
WEIGHT_OF = {
    "adv_commonality": "adversarial", "adv_specificity": "adversarial",
    "orth_common_specific": "orthogonality", "orth_specific_specific": "orthogonality",
}  # fmt: skip


def weights_of(recipe):
    return {**WEIGHTS, **(CARAT_WEIGHTS if recipe == "carat" else {})}


@dataclass
class Settings:
    """Sizes of CMU-MOSEI and of the published scripts."""

    recipe: str = "carat"
    widths: tuple = (300, 35, 74)
    layers: tuple = ()
    positions: tuple = (60, 60, 60)
    hidden: int = 256
    inner: int = 256
    heads: int = 8
    latent: int = 64
    labels: int = 6
    queue: int = 8192
    dropout: float = 0.3  # of the encoders and of G
    small_dropout: float = 0.1  # of f_m, D and the common-semantic head
    temperature: float = 0.07
    momentum: float = 0.99  # of the prototypes
    contrast: str = "stored"
    chunk: int = 512  # rows at once, where it is "chunked"
    style: str = "published"
    weights: dict = field(default_factory=dict)

    def __post_init__(self):
        self.layers = self.layers or LAYERS[self.recipe]
        self.weights = {**weights_of(self.recipe), **self.weights}


class Peer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s, self.carat = s, s.recipe == "carat"
        h, k = s.hidden, s.latent
        for m, width, count, positions in zip(MODALITIES, s.widths, s.layers, s.positions):
            setattr(self, f"{m}_norm", Normalize(width, s.style))
            setattr(self, m, Encoder(width, count, positions, s))
        # The published start values: small normals in the encoders alone.
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, 0.0, 0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        for m in MODALITIES:
            setattr(self, f"{m}_attention", LabelAttention(s))
            setattr(self, f"{m}_clf_weight", nn.Parameter(nn.init.kaiming_uniform_(torch.empty(s.labels, h), a=5**0.5)))
            setattr(self, f"proj_{m}", MultiLinear([h, h // 2], k))
            setattr(self, f"de_proj_{m}", MultiLinear([k, h // 2], h))
            setattr(self, CROSS[m], MultiLinear([3 * h], h))
            for side in ("pos", "neg"):
                self.register_buffer(f"{m}_{side}_protos", torch.zeros(s.labels, k))
        self.agg = MultiLinear([s.labels * h, h], s.labels)
        if not self.carat:
            small = s.small_dropout
            self.common_feature_extractor = nn.Sequential(nn.Linear(h, h), nn.Dropout(s.dropout), nn.Tanh())
            self.private_feature_extractor = nn.ModuleList(nn.Sequential(nn.Linear(h, h), nn.Dropout(small), nn.Tanh()) for _ in MODALITIES)
            self.modal_discriminator = nn.Sequential(nn.Linear(h, h // 2), nn.Dropout(small), nn.ReLU(), nn.Linear(h // 2, 3))
            self.common_classfier = nn.Sequential(nn.Linear(h, s.labels), nn.Dropout(small))
        self.register_buffer("queue", F.normalize(torch.randn(s.queue, k), dim=-1))
        self.register_buffer("queue_label", torch.randn(s.queue, 1))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    def of(self, name, m):
        return getattr(self, name.format(m))

    # -- the pass --------------------------------------------------------------------------------------------------

    def encode(self, m, x, mask):
        """X_alpha^m (B, C, H)"""
        return self.of("{}_attention", m)(self.of("{}", m)(self.of("{}_norm", m)(x), mask), mask)

    def delta(self, m, z):
        """What the two prototypes of each label say of z (B, C, K): their mixture in training, the nearer one in evaluation."""
        positive, negative = self.of("{}_pos_protos", m).clone(), self.of("{}_neg_protos", m).clone()  # updated before the reverse sweep
        direction = F.normalize(z, dim=-1)
        scores = torch.stack([(direction * positive).sum(-1), (direction * negative).sum(-1)], -1)
        if self.training:
            share = F.softmax(scores, dim=-1)
            return share[..., :1] * positive + share[..., 1:] * negative
        return torch.where((scores[..., 0] > scores[..., 1])[..., None], positive, negative)

    def class_score(self, x):
        return torch.stack([(x[m] * self.of("{}_clf_weight", m)).sum(-1) for m in MODALITIES], 1).max(1).values

    def aggregate(self, f):
        """(B, M, C, H) -> (B, M, C)"""
        return self.agg(f.flatten(2))

    def forward(self, inputs, masks, labels=None, sources=None):
        """Score (B, C); in training {term: value} besides. `sources`: (sample, modality) of every shuffled slot (B, M, C), else drawn."""
        alpha = {m: self.encode(m, inputs[m], masks[m]) for m in MODALITIES}
        z = {m: self.of("proj_{}", m)(alpha[m]) for m in MODALITIES}
        tilde = {m: self.of("de_proj_{}", m)(z[m]) for m in MODALITIES}
        mixed = {m: self.of("de_proj_{}", m)(self.delta(m, z[m])) for m in MODALITIES}
        cross = lambda m, slots: getattr(self, CROSS[m])(torch.cat(slots, -1))  # noqa: E731
        beta = {m: cross(m, [mixed[k] if k == m else tilde[k] for k in MODALITIES]) for m in MODALITIES}
        gamma = {m: cross(m, [beta[k] for k in MODALITIES]) for m in MODALITIES}
        scores = [self.class_score(x) for x in (alpha, beta, gamma)]
        f = torch.stack([gamma[m] for m in MODALITIES], 1)
        aggregated = self.aggregate(f)
        score = (torch.sigmoid(scores[-1]) + torch.sigmoid(aggregated).mean(1)) / 2
        common, specific = ({}, {}) if self.carat else self.subspaces(alpha, gamma)
        if labels is None:
            return score

        terms = {}
        bce = F.binary_cross_entropy_with_logits
        for name, logits in zip(("cls_alpha", "cls_beta", "cls_gamma"), scores):
            terms[name] = bce(logits, labels)
        for name, x in (("rec_tilde", tilde), ("rec_beta", beta), ("rec_gamma", gamma)):
            terms[name] = sum(F.mse_loss(x[m], alpha[m]) for m in MODALITIES)
        terms["unshuffled"] = bce(aggregated, labels[:, None, :].expand_as(aggregated))
        sample, modality = sources or self.draw_sources(labels)
        label = torch.arange(labels.shape[1])
        terms["shuffled"] = bce(self.aggregate(f[sample, modality, label]), labels[sample, label])
        if not self.carat:
            terms.update(self.subspace_terms(common, specific, labels))
        rows, ids = self.contrast_rows(z, beta, gamma, labels)
        variant = contrast.VARIANTS[self.s.contrast]
        terms["contrast"] = variant(rows, self.queue, ids, self.queue_label[:, 0], self.s.temperature, self.s.chunk)
        self.update_state(z, labels, rows, ids)
        return score, terms

    def draw_sources(self, labels):
        b, c = labels.shape
        if self.carat:  # independent permutations: of the batch per (modality, label), of the modalities per (sample, label)
            return torch.rand(b, 3, c).argsort(0), torch.rand(b, 3, c).argsort(1)
        sample, modality = torch.arange(b - 1, -1, -1), torch.arange(2, -1, -1)
        return sample[:, None, None].expand(b, 3, c), modality[None, :, None].expand(b, 3, c)

    def total(self, terms):
        """The release computes the unshuffled term of RAMer and does not add it."""
        weights = self.s.weights
        added = [n for n in terms if n != "unshuffled" or self.carat]
        return sum(weights[WEIGHT_OF.get(n, n)] * terms[n] for n in added)

    # -- RAMer's subspaces -----------------------------------------------------------------------------------------

    def subspaces(self, alpha, gamma):
        common = {m: self.common_feature_extractor(gamma[m]) for m in MODALITIES}
        return common, {m: f(alpha[m]) for m, f in zip(MODALITIES, self.private_feature_extractor)}

    def subspace_terms(self, common, specific, labels):
        def which(x, k):
            logits = self.modal_discriminator(x).flatten(0, 1)
            return F.cross_entropy(logits, torch.full((logits.shape[0],), k, dtype=torch.long))

        def overlap(x, y):
            return torch.matmul(x, y.transpose(1, 2)).pow(2).sum((1, 2)).mean()

        t, v, a = (specific[m] for m in MODALITIES)
        guess = torch.sigmoid(self.common_classfier(sum(common[m] for m in MODALITIES)[:, 0]))
        return {
            "adv_commonality": sum(which(Reversal.apply(common[m]), k) for k, m in enumerate(MODALITIES)),
            "adv_specificity": sum(which(specific[m], k) for k, m in enumerate(MODALITIES)),
            "orth_common_specific": sum(overlap(common[m], specific[m]) for m in MODALITIES),
            "orth_specific_specific": overlap(t, v) + overlap(t, a) + overlap(v, a),
            "common_semantic": F.binary_cross_entropy(guess, labels),
        }

    # -- contrast and state ----------------------------------------------------------------------------------------

    def contrast_rows(self, z, beta, gamma, labels):
        """Unit codes in the order (sample, level, modality, label), (9 B C, K), and their class ids."""
        codes = [z[m] for m in MODALITIES] + [self.of("proj_{}", m)(x[m]) for x in (beta, gamma) for m in MODALITIES]
        rows = F.normalize(torch.stack(codes, 1), dim=-1)
        c = labels.shape[1]
        place = torch.arange(c, dtype=labels.dtype) + 2 * c * torch.arange(3, dtype=labels.dtype)[:, None]
        ids = place + c * (1.0 - labels)[:, None, :]  # (B, M, C)
        return rows.flatten(0, 2), torch.cat([ids, ids, ids], 1).flatten()

    @torch.no_grad()
    def update_state(self, z, labels, rows, ids):
        keep = self.s.momentum
        for m in MODALITIES:
            directions = F.normalize(z[m].detach(), dim=-1)
            for side, own in (("pos", labels > 0.5), ("neg", labels <= 0.5)):
                table = self.of("{}_" + side + "_protos", m)
                for b in range(labels.shape[0]):  # one sample after the other: the order counts
                    table.copy_(torch.where(own[b][:, None], keep * table + (1.0 - keep) * directions[b], table))
        size, begin = self.queue.shape[0], int(self.queue_ptr)
        place = (begin + torch.arange(rows.shape[0])) % size
        last = slice(max(0, rows.shape[0] - size), None)
        self.queue[place[last]] = rows.detach()[last].to(self.queue.dtype)
        self.queue_label[place[last], 0] = ids[last]
        self.queue_ptr[0] = (begin + rows.shape[0]) % size

    def fill_queue(self):
        """As after a few steps: every row has a class."""
        self.queue_label.copy_(torch.randint(0, 6 * self.s.labels, self.queue_label.shape).to(self.queue_label.dtype))
