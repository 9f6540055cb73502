// The objective (Eq 5, 13): named terms, each with its weight, and a report of all of them.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "ramer/core/config.hpp"
#include "ramer/nn/module.hpp"

namespace ramer::loss {

/// Weights of Eq 5, 8 and 13 as in the released script; lambda_r = lambda_s = 1.
struct Weights {
  double cls_alpha = 0.01, cls_beta = 0.1, cls_gamma = 1.0;
  double rec_tilde = 1.0, rec_beta = 1.0, rec_gamma = 0.0;
  double contrast = 1.0;
  double shuffled = 1.0, unshuffled = 0.0;
  double adversarial = 0.01, orthogonality = 5e-6, common_semantic = 0.5;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("cls_alpha", self.cls_alpha, "lambda_alpha: class scores of X_alpha", at_least(0));
    field("cls_beta", self.cls_beta, "lambda_beta: class scores of X_beta", at_least(0));
    field("cls_gamma", self.cls_gamma, "lambda_gamma: class scores of X_gamma", at_least(0));
    field("rec_tilde", self.rec_tilde, "reconstruction of X_alpha by the decoder", at_least(0));
    field("rec_beta", self.rec_beta, "reconstruction of X_alpha by X_beta", at_least(0));
    field("rec_gamma", self.rec_gamma, "reconstruction of X_alpha by X_gamma", at_least(0));
    field("contrast", self.contrast, "lambda_s: supervised contrastive loss", at_least(0));
    field("shuffled", self.shuffled, "aggregation over shuffled slots", at_least(0));
    field("unshuffled", self.unshuffled, "aggregation over slots in place", at_least(0));
    field("adversarial", self.adversarial, "lambda_a: discriminator losses L_C + L_S", at_least(0));
    field("orthogonality", self.orthogonality, "lambda_o: overlap of commonality and specificity", at_least(0));
    field("common_semantic", self.common_semantic, "lambda_c: labels from commonality alone", at_least(0));
  }
};

inline constexpr std::size_t kMostTerms = 24;  ///< of one forward pass

/// The terms of one forward pass, in the order in which they were added.
template <class E>
class Terms {
 public:
  /// One loss term of the pass.
  struct Term {
    std::string_view name;  ///< a literal
    nn::Var<E, 0> value;    ///< unweighted
    double weight = 0;      ///< factor in the reported total
    double adjoint = 0;     ///< factor in what is differentiated; differs where two players pull at one term
  };

  /// Adds a term that counts alike in the total and in what is differentiated.
  void add(std::string_view name, nn::Var<E, 0> value, double weight) { add(name, value, weight, weight); }
  /// The same with two factors. An invalid `value` is no term.
  void add(std::string_view name, nn::Var<E, 0> value, double weight, double adjoint) {
    if (!value.valid()) return;
    require(count_ < terms_.size(), "more than ", terms_.size(), " loss terms");
    terms_[count_++] = {name, value, weight, adjoint};
  }
  /// As added.
  std::span<const Term> list() const { return {terms_.data(), count_}; }

  /// Runs the reverse sweep. A term of weight 0 sends no adjoint.
  void reverse(typename E::Tape& tape) const {
    std::array<typename E::Tape::Seed, kMostTerms> seeds;
    for (std::size_t i = 0; i < count_; ++i) seeds[i] = {terms_[i].value, static_cast<typename E::Real>(terms_[i].adjoint)};
    tape.reverse(std::span<const typename E::Tape::Seed>(seeds.data(), count_));
  }

 private:
  std::array<Term, kMostTerms> terms_{};
  std::size_t count_ = 0;
};

}  // namespace ramer::loss
