// Dead rows (contract.hpp): 0 where rows of a group would have got something. They are few, so the caller's thread does it.
#pragma once

#include <algorithm>

#include "ramer/backend/contract.hpp"
#include "ramer/backend/instruction_set.hpp"

namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu {

/// 0 into the first `cols` numbers of the rows [live, rows), which lie `ld` apart, unless they are accumulated into.
template <class T>
void clear_rows(const Target<T>& to, Index live, Index rows, Index cols, Index ld) {
  for (Index r = live; to && !to.accumulate && r < rows; ++r) std::fill_n(to.data + r * ld, cols, T(0));
}

template <class T>
void clear_dead_rows(const Attention<T>& p, T* out) {
  if (p.dead_rows) clear_rows(Target<T>{out, false}, p.queries()[p.groups], p.all_queries(), p.heads * p.width, p.ld_out);
}
template <class T>
void clear_dead_rows(const AttentionReverse<T>& r) {
  const Attention<T>& p = r.forward;
  if (!p.dead_rows) return;
  const Index columns = p.heads * p.width;
  clear_dead_rows(p, r.out);
  clear_rows(r.dq, p.queries()[p.groups], p.all_queries(), columns, p.ld);
  clear_rows(r.dk, p.offsets[p.groups], p.rows, columns, p.ld);
  clear_rows(r.dv, p.offsets[p.groups], p.rows, columns, p.ld);
}

template <class T>
void clear_dead_rows(const SegmentPool<T>& p) {
  if (p.dead_rows) clear_rows(Target<T>{p.weight, false}, p.offsets[p.segments], p.rows, p.columns, p.columns);
}
template <class T>
void clear_dead_rows(const SegmentPoolReverse<T>& q) {
  const SegmentPool<T>& p = q.forward;
  if (!p.dead_rows) return;
  clear_rows(q.dx, p.offsets[p.segments], p.rows, p.width, p.width);
  clear_rows(q.dscore, p.offsets[p.segments], p.rows, p.columns, p.columns);
}

}  // namespace ramer::backend::inline RAMER_INSTRUCTION_SET::cpu
