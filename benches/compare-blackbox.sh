#!/bin/sh
# Compares the CPU per probe of webmon with Debian's blackbox exporter, alone and with the Prometheus that schedules it,
# in turn against the same kind of server on loopback; about two minutes.
# Needs: apt-get install prometheus-blackbox-exporter prometheus. Skips, with a message, what is not installed.
# webmon's figure covers scheduling, probe, statistics and store; the exporter's covers the probe alone.
set -eu
cd "$(dirname "$0")/.."
exec "${CARGO:-cargo}" bench --bench probe_cost -- blackbox
