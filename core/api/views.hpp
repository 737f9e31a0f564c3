// What the store knows, as the API's JSON: the same fields as `callctl -o json`. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/net/http.hpp"
#include "core/store/entries.hpp"
#include "core/store/lists.hpp"

namespace call::api {

nlohmann::json view(const store::ListSummary& summary);
nlohmann::json view(const store::Entry& entry);
nlohmann::json view(const store::Attempt& attempt);
nlohmann::json view(const store::CallEvent& event);

net::HttpResponse json_answer(int status, const nlohmann::json& body);

}  // namespace call::api
