#!/bin/sh
# Builds the image with docker, podman or buildah, whichever is there, and runs it read-only with a volume until its health check
# passes (buildah: the build only).
set -eu
cd "$(dirname "$0")/../.."

for tool in docker podman buildah; do command -v "$tool" >/dev/null && break; done
case $tool in
  buildah) buildah build --format docker --file packaging/docker/Dockerfile --tag webmon-test . && exit ;;
  *) "$tool" build --file packaging/docker/Dockerfile --tag webmon-test . ;;
esac
name=webmon-test-$$
sites=$(mktemp)
trap '"$tool" rm --force "$name" >/dev/null 2>&1; "$tool" volume rm "$name" >/dev/null 2>&1; rm -f "$sites"' EXIT
chmod 644 "$sites"
cat >"$sites" <<'SITES'
sites:
  - { name: itself, url: "http://127.0.0.1:9115/healthz", interval: 1s, timeout: 1s }
SITES
"$tool" run --detach --name "$name" --read-only --volume "$name:/data" --volume "$sites:/etc/webmon/sites.yaml:ro" webmon-test
tries=0
until "$tool" exec "$name" webmon check --timeout 3s http://127.0.0.1:9115/healthz &&
  "$tool" exec "$name" webmon stats --config /etc/webmon/sites.yaml --store /data/webmon.redb --since 10m --format json |
  grep -q '"up":[1-9]'; do
  tries=$((tries + 1))
  if [ "$tries" -ge 60 ]; then
    "$tool" logs "$name"
    echo "FAILED: no successful check" >&2
    exit 1
  fi
  sleep 0.5
done
[ "$("$tool" exec "$name" id -u)" != 0 ] || { echo "FAILED: it runs as root" >&2; exit 1; }
"$tool" stop "$name" >/dev/null
echo "the image was built, ran read-only as $("$tool" inspect --format '{{.Config.User}}' "$name"), and stopped"
