#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The engine beside PyTorch, interleaved, on this machine:

    bench-pytorch.py CROSSLABEL [--compile] [--rounds N] [--scan NIFTI]
                     [--device cuda]
                     [small|paper|teacher|teacher-small|vit]... [f32|bf16]...

Needs PyTorch, and segment-anything for vit (not part of ./check). PyTorch runs channels-last, with
two threads (or on the GPU, f32 as TF32, against the engine there), bf16 by autocast, and with --compile through torch.compile as well: the better of both
counts. teacher: a step of the mean teacher on two labelled and two other patches, of --scan (uint8
or float32 .nii.gz) where given. Each peer is a process of its own, so that its peak memory is its own. Prints one JSON line
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
    "teacher": (16, (112, 112, 80), 2),
    "teacher-small": (8, (64, 64, 48), 2),
    "vit": None,
}
THREADS = 2


def load_script(*names):
    """What a script beside this one defines."""
    path = pathlib.Path(__file__).parent.parent.joinpath(*names)
    source = path.read_text(encoding="utf-8").rsplit("main()", 1)[0]
    space = {"__file__": str(path)}
    exec(compile(source, str(path), "exec"), space)  # pylint: disable=exec-used
    return space


def load_network():
    return load_script("model", "record-vnet.py")["VNet"]


def load_patches(scan, size, n):
    """n patches about the middle of the scan, as `bench train --teacher --scan` takes them."""
    import numpy
    import torch

    values = load_script("method", "record-teacher.py")["load"](scan)
    patches = []
    for turn in range(n):
        at = [min((s - p) // 2 + 4 * turn, s - p) for s, p in zip(values.shape, size)]
        patches.append(values[tuple(slice(a, a + p) for a, p in zip(at, size))])
    return torch.tensor(numpy.stack(patches)[:, None], dtype=torch.float32)


def make_teacher_step(name, autocast, compiled, scan, device):
    """Two labelled patches on three planes each (half cross-entropy, half Dice), two others on which
    student and teacher, who sees noise, must agree; SGD; the teacher's average."""
    import torch
    from torch import nn

    filters, size, batch = CASES[name]
    x = load_patches(scan, size, 2 * batch) if scan else torch.randn(2 * batch, 1, *size)
    x = x.to(device).to(memory_format=torch.channels_last_3d)
    target = (x[:batch, 0] > 0).long()
    domain = torch.zeros(batch, *size, device=device)
    for axis, side in enumerate(size):
        domain.select(axis + 1, side // 2).fill_(1)
    student, teacher = (load_network()(filters, nn.BatchNorm3d).to(device).to(
        memory_format=torch.channels_last_3d) for _ in range(2))
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    run, teach = (torch.compile(n) if compiled else n for n in (student, teacher))
    optimiser = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def train():
        optimiser.zero_grad()
        noise = torch.clamp(torch.randn_like(x[batch:]) * 0.1, -0.2, 0.2)
        with torch.no_grad(), autocast:
            wanted = torch.softmax(teach(x[batch:] + noise).float(), 1)
        with autocast:
            logits = run(x)
        logits = logits.float()
        p = torch.softmax(logits[:batch], 1)[:, 1] * domain
        y = target * domain
        dice = 1 - (2 * (p * y).sum() + 1e-5) / ((p * p).sum() + (y * y).sum() + 1e-5)
        ce = nn.functional.cross_entropy(logits[:batch], target, reduction="none") * domain
        loss = 0.5 * (ce.sum() / domain.sum() + dice)
        loss = loss + 0.1 * ((torch.softmax(logits[batch:], 1) - wanted) ** 2).mean()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            torch._foreach_mul_(list(teacher.parameters()), 0.99)
            torch._foreach_add_(list(teacher.parameters()), list(student.parameters()), alpha=0.01)
        return loss.item()

    return train


def make_step(name, bf16, compiled, scan, device):
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
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    autocast = torch.autocast(device, dtype=torch.bfloat16, enabled=bf16)
    if name.startswith("teacher"):
        return make_teacher_step(name, autocast, compiled, scan, device)
    if name == "vit":
        from segment_anything import sam_model_registry

        net = sam_model_registry["vit_b"]().image_encoder.eval().to(device).to(
            memory_format=torch.channels_last)
        run = torch.compile(net) if compiled else net
        x = torch.randn(1, 3, 1024, 1024, device=device).to(memory_format=torch.channels_last)

        def infer():
            with torch.inference_mode(), autocast:
                return run(x).float().mean().item()

        return infer
    filters, size, batch = CASES[name]
    net = load_network()(filters, nn.BatchNorm3d).to(device).to(
        memory_format=torch.channels_last_3d)
    run = torch.compile(net) if compiled else net
    x = torch.randn(batch, 1, *size, device=device).to(memory_format=torch.channels_last_3d)
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


def serve(name, dtype, mode, scan, device):
    """A line when it is warm, then one for each line read: [wall, processor] seconds of a step and
    the peak in MiB."""
    step = make_step(name, dtype == "bf16", mode == "compiled", scan, device)
    step()
    step()
    print("[]", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.monotonic(), time.process_time()
        step()
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
        peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
        print(json.dumps([wall, cpu, peak]), flush=True)


class Peer:
    def __init__(self, name, dtype, mode, scan, device):
        self.mode = mode
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, dtype, mode, scan, device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.steps = []
        # its first steps must not run beside the other's measured ones
        self.ready = self.process.stdout.readline() != ""
        if not self.ready and mode == "eager":
            raise RuntimeError("PyTorch cannot do this step")

    def step(self):
        if not self.ready:
            return  # torch.compile cannot do it here
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self.steps.append(json.loads(self.process.stdout.readline()))
        except (BrokenPipeError, ValueError):
            if self.mode == "eager":
                raise
            self.steps, self.ready = [], False

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def median(self, what):
        return statistics.median(s[what] for s in self.steps)


def engine(program, name, dtype, scan, device):
    if name == "vit":
        arguments = ["infer", "--model", "vit_b"]
    else:
        filters, size, batch = CASES[name]
        arguments = ["train", "--filters", str(filters), "--size", ",".join(map(str, size)),
                     "--batch", str(batch)]
    if name.startswith("teacher"):
        arguments += ["--teacher"] + (["--scan", scan] if scan else [])
    answer = subprocess.run(
        [program, "bench", *arguments, "--device", device, "--dtype", dtype, "--repeat",
         "2" if device == "cpu" else "20", "--threads", str(THREADS)], check=True, capture_output=True, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def compare(program, name, dtype, modes, rounds, scan, device):
    peers = [Peer(name, dtype, mode, scan, device) for mode in modes]
    ours = []
    for _ in range(rounds):
        ours.append(engine(program, name, dtype, scan, device))
        for peer in peers:
            for _ in range(2 if device == "cpu" else 20):
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
        serve(*sys.argv[2:7])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--scan", default="", help="take the patches of teacher from it")
    parser.add_argument("what", nargs="*", help=", ".join(CASES) + "; f32, bf16")
    options = parser.parse_intermixed_args()
    names = [w for w in options.what if w in CASES] or ["small"]
    dtypes = [w for w in options.what if w in ("f32", "bf16")] or ["f32", "bf16"]
    if len(set(options.what) - set(names) - set(dtypes)) > 0:
        parser.error(", ".join(CASES) + "; f32, bf16")
    modes = ["eager", "compiled"] if options.compile else ["eager"]
    for name in names:
        for dtype in dtypes:
            compare(options.program, name, dtype, modes, options.rounds, options.scan,
                    options.device)


main()
