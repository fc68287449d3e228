#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what the reference implementations of the SAM family answer, into sam-golden.h.

Needs the Python packages torch, segment-anything and ultralytics (for its TinyViT); run by hand:

    record_sam.py > tests/seg/generalist/sam-golden.h

Weights and pictures come from a hash of name and index that test-sam-network.c shares, so that no
weights need to be kept. Values are taken at evenly spaced places of each output.
"""
import contextlib
import sys

import numpy as np
import torch
from segment_anything.build_sam import _build_sam
from segment_anything.modeling.image_encoder import ImageEncoderViT

N_SAMPLES = 48
MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


def uniform(name, n):
    """n values in [-1, 1): splitmix64 of hash(name) + index·golden ratio, top 24 bits."""
    with np.errstate(over="ignore"):
        x = fnv1a(name) + np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return ((x >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(np.float32)


def fill_value(name, shape):
    n = int(np.prod(shape)) if len(shape) else 1
    u = uniform(name, n)
    if name.endswith("running_var"):
        value = 1 + np.float32(0.3) * u
    elif name.endswith("running_mean"):
        value = np.float32(0.1) * u
    elif name.endswith("positional_encoding_gaussian_matrix") or name.endswith("_embed.weight") \
            or "point_embeddings" in name or name.endswith("_token.weight") or name.endswith("_tokens.weight"):
        value = u
    elif "rel_pos" in name or name.endswith("pos_embed") or name.endswith("attention_biases"):
        value = np.float32(0.2) * u
    elif len(shape) == 1 and name.endswith("weight"):
        value = 1 + np.float32(0.1) * u
    elif len(shape) == 1:
        value = np.float32(0.1) * u
    else:
        value = np.float32(np.sqrt(3.0 / np.prod(shape[1:]))) * u
    return torch.from_numpy(value.astype(np.float32).reshape(shape))


def fill(module, prefix=""):
    state = module.state_dict()
    for key, tensor in state.items():
        if tensor.dtype.is_floating_point:
            state[key] = fill_value(prefix + key, tuple(tensor.shape))
    module.load_state_dict(state)
    return module.eval()


def samples(tensor):
    flat = tensor.detach().reshape(-1).numpy()
    places = [(i * (len(flat) - 1)) // (N_SAMPLES - 1) for i in range(N_SAMPLES)]
    return [float(flat[p]) for p in places], float(np.abs(flat).max())


def c_array(values):
    lines, line = [], "     "
    for value in values:
        text = f" {value:.9g},"
        if len(line) + len(text) > 98:
            lines.append(line)
            line = "     "
        line += text
    lines.append(line)
    return "\n".join(lines)


PROMPTS = [
    ("a point", [(500.0, 375.0, 1)], None, False),
    ("three points", [(500.0, 375.0, 1), (10.5, 1000.25, 0), (700.0, 30.0, 1)], None, False),
    ("a box", [], (100.0, 200.5, 640.0, 700.0), False),
    ("a box and a point", [(300.0, 300.0, 0)], (100.0, 200.5, 640.0, 700.0), False),
    ("a point and a mask", [(500.0, 375.0, 1)], None, True),
]


def record_decoder(sam, embedding, size):
    """Everything in the frame of 1024 is scaled to the frame of this network."""
    scale = size / 1024
    low_res = torch.from_numpy(8 * uniform("low_res", 256 * 256)).reshape(1, 1, 256, 256)
    for name, points, box, with_mask in PROMPTS:
        coords = labels = boxes = None
        if points:
            coords = torch.tensor([[[x * scale, y * scale] for x, y, _ in points]])
            labels = torch.tensor([[label for _, _, label in points]])
        if box:
            boxes = torch.tensor([box]) * scale
        sparse, dense = sam.prompt_encoder(
            points=(coords, labels) if points else None,
            boxes=boxes,
            masks=low_res if with_mask else None)
        masks, iou = sam.mask_decoder.predict_masks(
            image_embeddings=embedding,
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense)
        values, largest = samples(masks)
        print(f"      {{ /* {name} */")
        print(f"        .largest = {largest:.9g}f,\n        .iou = {{ "
              + ", ".join(f"{v:.9g}f" for v in iou[0].tolist()) + " },")
        print("        .masks = {\n" + c_array(values) + "\n        },\n      },")


def record_sam(name, encoder_of, size):
    sam = _build_sam(encoder_embed_dim=768, encoder_depth=1, encoder_num_heads=12,
                     encoder_global_attn_indexes=[0])
    sam.image_encoder = encoder_of()
    sam.prompt_encoder.input_image_size = (size, size)
    sam = fill(sam)
    image = torch.from_numpy(2 * uniform("image", 3 * size * size)).reshape(1, 3, size, size)
    with torch.no_grad():
        embedding = sam.image_encoder(image)
        values, largest = samples(embedding)
        print(f"  {{\n    .name = \"{name}\",\n    .embedding_largest = {largest:.9g}f,")
        print("    .embedding = {\n" + c_array(values) + "\n    },\n    .answers = {")
        record_decoder(sam, embedding, size)
        print("    },\n  },")


def vit(dim, depth, heads, global_blocks, size=1024):
    return ImageEncoderViT(depth=depth, embed_dim=dim, img_size=size, mlp_ratio=4,
                           norm_layer=lambda d: torch.nn.LayerNorm(d, eps=1e-6), num_heads=heads,
                           patch_size=16, qkv_bias=True, use_rel_pos=True,
                           global_attn_indexes=global_blocks, window_size=14, out_chans=256)


def tiny(size):
    # Its greetings would land in the header.
    with contextlib.redirect_stdout(sys.stderr):
        from ultralytics.models.sam.modules.tiny_encoder import TinyViT
    return TinyViT(img_size=size, in_chans=3, num_classes=1000, embed_dims=(64, 128, 160, 320),
                   depths=(2, 2, 6, 2), num_heads=(2, 4, 5, 10), window_sizes=(7, 7, 14, 7),
                   mlp_ratio=4.0, drop_rate=0.0, drop_path_rate=0.0, use_checkpoint=False,
                   mbconv_expand_ratio=4.0, local_conv_size=3)


class Adapter(torch.nn.Module):
    """SAM-Med2D's, beside the MLP of each block."""

    def __init__(self, dim):
        super().__init__()
        self.norm = torch.nn.LayerNorm(dim)
        self.channel = torch.nn.Sequential(
            torch.nn.Linear(dim, dim // 4, bias=False), torch.nn.ReLU(),
            torch.nn.Linear(dim // 4, dim, bias=False), torch.nn.Sigmoid())
        self.spatial = torch.nn.Sequential(
            torch.nn.Conv2d(dim, dim, 3, 2, 1, bias=False), torch.nn.ReLU(),
            torch.nn.ConvTranspose2d(dim, dim, 4, 2, 1, bias=False), torch.nn.ReLU())

    def forward(self, x):
        x = x.permute(0, 3, 1, 2)
        gate = self.channel(x.mean(dim=(2, 3)))
        x = x + self.spatial(x * gate[:, :, None, None])
        return self.norm(x.permute(0, 2, 3, 1))


class BesideMlp(torch.nn.Module):
    def __init__(self, mlp, adapter):
        super().__init__()
        self.lin1, self.lin2, self.act = mlp.lin1, mlp.lin2, mlp.act
        self.beside = [adapter]

    def forward(self, x):
        return self.lin2(self.act(self.lin1(x))) + self.beside[0](x)


def with_adapters(encoder, dim):
    for block in encoder.blocks:
        block.Adapter = Adapter(dim)
        block.mlp = BesideMlp(block.mlp, block.Adapter)
    return encoder


def record_vit(name, params, adapters=False):
    dim, depth, heads, global_blocks, size = params
    encoder = vit(dim, depth, heads, global_blocks, size)
    encoder = fill(with_adapters(encoder, dim) if adapters else encoder)
    image = torch.from_numpy(2 * uniform("image", 3 * size * size)).reshape(1, 3, size, size)
    with torch.no_grad():
        values, largest = samples(encoder(image))
    bits = sum(1 << block for block in global_blocks)
    print(f"  {{\n    .name = \"{name}\",\n    .params = {{ {size}, 16, {dim}, {depth}, {heads}, 14, "
          f"{bits}, 256, {int(adapters)} }},\n    .largest = {largest:.9g}f,")
    print("    .embedding = {\n" + c_array(values) + "\n    },\n  },")


def main():
    torch.set_num_threads(2)
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by record_sam.py with torch", torch.__version__, "and segment-anything; not by hand. */")
    print("/* clang-format off */")
    print("static const GoldenVit golden_vits[] = {")
    record_vit("small, padded windows", (48, 3, 3, (1,), 256))
    record_vit("small, with adapters", (48, 3, 3, (1,), 256), adapters=True)
    record_vit("two blocks of ViT-L", (1024, 2, 16, (1,), 256))
    record_vit("two blocks of ViT-H", (1280, 2, 16, (1,), 256))
    print("};\n\nstatic const GoldenSam golden_sams[] = {")
    record_sam("vit_b", lambda: vit(768, 12, 12, (2, 5, 8, 11)), 1024)
    try:
        record_sam("tiny_vit", lambda: tiny(1024), 1024)
    except ImportError as error:
        sys.exit(f"no TinyViT to compare with: {error}")
    print("};")


if __name__ == "__main__":
    main()
