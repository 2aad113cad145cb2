"""Exports all-MiniLM-L6-v2 to ONNX for `run.mjs`: float32, token ids in, last hidden state out.

    pip install torch==2.15.0 transformers==4.57.6 onnx onnxscript
    python benches/peers/onnxruntime_web/export.py --plm www/models/all-minilm-l6-v2

Writes `model.onnx` beside itself (90 MB, not in git), with dynamic numbers of rows and tokens.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402
from transformers import BertModel  # noqa: E402

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class LastHiddenState(torch.nn.Module):
    """The encoder with plain positional inputs and a single output."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        return self.model(**dict(zip(INPUTS, inputs, strict=True))).last_hidden_state


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plm", required=True, help="folder of all-MiniLM-L6-v2")
    args = parser.parse_args()
    model = BertModel.from_pretrained(args.plm, add_pooling_layer=False, attn_implementation="eager").eval()
    ids = torch.randint(1000, 30000, (8, 32))
    mask = torch.ones_like(ids)
    mask[0, 16:] = 0
    dynamic = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens", max=512)}
    torch.onnx.export(
        LastHiddenState(model).eval(),
        (ids, mask, torch.zeros_like(ids)),
        Path(__file__).resolve().parent / "model.onnx",
        input_names=INPUTS,
        output_names=["last_hidden_state"],
        dynamic_shapes=((dynamic, dynamic, dynamic),),
        external_data=False,
        dynamo=True,
    )


if __name__ == "__main__":
    main()
