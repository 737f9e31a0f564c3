// callctl-replay: is the code of today the code that held this call?
#include "cmd/replay.hpp"

#include <nlohmann/json.hpp>

#include "cmd/text_width.hpp"
#include "core/base/files.hpp"
#include "core/flow/replay.hpp"
#include "core/record/tape.hpp"
#include "core/store/records.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTape = 512U << 20;

Result<std::filesystem::path> tape_of(Session& session, const ReplayOptions& options) {
  if (options.file) return std::filesystem::path(options.call);
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto row, store::find_call_record(*connection, tenant.id, options.call));
  const auto path = std::filesystem::path(row.record.path) / record::kTapeFile;
  std::error_code error;
  if (std::filesystem::exists(path, error)) return path;
  if (!std::filesystem::exists(path.parent_path(), error)) {
    return Error{Errc::not_found, fmt::format("{} is not on this machine; copy the call's {} here "
                                              "and give it with --file",
                                              row.record.path, record::kTapeFile)};
  }
  return Error{Errc::not_found,
               fmt::format("call {} was not taped: record.tape was off, something was redacted, or "
                           "the call had no conversation",
                           options.call)};
}

std::string at_text(std::int64_t ns) {
  return fmt::format("{:>9.3f} s", static_cast<double>(ns / 1000000) / 1000);
}

media::TraceReplay tracer(const Session& session) {
  const auto columns = session.screen().columns;
  const bool cut = session.screen().terminal;
  return [columns, cut](std::int64_t at_ns, char kind, std::string_view text) {
    auto line = at_text(at_ns) + (kind == '>' ? "    " : "  ") + printable(text);
    static_cast<void>(print((cut ? fit(line, columns) : line) + "\n"));
  };
}

json difference_json(const char* machine, const media::Difference& d) {
  return {{"machine", machine},
          {"at_ms", d.at_ns / 1000000},
          {"input", d.input},
          {"on_tape", d.on_tape},
          {"now", d.now}};
}

json result_json(const flow::Replay& replay) {
  json object{{"call_sid", replay.session.start.call_sid},
              {"identical", replay.identical()},
              {"complete", replay.session.ended && replay.handler_complete},
              {"length_ms", replay.session.length_ns / 1000000},
              {"session_inputs", replay.session.inputs},
              {"session_decisions", replay.session.decisions},
              {"conversation_inputs", replay.handler_inputs},
              {"conversation_decisions", replay.handler_decisions},
              {"difference", nullptr}};
  if (const auto& d = replay.session.difference)
    object["difference"] = difference_json("session", *d);
  if (const auto& d = replay.handler_difference) {
    object["difference"] = difference_json("conversation", *d);
  }
  return object;
}

std::string difference_text(const char* machine, const media::Difference& d) {
  const auto line = [](const char* name, const std::string& text) {
    return fmt::format("  {:<8}{}\n", name, text.empty() ? "(nothing)" : printable(text));
  };
  const auto when = d.at_ns > 0
                        ? " at " + fmt::format("{:.3f} s", static_cast<double>(d.at_ns) / 1e9)
                        : std::string();
  return fmt::format("The {} differs{}:\n", machine, when) + line("input", d.input) +
         line("then", d.on_tape) + line("now", d.now);
}

std::string result_text(const flow::Replay& replay) {
  std::string text = fmt::format("session       {:>6} inputs  {:>6} decisions  {:.1f} s of call\n",
                                 replay.session.inputs, replay.session.decisions,
                                 static_cast<double>(replay.session.length_ns / 1000000) / 1000);
  if (replay.has_handler) {
    text += fmt::format("conversation  {:>6} inputs  {:>6} decisions\n", replay.handler_inputs,
                        replay.handler_decisions);
  }
  if (const auto& d = replay.session.difference) text += difference_text("session", *d);
  if (const auto& d = replay.handler_difference) text += difference_text("conversation", *d);
  if (replay.identical()) {
    const bool complete = replay.session.ended && replay.handler_complete;
    text += complete ? "identical, to the last bit\n"
                     : "identical as far as the tape goes; it ends before the call did\n";
  }
  return text;
}

}  // namespace

Result<Exit> replay_call(Session& session, const ReplayOptions& options) {
  CALL_TRY(const auto path, tape_of(session, options));
  CALL_TRY(const auto tape, read_file(path, kMaxTape));
  const auto trace = options.trace ? tracer(session) : media::TraceReplay();
  CALL_TRY(const auto replay, flow::replay(tape, trace).with_context(path.string()));
  if (session.format() == Format::table) {
    CALL_CHECK(print(result_text(replay)));
  } else {
    const auto object = result_json(replay);
    std::vector<Column> columns;
    for (const auto& [key, value] : object.items()) columns.push_back({key, key});
    CALL_CHECK(session.show_one(columns, object));
  }
  return replay.identical() ? kDone : kFailed;
}

}  // namespace call::cmd
