#!/bin/sh
# Builds target/debian/webmon_*.deb with cargo-deb (`cargo install cargo-deb`), as [package.metadata.deb] of Cargo.toml says.
# BINARY=FILE packs a webmon that is built already; otherwise the profile `dist` is built with NATS.
set -eu
cd "$(dirname "$0")/../.."

made=target/packaging
rm -rf "$made"
mkdir -p "$made/deb"
if [ -z "${BINARY:-}" ]; then
  cargo build --locked --profile dist --features nats
  BINARY=target/dist/webmon
fi
install -m 755 "$BINARY" "$made/webmon"

"$made/webmon" man >"$made/webmon.1"
for shell in bash zsh fish; do "$made/webmon" completions "$shell" >"$made/webmon.$shell"; done

# The unit of a package: the binary is below /usr, and the user exists, so that its group can read the store.
sed -e 's|/usr/local/bin/webmon|/usr/bin/webmon|' -e 's|^DynamicUser=yes$|User=webmon\nGroup=webmon|' \
  -e 's|^StateDirectoryMode=0700$|StateDirectoryMode=0750|' -e 's|^UMask=0077$|UMask=0027|' \
  -e 's|as a dynamic user that|as the user webmon, which|' packaging/webmon.service >"$made/deb/webmon.service"
for script in postinst postrm; do install -m 755 "packaging/deb/$script" "$made/deb/$script"; done

cargo deb --locked --no-build --no-strip
