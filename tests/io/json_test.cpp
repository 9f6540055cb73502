#include "ramer/io/json.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

using ramer::ConfigError;
using ramer::Index;
using ramer::IoError;
using ramer::io::Json;

namespace {

enum class Norm { Pre, Post };

struct Layer {
  Index width = 8;
  double rate = 0.5;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("width", self.width, "units");
    field("rate", self.rate, "dropout");
  }
};

struct Encoder {
  Index hidden = 256;
  float dropout = 0.1f;
  Norm norm = Norm::Post;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("hidden", self.hidden, "width of the hidden state");
    field("dropout", self.dropout, "dropout rate");
    field("norm", self.norm, "place of the norm");
  }
};

struct Settings {
  bool quick = false;
  std::int8_t tiny = 3;
  std::uint64_t seed = 1;
  std::string name = "run";
  Encoder encoder;
  std::vector<double> rates{0.1, 0.2};
  std::vector<std::string> inputs;
  std::vector<bool> flags{true, false};
  std::vector<Layer> layers;
  std::optional<double> clip;
  std::map<std::string, double> weights{{"text", 1.0}};
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& field) {
    field("quick", self.quick, "skip the slow part");
    field("tiny", self.tiny, "a small number");
    field("seed", self.seed, "seed of everything random");
    field("name", self.name, "name of the run");
    field("encoder", self.encoder, "the encoder");
    field("rates", self.rates, "some rates");
    field("inputs", self.inputs, "modalities");
    field("flags", self.flags, "flags");
    field("layers", self.layers, "layers");
    field("clip", self.clip, "largest norm");
    field("weights", self.weights, "weight per modality");
  }
};

template <class Error, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}
std::string set_error(const std::string& assignment) {
  Settings settings;
  return message_of<ConfigError>([&] { ramer::io::set_option(settings, assignment); });
}
std::string json_error(const std::string& text, const std::string& path = "") {
  Settings settings;
  return message_of<ConfigError>([&] { ramer::io::from_json(Json::parse(text), settings, path); });
}
bool contains(const std::string& text, const std::string& part) {
  INFO(text);
  INFO(part);
  const bool found = text.find(part) != std::string::npos;
  CHECK(found);
  return found;
}

/// A file that goes away with the test.
struct Scratch {
  std::filesystem::path path;
  Scratch(const std::string& name, const std::string& text) : path(std::filesystem::temp_directory_path() / name) {
    std::ofstream(path, std::ios::binary) << text;
  }
  ~Scratch() { std::filesystem::remove(path); }
};

}  // namespace

template <>
struct ramer::EnumNames<Norm> {
  static constexpr std::pair<std::string_view, Norm> values[] = {{"pre", Norm::Pre}, {"post", Norm::Post}};
};

TEST_CASE("a configuration survives the way to JSON text and back") {
  Settings a;
  a.quick = true;
  a.tiny = -128;
  a.seed = std::numeric_limits<std::uint64_t>::max();
  a.name = "x \"y\" \xC3\xA9";
  a.encoder = {64, 0.3f, Norm::Pre};
  a.rates = {1e-300, 1.0 / 3.0, -std::numeric_limits<double>::infinity()};
  a.inputs = {"text", "a,b"};
  a.flags = {false};
  a.layers = {{1, 0.25}, {2, 0.75}};
  a.clip = 5.0;
  a.weights = {{"audio", 0.5}};

  const std::string text = ramer::io::dump_json(ramer::io::to_json(a));
  contains(text, "\"dropout\": 0.3,");  // not 0.30000001192092896
  Settings b;
  ramer::io::from_json(ramer::io::parse_json(text), b);
  CHECK(b.quick);
  CHECK(b.tiny == -128);
  CHECK(b.seed == a.seed);
  CHECK(b.name == a.name);
  CHECK(b.encoder.hidden == 64);
  CHECK(b.encoder.dropout == 0.3f);
  CHECK(b.encoder.norm == Norm::Pre);
  CHECK(b.rates == a.rates);
  CHECK(b.inputs == a.inputs);
  CHECK(b.flags == a.flags);
  REQUIRE(b.layers.size() == 2);
  CHECK(b.layers[1].width == 2);
  CHECK(b.layers[1].rate == 0.75);
  CHECK(b.clip == a.clip);
  CHECK(b.weights == a.weights);
  CHECK(ramer::io::to_json(b) == ramer::io::to_json(a));
}

