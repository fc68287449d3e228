# SPDX-License-Identifier: Apache-2.0
"""What a stroke should have done, computed from the scan's header and the place of the view on the
screen alone: the tests compare the program's labels with it voxel by voxel."""
import nibabel
import numpy

# Screen directions of each plane: right, down (DESIGN 8, radiological)
DIRECTIONS = {"Axial": ("L", "P"), "Coronal": ("L", "I"), "Sagittal": ("P", "I")}
OPPOSITE = dict(zip("RLAPSI", "LRPAIS"))


class View:
    """One slice view that fits its slice, as it stands on the screen."""

    def __init__(self, affine, shape, plane, box):
        codes = nibabel.aff2axcodes(affine)
        spacing = numpy.sqrt((numpy.asarray(affine)[:3, :3] ** 2).sum(axis=0))
        self.shape = shape
        self.axes = []
        for wanted in DIRECTIONS[plane]:
            axis = [n for n, code in enumerate(codes) if code in (wanted, OPPOSITE[wanted])][0]
            self.axes.append((axis, codes[axis] != wanted))
        self.normal = 3 - self.axes[0][0] - self.axes[1][0]
        self.size = [shape[axis] for axis, _ in self.axes]
        self.mm = [spacing[axis] for axis, _ in self.axes]
        self.x, self.y, self.width, self.height = box
        self.px_per_mm = min(self.width / (self.size[0] * self.mm[0]),
                             self.height / (self.size[1] * self.mm[1]))

    def to_uv(self, x, y):
        """Voxels along the two axes of the slice, as the array counts them."""
        u = (x - self.x - self.width / 2) / (self.px_per_mm * self.mm[0]) \
            + (self.size[0] - 1) / 2
        v = (y - self.y - self.height / 2) / (self.px_per_mm * self.mm[1]) \
            + (self.size[1] - 1) / 2
        return (self.size[0] - 1 - u if self.axes[0][1] else u,
                self.size[1] - 1 - v if self.axes[1][1] else v)

    def to_screen(self, u, v):
        """The whole pixel nearest to voxel (u, v)."""
        u = self.size[0] - 1 - u if self.axes[0][1] else u
        v = self.size[1] - 1 - v if self.axes[1][1] else v
        x = self.x + self.width / 2 + (u - (self.size[0] - 1) / 2) * self.px_per_mm * self.mm[0]
        y = self.y + self.height / 2 + (v - (self.size[1] - 1) / 2) * self.px_per_mm * self.mm[1]
        return (round(x), round(y))

    def take(self, volume, index):
        """The slice as an array [u, v] (a copy)."""
        return numpy.moveaxis(volume, [self.axes[0][0], self.axes[1][0], self.normal],
                              [0, 1, 2])[:, :, index].copy()

    def put(self, volume, index, values):
        numpy.moveaxis(volume, [self.axes[0][0], self.axes[1][0], self.normal],
                       [0, 1, 2])[:, :, index] = values

    def grid(self):
        return numpy.meshgrid(numpy.arange(self.size[0]), numpy.arange(self.size[1]),
                              indexing="ij")

    def stroke(self, start, end, diameter_mm):
        """Voxels a round brush covers on its straight way between two points of the screen: those
        surely in, and those so near its rim that rounding decides."""
        (u0, v0), (u1, v1) = self.to_uv(*start), self.to_uv(*end)
        u, v = self.grid()
        a = numpy.array([u0 * self.mm[0], v0 * self.mm[1]])
        b = numpy.array([u1 * self.mm[0], v1 * self.mm[1]])
        p = numpy.stack([u * self.mm[0], v * self.mm[1]], axis=-1) - a
        length = ((b - a) ** 2).sum()
        along = numpy.clip((p @ (b - a)) / length, 0, 1) if length > 0 else numpy.zeros(u.shape)
        distance = numpy.sqrt(((p - along[..., None] * (b - a)) ** 2).sum(axis=-1))
        inside = distance < diameter_mm / 2 - 1e-6
        inside[int(round(u1)), int(round(v1))] = True
        inside[int(round(u0)), int(round(v0))] = True
        return inside, abs(distance - diameter_mm / 2) <= 1e-6

    def polygon(self, points):
        """Voxels whose centres the polygon holds (even-odd), and those on its edges."""
        corners = [self.to_uv(*point) for point in points]
        u, v = self.grid()
        inside = numpy.zeros(u.shape, bool)
        unsure = numpy.zeros(u.shape, bool)
        for (u0, v0), (u1, v1) in zip(corners, corners[1:] + corners[:1]):
            crosses = (v0 > v) != (v1 > v)
            with numpy.errstate(divide="ignore", invalid="ignore"):
                at = u0 + (v - v0) * (u1 - u0) / (v1 - v0)
            inside ^= crosses & (u < at)
            unsure |= crosses & (abs(u - at) < 1e-6)
        return inside, unsure


def component(mask, seed):
    """What is joined to the seed through faces, in two dimensions."""
    found = numpy.zeros(mask.shape, bool)
    stack = [tuple(seed)]
    while stack:
        p = stack.pop()
        if not (0 <= p[0] < mask.shape[0] and 0 <= p[1] < mask.shape[1]):
            continue
        if found[p] or not mask[p]:
            continue
        found[p] = True
        stack += [(p[0] - 1, p[1]), (p[0] + 1, p[1]), (p[0], p[1] - 1), (p[0], p[1] + 1)]
    return found


def holes(mask):
    """Background that the mask shuts in."""
    padded = numpy.pad(~mask, 1, constant_values=True)
    return ~mask & ~component(padded, (0, 0))[1:-1, 1:-1]
