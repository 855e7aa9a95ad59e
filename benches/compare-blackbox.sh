#!/bin/sh
# CPU a probe of webmon beside Debian's blackbox exporter, alone and with the Prometheus that schedules it, one after the
# other against the same kind of server on loopback; about two minutes.
# Needs: apt-get install prometheus-blackbox-exporter prometheus; what is not installed is skipped, and it says so.
# webmon's figure is all of it (schedule, probe, statistics, store); the exporter's alone is without what schedules it.
set -eu
cd "$(dirname "$0")/.."
exec "${CARGO:-cargo}" bench --bench probe_cost -- blackbox