TEST_CASE("absent keys keep their values; null empties an optional") {
  Settings settings;
  settings.clip = 2.0;
  ramer::io::from_json(Json::parse(R"({"encoder": {"dropout": 0}})"), settings);
  CHECK(settings.encoder.dropout == 0.0f);
  CHECK(settings.encoder.hidden == 256);
  CHECK(settings.clip == 2.0);
  ramer::io::from_json(Json::parse(R"({"clip": null})"), settings);
  CHECK_FALSE(settings.clip.has_value());
  CHECK(ramer::io::to_json(settings)["clip"].is_null());
}

TEST_CASE("undefined numbers are null in reports") {
  CHECK(ramer::io::to_json(std::numeric_limits<double>::quiet_NaN()).is_null());
  CHECK(ramer::io::to_json(std::numeric_limits<float>::infinity()) == "inf");
}

TEST_CASE("an unknown key is named in full, with the keys that were probably meant") {
  CHECK(json_error(R"({"encoder": {"hiden": 3}})") == "unknown key 'encoder.hiden'; did you mean 'encoder.hidden'?");
  contains(json_error(R"({"hidden": 3})"), "did you mean 'encoder.hidden'?");
  contains(json_error(R"({"encoder": {"qqqqqqq": 3}})"), "valid here: 'encoder.hidden', 'encoder.dropout', 'encoder.norm'");
  contains(json_error(R"({"sede": 3})", "train"), "unknown key 'train.sede'; did you mean 'train.seed'?");
  contains(json_error(R"({"layers": [{"width": 1}, {"wdith": 1}]})"),
           "unknown key 'layers[1].wdith'; did you mean 'layers[1].width'");
  contains(set_error("encoder.drop_out=0"), "unknown key 'encoder.drop_out'; did you mean 'encoder.dropout'?");
  contains(set_error("Seed=0"), "did you mean 'seed'");
  contains(set_error("seed.x=0"), "'seed' is integer and has no keys of its own");
}

TEST_CASE("a value of the wrong type or size says what was found and what was expected") {
  CHECK(json_error(R"({"encoder": {"hidden": "many"}})") == "encoder.hidden: expected integer, found string \"many\"");
  CHECK(json_error(R"({"encoder": {"hidden": 1.5}})") == "encoder.hidden: expected integer, found number 1.5");
  CHECK(json_error(R"({"encoder": {"norm": "mid"}})") == "encoder.norm: expected one of pre|post, found string \"mid\"");
  CHECK(json_error(R"({"encoder": 3})") == "encoder: expected object, found number 3");
  CHECK(json_error("[]") == "configuration: expected object, found array []");
  CHECK(json_error(R"({"quick": 1})") == "quick: expected bool, found number 1");
  CHECK(json_error(R"({"rates": [1, null]})") == "rates[1]: expected number, found null");
  CHECK(json_error(R"({"rates": 1})") == "rates: expected list of number, found number 1");
  CHECK(json_error(R"({"tiny": 128})") == "tiny: 128 is out of range, expected -128 to 127");
  CHECK(json_error(R"({"seed": -1})") == "seed: -1 is out of range, expected 0 to 18446744073709551615");
  contains(json_error(R"({"encoder": {"hidden": 18446744073709551615}})"), "out of range");
  contains(json_error(R"({"encoder": {"hidden": 1e300}})"), "expected integer");
  contains(json_error(R"({"encoder": {"dropout": 1e39}})"), "encoder.dropout: 1e+39 is out of range");
  contains(json_error(R"({"name": ")" + std::string(500, 'x') + R"(", "tiny": ")" + std::string(500, 'x') + "\"}"),
           "xxx...");
}

