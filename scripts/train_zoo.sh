#!/usr/bin/env bash
# Trains a zoo of adapters for a PLM, several a track, each from a seed of its own, to merge and to compare with.
#
#   scripts/train_zoo.sh PLM DATA OUT [SET...]
#
# PLM   folder of the pretrained model, such as www/models/paraphrase-minilm-l3-v2
# DATA  a folder with a folder a set, each with train.tsv and, where there is one, dev.tsv: UTF-8, no quoting, columns
#       label, text1 and, for pairs, text2
# OUT   where to write: OUT/targets/SET (what few-shot experiments learn and are judged on), OUT/data/SET.tsv (what an
#       adapter learns), OUT/NAME/adapters/SET with the name of the PLM's folder
# SET   the ones to train; all when none is named
#
# From the environment:
# EPOCHS  passes over each set                                               (what the table below says)
# MERA  the command                                                          (cargo run --release --bin mera --)
#
# An adapter that stands there is left as it is, so a run that was stopped goes on.
set -euo pipefail

[ $# -ge 3 ] || { sed -n '4p' "$0" >&2; exit 2; }
PLM=$1 DATA=$2 OUT=$3
shift 3
MERA=${MERA:-cargo run --release --bin mera --}

# Set, seed, rows at most, passes over them. The rows are the first of the file.
ZOO='
mnli   1 9000 6
snli   2 9000 6
paws   3 1000 6
qqp    4 9000 1
sst2   5 7000 1
imdb   6 1000 2
rte    7 2500 2
qnli   8 9000 1
mr     9 7000 1
mrpc  10 4000 2
subj  11 6000 1
trec  12 6000 1
cola  13 6000 1
agnews 14 4000 1
'

# What few-shot experiments draw from and are judged on: the first rows of train.tsv and of dev.tsv.
TARGETS='mrpc rte mnli qnli cr mr'
POOL=1000
JUDGED=200

ADAPTERS=$OUT/$(basename "$PLM")/adapters
mkdir -p "$OUT/data" "$ADAPTERS"
for target in $TARGETS; do
    mkdir -p "$OUT/targets/$target"
    head -n $((POOL + 1)) "$DATA/$target/train.tsv" >"$OUT/targets/$target/train.tsv"
    head -n $((JUDGED + 1)) "$DATA/$target/dev.tsv" >"$OUT/targets/$target/test.tsv"
done

# Prints the first $2 rows of the data file $1 that share no text with a file of $3... (lower case, letters and digits
# only), and says on standard error how many do.
without_shared() {
    local file=$1 rows=$2
    shift 2
    LC_ALL=C awk -F '\t' -v source="$file" -v rows="$rows" '
        function plain(text) { text = tolower(text); gsub(/[^a-z0-9]/, "", text); return text }
        FILENAME != source { if (FNR > 1) for (i = 2; i <= NF; i++) seen[plain($i)]; next }
        FNR == 1 { print; next }
        { for (i = 2; i <= NF; i++) if (plain($i) in seen) { dropped++; next } if (kept++ < rows) print }
        END { printf "%s: %d rows share a text with a target\n", source, dropped > "/dev/stderr" }
    ' "$@" "$file"
}

while read -r set seed rows epochs; do
    [ -n "$set" ] || continue
    [ $# -eq 0 ] || [[ " $* " == *" $set "* ]] || continue
    [ -f "$ADAPTERS/$set/adapter_config.json" ] && continue
    # Of a target of the same name nothing is removed: an experiment leaves out the adapter of a target's own task.
    others=()
    for target in $TARGETS; do
        [ "$target" = "$set" ] || others+=("$OUT/targets/$target/train.tsv" "$OUT/targets/$target/test.tsv")
    done
    without_shared "$DATA/$set/train.tsv" "$rows" "${others[@]}" >"$OUT/data/$set.tsv"
    dev=()
    if [ -f "$DATA/$set/dev.tsv" ]; then
        head -n 501 "$DATA/$set/dev.tsv" >"$OUT/data/$set-dev.tsv"
        dev=(--dev "$OUT/data/$set-dev.tsv")
    fi
    $MERA train --plm "$PLM" --data "$OUT/data/$set.tsv" ${dev[@]+"${dev[@]}"} --epochs "${EPOCHS:-$epochs}" --batch-size 32 \
        --learning-rate 1e-3 --max-length 64 --seed "$seed" -o "$ADAPTERS/$set"
done <<<"$ZOO"
