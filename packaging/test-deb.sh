#!/bin/sh
# Installs, runs, upgrades, removes and purges the packages in a fresh Debian of its own, under its own systemd, and
# looks whether they behave.
#
#   packaging/test-deb.sh [--suite bookworm|trixie] [--debs DIR] [--prebuilt BUILD_DIR] [--previous DIR] [--keep]
#
#   --suite SUITE         which Debian to make with debootstrap (bookworm); what was made is kept in build/deb-root
#   --debs DIR            packages of that Debian that exist already. Default: they are built, on another Debian than
#                         this machine's inside the root, which is a full compile
#   --prebuilt BUILD_DIR  passed on to packaging/build-deb.sh
#   --previous DIR        packages of a version with an older schema: the upgrade in the middle of a list is from these
#   --keep                leave the root as it is at the end, and say where
#
# Needs root and a mirror (or the kept root). It proves:
#   - in an image (no service may be started) the packages install, and purging leaves nothing but records
#   - in a running system: after installation nothing runs, nothing is enabled, nobody is called
#   - the commands and files of docs/tutorial.md, taken out of it word for word, lead to a dialed list: the rehearsal, and
#     the real thing with the simulator as the carrier, by TLS through the tutorial's Caddy; every unit comes up under its
#     hardening, with its secrets from credentials
#   - a list that is being dialed (through the simulator) goes on after an upgrade in its middle: each number once, and
#     dpkg waits for no conversation, nor is one cut off; with --previous the upgrade brings a new schema, and root's "callctl db migrate" is what it takes to go on
#   - a daemon that hangs is replaced by its watchdog; a campaign's timer fires on time, and never late
set -eu
cd "$(dirname "$0")/.."
here=$PWD

suite=bookworm debs="" prebuilt="" previous="" keep=""
while [ $# -gt 0 ]; do
  case "$1" in
    --suite) shift; suite=${1:?--suite needs a name} ;;
    --debs) shift; debs=${1:?--debs needs a directory} ;;
    --prebuilt) shift; prebuilt=${1:?--prebuilt needs a build directory} ;;
    --previous) shift; previous=${1:?--previous needs a directory} ;;
    --keep) keep=1 ;;
    -h | --help) sed -n '2,22s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "test-deb: unknown option $1 (see packaging/test-deb.sh --help)" >&2; exit 2 ;;
  esac
  shift
done
[ "$(id -u)" -eq 0 ] || { echo "test-deb: debootstrap and namespaces need root" >&2; exit 77; }
packaging/install-deps --yes package

step() { printf '\n== %s\n' "$*"; }
fail() { echo "test-deb: $*" >&2; exit 1; }

# The fresh Debian, made once.
mkdir -p build/deb-root
base=$here/build/deb-root/$suite.tar
if [ ! -e "$base" ]; then
  step "a fresh Debian $suite"
  fresh=$here/build/deb-root/$suite.fresh
  rm -rf "$fresh"
  debootstrap --variant=minbase --include=ca-certificates,systemd "$suite" "$fresh" >build/deb-root/debootstrap.log ||
    { tail -n 5 build/deb-root/debootstrap.log >&2; exit 1; }
  tar -C "$fresh" -cf "$base.part" . && mv "$base.part" "$base"
  rm -rf "$fresh"
fi

