#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The slice benches of `crosslabel bench render` beside VTK and vispy on the same software GL.

Each peer reslices the same scan (256 x 256 x 160 int16, two labels), lays the labels over it and
reads the picture back; each turn shows another slice. The three programs take turns, so that a busy
machine is busy for all of them. Prints one JSON line per case, with the ratio peer / crosslabel.

Needs python3-vtk9, python3-vispy, python3-opengl, python3-pyqt5 with its qtopengl, python3-numpy,
python3-pil and a display (xvfb-run does). Run as:
    LIBGL_ALWAYS_SOFTWARE=1 xvfb-run -a python3 tests/bench/render-peers.py path/to/crosslabel [CASE]
"""
import json
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

SIZE = (256, 256, 160)  # i, j, k
ROUNDS = 3
FRAMES = 15
INK = ((230 / 255, 159 / 255, 0.0), (86 / 255, 180 / 255, 233 / 255))  # crosslabel's own


def make_scan():
    """As make_scan() in app/bench-render.c; indexed k, j, i."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in SIZE[::-1]), indexing="ij")
    x, y, z = (2.0 * a / n - 1.0 for a, n in zip((i, j, k), SIZE))
    a = (x - 0.3) ** 2 + y**2 + z**2 < 0.09
    b = (x + 0.4) ** 2 + y**2 + z**2 < 0.06
    noise = (np.arange(i.size, dtype=np.uint64) * 2654435761 % 2**32 >> 27).reshape(i.shape)
    values = np.where(x * x + y * y < 0.8, 40, -1000) + 80 * a + 40 * b + noise.astype(np.int64)
    return values.astype(np.int16), np.where(a, 1, np.where(b, 2, 0)).astype(np.uint8)


class Vtk:
    """vtkImageSliceMapper, which leaves interpolation to the texture, labels as a second slice."""

    def __init__(self, values, labels, side, n_views):
        import vtk
        from vtk.util import numpy_support

        self.vtk, self.to_numpy = vtk, numpy_support.vtk_to_numpy

        def image(array):
            data = vtk.vtkImageData()
            data.SetDimensions(*SIZE)
            data.SetSpacing(0.8, 0.8, 1.28)
            data.GetPointData().SetScalars(
                numpy_support.numpy_to_vtk(array.ravel(), deep=True)
            )
            return data

        scan, overlay = image(values), image(labels)
        table = vtk.vtkLookupTable()
        table.SetNumberOfTableValues(3)
        table.SetTableRange(0, 2)
        for n, rgba in enumerate([(0, 0, 0, 0), (*INK[0], 0.4), (*INK[1], 0.4)]):
            table.SetTableValue(n, *rgba)
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(side * n_views, side)
        self.mappers = []
        for view in range(n_views):
            renderer = vtk.vtkRenderer()
            renderer.SetViewport(view / n_views, 0, (view + 1) / n_views, 1)
            orientation = (2, 1, 0)[view]
            for data, is_label in ((scan, False), (overlay, True)):
                mapper = vtk.vtkImageSliceMapper()
                mapper.SetInputData(data)
                mapper.SetOrientation(orientation)
                shown = vtk.vtkImageSlice()
                shown.SetMapper(mapper)
                if is_label:
                    shown.GetProperty().SetLookupTable(table)
                    shown.GetProperty().UseLookupTableScalarRangeOn()
                    shown.GetProperty().SetInterpolationTypeToNearest()
                else:
                    shown.GetProperty().SetColorWindow(400)
                    shown.GetProperty().SetColorLevel(40)
                    shown.GetProperty().SetInterpolationTypeToLinear()
                renderer.AddViewProp(shown)
                self.mappers.append((mapper, SIZE[orientation]))
            camera = renderer.GetActiveCamera()
            camera.ParallelProjectionOn()
            directions = {2: ((0, 0, -1), (0, -1, 0)), 1: ((0, 1, 0), (0, 0, 1)), 0: ((1, 0, 0), (0, 0, 1))}
            away, up = directions[orientation]
            middle = [0.4 * SIZE[0], 0.4 * SIZE[1], 0.64 * SIZE[2]]
            camera.SetFocalPoint(*middle)
            camera.SetPosition(*(m - 500 * a for m, a in zip(middle, away)))
            camera.SetViewUp(*up)
            renderer.ResetCamera()
            camera.SetParallelScale(0.4 * SIZE[0])  # the slice fills its view, as with the others
            self.window.AddRenderer(renderer)
        self.pixels = vtk.vtkUnsignedCharArray()
        self.size = (side * n_views, side)

    def draw(self, turn):
        for mapper, n in self.mappers:
            mapper.SetSliceNumber(n // 3 + turn % (n // 3))
        self.window.Render()
        self.window.GetRGBACharPixelData(0, 0, self.size[0] - 1, self.size[1] - 1, 0, self.pixels)
        return self.to_numpy(self.pixels)


class Vispy:
    """A shader on a 3-D texture, labels in a second one: what vispy's users write."""

    VERTEX = """
        attribute vec2 corner;
        varying vec2 v_tex;
        void main () { v_tex = corner * 0.5 + 0.5; gl_Position = vec4 (corner, 0.0, 1.0); }
    """
    FRAGMENT = """
        uniform $sampler3D scan;
        uniform $sampler3D labels;
        uniform float depth;
        uniform int view;
        varying vec2 v_tex;
        void main () {
          vec3 at = view == 0 ? vec3 (v_tex, depth) : view == 1 ? vec3 (v_tex.x, depth, v_tex.y)
                                                                : vec3 (depth, v_tex);
          float shade = clamp (($texture3D (scan, at).r * 65535.0 - 32768.0 + 160.0) / 400.0, 0.0, 1.0);
          float label = $texture3D (labels, at).r * 255.0;
          vec3 ink = label > 1.5 ? vec3 $second : vec3 $first;
          gl_FragColor = vec4 (mix (vec3 (shade), ink, label > 0.5 ? 0.4 : 0.0), 1.0);
        }
    """

    def __init__(self, values, labels, side, n_views):
        import vispy
        from vispy import app, gloo

        vispy.use(app="pyqt5")

        self.gloo = gloo
        self.canvas = app.Canvas(size=(side * n_views, side), show=False)
        self.side, self.n_views = side, n_views
        fragment = self.FRAGMENT.replace("$sampler3D", "sampler3D").replace("$texture3D", "texture3D")
        fragment = fragment.replace("$first", str(INK[0])).replace("$second", str(INK[1]))
        self.program = gloo.Program(self.VERTEX, fragment)
        self.program["corner"] = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32)
        unsigned = (values.astype(np.int32) + 32768).astype(np.uint16)
        self.program["scan"] = gloo.Texture3D(
            unsigned[..., None], interpolation="linear", internalformat="r16", wrapping="clamp_to_edge"
        )
        self.program["labels"] = gloo.Texture3D(
            labels[..., None], interpolation="nearest", wrapping="clamp_to_edge"
        )
        self.target = gloo.FrameBuffer(gloo.RenderBuffer((side, side * n_views), "color"))

    def draw(self, turn):
        self.canvas.set_current()
        with self.target:
            for view in range(self.n_views):
                n = SIZE[2 - view]
                self.gloo.set_viewport(view * self.side, 0, self.side, self.side)
                self.program["view"] = view
                self.program["depth"] = (n // 3 + turn % (n // 3) + 0.5) / n
                self.program.draw("triangle_strip")
            self.gloo.set_viewport(0, 0, self.side * self.n_views, self.side)
            return self.gloo.read_pixels((0, 0, self.side * self.n_views, self.side))


def measure(peer):
    times = []
    for turn in range(-3, FRAMES):
        cpu, start = time.process_time(), time.perf_counter()
        picture = peer.draw(turn + 3)
        if turn >= 0:
            times.append((1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu)))
    return times, np.asarray(picture)


