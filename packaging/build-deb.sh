#!/bin/sh
# Builds the Debian packages calld and callctl from this tree, and asks lintian what it thinks of them.
#
#   packaging/build-deb.sh [--output DIR] [--version VERSION] [--prebuilt BUILD_DIR]
#   packaging/build-deb.sh --stage DIR
#
#   --output DIR          where the .deb files go (build/deb)
#   --version VERSION     another version than the changelog's, to try an upgrade
#   --prebuilt BUILD_DIR  pack the programs of this build instead of compiling them with Debian's flags: a matter of
#                         seconds, for trying the packaging itself. Not for publishing.
#   --stage DIR           only copy the tree there, to be built in another root
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
  rm -rf "$1"
  mkdir -p "$1"
  list_files | tar --null --files-from=- --create | tar --extract --directory="$1"
}

if [ -n "$stage_only" ]; then
  copy_tree "$stage_only"
  exit 0
fi

packaging/install-deps --yes build package

mkdir -p "$output"
output=$(cd "$output" && pwd)
rm -f "$output"/*.deb "$output"/*.changes "$output"/*.buildinfo
stage=$output/calld
copy_tree "$stage"
mv "$stage/packaging/debian" "$stage/debian"
if [ -n "$version" ]; then sed -i "1s/(.*)/($version)/" "$stage/debian/changelog"; fi

if [ -n "$prebuilt" ]; then
  # Nobody debugs these: without packages of symbols.
  CALLD_PREBUILT=$prebuilt DEB_BUILD_OPTIONS=noautodbgsym
  export CALLD_PREBUILT DEB_BUILD_OPTIONS
elif [ -d /usr/lib/ccache ]; then
  # Makes the second build quick.
  PATH=/usr/lib/ccache:$PATH
  export PATH
fi
(cd "$stage" && dpkg-buildpackage --build=binary --no-sign)
rm -rf "$stage"

lintian --info --pedantic --fail-on error,warning "$output"/*.changes
echo
ls -l "$output"/*.deb
