// The pickle machine: a stack of values, a stack of marks, a memo. Every opcode that could reach
// code (INST, OBJ, persistent ids, extensions, buffers) and the text opcodes of protocol 0 are
// refused. Opcodes as in CPython's pickletools.
#include "core/rq/pickle_read.hpp"

#include <fmt/format.h>

#include <bit>
#include <unordered_map>

#include "core/base/strings.hpp"

namespace call::rq {
namespace {

using detail::Node;
using detail::Nodes;
using detail::Ref;
using Kind = Node::Kind;

constexpr std::size_t kMaxGlobalBytes = 256;
constexpr int kNewestProtocol = 5;

class Machine {
 public:
  Machine(std::string_view bytes, const PickleLimits& limits)
      : bytes_(bytes), limits_(limits), budget_(limits.text_bytes) {}

  /// The node that STOP leaves.
  Result<Ref> run();
  Nodes nodes() && { return std::move(nodes_); }

 private:
  // Each takes the opcodes of its kind and hands the others on. False: STOP, or error_ is set.
  bool scalar(unsigned char opcode);
  bool text_or_bytes(unsigned char opcode);
  bool container(unsigned char opcode);
  bool memo(unsigned char opcode);
  bool object(unsigned char opcode);
  bool bookkeeping(unsigned char opcode);

  bool fail(Errc code, std::string what) {
    if (!error_) error_ = Error{code, std::move(what)};
    return false;
  }
  bool fail(std::string what) { return fail(Errc::invalid_argument, std::move(what)); }

  bool take(std::size_t count, std::string_view& out);
  bool number(int width, std::uint64_t& out);
  bool spend(std::size_t amount);
  bool push(Node node);
  bool push_ref(Ref ref);
  bool pop(Ref& out);
  bool pop_to_mark(std::vector<Ref>& out);
  bool container_on_top(Kind kind, Ref& out);
  bool integer(std::string_view little_endian);
  bool global(std::string_view module, std::string_view name);
  bool append_items(const std::vector<Ref>& items, Kind kind);
  bool call(const std::vector<Ref>& args, Ref callable);

  std::string_view bytes_;
  PickleLimits limits_;
  std::size_t budget_;
  std::size_t position_ = 0;
  Nodes nodes_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Ref> memo_;
  std::optional<Error> error_;
  bool stopped_ = false;
};

bool Machine::take(std::size_t count, std::string_view& out) {
  if (count > bytes_.size() - position_) return fail("it ends in the middle of a value");
  out = bytes_.substr(position_, count);
  position_ += count;
  return true;
}

bool Machine::number(int width, std::uint64_t& out) {
  std::string_view raw;
  if (!take(static_cast<std::size_t>(width), raw)) return false;
  out = 0;
  for (std::size_t i = 0; i < raw.size(); ++i)
    out |= static_cast<std::uint64_t>(static_cast<unsigned char>(raw[i])) << (8 * i);
  return true;
}

/// Memory and work are paid for before they are used: a few bytes may name a large value again and
/// again.
bool Machine::spend(std::size_t amount) {
  if (amount > budget_) return fail(Errc::limit, "it takes too much to build");
  budget_ -= amount;
  return true;
}

bool Machine::push(Node node) {
  if (nodes_.size() >= limits_.values) return fail(Errc::limit, "it has too many values");
  nodes_.push_back(std::move(node));
  return push_ref(static_cast<Ref>(nodes_.size() - 1));
}

bool Machine::push_ref(Ref ref) {
  if (stack_.size() >= limits_.values) return fail(Errc::limit, "it has too many values");
  stack_.push_back(ref);
  return true;
}

bool Machine::pop(Ref& out) {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()))
    return fail("it takes from an empty stack");
  out = stack_.back();
  stack_.pop_back();
  return true;
}

bool Machine::pop_to_mark(std::vector<Ref>& out) {
  if (marks_.empty()) return fail("it has no mark");
  const auto start = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  out.assign(start, stack_.end());
  stack_.erase(start, stack_.end());
  marks_.pop_back();
  return true;
}

bool Machine::container_on_top(Kind kind, Ref& out) {
  if (stack_.empty()) return fail("it takes from an empty stack");
  out = stack_.back();
  // Objects of foreign classes may be filled like their base classes; the items are dropped.
  if (nodes_[out].kind == kind || nodes_[out].kind == Kind::foreign) return true;
  return fail("it fills a value that is no container");
}

