// From the pickle machine's nodes to JSON.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "core/base/strings.hpp"
#include "core/rq/pickle_read.hpp"

namespace call::rq {
namespace {

using detail::Node;
using detail::Nodes;
using detail::Ref;
using Kind = Node::Kind;

/// A value used twice is written twice, within the limits; a cycle meets the
/// depth limit.
class Writer {
 public:
  Writer(const Nodes& nodes, const PickleLimits& limits, std::string* foreign)
      : nodes_(nodes), limits_(limits), foreign_(foreign) {}

  Status write(Ref ref, std::size_t depth, Json& out);

 private:
  Status text(std::string_view text, Json& out);
  Status items(const Node& node, std::size_t depth, Json& out);
  Status dict(const Node& node, std::size_t depth, Json& out);
  Result<std::string> key(const Node& node);
  Status foreign(const std::string& type, Json& out);

  const Nodes& nodes_;
  PickleLimits limits_;
  std::string* foreign_;
  std::size_t values_ = 0;
  std::size_t text_bytes_ = 0;
};

Status Writer::text(std::string_view text, Json& out) {
  text_bytes_ += text.size();
  if (text_bytes_ > limits_.text_bytes) return Error{Errc::limit, "pickle: too much text"};
  out = to_valid_utf8(text);
  return {};
}

Status Writer::foreign(const std::string& type, Json& out) {
  if (foreign_ == nullptr)
    return Error{Errc::invalid_argument, "pickle: only Python can rebuild a " + type};
  if (foreign_->empty()) *foreign_ = type;
  out = "<" + type + ">";
  return {};
}

Status Writer::items(const Node& node, std::size_t depth, Json& out) {
  out = Json::array();
  for (const Ref item : node.items) {
    Json value;
    CALL_CHECK(write(item, depth + 1, value));
    out.push_back(std::move(value));
  }
  return {};
}

Result<std::string> Writer::key(const Node& node) {
  switch (node.kind) {
    case Kind::text:
      return to_valid_utf8(node.text);
    case Kind::plain:
    case Kind::uuid:
      return node.text;
    case Kind::integer:
      return std::to_string(node.integer);
    case Kind::real:
      return fmt::to_string(node.real);
    case Kind::boolean:
      return std::string(node.integer != 0 ? "true" : "false");
    case Kind::none:
      return std::string("null");
    default:
      return Error{Errc::invalid_argument, "pickle: a dictionary key that JSON cannot hold"};
  }
}

Status Writer::dict(const Node& node, std::size_t depth, Json& out) {
  out = Json::object();
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    CALL_TRY(auto name, key(nodes_[node.items[i]]));
    text_bytes_ += name.size();
    Json value;
    CALL_CHECK(write(node.items[i + 1], depth + 1, value));
    out[name] = std::move(value);
  }
  return {};
}

Status Writer::write(Ref ref, std::size_t depth, Json& out) {
  if (depth > limits_.depth) return Error{Errc::limit, "pickle: nested too deeply"};
  if (++values_ > limits_.values) return Error{Errc::limit, "pickle: too many values"};
  const Node& node = nodes_[ref];
  switch (node.kind) {
    case Kind::none:
      out = nullptr;
      return {};
    case Kind::boolean:
      out = node.integer != 0;
      return {};
    case Kind::integer:
      out = node.integer;
      return {};
    case Kind::big_integer:
      return text(detail::to_decimal(node.text), out);
    case Kind::real:
      out = node.real;
      return {};
    case Kind::duration:
      out = static_cast<double>(node.integer) / 1e6;
      return {};
    case Kind::text:
    case Kind::plain:
    case Kind::uuid:
      return text(node.text, out);
    case Kind::bytes: {
      text_bytes_ += node.text.size();
      if (text_bytes_ > limits_.text_bytes) return Error{Errc::limit, "pickle: too much text"};
      out = Json::binary(std::vector<std::uint8_t>(node.text.begin(), node.text.end()));
      return {};
    }
    case Kind::list:
    case Kind::tuple:
    case Kind::set:
      return items(node, depth, out);
    case Kind::dict:
      return dict(node, depth, out);
    case Kind::global:
    case Kind::foreign:
      return foreign(node.type, out);
  }
  return {};
}

}  // namespace

Result<Json> unpickle(std::string_view bytes, std::string* foreign, const PickleLimits& limits) {
  Nodes nodes;
  CALL_TRY(const Ref root, detail::load(bytes, limits, nodes));
  Json out;
  CALL_CHECK(Writer(nodes, limits, foreign).write(root, 0, out));
  return out;
}

}  // namespace call::rq
