#!/bin/sh
# Installs, upgrades, removes and purges the packages in a fresh Debian of its own, and looks whether they behave.
#
#   packaging/test-deb.sh [--suite bookworm|trixie] [--debs DIR] [--prebuilt BUILD_DIR]
#
#   --suite SUITE         which Debian to make with debootstrap (bookworm); it is kept in build/deb-root for the next run
#   --debs DIR            packages that exist already (default: packaging/build-deb.sh makes them)
#   --prebuilt BUILD_DIR  passed on to packaging/build-deb.sh
#
# Needs root and a mirror (or the kept root). It proves:
#   - after installation nothing runs, nothing is enabled, nobody is called; the user and directories are there
#   - a list that is being dialed (through the simulator) goes on after an upgrade in its middle: every entry ends once
#   - the upgrade keeps a changed calld.toml and the secrets
#   - removing keeps configuration and records; purging leaves nothing but records
set -eu
cd "$(dirname "$0")/.."

suite=bookworm debs="" prebuilt=""
while [ $# -gt 0 ]; do
  case "$1" in
    --suite) shift; suite=${1:?--suite needs a name} ;;
    --debs) shift; debs=${1:?--debs needs a directory} ;;
    --prebuilt) shift; prebuilt=${1:?--prebuilt needs a build directory} ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "test-deb: unknown option $1 (see packaging/test-deb.sh --help)" >&2; exit 2 ;;
  esac
  shift
done
[ "$(id -u)" -eq 0 ] || { echo "test-deb: debootstrap and chroot need root" >&2; exit 77; }

packaging/install-deps --yes package
if [ -z "$debs" ]; then
  # shellcheck disable=SC2086  # empty, or an option and its value
  packaging/build-deb.sh --output build/deb ${prebuilt:+--prebuilt "$prebuilt"}
  debs=build/deb
fi

step() { printf '\n== %s\n' "$*"; }
fail() { echo "test-deb: $*" >&2; exit 1; }

base=build/deb-root/$suite.tar
if [ ! -e "$base" ]; then
  step "a fresh Debian $suite"
  mkdir -p build/deb-root
  rm -rf "build/deb-root/$suite"
  debootstrap --variant=minbase --include=ca-certificates,systemd "$suite" "build/deb-root/$suite" >build/deb-root/debootstrap.log ||
    { tail -n 5 build/deb-root/debootstrap.log >&2; exit 1; }
  tar -C "build/deb-root/$suite" -cf "$base.part" . && mv "$base.part" "$base"
  rm -rf "build/deb-root/$suite"
fi

root=$(mktemp -d /var/tmp/calld-deb.XXXXXX)
up=""
cleanup() {
  [ -z "$up" ] || kill "$up" 2>/dev/null || true
  inside runuser -u calld -- calld up --state-dir /var/lib/calld/up --stop >/dev/null 2>&1 || true
  umount "$root/proc" 2>/dev/null || true
  umount "$root/dev" 2>/dev/null || true
  rm -rf "$root"
}
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive HOME=/root LC_ALL=C.UTF-8 "$@"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
tar -C "$root" -xf "$base"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev" 2>/dev/null && mount --make-rslave "$root/dev"
# As in an image that is being built: packages may ask for services, none is started.
printf '#!/bin/sh\necho "$*" >>/var/log/services-asked\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mkdir "$root/debs"
cp "$debs"/calld_*.deb "$debs"/callctl_*.deb "$root/debs/"

step "install"
inside apt-get update -qq
inside sh -c 'apt-get install -qq --no-install-recommends /debs/*.deb postgresql redis-server >/var/log/install.log 2>&1' ||
  { tail -n 20 "$root/var/log/install.log" >&2; fail "the packages do not install"; }
inside calld --version
inside callctl --version
inside getent passwd calld
inside sh -c 'test "$(stat -c %U:%a /var/lib/calld)" = calld:750' || fail "/var/lib/calld is not the service's alone"
inside sh -c 'test "$(stat -c %U:%a /etc/calld/secrets)" = root:700' || fail "/etc/calld/secrets can be read"
inside calld config check
for unit in calld-api.service calld-media.service calld-worker@main.service calld-cleanup.timer calld.target; do
  state=$(inside systemctl is-enabled "$unit" 2>&1 || true)
  [ "$state" = disabled ] || fail "$unit is $state after installation"