bool Machine::integer(std::string_view raw) {
  if (raw.size() > limits_.integer_bytes) return fail(Errc::limit, "it has a giant integer");
  if (raw.size() > 8) return push({.kind = Kind::big_integer, .text = std::string(raw)});
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < raw.size(); ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(raw[i])) << (8 * i);
  if (!raw.empty() && raw.size() < 8 && (static_cast<unsigned char>(raw.back()) & 0x80) != 0)
    value |= ~std::uint64_t{0} << (8 * raw.size());
  return push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(value)});
}

bool Machine::scalar(unsigned char opcode) {
  std::uint64_t value = 0;
  std::string_view raw;
  switch (opcode) {
    case 'N':
      return push({});
    case 0x88:
    case 0x89:
      return push({.kind = Kind::boolean, .integer = opcode == 0x88 ? 1 : 0});
    case 'K':
    case 'M':
      return number(opcode == 'K' ? 1 : 2, value) &&
             push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(value)});
    case 'J':
      return take(4, raw) && integer(raw);
    case 0x8a:
    case 0x8b:
      return number(opcode == 0x8a ? 1 : 4, value) && take(value, raw) && integer(raw);
    case 'G': {
      if (!take(8, raw)) return false;
      for (const char c : raw) value = value << 8 | static_cast<unsigned char>(c);
      return push({.kind = Kind::real, .real = std::bit_cast<double>(value)});
    }
    default:
      return text_or_bytes(opcode);
  }
}

bool Machine::text_or_bytes(unsigned char opcode) {
  int width = 0;
  Kind kind = Kind::text;
  switch (opcode) {
    case 0x8c:
      width = 1;
      break;
    case 'X':
      width = 4;
      break;
    case 0x8d:
      width = 8;
      break;
    case 'C':
      width = 1;
      kind = Kind::bytes;
      break;
    case 'B':
      width = 4;
      kind = Kind::bytes;
      break;
    case 0x8e:
    case 0x96:
      width = 8;
      kind = Kind::bytes;
      break;
    default:
      return container(opcode);
  }
  std::uint64_t size = 0;
  std::string_view raw;
  return number(width, size) && take(size, raw) && push({.kind = kind, .text = std::string(raw)});
}

bool Machine::append_items(const std::vector<Ref>& items, Kind kind) {
  Ref target = 0;
  if (!container_on_top(kind, target)) return false;
  if (nodes_[target].kind == Kind::foreign) return true;
  if (kind == Kind::dict && items.size() % 2 != 0) return fail("it has a key without a value");
  auto& held = nodes_[target].items;
  held.insert(held.end(), items.begin(), items.end());
  return true;
}

bool Machine::container(unsigned char opcode) {
  std::vector<Ref> items;
  const auto pop_exactly = [&](std::size_t count) {
    items.resize(count);
    for (std::size_t i = count; i-- > 0;)
      if (!pop(items[i])) return false;
    return true;
  };
  switch (opcode) {
    case ')':
      return push({.kind = Kind::tuple});
    case 0x85:
    case 0x86:
    case 0x87:
      return pop_exactly(opcode - 0x84U) && push({.kind = Kind::tuple, .items = items});
    case 't':
      return pop_to_mark(items) && push({.kind = Kind::tuple, .items = items});
    case ']':
      return push({.kind = Kind::list});
    case 'a':
      return pop_exactly(1) && append_items(items, Kind::list);
    case 'e':
      return pop_to_mark(items) && append_items(items, Kind::list);
    case '}':
      return push({.kind = Kind::dict});
    case 's':
      return pop_exactly(2) && append_items(items, Kind::dict);
    case 'u':
      return pop_to_mark(items) && append_items(items, Kind::dict);
    case 0x8f:
      return push({.kind = Kind::set});
    case 0x90:
      return pop_to_mark(items) && append_items(items, Kind::set);
    case 0x91:
      return pop_to_mark(items) && push({.kind = Kind::set, .items = items});
    default:
      return memo(opcode);
  }
}

bool Machine::memo(unsigned char opcode) {
  std::uint64_t key = 0;
  switch (opcode) {
    case 0x94:
      key = memo_.size();
      break;
    case 'q':
    case 'h':
      if (!number(1, key)) return false;
      break;
    case 'r':
    case 'j':
      if (!number(4, key)) return false;
      break;
    default:
      return object(opcode);
  }
  if (opcode == 'h' || opcode == 'j') {
    const auto known = memo_.find(key);
    return known == memo_.end() ? fail("it repeats a value that it never had")
                                : push_ref(known->second);
  }
  if (stack_.empty()) return fail("it takes from an empty stack");
  if (memo_.size() >= limits_.values) return fail(Errc::limit, "it has too many values");
  memo_[key] = stack_.back();
  return true;
}

