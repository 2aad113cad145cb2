#!/usr/bin/env bash
# What merging does to some adapters before any training, method by method: how far the neurons were from corresponding,
# and how far the merge is from the mean of the adapters' functions.
#
#   scripts/merge_reports.sh PLM TEXTS OUT ADAPTER...
#
# Writes OUT/NAME.json, the report of `mera merge`, for each NAME of the list below, and prints them as a table.
# MERA  the command, from the environment                                   (cargo run --release --bin mera --)
set -euo pipefail
[ $# -ge 5 ] || { sed -n '5p' "$0" >&2; exit 2; }
PLM=$1 TEXTS=$2 OUT=$3
shift 3
MERA=${MERA:-cargo run --release --bin mera --}

MERGES='
sum                 sum
average             average
average_keep        average --scale keep
mera_wts            mera_wts
mera_wts_both       mera_wts --set features=both --set normalize_rows=true
mera_wts_soft       mera_wts --set solver=sinkhorn --set epsilon=0.05
mera_acts           mera_acts
mera_acts_soft_01   mera_acts --set solver=sinkhorn --set epsilon=0.01
mera_acts_soft_05   mera_acts --set solver=sinkhorn --set epsilon=0.05
mera_acts_keep      mera_acts --scale keep
average_fit         average --set fit=true
mera_acts_fit       mera_acts --set fit=true
concat_reduced      concat_reduced
'
mkdir -p "$OUT"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while read -r name method settings; do
    [ -n "$name" ] || continue
    # shellcheck disable=SC2086 # the settings are words of their own
    $MERA merge --method "$method" $settings --plm "$PLM" --texts "$TEXTS" --report "$OUT/$name.json" \
        --force -o "$work/merged" "$@" >"$work/said"
done <<<"$MERGES"
cargo run --quiet --example results -- merges "$OUT"
