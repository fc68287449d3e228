# SPDX-License-Identifier: Apache-2.0
"""The pointer, the keys and the pixels of an X display, without a process per event: Xlib and XTest
through ctypes. Event times and pixel times come from the same clock of this process."""
import ctypes
import time

ZPIXMAP, ALL_PLANES = 2, 0xFFFFFFFF


class _Image(ctypes.Structure):
    _fields_ = [("width", ctypes.c_int), ("height", ctypes.c_int), ("xoffset", ctypes.c_int),
                ("format", ctypes.c_int), ("data", ctypes.POINTER(ctypes.c_char)),
                ("byte_order", ctypes.c_int), ("bitmap_unit", ctypes.c_int),
                ("bitmap_bit_order", ctypes.c_int), ("bitmap_pad", ctypes.c_int),
                ("depth", ctypes.c_int), ("bytes_per_line", ctypes.c_int)]


class Display:
    def __init__(self):
        self.x = ctypes.CDLL("libX11.so.6")
        self.test = ctypes.CDLL("libXtst.so.6")
        self.x.XOpenDisplay.restype = ctypes.c_void_p
        self.x.XDefaultRootWindow.restype = ctypes.c_ulong
        self.x.XGetImage.restype = ctypes.POINTER(_Image)
        self.x.XStringToKeysym.restype = ctypes.c_ulong
        self.handle = ctypes.c_void_p(self.x.XOpenDisplay(None))
        if not self.handle:
            raise RuntimeError("there is no display")
        self.root = ctypes.c_ulong(self.x.XDefaultRootWindow(self.handle))
        self.x.XSynchronize(self.handle, 0)

    def _flush(self):
        self.x.XFlush(self.handle)
        return time.monotonic()

    def move(self, x, y):
        """The pointer goes there; gives the time at which the event left."""
        self.test.XTestFakeMotionEvent(self.handle, -1, int(round(x)), int(round(y)),
                                       ctypes.c_ulong(0))
        return self._flush()

    def button(self, number, down):
        self.test.XTestFakeButtonEvent(self.handle, number, int(down), ctypes.c_ulong(0))
        return self._flush()

    def click(self, number=1):
        self.button(number, True)
        return self.button(number, False)

    def key(self, accelerator):
        """“ctrl+shift+z”, “Return”, “b”."""
        names = {"ctrl": "Control_L", "shift": "Shift_L", "alt": "Alt_L"}
        codes = []
        for word in accelerator.split("+"):
            keysym = self.x.XStringToKeysym(names.get(word, word).encode())
            codes.append(self.x.XKeysymToKeycode(self.handle, ctypes.c_ulong(keysym)))
        for code in codes:
            self.test.XTestFakeKeyEvent(self.handle, code, 1, ctypes.c_ulong(0))
        for code in reversed(codes):
            self.test.XTestFakeKeyEvent(self.handle, code, 0, ctypes.c_ulong(0))
        return self._flush()

    def grab(self, x, y, width=1, height=1):
        """The pixels as bytes, four each (blue, green, red, unused), and when they were read."""
        image = self.x.XGetImage(self.handle, self.root, int(x), int(y), int(width), int(height),
                                 ctypes.c_ulong(ALL_PLANES), ZPIXMAP)
        if not image:
            raise RuntimeError("these pixels are not on the screen")
        now = time.monotonic()
        size = image.contents.bytes_per_line * height
        pixels = ctypes.string_at(image.contents.data, size)
        self.x.XDestroyImage(image)
        return pixels, now
