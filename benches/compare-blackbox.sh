#!/bin/sh
# CPU a probe of webmon beside Debian's blackbox exporter alone, one after the other against the same server on loopback.
# Needs: apt-get install prometheus-blackbox-exporter; without it the comparison is skipped and says so.
# webmon's figure is all of it (schedule, probe, statistics, store); the exporter's is without the Prometheus that
# schedules it and stores.
set -eu
cd "$(dirname "$0")/.."
exec "${CARGO:-cargo}" bench --bench probe_cost -- blackbox
