#include "ramer/core/config.hpp"

#include <doctest/doctest.h>

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
    field("rate", self.rate, "a rate");
  }
};

struct Outer {
  int width = 3;
  Kind kind = Kind::kFirst;
  Inner inner;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("width", self.width, "a width");
    field("kind", self.kind, "a kind");
    field("inner", self.inner, "nested");
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
  void operator()(std::string_view name, T& value, std::string_view help) const {
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
  void operator()(std::string_view, T& value, std::string_view) const {
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
