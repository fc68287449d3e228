#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine beside PyTorch, interleaved, on this machine: bench-pytorch.py CROSSLABEL [small|paper]

Needs PyTorch (not part of ./check). Prints one JSON line for each case: medians of wall-clock and of
processor seconds of both, and their ratios; below 1 the engine is faster."""
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

CASES = {
    "small": (8, (64, 64, 48), 2),
    "paper": (16, (112, 112, 80), 2),
}
ROUNDS = 3


def load_network():
    path = pathlib.Path(__file__).parent.parent / "model" / "record-vnet.py"
    source = path.read_text(encoding="utf-8").rsplit("main()", 1)[0]
    space = {}
    exec(compile(source, str(path), "exec"), space)  # pylint: disable=exec-used
    return space["VNet"]


def loss_of(logits, target):
    logits = logits.float()
    p = torch.softmax(logits, 1)[:, 1]
    y = (target == 1).float()
    dice = 1 - (2 * (p * y).sum() + 1e-5) / ((p * p).sum() + (y * y).sum() + 1e-5)
    return 0.5 * (nn.functional.cross_entropy(logits, target) + dice)


class Peer:
    def __init__(self, network, case, bf16):
        filters, size, batch = case
        self.bf16 = bf16
        self.net = network(filters, nn.BatchNorm3d).to(memory_format=torch.channels_last_3d)
        self.x = torch.randn(batch, 1, *size).to(memory_format=torch.channels_last_3d)
        self.target = (self.x[:, 0] > 0).long()
        self.optimiser = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9,
                                         weight_decay=1e-4)

    def step(self):
        wall, cpu = time.monotonic(), time.process_time()
        self.optimiser.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            logits = self.net(self.x)
        loss_of(logits, self.target).backward()
        self.optimiser.step()
        return time.monotonic() - wall, time.process_time() - cpu


def engine(program, case, dtype):
    filters, size, batch = case
    answer = subprocess.run(
        [program, "bench", "train", "--filters", str(filters), "--size", ",".join(map(str, size)),
         "--batch", str(batch), "--dtype", dtype, "--repeat", "2"],
        check=True, capture_output=True, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def main():
    program = sys.argv[1]
    names = sys.argv[2:] or ["small"]
    torch.set_num_threads(2)
    network = load_network()
    for name in names:
        for dtype in ("f32", "bf16"):
            peer = Peer(network, CASES[name], dtype == "bf16")
            peer.step()
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(engine(program, CASES[name], dtype))
                theirs.append(min(peer.step(), peer.step()))
            wall = statistics.median(o["seconds"] for o in ours)
            cpu = statistics.median(o["cpu_seconds"] for o in ours)
            peer_wall = statistics.median(t[0] for t in theirs)
            peer_cpu = statistics.median(t[1] for t in theirs)
            print(json.dumps({
                "case": name, "dtype": dtype, "pytorch": torch.__version__,
                "seconds": wall, "pytorch_seconds": peer_wall, "ratio": wall / peer_wall,
                "cpu_seconds": cpu, "pytorch_cpu_seconds": peer_cpu, "cpu_ratio": cpu / peer_cpu,
                "peak_rss_mib": max(o["peak_rss_mib"] for o in ours),
                "pytorch_peak_rss_mib":
                    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }), flush=True)


main()
