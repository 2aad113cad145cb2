#!/usr/bin/env bash
# Trains the sample adapters of www/samples/adapters, for one model.
#
#   DATA=path/to/data scripts/train_samples.sh [flags for `mera train`]
#
# DATA  a folder with a folder a set, each with train.tsv and, where there is one, dev.tsv: UTF-8, no quoting, columns
#       label, text1 and text2. Which sets, and whose they are: www/samples/adapters/all-minilm-l6-v2/README.md.
# PLM   the pretrained model                                        (www/models/all-minilm-l6-v2)
# OUT   where the adapters go, a folder each                        (www/samples/adapters/ and the model's folder)
# SETS  which to train; the n-th has the seed n, and so weights that start apart from the others'   (mnli snli paws)
# EPOCHS  passes over each set                                       (6)
# MERA  the command                                                 (cargo run --bin mera --)
set -euo pipefail
cd "$(dirname "$0")/.."

DATA=${DATA:?a folder with a folder a set, such as mnli/train.tsv}
PLM=${PLM:-www/models/all-minilm-l6-v2}
OUT=${OUT:-www/samples/adapters/$(basename "$PLM")}
SETS=${SETS:-mnli snli paws}
EPOCHS=${EPOCHS:-6}
MERA=${MERA:-cargo run --bin mera --}
TASK=www/samples/task/everyday-nli.tsv

# The sentences of data files, one a line, lower case, letters and digits only.
sentences() {
    tail -q -n +2 "$@" | cut -f 2- | tr '\t' '\n' | LC_ALL=C tr '[:upper:]' '[:lower:]' |
        LC_ALL=C tr -cd 'a-z0-9\n' | LC_ALL=C sort -u | sed '/^$/d'
}

# An adapter that has seen the sample task's sentences would not show what few examples can do.
for set in $SETS; do
    shared=$(LC_ALL=C comm -12 <(sentences "$TASK") <(sentences "$DATA/$set"/*.tsv))
    if [ -n "$shared" ]; then
        echo "$DATA/$set shares sentences with $TASK:" >&2
        echo "$shared" >&2
        exit 1
    fi
done

seed=0
for set in $SETS; do
    seed=$((seed + 1))
    dev=()
    [ -f "$DATA/$set/dev.tsv" ] && dev=(--dev "$DATA/$set/dev.tsv")
    $MERA train --plm "$PLM" --data "$DATA/$set/train.tsv" ${dev[@]+"${dev[@]}"} --epochs "$EPOCHS" --batch-size 32 \
        --learning-rate 1e-3 --max-length 64 --seed "$seed" --force "$@" -o "$OUT/$set"
    # Merging needs no head, and a few-shot run starts a new one.
    rm -f "$OUT/$set"/head_config.json "$OUT/$set"/pytorch_model_head.bin "$OUT/$set"/model_head.safetensors
done

# What the page shows before its engine is there.
cargo run --example sample_manifest
