#!/bin/sh
# Builds the Debian packages calld and callctl from this tree.
#
#   packaging/build-deb.sh [--output DIR] [--version VERSION]
#
# The result, the .deb files and lintian's verdict, lies in DIR (build/deb). What is built is the tree as git sees it,
# uncommitted changes included. VERSION is for trials of an upgrade; without it the changelog's stands.
set -eu
cd "$(dirname "$0")/.."

output=build/deb version=""
while [ $# -gt 0 ]; do
  case "$1" in
    --output) shift; output=${1:?--output needs a directory} ;;
    --version) shift; version=${1:?--version needs a version} ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "build-deb: unknown option $1 (see packaging/build-deb.sh --help)" >&2; exit 2 ;;
  esac
  shift
done

packaging/install-deps --yes build package

mkdir -p "$output"
output=$(cd "$output" && pwd)
stage=$output/calld
rm -rf "$stage"
mkdir "$stage"
git ls-files -z --cached --others --exclude-standard -- ':!packaging/debian' |
  xargs -0 sh -c 'for f; do if [ -e "$f" ]; then printf "%s\0" "$f"; fi; done' sh |
  tar --null --files-from=- --create | tar --extract --directory="$stage"
cp -r packaging/debian "$stage/debian"
if [ -n "$version" ]; then
  sed -i "1s/(.*)/($version)/" "$stage/debian/changelog"
fi

# ccache, where there is one, makes the second build quick.
if [ -d /usr/lib/ccache ]; then PATH=/usr/lib/ccache:$PATH CCACHE_DIR=${CCACHE_DIR:-$HOME/.cache/ccache}; export PATH CCACHE_DIR; fi
(cd "$stage" && dpkg-buildpackage --build=binary --no-sign ${DEB_JOBS:+--jobs="$DEB_JOBS"})
rm -rf "$stage"

echo
lintian --info --fail-on error,warning "$output"/*.changes
ls -l "$output"/*.deb