bool Machine::global(std::string_view module, std::string_view name) {
  if (module.size() + name.size() > kMaxGlobalBytes) return fail("it has an overlong class name");
  return push({.kind = Kind::global, .type = to_valid_utf8(fmt::format("{}.{}", module, name))});
}

bool Machine::call(const std::vector<Ref>& args, Ref callable) {
  if (nodes_[callable].kind != Kind::global) {
    // What a foreign object's method returns is foreign as well.
    if (nodes_[callable].kind == Kind::foreign) return push(nodes_[callable]);
    return fail("it calls a value that is no class");
  }
  std::size_t cost = sizeof(Node);
  for (const Ref arg : args)
    cost += nodes_[arg].text.size() + nodes_[arg].items.size() * sizeof(Ref);
  if (!spend(cost)) return false;
  const std::string type = nodes_[callable].type;
  return push(detail::construct(nodes_, type, args));
}

bool Machine::object(unsigned char opcode) {
  Ref a = 0;
  Ref b = 0;
  switch (opcode) {
    case 0x93:
      if (!pop(b) || !pop(a)) return false;
      if (nodes_[a].kind != Kind::text || nodes_[b].kind != Kind::text)
        return fail("it names a class by something that is no text");
      return global(nodes_[a].text, nodes_[b].text);
    case 'c': {
      const auto rest = bytes_.substr(position_, 2 * kMaxGlobalBytes);
      const auto first = rest.find('\n');
      const auto second = first == std::string_view::npos ? first : rest.find('\n', first + 1);
      if (second == std::string_view::npos) return fail("it has an overlong class name");
      position_ += second + 1;
      return global(rest.substr(0, first), rest.substr(first + 1, second - first - 1));
    }
    case 'R':
    case 0x81: {
      if (!pop(b) || !pop(a)) return false;
      if (nodes_[b].kind != Kind::tuple) return fail("it calls a class without arguments");
      if (!spend(nodes_[b].items.size() * sizeof(Ref))) return false;
      const std::vector<Ref> args = nodes_[b].items;
      return call(args, a);
    }
    case 'b':
      if (!pop(b)) return false;
      if (stack_.empty()) return fail("it takes from an empty stack");
      if (!spend(nodes_[b].items.size())) return false;
      detail::set_state(nodes_, nodes_[stack_.back()], nodes_[b]);
      return true;
    default:
      return bookkeeping(opcode);
  }
}

bool Machine::bookkeeping(unsigned char opcode) {
  std::uint64_t value = 0;
  Ref ref = 0;
  switch (opcode) {
    case 0x80:
      if (!number(1, value)) return false;
      return value <= kNewestProtocol || fail(fmt::format("its protocol {} is too new", value));
    case 0x95:
      return number(8, value);  // a frame is only a hint for readers of files
    case '(':
      if (marks_.size() >= limits_.values) return fail(Errc::limit, "it has too many values");
      marks_.push_back(stack_.size());
      return true;
    case '0':
      return pop(ref);
    case '1': {
      std::vector<Ref> dropped;
      return pop_to_mark(dropped);
    }
    case '2':
      return !stack_.empty() ? push_ref(stack_.back()) : fail("it takes from an empty stack");
    case '.':
      stopped_ = true;
      return false;
    default:
      return fail(fmt::format("its opcode 0x{:02x} is not one of plain data", opcode));
  }
}

Result<Ref> Machine::run() {
  std::size_t at = 0;
  while (position_ < bytes_.size()) {
    at = position_;
    if (!scalar(static_cast<unsigned char>(bytes_[position_++]))) break;
  }
  if (stopped_ && stack_.size() == 1 && position_ == bytes_.size()) return stack_.back();
  if (stopped_) fail(stack_.size() == 1 ? "it goes on after its end" : "it leaves no value");
  if (!error_) fail("it has no end");
  return std::move(*error_).with_context(fmt::format("pickle, byte {}", at));
}

}  // namespace

Result<Ref> detail::load(std::string_view bytes, const PickleLimits& limits, Nodes& nodes) {
  Machine machine(bytes, limits);
  auto root = machine.run();
  nodes = std::move(machine).nodes();
  return root;
}

}  // namespace call::rq
