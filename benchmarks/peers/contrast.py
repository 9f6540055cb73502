"""The supervised contrastive loss in which queue rows are anchors too, twice: with all N x N matrices, and without any.

s_ij = <z_i, z_j> / eta; l_i = sum over positives p of log(exp(s_ip - m_i) / (sum_{j != i} exp(s_ij - m_i) + 1e-12)), m_i = max_j s_ij;
loss = -mean_i l_i / (n_i + 1e-12), n_i positives of i. Positives have the same id; an id that is no whole number matches nothing.
"""

import torch

TINY = 1e-12


def stored(rows, queue, ids, queue_ids, temperature, chunk=None):
    """As published: every factor of the formula is a matrix N x N, N = batch rows + queue rows, alive until the function returns or, where
    autograd needs it, until the reverse sweep.

    rows (R, K), queue (Q, K) unit rows, ids (R), queue_ids (Q) in the type of the rows.
    """
    z = torch.cat([rows, queue.detach().clone()])
    own = torch.cat([ids, queue_ids])[:, None]
    same = torch.eq(own, own.T).to(z.dtype)
    similarity = torch.div(torch.matmul(z, z.T), temperature)
    highest, _ = torch.max(similarity, dim=1, keepdim=True)
    scores = similarity - highest.detach()
    others = torch.ones_like(same)
    others.fill_diagonal_(0)
    positives = same * others
    exponentials = torch.exp(scores) * others
    log_share = scores - torch.log(exponentials.sum(1, keepdim=True) + TINY)
    per_anchor = (positives * log_share).sum(1) / (positives.sum(1) + TINY)
    return -per_anchor.mean()


class Chunked(torch.autograd.Function):
    """Same value and gradient, rows in chunks; forward keeps one number a row, backward computes the chunks again.

    The sum over positives is a sum per class: sum_p s_ip = <z_i, S_i - z_i> / eta, S_i the sum of the rows of i's class. With
    q_ij = exp(s_ij - m_i) / denominator_i and w_i = n_i / (n_i + 1e-12), the gradient at a batch row r is 1 / (N eta) times
    sum_j w_r q_rj z_j + sum_i w_i q_ir z_i - 2 (S_r - z_r) / (n_r + 1e-12). Queue rows get none: of their q, the columns of the batch suffice.
    """

    @staticmethod
    def forward(ctx, rows, queue, ids, queue_ids, temperature, chunk):
        z = torch.cat([rows, queue])
        own = torch.cat([ids, queue_ids])
        n = z.shape[0]
        known = own == own.round()
        classes, place = torch.unique(own[known], return_inverse=True)
        index = torch.full((n,), classes.numel(), dtype=torch.long)  # the last class takes what matches nothing
        index[known] = place
        sums = z.new_zeros(classes.numel() + 1, z.shape[1]).index_add_(0, index, z)
        positives = (torch.bincount(index, minlength=classes.numel() + 1)[index] - 1).to(z.dtype) * known.to(z.dtype)
        toward = (sums[index] - z) * known[:, None].to(z.dtype)
        log_total = z.new_empty(n)
        for begin in range(0, n, chunk):
            anchors = z[begin : begin + chunk]
            scores = (anchors @ z.T).div_(temperature)
            highest = scores.max(1).values
            scores.sub_(highest[:, None]).exp_()
            scores.diagonal(begin).zero_()
            log_total[begin : begin + chunk] = highest + torch.log(scores.sum(1) + TINY)
        sum_of_scores = (z * toward).sum(1) / temperature
        ctx.save_for_backward(z, log_total, positives, toward)
        ctx.settings = rows.shape[0], temperature, chunk
        return -((sum_of_scores - positives * log_total) / (positives + TINY)).mean()

    @staticmethod
    def backward(ctx, adjoint):
        z, log_total, positives, toward = ctx.saved_tensors
        r, temperature, chunk = ctx.settings
        n = z.shape[0]
        weight = positives / (positives + TINY)
        gradient = toward[:r] * (-2.0 / (positives[:r, None] + TINY))
        for begin in range(0, n, chunk):
            end = min(begin + chunk, n)
            anchors, batch = z[begin:end], max(0, min(end, r) - begin)  # of which rows of the batch
            columns = n if batch else r
            share = (anchors @ z[:columns].T).div_(temperature).sub_(log_total[begin:end, None]).exp_()
            if begin < columns:
                share.diagonal(begin).zero_()
            share.mul_(weight[begin:end, None])
            gradient += share[:, :r].T @ anchors
            if batch:
                gradient[begin : begin + batch] += share[:batch] @ z
        return gradient * (adjoint / (n * temperature)), None, None, None, None, None


def chunked(rows, queue, ids, queue_ids, temperature, chunk):
    return Chunked.apply(rows, queue, ids, queue_ids, temperature, chunk)


VARIANTS = {"stored": stored, "chunked": chunked}
