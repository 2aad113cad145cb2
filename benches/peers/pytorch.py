"""PyTorch's time for what `mera bench` measures: MiniLM's forward pass, and a training step of adapter and head.

    pip install torch==2.15.0 transformers==4.57.6 adapters==1.3.0
    python benches/peers/pytorch.py --plm www/models/all-minilm-l6-v2 [--threads 1 2] [--repeats 30]

Float32 on the CPU, batch 8 × 32 real tokens, no dropout. `forward`: `BertModel` without pooler, no gradients.
`adapter_step`: seq_bn adapter (bottleneck 24) and head (two layers, two labels) by the `adapters` library, PLM frozen:
forward, cross-entropy, backward, AdamW. Prints one JSON document: medians and quartiles in milliseconds by number of
threads. Times are worth something only on an idle machine; `load` says how idle it was at the start.
"""

import argparse
import json
import os
import platform
import statistics
import time
from importlib import metadata

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
from adapters import BertAdapterModel, SeqBnConfig  # noqa: E402
from transformers import BertModel  # noqa: E402


def make_batch(rows, tokens):
    gen = torch.Generator().manual_seed(0)
    return {
        "input_ids": torch.randint(1000, 30000, (rows, tokens), generator=gen),
        "token_type_ids": torch.zeros(rows, tokens, dtype=torch.long),
        "attention_mask": torch.ones(rows, tokens, dtype=torch.long),
    }


def make_forward(plm, batch):
    model = BertModel.from_pretrained(plm, add_pooling_layer=False).eval()

    @torch.no_grad()
    def forward():
        return model(**batch).last_hidden_state

    return forward


def make_adapter_step(plm, batch):
    model = BertAdapterModel.from_pretrained(plm)
    model.add_adapter("task", config=SeqBnConfig(reduction_factor=16))
    model.add_classification_head("task", num_labels=2)
    model.train_adapter("task")
    model.eval()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    labels = torch.arange(len(batch["input_ids"])) % 2

    def step():
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()

    return step


def measure(run, repeats):
    """Milliseconds a call, after three calls to warm up."""
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    lower, median, upper = statistics.quantiles(times, n=4)
    return {"median_ms": round(median, 2), "quartiles_ms": [round(lower, 2), round(upper, 2)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plm", required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=30)
    args = parser.parse_args()

    batch = make_batch(args.rows, args.tokens)
    runs = {"forward": make_forward(args.plm, batch), "adapter_step": make_adapter_step(args.plm, batch)}
    document = {
        "peer": "pytorch",
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "adapters")},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "batch": [args.rows, args.tokens],
        "repeats": args.repeats,
        "results": [],
    }
    for threads in args.threads:
        torch.set_num_threads(threads)
        times = {name: measure(run, args.repeats) for name, run in runs.items()}
        document["results"].append({"threads": threads} | times)
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