done
if [ -e "$root/var/log/services-asked" ] && grep calld "$root/var/log/services-asked"; then fail "a unit of calld was to be started"; fi
for pid in /proc/[0-9]*; do
  [ "$(readlink "$pid/root" 2>/dev/null)" != "$root" ] || fail "a process runs after installation: $(tr '\0' ' ' <"$pid/cmdline")"
done

step "a list that is being dialed"
echo '# changed by an operator' >>"$root/etc/calld/calld.toml"
echo not-a-secret >"$root/etc/calld/secrets/carrier.auth_token"
start() {
  inside runuser -u calld -- calld up --state-dir /var/lib/calld/up --free-ports >"$root/var/log/up.log" 2>&1 &
  up=$!
  inside runuser -u calld -- calld up --state-dir /var/lib/calld/up --wait-ready 180 || fail "$(tail -n 3 "$root/var/log/up.log")"
}
ctl() { inside env CALLD_CONFIG=/var/lib/calld/up/calld.toml callctl "$@"; }
start
{
  echo phone
  for n in $(seq 10 49); do echo "+120255501$n"; done
} >"$root/people.csv"
ctl list create upgrade /people.csv --from +15005550006 --agent echo --time-limit 10 --concurrency 4 --calls-per-second 2
ctl list start upgrade --confirm upgrade
sleep 8
ctl list show upgrade | grep -E '^(state|done|active|pending)'
ctl -o json list show upgrade | grep -q '"state": "running"' || fail "the list is not being dialed"
inside runuser -u calld -- calld up --state-dir /var/lib/calld/up --stop
wait "$up" || true

step "upgrade"
next=$(inside dpkg-query -W -f '${Version}' calld)+upgrade
for package in calld callctl; do
  rm -rf "$root/repack"
  dpkg-deb --raw-extract "$root/debs/$package"_*.deb "$root/repack"
  sed -i "s/^Version: .*/Version: $next/; s/callctl (= [^)]*)/callctl (= $next)/" "$root/repack/DEBIAN/control"
  rm "$root/debs/$package"_*.deb
  dpkg-deb --build "$root/repack" "$root/debs/${package}_$next.deb" >/dev/null
done
rm -rf "$root/repack"
inside sh -c 'apt-get install -qq /debs/*.deb >/var/log/upgrade.log 2>&1' || { tail -n 20 "$root/var/log/upgrade.log" >&2; fail "the upgrade fails"; }
grep -q 'changed by an operator' "$root/etc/calld/calld.toml" || fail "the upgrade lost the changed calld.toml"
[ -e "$root/etc/calld/secrets/carrier.auth_token" ] || fail "the upgrade lost a secret"
start
ctl list wait upgrade --timeout 300 || fail "the list did not go on after the upgrade"
ctl list show upgrade | grep -E '^(state|done|attempts|outcomes|unknown_attempts)'
ctl -o json list show upgrade | grep -q '"done": 40' || fail "not every entry has ended"
ctl -o json list show upgrade | grep -q '"attempts": 40' || fail "not exactly one attempt an entry"
inside runuser -u calld -- calld up --state-dir /var/lib/calld/up --stop
wait "$up" || true
up=""

step "remove, purge"
inside sh -c 'apt-get remove -qq calld callctl >/var/log/remove.log 2>&1'
[ -e "$root/etc/calld/calld.toml" ] || fail "removing took the configuration along"
[ -d "$root/var/lib/calld/records" ] || fail "removing took the records along"
mkdir -p "$root/var/lib/calld/records/2026-11-27"
echo '{}' >"$root/var/lib/calld/records/2026-11-27/record.json"
inside sh -c 'apt-get purge -qq calld callctl 2>&1 | tail -n 2'
[ ! -e "$root/etc/calld" ] || fail "purging left $(find "$root/etc/calld" | head -n 3)"
[ -e "$root/var/lib/calld/records/2026-11-27/record.json" ] || fail "purging deleted the record of a conversation"
left=$(find "$root/usr" "$root/lib" "$root/etc" -path "$root/etc/*shadow*" -prune -o \( -name 'calld*' -o -name 'callctl*' \) -print | grep -v deb-systemd-helper || true)
[ -z "$left" ] || fail "purging left: $left"

echo
echo "Debian $suite: installed, upgraded in the middle of a list, removed and purged as it should be."
