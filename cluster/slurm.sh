#!/usr/bin/env bash
#SBATCH --job-name=mera
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=02:00:00
# One task of an experiment as an element of a Slurm job array:
#
#   cluster/tasks.py EXPERIMENT.toml -o OUT > tasks.txt
#   sbatch --array=1-$(wc -l <tasks.txt) cluster/slurm.sh EXPERIMENT.toml OUT tasks.txt
#   mera summarize --form records -o OUT OUT/part-*    # when all have ended: beside the records that OUT has
#   mera summarize -o OUT OUT
#
# What stands behind the three goes to `mera run`: --plm DIR, --device cuda (with #SBATCH --gpus=1).
#
# An element that was stopped goes on from its own records when it is submitted again.
set -euo pipefail
experiment=$1 output=$2 tasks=$3
shift 3
read -ra hashes < <(sed -n "${SLURM_ARRAY_TASK_ID:?sbatch --array sets it}p" "$tasks")
export RAYON_NUM_THREADS=${SLURM_CPUS_PER_TASK:-2}
exec "${MERA:-mera}" run "$experiment" -o "$output/part-$SLURM_ARRAY_TASK_ID" --resume "$@" --only "${hashes[@]}"