# Below /var/tmp: PostgreSQL's user must be able to reach its directories.
work=$(mktemp -d /var/tmp/calld-deb.XXXXXX)
chmod 755 "$work"
root=$work/root
mkdir "$root"
booted=""
boot() { "$here/tests/packaging/boot" "$@"; }
on() { boot run "$root" "$@"; }
image() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive HOME=/root LC_ALL=C.UTF-8 "$@"; }
cleanup() {
  if [ -n "$booted" ]; then boot stop "$root" || true; fi
  for place in src proc; do umount "$root/$place" 2>/dev/null || true; done
  if [ -n "$keep" ]; then echo "kept: $root"; else rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM
tar -C "$root" -xf "$base"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
# As in an image that is being built: packages may ask for services, none is started.
printf '#!/bin/sh\necho "$*" >>/var/log/services-asked\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
image apt-get update -qq

if [ -z "$debs" ]; then
  debs=$here/build/deb/$suite
  if [ "$(. /etc/os-release && echo "$VERSION_CODENAME")" = "$suite" ]; then
    # shellcheck disable=SC2086  # empty, or an option and its value
    packaging/build-deb.sh --output "$debs" ${prebuilt:+--prebuilt "$prebuilt"}
  else
    step "build inside Debian $suite"
    packaging/build-deb.sh --stage "$root/src"
    mkdir -p "$debs" "$root/out"
    image sh /src/packaging/build-deb.sh --output /out
    cp "$root"/out/*.deb "$debs/"
    rm -rf "$root/src" "$root/out"
    tar -C "$root" -xf "$base" # the compiler stays: what the packages need is asked of apt all the same
  fi
fi
mkdir "$root/debs"
cp "$debs"/calld_*.deb "$debs"/callctl_*.deb "$root/debs/"

look_for_leftovers() {
  [ ! -e "$root/etc/calld" ] || fail "purging left $(find "$root/etc/calld" | head -n 3)"
  left=$(find "$root/usr" "$root/lib/systemd" "$root/etc" "$root/run" \( -name 'calld*' -o -name 'callctl*' \) ! -path '*deb-systemd-helper*' -print)
  [ -z "$left" ] || fail "purging left: $left"
}

step "in an image: install, purge"
image sh -c 'apt-get install -qq --no-install-recommends /debs/*.deb postgresql redis-server caddy dbus sudo procps curl >/var/log/install.log 2>&1' ||
  { tail -n 20 "$root/var/log/install.log" >&2; fail "the packages do not install"; }
image calld --version
image callctl --version
if grep calld "$root/var/log/services-asked"; then fail "a unit of calld was to be started"; fi
image sh -c 'apt-get purge -qq calld callctl >/var/log/purge.log 2>&1' || fail "$(tail -n 5 "$root/var/log/purge.log")"
look_for_leftovers
umount "$root/proc"
rm "$root/usr/sbin/policy-rc.d"

step "in a running system: install"
echo "127.0.0.1 localhost $(uname -n)" >"$root/etc/hosts"
boot start "$root"
booted=1
on sh -c 'dpkg -i /debs/*.deb >/var/log/install2.log 2>&1' || fail "$(on tail -n 5 /var/log/install2.log)"
on sh -c 'test "$(stat -c %U:%a /var/lib/calld)" = calld:750' || fail "/var/lib/calld is not the service's alone"
on sh -c 'test "$(stat -c %U:%a /etc/calld/secrets)" = root:700' || fail "/etc/calld/secrets can be read"
on calld config check
for unit in calld-api.service calld-media.service calld-worker@main.service calld-cleanup.timer calld.target; do
  state=$(on systemctl is-enabled "$unit" || true)/$(on systemctl is-active "$unit" || true)
  [ "$state" = disabled/inactive ] || fail "$unit is $state after installation"
done
[ -z "$(on ps -o pid= -u calld)" ] || fail "a process of calld runs after installation"

tutorial() { "$here/tests/packaging/tutorial" "$1"; }
# follow WORDS [SED]: runs the tutorial's commands with these words in the system, changed by what only a person knows.
follow() {
  found=$(tutorial "$1") || exit 1
  commands=$(printf "%s\n" "$found" | sed "${2:-}")
  [ -n "$commands" ] || fail "nothing is left of the tutorial's commands: $found"
  printf "%s\n" "$commands" | on sh -eu || fail "the tutorial's commands fail: $commands"
}
# set_keys FILE: the sections and keys of standard input, each put where FILE has its section and (in a comment) its key.
set_keys() {
  awk 'NR == FNR { if (/^\[/) section = $0; else if (NF) { keys[section] = keys[section] $0 "\n"; taken[section, $1] = 1 } next }
    /^\[/ { section = $0; print; printf "%s", keys[section]; delete keys[section]; next }
    { key = $1; sub(/^#/, "", key); if (!((section, key) in taken)) print }
    END { for (left in keys) { print "no section " left >"/dev/stderr"; exit 1 } }' - "$1" >"$1.new" && mv "$1.new" "$1"
}

step "the tutorial: a rehearsal"
follow 'calld up' >"$root/var/log/rehearsal.log" 2>&1 &
rehearsal=$!
n=0
until on sudo -u calld calld up --state-dir /var/lib/calld/up --wait-ready 1 2>/dev/null; do
  n=$((n + 1))
  [ $n -lt 120 ] || fail "calld up: $(tail -n 5 "$root/var/log/rehearsal.log")"
  sleep 1
done
follow 'rehearse list create'
on pkill --signal INT --uid calld --full 'calld up' # Ctrl-C
wait "$rehearsal" || true
[ -z "$(on ps -o pid= -u calld)" ] || fail "the rehearsal does not end"

step "the tutorial: configure, start"
follow createuser
follow 'config set appendonly'
keys=$(tutorial YOUR-ACCOUNT-SID) || exit 1
# A person's: the account, and that its carrier is the simulator, which lets more calls through.
printf "%s\n" "$keys" | sed 's/YOUR-ACCOUNT-SID/AC00000000000000000000000000000001/
  s|^\[carrier\]|&\nbase_url = "http://127.0.0.1:8082"\ncalls_per_second = 4|' | set_keys "$root/etc/calld/calld.toml"
chmod 644 "$root/etc/calld/calld.toml"
on calld config check
secret=a-secret-that-nothing-may-show
commands=$(tutorial 'install -m 600') || exit 1
echo "$secret" | on sh -eu -c "$commands"
step "the tutorial: the way in, with an authority of this machine's"
{
  printf '{\n  local_certs\n  skip_install_trust\n}\n'
  tutorial reverse_proxy || exit 1
} >"$root/etc/caddy/Caddyfile"
echo '127.0.0.1 calls.example.com media.example.com' >>"$root/etc/hosts"
on caddy validate --config /etc/caddy/Caddyfile 2>/dev/null || fail "$(on caddy validate --config /etc/caddy/Caddyfile 2>&1)"
on systemctl start caddy # the package's Caddyfile was in force
follow 'reload caddy' 's/^sudo //'
authority=/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt
n=0
until on test -s "$authority"; do
  n=$((n + 1))
  [ $n -lt 30 ] || fail "Caddy makes no authority: $(on journalctl -n 15 --no-pager -u caddy)"
  sleep 1
done
on cp "$authority" /usr/local/share/ca-certificates/caddy.crt
on update-ca-certificates >/dev/null 2>&1
cat >"$root/etc/systemd/system/carrier.service" <<'UNIT'
[Unit]
Description=The simulated carrier of the test
[Service]
Type=notify
User=calld
LoadCredential=calld:/etc/calld/secrets
Environment=CALLD_SIM_TRUTH_DIR=/var/lib/calld/truth
ExecStart=/usr/bin/calld sim --listen 127.0.0.1:8082
[Install]
WantedBy=multi-user.target
UNIT
on systemctl daemon-reload
on systemctl enable --quiet --now carrier.service
follow 'enable --now calld.target' '/doctor/d'
units="calld-api.service calld-worker@main.service calld-media.service"
for unit in $units calld.target calld-cleanup.timer; do
  [ "$(on systemctl is-active "$unit")" = active ] || fail "$unit does not run: $(on journalctl -n 15 --no-pager -u "$unit")"
done
on systemctl start calld-cleanup.service || fail "the clean-up pass fails: $(on journalctl -n 15 --no-pager -u calld-cleanup)"
for unit in $units; do
  pid=$(on systemctl show -P MainPID "$unit")
  if on grep -q "$secret" "/proc/$pid/environ" "/proc/$pid/cmdline" || on systemctl show "$unit" | grep -q "$secret"; then
    fail "$unit shows the secret"
  fi
  on grep -q '^NoNewPrivs:.1' "/proc/$pid/status" || fail "$unit runs without its hardening"
done
media=$(on systemctl show -P MainPID calld-media.service)
if on sh -c 'ulimit -r 10' 2>/dev/null; then
  on sh -c "for t in /proc/$media/task/*; do echo \"\$(cat \$t/comm) \$(chrt -p \${t##*/} | head -n 1)\"; done" | grep -E '^media-[0-9]+ .*SCHED_RR' ||
    fail "no loop of the media server is scheduled in real time"
