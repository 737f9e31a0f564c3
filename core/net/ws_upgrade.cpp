#include "core/net/ws_upgrade.hpp"

#include <algorithm>
#include <array>

#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/net/wire.hpp"
#include "core/net/ws_frame.hpp"

namespace call::net {
namespace {

constexpr std::size_t kKeyBytes = 16;

/// A comma-separated list, perhaps over several fields, has this entry.
bool lists(const Headers& headers, std::string_view field, std::string_view wanted) {
  for (const auto& [name, value] : headers) {
    if (to_lower_ascii(name) != field) continue;
    for (const auto one : split(value, ',')) {
      if (to_lower_ascii(trim(one)) == wanted) return true;
    }
  }
  return false;
}

bool offers(const Headers& headers, std::string_view protocol) {
  for (const auto& [name, value] : headers) {
    if (to_lower_ascii(name) != "sec-websocket-protocol") continue;
    for (const auto one : split(value, ',')) {
      if (trim(one) == protocol) return true;
    }
  }
  return false;
}

}  // namespace

bool is_upgrade(const HttpRequest& request) {
  return request.method == "GET" && lists(request.headers, "upgrade", "websocket") &&
         lists(request.headers, "connection", "upgrade");
}

std::optional<HttpResponse> find_upgrade_fault(const HttpRequest& request) {
  if (trim(request.headers.get("Sec-WebSocket-Version")) != "13") {
    auto answer = text_response(426, "only version 13 of WebSocket is spoken here\n");
    answer.headers.set("Sec-WebSocket-Version", "13");
    return answer;
  }
  const auto key = crypto::base64_decode(trim(request.headers.get("Sec-WebSocket-Key")));
  if (!key || key->size() != kKeyBytes) {
    return text_response(400, "Sec-WebSocket-Key is not 16 bytes in base64\n");
  }
  if (!request.body.empty()) return text_response(400, "an upgrade has no body\n");
  return std::nullopt;
}

std::string upgrade_answer(const HttpRequest& request, std::string_view protocol) {
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ";
  head.append(accept_value(trim(request.headers.get("Sec-WebSocket-Key")))).append("\r\n");
  if (!protocol.empty() && offers(request.headers, protocol)) {
    head.append("Sec-WebSocket-Protocol: ").append(protocol).append("\r\n");
  }
  return head.append("\r\n");
}

std::string make_upgrade_key() {
  std::array<std::uint8_t, kKeyBytes> bytes{};
  fill_random(bytes);
  return crypto::base64_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string upgrade_request(const Url& url, const Headers& headers, std::string_view key) {
  HttpRequest request;
  request.method = "GET";
  request.headers = headers;
  request.headers.set("Upgrade", "websocket");
  request.headers.set("Sec-WebSocket-Version", "13");
  request.headers.set("Sec-WebSocket-Key", std::string(key));
  return replace_all(request_head(url, request), "\r\nConnection: close\r\n",
                     "\r\nConnection: Upgrade\r\n");
}

bool is_upgrade_answer(const Headers& headers, std::string_view expected_accept) {
  return lists(headers, "upgrade", "websocket") && lists(headers, "connection", "upgrade") &&
         trim(headers.get("Sec-WebSocket-Accept")) == expected_accept &&
         headers.find("Sec-WebSocket-Extensions") == nullptr;
}

}  // namespace call::net
