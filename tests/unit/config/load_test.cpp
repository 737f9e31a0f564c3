#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/config/config.hpp"
#include "core/config/schema.hpp"

namespace call::config {
namespace {

// A configuration file and an environment that hold only what the test puts there.
struct Fixture {
  Path dir = std::filesystem::temp_directory_path() / ("cfg-" + random_hex(6));
  Path file = dir / "calld.toml";
  std::map<std::string, std::string> variables;
  std::vector<Flag> flags;

  Fixture() { std::filesystem::create_directories(dir); }
  ~Fixture() { std::filesystem::remove_all(dir); }

  Path write(const std::string& name, std::string_view text, int mode = 0600) const {
    REQUIRE(write_file_atomic(dir / name, text, mode).ok());
    return dir / name;
  }
  Result<Loaded> load_text(std::string_view text) {
    write("calld.toml", text);
    return load({file, flags, environment()});
  }
  Environment environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end()) return std::nullopt;
      return found->second;
    };
  }
  std::string fault_of(std::string_view text) {
    const auto loaded = load_text(text);
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().code == Errc::invalid_argument);
    std::string fault = loaded.error().context;
    const std::string prefix = file.string();
    if (fault.starts_with(prefix)) fault.erase(0, prefix.size());
    return fault;
  }
};

TEST_CASE("config: names with dots and what runs for them") {
  using Table = std::map<std::string, std::string>;
  const Table expected = {{"old.package.dial", "calld.dial_list"}, {"report", "exec:/bin/x -a"}};
  Fixture f;
  for (const char* text : {"[worker.functions]\n\"old.package.dial\" = \"calld.dial_list\"\nreport "
                           "= \"exec:/bin/x -a\"\n",
                           "[worker]\nfunctions = {\"old.package.dial\" = \"calld.dial_list\", "
                           "report = \"exec:/bin/x -a\"}\n"}) {
    const auto loaded = f.load_text(text);
    REQUIRE(loaded.ok());
    CHECK(loaded->config.worker.functions == expected);
    const auto again = f.load_text(render_toml(loaded->config, true));
    REQUIRE(again.ok());
    CHECK(again->config.worker.functions == expected);
  }
  f.variables["CALLD_WORKER_FUNCTIONS"] =
      "old.package.dial=calld.dial_list, report = exec:/bin/x -a";
  CHECK(f.load_text("")->config.worker.functions == expected);
  f.variables["CALLD_WORKER_FUNCTIONS"] = "report";
  CHECK(f.load_text("").error().context.find("it must be a table of names and strings") !=
        std::string::npos);
  f.variables.clear();
  CHECK(f.fault_of("[worker.functions]\nreport = 7\n").starts_with(":1: worker.functions = "));
  CHECK(f.fault_of("[worker]\nfunctions = \"x=y\"\n").starts_with(":2: worker.functions = "));
}

TEST_CASE("config: an empty file gives the defaults") {
  Fixture f;
  const auto loaded = f.load_text("");
  REQUIRE(loaded.ok());
  const Config& config = loaded->config;
  CHECK(loaded->file == f.file);
  CHECK(config.service.role == "api");
  CHECK(config.carrier.base_url == "https://api.twilio.com");
  CHECK(config.carrier.timeout == std::chrono::seconds(30));
  CHECK(config.carrier.auth_token_file.path.empty());
  CHECK(config.api.listen.to_string() == "127.0.0.1:8080");
  CHECK(config.api.body_bytes_max == 16 << 20);
  CHECK(config.worker.queues == std::vector<std::string>{"dial", "records", "default"});
  CHECK(config.media.auth == "signature+token");
}

TEST_CASE("config: every type is read from TOML") {
  Fixture f;
  const auto loaded = f.load_text(R"(
[carrier]
timeout = "5s"
calls_per_second = 2
auth_token_file = "/run/token"
[api]
listen = "[::1]:0"
body_bytes_max = "64K"
[log]
show_numbers = true
[worker]
queues = ["a", "b"]
concurrency = 3
)");
  REQUIRE(loaded.ok());
  const Config& config = loaded->config;
  CHECK(config.carrier.timeout == std::chrono::seconds(5));
  CHECK(config.carrier.calls_per_second == 2.0);
  CHECK(config.carrier.auth_token_file.path == "/run/token");
  CHECK(config.api.listen.host == "::1");
  CHECK(config.api.listen.port == 0);
  CHECK(config.api.body_bytes_max == 65536);
  CHECK(config.log.show_numbers);
  CHECK(config.worker.queues == std::vector<std::string>{"a", "b"});
  CHECK(config.worker.concurrency == 3);
}

