// Many calls at once against a media server's echo agent, from one thread. Speaks Twilio's protocol over the frames
// of core/net/ws_frame.hpp and an epoll loop of its own, so that it is cheaper than what it measures.
//
//   echo_load --port P [--calls N] [--seconds S] [--rate CALLS_PER_S] [--pid SERVER] [--path /ws/twilio-media]
//   echo_load --port P --short N --at-once M --frames F       N short calls, M at a time
//
// Every call sends a frame of 20 ms at its own phase. A frame carries the time at which it was sent, and its echo
// tells how long server, kernel and this program together took. Prints one line of JSON.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/net/ws_frame.hpp"

namespace {

using namespace call;
using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kFrame{20000};
constexpr std::array<unsigned char, 4> kMask = {0x51, 0x0c, 0xa7, 0x3e};

struct Options {
  std::uint16_t port = 0;
  std::string path = "/ws/twilio-media";
  int calls = 100;
  int seconds = 10;
  int rate = 400;  // new calls a second
  int pid = 0;     // of the server: its memory and processor time
  int short_calls = 0;
  int at_once = 50;
  int frames = 25;
};

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "echo_load: %s\n", why.c_str());
  std::exit(1);
}

std::int64_t now_us() {
  return std::chrono::duration_cast<microseconds>(Clock::now().time_since_epoch()).count();
}

/// One media message with holes for what changes from frame to frame, framed and masked once.
class FrameTemplate {
 public:
  explicit FrameTemplate(const std::string& stream_sid) {
    const std::string payload = crypto::base64_encode(std::string(160, '\x7f'));
    text_ =
        R"({"event":"media","sequenceNumber":"0000000000","media":{"track":"inbound","chunk":"0000000000",)"
        R"("timestamp":"0000000000","payload":")" +
        payload + R"("},"streamSid":")" + stream_sid + "\"}";
    sequence_ = text_.find("0000000000");
    chunk_ = text_.find("0000000000", sequence_ + 10);
    timestamp_ = text_.find("0000000000", chunk_ + 10);
    payload_ = text_.find(payload);
  }

  const std::string& fill(std::uint32_t index, std::int64_t sent_us) {
    put(sequence_, index + 2);
    put(chunk_, index + 1);
    put(timestamp_, index * 20);
    // 16 characters of base64 hold the time: letters of their own alphabet, four bits each.
    for (int i = 0; i < 16; ++i) {
      text_[payload_ + static_cast<std::size_t>(i)] =
          static_cast<char>('A' + (sent_us >> (4 * (15 - i)) & 15));
    }
    frame_.clear();
    net::append_frame(frame_, net::WsOpcode::text, text_, &kMask);
    return frame_;
  }

 private:
  void put(std::size_t at, std::uint32_t value) {
    for (std::size_t i = 10; i-- > 0; value /= 10) {
      text_[at + i] = static_cast<char>('0' + value % 10);
    }
  }
  std::string text_, frame_;
  std::size_t sequence_ = 0, chunk_ = 0, timestamp_ = 0, payload_ = 0;
};

/// The time in an echoed frame; -1 when the message is none.
std::int64_t sent_time(std::string_view message) {
  const auto at = message.find("\"payload\":\"");
  if (at == std::string_view::npos || message.size() < at + 11 + 16) return -1;
  std::int64_t time = 0;
  for (const char c : message.substr(at + 11, 16)) {
    if (c < 'A' || c > 'P') return -1;
    time = time << 4 | (c - 'A');
  }
  return time;
}

struct Call {
  int fd = -1;
  bool open = false;
  bool closed = false;
  std::string unsent;
  std::unique_ptr<net::WsReader> reader;
  std::unique_ptr<FrameTemplate> frames;
  std::string head;
  std::int64_t due_us = 0;
  std::uint32_t sent = 0;
  std::uint32_t received = 0;
};

struct ServerUse {
  double cpu_s = 0;
  long rss_kb = 0;
};