TEST_CASE("a configuration that cannot be read whole is left alone") {
  Settings settings;
  CHECK_THROWS_AS(ramer::io::from_json(Json::parse(R"({"seed": 7, "zzz": 1})"), settings), ConfigError);
  CHECK(settings.seed == 1);
  CHECK_THROWS_AS(ramer::io::set_option(settings, "rates=1,x"), ConfigError);
  CHECK(settings.rates == std::vector<double>{0.1, 0.2});
}

TEST_CASE("set_option reads a value as its field's type asks") {
  Settings s;
  const auto set = [&](const char* text) { ramer::io::set_option(s, text); };
  set("encoder.hidden=64");
  CHECK(s.encoder.hidden == 64);
  set("encoder.hidden = 1e3");
  CHECK(s.encoder.hidden == 1000);
  set("seed=18446744073709551615");
  CHECK(s.seed == std::numeric_limits<std::uint64_t>::max());
  set("encoder.dropout=.25");
  CHECK(s.encoder.dropout == 0.25f);
  set("encoder.norm=pre");
  CHECK(s.encoder.norm == Norm::Pre);
  set("quick=true");
  CHECK(s.quick);
  set("name=12 = twelve");
  CHECK(s.name == "12 = twelve");
  set(R"(name=" quoted ")");
  CHECK(s.name == " quoted ");
  set("name=");
  CHECK(s.name.empty());
  set("rates=1, 2.5,-inf");
  CHECK(s.rates == std::vector<double>{1, 2.5, -std::numeric_limits<double>::infinity()});
  set("rates=[3]");
  CHECK(s.rates == std::vector<double>{3});
  set("rates=");
  CHECK(s.rates.empty());
  set("inputs=text,audio");
  CHECK(s.inputs == std::vector<std::string>{"text", "audio"});
  set(R"(inputs=["a,b"])");
  CHECK(s.inputs == std::vector<std::string>{"a,b"});
  set("flags=1,false,1");
  CHECK(s.flags == std::vector<bool>{true, false, true});
  set("clip=3");
  CHECK(s.clip == 3.0);
  set("clip=null");
  CHECK_FALSE(s.clip.has_value());
  set("weights.video=0.5");
  CHECK(s.weights == std::map<std::string, double>{{"text", 1.0}, {"video", 0.5}});
  set(R"(weights={"audio": 2})");
  CHECK(s.weights == std::map<std::string, double>{{"audio", 2.0}});
  set(R"(encoder={"hidden": 5})");
  CHECK(s.encoder.hidden == 5);
  CHECK(s.encoder.norm == Norm::Pre);
  set(R"(layers=[{"width": 9}])");
  REQUIRE(s.layers.size() == 1);
  CHECK(s.layers[0].width == 9);
  CHECK(s.layers[0].rate == 0.5);
}

TEST_CASE("set_option refuses what it cannot read") {
  contains(set_error("seed"), "'seed': expected key=value");
  contains(set_error("=3"), "expected key=value");
  contains(set_error(""), "expected key=value");
  CHECK(set_error("seed=") == "seed: expected integer, found ''");
  CHECK(set_error("seed=3x") == "seed: expected integer, found '3x'");
  CHECK(set_error("tiny=1000") == "tiny: 1000 is out of range, expected -128 to 127");
  CHECK(set_error("seed=99999999999999999999").find("seed: expected integer") == 0);
  CHECK(set_error("encoder.dropout=nan") == "encoder.dropout: nan is no setting");
  CHECK(set_error("quick=yes") == "quick: expected bool, found 'yes'");
  contains(set_error("encoder=64"),
           "encoder: expected object, found '64' (write it as JSON: {...}, or set its keys one by one)");
  contains(set_error("rates=[1,"), "not valid JSON");
  contains(set_error("rates=1,,2"), "rates[1]: expected number, found ''");
  contains(set_error("encoder.=1"), "expected object");
}

