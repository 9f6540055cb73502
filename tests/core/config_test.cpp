#include "ramer/core/config.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

enum class Kind { kFirst, kSecond, kNameless };
enum class Plain { kOne };

struct Inner {
  double rate = 0.5;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("rate", self.rate, "a rate", ramer::between(0, 1));
  }
};

struct Outer {
  int width = 3;
  Kind kind = Kind::kFirst;
  Inner inner;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("width", self.width, "a width", ramer::extent());
    field("kind", self.kind, "a kind");
    field("inner", self.inner, "nested");
  }
  void check(const std::string& key) const {
    ramer::require<ramer::ConfigError>(width * inner.rate <= 10, key, ".width: too wide");
  }
};

struct Many {
  std::vector<double> rates{0.5};
  std::optional<float> limit;
  std::map<std::string, ramer::Index> counts;
  std::vector<Outer> parts{Outer{}};
  double anything = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("rates", self.rates, "rates", ramer::between(0, 1));
    field("limit", self.limit, "a limit", ramer::more_than(0));
    field("counts", self.counts, "counts", ramer::at_least(1));
    field("parts", self.parts, "parts");
    field("anything", self.anything, "any number");
  }
};

struct NotAConfiguration {
  int width = 3;
};

// Lists "key" for plain fields and "key.…" for those of nested configurations.
struct Keys {
  std::string prefix;
  std::vector<std::string>& found;
  template <class T>
  void operator()(std::string_view name, T& value, std::string_view help, const auto&...) const {
    CHECK_FALSE(help.empty());
    const std::string key = prefix + std::string(name);
    if constexpr (ramer::Configuration<T>)
      std::remove_const_t<T>::fields(value, Keys{key + ".", found});
    else
      found.push_back(key);
  }
};

struct Doubler {
  template <class T>
  void operator()(std::string_view, T& value, std::string_view, const auto&...) const {
    if constexpr (ramer::Configuration<T>)
      T::fields(value, *this);
    else if constexpr (!std::is_enum_v<T>)
      value *= 2;
  }
};

}  // namespace

template <>
struct ramer::EnumNames<Kind> {
  static constexpr std::pair<std::string_view, Kind> values[] = {{"first", Kind::kFirst}, {"second", Kind::kSecond}};
};

TEST_CASE("a struct that lists its fields is a configuration") {
  CHECK(ramer::Configuration<Outer>);
  CHECK(ramer::Configuration<const Outer>);
  CHECK_FALSE(ramer::Configuration<NotAConfiguration>);
  CHECK_FALSE(ramer::Configuration<int>);
  CHECK_FALSE(ramer::Configuration<std::string>);
}

TEST_CASE("a visitor sees fields in order, nested ones too, and may change them") {
  Outer outer;
  std::vector<std::string> found;
  const Outer& constant = outer;
  Outer::fields(constant, Keys{"", found});
  CHECK(found == std::vector<std::string>{"width", "kind", "inner.rate"});

  Outer::fields(outer, Doubler{});
  CHECK(outer.width == 6);
  CHECK(outer.inner.rate == 1.0);
  CHECK(outer.kind == Kind::kFirst);
}

TEST_CASE("enum values have names") {
  CHECK(ramer::NamedEnum<Kind>);
  CHECK_FALSE(ramer::NamedEnum<Plain>);
  CHECK_FALSE(ramer::NamedEnum<int>);
  static_assert(ramer::enum_name(Kind::kSecond) == "second");
  CHECK(ramer::enum_name(Kind::kFirst) == "first");
  CHECK(ramer::enum_name(Kind::kNameless).empty());
}

TEST_CASE("ranges: what they hold, and how they read") {
  using ramer::Range;
  constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  struct Case {
    Range range;
    std::vector<double> inside, outside;
    const char* text;
  };
  for (const Case& c :
       {Case{ramer::at_least(0), {0, 1e300}, {-1e-300}, "at least 0"},
        Case{ramer::more_than(0.5), {0.6}, {0.5}, "more than 0.5"},
        Case{ramer::between(-1, 1), {-1, 0, 1}, {-1.5, 1.5}, "-1 to 1"},
        Case{ramer::from_to_below(0, 1), {0, 0.999}, {1, -0.1}, "at least 0 and below 1"},
        Case{{0, 1, true, true}, {0.5}, {0, 1}, "more than 0 and below 1"},
        Case{ramer::extent(2), {2, 2147483647.0}, {1, 2147483648.0}, "2 to 2147483647"},
        Case{{-kInfinity, 3}, {3, -1e300}, {4}, "at most 3"}, Case{{}, {-1e300, 1e300}, {}, "a finite number"}}) {
    std::ostringstream text;
    text << c.range;
    CHECK(text.str() == c.text);
    for (const double x : c.inside) CHECK(c.range.holds(x));
    for (const double x : c.outside) CHECK_FALSE(c.range.holds(x));
    for (const double x : {kInfinity, -kInfinity, kNan}) CHECK_FALSE(c.range.holds(x));
  }
}

TEST_CASE("checked: every field in its range, at any depth, and fields together") {
  const auto refusal = [](auto change) -> std::string {
    Many many;
    change(many);
    try {
      ramer::checked(many, "top");
    } catch (const ramer::ConfigError& error) {
      return error.what();
    }
    return {};
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(refusal([](Many&) {}).empty());
  CHECK(refusal([](Many& m) { m.rates = {0, 1, 2}; }) == "top.rates[2]: expected 0 to 1, found 2");
  CHECK(refusal([](Many& m) { m.limit = 2.5f; }).empty());
  CHECK(refusal([](Many& m) { m.limit = 0.f; }) == "top.limit: expected more than 0, found 0");
  CHECK(refusal([](Many& m) { m.counts = {{"a", 1}, {"b", 0}}; }) == "top.counts.b: expected at least 1, found 0");
  CHECK(refusal([](Many& m) { m.parts.push_back({}), m.parts[1].inner.rate = -1; }) ==
        "top.parts[1].inner.rate: expected 0 to 1, found -1");
  CHECK(refusal([](Many& m) { m.parts[0].width = 0; }) == "top.parts[0].width: expected 1 to 2147483647, found 0");
  CHECK(refusal([](Many& m) { m.parts[0].width = 100; }) == "top.parts[0].width: too wide");
  CHECK(refusal([&](Many& m) { m.anything = nan; }) == "top.anything: nan is no setting");
  CHECK(refusal([&](Many& m) { m.rates = {nan}; }) == "top.rates[0]: expected 0 to 1, found nan");
}
