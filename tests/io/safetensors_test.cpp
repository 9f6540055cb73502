#include "ramer/io/safetensors.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <limits>

#include "ramer/core/random.hpp"

using namespace ramer;
using namespace ramer::io;

namespace {

/// A folder of its own for each test case, removed at the end.
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "ramer-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::size_t count() const {
    const std::filesystem::directory_iterator begin(path), end;
    return static_cast<std::size_t>(std::distance(begin, end));
  }
};

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string file_bytes(const std::string& header, const std::string& data) {
  const std::uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

/// What opening a file of these bytes says; empty if it opens.
std::string refusal(const std::string& bytes, const SafetensorsOptions& options = {}) {
  const Folder folder;
  const auto path = folder.path / "f.safetensors";
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    SafetensorsFile::open(path, options);
  } catch (const IoError& error) {
    return error.what();
  }
  return {};
}

/// The header padded with spaces so that the data starts at a multiple of 8.
std::string padded(std::string header) {
  header.append((8 - header.size() % 8) % 8, ' ');
  return header;
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string one_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return padded("{\"x\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}");
}

}  // namespace

TEST_CASE("a written file reads back, zero-copy and converted") {
  const Folder folder;
  const auto path = folder.path / "f.safetensors";
  const std::vector<double> f64{1.5, -2.25, 1e300};
  const std::vector<float> f32{1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> i64{-1, 1ll << 40};
  const std::vector<std::int32_t> i32{7, -8};
  const std::vector<std::uint8_t> u8{0, 255, 3};
  const std::array<bool, 2> flags{true, false};
  const std::array<std::uint16_t, 4> half{0x3C00, 0xC000, 0x0001, 0x7C00};
  const std::array<std::uint16_t, 2> brain{0x3F80, 0xC040};
  SafetensorsWriter writer;
  writer.add<std::uint8_t>("a.bytes", {3}, u8);
  writer.add<bool>("a.flags", {2}, flags);
  writer.add<double>("z.double", {3}, f64);
  writer.add<float>("m.float", {2, 3}, f32);
  writer.add<std::int64_t>("b.long", {2}, i64);
  writer.add<std::int32_t>("b.int", {2, 1}, i32);
  writer.add("h.half", DType::kF16, {4}, half.data());
  writer.add("h.brain", DType::kBf16, {2}, brain.data());
  writer.add<float>("none", {0, 5}, std::span<const float>{});
  writer.add<double>("scalar", {}, std::span(f64).first(1));
  writer.set_metadata("format", "test");
  writer.set_metadata("quote", "a \"b\"\n\u00e9");
  writer.write(path);

  const auto file = SafetensorsFile::open(path);
  CHECK(file.tensors().size() == 10);
  CHECK(file.metadata().at("quote") == "a \"b\"\n\u00e9");
  CHECK(file.metadata("absent", "x") == "x");
  CHECK(file.find("absent") == nullptr);
  CHECK_THROWS_WITH_AS(file.at("absent"), doctest::Contains("no tensor 'absent'"), IoError);

  const auto view = file.view<float, 2>("m.float");
  CHECK(view.shape() == Shape{2, 3});
  CHECK(view(1, 2) == 6);
  CHECK(reinterpret_cast<std::uintptr_t>(file.view<double, 1>("z.double").data()) % 8 == 0);
  CHECK(file.view<double, 0>("scalar")() == 1.5);
  CHECK(file.view<float, 2>("none").empty());
  CHECK_THROWS_WITH_AS((file.view<double, 2>("m.float")), doctest::Contains("is F32; expected F64"), IoError);
  CHECK_THROWS_WITH_AS((file.view<float, 1>("m.float")), doctest::Contains("shape (2, 3); expected rank 1"), IoError);

  CHECK(file.read<double>("m.float") == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(file.read<float>("z.double")[1] == -2.25f);
  CHECK(file.read<int>("a.bytes") == std::vector<int>{0, 255, 3});
  CHECK(file.read<int>("a.flags") == std::vector<int>{1, 0});
  CHECK(file.read<std::int64_t>("b.int") == std::vector<std::int64_t>{7, -8});
  CHECK(file.read<double>("b.long") == std::vector<double>{-1, 0x1p40});
  CHECK(file.read<float>("h.half") == std::vector<float>{1, -2, 0x1p-24f, std::numeric_limits<float>::infinity()});
  CHECK(file.read<float>("h.brain") == std::vector<float>{1, -3});
  CHECK_THROWS_WITH_AS(file.read<int>("b.long"), doctest::Contains("element 1 = 1099511627776 cannot be read as I32"),
                       IoError);
  CHECK_THROWS_WITH_AS(file.read<std::uint8_t>("b.int"), doctest::Contains("element 1 = -8"), IoError);
  CHECK_THROWS_AS(file.read<int>("m.float"), IoError);
  CHECK_THROWS_WITH_AS(file.read<float>("m.float", {3, 2}), doctest::Contains("expected (3, 2)"), IoError);
}

TEST_CASE("the data begins at a multiple of 64, tensors are aligned without holes, and bytes do not depend on order") {
  const Folder folder;
  const std::vector<double> d{1};
  const std::vector<float> f{1, 2, 3};
  const std::vector<std::uint8_t> b{1};
  SafetensorsWriter one, two;
  one.add<std::uint8_t>("a", {1}, b);
  one.add<float>("b", {3}, f);
  one.add<double>("c", {1}, d);
  one.set_metadata("k", "v");
  one.set_metadata("a", "w");
  two.set_metadata("a", "w");
  two.set_metadata("k", "v");
  two.add<double>("c", {1}, d);
  two.add<float>("b", {3}, f);
  two.add<std::uint8_t>("a", {1}, b);
  one.write(folder.path / "1");
  two.write(folder.path / "2");
  CHECK(slurp(folder.path / "1") == slurp(folder.path / "2"));
  const auto file = SafetensorsFile::open(folder.path / "1");
  CHECK(file.at("c").offset % 64 == 0);
  CHECK(file.at("b").offset == file.at("c").offset + 8);
  CHECK(file.at("a").offset == file.at("b").offset + 12);
  CHECK(slurp(folder.path / "1").size() == static_cast<std::size_t>(file.at("a").offset) + 1);
}

TEST_CASE("views outlive the handle they came from as long as one copy lives") {
  const Folder folder;
  const std::vector<float> f{1, 2, 3};
  SafetensorsWriter writer;
  writer.add<float>("x", {3}, f);
  writer.write(folder.path / "f");
  auto kept = [&] { return SafetensorsFile::open(folder.path / "f"); }();
  const auto copy = kept;
  const auto view = copy.view<float, 1>("x");
  // Replacing the file by rename leaves the mapping of the old one alone.
  const std::vector<float> g{9};
  SafetensorsWriter other;
  other.add<float>("x", {1}, g);
  other.write(folder.path / "f");
  kept = SafetensorsFile::open(folder.path / "f");
  CHECK(view(2) == 3);
  CHECK(kept.view<float, 1>("x")(0) == 9);
}

TEST_CASE("a writer refuses what cannot be a tensor") {
  SafetensorsWriter writer;
  const std::vector<float> f{1, 2, 3};
  writer.add<float>("x", {3}, f);
  CHECK_THROWS_WITH_AS(writer.add<float>("x", {3}, f), doctest::Contains("'x' added twice"), IoError);
  CHECK_THROWS_WITH_AS(writer.add<float>("y", {2, 2}, f), doctest::Contains("(2, 2) got 3 elements"), IoError);
  CHECK_THROWS_AS(writer.add<float>("__metadata__", {3}, f), IoError);
  CHECK_THROWS_AS(writer.add("w", DType::kF32, {-1}, f.data()), ShapeError);
  writer.set_metadata("bad", "\xff");
  const Folder folder;
  CHECK_THROWS_WITH_AS(writer.write(folder.path / "f"), doctest::Contains("cannot be written"), IoError);
  CHECK(folder.count() == 0);
}

TEST_CASE("an interrupted or failed write leaves the old file and no temporary") {
  const Folder folder;
  const auto path = folder.path / "f";
  write_file_atomically(path, "old");
  ::chmod(path.c_str(), 0640);
  CHECK_THROWS_AS(write_file_atomically(path,
                                        [](FileSink& sink) {
                                          sink.write("half of the ne");
                                          throw std::runtime_error("stop");
                                        }),
                  std::runtime_error);
  CHECK(slurp(path) == "old");
  CHECK(folder.count() == 1);
  write_file_atomically(path, "new");
  CHECK(slurp(path) == "new");
  CHECK(folder.count() == 1);
  struct stat status {};
  ::stat(path.c_str(), &status);
  CHECK((status.st_mode & 0777) == 0640);

  std::filesystem::create_symlink("f", folder.path / "link");
  write_file_atomically(folder.path / "link", "through");
  CHECK(std::filesystem::is_symlink(folder.path / "link"));
  CHECK(slurp(path) == "through");

  std::filesystem::create_directory(folder.path / "d");
  CHECK_THROWS_WITH_AS(write_file_atomically(folder.path / "d", "x"), doctest::Contains("not a regular file"), IoError);
  CHECK_THROWS_WITH_AS(write_file_atomically(folder.path / "absent" / "f", "x"), doctest::Contains("No such file"), IoError);
  CHECK(folder.count() == 3);
}

TEST_CASE("a file that is absent or no file") {
  const Folder folder;
  CHECK_THROWS_WITH_AS(SafetensorsFile::open(folder.path / "absent"), doctest::Contains("absent: cannot open: No such file"),
                       IoError);
  CHECK_THROWS_WITH_AS(SafetensorsFile::open(folder.path), doctest::Contains("not a regular file"), IoError);
  REQUIRE(::mkfifo((folder.path / "pipe").c_str(), 0600) == 0);  // nobody writes to it, and nobody waits
  CHECK_THROWS_WITH_AS(SafetensorsFile::open(folder.path / "pipe"), doctest::Contains("not a regular file"), IoError);
}

TEST_CASE("hostile headers are refused") {
  const std::string eight(8, '\0');
  CHECK(mentions(refusal(""), "0 bytes are too few"));
  CHECK(mentions(refusal("1234567"), "7 bytes are too few"));
  const std::string good = one_tensor("\"F32\"", "[2]", "[0,8]");
  CHECK(refusal(file_bytes(good, eight)).empty());

  SUBCASE("length") {
    CHECK(mentions(refusal(file_bytes("", "")), "does not begin with '{'"));
    std::string whole = file_bytes(good, eight);
    for (std::size_t cut = 0; cut < whole.size(); ++cut) CHECK_FALSE(refusal(whole.substr(0, cut)).empty());
    for (std::uint64_t n : {std::uint64_t{1000}, std::uint64_t{100'000'001}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
      std::memcpy(whole.data(), &n, 8);
      CHECK(mentions(refusal(whole), "header of " + std::to_string(n) + " bytes"));
    }
  }
  SUBCASE("not the JSON that it should be") {
    CHECK(mentions(refusal(file_bytes("{\"x\":", "")), "not JSON"));
    CHECK(mentions(refusal(file_bytes("{} garbage", "")), "not JSON"));
    CHECK(mentions(refusal(file_bytes("{\"\xff\":{}}", "")), "not JSON"));
    CHECK(mentions(refusal(file_bytes("[]", "")), "does not begin with '{'"));
    CHECK(mentions(refusal(file_bytes(std::string(100000, '{'), "")), "not JSON"));
    CHECK(mentions(refusal(file_bytes("{\"x\":" + std::string(100000, '['), "")), "entry 'x' is a list"));
    CHECK(mentions(refusal(file_bytes("{\"x\":3}", "")), "entry 'x' is the number 3; expected an object"));
    CHECK(mentions(refusal(file_bytes("{\"x\":\"y\"}", "")), "entry 'x' is a string"));
    CHECK(mentions(refusal(file_bytes("{\"__metadata__\":{\"k\":1}}", "")), "'k' is the number 1; expected a string"));
    CHECK(mentions(refusal(file_bytes("{\"__metadata__\":{\"k\":{}}}", "")), "'k' is an object"));
    CHECK(mentions(refusal(file_bytes("{\"__metadata__\":{\"k\":[]}}", "")), "'k' is a list"));
    CHECK(mentions(refusal(file_bytes("{\"__metadata__\":null}", "")), "is null"));
    CHECK(mentions(refusal(file_bytes("{\"__metadata__\":[]}", "")), "is a list"));
  }
  SUBCASE("duplicate keys") {
    const std::string x = "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}";
    CHECK(mentions(refusal(file_bytes("{" + x + "," + x + "}", "1")), "key 'x' twice"));
    CHECK(mentions(refusal(file_bytes("{\"__metadata__\":{},\"__metadata__\":{}}", "")), "'__metadata__' twice"));
    CHECK(mentions(refusal(file_bytes("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "")), "key 'k' twice"));
    CHECK(mentions(
        refusal(file_bytes("{\"x\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "1")),
        "key 'dtype' twice"));
  }
  SUBCASE("entries") {
    CHECK(mentions(refusal(file_bytes("{\"x\":{}}", "")), "'x' lacks dtype"));
    CHECK(mentions(refusal(file_bytes("{\"x\":{\"dtype\":\"U8\",\"shape\":[1]}}", "1")), "lacks data_offsets"));
    CHECK(mentions(refusal(file_bytes("{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "1")), "lacks shape"));
    CHECK(mentions(refusal(file_bytes("{\"x\":{\"more\":1}}", "1")), "unknown key 'more'"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F128\"", "[1]", "[0,8]"), eight)), "unknown dtype 'F128'"));
    CHECK(mentions(refusal(file_bytes(one_tensor("4", "[1]", "[0,8]"), eight)), "dtype is the number 4; expected a string"));
    CHECK(
        mentions(refusal(file_bytes(one_tensor("\"F32\"", "2", "[0,8]"), eight)), "shape is the number 2; expected a list"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[-2]", "[0,8]"), eight)), "shape holds the number -2"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[2.0]", "[0,8]"), eight)), "shape holds the number 2.0"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[[2]]", "[0,8]"), eight)), "shape holds a list"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[\"2\"]", "[0,8]"), eight)), "shape holds a string"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[99999999999999999999]", "[0,8]"), eight)),
                   "shape holds the number"));
  }
  SUBCASE("shapes and offsets") {
    CHECK(
        mentions(refusal(file_bytes(one_tensor("\"F32\"", "[2]", "[0]"), eight)), "data_offsets has 1 numbers; expected 2"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[2]", "[0,8,8]"), eight)), "data_offsets has 3 numbers"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[2]", "[0,12]"), eight)),
                   "[0, 12] lie outside the data of 8 bytes"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[2]", "[8,0]"), eight)), "[8, 0] lie outside"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[2]", "[18446744073709551608,8]"), eight)), "lie outside"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[3]", "[0,8]"), eight)), "8 bytes stored; F32 (3) needs 12"));
    // 2^62 x 4 bytes = 2^64: zero, were it not checked.
    CHECK(mentions(refusal(file_bytes(one_tensor("\"F32\"", "[4611686018427387904]", "[0,0]"), eight)), "overflows"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"U8\"", "[4294967296,4294967296]", "[0,0]"), eight)), "overflows"));
    CHECK(mentions(refusal(file_bytes(one_tensor("\"U8\"", "[0,18446744073709551615]", "[0,0]"), eight)), "overflows"));
    CHECK(refusal(file_bytes(one_tensor("\"U8\"", "[4294967296,0,4294967296]", "[0,0]"), eight)).empty());
    CHECK(mentions(refusal(file_bytes(one_tensor("\"U8\"",
                                                 "[" +
                                                     std::string(199, '1').replace(1, 198,
                                                                                   [] {
                                                                                     std::string s;
                                                                                     for (int k = 0; k < 99; ++k) s += ",1";
                                                                                     return s;
                                                                                   }()) +
                                                     "]",
                                                 "[0,1]"),
                                      eight)),
                   "more than 64 numbers"));
  }
  SUBCASE("overlap") {
    const std::string header = padded(
        "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        "\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}");
    CHECK(mentions(refusal(file_bytes(header, eight)), "tensors 'x' and 'y' overlap"));
  }
  SUBCASE("alignment") {
    const std::string header = one_tensor("\"F32\"", "[1]", "[2,6]");
    CHECK(mentions(refusal(file_bytes(header, eight)), "no multiple of its element size 4"));
    CHECK(refusal(file_bytes(header, eight), {.allow_unaligned = true}).empty());
  }
}