else
  # Nobody can be granted the limit here. What can be seen: the hardening lets the call through where realtime.conf is,
  # and nowhere else (the capability stands in for the limit).
  echo "not looked at: real-time scheduling of the media server (this machine lets nobody raise RLIMIT_RTPRIO)"
  probe=$root/etc/systemd/system/calld-probe.service
  printf '[Service]\nType=oneshot\nExecStart=/usr/bin/chrt --rr 10 /usr/bin/true\n' >"$probe"
  mkdir "$probe.d"
  printf '[Service]\nPrivateUsers=no\nCapabilityBoundingSet=CAP_SYS_NICE\nAmbientCapabilities=CAP_SYS_NICE\n' >"$probe.d/30-probe.conf"
  printf 'StateDirectory=\nRuntimeDirectory=\n' >>"$probe.d/30-probe.conf" # those of the daemons are theirs
  on systemctl daemon-reload
  if on systemctl start calld-probe.service 2>/dev/null; then fail "the hardening alone allows real-time scheduling"; fi
  cp "$here/packaging/systemd/realtime.conf" "$probe.d/20-realtime.conf"
  on systemctl daemon-reload
  on systemctl start calld-probe.service || fail "realtime.conf does not allow real-time scheduling: $(on journalctl -n 5 --no-pager -u calld-probe)"
  rm -r "$probe" "$probe.d"
  on systemctl daemon-reload
  echo "seen: realtime.conf lets a service ask for it, the hardening alone does not"
