#!/bin/sh
# Installs a package, runs what its unit starts, removes it, and purges it; nothing of this machine changes: it all happens in
# namespaces of its own, on an overlay of the root file system, without a network but loopback and without systemd.
# Usage, as root: packaging/deb/test.sh target/debian/webmon_*.deb
set -eu

deb=$(realpath "${1:?usage: test.sh PACKAGE.deb}")
if [ -z "${WEBMON_DEB_TEST_INSIDE:-}" ]; then
  WEBMON_DEB_TEST_INSIDE=1 exec unshare --mount --net --pid --fork --kill-child -- "$0" "$deb"
fi

layers=/mnt
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/upper" "$layers/work" "$layers/root"
root=$layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
for folder in /dev /sys; do mount --rbind "$folder" "$root$folder"; done
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
cp "$deb" "$root/tmp/webmon.deb"
ip link set lo up 2>/dev/null || true
cat >"$root/tmp/inside.sh" <<'INSIDE'
set -eu
fail() { echo "FAILED: $*" >&2; exit 1; }
there() { for path; do [ -e "$path" ] || fail "$path is missing"; done; }
gone() { for path; do [ ! -e "$path" ] || fail "$path is still there"; done; }

dpkg -i /tmp/webmon.deb
there /usr/bin/webmon /usr/share/man/man1/webmon.1.gz /usr/share/bash-completion/completions/webmon \
  /usr/share/zsh/vendor-completions/_webmon /usr/share/fish/vendor_completions.d/webmon.fish /etc/webmon/sites.yaml \
  /usr/share/doc/webmon/copyright
unit=$(find /lib/systemd/system /usr/lib/systemd/system -name webmon.service | head -n 1)
there "$unit"
[ -z "$(dpkg --verify webmon)" ] || fail "$(dpkg --verify webmon)"
webmon --version
webmon validate --config /etc/webmon/sites.yaml
[ "$(stat -c %U:%a /var/lib/webmon)" = webmon:750 ] || fail "the folder of the store: $(stat -c %U:%a /var/lib/webmon)"

# It watches its own listener.
cat >/etc/webmon/sites.yaml <<'SITES'
listen: { address: "127.0.0.1:9115" }
sites:
  - { name: itself, url: "http://127.0.0.1:9115/healthz", interval: 1s, timeout: 1s }
SITES
start=$(sed -n 's/^ExecStart=//p' "$unit")
grep -q '^User=webmon$' "$unit" || fail "the unit names no user"
setpriv --reuid webmon --regid webmon --clear-groups --no-new-privs --bounding-set=-all -- \
  sh -c "umask 0027; exec $start --listen" >/tmp/out 2>&1 &
service=$!
tries=0
until webmon stats --store /var/lib/webmon/webmon.redb --config /etc/webmon/sites.yaml --since 10m --format json 2>/dev/null |
  grep -q '"up":[1-9]'; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { cat /tmp/out >&2; fail "no successful check"; }
  sleep 0.5
done
webmon check http://127.0.0.1:9115/healthz
kill -TERM "$service"
ended=0
wait "$service" || ended=$?
[ "$ended" = 143 ] || fail "exit code $ended"

dpkg -r webmon
gone /usr/bin/webmon "$unit"
there /etc/webmon/sites.yaml /var/lib/webmon/webmon.redb
dpkg -P webmon
gone /etc/webmon/sites.yaml /var/lib/webmon
echo "the package was installed, ran, was removed and purged"
INSIDE
chroot "$root" /bin/sh /tmp/inside.sh
