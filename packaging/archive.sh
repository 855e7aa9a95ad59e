#!/bin/sh
# Packs target/archives/webmon-VERSION-TARGET.tar.gz: the binary of the profile `dist` with its man page, completions, licences,
# example configuration and unit. Usage: packaging/archive.sh VERSION TARGET
set -eu
cd "$(dirname "$0")/.."

version=${1:?usage: archive.sh VERSION TARGET}
target=${2:?usage: archive.sh VERSION TARGET}
name=webmon-$version-$target
folder=target/archives/$name
rm -rf "$folder"
mkdir -p "$folder/completions"
cp "target/$target/dist/webmon" README.md LICENSE-APACHE LICENSE-MIT sites.yaml docs/guide.md docs/CHANGELOG.md \
  packaging/webmon.service "$folder"
"$folder/webmon" man >"$folder/webmon.1"
for shell in bash zsh fish; do "$folder/webmon" completions "$shell" >"$folder/completions/webmon.$shell"; done
tar -C target/archives -czf "target/archives/$name.tar.gz" "$name"
rm -rf "$folder"