fi
# As root, who sees everything, and as cron does it (docs/howto/cron.md).
follow 'enable --now calld.target' '/enable/d'
on sudo -u calld callctl -q doctor --problems || fail "the doctor finds an error as the user calld"
for path in /metrics /readyz /v1/lists /twilio/../metrics /healthz; do
  echo "$path $(on curl --path-as-is -s -o /dev/null -w '%{http_code}' "https://calls.example.com$path")"
done >"$work/public"
[ "$(xargs <"$work/public")" = "/metrics 404 /readyz 404 /v1/lists 404 /twilio/../metrics 404 /healthz 200" ] ||
  fail "the proxy lets in: $(cat "$work/public")"

step "the tutorial: the first call"
follow 'list create first' 's/YOUR-NUMBER/+12125550101/; s/YOUR-TWILIO-NUMBER/+15005550006/; /call show/d'
n=0 call=""
while [ -z "$call" ]; do # the record is filed some seconds after the call
  call=$(on sudo callctl -o csv call ls --list first | sed -n '2s/,.*//p')
  n=$((n + 1))
  [ $n -lt 30 ] || fail "there is no record of the first call"
  sleep 1
done
follow 'list create first' "/alias/b; s/call show CALL/call show $call/; t; d"

step "a list that is being dialed, an upgrade in its middle"
ctl() { on sudo -u calld callctl "$@"; }
if [ -n "$previous" ]; then
  on systemctl stop calld.target
  mkdir "$root/previous"
  cp "$previous"/calld_*.deb "$previous"/callctl_*.deb "$root/previous/"
  on sh -c 'apt-get install -qq --allow-downgrades /previous/*.deb >/var/log/downgrade.log 2>&1' || fail "$(on tail -n 5 /var/log/downgrade.log)"
  on sudo -u postgres dropdb calld
  on sudo -u postgres createdb --owner calld calld
  ctl db migrate
  on systemctl start calld.target