TEST_CASE("config: an unknown key names its line and the nearest key") {
  Fixture f;
  CHECK(f.fault_of("[media]\nmax_calls = 5\nmax_cals = 6\n") ==
        ":3: there is no key media.max_cals; did you mean media.max_calls?");
  CHECK(f.fault_of("[zzzzzzzzz]\nqqqqqq = 1\n") == ":2: there is no key zzzzzzzzz.qqqqqq");
  CHECK(f.fault_of("[databse]\nurl = \"x\"\n") ==
        ":2: there is no key databse.url; did you mean database.url?");
}

TEST_CASE("config: a bad value names line, key, value and what is allowed") {
  Fixture f;
  CHECK(f.fault_of("[media]\n\nmax_calls = 0\n") ==
        ":3: media.max_calls = \"0\" is not allowed: it must be a whole number from 1 to 10000");
  CHECK(f.fault_of("[media]\nmax_calls = \"5\"\n").find(":2: media.max_calls") == 0);
  CHECK(f.fault_of("[log]\nformat = \"xml\"\n").find("one of auto, text, json") !=
        std::string::npos);
  CHECK(f.fault_of("[carrier]\nbase_url = \"api.twilio.com\"\n").find("http://, https://") !=
        std::string::npos);
  CHECK(f.fault_of("[carrier]\ntimeout = 30\n").find("such as 500ms, 30s") != std::string::npos);
}

TEST_CASE("config: what cannot be read as TOML names its line") {
  Fixture f;
  CHECK(f.fault_of("[media]\nlisten = 127.0.0.1:1\n").find(":2: not valid TOML: ") == 0);
}

TEST_CASE("config: all faults are reported at once, from every source") {
  Fixture f;
  f.variables["CALLD_API_THREADS"] = "many";
  f.flags = {{"media.listen", "nowhere", "--listen"}};
  const std::string fault = f.fault_of("[media]\nmax_calls = 0\nxx = 1\n");
  CHECK(fault.find(":2: media.max_calls") != std::string::npos);
  CHECK(fault.find(":3: there is no key media.xx") != std::string::npos);
  CHECK(fault.find("CALLD_API_THREADS: api.threads = \"many\"") != std::string::npos);
  CHECK(fault.find("--listen: media.listen = \"nowhere\"") != std::string::npos);
}

TEST_CASE("config: a flag wins over the environment, which wins over the file") {
  Fixture f;
  const std::string text = "[worker]\nconcurrency = 2\nqueues = [\"file\"]\nname = \"file\"\n";
  f.variables["CALLD_WORKER_CONCURRENCY"] = "3";
  f.variables["CALLD_WORKER_QUEUES"] = "env, two";
  f.flags = {{"worker.concurrency", "4", "--concurrency"}};
  const auto loaded = f.load_text(text);
  REQUIRE(loaded.ok());
  CHECK(loaded->config.worker.concurrency == 4);
  CHECK(loaded->config.worker.queues == std::vector<std::string>{"env", "two"});
  CHECK(loaded->config.worker.name == "file");
}

TEST_CASE("config: SERVICE_ROLE is understood, its CALLD_ name wins") {
  Fixture f;
  f.variables["SERVICE_ROLE"] = "worker";
  CHECK(f.load_text("")->config.service.role == "worker");
  f.variables["CALLD_SERVICE_ROLE"] = "media";
  CHECK(f.load_text("")->config.service.role == "media");
  f.variables = {{"SERVICE_ROLE", "boss"}};
  CHECK(f.fault_of("").find("SERVICE_ROLE: service.role = \"boss\"") == 0);
}

