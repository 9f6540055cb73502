"""TAILOR in PyTorch, written from the equations. Its encoders, optimizer and CTC module are those of `ramer_reference.py`.

L time steps, equal for all modalities (unaligned: after the CTC module); P private, C common features. All masks are ones.
"""

import itertools

import numpy as np
import torch
from torch.nn import functional as F

import ramer_reference as ramer

MODALITIES = ["text", "visual", "audio"]
CTC_PREFIX = {"visual": "v2t_ctc", "audio": "a2t_ctc"}
LOSS_NAMES = ["cls", "adv_C", "adv_P", "orth_CP", "orth_PP", "cml", "ctc"]
WEIGHT_OF = {
    "cls": "w_cls", "adv_C": "w_adv", "adv_P": "w_adv", "orth_CP": "w_orth", "orth_PP": "w_orth", "cml": "w_cml",
    "ctc": "w_ctc",
}  # fmt: skip
TAPS = (
    "normed.", "encoder_out.", "P.", "C.", "C_sum", "va_cross", "vat_cross", "pc_cross", "decoded", "head_logit",
    "cml_logit", "disc_C.", "disc_P.", "ctc_logits.", "encoder_in.",
)  # fmt: skip


class Tailor(ramer.Reference):
    def cross(self, p, r, name, first, second):
        """Transformer over [first ; second] along time, with positions and types 0 and 1."""
        x = torch.cat([first, second], 1)
        types = torch.tensor([0] * first.shape[1] + [1] * second.shape[1])
        x = x + p[f"{name}.embeddings.position_embeddings.weight"][: x.shape[1]]
        x = x + p[f"{name}.embeddings.token_type_embeddings.weight"][types]
        h = self.drop("cross", self.layer_norm(p, f"{name}.embeddings.LayerNorm", x))
        for layer in range(self.dims["cross_layers"]):
            at = f"{name}.encoder.layer.{layer}"
            h = self.feed_forward(p, at, self.attention(p, f"{at}.attention", h, h, 0.0, site="cross"), site="cross")
        return r.tap(name, h)

    def decode_labels(self, p, r, memory):
        """Label embeddings attend to one another, then to the memory. Returns [B, C, H]."""
        h = self.layer_norm(p, "decoder.embeddings.LayerNorm", p["decoder.embeddings.word_embeddings.weight"])
        h = self.drop("decoder", h)[None].expand(memory.shape[0], -1, -1)
        for layer in range(self.dims["decoder_layers"]):
            at = f"decoder.layer.{layer}"
            h = self.attention(p, f"{at}.slf_attn", h, h, 0.0, site="decoder")
            h = self.attention(p, f"{at}.enc_attn", h, memory, 0.0, site="decoder")
            h = self.feed_forward(p, at, h, site="decoder")
        return r.tap("decoded", h)

    def ctc_loss(self, logits, length):
        """Mean over the samples of -log p(1, 2, ..., length | logits); blank 0."""
        batch, steps, _ = logits.shape
        target = torch.arange(1, length + 1)[None].expand(batch, -1)
        log_probs = torch.log_softmax(logits, -1).transpose(0, 1)
        whole = lambda n: torch.full((batch,), n, dtype=torch.int64)  # noqa: E731
        return F.ctc_loss(log_probs, target, whole(steps), whole(length), blank=0, reduction="none").mean()

    def forward(self, p, buffers, inputs, training=True, discriminator=None):
        r = ramer.Result(TAPS)
        opt, labels = self.opt, inputs["labels"]
        self.training = training
        private, common = {}, {}
        for k, m in enumerate(MODALITIES):
            ones = inputs[f"{m}_mask"].bool()
            h = self.encode(p, r, m, inputs[m], ones, ones)
            extract = lambda site, name: torch.tanh(self.drop(site, self.linear(p, name, h)))  # noqa: B023, E731
            private[m] = r.tap(f"P.{m}", extract("private", f"private_feature_extractor.{k}.0"))
            common[m] = r.tap(f"C.{m}", extract("common", "common_feature_extractor.0"))
        c_sum = r.tap("C_sum", sum(common[m] for m in MODALITIES))
        a, v, t = opt.get("fusion_order", ["audio", "visual", "text"])
        va = self.cross(p, r, "va_cross", private[a], private[v])
        vat = self.cross(p, r, "vat_cross", private[t], va)
        memory = self.cross(p, r, "pc_cross", vat, c_sum)
        logits = self.linear(p, "cross_classifier", self.decode_labels(p, r, memory))[..., 0]
        logits = r.tap("head_logit", self.drop("head", logits))
        bce = lambda x: F.binary_cross_entropy_with_logits(x, labels)  # noqa: E731
        zero = labels.new_zeros(())
        r.loss = {name: zero for name in LOSS_NAMES}
        r.loss["cls"] = bce(logits)
        r.loss["cml"] = bce(
            r.tap("cml_logit", self.drop("common_semantic", self.linear(p, "common_classfier.0", c_sum[:, 0])))
        )
        for k, m in enumerate(MODALITIES):
            seen = {"C": ramer._Reversal.apply(common[m], opt["grl_c"]), "P": private[m]}
            for side, x in seen.items():
                guess = r.tap(f"disc_{side}.{m}", self.discriminate(p, x))
                r.loss[f"adv_{side}"] = r.loss[f"adv_{side}"] - torch.log_softmax(guess, -1)[..., k].mean()
        gram = lambda f, g: (f @ g.transpose(1, 2)).pow(2).sum((1, 2)).mean()  # noqa: E731
        r.loss["orth_CP"] = sum(gram(common[m], private[m]) for m in MODALITIES)
        r.loss["orth_PP"] = sum(gram(private[m], private[n]) for m, n in itertools.combinations(MODALITIES, 2))
        if self.config.get("ctc"):
            for m, prefix in self.config["ctc"].items():
                r.tap(f"ctc_logits.{m}", r.inner[f"{prefix[:3]}_position"])
                r.tap(f"encoder_in.{m}", r.inner[f"{m}_encoder_in"])
                r.loss["ctc"] = r.loss["ctc"] + self.ctc_loss(r.mid[f"ctc_logits.{m}"], inputs["text"].shape[1])
        r.mid["score"] = torch.sigmoid(logits)
        r.mid["pred_labels"] = (r.mid["score"] > opt["threshold"]).to(labels.dtype)
        return r

    def total(self, loss):
        return sum(self.opt[WEIGHT_OF[name]] * value for name, value in loss.items())

    def objective(self, loss, weight_of_adv_c=None):
        return sum(self.opt[WEIGHT_OF[n]] * v for n, v in loss.items() if v.requires_grad and self.opt[WEIGHT_OF[n]] != 0.0)

    def updated_buffers(self, buffers, r):
        return {}


def run_curve(config, inputs, params, dtype):
    """Returns (rows [steps, columns], final evaluation scores)."""
    reference = Tailor(config)
    params, inputs = ramer.as_tensors(params, dtype), ramer.as_tensors(inputs, dtype)
    optimizer = ramer.BertAdam(config["optimizer"])
    rows = []
    for s in range(config["steps"]):
        scale = ramer.schedule(s, config["t_total"], config["warmup"])
        step = ramer.Step(reference, params, {}, inputs, optimizer, scale)
        values = {**{k: v.detach() for k, v in step.result.loss.items()}, "lr_used": config["optimizer"]["lr"] * scale}
        rows.append([float(values[column]) for column in config["columns"]])
        params = step.after
    return np.array(rows), ramer.evaluate(reference, params, {}, inputs).mid["score"].numpy()