fi
{
  echo phone
  for n in $(seq 10 49); do echo "+120255501$n"; done
} >"$root/var/people.csv"
echo '# changed by an operator' >>"$root/etc/calld/calld.toml"
ctl list create upgrade /var/people.csv --from +15005550006 --agent echo --time-limit 10 --concurrency 8
ctl list start upgrade --confirm upgrade
sleep 12
before=$(on systemctl show -P MainPID $units | tr '\n' ' ')
ctl list show upgrade | grep -E '^(state|done|active|pending)'
ctl -o json list show upgrade | grep -q '"state": "running"' || fail "the list is not being dialed"
next=$(on dpkg-query -W -f '${Version}' calld)+upgrade
for package in calld callctl; do
  rm -rf "$work/repack"
  dpkg-deb --raw-extract "$root/debs/$package"_*.deb "$work/repack"
  sed -i "s/^Version: .*/Version: $next/; s/callctl (= [^)]*)/callctl (= $next)/" "$work/repack/DEBIAN/control"
  rm "$root/debs/$package"_*.deb
  dpkg-deb --build "$work/repack" "$root/debs/${package}_$next.deb" >/dev/null
done
on sh -c 'dpkg -i /debs/*.deb >/var/log/upgrade.log 2>&1' || fail "the upgrade fails: $(on tail -n 5 /var/log/upgrade.log)"
# Conversations are under way. dpkg did not wait for them; they end first all the same, and nobody is dialed meanwhile.
state=$(on systemctl show -P ActiveState calld-media.service)/$(on systemctl show -P ActiveState calld-worker@main.service)
case "$state" in active/deactivating | deactivating/deactivating | deactivating/inactive) ;; *) fail "media server and worker are $state behind the upgrade" ;; esac
if [ -n "$previous" ]; then
  # They wait for the new schema and say so, and root, who is not calld, does what they say.
  if mended=$(on callctl doctor --local --problems -o csv); then fail "the doctor does not see the older schema"; fi
  echo "$mended" | grep 'callctl db migrate'
  on callctl db migrate
fi
# restarted: every daemon runs, and none as the process that it was.
restarted() {
  for unit in $units; do
    [ "$(on systemctl is-active "$unit")" = active ] || return 1
    case " $before" in *" $(on systemctl show -P MainPID "$unit") "*) return 1 ;; esac
  done
}
n=0
until restarted; do
  n=$((n + 1))
  [ $n -lt 150 ] || fail "the upgrade did not restart every daemon: $(on systemctl list-units --all 'calld*')"
  sleep 1
done
echo "restarted $n s behind the upgrade"
if on journalctl -o cat -u calld-media.service | grep 'ended before their time'; then fail "the upgrade cut conversations off"; fi
on grep -q 'changed by an operator' /etc/calld/calld.toml || fail "the upgrade lost the changed calld.toml"
on grep -q "$secret" /etc/calld/secrets/carrier.auth_token || fail "the upgrade lost a secret"
ctl list wait upgrade --timeout 300 || fail "the list did not go on after the upgrade"
ctl list show upgrade | grep -E '^(state|done|attempts|outcomes|unknown_attempts)'
ctl -o json list show upgrade | grep -q '"done": 40' || fail "not every entry has ended"
made=$(on sh -c "grep -o '+120255501[0-9]*' /var/lib/calld/truth/creates.jsonl | sort | uniq -c | awk '{ print \$1 }' | sort | uniq -c | xargs")
[ "$made" = "40 1" ] || fail "the carrier counted calls otherwise than 40 numbers once: $made"
ctl call ls --list upgrade | tail -n 3

