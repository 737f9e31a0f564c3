#include "tests/support/servers.hpp"

#include <hiredis/hiredis.h>

#include <memory>
#include <pqxx/pqxx>
#include <stdexcept>

#include "core/store/migrate.hpp"
#include "tests/support/scratch_dir.hpp"

namespace call::support {
namespace {

constexpr std::chrono::seconds kStart{60};

template <class Server>
struct Running {
  ScratchDir dir;  // outlives the server
  std::unique_ptr<Server> server;

  template <class Options>
  explicit Running(Options options) {
    options.dir = dir.path() / "server";
    options.durable = false;
    auto started = Server::start(options, Deadline::after(kStart));
    if (!started) throw std::runtime_error(started.error().to_string());
    server = *std::move(started);
  }
};

}  // namespace

local::Postgres& postgres() {
  static Running<local::Postgres> running{local::PostgresOptions{}};
  return *running.server;
}

local::Redis& redis() {
  static Running<local::Redis> running{local::RedisOptions{}};
  return *running.server;
}

std::string fresh_database() {
  static int count = 0;
  const std::string name = "fresh_" + std::to_string(++count);
  const auto made = postgres().create_database(name);
  if (!made) throw std::runtime_error(made.error().to_string());
  return postgres().url(name);
}

std::string migrated_database() {
  static const std::string template_name = [] {
    const std::string name = "migrated";
    const auto made = postgres().create_database(name);
    if (!made) throw std::runtime_error(made.error().to_string());
    auto connection = connect(postgres().url(name));
    const auto migrated = store::migrate(connection);
    if (!migrated) throw std::runtime_error(migrated.error().to_string());
    return name;
  }();
  static int count = 0;
  const std::string name = "test_" + std::to_string(++count);
  const auto made = postgres().create_database(name, template_name);
  if (!made) throw std::runtime_error(made.error().to_string());
  return postgres().url(name);
}

store::Connection connect(const std::string& url) {
  store::Options options;
  options.url = Secret(url);
  auto connection = store::Connection::open(options);
  if (!connection) throw std::runtime_error(connection.error().to_string());
  return *std::move(connection);
}

std::string fresh_redis() {
  const std::string url = redis().url();
  const auto password = url.substr(9, url.find('@') - 9);  // redis://:PASSWORD@...
  std::unique_ptr<redisContext, decltype(&redisFree)> context(
      redisConnect("127.0.0.1", redis().port()), &redisFree);
  if (!context || context->err != 0) throw std::runtime_error("cannot connect to the test Redis");
  freeReplyObject(redisCommand(context.get(), "AUTH %s", password.c_str()));
  auto* reply = static_cast<redisReply*>(redisCommand(context.get(), "FLUSHALL"));
  const bool flushed = reply != nullptr && reply->type == REDIS_REPLY_STATUS;
  freeReplyObject(reply);
  if (!flushed) throw std::runtime_error("cannot empty the test Redis");
  return url;
}

std::vector<std::vector<std::string>> sql(const std::string& url, const std::string& statement) {
  pqxx::connection connection(url);
  pqxx::nontransaction transaction(connection);
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : transaction.exec(statement)) {
    auto& out = rows.emplace_back();
    for (const auto& field : row) out.emplace_back(field.is_null() ? "NULL" : field.c_str());
  }
  return rows;
}

std::string sql_value(const std::string& url, const std::string& statement) {
  const auto rows = sql(url, statement);
  if (rows.size() != 1 || rows[0].size() != 1) {
    throw std::runtime_error("not a single value: " + statement);
  }
  return rows[0][0];
}

}  // namespace call::support