TEST_CASE("config: the file comes from the flag, else from CALLD_CONFIG, and must exist") {
  Fixture f;
  const auto other = f.write("other.toml", "[worker]\nname = \"other\"\n");
  f.variables["CALLD_CONFIG"] = other.string();
  CHECK(load({{}, {}, f.environment()})->config.worker.name == "other");
  CHECK(f.load_text("")->config.worker.name.empty());
  const auto missing = load({f.dir / "none.toml", {}, f.environment()});
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Errc::not_found);
  CHECK(missing.error().context.find("none.toml") != std::string::npos);
}

TEST_CASE("config: a media server without authentication must listen on loopback") {
  Fixture f;
  CHECK(f.load_text("[media]\nauth = \"none\"\n").ok());
  CHECK(f.fault_of("[media]\nauth = \"none\"\nlisten = \"0.0.0.0:8081\"\n").find("loopback") !=
        std::string::npos);
}

TEST_CASE("config.secret: the file's text without its newline") {
  Fixture f;
  const auto path = f.write("token", "s3cret word\n");
  CHECK(read_secret({path, "carrier.auth_token_file"})->reveal() == "s3cret word");
  CHECK(read_secret({f.write("empty", "\n"), "k"}).error().context.find("is empty") !=
        std::string::npos);
  CHECK(read_secret({f.dir / "none", "k"}).error().code == Errc::not_found);
  const auto unset = read_secret(f.load_text("")->config.carrier.auth_token_file);
  REQUIRE_FALSE(unset.ok());
  CHECK(unset.error().code == Errc::not_found);
  CHECK(unset.error().context.find("is not set") != std::string::npos);
}

TEST_CASE("config.secret: what systemd hands over wins over the file") {
  Fixture f;
  f.write("carrier.auth_token", "from systemd\n");
  f.variables["CREDENTIALS_DIRECTORY"] = f.dir.string();
  const auto loaded = f.load_text("");
  REQUIRE(loaded.ok());
  CHECK(read_secret(loaded->config.carrier.auth_token_file)->reveal() == "from systemd");
  const auto named = f.load_text("[carrier]\nauth_token_file = \"/readable/by/root\"\n");
  CHECK(named->config.carrier.auth_token_file.path == f.dir / "carrier.auth_token");
}

TEST_CASE("config.secret: a whole directory of credentials, and an address with a password") {
  Fixture f;
  f.write("calld_carrier.auth_token", "from a directory\n");
  f.write("calld_database.url", "postgresql://calld:hidden@db/calld\n");
  f.variables["CREDENTIALS_DIRECTORY"] = f.dir.string();
  const auto loaded = f.load_text("[database]\nurl = \"postgresql:///other\"\n");
  REQUIRE(loaded.ok());
  CHECK(read_secret(loaded->config.carrier.auth_token_file)->reveal() == "from a directory");
  CHECK(loaded->config.database.url == "postgresql://calld:hidden@db/calld");
}

TEST_CASE("config.secret: a secret that every user can read is warned about") {
  Fixture f;
  const auto path = f.write("token", "x");
  const auto warning_for = [&](mode_t mode) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    {
      log::Options options;
      options.fd = fds[1];
      const auto session = log::setup(options);
      CHECK(read_secret({path, "carrier.auth_token_file"}).ok());
    }
    ::close(fds[1]);
    char buffer[1024];
    const auto got = ::read(fds[0], buffer, sizeof buffer);
    ::close(fds[0]);
    return std::string(buffer, static_cast<std::size_t>(got));
  };
  CHECK(warning_for(0644).find("carrier.auth_token_file can be read by every user") !=
        std::string::npos);
  CHECK(warning_for(0640).empty());
}

TEST_CASE("config: a reload tells which changes wait for a restart") {
  Fixture f;
  const auto before = f.load_text("[log]\nlevel = \"info\"\n");
  const auto after = f.load_text("[log]\nlevel = \"debug\"\n[api]\nthreads = 9\n");
  REQUIRE(before.ok());
  REQUIRE(after.ok());
  CHECK(changed_keys_that_need_restart(before->config, after->config) ==
        std::vector<std::string>{"api.threads"});
}

}  // namespace
}  // namespace call::config