step "a daemon that hangs"
pid=$(on systemctl show -P MainPID calld-media.service)
on kill -STOP "$pid"
n=0
while [ "$(on systemctl show -P NRestarts calld-media.service)" = 0 ]; do
  n=$((n + 1))
  [ $n -lt 90 ] || fail "the watchdog let a stopped media server be"
  sleep 1
done
echo "replaced after $n s"

step "a campaign's timer: on time, and never late"
on sh -c 'cp /usr/share/doc/calld/examples/campaign/calld-campaign@.* /etc/systemd/system/'
mkdir -p "$root/etc/calld/campaigns" "$root/var/lib/calld/campaigns"
on sh -c 'head -n 2 /var/people.csv >/var/lib/calld/campaigns/news.csv && chown -R calld: /var/lib/calld/campaigns'
# fires_at TIME BEGIN_BY: the timer elapses then, and nothing begins later than that.
fires_at() {
  printf 'FROM=+15005550006\nBEGIN_BY=%s\nEND=23:59:59\n' "$(date -u -d "$2" '+%F %T UTC')" >"$root/etc/calld/campaigns/news.env"
  mkdir -p "$root/etc/systemd/system/calld-campaign@news.timer.d"
  printf '[Timer]\nOnCalendar=\nOnCalendar=%s\n' "$(date -u -d "$1" '+%F %T UTC')" >"$root/etc/systemd/system/calld-campaign@news.timer.d/test.conf"
  on systemctl daemon-reload
  on systemctl restart calld-campaign@news.timer
}
on systemctl enable --quiet calld-campaign@news.timer
fires_at '+15 seconds' '+1 minute'
boot stop "$root"
sleep 16
boot start "$root"
sleep 3
if ctl list ls | grep -q news-; then fail "the campaign began late, after the machine had been off at its time"; fi
for unit in $units; do
  [ "$(on systemctl is-active "$unit")" = active ] || fail "$unit does not run after a reboot"
done
fires_at '+2 seconds' '-1 minute' # as a machine that wakes hours later
sleep 6
if ctl list ls | grep -q news-; then fail "the campaign began after BEGIN_BY"; fi
on systemctl show -P Result calld-campaign@news.service | grep -q exec-condition || fail "BEGIN_BY did not keep the campaign from beginning"
fires_at '+4 seconds' '+1 minute'
sleep 8
ctl list ls | grep news- || fail "the campaign did not begin: $(on journalctl -n 15 --no-pager -u 'calld-campaign@news.*')"

step "remove, purge"
on sh -c 'apt-get remove -qq calld callctl >/var/log/remove.log 2>&1' || fail "$(on tail -n 5 /var/log/remove.log)"
[ -e "$root/etc/calld/calld.toml" ] || fail "removing took the configuration along"
for unit in $units; do
  [ "$(on systemctl is-active "$unit" || true)" != active ] || fail "$unit runs on without its package"
done
records=$(find "$root/var/lib/calld/records" -name record.json | wc -l)
[ "$records" -gt 0 ] || fail "removing took the records along"
on systemctl disable --quiet --now carrier.service calld-campaign@news.timer
on sh -c 'rm -r /etc/systemd/system/carrier.service /etc/systemd/system/calld-campaign@* /etc/calld/campaigns'
on sh -c 'apt-get purge -qq calld callctl 2>&1 | tail -n 2'
look_for_leftovers
for unit in $units; do
  if on systemctl cat "$unit" >/dev/null 2>&1; then fail "systemd still knows $unit after the purge"; fi
done
[ "$(find "$root/var/lib/calld/records" -name record.json | wc -l)" = "$records" ] || fail "purging deleted records of conversations"

echo
[ -n "$previous" ] || echo "not looked at: an upgrade with a new schema (--previous)"
echo "Debian $suite: installed, upgraded in the middle of a list, removed and purged as it should be."