ServerUse use_of(int pid) {
  ServerUse use;
  if (pid == 0) return use;
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(stat, line);
  std::istringstream words(line.substr(line.rfind(')') + 2));
  std::string word;
  std::vector<std::string> fields;
  while (words >> word) fields.push_back(word);
  const auto ticks =
      parse_number<long>(fields.at(11)).value_or(0) + parse_number<long>(fields.at(12)).value_or(0);
  use.cpu_s = static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  while (std::getline(status, line)) {
    if (line.starts_with("VmRSS:")) {
      std::istringstream(line.substr(6)) >> use.rss_kb;
    }
  }
  return use;
}

double own_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Load {
 public:
  explicit Load(const Options& options) : options_(options), epoll_(epoll_create1(0)) {}
  ~Load() { ::close(epoll_); }

  void run_steady();
  void run_short();

 private:
  std::size_t open_call();
  void send(Call& call, std::string_view bytes);
  void flush(Call& call);
  void send_due(Call& call, std::int64_t now);
  void on_event(Call& call, std::uint32_t events);
  void on_bytes(Call& call, std::span<char> bytes);
  void begin(Call& call);
  void hang_up(Call& call);
  void forget(Call& call);
  void poll(std::int64_t until_us);
  void print(const char* kind, double seconds, const ServerUse& before, const ServerUse& full,
             const ServerUse& after, double own);

  const Options options_;
  const int epoll_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<std::uint32_t> delays_us_;
  std::vector<std::uint32_t> late_us_;  // of this program's own sends
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t failed_ = 0;
  std::size_t opened_ = 0;
  std::size_t over_ = 0;
  bool measuring_ = false;
  std::int64_t measure_from_us_ = 0;
};

