# SPDX-License-Identifier: Apache-2.0
# Sourced by ./run and ./check: packages and the build folder. Standard output stays the program's.

packages_build="build-essential meson ninja-build pkg-config libgtk-4-dev libadwaita-1-dev libvulkan-dev glslc spirv-tools libnifti2-dev libhdf5-dev libsqlite3-dev libdnnl-dev libjson-glib-dev libdeflate-dev libjpeg-dev libpng-dev zlib1g-dev gettext"
packages_run="mesa-vulkan-drivers libgl1-mesa-dri librsvg2-common adwaita-icon-theme fonts-dejavu dconf-gsettings-backend at-spi2-core"
packages_check="xvfb xauth xdotool openbox dbus-x11 x11-utils python3-pyatspi imagemagick vulkan-validationlayers appstream desktop-file-utils python3-h5py python3-nibabel python3-numpy sqlite3"

setup_packages () {
  local missing="" package list kind
  for kind in "$@"; do
    list="packages_$kind"
    for package in ${!list}; do
      dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
  done
  [ -z "$missing" ] && return 0
  local sudo=""
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo="sudo"; else
      echo "Some packages are missing. Install them, then start again:" >&2
      echo "  sudo apt-get install --no-install-recommends$missing" >&2
      exit 1
    fi
  fi
  $sudo apt-get update >&2 || echo "apt-get update failed; going on with the lists at hand" >&2
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends $missing >&2
}

setup_build () {
  local build=$1; shift
  [ -f "$build/build.ninja" ] || meson setup "$build" "$here" "$@" >&2
  ninja -C "$build" >&2
}
