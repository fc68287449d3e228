#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine beside PyTorch, interleaved, on this machine:

    bench-pytorch.py CROSSLABEL [--compile] [--rounds N] [small|paper|vit]... [f32|bf16]...

Needs PyTorch, and segment-anything for vit (not part of ./check). PyTorch runs channels-last, with
two threads, bf16 by autocast, and with --compile through torch.compile as well: the better of both
counts. Each peer is a process of its own, so that its peak memory is its own. Prints one JSON line
for each case: medians of wall-clock and of processor seconds of both, and their ratios; below 1 the
engine is faster."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

CASES = {
    "small": (8, (64, 64, 48), 2),
    "paper": (16, (112, 112, 80), 2),
    "vit": None,
}
THREADS = 2


def load_network():
    path = pathlib.Path(__file__).parent.parent / "model" / "record-vnet.py"
    source = path.read_text(encoding="utf-8").rsplit("main()", 1)[0]
    space = {}
    exec(compile(source, str(path), "exec"), space)  # pylint: disable=exec-used
    return space["VNet"]


def make_step(name, bf16, compiled):
    import torch
    from torch import nn

    def loss_of(logits, target):
        logits = logits.float()
        p = torch.softmax(logits, 1)[:, 1]
        y = (target == 1).float()
        dice = 1 - (2 * (p * y).sum() + 1e-5) / ((p * p).sum() + (y * y).sum() + 1e-5)
        return 0.5 * (nn.functional.cross_entropy(logits, target) + dice)

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16)
    if name == "vit":
        from segment_anything import sam_model_registry

        net = sam_model_registry["vit_b"]().image_encoder.eval().to(
            memory_format=torch.channels_last)
        run = torch.compile(net) if compiled else net
        x = torch.randn(1, 3, 1024, 1024).to(memory_format=torch.channels_last)

        def infer():
            with torch.inference_mode(), autocast:
                return run(x).float().mean().item()

        return infer
    filters, size, batch = CASES[name]
    net = load_network()(filters, nn.BatchNorm3d).to(memory_format=torch.channels_last_3d)
    run = torch.compile(net) if compiled else net
    x = torch.randn(batch, 1, *size).to(memory_format=torch.channels_last_3d)
    target = (x[:, 0] > 0).long()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def train():
        optimiser.zero_grad()
        with autocast:
            logits = run(x)
        loss = loss_of(logits, target)
        loss.backward()
        optimiser.step()
        return loss.item()

    return train


def serve(name, dtype, mode):
    """One line for each line read: [wall, processor] seconds of a step and the peak in MiB."""
    step = make_step(name, dtype == "bf16", mode == "compiled")
    step()
    step()
    for _ in sys.stdin:
        wall, cpu = time.monotonic(), time.process_time()
        step()
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
        peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
        print(json.dumps([wall, cpu, peak]), flush=True)


class Peer:
    def __init__(self, name, dtype, mode):
        self.mode = mode
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, dtype, mode], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.steps = []

    def step(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self.steps.append(json.loads(self.process.stdout.readline()))
        except (BrokenPipeError, ValueError):
            if self.mode == "eager":
                raise
            self.steps = []  # torch.compile cannot do it here

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def median(self, what):
        return statistics.median(s[what] for s in self.steps)


def engine(program, name, dtype):
    if name == "vit":
        arguments = ["infer", "--model", "vit_b"]
    else:
        filters, size, batch = CASES[name]
        arguments = ["train", "--filters", str(filters), "--size", ",".join(map(str, size)),
                     "--batch", str(batch)]
    answer = subprocess.run(
        [program, "bench", *arguments, "--dtype", dtype, "--repeat", "2", "--threads",
         str(THREADS)], check=True, capture_output=True, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def compare(program, name, dtype, modes, rounds):
    peers = [Peer(name, dtype, mode) for mode in modes]
    ours = []
    for _ in range(rounds):
        ours.append(engine(program, name, dtype))
        for peer in peers:
            peer.step()
            peer.step()
    for peer in peers:
        peer.close()
    best = min((p for p in peers if p.steps), key=lambda p: p.median(0))
    wall = statistics.median(o["seconds"] for o in ours)
    cpu = statistics.median(o["cpu_seconds"] for o in ours)
    memory = max(o["peak_rss_mib"] for o in ours)
    import importlib.metadata

    print(json.dumps({
        "case": name, "dtype": dtype, "pytorch": importlib.metadata.version("torch"),
        "seconds": wall, "of_limit": statistics.median(o["of_limit"] for o in ours),
        "pytorch_seconds": {p.mode: p.median(0) for p in peers if p.steps},
        "ratio": wall / best.median(0),
        "cpu_seconds": cpu, "pytorch_cpu_seconds": best.median(1),
        "cpu_ratio": cpu / best.median(1),
        "peak_rss_mib": memory,
        "pytorch_peak_rss_mib": {p.mode: max(s[2] for s in p.steps) for p in peers if p.steps},
        "memory_ratio": memory / max(s[2] for s in best.steps),
    }), flush=True)


def main():
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:5])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("what", nargs="*", help="small, paper, vit; f32, bf16")
    options = parser.parse_args()
    names = [w for w in options.what if w in CASES] or ["small"]
    dtypes = [w for w in options.what if w in ("f32", "bf16")] or ["f32", "bf16"]
    if len(set(options.what) - set(names) - set(dtypes)) > 0:
        parser.error("small, paper, vit; f32, bf16")
    modes = ["eager", "compiled"] if options.compile else ["eager"]
    for name in names:
        for dtype in dtypes:
            compare(options.program, name, dtype, modes, options.rounds)


main()
