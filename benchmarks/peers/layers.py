"""Modules of CARAT and RAMer, under the names of the published state dicts.

`style`: "published" writes layer norm, GELU and attention out of primitive operations, as code that descends from BERT does; "fused" calls
PyTorch's own functions where it has them.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

EPSILON = 1e-12


class LayerNorm(nn.Module):
    def __init__(self, width, style):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.style = style

    def forward(self, x):
        if self.style == "fused":
            return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, EPSILON)
        mean = x.mean(-1, keepdim=True)
        variance = (x - mean).pow(2).mean(-1, keepdim=True)
        return self.weight * ((x - mean) / torch.sqrt(variance + EPSILON)) + self.bias


class Normalize(nn.Module):
    def __init__(self, width, style):
        super().__init__()
        self.norm2d = LayerNorm(width, style)

    def forward(self, x):
        return self.norm2d(x)


class Embeddings(nn.Module):
    def __init__(self, width, positions, s):
        super().__init__()
        self.word_embeddings = nn.Linear(width, s.hidden)
        self.position_embeddings = nn.Embedding(positions, s.hidden)
        self.LayerNorm = LayerNorm(s.hidden, s.style)
        self.dropout = nn.Dropout(s.dropout)

    def forward(self, x):
        position = torch.arange(x.shape[1], device=x.device).unsqueeze(0).expand(x.shape[0], -1)
        return self.dropout(self.LayerNorm(self.word_embeddings(x) + self.position_embeddings(position)))


class SelfAttention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads, self.rate, self.style = s.heads, s.dropout, s.style
        self.query, self.key, self.value = (nn.Linear(s.hidden, s.hidden) for _ in range(3))
        self.dropout = nn.Dropout(s.dropout)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).permute(0, 2, 1, 3)

    def forward(self, x, bias):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        if self.style == "fused" and hasattr(F, "scaled_dot_product_attention"):
            context = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=self.rate if self.training else 0.0)
        else:
            scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.shape[-1]) + bias
            context = torch.matmul(self.dropout(F.softmax(scores, dim=-1)), v)
        return context.permute(0, 2, 1, 3).contiguous().view(x.shape)


class AddAndNorm(nn.Module):
    """LN(residual + Dropout(Linear x))"""

    def __init__(self, width, s):
        super().__init__()
        self.dense = nn.Linear(width, s.hidden)
        self.LayerNorm = LayerNorm(s.hidden, s.style)
        self.dropout = nn.Dropout(s.dropout)

    def forward(self, x, residual):
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.self, self.output = SelfAttention(s), AddAndNorm(s.hidden, s)

    def forward(self, x, bias):
        return self.output(self.self(x, bias), x)


class Intermediate(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.dense, self.style = nn.Linear(s.hidden, s.inner), s.style

    def forward(self, x):
        x = self.dense(x)
        return F.gelu(x) if self.style == "fused" else x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.attention, self.intermediate, self.output = Attention(s), Intermediate(s), AddAndNorm(s.inner, s)

    def forward(self, x, bias):
        x = self.attention(x, bias)
        return self.output(self.intermediate(x), x)


class Layers(nn.Module):
    def __init__(self, count, s):
        super().__init__()
        self.layer = nn.ModuleList(Layer(s) for _ in range(count))

    def forward(self, x, bias):
        for layer in self.layer:
            x = layer(x, bias)
        return x


class Pooler(nn.Module):
    """Its result is read by nobody; the published encoders compute it all the same."""

    def __init__(self, s):
        super().__init__()
        self.dense = nn.Linear(s.hidden, s.hidden)

    def forward(self, x):
        return torch.tanh(self.dense(x[:, 0]))


class Encoder(nn.Module):
    """(B, T, width), mask (B, T) -> (B, T, hidden)"""

    def __init__(self, width, count, positions, s):
        super().__init__()
        self.embeddings, self.encoder, self.pooler = Embeddings(width, positions, s), Layers(count, s), Pooler(s)

    def forward(self, x, mask):
        bias = (1.0 - mask.to(x.dtype))[:, None, None, :] * -10000.0
        h = self.encoder(self.embeddings(x), bias)
        self.pooler(h)
        return h


class LabelAttention(nn.Module):
    """(B, T, H) -> (B, C, H)"""

    def __init__(self, s):
        super().__init__()
        self.attention = nn.Linear(s.hidden, s.labels, bias=False)
        nn.init.xavier_uniform_(self.attention.weight)

    def forward(self, h, mask):
        scores = self.attention(h).transpose(1, 2).masked_fill(mask[:, None, :] == 0, -math.inf)
        return torch.matmul(F.softmax(scores, dim=-1), h)


class MultiLinear(nn.Module):
    """Linear and ReLU for each width, then Linear."""

    def __init__(self, widths, out):
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:]))
        self.output = nn.Linear(widths[-1], out)
        for layer in [*self.linear, self.output]:
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x):
        for layer in self.linear:
            x = F.relu(layer(x))
        return self.output(x)


class Reversal(torch.autograd.Function):
    """Identity whose gradient is turned."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient
