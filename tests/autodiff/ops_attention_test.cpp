#include "autodiff/support.hpp"
#include "ramer/autodiff/ops/attention.hpp"

using namespace ramer;
using namespace ramer::autodiff;
using namespace ramer::test;

namespace {

/// Rows in groups of random lengths, with keys (none at all in group 0) and flags.
struct Layout {
  std::vector<std::int32_t> offsets;
  std::vector<std::uint8_t> key, uniform;
  Index groups, rows, longest;

  Layout(const std::vector<Index>& lengths, Draw& draw)
      : offsets(Draw::offsets(lengths)), groups(static_cast<Index>(lengths.size())), rows(offsets.back()), longest(0) {
    for (Index n : lengths) longest = std::max(longest, n);
    key = draw.mask(rows, 0.6);
    if (groups > 1) std::fill_n(key.begin(), offsets[1], std::uint8_t{0});
    uniform = draw.mask(groups, 0.3);
  }
  bool is_uniform(Index g, bool masks) const {
    if (!masks) return false;
    bool any = false;
    for (std::int32_t r = offsets[at(g)]; r < offsets[at(g) + 1]; ++r) any = any || key[at(r)];
    return uniform[at(g)] || !any;
  }
};

const std::vector<std::vector<Index>> kLengths{{}, {0}, {1}, {0, 3, 0}, {2, 1, 4}, {5, 0, 1, 3, 7}};

/// softmax(scale q k^T) v, then dropout on the weights, by definition.
Values plain_attention(const Layout& l, bool masks, Index heads, Index width, double scale,
                       const backend::DropoutPlan& dropout, const Values& q, const Values& k, const Values& v) {
  const Index hidden = heads * width;
  Values y(q.size(), 0.0);
  for (Index g = 0; g < l.groups; ++g) {
    const bool uniform = l.is_uniform(g, masks);
    for (Index h = 0; h < heads; ++h) {
      for (Index i = l.offsets[at(g)]; i < l.offsets[at(g) + 1]; ++i) {
        Values weight(at(l.rows), 0.0);
        double total = 0;
        for (Index j = l.offsets[at(g)]; j < l.offsets[at(g) + 1]; ++j) {
          double dot = 0;
          for (Index d = 0; d < width; ++d) dot += q[at(i * hidden + h * width + d)] * k[at(j * hidden + h * width + d)];
          weight[at(j)] = uniform ? 1.0 : (!masks || l.key[at(j)] ? std::exp(scale * dot) : 0.0);
          total += weight[at(j)];
        }
        for (Index j = l.offsets[at(g)]; j < l.offsets[at(g) + 1]; ++j) {
          double p = weight[at(j)] / total;
          if (dropout.active()) {
            const std::uint64_t row = dropout.key(i) | (static_cast<std::uint64_t>(h) << 20);
            p *= dropout.factor(row, static_cast<std::uint32_t>(dropout.key(j) & 0xFFFFF));
          }
          for (Index d = 0; d < width; ++d) y[at(i * hidden + h * width + d)] += p * v[at(j * hidden + h * width + d)];
        }
      }
    }
  }
  return y;
}

}  // namespace

TEST_CASE_TEMPLATE("attention", B, RAMER_TEST_BACKENDS) {
  std::uint64_t seed = 0;
  for (const auto& lengths : kLengths) {
    for (const auto& extents : {std::array<Index, 2>{1, 1}, {2, 3}, {3, 2}, {1, 5}}) {
      const Index heads = extents[0], width = extents[1];
      for (const bool masks : {false, true}) {
        for (const double rate : {0.0, 0.3}) {
          CAPTURE(lengths.size());
          CAPTURE(heads);
          CAPTURE(masks);
          CAPTURE(rate);
          Draw draw(++seed);
          const Layout l(lengths, draw);
          std::vector<std::uint64_t> key(at(l.rows));
          for (std::size_t r = 0; r < key.size(); ++r) key[r] = (std::uint64_t{5} << 32) + 3 * r + 2;
          const backend::DropoutPlan dropout{RandomStream(1, seed), rate, seed % 2 ? key.data() : nullptr};
          const AttentionGroups groups{l.groups, l.longest, l.offsets.data(), masks ? l.key.data() : nullptr,
                                       masks ? l.uniform.data() : nullptr};
          const Shape<2> shape{{l.rows, heads * width}};
          const std::vector<Values> in{draw.normal(shape.size()), draw.normal(shape.size()), draw.normal(shape.size())};
          const auto f = [&](auto& tape, const Vars& v) {
            return attention(tape, v[0].reshape(shape), v[1].reshape(shape), v[2].reshape(shape), groups, heads, 0.7,
                             dropout);
          };
          CHECK(gradcheck_subsets<B>(in, f) == "");
          CHECK(max_difference(value_of<B>(in, f),
                               plain_attention(l, masks, heads, width, 0.7, dropout, in[0], in[1], in[2])) < 1e-12);
          CHECK(gradcheck_subsets<B>({in[0]}, [&](auto& tape, const Vars& v) {
                  return f(tape, Vars{v[0], v[0], v[0]});
                }) == "");
          CHECK(gradcheck_subsets<B>({in[0], in[1]}, [&](auto& tape, const Vars& v) {
                  return f(tape, Vars{v[0], v[1], v[1]});
                }) == "");
        }
      }
    }
  }
}

/// softmax(scale q k^T) v for queries in groups of their own.
Values plain_cross_attention(const Layout& l, const std::vector<std::int32_t>& queries, bool masks, Index heads, Index width,
                             double scale, const backend::DropoutPlan& dropout,
                             const std::vector<std::uint64_t>& key_row_key, const Values& q, const Values& k,
                             const Values& v) {
  const Index hidden = heads * width;
  Values y(q.size(), 0.0);
  for (Index g = 0; g < l.groups; ++g) {
    const bool uniform = l.is_uniform(g, masks);
    for (Index h = 0; h < heads; ++h) {
      for (Index i = queries[at(g)]; i < queries[at(g) + 1]; ++i) {
        const auto weight = [&](Index j) {
          double dot = 0;
          for (Index d = 0; d < width; ++d) dot += q[at(i * hidden + h * width + d)] * k[at(j * hidden + h * width + d)];
          return uniform ? 1.0 : (!masks || l.key[at(j)] ? std::exp(scale * dot) : 0.0);
        };
        double total = 0;
        for (Index j = l.offsets[at(g)]; j < l.offsets[at(g) + 1]; ++j) total += weight(j);
        for (Index j = l.offsets[at(g)]; j < l.offsets[at(g) + 1]; ++j) {
          double p = weight(j) / total;
          if (dropout.active()) {
            const std::uint64_t row = dropout.key(i) | (static_cast<std::uint64_t>(h) << 20);
            p *= dropout.factor(row, static_cast<std::uint32_t>(key_row_key[at(j)] & 0xFFFFF));
          }
          for (Index d = 0; d < width; ++d) y[at(i * hidden + h * width + d)] += p * v[at(j * hidden + h * width + d)];
        }
      }
    }
  }
  return y;
}

TEST_CASE_TEMPLATE("cross-attention: queries and keys are different rows", B, RAMER_TEST_BACKENDS) {
  const std::vector<std::vector<Index>> query_lengths{{}, {2}, {3}, {1, 0, 2}, {1, 4, 2}, {0, 2, 3, 1, 5}};
  std::uint64_t seed = 90;
  for (std::size_t which = 0; which < kLengths.size(); ++which) {
    for (const auto& extents : {std::array<Index, 2>{1, 1}, {2, 3}}) {
      const Index heads = extents[0], width = extents[1], hidden = heads * width;
      for (const bool masks : {false, true}) {
        for (const double rate : {0.0, 0.3}) {
          CAPTURE(which);
          CAPTURE(heads);
          CAPTURE(masks);
          CAPTURE(rate);
          Draw draw(++seed);
          const Layout l(kLengths[which], draw);
          const auto query_offsets = Draw::offsets(query_lengths[which]);
          const Index queries = query_offsets.back();
          Index longest = 0;
          for (Index n : query_lengths[which]) longest = std::max(longest, n);
          std::vector<std::uint64_t> row_key(at(queries)), key_row_key(at(l.rows));
          for (std::size_t r = 0; r < row_key.size(); ++r) row_key[r] = (std::uint64_t{5} << 32) + 3 * r + 2;
          for (std::size_t r = 0; r < key_row_key.size(); ++r) key_row_key[r] = (std::uint64_t{5} << 32) + 2 * r + 40;
          const backend::DropoutPlan dropout{RandomStream(1, seed), rate, row_key.data()};
          AttentionGroups groups{l.groups, l.longest, l.offsets.data(), masks ? l.key.data() : nullptr,
                                 masks ? l.uniform.data() : nullptr};
          groups.query_offsets = query_offsets.data(), groups.longest_query = longest,
          groups.key_row_key = key_row_key.data();
          const std::vector<Values> in{draw.normal(queries * hidden), draw.normal(l.rows * hidden),
                                       draw.normal(l.rows * hidden)};
          const auto f = [&](auto& tape, const Vars& v) {
            const Shape<2> rows{{l.rows, hidden}};
            return attention(tape, v[0].reshape(Shape{queries, hidden}), v[1].reshape(rows), v[2].reshape(rows), groups,
                             heads, 0.7, dropout);
          };
          CHECK(gradcheck_subsets<B>(in, f) == "");
          CHECK(max_difference(value_of<B>(in, f), plain_cross_attention(l, query_offsets, masks, heads, width, 0.7, dropout,
                                                                         key_row_key, in[0], in[1], in[2])) < 1e-12);
          CHECK(gradcheck_subsets<B>({in[0], in[1]}, [&](auto& tape, const Vars& v) {
                  return f(tape, Vars{v[0], v[1], v[1]});
                }) == "");
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("cross-attention to the queries' own rows is self-attention, bit for bit", B, RAMER_TEST_BACKENDS) {
  Draw draw(7);
  const Layout l({5, 0, 1, 3, 130}, draw);
  const Shape<2> shape{{l.rows, Index{6}}};
  const std::vector<Values> in{draw.normal(shape.size()), draw.normal(shape.size()), draw.normal(shape.size())};
  std::vector<std::uint64_t> row_key(at(l.rows));
  for (std::size_t r = 0; r < row_key.size(); ++r) row_key[r] = 7 * r;
  const AttentionGroups self{l.groups, l.longest, l.offsets.data(), l.key.data(), l.uniform.data()};
  AttentionGroups cross = self;
  cross.query_offsets = l.offsets.data(), cross.longest_query = l.longest, cross.key_row_key = row_key.data();
  for (const double rate : {0.0, 0.3}) {
    const backend::DropoutPlan dropout{RandomStream(1, 2), rate, row_key.data()};
    const auto run = [&](const AttentionGroups& groups) {
      Recorder<B> r(in[0]);
      const auto x = r.leaf(shape);
      const auto y = attention(r.tape, x, x, constant(in[2], shape), groups, 2, 0.7, dropout);
      Values result(y.data(), y.data() + y.size());
      r.reverse(y, in[1]);
      result.insert(result.end(), r.gradient.begin(), r.gradient.end());
      return result;
    };
    CHECK(run(self) == run(cross));
  }
}

TEST_CASE_TEMPLATE("attention ignores what a row that is no key holds", B, RAMER_TEST_BACKENDS) {
  const std::int32_t offsets[]{0, 3};
  const std::uint8_t key[]{1, 0, 1};
  const AttentionGroups groups{1, 3, offsets, key, nullptr};
  const Values q{1, 2, 3};
  Values y[2];
  for (int i = 0; i < 2; ++i) {
    const double wild = i ? 700.0 : -3.0;
    y[i] = value_of<B>({q, {0.5, wild, -0.5}, {1, wild, 2}}, [&](auto& tape, const Vars& v) {
      const Shape<2> s{{3, 1}};
      return attention(tape, v[0].reshape(s), v[1].reshape(s), v[2].reshape(s), groups, 1, 1.0);
    });
  }
  CHECK(y[0] == y[1]);
}

TEST_CASE_TEMPLATE("attention with large scores stays finite", B, RAMER_TEST_BACKENDS) {
  const std::int32_t offsets[]{0, 2};
  Recorder<B> r({1000, -1000});
  const auto x = r.leaf(Shape{Index{2}, Index{1}});
  const auto y = attention(r.tape, x, x, x, AttentionGroups{1, 2, offsets, nullptr, nullptr}, 1, 1.0);
  CHECK(y.data()[0] == 1000);
  CHECK(y.data()[1] == -1000);
  r.reverse(y, {1, 1});
  CHECK(r.gradient == Values{1, 1});
}

TEST_CASE("attention names what does not fit") {
  Recorder<backend::Reference> r({1, 2, 3, 4, 5, 6});
  const auto x = r.leaf(Shape{Index{2}, Index{3}}), other = r.leaf(Shape{Index{3}, Index{2}});
  const std::int32_t offsets[]{0, 2};
  const AttentionGroups groups{1, 2, offsets, nullptr, nullptr};
  CHECK_THROWS_AS(attention(r.tape, x, other, x, groups, 1, 1.0), ShapeError);
  CHECK_THROWS_AS(attention(r.tape, x, x, other, groups, 1, 1.0), ShapeError);
  CHECK_THROWS_AS(attention(r.tape, x, x, x, groups, 2, 1.0), ShapeError);
  CHECK_THROWS_AS(attention(r.tape, x, x, x, groups, 0, 1.0), ShapeError);
  AttentionGroups cross = groups;
  cross.query_offsets = offsets;
  CHECK_THROWS_AS(attention(r.tape, other, x, x, cross, 1, 1.0), ShapeError);
  CHECK_THROWS_AS(attention(r.tape, x, x, r.leaf(Shape{Index{1}, Index{3}}), cross, 1, 1.0), ShapeError);
}

TEST_CASE_TEMPLATE("segment_pool", B, RAMER_TEST_BACKENDS) {
  std::uint64_t seed = 0;
  for (const auto& lengths : kLengths) {
    for (const auto& extents : {std::array<Index, 2>{1, 1}, {3, 2}, {2, 5}, {0, 2}, {2, 0}}) {
      const Index columns = extents[0], width = extents[1];
      for (const bool masks : {false, true}) {
        CAPTURE(lengths.size());
        CAPTURE(columns);
        CAPTURE(masks);
        Draw draw(++seed);
        const Layout l(lengths, draw);
        const Segments segments{l.groups, l.offsets.data(), masks ? l.key.data() : nullptr,
                                masks ? l.uniform.data() : nullptr};
        const std::vector<Values> in{draw.normal(l.rows * width), draw.normal(l.rows * columns)};
        const double* weight = nullptr;
        const auto f = [&](auto& tape, const Vars& v) {
          return segment_pool(tape, v[0].reshape(Shape{l.rows, width}), v[1].reshape(Shape{l.rows, columns}), segments,
                              &weight);
        };
        CHECK(gradcheck_subsets<B>(in, f) == "");
        Values want(at(l.groups * columns * width), 0.0), want_weight(in[1].size());
        for (Index s = 0; s < l.groups; ++s) {
          const bool uniform = l.is_uniform(s, masks);
          for (Index c = 0; c < columns; ++c) {
            const auto raw = [&](Index r) {
              return uniform ? 1.0 : (!masks || l.key[at(r)] ? std::exp(in[1][at(r * columns + c)]) : 0.0);
            };
            double total = 0;
            for (Index r = l.offsets[at(s)]; r < l.offsets[at(s) + 1]; ++r) total += raw(r);
            for (Index r = l.offsets[at(s)]; r < l.offsets[at(s) + 1]; ++r) {
              want_weight[at(r * columns + c)] = raw(r) / total;
              for (Index d = 0; d < width; ++d)
                want[at((s * columns + c) * width + d)] += raw(r) / total * in[0][at(r * width + d)];
            }
          }
        }
        CHECK(max_difference(value_of<B>(in, f), want) < 1e-13);
        B& backend = shared_backend<B>();
        Workspace<typename B::Memory> workspace;
        Tape<B, double> tape(backend, workspace, false);
        f(tape, Vars{constant(in[0], Shape{l.rows * width}), constant(in[1], Shape{l.rows * columns})});
        CHECK(max_difference(Values(weight, weight + l.rows * columns), want_weight) < 1e-13);
      }
    }
  }
}

TEST_CASE_TEMPLATE("attention and segment_pool with rows behind the last group: 0, and no derivative", B,
                   RAMER_TEST_BACKENDS) {
  Draw draw(11);
  const Layout l({3, 0, 1, 5}, draw);
  const Index dead = 4, rows = l.rows + dead, heads = 2, width = 2, hidden = heads * width, columns = 3;
  std::vector<std::uint8_t> key = l.key;
  key.resize(at(rows), 1);
  const std::vector<std::int32_t> query_offsets{0, 2, 4, 5, 5};
  const Index queries = query_offsets.back() + 2;
  std::vector<std::uint64_t> row_key(at(rows));
  for (std::size_t r = 0; r < row_key.size(); ++r) row_key[r] = 3 * r + 1;
  const Values q = draw.normal(rows * hidden), k = draw.normal(rows * hidden), v = draw.normal(rows * hidden),
               score = draw.normal(rows * columns);
  const auto first = [](const Values& x, Index n) { return Values(x.begin(), x.begin() + n); };
  const auto zeros = [](const Values& x, Index n) {
    return std::all_of(x.begin() + n, x.end(), [](double y) { return y == 0; });
  };
  for (const bool masks : {false, true}) {
    for (const double rate : {0.0, 0.3}) {
      CAPTURE(masks);
      CAPTURE(rate);
      const backend::DropoutPlan dropout{RandomStream(1, 2), rate, row_key.data()};
      AttentionGroups groups{l.groups, l.longest + 9, l.offsets.data(), masks ? key.data() : nullptr,
                             masks ? l.uniform.data() : nullptr};
      groups.dead_rows = true;
      const auto self = [&](auto& tape, const Vars& x) {
        const Shape<2> shape{{x[0].size() / hidden, hidden}};
        return attention(tape, x[0].reshape(shape), x[1].reshape(shape), x[2].reshape(shape), groups, heads, 0.7, dropout);
      };
      CHECK(gradcheck_subsets<B>({q, k, v}, self) == "");
      const Values y = value_of<B>({q, k, v}, self),
                   alone =
                       value_of<B>({first(q, l.rows * hidden), first(k, l.rows * hidden), first(v, l.rows * hidden)}, self);
      CHECK(first(y, l.rows * hidden) == alone);
      CHECK(zeros(y, l.rows * hidden));
      groups.query_offsets = query_offsets.data(), groups.longest_query = 3, groups.key_row_key = row_key.data();
      const auto cross = [&](auto& tape, const Vars& x) {
        const Shape<2> shape{{rows, hidden}};
        return attention(tape, x[0].reshape(Shape{queries, hidden}), x[1].reshape(shape), x[2].reshape(shape), groups, heads,
                         0.7, dropout);
      };
      CHECK(gradcheck_subsets<B>({first(q, queries * hidden), k, v}, cross) == "");
      CHECK(zeros(value_of<B>({first(q, queries * hidden), k, v}, cross), query_offsets.back() * hidden));
    }
    const Segments segments{l.groups, l.offsets.data(), masks ? key.data() : nullptr, masks ? l.uniform.data() : nullptr,
                            true};
    const auto pool = [&](auto& tape, const Vars& x) {
      const Index n = x[0].size() / hidden;
      return segment_pool(tape, x[0].reshape(Shape{n, hidden}), x[1].reshape(Shape{n, columns}), segments);
    };
    CHECK(gradcheck_subsets<B>({v, score}, pool) == "");
    CHECK(value_of<B>({v, score}, pool) == value_of<B>({first(v, l.rows * hidden), first(score, l.rows * columns)}, pool));
  }
}

TEST_CASE_TEMPLATE("segment_pool of a Var scored by itself", B, RAMER_TEST_BACKENDS) {
  const std::int32_t offsets[]{0, 3, 3, 5};
  const std::uint8_t mask[]{1, 0, 1, 1, 1};
  CHECK(gradcheck_subsets<B>({Draw(3).normal(10)}, [&](auto& tape, const Vars& v) {
          const auto x = v[0].reshape(Shape{Index{5}, Index{2}});
          return segment_pool(tape, x, x, Segments{3, offsets, mask, nullptr});
        }) == "");
  Recorder<B> r({1, 2, 3, 4});
  CHECK_THROWS_AS(segment_pool(r.tape, r.leaf(Shape{Index{2}, Index{2}}), r.leaf(Shape{Index{4}, Index{1}}),
                               Segments{1, offsets, nullptr, nullptr}),
                  ShapeError);
}
