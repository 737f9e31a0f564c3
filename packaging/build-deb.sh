#!/bin/sh
# Builds the Debian packages calld and callctl from this tree, and asks lintian what it thinks of them.
#
#   packaging/build-deb.sh [--output DIR] [--version VERSION] [--prebuilt BUILD_DIR]
#
#   --output DIR          where the .deb files go (build/deb)
#   --version VERSION     another version than the changelog's, to try an upgrade
#   --prebuilt BUILD_DIR  pack the programs of this build instead of compiling them with Debian's flags: a matter of
#                         seconds, for trying the packaging itself. Not for publishing.
#
# What is built is the tree as git sees it, uncommitted changes included.
set -eu
cd "$(dirname "$0")/.."

output=build/deb version="" prebuilt=""
while [ $# -gt 0 ]; do
  case "$1" in
    --output) shift; output=${1:?--output needs a directory} ;;
    --version) shift; version=${1:?--version needs a version} ;;
    --prebuilt) shift; prebuilt=$(cd "${1:?--prebuilt needs a build directory}" && pwd) ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "build-deb: unknown option $1 (see packaging/build-deb.sh --help)" >&2; exit 2 ;;
  esac
  shift
done

packaging/install-deps --yes build package

mkdir -p "$output"
output=$(cd "$output" && pwd)
rm -f "$output"/*.deb "$output"/*.changes "$output"/*.buildinfo
stage=$output/calld
rm -rf "$stage"
mkdir "$stage"
git ls-files -z --cached --others --exclude-standard -- ':!packaging/debian' |
  xargs -0 sh -c 'for file; do if [ -e "$file" ]; then printf "%s\0" "$file"; fi; done' sh |
  tar --null --files-from=- --create | tar --extract --directory="$stage"
cp -r packaging/debian "$stage/debian"
if [ -n "$version" ]; then sed -i "1s/(.*)/($version)/" "$stage/debian/changelog"; fi

# ccache, where there is one, makes the second build quick.
if [ -d /usr/lib/ccache ]; then PATH=/usr/lib/ccache:$PATH; export PATH; fi
if [ -n "$prebuilt" ]; then CALLD_PREBUILT=$prebuilt; export CALLD_PREBUILT; fi
(cd "$stage" && dpkg-buildpackage --build=binary --no-sign)
rm -rf "$stage"

lintian --info --pedantic --fail-on error,warning "$output"/*.changes
echo
ls -l "$output"/*.deb
