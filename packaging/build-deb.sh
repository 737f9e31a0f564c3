#!/bin/sh
# Builds the Debian packages calld and callctl from this tree, and asks lintian what it thinks of them.
#
#   packaging/build-deb.sh [--output DIR] [--version VERSION] [--prebuilt BUILD_DIR]
#   packaging/build-deb.sh --stage DIR
#
#   --output DIR          where the .deb files go (build/deb); older packages of calld there are replaced
#   --version VERSION     another version than the changelog's, to try an upgrade
#   --prebuilt BUILD_DIR  pack the programs of this build instead of compiling them with Debian's flags: a matter of
#                         seconds, for trying the packaging itself. Not for publishing.
#   --stage DIR           only copy the tree there, to be built in another root; DIR must be new, or empty
#
# What is built is the tree as git sees it, uncommitted changes included; without git, all of it.
set -eu
cd "$(dirname "$0")/.."

output=build/deb version="" prebuilt="" stage_only=""
while [ $# -gt 0 ]; do
  case "$1" in
    --output) shift; output=${1:?--output needs a directory} ;;
    --version) shift; version=${1:?--version needs a version} ;;
    --prebuilt) shift; prebuilt=$(cd "${1:?--prebuilt needs a build directory}" && pwd) ;;
    --stage) shift; stage_only=${1:?--stage needs a directory} ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "build-deb: unknown option $1 (see packaging/build-deb.sh --help)" >&2; exit 2 ;;
  esac
  shift
done

# The names of the tree's files, each ended by a NUL.
list_files() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard |
      xargs -0 sh -c 'for file; do if [ -e "$file" ]; then printf "%s\0" "$file"; fi; done' sh
  else
    find . -path ./build -prune -o -type f -print0
  fi
}
copy_tree() {
  mkdir -p "$1"
  list_files | tar --null --files-from=- --create | tar --extract --directory="$1"
}

if [ -n "$stage_only" ]; then
  if [ -n "$(ls -A "$stage_only" 2>/dev/null)" ]; then
    echo "build-deb: $stage_only is not empty" >&2
    exit 2
  fi
  copy_tree "$stage_only"
  exit 0
fi

packaging/install-deps --yes build package

mkdir -p "$output"
output=$(cd "$output" && pwd)
# dpkg-buildpackage puts packages beside the tree that it builds: a place of its own for both, below no tree that is copied.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/calld-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
stage=$work/calld
copy_tree "$stage"
mv "$stage/packaging/debian" "$stage/debian"
if [ -n "$version" ]; then sed -i "1s/(.*)/($version)/" "$stage/debian/changelog"; fi

if [ -n "$prebuilt" ]; then
  # Nobody debugs these: without packages of symbols.
  CALLD_PREBUILT=$prebuilt DEB_BUILD_OPTIONS=noautodbgsym
  export CALLD_PREBUILT DEB_BUILD_OPTIONS
elif [ -d /usr/lib/ccache ]; then
  # Makes the second build quick, wherever its place is.
  PATH=/usr/lib/ccache:$PATH CCACHE_BASEDIR=$work
  export PATH CCACHE_BASEDIR
fi
(cd "$stage" && dpkg-buildpackage --build=binary --no-sign)
lintian --info --pedantic --fail-on error,warning "$work"/*.changes

# The directory is somebody's: nothing in it is touched but what an earlier run left.
for name in calld callctl calld-dbgsym callctl-dbgsym; do
  rm -f "$output/$name"_*.deb "$output/$name"_*.changes "$output/$name"_*.buildinfo
done
cp "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$output/"
echo
ls -l "$output"/calld_*.deb "$output"/callctl_*.deb
