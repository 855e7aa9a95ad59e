#!/usr/bin/env bash
# Measures `webmon validate` on large and hostile configurations: time, CPU time and peak memory (GNU time).
# Usage: benches/config.sh [BINARY], by default target/release/webmon
set -euo pipefail
webmon=$(realpath "${1:-target/release/webmon}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Writes its standard input to the file $1, preceded by `sites:`.
sites() { { echo 'sites:'; cat; } > "$1"; }

seq 100000 | awk '{ printf "  - { name: s%d, url: \047https://s%d.example/health\047, interval: 60s, group: g%d }\n", $1, $1, $1 % 7 }' |
  sites hundred-thousand.yaml
seq 100000 | awk '{ printf "  - name: s%d\n    url: https://s%d.example/health\n    group: g%d\n", $1, $1, $1 % 7 }' |
  sites hundred-thousand-lines.yaml
for i in $(seq 10000); do
  echo "  - { name: s$i, url: 'https://s$i.example/health', interval: 30s, group: g$((i % 7)), headers: { X-Number: '$i' } }"
done | sites ten-thousand.yaml
echo 'x-all: &all { interval: 30s, timeout: 5s, headers: { X-Shared: one } }' > one-anchor.yaml
{ echo 'sites:'; for i in $(seq 10000); do echo "  - { <<: *all, url: 'https://s$i.example/' }"; done; } >> one-anchor.yaml
for i in $(seq 90000); do echo "  - { nam: $i, urll: x }"; done | sites faults.yaml
seq -f "  - https://s%.0f.example/$(printf 'x%.0s' {1..610})" 99000 | sites sixty-mebibytes.yaml
seq -f "  - %.0f" 4000001 | sites four-million-values.yaml
{
  echo 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
  for i in $(seq 9); do below="*a$((i - 1))"; echo "a$i: &a$i [$(yes -- "$below," | head -n 8 | xargs) $below]"; done
  echo 'sites: *a9'
} > alias-bomb.yaml
head -c 100000 /dev/zero | tr '\0' '[' > brackets.yaml
{ yes -- '- https://a.example' || true; } | head -c 100000000 > hundred-megabytes.yaml
printf 'sites: [https://\377.example]\n' > not-utf8.yaml
printf '\357\273\277sites: [https://a.example]\n' > byte-order-mark.yaml
printf 'sites:\n\t- https://a.example\n' > tabs.yaml
printf 'sites: [https://a.example]\n---\nsites: []\n' > two-documents.yaml

for file in *.yaml; do
  # The last line of output is the verdict. A rejected file is not an error of this script.
  verdict=$({ env time -o measured -f '%e s, CPU %U + %S s, %M kB' "$webmon" -c "$file" validate 2>&1 || true; } | tail -n 1 | cut -c 1-90)
  printf '%-24s %-44s %s\n' "$file" "$(tail -n 1 measured)" "$verdict"
done
