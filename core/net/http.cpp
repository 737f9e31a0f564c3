#include "core/net/http.hpp"

#include <algorithm>

#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"

namespace call::net {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

HttpResponse response_of(int status, std::string type, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.add("Content-Type", std::move(type));
  response.body = std::move(body);
  return response;
}

}  // namespace

const std::string* Headers::find(std::string_view name) const {
  for (const auto& [own_name, value] : fields_) {
    if (same_name(own_name, name)) return &value;
  }
  return nullptr;
}

std::string_view Headers::get(std::string_view name) const {
  const auto* value = find(name);
  return value != nullptr ? std::string_view(*value) : std::string_view();
}

void Headers::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const Field& field) { return same_name(field.first, name); });
}

std::string_view HttpRequest::path() const {
  const std::string_view text = target;
  return text.substr(0, text.find('?'));
}

std::string_view HttpRequest::query() const {
  const std::string_view text = target;
  const auto question = text.find('?');
  return question == text.npos ? std::string_view() : text.substr(question + 1);
}

HttpResponse text_response(int status, std::string text) {
  return response_of(status, "text/plain; charset=utf-8", std::move(text));
}

HttpResponse json_response(int status, std::string json) {
  return response_of(status, "application/json", std::move(json));
}

std::string basic_auth(std::string_view user, std::string_view password) {
  return "Basic " + crypto::base64_encode(std::string(user) + ":" + std::string(password));
}

bool parse_basic_auth(std::string_view header, std::string& user, std::string& password) {
  constexpr std::string_view kScheme = "basic ";
  if (!same_name(header.substr(0, kScheme.size()), kScheme)) return false;
  const auto plain = crypto::base64_decode(trim(header.substr(kScheme.size())));
  if (!plain) return false;
  const auto colon = plain->find(':');
  if (colon == plain->npos) return false;
  user = plain->substr(0, colon);
  password = plain->substr(colon + 1);
  return true;
}

}  // namespace call::net
