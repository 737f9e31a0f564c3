#include "core/api/server.hpp"

#include <array>
#include <string>
#include <utility>

#include "core/api/context.hpp"
#include "core/api/router.hpp"

namespace call::api {

struct Server::Impl {
  Impl(Options options, Deps deps) : context(std::move(options), std::move(deps)) {
    add_list_routes(router, context);
    add_entry_routes(router, context);
    add_policy_routes(router, context);
    add_call_routes(router, context);
    add_webhook_routes(router, context);
    add_health_routes(router, context);
    for (std::size_t hundreds = 2; hundreds <= 5; ++hundreds) {
      answers.at(hundreds) =
          &context.metrics().counter("calld_api_answers_total", "HTTP answers, by class of status",
                                     {{"class", std::to_string(hundreds) + "xx"}});
    }
  }

  net::HttpResponse handle(const net::HttpRequest& request) {
    const auto begun = MonoClock::now();
    auto answer = router.route(request);
    const std::chrono::duration<double, std::milli> took = MonoClock::now() - begun;
    if (auto* counter = answers.at(static_cast<std::size_t>(answer.status) / 100)) counter->add();
    context.log().debug("{} {} {} in {:.1f} ms", request.method, request.path(), answer.status,
                        took.count());
    return answer;
  }

  Context context;
  Router router;
  std::array<metrics::Counter*, 6> answers{};
  std::unique_ptr<net::HttpServer> http;  // last: its threads use all of the above
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(Options options, Deps deps) {
  auto http_options = options.http;
  auto impl = std::make_unique<Impl>(std::move(options), std::move(deps));
  CALL_TRY(impl->http, net::HttpServer::start(std::move(http_options),
                                              [self = impl.get()](const net::HttpRequest& request) {
                                                return self->handle(request);
                                              }));
  impl->context.log().info("listening on port {}", impl->http->port());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const {
  return impl_->http->port();
}

std::vector<std::string> Server::routes() const {
  return impl_->router.routes();
}

void Server::stop(Deadline deadline) {
  impl_->http->stop(deadline);
}

}  // namespace call::api