std::size_t Load::open_call() {
  auto call = std::make_unique<Call>();
  call->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (call->fd < 0 ||
      ::connect(call->fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    die(std::string("cannot connect: ") + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(call->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(call->fd, F_SETFL, O_NONBLOCK);
  call->reader = std::make_unique<net::WsReader>(net::WsRole::client, 1U << 20);
  const std::size_t index = calls_.size();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = index;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, call->fd, &event);
  send(*call,
       "GET " + options_.path +
           " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  calls_.push_back(std::move(call));
  return index;
}

void Load::send(Call& call, std::string_view bytes) {
  call.unsent.append(bytes);
  flush(call);
}

void Load::flush(Call& call) {
  while (!call.unsent.empty()) {
    const auto n = ::send(call.fd, call.unsent.data(), call.unsent.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    call.unsent.erase(0, static_cast<std::size_t>(n));
  }
}

void Load::begin(Call& call) {
  const auto id = std::to_string(opened_++) + "-" + std::to_string(getpid());
  call.open = true;
  call.frames = std::make_unique<FrameTemplate>("MZ" + id);
  std::string hello;
  net::append_frame(hello, net::WsOpcode::text,
                    R"({"event":"connected","protocol":"Call","version":"1.0.0"})", &kMask);
  net::append_frame(
      hello, net::WsOpcode::text,
      R"({"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ)" + id +
          R"(","callSid":"CA)" + id +
          R"(","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},)"
          R"("customParameters":{"agent":"echo"}},"streamSid":"MZ)" +
          id + "\"}",
      &kMask);
  send(call, hello);
  // Phases of their own, spread over the 20 ms.
  call.due_us = now_us() + static_cast<std::int64_t>(opened_ * 7919 % 20000);
}

void Load::send_due(Call& call, std::int64_t now) {
  while (call.open && !call.closed && call.due_us <= now) {
    if (measuring_ && call.due_us >= measure_from_us_) {
      late_us_.push_back(static_cast<std::uint32_t>(now - call.due_us));
    }
    send(call, call.frames->fill(call.sent++, now_us()));
    if (measuring_) ++sent_;
    call.due_us += kFrame.count();
  }
}

void Load::on_bytes(Call& call, std::span<char> bytes) {
  if (!call.open) {
    call.head.append(bytes.data(), bytes.size());
    const auto end = call.head.find("\r\n\r\n");
    if (end == std::string::npos) return;
    if (!call.head.starts_with("HTTP/1.1 101"))
      die("the server answers " + call.head.substr(0, 40));
    std::string rest = call.head.substr(end + 4);
    begin(call);
    if (!rest.empty()) on_bytes(call, rest);
    return;
  }
  while (const auto input = call.reader->next(bytes)) {
    if (input->kind == net::WsOpcode::close) return forget(call);
    const auto sent = sent_time(input->payload);
    if (input->kind != net::WsOpcode::text || sent < 0) continue;
    ++call.received;
    if (!measuring_ || sent < measure_from_us_) continue;
    ++received_;
    delays_us_.push_back(static_cast<std::uint32_t>(now_us() - sent));
  }
  if (call.reader->fault()) die(std::string("the server sends ") + call.reader->fault()->what);
}

void Load::on_event(Call& call, std::uint32_t events) {
  if (call.closed) return;
  if ((events & EPOLLOUT) != 0) flush(call);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  std::array<char, 65536> buffer;
  for (;;) {
    const auto n = ::recv(call.fd, buffer.data(), buffer.size(), 0);
    if (n > 0) on_bytes(call, std::span(buffer).first(static_cast<std::size_t>(n)));
    if (call.closed) return;
    if (n > 0 && static_cast<std::size_t>(n) == buffer.size()) continue;
    if (n == 0 || (n < 0 && errno != EAGAIN)) forget(call);
    return;
  }
}

void Load::hang_up(Call& call) {
  if (call.closed) return;
  std::string bye;
  net::append_frame(bye, net::WsOpcode::text, R"({"event":"stop","stop":{}})", &kMask);
  send(call, bye);
}

void Load::forget(Call& call) {
  if (call.closed) return;
  call.closed = true;
  ::close(call.fd);
  ++over_;
}

/// Never sleeps inside epoll: the server would pay for waking us, an interrupt to another processor
/// for each echo, which the network card of a real carrier's peer does not cost it.
void Load::poll(std::int64_t until_us) {
  std::array<epoll_event, 256> events;
  const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < n; ++i)
    on_event(*calls_[events[static_cast<std::size_t>(i)].data.u64],
             events[static_cast<std::size_t>(i)].events);
  if (n > 0) return;
  const auto nap = std::clamp<std::int64_t>(until_us - now_us(), 0, 200);
  const timespec span{0, nap * 1000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr);
}

double at(std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto last = static_cast<double>(sorted.size() - 1);
  return static_cast<double>(sorted[static_cast<std::size_t>(share * last)]) / 1000;
}

void Load::print(const char* kind, double seconds, const ServerUse& before, const ServerUse& full,
                 const ServerUse& after, double own) {
  std::sort(delays_us_.begin(), delays_us_.end());
  std::sort(late_us_.begin(), late_us_.end());
  const auto calls =
      static_cast<double>(options_.short_calls > 0 ? options_.short_calls : options_.calls);
  std::printf(
      R"({"kind":"%s","calls":%.0f,"seconds":%.1f,"sent":%llu,"received":%llu,"lost":%lld,"failed":%llu,)"
      R"("delay_ms":{"p50":%.2f,"p90":%.2f,"p99":%.2f,"p999":%.2f,"max":%.2f},)"
      R"("own_lateness_ms":{"p99":%.2f,"p999":%.2f},"own_cpu":%.3f,"server_cpu":%.3f,)"
      R"("server_rss_kb":{"before":%ld,"full":%ld,"after":%ld},"kb_per_call":%.1f})"
      "\n",
      kind, calls, seconds, static_cast<unsigned long long>(sent_),
      static_cast<unsigned long long>(received_),
      static_cast<long long>(sent_) - static_cast<long long>(received_),
      static_cast<unsigned long long>(failed_), at(delays_us_, 0.5), at(delays_us_, 0.9),
      at(delays_us_, 0.99), at(delays_us_, 0.999), at(delays_us_, 1), at(late_us_, 0.99),
      at(late_us_, 0.999), own / seconds, (after.cpu_s - full.cpu_s) / seconds, before.rss_kb,
      full.rss_kb, after.rss_kb, static_cast<double>(after.rss_kb - before.rss_kb) / calls);
}

void Load::run_steady() {
  const auto before = use_of(options_.pid);
  const auto began = now_us();
  const auto count = static_cast<std::size_t>(options_.calls);
  const auto turn = [&] {
    const auto now = now_us();
    for (auto& call : calls_) send_due(*call, now);
    poll(now + 500);
  };
  while (opened_ < count) {
    const auto wanted =
        static_cast<std::size_t>((now_us() - began) * options_.rate / 1'000'000 + 1);
    while (calls_.size() < std::min(wanted, count)) open_call();
    turn();
    if (now_us() - began > 60'000'000) die("the server does not take the calls in time");
  }
  for (const auto warm = now_us() + 2'000'000; now_us() < warm;) turn();
  const auto use = use_of(options_.pid);
  const double cpu = own_cpu_s();
  measuring_ = true;
  measure_from_us_ = now_us();
  const auto end = measure_from_us_ + options_.seconds * 1'000'000LL;
  while (now_us() < end) turn();
  const auto after = use_of(options_.pid);
  const double own = own_cpu_s() - cpu;
  const double seconds = static_cast<double>(now_us() - measure_from_us_) / 1e6;
  // No more frames; the last echoes have a second.
  for (const auto last = now_us() + 1'000'000; received_ < sent_ && now_us() < last;) poll(last);
  failed_ = over_;
  print("echo", seconds, before, use, after, own);
  for (auto& call : calls_) hang_up(*call);
  for (const auto last = now_us() + 3'000'000; over_ < count && now_us() < last;) poll(last);
}

void Load::run_short() {
  const auto before = use_of(options_.pid);
  const double cpu = own_cpu_s();
  const auto count = static_cast<std::size_t>(options_.short_calls);
  const auto frames = static_cast<std::uint32_t>(options_.frames);
  measuring_ = true;
  measure_from_us_ = now_us();
  std::vector<std::size_t> live;
  std::size_t begun = 0;
  while (over_ < count) {
    while (begun < count && live.size() < static_cast<std::size_t>(options_.at_once)) {
      live.push_back(open_call());
      ++begun;
    }
    const auto now = now_us();
    for (const auto index : live) {
      Call& call = *calls_[index];
      if (call.open && call.sent < frames) send_due(call, now);
      if (call.sent == frames && call.received >= frames) {
        ++call.sent;  // once
        hang_up(call);
      }
    }
    std::erase_if(live, [&](const auto index) {
      Call& call = *calls_[index];
      if (!call.closed) return false;
      if (call.received < frames) ++failed_;
      call.reader.reset();
      call.frames.reset();
      return true;
    });
    poll(now + 500);
  }
  const double seconds = static_cast<double>(now_us() - measure_from_us_) / 1e6;
  print("short", seconds, before, before, use_of(options_.pid), own_cpu_s() - cpu);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view text = argv[i + 1];
    const auto value = parse_number<int>(text);
    if (name == "--path") {
      options.path = text;
      continue;
    }
    if (!value) die("not a number: " + std::string(text));
    if (name == "--port") {
      options.port = static_cast<std::uint16_t>(*value);
    } else if (name == "--calls") {
      options.calls = *value;
    } else if (name == "--seconds") {
      options.seconds = *value;
    } else if (name == "--rate") {
      options.rate = *value;
    } else if (name == "--pid") {
      options.pid = *value;
    } else if (name == "--short") {
      options.short_calls = *value;
    } else if (name == "--at-once") {
      options.at_once = *value;
    } else if (name == "--frames") {
      options.frames = *value;
    } else {
      die("unknown option " + std::string(name));
    }
  }
  if (options.port == 0) die("usage: echo_load --port P [--calls N] [--seconds S] ...");
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_TIMERSLACK, 1000UL);  // naps of 0.2 ms, not of 0.25
  Load load(options);
  options.short_calls > 0 ? load.run_short() : load.run_steady();
}
