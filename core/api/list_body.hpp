// The body of a request that brings a list or entries: JSON, or CSV with the settings in the query.
// Pure. A faulty row is refused with its reason and stays in the list as such; a faulty document is
// an error that names the key or the line.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/api/router.hpp"
#include "core/base/result.hpp"
#include "core/store/import.hpp"

namespace call::api {

struct Refusal {
  std::int64_t seq = 0;  ///< place in the array, or line in the CSV, from 1
  std::string phone_raw;
  std::string reason;
  std::string detail;
};

struct Entries {
  std::vector<store::NewEntry> rows;  ///< accepted and refused
  std::vector<Refusal> refused;
  bool strict = false;  ///< a refused row is an error, whoever refuses it
};

/// [{"seq","phone","reason","detail"}], the first thousand.
nlohmann::json view(const std::vector<Refusal>& refusals);

/// A row that will be called, but not with all that it brought.
struct Curtailment {
  std::int64_t seq = 0;
  std::vector<std::string> left_out;  ///< names of variables
};
/// Of the rows that nobody refused. They stand at `first_seq` and after, or where they say.
std::vector<Curtailment> curtailments_of(const std::vector<store::NewEntry>& rows,
                                         const std::vector<Refusal>& refused,
                                         std::optional<std::int64_t> first_seq = std::nullopt);
/// [{"seq","left_out"}], the first thousand.
nlohmann::json view(const std::vector<Curtailment>& curtailments);
/// Of a strict request; one is refused at least.
Error strict_error(const std::vector<Refusal>& refusals);

struct ListBody {
  store::NewList list;
  Entries entries;
};

struct EntriesBody {
  Entries entries;
  store::Unique unique = store::Unique::list;
};

/// Errc::invalid_argument, Errc::limit. With "strict" a refused row is an error.
Result<ListBody> parse_list_body(const Request& request, const std::string& default_region);
/// With "strict" its refused rows come as well: the store may refuse more.
Result<EntriesBody> parse_entries_body(const Request& request, const std::string& default_region);

}  // namespace call::api