TEST_CASE("describe lists every key with type, default and meaning") {
  const std::vector<ramer::io::Option> rows = ramer::io::describe(Settings{});
  REQUIRE(rows.size() == 13);
  CHECK(rows[3].key == "name");
  CHECK(rows[3].default_value == "run");
  CHECK(rows[4].key == "encoder.hidden");
  CHECK(rows[4].type == "integer");
  CHECK(rows[4].default_value == "256");
  CHECK(rows[4].doc == "width of the hidden state");
  CHECK(rows[5].default_value == "0.1");
  CHECK(rows[6].type == "pre|post");
  CHECK(rows[6].default_value == "post");
  CHECK(rows[7].type == "list of number");
  CHECK(rows[7].default_value == "[0.1,0.2]");
  CHECK(rows[11].type == "number or null");

  // What describe prints, set_option takes.
  for (const ramer::io::Option& row : rows) {
    Settings settings;
    CAPTURE(row.key);
    CHECK_NOTHROW(ramer::io::set_option(settings, row.key + "=" + row.default_value));
    CHECK(ramer::io::to_json(settings) == ramer::io::to_json(Settings{}));
  }
}

TEST_CASE("a parse error names file, line, column and byte") {
  const Scratch file("ramer_json_test_bad.json", "{\n  \"a\": 1,\n  \"b\": ]\n}\n");
  const std::string message = message_of<IoError>([&] { ramer::io::read_json(file.path); });
  contains(message, file.path.string() + ":3:8 (byte 19): not valid JSON");
  contains(message_of<IoError>([] { ramer::io::read_json("no/such/file.json"); }), "no/such/file.json: cannot be opened");
  contains(message_of<IoError>([] { ramer::io::read_json(std::filesystem::temp_directory_path()); }), "cannot be opened");
  contains(message_of<IoError>([] { ramer::io::parse_json("", "empty"); }), "empty:1:1 (byte 0)");
  contains(message_of<IoError>([] { ramer::io::parse_json("[1e999]", "huge"); }), "huge: not valid JSON");
  contains(message_of<IoError>([] { ramer::io::parse_json(R"({"a": {"k": 1}, "b": {"k": 1}, "a": 2})", "twice"); }),
           "twice: key 'a' appears twice");
  contains(message_of<IoError>([] { ramer::io::dump_json(Json("\xFF")); }), "cannot be written");
}

TEST_CASE("nesting has an end: what is done with a document later goes as deep as it does") {
  const auto nested = [](std::size_t depth, const std::string& open, const std::string& close) {
    std::string text;
    for (std::size_t k = 0; k < depth; ++k) text += open;
    text += "1";
    for (std::size_t k = 0; k < depth; ++k) text += close;
    return text;
  };
  for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\": ", "}"}}) {
    CHECK_NOTHROW(ramer::io::parse_json(nested(90, open, close)));
    contains(message_of<IoError>([&] { ramer::io::parse_json(nested(2'000'000, open, close), "deep"); }),
             "deep: nested deeper than 100 levels");
  }
}

TEST_CASE("read_config names the file of a wrong setting") {
  const Scratch file("ramer_json_test_config.json", R"({"encoder": {"norm": 3}})");
  Settings settings;
  CHECK(message_of<ConfigError>([&] { ramer::io::read_config(file.path, settings); }) ==
        file.path.string() + ": encoder.norm: expected one of pre|post, found number 3");
  const Scratch good("ramer_json_test_good.json", R"({"encoder": {"norm": "pre"}})");
  ramer::io::read_config(good.path, settings);
  CHECK(settings.encoder.norm == Norm::Pre);
}

TEST_CASE("JSON files are written whole, and read back") {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "ramer_json_test_written.json";
  Settings settings;
  settings.name = "written";
  ramer::io::write_json(path, ramer::io::to_json(settings));
  Settings read;
  ramer::io::read_config(path, read);
  CHECK(read.name == "written");
  CHECK(ramer::io::to_json(read) == ramer::io::to_json(settings));

  CHECK_THROWS_AS(ramer::io::write_json(path, Json("\xFF")), IoError);  // what was there stays
  CHECK(ramer::io::read_json(path)["name"] == "written");
  std::filesystem::remove(path);
  CHECK_THROWS_AS(ramer::io::write_json("no/such/folder/file.json", Json()), IoError);
}