def difference(picture, side, own_path):
    """Mean difference of a picture from Crosslabel's, in levels of 255; each may lie any way round."""
    own = np.asarray(Image.open(own_path).convert("RGB"), float)
    other = picture.reshape(side, side, -1)[..., :3].astype(float)
    ways = [np.rot90(other, turns)[::flip] for turns in range(4) for flip in (1, -1)]
    return min(np.abs(own - way).mean() for way in ways)


def measure_crosslabel(program, case, folder):
    lines = subprocess.run(
        [program, "bench", "render", "--repeat", str(FRAMES), "--only", case, "--save", folder],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    result = [r for r in map(json.loads, lines) if r["case"] == case][-1]
    return [(result["ms"], result["cpu_ms"])]


def measure_peer(name, side, n_views, own_path):
    """In a process of its own: the peers' GL contexts do not bear each other."""
    result = subprocess.run(
        [sys.executable, __file__, "--peer", name, str(side), str(n_views), own_path],
        capture_output=True, text=True,
    )
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip().splitlines()[-1])
    sys.stderr.write("".join(l + "\n" for l in result.stderr.splitlines() if "levels off" in l))
    return json.loads(result.stdout.splitlines()[-1])


def run_peer(name, side, n_views, own_path):
    values, labels = make_scan()
    peer = {"vtk": Vtk, "vispy": Vispy}[name](values, labels, side, n_views)
    measure(peer)
    times, picture = measure(peer)
    if n_views == 1:  # the same work is proven by the same picture
        off = difference(picture, side, own_path)
        assert off < 4.0, f"the peer's picture is another one: {off:.1f} levels off"
        print(f"{name}: {off:.2f} levels off", file=sys.stderr)
    print(json.dumps(times))


def main():
    program, only = sys.argv[1], (sys.argv[2:] + [""])[0]
    folder = tempfile.mkdtemp()
    cases = [
        ("linear with labels 800x800", 800, 1),
        ("three linked views with labels 600x600", 600, 3),
    ]
    for case, side, n_views in (c for c in cases if only in c[0]):
        times = {"crosslabel": [], "vtk": [], "vispy": []}
        for _ in range(ROUNDS):
            times["crosslabel"] += measure_crosslabel(program, case, folder)
            for name in ("vtk", "vispy"):
                try:
                    times[name] += measure_peer(name, side, n_views, f"{folder}/{case}.png")
                except RuntimeError as error:  # a peer that cannot run here is said, not hidden
                    print(json.dumps({"case": case, "program": name, "skipped": str(error)[:200]}))
        medians = {
            name: [statistics.median(t[column] for t in taken) for column in (0, 1)]
            for name, taken in times.items() if taken
        }
        for name, (ms, cpu_ms) in medians.items():
            print(json.dumps({
                "bench": "render-peers", "case": case, "program": name, "ms": round(ms, 2),
                "cpu_ms": round(cpu_ms, 2),
                "ms_ratio_to_crosslabel": round(ms / medians["crosslabel"][0], 2),
                "cpu_ratio_to_crosslabel": round(cpu_ms / medians["crosslabel"][1], 2),
            }), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        run_peer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