TEST_CASE("an unaligned tensor of other origin is read by copying") {
  const Folder folder;
  const auto path = folder.path / "f";
  const float value = 3.5f;
  std::string data = "ab" + std::string(reinterpret_cast<const char*>(&value), 4);
  std::ofstream(path, std::ios::binary) << file_bytes(one_tensor("\"F32\"", "[1]", "[2,6]"), data);
  const auto file = SafetensorsFile::open(path, {.allow_unaligned = true});
  CHECK(file.read<double>("x") == std::vector<double>{3.5});
  CHECK_THROWS_WITH_AS((file.view<float, 1>("x")), doctest::Contains("no multiple"), IoError);
}

TEST_CASE("a file with changed bytes is refused with an IoError or reads within its bounds") {
  const Folder folder;
  const auto path = folder.path / "f";
  const std::string original =
      file_bytes(padded("{\"__metadata__\":{\"k\":\"v\"},\"x\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                        "\"y\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}"),
                 std::string(19, '\1'));
  const RandomStream stream(1, name_hash("fuzz"));
  int opened = 0, refused = 0;
  for (std::uint64_t k = 0; k < 3000; ++k) {
    std::string bytes = original;
    const std::uint32_t changes = 1 + stream.word(k, 0) % 3;
    for (std::uint32_t c = 0; c < changes; ++c) {
      // Mostly characters that mean something in a header.
      static constexpr std::string_view kLikely = "0123456789[]{}\",:-.eFUIB";
      const std::uint32_t what = stream.word(k, 4 + 2 * c);
      bytes[stream.word(k, 5 + 2 * c) % (bytes.size() - 19)] =
          what % 4 ? kLikely[(what / 4) % kLikely.size()] : static_cast<char>(what / 4);
    }
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      const auto file = SafetensorsFile::open(path, {.allow_unaligned = k % 2 == 0});
      for (const TensorInfo& tensor : file.tensors()) {
        CHECK(static_cast<std::size_t>(tensor.offset + tensor.bytes) <= bytes.size());
        if (tensor.dtype != DType::kF8E5M2 && tensor.dtype != DType::kF8E4M3) file.read<double>(tensor.name);
      }
      ++opened;
    } catch (const IoError&) {
      ++refused;
    }
  }
  CHECK(opened > 50);
  CHECK(refused > 1000);
}
