#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small window out of which files can be dragged, as a file manager's: drag-source.py FILE…"""
import sys

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gdk, Gio, Gtk  # noqa: E402


def activate(application):
    window = Gtk.ApplicationWindow(application=application, title="Drag source",
                                   default_width=160, default_height=120)
    label = Gtk.Label(label="Drag me", hexpand=True, vexpand=True)
    files = Gdk.FileList.new_from_list([Gio.File.new_for_path(path) for path in sys.argv[1:]])
    source = Gtk.DragSource(actions=Gdk.DragAction.COPY,
                            content=Gdk.ContentProvider.new_for_value(files))
    label.add_controller(source)
    window.set_child(label)
    window.present()


app = Gtk.Application(application_id=None, flags=Gio.ApplicationFlags.NON_UNIQUE)
app.connect("activate", activate)
app.run([])
